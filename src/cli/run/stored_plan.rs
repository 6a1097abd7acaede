//! Stores a plan for `apply`, and decides whether a stored one may be applied.
//!
//! A plan is carried out as it was approved, or not at all. See `docs/GLOSSARY.md`: plan, drift.

use crate::cli::Context;
use crate::cli::connect::client::{StateReader, state_reader};
use crate::cli::connect::destination;
use crate::cli::connect::destination::Destination;
use crate::cli::flags::connection::{CredentialArgs, DestinationArgs};
use crate::cli::flags::values::EmptyInput;
use crate::cli::output::error::CommandError;
use crate::cli::output::prompt;
use crate::cli::output::prompt::Confirmation;
use crate::cli::run::input_run::{InputRun, check_size, look, of_scene, run_request, totals};
use crate::cli::run::list_size_guard::ListSizeGuard;
use crate::cli::run::pending_plan::{IfNotStarted, PendingPlan};
use crate::cli::run::preview::ShownPlan;
use crate::cli::run::scene::Scene;
use crate::cli::run::terms::nothing_to_do;
use crate::cli::run::{input_check, preview};
#[cfg(feature = "postgres")]
use crate::cli::shared;
use batchctl::api::Credentials;
use batchctl::clock::Clock;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::run::{DriftedTask, Planned, Resumable, RunError};
use batchctl::settings::RunSettings;
use batchctl::store::{RunId, RunRecord, StoreError};
use batchctl::task::TaskState;
use batchctl::text::{flag_span, grouped, plural, printable, span};
use std::sync::Arc;
use std::time::Duration;

/// The version that a plan belongs to: another one may carry it out in another way.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The most drifted tasks that are listed.
const SHOWN_TASKS: usize = 20;

/// Reads the inputs, shows the plan and stores it.
pub(crate) fn store(run: InputRun<'_>, scene: &mut Scene<'_>) -> Result<ExitStatus, CommandError> {
    let InputRun { word, mut plan, before, if_empty, .. } = run;
    mark(&mut scene.action.settings);
    let guard = ListSizeGuard::new(before, scene);
    // Read twice from the same bytes: the first time shows what the second one stores.
    let first = input_check::in_two(&mut plan).map_err(CommandError::io)?;
    let shown = look(run_request(word, before, first, scene), scene)?;
    let request = run_request(word, before, plan, scene);
    let planned = |states: &[Vec<Option<TaskState>>]| match states {
        [states] => run::plan_in_states(request, states, scene.clock),
        _ => run::plan(request, scene.clock),
    };
    store_shown(&[of_scene(&shown, scene)], if_empty, guard, planned, scene)
}

/// Notes in settings that they are of a plan that is stored on its own.
pub(crate) fn mark(settings: &mut RunSettings) {
    settings.planned_with = Some(VERSION.to_owned());
}

/// Shows plans and stores them. `plan` does that, with the states that the tasks of each are in if
/// they were read.
pub(crate) fn store_shown(
    plans: &[ShownPlan<'_>],
    if_empty: EmptyInput,
    guard: Option<ListSizeGuard>,
    plan: impl FnOnce(&[Vec<Option<TaskState>>]) -> Result<Planned, RunError>,
    scene: &Scene<'_>,
) -> Result<ExitStatus, CommandError> {
    let totals = totals(plans);
    if totals.is_empty_everywhere() {
        return nothing_to_do(totals, if_empty, &scene.context.stderr);
    }
    if totals.is_empty() {
        scene.context.stderr.line("this shard has no task, so that no plan is stored");
        return Ok(ExitStatus::Ok);
    }
    check_size(totals, guard, scene)?;
    preview::check_unknown(plans)?;
    let planned = plan(&states_of(plans)?)?;
    // Removes the plan again if it cannot be shown.
    let pending = PendingPlan::new(planned, IfNotStarted::Discard);
    if pending.planned().totals() != totals {
        let error = "an input has changed while it was read; nothing was stored";
        return Err(CommandError::new(ExitStatus::BadInput, error));
    }
    let id = pending.planned().id().clone();
    preview::show(plans, Some(&id), scene)?;
    keep(pending, scene)?;
    if scene.flags.is_talkative() {
        scene.context.stderr.line(&format!("stored as plan {id}"));
        scene.context.stderr.say("hint", &format!("`batchctl apply {id}` carries it out"));
    }
    Ok(ExitStatus::Ok)
}

/// Keeps a plan, in the database if one is named.
#[cfg_attr(
    not(feature = "postgres"),
    expect(unused_variables, reason = "it is in a directory already")
)]
fn keep(pending: PendingPlan, scene: &Scene<'_>) -> Result<(), CommandError> {
    #[cfg(feature = "postgres")]
    if scene.context.store.is_elsewhere() {
        let planned = shared::share::shared(pending.begin(), IfNotStarted::Discard, None, scene);
        return shared::share::store(planned);
    }
    drop(pending.begin());
    Ok(())
}

