//! Reads a run back: while it runs, after it ended, and after it was killed.
//!
//! Streams rows in order; memory does not grow with their number. A reader sees one snapshot of
//! the run, however much is written meanwhile. `queries.rs` has the narrower questions.

use crate::clock::Timestamp;
use crate::journal::{PlannedTask, TaskRecord};
use crate::reading::rows::TaskRow;
use crate::reading::task_rows::task_row;
use crate::repair::{DamagedPart, lost_parts};
use crate::settings::TargetPart;
use crate::store::schema;
use crate::store::{
    Home, MayHaveLeft, RunDirectory, RunId, RunRecord, StoreError, Totals, Walk, Watermark,
    part_of, read_sessions, sqlite,
};
use crate::task::OutcomeCounts;
use rusqlite::Connection;
use std::cell::Cell;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The number of tasks from which on two threads read a run faster than one.
const LARGE: u64 = 5_000;

/// A run, open for reading.
///
/// It keeps its snapshot, and so keeps the log of a live run from starting anew: while the reader
/// is open, the log grows by some hundred bytes per task, and then shrinks to its usual size. A
/// report takes seconds; nobody should keep a reader for hours.
#[derive(Debug)]
pub struct RunReader {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) origin: Timestamp,
    pub(super) totals: Totals,
    pub(super) selected: u64,
    pub(super) may_have_left: MayHaveLeft,
    pub(super) damage: Vec<DamagedPart>,
    /// The target that the file belongs to, in a run of several.
    pub(super) target: Option<Arc<str>>,
    /// The files of the other shards or targets, for a reader of several.
    pub(super) other_shards: Vec<OtherShard>,
    /// Whether it reads one target of several alone.
    pub(super) is_alone: Cell<bool>,
}

/// Another shard of the same plan, or another target of the same run.
#[derive(Debug)]
pub(super) struct OtherShard {
    pub(super) run: Mutex<RunReader>,
    /// By how much the places of its tasks are moved, so that no two shards have the same.
    pub(super) shift: u32,
}

