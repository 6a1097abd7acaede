//! A run of inputs before it is planned: what it is for, and its preview.

use crate::cli::connect::run_service::RunService;
use crate::cli::flags::run::BeforeArgs;
use crate::cli::flags::values::EmptyInput;
use crate::cli::output::error::CommandError;
use crate::cli::run::list_size_guard::{ListSizeGuard, check_most};
use crate::cli::run::preview;
use crate::cli::run::preview::ShownPlan;
use crate::cli::run::scene::Scene;
use crate::cli::run::terms::nothing_to_do;
use batchctl::loading::{NewPlan, PlanTotals};
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::run::{DryRun, RunRequest};
use batchctl::task::{Level, Rate, Shard};
use std::path::PathBuf;

/// What inputs are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To carry out the run.
    CarryOut,
    /// To show what would be called.
    DryRun,
    /// To show it, and to store it for `apply`.
    Plan,
}

/// A run of inputs.
pub(crate) struct InputRun<'a> {
    /// `start`, `stop`, `delete` or `run`, or an action of another service.
    pub(crate) word: &'static str,
    /// The files among the inputs, which no document may overwrite.
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) plan: NewPlan,
    /// The service that is called; `None` for VIAS.
    pub(crate) service: Option<Box<RunService>>,
    pub(crate) shard: Option<Shard>,
    pub(crate) before: &'a BeforeArgs,
    pub(crate) if_empty: EmptyInput,
    pub(crate) purpose: Purpose,
    /// What the ids name.
    pub(crate) level: Level,
    /// The targets, if it has several.
    pub(crate) targets: Option<Box<ChosenTargets>>,
}

/// The targets of a run, as the flags choose them.
#[derive(Debug, Clone)]
pub(crate) struct ChosenTargets {
    pub(crate) names: Vec<String>,
    /// The column that names the target of a row; without one each row belongs to all.
    pub(crate) column: Option<String>,
    pub(crate) rate_total: Option<Rate>,
}

/// Shows the plan of a new run; sends nothing.
pub(crate) fn preview_new(
    run: InputRun<'_>,
    scene: &Scene<'_>,
) -> Result<ExitStatus, CommandError> {
    let InputRun { word, plan, before, if_empty, .. } = run;
    let guard = ListSizeGuard::new(before, scene);
    let plan = look(run_request(word, before, plan, scene), scene)?;
    show_new(&[of_scene(&plan, scene)], if_empty, guard, scene)
}

/// Returns a plan as it is shown for a run without targets.
pub(crate) fn of_scene<'a>(plan: &'a DryRun, scene: &'a Scene<'_>) -> ShownPlan<'a> {
    ShownPlan { target: None, place: scene.target(), action: &scene.action, plan }
}

/// Returns the numbers of all plans together.
pub(crate) fn totals(plans: &[ShownPlan<'_>]) -> PlanTotals {
    plans.iter().map(|shown| shown.plan.totals()).sum()
}

/// Shows the plans of a new run, and checks them as the run would do.
pub(crate) fn show_new(
    plans: &[ShownPlan<'_>],
    if_empty: EmptyInput,
    guard: Option<ListSizeGuard>,
    scene: &Scene<'_>,
) -> Result<ExitStatus, CommandError> {
    let totals = totals(plans);
    let is_empty = totals.is_empty_everywhere();
    let status = if is_empty {
        nothing_to_do(totals, if_empty, &scene.context.stderr)?
    } else {
        ExitStatus::Ok
    };
    // An empty plan is written all the same: that of yesterday must not pass for today's.
    if !is_empty || !scene.documents.is_empty() || scene.flags.reporting.documents.json {
        preview::show(plans, None, scene)?;
    }
    // After the plan is shown: it is what one compares the last good run with.
    check_size(totals, guard, scene)?;
    preview::check_unknown(plans)?;
    Ok(status)
}

/// Reads the inputs, and the states of the tasks if they decide what is called.
pub(crate) fn look(request: RunRequest, scene: &Scene<'_>) -> Result<DryRun, CommandError> {
    if scene.action.settings.skip_unchanged {
        return preview::look(request, scene);
    }
    Ok(run::dry_run(request, scene.clock)?)
}

/// Refuses a plan of too many tasks, or one whose list has changed too much.
pub(crate) fn check_size(
    totals: PlanTotals,
    guard: Option<ListSizeGuard>,
    scene: &Scene<'_>,
) -> Result<(), CommandError> {
    check_most(totals.selected, scene.flags.max_tasks)?;
    guard.map_or(Ok(()), |guard| guard.check(totals))
}

/// Returns the request for a run with this plan.
pub(crate) fn run_request(
    word: &str,
    before: &BeforeArgs,
    plan: NewPlan,
    scene: &Scene<'_>,
) -> RunRequest {
    let target = scene.target();
    RunRequest {
        state: scene.context.state.clone(),
        command: word.into(),
        plan,
        endpoint: target.endpoint,
        project_id: target.project_id,
        job: before.job.as_ref().map(ToString::to_string),
        reason: before.reason.clone(),
        settings: scene.action.settings.clone(),
    }
}
