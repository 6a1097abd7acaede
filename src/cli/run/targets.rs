//! Launches a run of several targets: what is checked, asked and planned once for all of them.

use crate::cli::Context;
use crate::cli::connect::client::ConnectedTarget;
use crate::cli::connect::destination::{Destination, Lookup};
use crate::cli::flags::effect;
use crate::cli::output::documents;
use crate::cli::output::documents::Document;
use crate::cli::output::error::CommandError;
use crate::cli::run::input_run::Purpose;
use crate::cli::run::job_lock::JobAccess;
use crate::cli::run::log_file::LogFile;
use crate::cli::run::opened_source::OpenedSource;
use crate::cli::run::pending_plan::PendingPlan;
use crate::cli::run::reverting::RevertedPlace;
use crate::cli::run::scene::{ActionRequest, LaunchFlags, Scene};
use crate::cli::run::stored_plan::PlannedPlace;
use crate::cli::run::target::{Target, name_of, unless_all_refused};
use crate::cli::run::{
    begin, exclusions, job_lock, log_file, retrying, reverting, settings, target_flags,
    target_plans, terms,
};
#[cfg(feature = "postgres")]
use crate::cli::shared;
use batchctl::api::{Undo, undo_at};
use batchctl::clock::Clock;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::run::{ResumableTarget, Reverted};
use batchctl::settings::{RunSettings, TargetPart};
use batchctl::store::RunRecord;
use std::iter;
use std::ops::ControlFlow;

/// Launches a run of several targets, and reports it when it has ended.
pub(crate) fn launch(
    mut opened: OpenedSource<'_>,
    documents: Vec<Document>,
    flags: &LaunchFlags<'_>,
    clock: Clock,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    exclusions::protect(opened.settings(), &documents, flags)?;
    let mut targets = open_targets(&opened, flags, context)?;
    if targets.is_empty() {
        return nothing_to_do(&opened, context);
    }
    if let Some(most) = flags.shared.joins {
        targets.iter_mut().for_each(|target| target.work_at(most));
    }
    check(&opened, &targets, &documents)?;
    if let (OpenedSource::New { run, .. }, Some(service)) = (&mut opened, targets[0].service()) {
        // All targets have a region where one has, so the rows are checked with that of the first.
        service.apply(&mut run.plan);
    }
    let is_preview = opened.is_preview(flags);
    let documents =
        if is_preview { documents::of_plan(documents, &context.given)? } else { documents };
    let lookup = if is_on_paper(&opened, &targets) { Lookup::Never } else { Lookup::Allowed };
    let places = targets.iter_mut().map(|target| target.resolve(lookup));
    let mut places = places.collect::<Result<Vec<_>, _>>()?;
    documents.iter().try_for_each(Document::try_out)?;
    let log_file = if is_preview { None } else { log_file::open(&flags.reporting.unattended)? };
    let action = action(&opened, &targets, &places);
    let named = targets.iter().zip(&places);
    let named = named.map(|(target, place)| (target.name().to_owned(), place.shown())).collect();
    let first = places.remove(0);
    let mut scene = Scene {
        action,
        destination: first,
        targets: named,
        flags,
        documents: &documents,
        clock,
        context,
    };
    match preview(opened, &mut targets, &mut places, &mut scene)? {
        ControlFlow::Continue(opened) => begin(opened, targets, &places, &scene, log_file),
        ControlFlow::Break(status) => Ok(status),
    }
}

