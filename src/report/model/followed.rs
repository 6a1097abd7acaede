//! The sums over a run that is read again and again: each time only what has changed is read.
//!
//! Every chunk of the plan has sums of its own, so a chunk that changed is added up anew and all others
//! stay. A report follows from these sums by the same rules as from one walk over the whole run, and
//! is the same. Memory grows with a thousandth of the tasks. A run of several files is read whole.

use crate::clock::Timestamp;
use crate::report::model::active_time::ActiveTime;
use crate::report::model::failure_groups::{FailureGroups, Grouping};
use crate::report::model::followed_attempts::FollowedAttempts;
use crate::report::model::task_totals::TaskTotals;
use crate::report::model::time_bins::{BinScale, SHORTEST_BIN, TimeBins};
use crate::report::model::{GroupLabel, Report, StillRunning};
use crate::store::{FollowedFile, RunReader, StoreError, TaskRow};
use crate::task::OutcomeCounts;
use std::time::Duration;

/// The most chunks whose tasks are kept until their groups are known; more are read once more.
const KEPT_CHUNKS: usize = 8;

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
    /// The tasks of chunks that were read and not handed out.
    kept: Vec<(usize, Vec<TaskRow>)>,
}

/// The sums over the tasks of a chunk, or over all of a run of several files.
#[derive(Debug, Default)]
struct ChunkSums {
    totals: TaskTotals,
    groups: FailureGroups,
    settled: TimeBins<OutcomeCounts>,
    /// The labels of its causes when its tasks were handed out; `None` if they have changed since.
    handed_out: Option<Vec<Option<GroupLabel>>>,
}

impl ChunkSums {
    fn add(&mut self, task: &TaskRow, scale: &BinScale) {
        self.totals.add(task);
        self.groups.add(task);
        if let Some(at) = task.settled {
            let mut one = OutcomeCounts::default();
            one[task.outcome] = 1;
            self.settled.add(scale, at, one);
        }
    }
}

impl FollowedSums {
    /// Reads what has changed, and returns the report.
    ///
    /// # Errors
    ///
    /// The store's. Then the next reading must be that of new sums.
    pub(crate) fn read(
        &mut self,
        run: &RunReader,
        still_running: StillRunning,
    ) -> Result<Report, StoreError> {
        Report::build(run, still_running, |worked, totals| {
            let begun = worked.without_ends();
            let known = self.0.take().filter(|known| known.leads_to(run, &begun));
            let known = self.0.insert(match known {
                Some(known) => known,
                None => Followed::begin(run, begun)?,
            });
            known.read(run)?;
            known.chunks.iter().for_each(|chunk| totals.add_all(&chunk.totals));
            Ok((known.attempts.totals(worked), known.grouping.groups().to_vec()))
        })
    }

    /// Calls `take` for each task whose row may have changed since it was handed out, with its place
    /// in the input.
    ///
    /// # Errors
    ///
    /// Those of the store and of `take`.
    pub(crate) fn hand_out<E: From<StoreError>>(
        &mut self,
        run: &RunReader,
        take: impl FnMut(usize, &TaskRow, &Grouping) -> Result<(), E>,
    ) -> Result<(), E> {
        self.0.as_mut().map_or(Ok(()), |known| known.hand_out(run, take))
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
            kept: Vec::new(),
        })
    }

    /// Returns whether a reader can only show what was added since.
    fn leads_to(&self, run: &RunReader, begun: &ActiveTime) -> bool {
        let file = self.file.as_ref();
        file.is_some_and(|file| file.leads_to(run)) && self.begun == *begun
    }

    fn read(&mut self, run: &RunReader) -> Result<(), StoreError> {
        match self.file.take() {
            None => self.read_whole(run)?,
            Some(mut file) => {
                self.read_attempts(&mut file, run)?;
                self.read_chunks(&mut file, run)?;
                self.file = Some(file);
            }
        }
        self.grouping =
            FailureGroups::of_parts(self.chunks.iter().map(|chunk| &chunk.groups)).finish();
        Ok(())
    }

    fn read_whole(&mut self, run: &RunReader) -> Result<(), StoreError> {
        run.for_each_sending::<StoreError>(|sending| {
            self.attempts.add(&self.scale, &sending);
            Ok(())
        })?;
        let all = &mut self.chunks[0];
        run.for_each_task::<StoreError>(|task| {
            all.add(&task, &self.scale);
            Ok(())
        })
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

    fn read_chunks(&mut self, file: &mut FollowedFile, run: &RunReader) -> Result<(), StoreError> {
        self.kept.clear();
        for (number, chunk) in self.chunks.iter_mut().enumerate() {
            if !file.is_stale(number) {
                continue;
            }
            let tasks = file.read_chunk(run, number)?;
            *chunk = ChunkSums::default();
            tasks.iter().for_each(|task| chunk.add(task, &self.scale));
            if self.kept.len() < KEPT_CHUNKS {
                self.kept.push((number, tasks));
            }
        }
        file.check_sums(run)
    }

    fn hand_out<E: From<StoreError>>(
        &mut self,
        run: &RunReader,
        mut take: impl FnMut(usize, &TaskRow, &Grouping) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(file) = &mut self.file else {
            let mut place = 0;
            return run.for_each_task(|task| {
                place += 1;
                take(place - 1, &task, &self.grouping)
            });
        };
        let mut kept = std::mem::take(&mut self.kept).into_iter().peekable();
        for (number, chunk) in self.chunks.iter_mut().enumerate() {
            let tasks = kept.next_if(|(of, _)| *of == number).map(|(_, tasks)| tasks);
            // The label of a task depends on all failures of the run.
            let labels = Some(chunk.groups.labels_in(&self.grouping));
            if chunk.handed_out == labels {
                continue;
            }
            let tasks = tasks.map_or_else(|| file.read_chunk(run, number), Ok)?;
            let places = file.place(number)..;
            tasks.iter().zip(places).try_for_each(|(task, at)| take(at, task, &self.grouping))?;
            chunk.handed_out = labels;
        }
        Ok(())
    }
}