/// Returns the states that the tasks of each plan are in, if somebody has looked at them.
fn states_of(plans: &[ShownPlan<'_>]) -> Result<Vec<Vec<Option<TaskState>>>, CommandError> {
    if plans.iter().all(|shown| shown.plan.look().is_none()) {
        return Ok(Vec::new());
    }
    let states = |shown: &ShownPlan<'_>| {
        let mut states = Vec::new();
        shown.plan.for_each_row::<StoreError>(|row| {
            states.push(row.state_before);
            Ok(())
        })?;
        Ok(states)
    };
    plans.iter().map(states).collect()
}

/// Returns whether a run is a plan that was stored on its own, and nothing has begun it.
pub(crate) fn is_unapplied(record: &RunRecord) -> bool {
    record.run.settings.planned_with.is_some() && record.sessions.is_empty()
}

/// Refuses a plan where only a run makes sense that was begun.
pub(crate) fn refuse_unapplied(record: &RunRecord) -> Result<(), CommandError> {
    if is_unapplied(record) { Err(unapplied(&record.run.id)) } else { Ok(()) }
}

/// Refuses a run where only one makes sense that has begun, as it stands there or as a plan.
pub(crate) fn refuse_unbegun(record: &RunRecord) -> Result<(), CommandError> {
    refuse_unapplied(record)?;
    if record.selected == 0 || !record.sessions.is_empty() {
        return Ok(());
    }
    let id = &record.run.id;
    let error = format!("run {id} has not begun; nothing of it was sent");
    Err(CommandError::usage(error).with_hint(format!("`batchctl resume {id}` carries it out")))
}

/// Returns the error for a plan where only a run makes sense that was begun.
pub(crate) fn unapplied(id: &RunId) -> CommandError {
    let error = format!("run {id} is a plan that was not applied; nothing of it was sent");
    CommandError::usage(error).with_hint(format!("`batchctl apply {id}` carries it out"))
}

/// Refuses a plan of which tasks are excluded by now.
pub(crate) fn refuse_excluded(plan: &Resumable) -> Result<(), CommandError> {
    let excluded = plan.excluded()?;
    if excluded == 0 {
        return Ok(());
    }
    let tasks = plural(excluded, "task of the plan is", "tasks of the plan are");
    let error = format!("{tasks} excluded by now; nothing was sent");
    let hint = "make a new plan with `batchctl plan`, which leaves them out";
    Err(CommandError::new(ExitStatus::BadInput, error).with_hint(hint))
}

/// Refuses to apply a run that was begun already.
pub(crate) fn applied_already(id: &RunId) -> CommandError {
    let error = format!("run {id} was begun already; a plan is applied once");
    let hint = format!("`batchctl report {id}` shows what came of it");
    CommandError::new(ExitStatus::BadInput, error).with_hint(hint)
}

/// Refuses to apply a plan to another service or project than it was made for.
pub(crate) fn check_target(
    place: &DestinationArgs,
    record: &RunRecord,
    context: &Context,
) -> Result<(), CommandError> {
    // The sandbox of a rehearsal has another address in each process.
    if record.run.settings.sandbox {
        return Ok(());
    }
    let names_one = place.endpoint.is_some() || place.region.is_some();
    let endpoint = names_one.then(|| destination::endpoint(place, context)).transpose()?;
    let endpoint = endpoint.map(|endpoint| endpoint.to_string());
    let project = place.project_id.as_ref().map(ToString::to_string);
    for (what, now, planned) in [
        ("the endpoint", endpoint, &record.run.endpoint),
        ("the project", project, &record.run.project_id),
    ] {
        if let Some(now) = now.filter(|now| now != planned) {
            let error = format!(
                "{what} is `{}`, and the plan is for `{}`; nothing was sent",
                printable(&now, 200),
                printable(planned, 200)
            );
            let hint = "apply it with the configuration that it was made with, or plan anew";
            return Err(CommandError::new(ExitStatus::BadInput, error).with_hint(hint));
        }
    }
    #[cfg(feature = "postgres")]
    shared::target::check(place, record, context)?;
    Ok(())
}

/// How old a plan may be, and whether the tasks may have changed since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ApplyLimits {
    pub(crate) max_age: Duration,
    pub(crate) accepts_drift: bool,
}

impl ApplyLimits {
    /// Refuses a run that is no plan, a plan of another version, and one that is too old.
    pub(crate) fn check(self, record: &RunRecord, clock: Clock) -> Result<(), CommandError> {
        let id = &record.run.id;
        if !record.sessions.is_empty() {
            let error = applied_already(id);
            return Err(error.with_hint(format!("`batchctl resume {id}` goes on with it")));
        }
        let age = clock.now().since(record.run.origin);
        match self.objection(&record.run.settings, age) {
            None => Ok(()),
            Some(objection) => {
                let error = format!("run {id} {objection}; nothing was sent");
                let hint = "make a new plan with `batchctl plan`";
                Err(CommandError::new(ExitStatus::BadInput, error).with_hint(hint))
            }
        }
    }

