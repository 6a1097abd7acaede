//! The flags that name a run.

use crate::cli::output::error::CommandError;
use batchctl::run;
use batchctl::store::{RunId, RunReader, StoreError};
use batchctl::text::printable;
use clap::Args;
use std::convert::Infallible;
use std::path::Path;

/// Which run is meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct WhichRunArgs {
    /// The run: its id, a unique beginning of it, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(crate) run: String,
    /// Look only among the runs of this job
    #[arg(long = "job", id = "of_job", value_name = "NAME")]
    pub(crate) job: Option<String>,
}

impl WhichRunArgs {
    /// Returns the run of a flag.
    pub(crate) fn named(run: &str) -> Result<Self, Infallible> {
        Ok(Self { run: run.to_owned(), job: None })
    }

    /// Finds the run among those of a state directory.
    pub(crate) fn find(&self, state: &Path) -> Result<RunId, CommandError> {
        let runs = run::runs_in(state);
        let Some(job) = &self.job else { return Ok(runs.find(&self.run)?) };
        // The latest first: `latest` means the latest of the job.
        for id in runs.list()?.into_iter().rev() {
            let matches = self.run == "latest" || id.as_str().starts_with(&self.run);
            let job_of = |id| Ok::<_, StoreError>(RunReader::open(&runs, id)?.record()?.run.job);
            // A damaged run is passed over: its job is unknown, and its id still finds it.
            if matches && job_of(&id).is_ok_and(|found| found.as_ref() == Some(job)) {
                return Ok(id);
            }
        }
        let wanted = format!("{} of job {}", self.run, printable(job, 64));
        Err(StoreError::NoSuchRun { wanted }.into())
    }
}
