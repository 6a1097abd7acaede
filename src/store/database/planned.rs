//! Takes the plan that was made in a file into the database, in chunks that are small enough to be
//! shared.

use crate::journal::{Place, PlanChunkWriter};
use crate::store::database::phase::Phase;
use crate::store::database::plan::{NewChunk, NewDatabaseRun, RateTerms, chunk_size};
use crate::store::error::{StoreError, sqlite};
use crate::store::files::RunDirectory;
use crate::store::home::{Home, head_text};
use crate::store::ids::RunId;
use crate::store::planning::for_each_task_of_plan;
use crate::store::schema;
use std::time::Duration;

/// How workers carry a run out together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredTerms {
    /// How long a worker that is not heard of keeps its chunks.
    pub lease: Duration,
    /// The longest round trip of a worker that keeps the rate.
    pub trip: Duration,
    /// Under which epoch the job of the run is taken, if it is.
    pub job_epoch: Option<i32>,
}

/// Reads a plan from its file.
pub(crate) fn read(
    runs: &RunDirectory,
    id: &RunId,
    terms: StoredTerms,
) -> Result<(NewDatabaseRun, Vec<NewChunk>), StoreError> {
    let path = runs.file(id);
    let connection = schema::open_reader(&path)?;
    let home = Home::new(&connection);
    let failed = sqlite(&path);
    let record = home.head().map_err(&failed)?;
    let segments = home.totals().map_err(&failed)?.segments;
    if segments > 0 {
        let detail = Place::Segment { chunk: None, epoch: 0, seq: segments }.to_string();
        return Err(StoreError::Damaged { path, detail });
    }
    let size = u32::try_from(chunk_size(record.selected)).unwrap_or(u32::MAX);
    let (mut writer, mut chunks) = (PlanChunkWriter::default(), Vec::new());
    let read = for_each_task_of_plan(&connection, |task| {
        writer.push(task);
        if writer.tasks() == size || writer.is_large() {
            let (_, tasks, body) = writer.finish();
            chunks.push(NewChunk { tasks, body });
        }
        Ok(true)
    });
    read.map_err(failed)?;
    if writer.tasks() > 0 {
        let (_, tasks, body) = writer.finish();
        chunks.push(NewChunk { tasks, body });
    }
    let settings = &record.run.settings;
    let new = NewDatabaseRun {
        id: record.run.id.clone(),
        job: record.run.job.clone(),
        head: head_text(&record),
        tasks: record.selected,
        lease: terms.lease,
        tolerated: settings.max_failures.tolerated(record.selected),
        rate: RateTerms::of(settings),
        ramp: settings.ramp.unwrap_or_default(),
        trip: terms.trip,
        job_epoch: terms.job_epoch,
        first_phase: Phase::first(settings),
        looks_after: settings.wait.is_some() || settings.drill.is_some(),
    };
    Ok((new, chunks))
}
