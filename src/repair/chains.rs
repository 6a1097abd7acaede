//! Says which chunk a segment belonged to that is not whole.
//!
//! Every segment has the distance to the one before it in its chunk. So the whole segments tell which
//! numbers belonged to their chunk, and which cannot have.

use std::collections::BTreeMap;

/// A chunk, or the run itself.
pub(super) type Owner = Option<u32>;

/// A whole segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) seq: u64,
    /// The number of the segment before it; 0 if there was none.
    pub(super) before: u64,
}

/// The whole segments of every chunk, in order.
#[derive(Debug, Default)]
pub(super) struct Chains {
    links: BTreeMap<Owner, Vec<Link>>,
}

impl Chains {
    /// Makes sure that an owner is known, even if nothing of it is whole.
    pub(super) fn know(&mut self, owner: Owner) {
        self.links.entry(owner).or_default();
    }

    /// Adds the next whole segment.
    pub(super) fn push(&mut self, owner: Owner, link: Link) {
        self.links.entry(owner).or_default().push(link);
    }

    /// Returns the whole segments of a chunk.
    pub(super) fn of(&self, owner: Owner) -> &[Link] {
        self.links.get(&owner).map_or(&[], Vec::as_slice)
    }

    /// Calls `take` for every segment that a whole one follows, with its owner.
    pub(super) fn for_each_followed(&self, mut take: impl FnMut(Owner, u64)) {
        for (&owner, links) in &self.links {
            links.iter().for_each(|link| take(owner, link.before));
        }
    }

    /// Returns those that can have had a segment with this number.
    pub(super) fn owners_of(&self, seq: u64) -> Vec<Owner> {
        let owners = self.links.keys().copied();
        owners.filter(|&owner| self.may_own(owner, seq)).collect()
    }

    /// Returns whether a segment with this number can have been one of the owner's.
    pub(super) fn may_own(&self, owner: Owner, seq: u64) -> bool {
        let Some(links) = self.links.get(&owner) else { return false };
        let place = links.partition_point(|link| link.seq < seq);
        let earlier = place.checked_sub(1).map_or(0, |place| links[place].seq);
        // Between two that follow each other there was nothing.
        links.get(place).is_none_or(|next| next.before != earlier && seq <= next.before)
    }

    /// Returns whether nothing of the owner behind this number is whole.
    pub(super) fn ends_before(&self, owner: Owner, seq: u64) -> bool {
        self.of(owner).last().is_none_or(|last| last.seq < seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_belongs_where_the_distances_leave_room_for_it() {
        let mut chains = Chains::default();
        chains.know(None);
        for (seq, before) in [(1, 0), (2, 1), (7, 5), (9, 7)] {
            chains.push(Some(0), Link { seq, before });
        }
        chains.push(Some(1), Link { seq: 3, before: 0 });
        assert_eq!(chains.owners_of(4), [None, Some(0), Some(1)]);
        assert_eq!(chains.owners_of(6), [None, Some(1)]);
        assert_eq!(chains.owners_of(8), [None, Some(1)]);
        assert_eq!(chains.owners_of(10), [None, Some(0), Some(1)]);
        assert!(chains.ends_before(Some(1), 4) && !chains.ends_before(Some(0), 4));
    }
}
