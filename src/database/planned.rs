//! Takes the plan that was made in a file into the database, in chunks that are small enough to be
//! shared.

use crate::database::phase::Phase;
use crate::database::plan::{NewChunk, NewDatabaseRun, chunk_size};
use crate::database::rates::RateTerms;
use crate::database::runs::DatabaseRuns;
use crate::journal::{Fact, Place, PlanChunkWriter, PlannedTask, Record, SegmentWriter};
use crate::reading::RunReader;
use crate::store::schema;
use crate::store::{Home, RunDirectory, RunId, StoreError, for_each_planned, head_text, sqlite};
use crate::task::TaskState;
use std::ops::ControlFlow::Continue;
use std::time::Duration;

/// How workers carry a run out together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredTerms {
    /// How long a worker that is not heard of keeps its chunks.
    pub lease: Duration,
    /// The longest round trip of a worker that keeps the rate. For a run that is there, what it allows
    /// for already is enough if it is longer.
    pub trip: Duration,
    /// Under which epoch the job of the run is taken, if it is.
    pub job_epoch: Option<i32>,
}

impl DatabaseRuns {
    /// Stores the plans that are in the files of a run, one for each of its targets, and returns the
    /// numbers of its rows here.
    ///
    /// # Errors
    ///
    /// Nothing is stored then.
    pub async fn plan_from(
        &mut self,
        runs: &RunDirectory,
        id: &RunId,
        terms: StoredTerms,
    ) -> Result<Vec<i64>, StoreError> {
        let path = runs.file(id);
        let head = Home::new(&schema::open_reader(&path)?).head().map_err(sqlite(&path))?;
        let targets = head.run.settings.target.map_or(1, |target| target.names.len());
        let parts = (0..targets).map(|index| read_part(runs, id, index, terms));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        Ok(self.store(&parts).await?)
    }
}

/// Reads the plan of one target from its file.
fn read_part(
    runs: &RunDirectory,
    id: &RunId,
    index: usize,
    terms: StoredTerms,
) -> Result<(NewDatabaseRun, Vec<NewChunk>), StoreError> {
    let path = runs.part_file(id, index);
    let connection = schema::open_reader(&path)?;
    let home = Home::new(&connection);
    let failed = sqlite(&path);
    let record = home.head().map_err(&failed)?;
    let segments = home.totals().map_err(&failed)?.segments;
    let settings = &record.run.settings;
    // A plan of its own may have the states that its tasks were in.
    if segments > 0 && settings.planned_with.is_none() {
        let detail = Place::Segment { chunk: None, epoch: 0, seq: segments }.to_string();
        return Err(StoreError::Damaged { path, detail });
    }
    let mut states = if segments > 0 { states(runs, id, index)? } else { Vec::new() }.into_iter();
    let size = u32::try_from(chunk_size(record.selected)).unwrap_or(u32::MAX);
    let (mut writer, mut chunks) = (ChunkWriter::default(), Vec::new());
    let read = for_each_planned(home, |task| {
        writer.push(task, states.next().flatten());
        if writer.plan.tasks() == size || writer.plan.is_large() {
            chunks.push(writer.finish());
        }
        Ok(Continue(()))
    });
    read.map_err(failed)?;
    if writer.plan.tasks() > 0 {
        chunks.push(writer.finish());
    }
    let new = NewDatabaseRun {
        id: record.run.id.clone(),
        part: index,
        job: record.run.job.clone(),
        head: head_text(&record),
        tasks: record.selected,
        lease: terms.lease,
        tolerated: settings.max_failures.tolerated(record.selected),
        rate: RateTerms::of(settings),
        ramp: settings.ramp.unwrap_or_default(),
        trip: terms.trip,
        job_epoch: terms.job_epoch,
        // A target without a task has nothing to wait for.
        first_phase: if record.selected > 0 { Phase::first(settings) } else { Phase::Ended },
        looks_after: settings.wait.is_some() || settings.drill.is_some(),
        is_unapplied: settings.planned_with.is_some(),
    };
    Ok((new, chunks))
}

/// Returns the states that the tasks of a plan were in, in its order.
fn states(
    runs: &RunDirectory,
    id: &RunId,
    index: usize,
) -> Result<Vec<Option<TaskState>>, StoreError> {
    let mut states = Vec::new();
    RunReader::open_part(runs, id, index)?.for_each_task(|task| {
        states.push(task.seen.before);
        Ok::<_, StoreError>(())
    })?;
    Ok(states)
}

/// Writes a chunk of a plan, and the segment with the states that its tasks were in.
#[derive(Default)]
struct ChunkWriter {
    plan: PlanChunkWriter,
    first: Option<u32>,
    states: SegmentWriter,
}

impl ChunkWriter {
    fn push(&mut self, task: &PlannedTask<'_>, state: Option<TaskState>) {
        let first = *self.first.get_or_insert(task.ordinal);
        if let Some(state) = state {
            let (offset, fact) = (task.ordinal - first, Fact::Before(state));
            self.states.push(&Record { offset, fact });
        }
        self.plan.push(task);
    }

    fn finish(&mut self) -> NewChunk {
        let (_, tasks, body) = self.plan.finish();
        self.first = None;
        let mut states = Vec::new();
        if !self.states.is_empty() {
            self.states.write(0, &mut states);
            self.states.clear();
        }
        NewChunk { tasks, body, states }
    }
}
