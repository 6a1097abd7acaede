//! Launches a run of several targets: what is checked, asked and planned once for all of them.

use crate::cli::Context;
use crate::cli::connect::client::ConnectedTarget;
use crate::cli::connect::destination::{Destination, Lookup};
use crate::cli::connect::{credentials, destination, protected_files};
use crate::cli::flags::connection::ConnectionArgs;
use crate::cli::flags::effect;
use crate::cli::flags::run::SettingArgs;
use crate::cli::output::documents;
use crate::cli::output::documents::Document;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::run::execute::Execution;
use crate::cli::run::input_run::{ChosenTargets, InputRun, Purpose};
use crate::cli::run::job_lock::JobAccess;
use crate::cli::run::opened_source::{OpenedSource, empty_retry};
use crate::cli::run::pending_plan::PendingPlan;
use crate::cli::run::scene::{ActionRequest, LaunchFlags, Scene};
use crate::cli::run::{
    exclusions, execute, job_lock, log_file, preview, settings, target_flags, terms,
};
use batchctl::api::CredentialSource;
use batchctl::clock::Clock;
use batchctl::input::TargetChoice;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::run::{Planned, TargetRequest, TargetsRequest};
use batchctl::settings::{LeftOut, RunSettings, TargetPart};
use batchctl::store::RunRecord;
use clap::FromArgMatches;
use std::ops::ControlFlow;

/// A target of a run that is launched.
struct Target {
    connection: ConnectionArgs,
    context: Context,
    settings: RunSettings,
    /// What an earlier process recorded of it.
    record: Option<RunRecord>,
    is_resumed: bool,
}

impl Target {
    /// Reads what the command line and its table say for a target, and takes the flags for which
    /// `counts` holds into its settings.
    fn open(
        mut settings: RunSettings,
        context: &Context,
        counts: impl Fn(&Context, &str) -> bool,
    ) -> Result<Self, CommandError> {
        let context = context.for_target(&name_of(&settings))?;
        let matches = context.given.subcommand().expect("a run has a verb");
        let connection = ConnectionArgs::from_arg_matches(matches).map_err(CommandError::usage)?;
        let flags = SettingArgs::from_arg_matches(matches).map_err(CommandError::usage)?;
        flags.apply(&mut settings, |flag| counts(&context, flag));
        Ok(Self { connection, context, settings, record: None, is_resumed: false })
    }

    /// Takes a target of an earlier run up, with the flags that are given.
    fn earlier(
        record: RunRecord,
        settings: RunSettings,
        context: &Context,
    ) -> Result<Self, CommandError> {
        let target = Self::open(settings, context, |context, flag| context.given.is_given(flag))?;
        Ok(Self { record: Some(record), ..target })
    }

    /// Decides where its calls go; notes that in its settings.
    fn resolve(&mut self, lookup: Lookup) -> Result<Destination, CommandError> {
        let ConnectionArgs { place, credentials, .. } = &self.connection;
        let context = &self.context;
        let destination = match &self.record {
            Some(record) => destination::of_run(place, record, &self.settings, context)?,
            None => destination::resolve(place, credentials, lookup, context)?,
        };
        if !self.is_resumed {
            self.settings.profile = self.context.profile.clone();
            self.settings.by = self.context.identity();
        }
        Ok(destination)
    }
}

fn unsupported(what: &str) -> CommandError {
    CommandError::usage(format!("{what} does not know runs of several targets yet"))
        .with_hint("`resume`, `retry`, `settle` and `report` do; use `--where` for one target")
}

