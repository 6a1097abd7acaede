//! Where each task is: the chunk of an ordinal, and its place in that chunk.
//!
//! Two numbers for each chunk, so memory grows with a thousandth of the tasks.

/// The chunks of a plan, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChunkIndex {
    firsts: Vec<u32>,
    tasks: Vec<u32>,
}

impl ChunkIndex {
    /// Adds the next chunk.
    pub(crate) fn push(&mut self, first: u32, tasks: u32) {
        self.firsts.push(first);
        self.tasks.push(tasks);
    }

    /// Returns the number of chunks.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.firsts.len()).expect("a plan has fewer chunks than rows")
    }

    /// Returns the number of tasks in all chunks.
    pub(crate) fn tasks(&self) -> u64 {
        self.tasks.iter().map(|&tasks| u64::from(tasks)).sum()
    }

    /// Returns the number of tasks in a chunk.
    pub(crate) fn tasks_of(&self, chunk: u32) -> u32 {
        let place = usize::try_from(chunk).ok();
        place.and_then(|place| self.tasks.get(place)).copied().unwrap_or(0)
    }

    /// Returns the first ordinal of a chunk.
    pub(crate) fn first(&self, chunk: u32) -> Option<u32> {
        self.firsts.get(usize::try_from(chunk).ok()?).copied()
    }

    /// Returns whether a chunk begins and ends as this index says.
    pub(crate) fn fits(&self, chunk: u32, first: u32, tasks: u32) -> bool {
        let place = usize::try_from(chunk).unwrap_or(usize::MAX);
        let noted = self.firsts.get(place).zip(self.tasks.get(place));
        noted.is_some_and(|(&noted, &count)| (noted, count) == (first, tasks))
    }

    /// Returns the chunk that an ordinal belongs to, and its place there; `None` before the first.
    pub(crate) fn find(&self, ordinal: u32) -> Option<(u32, u32)> {
        let chunk = self.firsts.partition_point(|&first| first <= ordinal).checked_sub(1)?;
        Some((u32::try_from(chunk).ok()?, ordinal - self.firsts[chunk]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinal_is_found_in_the_chunk_that_begins_before_it() {
        let mut index = ChunkIndex::default();
        assert_eq!(index.find(0), None);
        index.push(5, 1_000);
        index.push(2_000, 10);
        assert_eq!((index.find(4), index.find(5)), (None, Some((0, 0))));
        assert_eq!((index.find(1_999), index.find(2_003)), (Some((0, 1_994)), Some((1, 3))));
        assert!(index.fits(1, 2_000, 10) && !index.fits(1, 2_000, 11) && !index.fits(2, 0, 0));
        assert_eq!((index.len(), index.tasks()), (2, 1_010));
    }
}
