//! The sums over a run that is read again and again: each time only what has changed is read.
//!
//! Every chunk of the plan has sums of its own, so a chunk that changed is added up anew and all others
//! stay. A report follows from these sums by the same rules as from one walk over the whole run, and
//! is the same. Memory grows with a thousandth of the tasks. A run of several files is read whole.
//! What else is made of each task is made on the way (`TakeTasks`), so that each is read once.

use crate::clock::Timestamp;
use crate::reading::{FollowedFile, RunReader, TaskRow};
use crate::report::model::active_time::ActiveTime;
use crate::report::model::failure_groups::{FailureGroups, Grouping};
use crate::report::model::followed_attempts::FollowedAttempts;
use crate::report::model::task_totals::TaskTotals;
use crate::report::model::time_bins::{BinScale, SHORTEST_BIN, TimeBins};
use crate::report::model::{GroupLabel, Report, StillRunning};
use crate::store::StoreError;
use crate::task::OutcomeCounts;
use std::time::Duration;

/// What is made of the tasks of the chunks that are read.
///
/// The label of a failure depends on all failures of the run. So a task comes with the number of its
/// cause in its chunk, and the label of that is known once all is read (`FollowedSums::labels`).
pub(crate) trait TakeTasks {
    /// Begins a chunk, whose tasks before may be others; its first task has this place in the input.
    fn begin(&mut self, chunk: usize, place: usize);

    /// Takes the next task of the chunk, with the number of its cause if it failed.
    fn add(&mut self, task: &TaskRow, cause: Option<usize>);

    /// Ends the chunk.
    fn end(&mut self);
}

/// With `None`, nothing is made of them.
impl<T: TakeTasks> TakeTasks for Option<T> {
    fn begin(&mut self, chunk: usize, place: usize) {
        self.iter_mut().for_each(|it| it.begin(chunk, place));
    }

    fn add(&mut self, task: &TaskRow, cause: Option<usize>) {
        self.iter_mut().for_each(|it| it.add(task, cause));
    }

    fn end(&mut self) {
        self.iter_mut().for_each(TakeTasks::end);
    }
}

/// The sums over a run that is followed.
#[derive(Debug, Default)]
pub(crate) struct FollowedSums(Option<Followed>);

/// What is known of it.
#[derive(Debug)]
struct Followed {
    /// `None` of a run of several files.
    file: Option<FollowedFile>,
    scale: BinScale,
    /// The processes, without what they did.
    begun: ActiveTime,
    /// The sums over the attempts that have ended.
    ended: FollowedAttempts,
    /// The same with those on the wire, as they were at the last reading.
    attempts: FollowedAttempts,
    chunks: Vec<ChunkSums>,
    grouping: Grouping,
}

/// The sums over the tasks of a chunk, or over all of a run of several files.
#[derive(Debug, Default)]
struct ChunkSums {
    totals: TaskTotals,
    groups: FailureGroups,
    settled: TimeBins<OutcomeCounts>,
}

impl ChunkSums {
    /// Adds a task, and returns the number of its cause, if it failed.
    fn add(&mut self, task: &TaskRow, scale: &BinScale) -> Option<usize> {
        self.totals.add(task);
        if let Some(at) = task.settled {
            let mut one = OutcomeCounts::default();
            one[task.outcome] = 1;
            self.settled.add(scale, at, one);
        }
        self.groups.add(task)
    }
}

impl FollowedSums {
    /// Reads what has changed, hands it to `tasks`, and returns the report.
    ///
    /// # Errors
    ///
    /// The store's. Then the next reading begins anew.
    pub(crate) fn read(
        &mut self,
        run: &RunReader,
        still_running: StillRunning,
        tasks: &mut impl TakeTasks,
    ) -> Result<Report, StoreError> {
        Report::build(run, still_running, |worked, totals| {
            let begun = worked.without_ends();
            let known = self.0.take().filter(|known| known.leads_to(run, &begun));
            let known = self.0.insert(match known {
                Some(known) => known,
                None => Followed::begin(run, begun)?,
            });
            known.read(run, tasks)?;
            known.chunks.iter().for_each(|chunk| totals.add_all(&chunk.totals));
            Ok((known.attempts.totals(worked), known.grouping.groups().to_vec()))
        })
    }

    /// Returns the labels of the causes of failure in a chunk, by their numbers.
    pub(crate) fn labels(&self, chunk: usize) -> Vec<Option<GroupLabel>> {
        let Some(known) = &self.0 else { return Vec::new() };
        let sums = known.chunks.get(chunk);
        sums.map_or_else(Vec::new, |sums| sums.groups.labels_in(&known.grouping))
    }