/// Launches a run of several targets, and reports it when it has ended.
pub(crate) fn launch(
    mut opened: OpenedSource<'_>,
    documents: Vec<Document>,
    flags: &LaunchFlags<'_>,
    clock: Clock,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    target_flags::refuse(&context.given)?;
    opened.exclude(flags.exclude, None, clock, &context.stderr)?;
    exclusions::protect(opened.settings(), &documents, flags)?;
    let mut targets = open_targets(&opened, context)?;
    if targets.is_empty() {
        let OpenedSource::Retry { retry, .. } = &opened else {
            return Err(unsupported("this command"));
        };
        return Ok(terms::nothing_to_retry(&empty_retry(retry), &context.stderr));
    }
    let has_job = opened.job().is_some();
    for target in &targets {
        settings::check(&target.settings, &target.context.given)?;
        effect::check_of_run(&target.context.given, &target.settings, has_job)?;
        target_flags::refuse_settings(&target.settings)?;
        protect(target, &documents)?;
    }
    let is_preview = opened.is_preview(flags);
    let documents =
        if is_preview { documents::of_plan(documents, &context.given)? } else { documents };
    let lookup = if is_preview { Lookup::Never } else { Lookup::Allowed };
    let places = targets.iter_mut().map(|target| target.resolve(lookup));
    let mut places = places.collect::<Result<Vec<_>, _>>()?;
    documents.iter().try_for_each(Document::try_out)?;
    if is_preview {
        if !documents.is_empty() || flags.reporting.documents.json {
            return Err(unsupported("the document of a plan"));
        }
        return show(opened, &targets, &places, flags, clock);
    }
    let log_file = log_file::open(&flags.reporting.unattended)?;
    // After all checks: a run that has waited for its job must not fail for its flags then.
    let job = opened.job();
    let _lock = match job_lock::take(job.as_ref(), None, flags.lock, clock, context)? {
        JobAccess::Ours(lock) => lock,
        JobAccess::Skipped => return Ok(ExitStatus::Ok),
    };
    let sources = credential_sources(&mut targets, &places)?;
    let action = action(&opened, &targets, &places);
    let place = places.remove(0);
    let scene = Scene { action, destination: place, flags, documents: &documents, clock, context };
    let terms = opened.terms(&scene);
    // The guard removes a new plan at every early return below.
    let planned = plan(opened, &targets, &scene, &places)?;
    let pending = PendingPlan::new(planned, terms.if_not_started);
    let is_reported = !documents.is_empty() || flags.reporting.documents.json;
    if let ControlFlow::Break(status) = terms.decide(pending.planned(), &scene, is_reported)? {
        pending.discard()?;
        return Ok(status);
    }
    let places = std::iter::once(&scene.destination).chain(&places);
    let connected = targets.iter().zip(places).zip(&sources);
    let connected = connected.map(|((target, destination), credentials)| ConnectedTarget {
        destination,
        credentials: Some(credentials),
        context: &target.context,
    });
    let execution = Execution {
        targets: connected.collect(),
        display: &flags.reporting.display,
        documents: &documents,
        dump: &flags.reporting.dump,
        options: &documents::options(&flags.reporting.documents),
        json: flags.reporting.documents.json,
        log_file,
        clock,
    };
    execute::carry_out(pending, execution, context)
}

/// Reads for each target what the command line and its table say.
fn open_targets(opened: &OpenedSource<'_>, context: &Context) -> Result<Vec<Target>, CommandError> {
    match opened {
        OpenedSource::New { run, settings } => {
            let chosen = run.targets.as_ref().expect("it has targets");
            let names = chosen.names.iter().enumerate();
            names.map(|(index, _)| new_target(index, chosen, settings, context)).collect()
        }
        OpenedSource::Resume(run) => {
            let targets = run.targets.iter();
            let targets =
                targets.map(|it| Target::earlier(it.record.clone(), it.settings.clone(), context));
            let resumed = |target: Result<Target, _>| Ok(Target { is_resumed: true, ..target? });
            targets.map(resumed).collect()
        }
        OpenedSource::Retry { retry, .. } => {
            let records = retry.targets()?;
            let names: Vec<String> = records.iter().map(|it| name_of(&it.run.settings)).collect();
            let target = |(index, record): (usize, RunRecord)| {
                let total = record.run.settings.target.as_ref().and_then(|it| it.rate_total);
                let target = TargetPart { index, names: names.clone(), rate_total: total };
                let settings = run::settings_of_child(&record.run.settings);
                let settings = RunSettings { target: Some(target), ..settings };
                let mut target = Target::earlier(record, settings, context)?;
                let before = target.settings.credentials.take();
                target.settings.credentials =
                    credentials::kind::of_follower(before, &target.context);
                Ok(target)
            };
            records.into_iter().enumerate().map(target).collect()
        }
        OpenedSource::Apply { .. } => Err(unsupported("`apply`")),
        OpenedSource::Revert(_) => Err(unsupported("`revert`")),
    }
}

fn name_of(settings: &RunSettings) -> String {
    settings.target.as_ref().map_or("", TargetPart::name).to_owned()
}

fn new_target(
    index: usize,
    chosen: &ChosenTargets,
    shared: &RunSettings,
    context: &Context,
) -> Result<Target, CommandError> {
    let (names, rate_total) = (chosen.names.clone(), chosen.rate_total);
    let target = Some(TargetPart { index, names, rate_total });
    // A new run starts from the default settings, so it takes the defaults of the flags too.
    Target::open(RunSettings { target, ..shared.clone() }, context, |_, _| true)
}

