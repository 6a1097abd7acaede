//! A walk over all tasks: chunk by chunk, and at its end the sums.
//!
//! Memory holds one chunk.

use crate::journal::ChunkFold;
use crate::store::error::{StoreError, sqlite};
use crate::store::files::MayHaveLeft;
use crate::store::home::chunk_bodies::ChunkBodies;
use crate::store::home::door::Home;
use crate::store::home::totals::Totals;
use crate::task::OutcomeCounts;
use rusqlite::Connection;
use std::ops::AddAssign;
use std::path::Path;

/// An error of the store, or of the callback of a walk.
pub(crate) enum WalkError<E> {
    Store(rusqlite::Error),
    Callback(E),
}

impl<E> From<rusqlite::Error> for WalkError<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error)
    }
}

/// Returns what became of a walk through a file, as the callback tells of errors.
pub(crate) fn told<E: From<StoreError>>(
    walked: Result<(), WalkError<E>>,
    path: &Path,
) -> Result<(), E> {
    walked.map_err(|error| match error {
        WalkError::Store(error) => sqlite(path)(error).into(),
        WalkError::Callback(error) => error,
    })
}

/// A walk on its way.
pub(crate) struct Walk<'a> {
    home: Home<'a>,
    may_have_left: MayHaveLeft,
    chunks: u32,
    next: u32,
    selected: u64,
    totals: Totals,
    sums: FoldedSums,
}

/// What was folded, to be compared with what was written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FoldedSums {
    tasks: u64,
    segments: u64,
    settled: OutcomeCounts,
}

impl FoldedSums {
    /// Begins with the segments about the run itself, which belong to no chunk.
    pub(crate) fn of_run(segments: u64) -> Self {
        Self { segments, ..Self::default() }
    }

    /// Adds a chunk.
    pub(crate) fn add(&mut self, bodies: &ChunkBodies, fold: &ChunkFold<'_>) {
        self.segments += bodies.segments();
        self.tasks += u64::try_from(fold.tasks.len()).expect("a usize fits a u64");
        self.settled += fold.settled();
    }

    /// Checks that no task and no segment is missing, and that the totals are those of the tasks.
    ///
    /// A report whose sums do not add up is worse than none.
    pub(crate) fn check(
        &self,
        selected: u64,
        totals: &Totals,
        path: &Path,
    ) -> Result<(), StoreError> {
        let damaged = |detail| Err(StoreError::Damaged { path: path.into(), detail });
        if self.tasks + totals.lost_tasks != selected {
            return damaged(format!("the plan has {} of {selected} tasks", self.tasks));
        }
        if self.segments != totals.segments {
            let (found, all) = (self.segments, totals.segments);
            return damaged(format!("the journal has {found} of {all} segments"));
        }
        if self.settled != totals.settled {
            let (found, kept) = (self.settled.selected(), totals.settled.selected());
            return damaged(format!("{found} tasks have an outcome, and {kept} were counted"));
        }
        Ok(())
    }
}

impl AddAssign for FoldedSums {
    fn add_assign(&mut self, other: Self) {
        self.tasks += other.tasks;
        self.segments += other.segments;
        self.settled += other.settled;
    }
}

impl<'a> Walk<'a> {
    /// Begins a walk before the first chunk.
    pub(crate) fn new(
        connection: &'a Connection,
        may_have_left: MayHaveLeft,
    ) -> rusqlite::Result<Self> {
        let home = Home::new(connection);
        Ok(Self {
            home,
            may_have_left,
            chunks: home.chunks()?.len(),
            next: 0,
            selected: home.head()?.selected,
            totals: home.totals()?,
            sums: FoldedSums::default(),
        })
    }

    /// Folds the next chunk and hands it to `take`; `None` behind the last one.
    pub(crate) fn next_chunk<T>(
        &mut self,
        take: impl FnOnce(&ChunkFold<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        if self.next == self.chunks {
            return Ok(None);
        }
        let bodies = ChunkBodies::read(self.home, self.next)?;
        let fold = bodies.fold(self.may_have_left.last())?;
        self.next += 1;
        self.sums.add(&bodies, &fold);
        take(&fold).map(Some)
    }

    /// Folds the chunks that are left, for their sums.
    pub(crate) fn pass_over_rest(&mut self) -> rusqlite::Result<()> {
        while self.next_chunk(|_| Ok(()))?.is_some() {}
        Ok(())
    }

    /// Returns the tasks with an outcome so far.
    pub(crate) fn settled(&self) -> OutcomeCounts {
        self.sums.settled
    }

    /// Checks behind the last chunk that nothing is missing.
    pub(crate) fn check_sums(&self, path: &Path) -> Result<(), StoreError> {
        let mut sums = self.sums;
        self.home
            .segments_of(None, |_| {
                sums.segments += 1;
                Ok(())
            })
            .map_err(sqlite(path))?;
        sums.check(self.selected, &self.totals, path)
    }
}
