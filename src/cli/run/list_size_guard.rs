//! The guard against the wrong list: a job's list that has become much longer or shorter than it
//! was when the job last went well is not sent.

use crate::cli::flags::run::BeforeArgs;
use crate::cli::output::error::CommandError;
use crate::cli::run::scene::Scene;
use batchctl::loading::PlanTotals;
use batchctl::policy::MaxDelta;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::run::{Comparable, GoodRun};
use batchctl::text::{grouped, plural};
use std::path::PathBuf;

/// Refuses a plan of more tasks than `--max-tasks` allows.
pub(crate) fn check_most(selected: u64, max_tasks: Option<u64>) -> Result<(), CommandError> {
    match max_tasks {
        Some(most) if selected > most => {
            let tasks = plural(selected, "task is", "tasks are");
            let error = format!(
                "{tasks} selected, and `--max-tasks` allows {}; nothing was sent",
                grouped(most)
            );
            let hint = format!("if all of them are meant, give `--max-tasks {selected}`");
            Err(CommandError::new(ExitStatus::BadInput, error).with_hint(hint))
        }
        Some(_) | None => Ok(()),
    }
}

/// What a plan is compared with.
pub(crate) struct ListSizeGuard {
    max_delta: MaxDelta,
    state: PathBuf,
    comparable: Comparable,
}

impl ListSizeGuard {
    /// Guards a run that is one of a job.
    pub(crate) fn new(before: &BeforeArgs, scene: &Scene<'_>) -> Option<Self> {
        let comparable = Comparable {
            job: before.job.as_ref()?.to_string(),
            command: scene.action.word.clone(),
            project_id: scene.target().project_id,
            sandbox: scene.action.settings.sandbox,
        };
        let state = scene.context.state.clone();
        Some(Self { max_delta: before.max_delta, state, comparable })
    }

    /// Refuses a plan whose number of tasks is too far from that of the last good run.
    pub(crate) fn check(&self, totals: PlanTotals) -> Result<(), CommandError> {
        if self.max_delta == MaxDelta::Any {
            return Ok(());
        }
        let Some(before) = run::last_good(&self.state, &self.comparable)? else { return Ok(()) };
        let now = totals.rows - totals.duplicates;
        if self.max_delta.allows(before.tasks, now) {
            return Ok(());
        }
        Err(self.refused(&before, now))
    }

    fn refused(&self, before: &GoodRun, now: u64) -> CommandError {
        let job = &self.comparable.job;
        let tasks = |count| plural(count, "task", "tasks");
        let error = format!(
            "the input names {}, the last good run of job {job} had {} ({}): that differs by more \
             than {}; nothing was sent",
            tasks(now),
            tasks(before.tasks),
            before.id,
            self.max_delta,
        );
        let hint = "if the list is right, let it pass with `--max-delta none`";
        CommandError::new(ExitStatus::StoppedEarly, error).with_hint(hint)
    }
}
