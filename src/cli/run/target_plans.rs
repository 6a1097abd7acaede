//! Plans a run of several targets, shows its plans, and stores them for `apply`.

use crate::cli::Context;
use crate::cli::connect::client::{StateReader, state_reader};
use crate::cli::connect::destination::Destination;
use crate::cli::output::error::CommandError;
use crate::cli::run::input_run::{InputRun, Purpose, show_new};
use crate::cli::run::list_size_guard::ListSizeGuard;
use crate::cli::run::opened_source::OpenedSource;
use crate::cli::run::preview::ShownPlan;
use crate::cli::run::scene::{ActionRequest, Scene};
use crate::cli::run::target::Target;
use crate::cli::run::{input_check, stored_plan};
use batchctl::input::TargetChoice;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::run::{DryRun, Planned, TargetRequest, TargetsRequest};
use batchctl::settings::{LeftOut, RunSettings};
use std::iter;

/// Stores the plan of every target.
pub(crate) fn plan(
    opened: OpenedSource<'_>,
    targets: &[Target],
    scene: &Scene<'_>,
    others: &[Destination],
) -> Result<Planned, CommandError> {
    let places = iter::once(&scene.destination).chain(others);
    Ok(match opened {
        OpenedSource::Resume(mut resumable) | OpenedSource::Apply { plan: mut resumable, .. } => {
            for (to, from) in resumable.targets.iter_mut().zip(targets) {
                to.settings = from.settings.clone();
            }
            resumable.into_planned()
        }
        OpenedSource::New { run, settings } => {
            let run = with_targets(*run);
            let request = request(run, &settings, targets, places, scene.context);
            run::plan_targets(request, scene.clock)?
        }
        OpenedSource::Retry { retry, .. } => {
            let requests = requests(&retry.settings, targets, places);
            retry.plan_targets(requests, scene.clock)?
        }
        OpenedSource::Revert(revert) => {
            let requests = requests(&revert.settings, targets, places);
            revert.plan_targets(requests, scene.clock)?
        }
    })
}

/// Says in the plan of a new run to which target a row belongs.
fn with_targets(mut run: InputRun<'_>) -> InputRun<'_> {
    let chosen = run.targets.take().expect("it has targets");
    run.plan.options.targets = Some(match chosen.column {
        Some(column) => TargetChoice::Column { column, names: chosen.names },
        None => TargetChoice::Every { of: chosen.names.len() },
    });
    run
}

fn request<'a>(
    run: InputRun<'_>,
    shared: &RunSettings,
    targets: &[Target],
    places: impl Iterator<Item = &'a Destination>,
    context: &Context,
) -> TargetsRequest {
    let InputRun { word, plan, before, .. } = run;
    TargetsRequest {
        state: context.state.clone(),
        command: word.into(),
        plan,
        job: before.job.as_ref().map(ToString::to_string),
        reason: before.reason.clone(),
        targets: requests(shared, targets, places),
    }
}

/// Returns what each target of a run is to be; what is left out of all is with the first.
fn requests<'a>(
    shared: &RunSettings,
    targets: &[Target],
    places: impl Iterator<Item = &'a Destination>,
) -> Vec<TargetRequest> {
    let target = |(index, (target, place)): (usize, (&Target, &Destination))| {
        let mut choice = shared.choice.clone();
        if index > 0 {
            choice.left_out = LeftOut::default();
        }
        TargetRequest {
            endpoint: place.endpoint.to_string(),
            project_id: place.project_id(),
            region: place.service.as_ref().and_then(|service| service.scope.region.clone()),
            settings: RunSettings { choice, ..target.settings.clone() },
        }
    };
    targets.iter().zip(places).enumerate().map(target).collect()
}

/// Shows the plan of every target, and stores it if that is wanted; sends nothing.
pub(crate) fn show(
    run: InputRun<'_>,
    shared: &RunSettings,
    targets: &mut [Target],
    others: &[Destination],
    scene: &Scene<'_>,
) -> Result<ExitStatus, CommandError> {
    let mut run = with_targets(run);
    let (word, if_empty, is_stored) = (run.word, run.if_empty, run.purpose == Purpose::Plan);
    if is_stored {
        targets.iter_mut().for_each(|target| stored_plan::mark(&mut target.settings));
    }
    let guard = ListSizeGuard::new(run.before, scene);
    // Read twice from the same bytes: the first time shows what the second one stores.
    let plan = input_check::in_two(&mut run.plan).map_err(CommandError::io)?;
    let places = || iter::once(&scene.destination).chain(others);
    let stored = request(run, shared, targets, places(), scene.context);
    let first = TargetsRequest {
        state: stored.state.clone(),
        command: word.into(),
        plan,
        job: stored.job.clone(),
        reason: stored.reason.clone(),
        targets: stored.targets.clone(),
    };
    let plans = look(run::dry_run_targets(first, scene.clock)?, targets, places(), scene)?;
    let actions: Vec<ActionRequest> = targets
        .iter()
        .zip(places())
        .map(|(target, place)| {
            let settings = target.settings.clone();
            ActionRequest {
                service: place.service.as_ref().map(|service| service.name.clone()),
                reads_each_id: place.reads_each_id(),
                word: word.into(),
                pattern: place.pattern_of(word, settings.level),
                settings,
            }
        })
        .collect();
    let shown = plans.iter().zip(&actions).zip(&scene.targets);
    let shown = shown.map(|((plan, action), (name, place))| ShownPlan {
        target: Some(name),
        place: place.clone(),
        action,
        plan,
    });
    let shown: Vec<ShownPlan<'_>> = shown.collect();
    if !is_stored {
        return show_new(&shown, if_empty, guard, scene);
    }
    let plan = |states: &[_]| run::plan_targets_in_states(stored, states, scene.clock);
    stored_plan::store_shown(&shown, if_empty, guard, plan, scene)
}

/// Reads the states of the tasks of each target, if they decide what is called.
fn look<'a>(
    plans: Vec<DryRun>,
    targets: &[Target],
    places: impl Iterator<Item = &'a Destination>,
    scene: &Scene<'_>,
) -> Result<Vec<DryRun>, CommandError> {
    let look = |((plan, target), place): ((DryRun, &Target), &Destination)| {
        let settings = &target.settings;
        // Without a task no credentials are needed.
        if !settings.skip_unchanged || plan.totals().is_empty() {
            return Ok(plan);
        }
        let read = state_reader(target.credentials(), place, settings, &target.context);
        let StateReader { runtime, client, .. } =
            read.map_err(|error| error.of_target(target.name()))?;
        let state = &scene.context.state;
        Ok(runtime.block_on(plan.look_at(state, settings, &client, scene.clock))?)
    };
    plans.into_iter().zip(targets).zip(places).map(look).collect()
}
