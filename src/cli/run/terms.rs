//! Decides whether a planned run begins: an empty plan, a list of the wrong size, the operator.

use crate::cli::flags::values::EmptyInput;
use crate::cli::output::error::CommandError;
use crate::cli::output::prompt;
use crate::cli::output::prompt::Confirmation;
use crate::cli::output::stream::Stderr;
use crate::cli::run::list_size_guard::{ListSizeGuard, check_most};
use crate::cli::run::pending_plan::IfNotStarted;
use crate::cli::run::scene::Scene;
use batchctl::loading::PlanTotals;
use batchctl::report::ExitStatus;
use batchctl::run::Planned;
use batchctl::settings::CredentialKind;
use batchctl::store::RunId;
use batchctl::text::plural;
use std::ops::ControlFlow;

/// What holds once a run is planned.
pub(crate) struct Terms {
    pub(crate) if_not_started: IfNotStarted,
    pub(crate) if_empty: IfEmpty,
    /// What shows the tasks of the plan, for a hint.
    pub(crate) shown_by: String,
    pub(crate) size_guard: Option<ListSizeGuard>,
}

/// What is done about a plan without a task.
pub(crate) enum IfEmpty {
    /// The flag for empty inputs decides.
    Input(EmptyInput),
    NothingToRetry(EmptyRetry),
    /// The run is carried out like any other.
    GoOn,
}

/// The run of a retry without a task.
pub(crate) struct EmptyRetry {
    pub(crate) run: RunId,
    /// The number of its tasks whose ids are lost, so that no retry can take them.
    pub(crate) lost_tasks: u64,
    /// The number of its tasks without an outcome, which belong to that run.
    pub(crate) open_tasks: u64,
    /// What its tasks have, where the filter asks for something else.
    pub(crate) what_exists: Vec<String>,
}

