//! Launches a run: the same steps in the same order for new runs and for runs made from earlier
//! ones.
//!
//! Everything that can be checked is checked before a call is sent or the operator is asked. A plan
//! that is not carried out is removed again.

use crate::cli::Context;
use crate::cli::connect::client::ConnectedTarget;
use crate::cli::connect::run_service::RunService;
use crate::cli::connect::{credentials, protected_files, run_service, service_place};
use crate::cli::flags::effect;
use crate::cli::output::documents;
use crate::cli::output::documents::Document;
use crate::cli::output::dump;
use crate::cli::output::error::CommandError;
use crate::cli::output::event_documents::{Beginning, Live};
use crate::cli::output::present::{ReportRequest, present};
use crate::cli::output::stream::Audience;
use crate::cli::run::job_lock::JobAccess;
use crate::cli::run::opened_source::OpenedSource;
use crate::cli::run::pending_plan::PendingPlan;
use crate::cli::run::scene::{LaunchFlags, Scene};
use crate::cli::run::source::RunSource;
use crate::cli::run::{
    begin, exclusions, job_lock, log_file, settings, stored_plan, target_flags, targets, terms,
};
#[cfg(feature = "postgres")]
use crate::cli::shared;
use batchctl::clock::Clock;
use batchctl::reading::RunReader;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::store::RunId;
use batchctl::text::plural;
use std::ops::ControlFlow;
use std::path::Path;

/// Launches a run, and reports it when it has ended.
pub(crate) fn launch(
    source: RunSource<'_>,
    flags: &LaunchFlags<'_>,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    let documents = outputs(&source, flags, context)?;
    let clock = Clock::start();
    // A resumed run is locked from here on, so no other process changes it meanwhile.
    let mut opened = match source.open(clock, context)? {
        ControlFlow::Continue(opened) => opened,
        ControlFlow::Break(finished) => {
            return report_finished(&finished, &documents, flags, clock, context);
        }
    };
    if opened.has_targets() {
        target_flags::refuse(&context.given)?;
        let service = opened.service()?;
        if service.is_none() {
            run_service::refuse_for_vias(flags.connection, context)?;
        }
        exclude(&mut opened, service.as_ref(), flags, clock, context)?;
        return targets::launch(opened, documents, flags, clock, context);
    }
    // Contradictory flags are refused before the destination may ask for a password.
    if let Some(settings) = &flags.settings {
        opened.adjust(settings, &context.given);
    }
    let service = opened.service()?;
    if let Some(service) = &service {
        service.check(opened.settings(), &opened.word(), context)?;
    } else {
        run_service::refuse_for_vias(flags.connection, context)?;
    }
    if let Some(most) = flags.shared.joins {
        opened.work_at(most);
    }
    exclude(&mut opened, service.as_ref(), flags, clock, context)?;
    exclusions::protect(opened.settings(), &documents, flags)?;
    settings::check(opened.settings(), &context.given)?;
    effect::check_of_run(&context.given, opened.settings(), opened.job().is_some())?;
    #[cfg(feature = "postgres")]
    if context.store.database().is_some() {
        shared::share::check(opened.settings(), opened.planned_settings())?;
    }
    let documents = if opened.is_preview(flags) {
        documents::of_plan(documents, &context.given)?
    } else {
        documents
    };
    let destination = opened.resolve(flags, service, clock, context)?;
    let action = opened.action(&destination);
    let targets = Vec::new();
    let mut scene =
        Scene { action, destination, targets, flags, documents: &documents, clock, context };
    // A document that cannot be written would otherwise be noticed after the last call.
    try_out(&documents)?;
    let log_file =
        if opened.is_preview(flags) { None } else { log_file::open(&flags.reporting.unattended)? };
    // After the destination: a preview shows the URLs, and a revert reads the states there.
    let opened = match opened.preview(&mut scene)? {
        ControlFlow::Continue(opened) => opened,
        ControlFlow::Break(status) => return Ok(status),
    };
    let lock = match job_lock::take_for(&opened, flags.lock, clock, context)? {
        JobAccess::Ours(lock) => lock,
        JobAccess::Skipped => return Ok(ExitStatus::Ok),
    };
    #[cfg(feature = "postgres")]
    if flags.shared.detach {
        let terms = opened.terms(&scene)?;
        return shared::detach::detach(opened.plan(&scene)?, &terms, lock.as_ref(), &scene);
    }
    // Looked for before a plan of millions is made, and before anybody has to say yes.
    let credentials = match service_place::source_of_run(
        &flags.connection.credentials,
        &scene.destination,
        context,
    ) {
        Ok(found) => found,
        // A run without a task needs no credentials.
        Err(error) => match opened.nothing_to_retry()? {
            Some(retry) => return Ok(terms::nothing_to_retry(&retry, &context.stderr)),
            None => return Err(error),
        },
    };
    if opened.is_new() && scene.destination.sandbox.is_none() {
        let kind = credentials.as_ref().map(|found| credentials::kind::of_source(found, context));
        scene.action.settings.credentials = kind;
    }
    let terms = opened.terms(&scene)?;
    // The guard removes a new plan at every early return below.
    let planned = opened.plan(&scene)?;
    #[cfg(feature = "postgres")]
    let planned = shared::share::shared(planned, terms.if_not_started, lock.as_ref(), &scene);
    let pending = PendingPlan::new(planned, terms.if_not_started);
    let (destination, credentials) = (&scene.destination, credentials.as_ref());
    let place = ConnectedTarget { name: None, destination, credentials, context };
    let status = begin::carry_out_if_wanted(pending, &terms, vec![place], &scene, log_file);
    // The job is ours until the report is written.
    drop(lock);
    status
}

