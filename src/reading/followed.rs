//! A run's file that is read again and again: each time what is new.
//!
//! Segments are only ever added, so a chunk without a new one is as it was, and so are the attempts
//! that have ended. Kept are a few numbers for each chunk, and the attempts on the wire. What a repair
//! puts in the place of damaged rows is not noticed; whoever goes on after it begins a session, and
//! with a session reading has to begin anew. So has it after an error.

use crate::clock::Timestamp;
use crate::journal::Attempt;
use crate::reading::attempts::Sending;
use crate::reading::reader::RunReader;
use crate::reading::rows::{SendingRow, TaskRow};
use crate::reading::task_rows::sending_row;
use crate::store::{ChunkBodies, ChunkIndex, FoldedSums, MayHaveLeft, StoreError, sqlite};
use crate::task::Ordinal;

/// What is known of the file of a run that is read again and again.
#[derive(Debug)]
pub struct FollowedFile {
    origin: Timestamp,
    index: ChunkIndex,
    may_have_left: MayHaveLeft,
    attempts: Sending<SendingRow>,
    /// The number of the last segment that was read.
    last: u64,
    /// How many of them are about the run itself.
    of_run: u64,
    chunks: Vec<FollowedChunk>,
}

/// What is known of a chunk.
#[derive(Debug, Clone)]
struct FollowedChunk {
    /// The number of tasks before it.
    place: usize,
    /// Whether it has changed since it was folded.
    is_stale: bool,
    sums: FoldedSums,
}

impl FollowedFile {
    /// Begins with nothing read.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn begin(run: &RunReader) -> Result<Self, StoreError> {
        let index = run.home().chunks().map_err(sqlite(&run.path))?;
        let mut place = 0;
        let chunk = |no| {
            let sums = FoldedSums::default();
            let chunk = FollowedChunk { place, is_stale: true, sums };
            place += index.tasks_of(no) as usize;
            chunk
        };
        Ok(Self {
            origin: run.origin,
            chunks: (0..index.len()).map(chunk).collect(),
            attempts: Sending::new(index.clone(), run.may_have_left),
            index,
            may_have_left: run.may_have_left,
            last: 0,
            of_run: 0,
        })
    }

    /// Returns whether a reader can only show what was added since.
    pub fn leads_to(&self, run: &RunReader) -> bool {
        run.is_one_file()
            && run.origin == self.origin
            && run.totals.segments >= self.last
            && run.may_have_left.last() >= self.may_have_left.last()
    }

    /// Reads what was added since, and calls `take` for each attempt that has ended, in the order of
    /// sending.
    ///
    /// # Errors
    ///
    /// The store's. Then this must not be used any more.
    pub fn read_new(
        &mut self,
        run: &RunReader,
        mut take: impl FnMut(SendingRow),
    ) -> Result<(), StoreError> {
        self.may_have_left = run.may_have_left;
        for ordinal in self.attempts.left_since(run.may_have_left) {
            self.note_change(self.index.find(ordinal.0).map(|(chunk, _)| chunk));
        }
        let make = |_: Ordinal, attempt: &Attempt<'_>| sending_row(run.origin, attempt);
        let mut take = |row| {
            take(row);
            Ok::<(), rusqlite::Error>(())
        };
        let read = run.home().segments_after(self.last, |segment| {
            self.last = segment.seq;
            self.of_run += u64::from(segment.chunk.is_none());
            self.note_change(segment.chunk);
            self.attempts.read(segment, &make, &mut take)
        });
        read.map_err(sqlite(&run.path))
    }

    fn note_change(&mut self, chunk: Option<u32>) {
        let place = chunk.and_then(|no| usize::try_from(no).ok());
        if let Some(chunk) = place.and_then(|place| self.chunks.get_mut(place)) {
            chunk.is_stale = true;
        }
    }

    /// Calls `take` for each attempt that may have left and has not ended, and for those behind it,
    /// in the order of sending.
    pub fn for_each_on_wire(&self, mut take: impl FnMut(SendingRow)) {
        let make = |_: Ordinal, attempt: &Attempt<'_>| sending_row(self.origin, attempt);
        let mut take = |row| {
            take(row);
            Ok::<(), std::convert::Infallible>(())
        };
        let Ok(()) = self.attempts.clone().finish(&make, &mut take);
    }

    /// Returns the number of chunks.
    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Returns whether a chunk has changed since its tasks were read.
    pub fn is_stale(&self, chunk: usize) -> bool {
        self.chunks[chunk].is_stale
    }

    /// Returns the number of tasks in the chunks before this one.
    pub fn place(&self, chunk: usize) -> usize {
        self.chunks[chunk].place
    }

    /// Calls `take` for each task of a chunk, in the order of the input.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn read_chunk(
        &mut self,
        run: &RunReader,
        chunk: usize,
        mut take: impl FnMut(TaskRow),
    ) -> Result<(), StoreError> {
        let failed = sqlite(&run.path);
        let no = u32::try_from(chunk).expect("a plan has fewer chunks than rows");
        let bodies = ChunkBodies::read(run.home(), no).map_err(&failed)?;
        let fold = bodies.fold(run.may_have_left.last()).map_err(&failed)?;
        let known = &mut self.chunks[chunk];
        known.is_stale = false;
        known.sums = FoldedSums::default();
        known.sums.add(&bodies, &fold);
        fold.tasks.iter().try_for_each(|(task, record)| {
            take(run.row(task, record)?);
            Ok(())
        })
    }

    /// Checks, once all that changed is read, that nothing is missing.
    ///
    /// # Errors
    ///
    /// The sums do not add up.
    pub fn check_sums(&self, run: &RunReader) -> Result<(), StoreError> {
        let mut sums = FoldedSums::of_run(self.of_run);
        self.chunks.iter().for_each(|chunk| sums += chunk.sums);
        sums.check(run.selected, &run.totals, &run.path)
    }
}
