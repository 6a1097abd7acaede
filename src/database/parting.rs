//! Which chunks a worker must not claim again yet, because it had them before.
//!
//! Records name a task, and not the lease under which it was claimed. So the last ones of an earlier
//! lease must have come before the same worker has the chunk again: they would count under the new
//! lease, and a task could get a second outcome.

use std::collections::BTreeSet;

/// The chunks that a worker had, and whose last records may still come.
#[derive(Debug, Default)]
pub(super) struct Parting {
    /// Chunks that are lost, and the dispatcher does not know it.
    untold: BTreeSet<u32>,
    /// Chunks that it has dropped, or drops with the answer on its way: one more commit may have
    /// records of them.
    told: BTreeSet<u32>,
}

impl Parting {
    /// Notes that a chunk was found to be another worker's.
    pub(super) fn lose(&mut self, no: u32) {
        self.untold.insert(no);
    }

    /// Notes that the dispatcher has dropped a chunk by itself.
    pub(super) fn give_up(&mut self, no: u32) {
        self.untold.remove(&no);
        self.told.insert(no);
    }

    /// Notes the end of a commit, whose answer tells what is lost.
    pub(super) fn committed(&mut self) {
        self.told = std::mem::take(&mut self.untold);
    }

    /// Notes that a claim found nothing: the dispatcher waits before it asks again, and hands over
    /// what it has meanwhile.
    pub(super) fn found_nothing(&mut self) {
        self.told.clear();
    }

    /// Returns the chunks.
    pub(super) fn chunks(&self) -> impl Iterator<Item = u32> {
        self.untold.iter().chain(&self.told).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(parting: &Parting, expected: &[u32]) {
        assert_eq!(parting.chunks().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_lost_chunk_waits_for_the_commit_after_the_one_that_tells_of_it() {
        let mut parting = Parting::default();
        parting.lose(4);
        parting.found_nothing();
        check(&parting, &[4]);
        parting.committed();
        check(&parting, &[4]);
        parting.committed();
        check(&parting, &[]);
    }

    #[test]
    fn a_chunk_that_was_given_up_waits_for_one_commit_or_an_idle_claim() {
        let mut parting = Parting::default();
        parting.lose(4);
        parting.give_up(4);
        check(&parting, &[4]);
        parting.committed();
        check(&parting, &[]);
        parting.give_up(5);
        parting.found_nothing();
        check(&parting, &[]);
    }
}