/// Plans the run, asks whether it may begin, and carries it out.
fn begin(
    opened: OpenedSource<'_>,
    mut targets: Vec<Target>,
    others: &[Destination],
    scene: &Scene<'_>,
    log_file: Option<LogFile>,
) -> Result<ExitStatus, CommandError> {
    let Scene { flags, clock, context, .. } = *scene;
    let lock = match job_lock::take_for(&opened, flags.lock, clock, context)? {
        JobAccess::Ours(lock) => lock,
        JobAccess::Skipped => return Ok(ExitStatus::Ok),
    };
    #[cfg(feature = "postgres")]
    if flags.shared.detach {
        let terms = opened.terms(scene)?;
        let planned = target_plans::plan(opened, &targets, scene, others)?;
        return shared::detach::detach(planned, &terms, lock.as_ref(), scene);
    }
    let all = iter::once(&scene.destination).chain(others);
    let sources = targets.iter_mut().zip(all).map(|(target, place)| target.source(place));
    let sources: Vec<_> = sources.collect();
    if sources.iter().all(Result::is_err) {
        // Before a plan of millions is made.
        unless_all_refused(sources.into_iter().map(Some).collect(), &context.stderr)?;
        unreachable!("all of them were refused");
    }
    let terms = opened.terms(scene)?;
    // The guard removes a new plan at every early return below.
    let planned = target_plans::plan(opened, &targets, scene, others)?;
    #[cfg(feature = "postgres")]
    let planned = shared::share::shared(planned, terms.if_not_started, lock.as_ref(), scene);
    let pending = PendingPlan::new(planned, terms.if_not_started);
    // A target without a task needs no credentials.
    let sources = sources.into_iter().zip(pending.planned().targets_with_tasks());
    let sources = sources.map(|(source, has_tasks)| has_tasks.then_some(source)).collect();
    let sources = unless_all_refused(sources, &context.stderr)?;
    let all = iter::once(&scene.destination).chain(others);
    let connected = targets.iter().zip(all).zip(&sources);
    let connected = connected.map(|((target, destination), credentials)| ConnectedTarget {
        name: Some(target.name()),
        destination,
        credentials: credentials.as_ref().and_then(Option::as_ref),
        context: &target.context,
    });
    let status = begin::carry_out_if_wanted(pending, &terms, connected.collect(), scene, log_file);
    // The job is ours until the report is written.
    drop(lock);
    status
}

/// Refuses flags and documents that do not fit to a target.
fn check(
    opened: &OpenedSource<'_>,
    targets: &[Target],
    documents: &[Document],
) -> Result<(), CommandError> {
    let has_job = opened.job().is_some();
    for target in targets {
        if let Some(service) = target.service() {
            service.check(&target.settings, &opened.word(), &target.context)?;
        }
        target_flags::check_rates(&target.settings)?;
        #[cfg(feature = "postgres")]
        if target.context.store.database().is_some() {
            target.check_shared()?;
        }
        settings::check(&target.settings, &target.context.given)?;
        effect::check_of_run(&target.context.given, &target.settings, has_job)?;
        target.protect(documents)?;
    }
    Ok(())
}

/// Ends a run that follows another and has nothing to call.
fn nothing_to_do(opened: &OpenedSource<'_>, context: &Context) -> Result<ExitStatus, CommandError> {
    match opened {
        OpenedSource::Retry { retry, .. } => {
            return Ok(terms::nothing_to_retry(&retrying::empty_retry(retry)?, &context.stderr));
        }
        OpenedSource::Revert(revert) => {
            reverting::nothing_to_revert(&revert.record.run.id, &context.stderr);
        }
        OpenedSource::New { .. } | OpenedSource::Resume(_) | OpenedSource::Apply { .. } => {}
    }
    Ok(ExitStatus::Ok)
}

/// Returns whether no target is asked for anything: a plan is shown, and nobody looks at the states.
fn is_on_paper(opened: &OpenedSource<'_>, targets: &[Target]) -> bool {
    match opened {
        OpenedSource::New { run, .. } => {
            run.purpose == Purpose::DryRun && !targets.iter().any(|it| it.settings.skip_unchanged)
        }
        OpenedSource::Retry { dry_run, .. } => *dry_run,
        OpenedSource::Resume(_) | OpenedSource::Apply { .. } | OpenedSource::Revert(_) => false,
    }
}

/// Reads for each target what the command line and its table say.
fn open_targets(
    opened: &OpenedSource<'_>,
    flags: &LaunchFlags<'_>,
    context: &Context,
) -> Result<Vec<Target>, CommandError> {
    match opened {
        OpenedSource::New { run, settings } => {
            let chosen = run.targets.as_ref().expect("it has targets");
            let part = |index| {
                let (names, rate_total) = (chosen.names.clone(), chosen.rate_total);
                let target = Some(TargetPart { index, names, rate_total });
                let settings = RunSettings { target, ..*settings.clone() };
                Target::new(settings, run.service.as_deref(), context)
            };
            (0..chosen.names.len()).map(part).collect()
        }
        OpenedSource::Resume(run) | OpenedSource::Apply { plan: run, .. } => {
            let target = |it: &ResumableTarget| {
                let (record, settings) = (it.record.clone(), it.settings.clone());
                let target = Target::earlier(record, settings, flags.settings.is_some(), context);
                Ok(target?.resumed())
            };
            run.targets.iter().map(target).collect()
        }
        OpenedSource::Retry { retry, .. } => following(retry.targets()?, context),
        OpenedSource::Revert(revert) => {
            let service = opened.service()?;
            let undo = |command| match &service {
                Some(service) => undo_at(&service.service, command),
                None => Undo::of_vias(command),
            };
            following(revert.targets(undo)?, context)
        }
    }
}

