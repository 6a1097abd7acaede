//! The flags that name a run.

use clap::Args;

/// Which run is meant.
#[derive(Debug, Args)]
pub(crate) struct WhichRunArgs {
    /// The run: its id, a unique beginning of it, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub(crate) run: String,
    /// Look only among the runs of this job
    #[arg(long = "job", id = "of_job", value_name = "NAME")]
    pub(crate) job: Option<String>,
}