/// Refuses documents that would be written over the secrets of a target.
fn protect(target: &Target, documents: &[Document]) -> Result<(), CommandError> {
    let taken = protected_files::find(Some(&target.connection.credentials), &target.context);
    for path in documents.iter().filter_map(Document::path) {
        if let Some(what) = taken.what(path) {
            let error = format!("`{}` is {what} of a target", path.display());
            return Err(CommandError::usage(error).with_hint("name another document"));
        }
    }
    Ok(())
}

/// Looks for the credentials of each target, before a plan is made and anybody has to say yes.
fn credential_sources(
    targets: &mut [Target],
    places: &[Destination],
) -> Result<Vec<CredentialSource>, CommandError> {
    let mut sources = Vec::new();
    for (target, place) in targets.iter_mut().zip(places) {
        let name = name_of(&target.settings);
        let source = credentials::source(&target.connection.credentials, place, &target.context);
        let source = source.map_err(|error| error.of_target(&name))?;
        if target.record.is_none() {
            let kind = credentials::kind::of_source(&source, &target.context);
            target.settings.credentials = Some(kind);
        }
        sources.push(source);
    }
    Ok(sources)
}

fn action(opened: &OpenedSource<'_>, targets: &[Target], places: &[Destination]) -> ActionRequest {
    let settings = targets[0].settings.clone();
    let word = match opened {
        OpenedSource::New { run, .. } => run.word.to_owned(),
        OpenedSource::Resume(run) => run.record.run.command.clone(),
        OpenedSource::Retry { retry, .. } => retry.record.run.command.clone(),
        _ => String::new(),
    };
    let names = targets.iter().filter_map(|target| Some(target.settings.target.as_ref()?.name()));
    let url = |place: &Destination| place.pattern_of(&word, settings.level);
    let urls = names.zip(places).map(|(name, place)| format!("{name}: {}", url(place)));
    let pattern = urls.collect::<Vec<_>>().join(", ");
    ActionRequest { word, pattern, service: None, settings }
}

/// Stores the plan of every target.
fn plan(
    opened: OpenedSource<'_>,
    targets: &[Target],
    scene: &Scene<'_>,
    others: &[Destination],
) -> Result<Planned, CommandError> {
    match opened {
        OpenedSource::Resume(mut resumable) => {
            for (to, from) in resumable.targets.iter_mut().zip(targets) {
                to.settings = from.settings.clone();
            }
            Ok(resumable.into_planned())
        }
        OpenedSource::New { run, settings } => {
            let places = std::iter::once(&scene.destination).chain(others);
            let request = request(*run, &settings, targets, places, scene.context);
            Ok(run::plan_targets(request, scene.clock)?)
        }
        OpenedSource::Retry { retry, .. } => {
            let places = std::iter::once(&scene.destination).chain(others);
            let requests = requests(&retry.settings, targets, places);
            Ok(retry.plan_targets(requests, scene.clock)?)
        }
        _ => Err(unsupported("this command")),
    }
}

fn request<'a>(
    run: InputRun<'_>,
    shared: &RunSettings,
    targets: &[Target],
    places: impl Iterator<Item = &'a Destination>,
    context: &Context,
) -> TargetsRequest {
    let InputRun { word, mut plan, before, targets: chosen, .. } = run;
    let chosen = chosen.expect("it has targets");
    plan.options.targets = Some(match chosen.column {
        Some(column) => TargetChoice::Column { column, names: chosen.names },
        None => TargetChoice::Every { of: chosen.names.len() },
    });
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
            project_id: place.project.to_string(),
            settings: RunSettings { choice, ..target.settings.clone() },
        }
    };
    targets.iter().zip(places).enumerate().map(target).collect()
}

/// Shows the plan of every target; sends nothing.
fn show(
    opened: OpenedSource<'_>,
    targets: &[Target],
    places: &[Destination],
    flags: &LaunchFlags<'_>,
    clock: Clock,
) -> Result<ExitStatus, CommandError> {
    let OpenedSource::New { run, settings } = opened else {
        return Err(unsupported("a preview of this command"));
    };
    if run.purpose == Purpose::Plan {
        return Err(unsupported("`plan`"));
    }
    let word = run.word;
    let context = &targets[0].context;
    let request = request(*run, &settings, targets, places.iter(), context);
    let rows = preview::shown_rows(flags);
    for (target, place) in run::preview_targets(request, rows, clock)?.into_iter().zip(places) {
        let name = name_of(&target.settings);
        let pattern = place.pattern_of(word, target.settings.level);
        let action =
            ActionRequest { word: word.into(), pattern, service: None, settings: target.settings };
        let text = preview::in_short(&action, target.totals, &target.first);
        stream::print(&format!("target {name}\n{text}\n"))?;
    }
    Ok(ExitStatus::Ok)
}