    /// Calls `take` with the tasks that were settled at each time.
    pub(crate) fn for_each_settled(&self, mut take: impl FnMut(Timestamp, OutcomeCounts)) {
        let chunks = self.0.iter().flat_map(|known| &known.chunks);
        chunks.for_each(|chunk| chunk.settled.for_each(&mut take));
    }

    /// Returns the sums over all attempts, once the run was read.
    pub(crate) fn attempts(&self) -> Option<&FollowedAttempts> {
        self.0.as_ref().map(|known| &known.attempts)
    }

    /// Returns whether times are known in these units.
    pub(crate) fn fit(&self, unit: Duration) -> bool {
        self.0.as_ref().is_none_or(|known| known.scale.fits(unit))
    }

    /// Keeps times no finer than in these units, which divide the spans of all charts to come.
    pub(crate) fn coarsen(&mut self, unit: Duration) {
        let Some(known) = &mut self.0 else { return };
        let Some(scale) = known.scale.coarser(unit) else { return };
        known.chunks.iter_mut().for_each(|chunk| chunk.settled.coarsen(&scale));
        known.ended.coarsen(&scale);
        known.attempts.coarsen(&scale);
        known.scale = scale;
    }
}

impl Followed {
    fn begin(run: &RunReader, begun: ActiveTime) -> Result<Self, StoreError> {
        let file = run.is_one_file().then(|| FollowedFile::begin(run)).transpose()?;
        let chunks = file.as_ref().map_or(1, FollowedFile::chunks);
        Ok(Self {
            file,
            scale: BinScale::new(begun.starts(), SHORTEST_BIN),
            ended: FollowedAttempts::new(begun.clone()),
            attempts: FollowedAttempts::new(begun.clone()),
            begun,
            chunks: (0..chunks).map(|_| ChunkSums::default()).collect(),
            grouping: FailureGroups::default().finish(),
        })
    }

    /// Returns whether a reader can only show what was added since.
    fn leads_to(&self, run: &RunReader, begun: &ActiveTime) -> bool {
        let file = self.file.as_ref();
        file.is_some_and(|file| file.leads_to(run)) && self.begun == *begun
    }

    fn read(&mut self, run: &RunReader, tasks: &mut impl TakeTasks) -> Result<(), StoreError> {
        // Without its file until all is read: after an error it leads nowhere.
        match self.file.take() {
            None => self.read_whole(run, tasks)?,
            Some(mut file) => {
                self.read_attempts(&mut file, run)?;
                self.read_chunks(&mut file, run, tasks)?;
                self.file = Some(file);
            }
        }
        self.grouping =
            FailureGroups::of_parts(self.chunks.iter().map(|chunk| &chunk.groups)).finish();
        Ok(())
    }

    fn read_whole(
        &mut self,
        run: &RunReader,
        tasks: &mut impl TakeTasks,
    ) -> Result<(), StoreError> {
        run.for_each_sending::<StoreError>(|sending| {
            self.attempts.add(&self.scale, &sending);
            Ok(())
        })?;
        let all = &mut self.chunks[0];
        tasks.begin(0, 0);
        run.for_each_task::<StoreError>(|task| {
            tasks.add(&task, all.add(&task, &self.scale));
            Ok(())
        })?;
        tasks.end();
        Ok(())
    }

    fn read_attempts(
        &mut self,
        file: &mut FollowedFile,
        run: &RunReader,
    ) -> Result<(), StoreError> {
        file.read_new(run, |sending| self.ended.add(&self.scale, &sending))?;
        self.attempts = self.ended.clone();
        file.for_each_on_wire(|sending| self.attempts.add(&self.scale, &sending));
        Ok(())
    }

    fn read_chunks(
        &mut self,
        file: &mut FollowedFile,
        run: &RunReader,
        tasks: &mut impl TakeTasks,
    ) -> Result<(), StoreError> {
        for (number, chunk) in self.chunks.iter_mut().enumerate() {
            if !file.is_stale(number) {
                continue;
            }
            *chunk = ChunkSums::default();
            tasks.begin(number, file.place(number));
            file.read_chunk(run, number, |task| {
                tasks.add(&task, chunk.add(&task, &self.scale));
            })?;
            tasks.end();
        }
        file.check_sums(run)
    }
}