    fn objection(self, settings: &RunSettings, age: Duration) -> Option<String> {
        let Some(version) = &settings.planned_with else {
            return Some("is no plan that `batchctl plan` has stored".into());
        };
        if version != VERSION {
            let version = printable(version, 40);
            return Some(format!("was planned by batchctl {version}, and this is {VERSION}"));
        }
        (age > self.max_age).then(|| {
            let (age, most) = (span(age), flag_span(self.max_age));
            format!("was planned {age} ago, and `--max-age` allows {most}")
        })
    }

    /// Looks again at the tasks, if the plan depends on their states, and asks about drift.
    pub(crate) fn check_drift(
        self,
        plan: &Resumable,
        scene: &mut Scene<'_>,
    ) -> Result<(), CommandError> {
        if !plan.settings.skip_unchanged {
            return Ok(());
        }
        let credentials = &scene.flags.connection.credentials;
        let place = PlannedPlace { target: None, settings: &plan.settings, credentials };
        let (drift, loaded) = place.drift(plan, &scene.destination, scene.clock, scene.context)?;
        // Used for the calls as well: a token command or a login is asked once.
        scene.destination.loaded = loaded;
        self.judge(drift, scene)
    }

    /// Asks whether a plan may be applied, if tasks have changed since.
    pub(crate) fn judge(self, changed: u64, scene: &Scene<'_>) -> Result<(), CommandError> {
        if changed == 0 || self.accepts_drift { Ok(()) } else { ask(changed, scene) }
    }
}

/// A place that a plan is for: a target of it, or all of it.
pub(crate) struct PlannedPlace<'a> {
    pub(crate) target: Option<&'a str>,
    pub(crate) settings: &'a RunSettings,
    pub(crate) credentials: &'a CredentialArgs,
}

impl PlannedPlace<'_> {
    /// Looks at the tasks of the place and prints which have changed. Returns their number, and the
    /// credentials that it looked with.
    pub(crate) fn drift(
        &self,
        plan: &Resumable,
        destination: &Destination,
        clock: Clock,
        context: &Context,
    ) -> Result<(u64, Option<Arc<Credentials>>), CommandError> {
        let reader = state_reader(self.credentials, destination, self.settings, context)?;
        let StateReader { runtime, client, credentials } = reader;
        let of_target = self.target.map(|_| self.settings);
        let drift = runtime.block_on(plan.drift(of_target, &client, clock, SHOWN_TASKS))?;
        let (stderr, of) =
            (&context.stderr, self.target.map_or(String::new(), |it| format!("{it}: ")));
        if let Some(gap) = &drift.gap {
            stderr.say("warning", &printable(&format!("{of}{gap}"), 300));
        }
        for task in &drift.first {
            stderr.line(&format!("{of}{}", changed(task)));
        }
        if drift.count > SHOWN_TASKS as u64 {
            let more = grouped(drift.count - SHOWN_TASKS as u64);
            stderr.line(&format!("{of}… and {more} more have changed"));
        }
        Ok((drift.count, credentials))
    }
}

fn changed(task: &DriftedTask) -> String {
    let word = |state: Option<TaskState>| state.map_or("not in the list", TaskState::as_str);
    let (id, command) = (task.id.as_str(), task.command.as_str());
    format!("changed: {command} {id}: was {}, is {}", word(task.before), word(task.now))
}

/// Asks whether a plan may be applied although tasks have changed.
fn ask(changed: u64, scene: &Scene<'_>) -> Result<(), CommandError> {
    let (context, tasks) = (scene.context, plural(changed, "task has", "tasks have"));
    let is_asked = !scene.flags.yes && prompt::has_person(&context.environment, &context.stderr);
    if is_asked {
        let question = format!("{tasks} changed since the plan; apply it to what is there now?");
        let answer = prompt::ask(&question, &context.environment, &context.stderr);
        return match answer.map_err(CommandError::io)? {
            Confirmation::Yes => Ok(()),
            Confirmation::No => Err(CommandError::new(ExitStatus::Interrupted, "nothing was sent")),
        };
    }
    let error = format!("{tasks} changed since the plan; nothing was sent");
    let hint = "make a new plan, or apply this one to what is there now with `--accept-drift`";
    Err(CommandError::new(ExitStatus::BadInput, error).with_hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(planned_with: Option<&str>, hours: u64, expected: Option<&str>) {
        let limits = ApplyLimits { max_age: Duration::from_secs(24 * 3_600), accepts_drift: false };
        let planned_with = planned_with.map(str::to_owned);
        let settings = RunSettings { planned_with, ..RunSettings::default() };
        let objection = limits.objection(&settings, Duration::from_secs(hours * 3_600));
        assert_eq!(objection.as_deref(), expected);
    }

    #[test]
    fn a_plan_of_another_version_or_of_yesterday_is_not_applied() {
        check(Some(VERSION), 24, None);
        check(Some(VERSION), 25, Some("was planned 1d 1h ago, and `--max-age` allows 1d 0h"));
        let other = format!("was planned by batchctl 0.0.9, and this is {VERSION}");
        check(Some("0.0.9"), 0, Some(&other));
        check(None, 0, Some("is no plan that `batchctl plan` has stored"));
    }
}