/// Reads which tasks are excluded. A run that goes on from a database excludes none anew: what its
/// plan leaves out was settled with it, and workers elsewhere do not have the files.
fn exclude(
    opened: &mut OpenedSource<'_>,
    service: Option<&RunService>,
    flags: &LaunchFlags<'_>,
    clock: Clock,
    context: &Context,
) -> Result<(), CommandError> {
    // A plan is read again with its files, and one that would lose tasks by them is refused.
    let goes_on = matches!(opened, OpenedSource::Resume(_));
    if !(goes_on && context.store.is_elsewhere()) {
        opened.exclude(flags.exclude, service, clock, &context.stderr)?;
        return match opened {
            // Its workers would call them.
            OpenedSource::Apply { plan, .. } if context.store.is_elsewhere() => {
                stored_plan::refuse_excluded(plan)
            }
            _ => Ok(()),
        };
    }
    if flags.exclude.is_empty() {
        return Ok(());
    }
    let error = "a run in a database excludes what its plan excludes, and `resume` adds nothing";
    Err(CommandError::usage(error)
        .with_hint("leave the run as it is, and call the rest with `retry --exclude FILE`"))
}

/// Reads which documents are wanted, and makes sure that neither they nor the log file are written
/// over an input, a secret or each other.
fn outputs(
    source: &RunSource<'_>,
    flags: &LaunchFlags<'_>,
    context: &Context,
) -> Result<Vec<Document>, CommandError> {
    let mut taken = protected_files::find(Some(&flags.connection.credentials), context);
    for input in source.inputs() {
        let is_stream = input.as_os_str() == "-";
        let path = if is_stream { Path::new("/dev/stdin") } else { input };
        taken.add(path, "an input");
    }
    let documents = documents::parse(&flags.reporting.documents, &taken, &context.given)?;
    documents.iter().filter_map(Document::path).for_each(|path| taken.add(path, "a document"));
    log_file::check(&flags.reporting.unattended, &taken)?;
    flags.reporting.unattended.log_file.iter().for_each(|path| taken.add(path, "the log file"));
    dump::check(&flags.reporting.dump, &taken)?;
    Ok(documents)
}

/// Makes sure that the documents can be written, before anything is sent.
fn try_out(documents: &[Document]) -> Result<(), CommandError> {
    documents.iter().try_for_each(Document::try_out)
}

/// Returns why a run has nothing to go on with.
fn finished_line(id: &RunId, lost: u64) -> String {
    if lost == 0 {
        return format!("run {id} is finished: every task has its outcome");
    }
    let lost = plural(lost, "task", "tasks");
    format!("run {id} has nothing left to send: the ids of {lost} are lost")
}

/// Reports a run that has nothing to go on with, and ends as the run did.
fn report_finished(
    id: &RunId,
    documents: &[Document],
    flags: &LaunchFlags<'_>,
    clock: Clock,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    let runs = run::runs_in(&context.state);
    let reader = RunReader::open(&runs, id)?;
    exclusions::protect(&reader.record()?.run.settings, documents, flags)?;
    try_out(documents)?;
    let stderr = &context.stderr;
    stderr.line(&finished_line(id, reader.lost_tasks()));
    drop(reader);
    let options = documents::options(&flags.reporting.documents);
    let live = Live::open(documents, Beginning::GoesOn, id, clock)?;
    let wanted = ReportRequest {
        documents,
        options: &options,
        json: flags.reporting.documents.json,
        // Cron mails what it reads, and the failures of the run belong into that mail.
        summary: stderr.audience == Audience::Cron && !flags.reporting.display.quiet,
        live: Some(&live),
        end: Some(&context.run_end),
    };
    let status = present(&runs, id, &wanted, stderr, context.stdout_style)?;
    if let Some(error) = live.failure() {
        return Err(error);
    }
    Ok(status)
}
