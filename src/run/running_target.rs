//! A target of a run of several while it is carried out.
//!
//! The targets run side by side, and each ends for itself. They wait for each other only where a
//! look at the states may refuse the run as a whole: then nothing was sent at any of them.

use crate::api::TaskApi;
use crate::clock::Timestamp;
use crate::engine::EngineSettings;
use crate::event::{EventKind, RunStarted, RunStats, StopReason};
use crate::run::error::RunError;
use crate::run::ledger::StoreLedger;
use crate::run::phases::RunPhases;
use crate::settings::OnUnknown;
use crate::task::TaskId;
use futures::future::join_all;
use std::time::Duration;

/// A target under way.
pub(super) enum RunningTarget<'a, A> {
    Ready(Box<(RunPhases<'a, A>, EngineSettings)>),
    /// It ends before its first call: it has no task, or its credentials could not be got.
    Over {
        ledger: Box<StoreLedger>,
        engine: Box<EngineSettings>,
        at: Timestamp,
    },
}

/// What a look at the states of a target came to.
type Looked = Result<Option<StopReason>, RunError>;

/// Carries out all targets side by side.
pub(super) async fn run_all<A: TaskApi>(
    mut targets: Vec<RunningTarget<'_, A>>,
) -> Result<Vec<RunStats>, RunError> {
    if !targets.iter().any(RunningTarget::may_refuse_run) {
        return join_all(targets.into_iter().map(RunningTarget::run)).await.into_iter().collect();
    }
    let looked = join_all(targets.iter_mut().map(RunningTarget::look_first)).await;
    let looked = unless_unknown(looked)?;
    let all = targets.into_iter().zip(looked).map(|(target, looked)| target.go_on(looked));
    join_all(all).await.into_iter().collect()
}

/// Refuses the run if a target has unknown tasks, with those of all targets.
fn unless_unknown(looked: Vec<Looked>) -> Result<Vec<Option<StopReason>>, RunError> {
    let (mut all, mut known): (u64, Vec<TaskId>) = (0, Vec::new());
    let mut reasons = Vec::new();
    for looked in looked {
        match looked {
            Err(RunError::UnknownTasks { count, examples }) => {
                all += count;
                known.extend(examples);
            }
            looked => reasons.push(looked?),
        }
    }
    if all > 0 {
        return Err(RunError::UnknownTasks { count: all, examples: known });
    }
    Ok(reasons)
}

impl<A: TaskApi> RunningTarget<'_, A> {
    /// Returns whether an unknown task of the target is a reason to send nothing at all.
    fn may_refuse_run(&self) -> bool {
        match self {
            Self::Ready(ready) => {
                let settings = ready.0.settings;
                settings.skip_unchanged && settings.on_unknown == OnUnknown::Fail
            }
            Self::Over { .. } => false,
        }
    }

    async fn look_first(&mut self) -> Looked {
        match self {
            Self::Ready(ready) => {
                let (phases, engine) = &mut **ready;
                phases.look_first(engine).await
            }
            Self::Over { .. } => Ok(None),
        }
    }

    async fn run(mut self) -> Result<RunStats, RunError> {
        let looked = self.look_first().await?;
        self.go_on(looked).await
    }

    async fn go_on(self, looked: Option<StopReason>) -> Result<RunStats, RunError> {
        match self {
            Self::Ready(ready) => {
                let (phases, engine) = *ready;
                phases.go_on(looked, engine).await
            }
            Self::Over { mut ledger, engine, at } => {
                let started = RunStarted {
                    selected: engine.origin.selected,
                    settled: engine.origin.settled,
                    rate_limit: engine.rate,
                    concurrency: engine.concurrency.get(),
                    finds_rate: false,
                    looks_at: None,
                };
                let stopped = Some(StopReason::NotAuthorised).filter(|_| started.selected > 0);
                let stats = RunStats { stopped, held: Duration::ZERO };
                // The display takes the figures of a target from the first event.
                ledger.emit(at, EventKind::RunStarted(started)).await?;
                ledger.end(at, stats.clone()).await?;
                Ok(stats)
            }
        }
    }
}