/// Returns the targets of a run that takes its tasks from these targets of another.
fn following(records: Vec<RunRecord>, context: &Context) -> Result<Vec<Target>, CommandError> {
    let name = |record: &RunRecord| name_of(&record.run.settings).to_owned();
    let names: Vec<String> = records.iter().map(name).collect();
    let target = |(index, record): (usize, RunRecord)| {
        let rate_total = record.run.settings.target.as_ref().and_then(|it| it.rate_total);
        let target = Some(TargetPart { index, names: names.clone(), rate_total });
        let settings = run::settings_of_child(&record.run.settings);
        Target::earlier(record, RunSettings { target, ..settings }, true, context)
    };
    records.into_iter().enumerate().map(target).collect()
}

/// Shows what would be called, where nothing more is wanted; breaks with the exit status then.
fn preview<'a>(
    opened: OpenedSource<'a>,
    targets: &mut [Target],
    others: &mut [Destination],
    scene: &mut Scene<'_>,
) -> Result<ControlFlow<ExitStatus, OpenedSource<'a>>, CommandError> {
    match opened {
        OpenedSource::New { run, settings } if run.purpose != Purpose::CarryOut => {
            target_plans::show(*run, &settings, targets, others, scene).map(ControlFlow::Break)
        }
        OpenedSource::Apply { plan, limits } => {
            let mut changed = 0;
            let places = iter::once(&mut scene.destination).chain(others.iter_mut());
            for (target, place) in targets.iter().zip(places) {
                target.check_planned_place()?;
                if !target.settings.skip_unchanged {
                    continue;
                }
                let planned = PlannedPlace {
                    target: Some(target.name()),
                    settings: &target.settings,
                    credentials: target.credentials(),
                };
                let found = planned.drift(&plan, place, scene.clock, &target.context);
                let (count, loaded) = found.map_err(|error| error.of_target(target.name()))?;
                changed += count;
                // Used for the calls as well: a token command or a login is asked once.
                place.loaded = loaded;
            }
            limits.judge(changed, scene)?;
            Ok(ControlFlow::Continue(OpenedSource::Apply { plan, limits }))
        }
        OpenedSource::Revert(mut revert) => {
            let mut all = Reverted::default();
            for (index, target) in targets.iter().enumerate() {
                let destination = if index == 0 { &scene.destination } else { &others[index - 1] };
                let place = RevertedPlace {
                    target: Some(target.name()),
                    part: target.earlier_settings(),
                    credentials: target.credentials(),
                    destination,
                    context: &target.context,
                };
                let chosen = place.choose(&mut revert, scene);
                let (reverted, loaded) = chosen.map_err(|error| error.of_target(target.name()))?;
                all.add(reverted);
                let destination =
                    if index == 0 { &mut scene.destination } else { &mut others[index - 1] };
                destination.loaded = loaded;
            }
            let shown = reverting::show_chosen(&revert, all, scene)?;
            Ok(shown.map_continue(|()| OpenedSource::Revert(revert)))
        }
        opened => opened.preview(scene),
    }
}

fn action(opened: &OpenedSource<'_>, targets: &[Target], places: &[Destination]) -> ActionRequest {
    let settings = targets[0].settings.clone();
    let word = opened.word();
    let names = targets.iter().filter_map(|target| Some(target.settings.target.as_ref()?.name()));
    let url = |place: &Destination| place.pattern_of(&word, settings.level);
    let urls = names.zip(places).map(|(name, place)| format!("{name}: {}", url(place)));
    let pattern = urls.collect::<Vec<_>>().join(", ");
    let service = targets[0].service().map(|service| service.name.clone());
    let reads_each_id = places.iter().any(Destination::reads_each_id);
    ActionRequest { word, pattern, service, reads_each_id, settings }
}
