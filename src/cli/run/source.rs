//! The source of a run: inputs, or an earlier run that is resumed, retried or reverted.
//!
//! Opens it; what was opened answers for the steps of the launch.

use crate::cli::Context;
use crate::cli::connect::run_service::RunService;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::error::CommandError;
use crate::cli::output::lone_files;
use crate::cli::run::input_run::InputRun;
use crate::cli::run::opened_source::OpenedSource;
use crate::cli::run::stored_plan::ApplyLimits;
use crate::cli::run::{reverting, stored_plan};
#[cfg(feature = "postgres")]
use crate::cli::shared;
use batchctl::clock::Clock;
use batchctl::run;
use batchctl::run::{Resumption, RetryFilter};
use batchctl::settings::RunSettings;
use batchctl::store::RunId;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// The source of a run, before it is read.
pub(crate) enum RunSource<'a> {
    New(Box<InputRun<'a>>),
    Resume(&'a WhichRunArgs),
    Retry {
        which: &'a WhichRunArgs,
        filter: RetryFilter,
        reason: Option<String>,
        dry_run: bool,
    },
    Revert {
        which: &'a WhichRunArgs,
        reason: Option<String>,
    },
    /// A plan that was stored on its own.
    Apply {
        which: &'a WhichRunArgs,
        limits: ApplyLimits,
    },
}

impl<'a> RunSource<'a> {
    pub(crate) fn inputs(&self) -> &[PathBuf] {
        match self {
            Self::New(run) => &run.inputs,
            Self::Resume(_) | Self::Retry { .. } | Self::Revert { .. } | Self::Apply { .. } => &[],
        }
    }

    /// Opens the source; breaks with the id of a run that is to be resumed and is finished.
    pub(crate) fn open(
        self,
        clock: Clock,
        context: &Context,
    ) -> Result<ControlFlow<RunId, OpenedSource<'a>>, CommandError> {
        let state = &context.state;
        Ok(ControlFlow::Continue(match self {
            Self::New(run) => {
                let (level, shard) = (run.level, run.shard);
                let settings = RunSettings { level, shard, ..RunSettings::default() };
                OpenedSource::New { run, settings: Box::new(settings) }
            }
            Self::Resume(which) => {
                let id = which.find(state)?;
                let again = "and resume then: tasks whose records are missing are called again";
                lone_files::warn_before(state, &id, &context.stderr, again);
                match run::resume(state, &id, clock)? {
                    Resumption::Ready(resumable) => {
                        stored_plan::refuse_unapplied(&resumable.record)?;
                        OpenedSource::Resume(resumable)
                    }
                    Resumption::Finished => return Ok(ControlFlow::Break(id)),
                }
            }
            Self::Apply { which, limits } => {
                let id = which.find(state)?;
                match run::resume(state, &id, clock)? {
                    Resumption::Ready(plan) => {
                        limits.check(&plan.record, clock)?;
                        OpenedSource::Apply { plan, limits }
                    }
                    Resumption::Finished => return Err(stored_plan::applied_already(&id)),
                }
            }
            Self::Retry { which, filter, reason, dry_run } => {
                let id = which.find(state)?;
                let again = "and retry then: tasks whose records are missing are left out";
                lone_files::warn_before(state, &id, &context.stderr, again);
                let mut retry = run::retry(state, &id)?;
                stored_plan::refuse_unapplied(&retry.record)?;
                // Before the plan: an unknown group is a wrong flag.
                retry.narrow(filter)?;
                retry.reason = reason;
                OpenedSource::Retry { retry: Box::new(retry), dry_run }
            }
            Self::Revert { which, reason } => {
                let id = which.find(state)?;
                let mut revert = run::revert(state, &id)?;
                #[cfg(feature = "postgres")]
                revert.share({
                    let targets = revert.settings_before()?;
                    shared::group::slots(&id, &targets, clock, context)?
                });
                stored_plan::refuse_unapplied(&revert.record)?;
                reverting::refuse_deletion(&revert.record)?;
                if let Some(service) = RunService::of_record(&revert.record)? {
                    let word = &revert.record.run.command;
                    service.check_revert(word)?;
                    let action = service.service.action(word);
                    revert.opposite = action.and_then(|action| action.opposite.clone());
                }
                revert.reason = reason;
                OpenedSource::Revert(Box::new(revert))
            }
        }))
    }
}