impl Terms {
    /// Decides whether the run begins; breaks with the exit status of one that does not.
    ///
    /// `is_reported`: the command line asks for documents of the run.
    pub(crate) fn decide(
        &self,
        planned: &Planned,
        scene: &Scene<'_>,
        is_reported: bool,
    ) -> Result<ControlFlow<ExitStatus>, CommandError> {
        let (totals, stderr) = (planned.totals(), &scene.context.stderr);
        match &self.if_empty {
            // A shard without a task is one of its plan all the same, and is looked for there.
            IfEmpty::Input(if_empty) if totals.is_empty_everywhere() => {
                let status = nothing_to_do(totals, *if_empty, stderr)?;
                // Yesterday's documents must not pass for those of today's empty list.
                return Ok(if is_reported {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(status)
                });
            }
            IfEmpty::NothingToRetry(retry) if totals.is_empty() => {
                let status = nothing_to_retry(retry, stderr);
                return Ok(if is_reported {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(status)
                });
            }
            IfEmpty::NothingToRetry(retry) => retry.warn_of_open(stderr),
            IfEmpty::Input(_) | IfEmpty::GoOn => {}
        }
        check_most(totals.selected, scene.flags.max_tasks)?;
        if let Some(guard) = &self.size_guard {
            guard.check(totals)?;
        }
        check_confirmed(totals.selected, scene.flags.confirm, &self.shown_by)?;
        match self.if_not_started {
            IfNotStarted::Discard | IfNotStarted::KeepPlan => confirm(planned, scene)?,
            // The operator confirmed the run when it was new.
            IfNotStarted::Keep if scene.flags.is_talkative() => {
                let tasks = plural(totals.selected, "task", "tasks");
                stderr.line(&format!("going on with run {} of {tasks}", planned.id()));
            }
            IfNotStarted::Keep => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Returns the status of a run that was carried out and is good by itself.
    pub(crate) fn if_good(&self, planned: &Planned) -> ExitStatus {
        match &self.if_empty {
            IfEmpty::NothingToRetry(retry) if planned.totals().is_empty() => retry.status(),
            IfEmpty::Input(_) | IfEmpty::NothingToRetry(_) | IfEmpty::GoOn => ExitStatus::Ok,
        }
    }
}

impl EmptyRetry {
    /// Returns the status of a retry without a task: that of a report of the run, if ids are lost,
    /// and that of a run that was cut short, if tasks of it are open.
    pub(crate) fn status(&self) -> ExitStatus {
        match (self.lost_tasks, self.open_tasks) {
            (0, 0) => ExitStatus::Ok,
            (0, _) => ExitStatus::StoppedEarly,
            _ => ExitStatus::InputOutput,
        }
    }

    /// Says what the filter could have asked for, where it came to nothing.
    pub(crate) fn say_what_exists(&self, stderr: &Stderr) {
        self.what_exists.iter().for_each(|hint| stderr.say("hint", hint));
    }

    /// Warns that no retry takes the tasks that are open: nothing else would show it.
    pub(crate) fn warn_of_open(&self, stderr: &Stderr) {
        if self.open_tasks == 0 {
            return;
        }
        let (run, stderr) = (&self.run, stderr.of_failures());
        let tasks = plural(self.open_tasks, "task", "tasks");
        stderr.say("warning", &format!("{tasks} of run {run} have no outcome: none is retried"));
        let hint = format!("unless it is under way, `batchctl resume {run}` goes on with them");
        stderr.say("hint", &hint);
    }
}

/// Refuses a plan of another number of tasks than `--confirm` says.
fn check_confirmed(
    selected: u64,
    confirmed: Option<u64>,
    shown_by: &str,
) -> Result<(), CommandError> {
    let Some(confirmed) = confirmed.filter(|&confirmed| confirmed != selected) else {
        return Ok(());
    };
    let tasks = plural(selected, "task is", "tasks are");
    let error = format!("{tasks} selected, and `--confirm` says {confirmed}; nothing was sent");
    Err(CommandError::usage(error).with_hint(format!("{shown_by} shows the tasks")))
}

/// Asks for the number of tasks to be typed, because a deletion cannot be undone.
fn confirm_deletion(planned: &Planned, scene: &Scene<'_>) -> Result<(), CommandError> {
    let (context, count) = (scene.context, planned.totals().selected);
    let tasks = plural(count, "batch task", "batch tasks");
    let what = if scene.action.word == "run" {
        format!("carry out a plan of {tasks} with deletions")
    } else {
        format!("delete {tasks} for good with DELETE {}", scene.action.pattern)
    };
    if !prompt::has_person(&context.environment, &context.stderr) {
        let error = format!("nobody can be asked whether to {what}; nothing was sent");
        let hint = format!("`--confirm {count}` says that it is meant");
        return Err(CommandError::usage(error).with_hint(hint));
    }
    let question = format!("{what}? Type {count} to go on:");
    let answer = prompt::ask_for(&count.to_string(), &question);
    match answer.map_err(CommandError::io)? {
        Confirmation::Yes => Ok(()),
        Confirmation::No => Err(CommandError::new(ExitStatus::Interrupted, "nothing was sent")),
    }
}

/// Asks the operator, unless `--yes` or the sandbox makes that needless.
fn confirm(planned: &Planned, scene: &Scene<'_>) -> Result<(), CommandError> {
    let is_real = scene.destination.sandbox.is_none();
    if planned.totals().deletes && scene.flags.confirm.is_none() && is_real {
        return confirm_deletion(planned, scene);
    }
    if planned.totals().deletes {
        return Ok(());
    }
    if scene.flags.yes || scene.destination.sandbox.is_some() {
        return Ok(());
    }
    let action = &scene.action;
    let (one, many) = action.nouns();
    let tasks = plural(planned.totals().selected, one, many);
    let question = match &action.service {
        None => {
            let verb = if action.word == "run" { "start or stop" } else { &action.word };
            format!("{verb} {tasks} with {}?", action.pattern)
        }
        Some(service) => {
            let credentials =
                action.settings.credentials.map_or("no credentials", CredentialKind::as_str);
            let (word, pattern) = (&action.word, &action.pattern);
            format!("{word} {tasks} at {service} with {pattern} and {credentials}?")
        }
    };
    let context = scene.context;
    match prompt::ask(&question, &context.environment, &context.stderr).map_err(CommandError::io)? {
        Confirmation::Yes => Ok(()),
        Confirmation::No => Err(CommandError::new(ExitStatus::Interrupted, "nothing was sent")),
    }
}

/// Ends a run whose input has no task.
pub(crate) fn nothing_to_do(
    totals: PlanTotals,
    if_empty: EmptyInput,
    stderr: &Stderr,
) -> Result<ExitStatus, CommandError> {
    match if_empty {
        // The input has tasks, and none of them is to be called: that is not an empty input.
        _ if !totals.names_nothing() => {
            let (done, excluded) = (totals.already_done, totals.excluded);
            let done =
                (done > 0).then(|| format!("{} done already", plural(done, "task", "tasks")));
            let excluded =
                (excluded > 0).then(|| format!("{} excluded", plural(excluded, "task", "tasks")));
            let why: Vec<_> = done.into_iter().chain(excluded).collect();
            stderr.line(&format!("nothing is left to do: {}", why.join(", ")));
            Ok(ExitStatus::Ok)
        }
        EmptyInput::Ok => Ok(ExitStatus::Ok),
        EmptyInput::Fail => {
            let passed_over = [
                (totals.not_matched, "not matched by `--where`"),
                (totals.before_offset, "before the offset"),
                (totals.beyond_limit(), "beyond the limit"),
            ];
            let why = passed_over.into_iter().filter(|(count, _)| *count > 0);
            let why: Vec<_> =
                why.map(|(count, why)| format!("{} {why}", plural(count, "row", "rows"))).collect();
            let error = match why.is_empty() {
                true => "there is no task in the input".to_owned(),
                false => format!("no task is selected: {}", why.join(", ")),
            };
            Err(CommandError::new(ExitStatus::BadInput, error)
                .with_hint("use `--if-empty ok` if that is right"))
        }
    }
}

/// Ends a retry without a task.
pub(crate) fn nothing_to_retry(retry: &EmptyRetry, stderr: &Stderr) -> ExitStatus {
    stderr.line(&format!("there is nothing to retry in run {}", retry.run));
    retry.say_what_exists(stderr);
    retry.warn_of_open(stderr);
    retry.status()
}