impl OtherShard {
    /// Calls `ask` with the reader.
    pub(super) fn with<T>(&self, ask: impl FnOnce(&RunReader) -> T) -> T {
        // A reader has no state that a panic could leave half-done.
        ask(&self.run.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RunReader {
    /// Opens a run, whether or not a process works on it.
    pub fn open(runs: &RunDirectory, run: &RunId) -> Result<Self, StoreError> {
        let path = runs.file(run);
        if !path.exists() {
            return Err(StoreError::NoSuchRun { wanted: run.to_string() });
        }
        Self::open_file(&path)
    }

    /// Opens one target of a run alone; a run without targets has a single part.
    pub(crate) fn open_part(
        runs: &RunDirectory,
        run: &RunId,
        index: usize,
    ) -> Result<Self, StoreError> {
        let (part, _) = Self::open_one(&runs.part_file(run, index))?;
        part.is_alone.set(true);
        Ok(part)
    }

    /// Opens the file of a run, and those of its other targets.
    pub(super) fn open_file(path: &Path) -> Result<Self, StoreError> {
        Self::with_targets(path, Self::open_one)
    }

    /// Opens the file of a run and those of its other targets, each with `open`.
    pub(super) fn with_targets(
        path: &Path,
        open: impl Fn(&Path) -> Result<(Self, Option<TargetPart>), StoreError>,
    ) -> Result<Self, StoreError> {
        let (mut first, target) = open(path)?;
        for index in 1..target.map_or(1, |target| target.names.len()) {
            let (other, _) = open(&part_of(path, index))?;
            first.damage.extend(other.damage.iter().cloned());
            first.other_shards.push(OtherShard { run: Mutex::new(other), shift: 0 });
        }
        Ok(first)
    }

    /// Returns whether it reads the targets of one run.
    pub fn has_targets(&self) -> bool {
        self.target.is_some() && !self.is_alone.get()
    }

    /// Returns what each target of the run says alone, in order; nothing if it has none.
    ///
    /// # Errors
    ///
    /// Those of `ask`.
    pub fn of_targets<T, E>(
        &self,
        mut ask: impl FnMut(&Self) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        if !self.has_targets() {
            return Ok(Vec::new());
        }
        let mut alone = |run: &Self| {
            run.is_alone.set(true);
            let answer = ask(run);
            run.is_alone.set(false);
            answer
        };
        let first = alone(self)?;
        let others = self.other_shards.iter().map(|other| other.with(&mut alone));
        [Ok(first)].into_iter().chain(others).collect()
    }

    /// Calls `ask` for each target of the run alone, or once for a run without targets.
    pub(crate) fn for_each_part<E>(
        &self,
        mut ask: impl FnMut(&Self) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.has_targets() { self.of_targets(ask).map(drop) } else { ask(self) }
    }

    /// Returns the other files that it reads.
    pub(super) fn others(&self) -> &[OtherShard] {
        if self.is_alone.get() { &[] } else { &self.other_shards }
    }

    /// Asks each file that it reads, its own first.
    pub(super) fn each_file<'a, T: 'a>(
        &'a self,
        ask: impl Fn(&Self) -> T + 'a,
    ) -> impl Iterator<Item = T> + 'a {
        let own = ask(self);
        iter::once(own).chain(self.others().iter().map(move |other| other.with(&ask)))
    }

    /// Returns whether all that it reads is in one file.
    pub fn is_one_file(&self) -> bool {
        self.others().is_empty()
    }

    /// Opens one file; with the place of its target among those of the run.
    fn open_one(path: &Path) -> Result<(Self, Option<TargetPart>), StoreError> {
        // Before the snapshot: a commit in between would be remembered and not be in it.
        let before = Watermark::read(path);
        let connection = schema::open_reader(path)?;
        // One snapshot for all that is read: nothing is ever written in this transaction.
        connection.execute_batch("BEGIN").map_err(sqlite(path))?;
        let (reader, target) = Self::of_snapshot(connection, path).map_err(sqlite(path))?;
        before.check(path, reader.totals.commits)?;
        Ok((reader, target))
    }

    /// Reads the one file of a connection that has begun its snapshot.
    pub(super) fn of_snapshot(
        connection: Connection,
        path: &Path,
    ) -> rusqlite::Result<(Self, Option<TargetPart>)> {
        let home = Home::new(&connection);
        let (head, totals) = (home.head()?, home.totals()?);
        let damage = lost_parts(home, totals, &head.sources)?;
        // After the snapshot: an attempt that left in between then counts as "may have left",
        // which is the safe side.
        let Watermark { may_have_left, .. } = Watermark::read(path);
        let target = head.run.settings.target;
        let reader = Self {
            connection,
            path: path.to_owned(),
            origin: head.run.origin,
            totals,
            selected: head.selected,
            may_have_left,
            damage,
            target: target.as_ref().map(|target| target.name().into()),
            other_shards: Vec::new(),
            is_alone: Cell::new(false),
        };
        Ok((reader, target))
    }

    /// Opens the run once more, to read two parts of it side by side. `None` if that would not show
    /// the same, or if opening takes longer than is gained.
    pub(crate) fn second_reader(&self) -> Option<Self> {
        let is_of_one_file = self.other_shards.is_empty() && self.target.is_none();
        if self.selected < LARGE || !is_of_one_file || !self.damage.is_empty() {
            return None;
        }
        // A commit in between, or another file in the place of this one: then there is no second.
        Self::open_file(&self.path).ok().filter(|second| {
            (second.totals, second.origin) == (self.totals, self.origin)
                && second.may_have_left == self.may_have_left
        })
    }

    /// Returns whether it is known without reading any task that none is partial, failed or
    /// ambiguous.
    pub(crate) fn has_no_failures(&self) -> bool {
        let known = self.selected.saturating_sub(self.totals.lost_tasks);
        self.totals.settled.all_good() && known <= self.totals.settled.selected()
    }

    pub(super) fn home(&self) -> Home<'_> {
        Home::new(&self.connection)
    }

    /// Returns the record of the run as a whole.
    pub fn record(&self) -> Result<RunRecord, StoreError> {
        if self.others().is_empty() { self.own_record() } else { self.merged_record() }
    }

    /// Returns the record of the run in this file.
    pub(crate) fn own_record(&self) -> Result<RunRecord, StoreError> {
        let read = || {
            let mut sessions = read_sessions(self.home(), self.origin)?;
            let head = self.home().head()?;
            let target = head.run.settings.target.as_ref().map(TargetPart::name);
            for session in &mut sessions {
                session.target = target.map(str::to_owned);
            }
            Ok(RunRecord { sessions, ..head })
        };
        read().map_err(sqlite(&self.path))
    }

    /// Counts the outcomes; the selected tasks that are missing in them are not settled.
    pub fn outcomes(&self) -> Result<OutcomeCounts, StoreError> {
        let mut sum = OutcomeCounts::default();
        self.each_file(|run| run.totals.settled).for_each(|settled| sum += settled);
        Ok(sum)
    }

    /// Returns the number of commits that it sees; while that stays, so does all else.
    pub fn commits(&self) -> u64 {
        self.each_file(|run| run.totals.commits).sum()
    }

    /// Counts the tasks without an outcome whose ids are known.
    pub fn unsettled(&self) -> Result<u64, StoreError> {
        Ok(self.each_file(Self::own_unsettled).sum())
    }

    fn own_unsettled(&self) -> u64 {
        let known = self.selected.saturating_sub(self.totals.lost_tasks);
        known.saturating_sub(self.totals.settled.selected())
    }

    /// Returns a time of the run.
    pub(super) fn at(&self, micros: i64) -> Timestamp {
        self.origin.plus_micros(micros)
    }

    pub(super) fn row(
        &self,
        task: &PlannedTask<'_>,
        record: &TaskRecord<'_>,
    ) -> Result<TaskRow, StoreError> {
        let row = task_row(self.origin, task, record);
        // The path is copied only for an error: there may be millions of rows.
        let mut row = row.map_err(|error| sqlite(&self.path)(error))?;
        row.target.clone_from(&self.target);
        Ok(row)
    }

    /// Calls `take` for the record of every task in this file, in the order of the input, and checks
    /// the sums.
    pub(super) fn for_each_record<E: From<StoreError>>(
        &self,
        mut take: impl FnMut(&PlannedTask<'_>, &TaskRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = sqlite(&self.path);
        let mut walk = Walk::new(&self.connection, self.may_have_left).map_err(&failed)?;
        loop {
            let taken = walk.next_chunk(|fold| {
                Ok(fold.tasks.iter().try_for_each(|(task, record)| take(task, record)))
            });
            match taken.map_err(&failed)? {
                Some(taken) => taken?,
                None => return Ok(walk.check_sums(&self.path)?),
            }
        }
    }
}
