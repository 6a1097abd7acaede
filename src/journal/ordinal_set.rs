//! A set of ordinals as one bit each: a hundred million rows in twelve megabytes.
//!
//! Ordinals are dense, so the set is as long as the highest one and never looks at a row twice.

use crate::task::Ordinal;

/// A set of rows of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OrdinalSet {
    words: Vec<u64>,
    len: u64,
}

impl OrdinalSet {
    /// Adds an ordinal, if it is missing.
    pub(crate) fn insert(&mut self, ordinal: Ordinal) {
        let (word, bit) = place(ordinal.0);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.len += u64::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
    }

    /// Takes an ordinal out, if it is there.
    pub(crate) fn remove(&mut self, ordinal: Ordinal) {
        let (word, bit) = place(ordinal.0);
        if let Some(bits) = self.words.get_mut(word) {
            self.len -= u64::from(*bits & bit != 0);
            *bits &= !bit;
        }
    }

    /// Returns whether an ordinal is in the set.
    pub(crate) fn contains(&self, ordinal: Ordinal) -> bool {
        let (word, bit) = place(ordinal.0);
        self.words.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// Returns the number of ordinals.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Returns the first ordinal from `from` on that is not in the set.
    pub(crate) fn first_absent(&self, from: u32) -> u32 {
        let (word, bit) = place(from);
        let Some(bits) = self.words.get(word) else { return from };
        // The bits before `from` count as present, so that the search begins there.
        if let Some(ordinal) = first_zero(word, bits | (bit - 1)) {
            return ordinal;
        }
        let mut later = (word + 1..).zip(&self.words[word + 1..]);
        // A whole word at a time: a resumed run may have millions of settled tasks in a row.
        let absent = later.find_map(|(word, &bits)| first_zero(word, bits));
        absent.unwrap_or_else(|| first_of(self.words.len()))
    }
}

impl FromIterator<Ordinal> for OrdinalSet {
    fn from_iter<I: IntoIterator<Item = Ordinal>>(ordinals: I) -> Self {
        let mut set = Self::default();
        ordinals.into_iter().for_each(|ordinal| set.insert(ordinal));
        set
    }
}

fn place(ordinal: u32) -> (usize, u64) {
    let word = usize::try_from(ordinal / u64::BITS).expect("a u32 fits a usize");
    (word, 1 << (ordinal % u64::BITS))
}

fn first_of(word: usize) -> u32 {
    u32::try_from(word).unwrap_or(u32::MAX).saturating_mul(u64::BITS)
}

fn first_zero(word: usize, bits: u64) -> Option<u32> {
    (bits != u64::MAX).then(|| first_of(word) + bits.trailing_ones())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(ordinals: &[u32]) -> OrdinalSet {
        ordinals.iter().map(|&ordinal| Ordinal(ordinal)).collect()
    }

    #[test]
    fn the_first_absent_one_is_found_across_words() {
        let first = |upto: u32, from| set(&(0..upto).collect::<Vec<_>>()).first_absent(from);
        assert_eq!(first(0, 0), 0);
        assert_eq!(first(0, 1_000), 1_000);
        assert_eq!(first(10, 3), 10);
        assert_eq!(first(64, 0), 64);
        assert_eq!(first(129, 63), 129);
        assert_eq!(set(&[5, 6, 64]).first_absent(5), 7);
        assert_eq!(set(&[5, 6, 64]).first_absent(64), 65);
    }

    proptest! {
        #[test]
        fn it_holds_the_same_as_a_plain_set(
            ordinals in prop::collection::vec(0..300_u32, 0..400),
            from in 0..400_u32,
        ) {
            let (set, plain) = (set(&ordinals), BTreeSet::from_iter(ordinals));
            prop_assert!((0..500).all(|o| set.contains(Ordinal(o)) == plain.contains(&o)));
            prop_assert_eq!(set.len(), plain.len() as u64);
            prop_assert_eq!(set.contains(Ordinal(from)), plain.contains(&from));
            prop_assert_eq!(Some(set.first_absent(from)), (from..).find(|o| !plain.contains(o)));
        }
    }
}
