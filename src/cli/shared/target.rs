//! A run of a database goes where this worker is configured to go, or nowhere.
//!
//! Whoever can write the database must not be able to have a token sent elsewhere.

use crate::cli::Context;
use crate::cli::connect::run_service::RunService;
use crate::cli::connect::{destination, service_place};
use crate::cli::flags::connection::DestinationArgs;
use crate::cli::output::error::CommandError;
use batchctl::store::RunRecord;
use batchctl::text::printable;

/// The most columns of an endpoint in a message.
const LONGEST: usize = 200;

/// Refuses a run of a database whose endpoint or project is not the one that is configured here.
pub(crate) fn check(
    place: &DestinationArgs,
    record: &RunRecord,
    context: &Context,
) -> Result<(), CommandError> {
    // The embedded sandbox gets no credentials.
    if context.store.database().is_none() || record.run.settings.sandbox {
        return Ok(());
    }
    let endpoint = destination::endpoint_without_sandbox(place, context)?.to_string();
    if endpoint != record.run.endpoint {
        return Err(other("endpoint", &endpoint, &record.run.endpoint));
    }
    // Nobody could find it out when the run was planned: it is the one of this worker's credentials.
    if destination::is_unknown_project(&record.run.project_id) {
        return Ok(());
    }
    let Some(project) = &place.project_id else {
        return Err(CommandError::usage("the project is missing")
            .with_hint("each worker names it itself, with `--project-id ID`")
            .with_target_hint("each worker names it itself: put `project_id` into {table}"));
    };
    if project.to_string() != record.run.project_id {
        return Err(other("project", &project.to_string(), &record.run.project_id));
    }
    Ok(())
}

/// Refuses a run of a database at another service, unless this worker's own `--service` names the same
/// file: it says where a token goes. `is_named` says whether it does.
pub(crate) fn check_service(
    service: &RunService,
    is_named: bool,
    record: &RunRecord,
    place: &DestinationArgs,
    context: &Context,
) -> Result<(), CommandError> {
    if context.store.database().is_none() || record.run.settings.sandbox {
        return Ok(());
    }
    if !is_named {
        let name = printable(&service.name, LONGEST);
        let error =
            format!("the run is at the service `{name}`, and this worker has no such file of it");
        return Err(CommandError::usage(error).with_hint(
            "name the same file with `--service FILE`: a worker goes only where its own \
             configuration says",
        ));
    }
    let endpoint = service_place::endpoint(&service.service, place, context)?.to_string();
    if endpoint != record.run.endpoint {
        return Err(other("endpoint", &endpoint, &record.run.endpoint));
    }
    let none = || "none".to_owned();
    let [here, there] =
        [&place.region, &service.scope.region].map(|it| it.clone().unwrap_or_else(none));
    if here != there {
        return Err(other("region", &here, &there));
    }
    let here = place.project_id.as_ref().map_or_else(none, ToString::to_string);
    let there = service.scope.project_id.clone().unwrap_or_else(none);
    if here != there {
        return Err(other("project", &here, &there));
    }
    Ok(())
}

fn other(what: &str, here: &str, there: &str) -> CommandError {
    let error = format!(
        "the {what} of the run is `{}`, and this worker is configured for `{}`; nothing was sent",
        printable(there, LONGEST),
        printable(here, LONGEST)
    );
    CommandError::usage(error).with_hint("a worker goes only where its own configuration says")
}
