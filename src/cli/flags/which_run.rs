//! The flags that name a run.

use crate::cli::flags::known_values;
use crate::cli::flags::values;
use crate::cli::output::error::CommandError;
use batchctl::reading::RunReader;
use batchctl::run;
use batchctl::store::{RunDirectory, RunId, StoreError, find_among};
use batchctl::text::printable;
use clap::Args;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;

/// Which run is meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct WhichRunArgs {
    /// The run: its id, a unique beginning of it, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(crate) run: String,
    /// Look only among the runs of this job
    #[arg(long = "job", id = "of_job", value_name = "NAME", value_parser = values::job)]
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
        let is_latest = self.run == "latest";
        // A damaged run is passed over: its job is unknown, and its id still finds it.
        let is_of_job =
            |id: &RunId| job_of(&runs, id).is_ok_and(|found| found.as_ref() == Some(job));
        let mut found: Vec<RunId> = Vec::new();
        // The latest first: `latest` means the latest of the job.
        for id in runs.list()?.into_iter().rev() {
            if (is_latest || id.as_str().starts_with(&self.run)) && is_of_job(&id) {
                found.insert(0, id);
                if is_latest {
                    break;
                }
            }
        }
        if found.is_empty() {
            check_job(job, &jobs_in(&runs)?)?;
        }
        find_among(found, &self.run).map_err(|error| match error {
            StoreError::NoSuchRun { wanted } => {
                let wanted = format!("{wanted} of job {}", printable(job, 64));
                StoreError::NoSuchRun { wanted }.into()
            }
            error => error.into(),
        })
    }
}

/// Returns the job of a run, if it has one.
pub(crate) fn job_of(runs: &RunDirectory, id: &RunId) -> Result<Option<String>, StoreError> {
    Ok(RunReader::open(runs, id)?.record()?.run.job)
}

/// Returns the jobs of all runs that are kept and can be read.
pub(crate) fn jobs_in(runs: &RunDirectory) -> Result<BTreeSet<String>, StoreError> {
    let ids = runs.list()?;
    Ok(ids.iter().filter_map(|id| job_of(runs, id).ok().flatten()).collect())
}

/// Refuses a job of which no run is kept.
pub(crate) fn check_job(job: &str, known: &BTreeSet<String>) -> Result<(), CommandError> {
    if known.contains(job) {
        return Ok(());
    }
    let error = format!("no run of job `{}` is kept", printable(job, 64));
    if known.is_empty() {
        let hint = "`batchctl runs list` shows the runs there are";
        return Err(CommandError::usage(error).with_hint(hint));
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Err(known_values::refuse(error, job, "runs are kept of", &known))
}
