//! Where the calls of a service that a file describes go, and with what.
//!
//! Credentials leave for the service's own address alone. A run that is taken up is sent what the
//! configuration holds only if the configuration still names the same service.

use crate::cli::Context;
use crate::cli::connect::credentials;
use crate::cli::connect::credentials::{PartialDestination, find, find_token};
use crate::cli::connect::destination;
use crate::cli::connect::destination::{Destination, route};
use crate::cli::connect::run_service::{RunService, is_typed};
use crate::cli::connect::service_file::ServiceText;
use crate::cli::connect::trust;
use crate::cli::connect::trust::{Accepts, Recorded};
use crate::cli::flags::connection::{ConnectionArgs, CredentialArgs, DestinationArgs};
use crate::cli::flags::effect;
use crate::cli::output::error::CommandError;
#[cfg(feature = "postgres")]
use crate::cli::shared;
use batchctl::api::{CredentialSource, Endpoint, ProjectId, Route, TokenSource};
use batchctl::sandbox::SandboxSettings;
use batchctl::service::{Auth, Service};
use batchctl::store::RunRecord;
use batchctl::text::printable;
use std::sync::Arc;

/// What stands for the project of a service that was given none.
const NO_PROJECT: &str = "none";
/// A token, or a user and a password, for the embedded sandbox.
const ANY_CREDENTIALS: &str = "sandbox:any-token";
/// The flags that only Huawei Cloud's way of credentials knows.
const OF_HUAWEI: [&str; 6] =
    ["iam-user", "iam-domain", "iam-password-file", "iam-user-id", "iam-endpoint", "iam-project"];

/// Decides where the calls of a new run go.
pub(crate) fn new(
    service: RunService,
    args: &DestinationArgs,
    context: &Context,
) -> Result<Destination, CommandError> {
    if args.sandbox {
        return rehearsed(service, context);
    }
    let endpoint = endpoint(&service.service, args, context)?;
    at(service, endpoint, None, args, context)
}

/// Decides where the calls of an earlier run go now: as then, unless somebody typed an endpoint.
///
/// Credentials that nobody gave for this command go there only if the configuration still
/// names the same service.
pub(crate) fn of_run(
    service: RunService,
    record: &RunRecord,
    flags: &ConnectionArgs,
    context: &Context,
) -> Result<Destination, CommandError> {
    destination::check_rehearsal(&flags.place, record, &record.run.settings, context)?;
    if record.run.settings.sandbox {
        return rehearsed(service, context);
    }
    let typed = flags.place.endpoint.as_ref().filter(|_| names_endpoint(context));
    if let Some(own) = typed.filter(|_| !is_typed("endpoint", context))
        && own.to_string() != record.run.endpoint
    {
        return Err(trust::elsewhere(record, own, context));
    }
    let is_named = is_named(&service, flags, context)?;
    #[cfg(feature = "postgres")]
    shared::target::check_service(&service, is_named, record, &flags.place, context)?;
    // The file of the run says where it went, and not where the configuration would have it go.
    let is_there = own_address(&service).is_some_and(|own| own.to_string() == record.run.endpoint);
    let accepts = match typed.is_some() || (is_named && is_there) {
        true => Accepts::All,
        false => Accepts::Given,
    };
    let endpoint = match typed {
        Some(endpoint) => endpoint.clone(),
        None => Endpoint::insecure(&record.run.endpoint).map_err(CommandError::usage)?,
    };
    let recorded = Recorded { kind: record.run.settings.credentials, accepts };
    at(service, endpoint, Some(recorded), &flags.place, context)
}

/// Returns the address that the file of a service names.
fn own_address(service: &RunService) -> Option<Endpoint> {
    let region = service.scope.region.as_deref().unwrap_or("{region}");
    Endpoint::insecure(&service.service.endpoint.replace("{region}", region)).ok()
}

/// Returns whether `--service` names this very service; refuses another that was typed.
fn is_named(
    service: &RunService,
    flags: &ConnectionArgs,
    context: &Context,
) -> Result<bool, CommandError> {
    let Some(word) = &flags.service else { return Ok(false) };
    let is_typed = is_typed("service", context);
    let found = match ServiceText::find(word, &context.environment) {
        Ok(found) => found,
        Err(error) if is_typed => return Err(error.into()),
        // The run does not need it.
        Err(_) => return Ok(false),
    };
    let is_same = found.text == service.plan.record.text;
    if is_same || !is_typed {
        if !is_same && found.name == service.name {
            let shown = printable(&found.shown(), 200);
            let message = format!("`{shown}` has changed; the run goes on from its own copy");
            context.stderr.say("warning", &message);
        }
        return Ok(is_same);
    }
    let error = format!("the run is at `{}`, as its own copy of the file says", service.name);
    Err(CommandError::usage(error).with_hint("leave out `--service`"))
}

fn at(
    service: RunService,
    endpoint: Endpoint,
    recorded: Option<Recorded>,
    args: &DestinationArgs,
    context: &Context,
) -> Result<Destination, CommandError> {
    let route = route(args, &endpoint, context)?;
    let project = project(&service)?;
    Ok(Destination {
        recorded,
        service: Some(service),
        ..Destination::new(endpoint, project, route)
    })
}

/// Starts the embedded sandbox as this service.
fn rehearsed(service: RunService, context: &Context) -> Result<Destination, CommandError> {
    // The region is a column of the file's templates, too.
    effect::check_for_sandbox(&context.given, &["region"])?;
    let project = project(&service)?;
    let simulated = Some(Arc::clone(&service.service));
    let settings = SandboxSettings { service: simulated, ..SandboxSettings::default() };
    let (sandbox, endpoint) = destination::start_sandbox(settings)?;
    Ok(Destination {
        sandbox: Some(sandbox),
        service: Some(service),
        ..Destination::new(endpoint, project, Route::default())
    })
}

fn project(service: &RunService) -> Result<ProjectId, CommandError> {
    service.scope.project_id.as_deref().unwrap_or(NO_PROJECT).parse().map_err(CommandError::usage)
}

/// Returns whether an endpoint counts that is given: one that was typed, or one that stands beside the
/// credentials in the table of a target.
fn names_endpoint(context: &Context) -> bool {
    is_typed("endpoint", context) || context.is_of_target
}

/// Returns where the calls of a service go: what was typed, else what the file says.
///
/// A variable and the config file hold the address of VIAS, so they do not count here; the table of a
/// target does, because it is about this run.
pub(crate) fn endpoint(
    service: &Service,
    args: &DestinationArgs,
    context: &Context,
) -> Result<Endpoint, CommandError> {
    if let Some(endpoint) = args.endpoint.as_ref().filter(|_| names_endpoint(context)) {
        return Ok(endpoint.clone());
    }
    let text = match &args.region {
        Some(region) => service.endpoint.replace("{region}", region),
        None if service.endpoint.contains("{region}") => {
            return Err(CommandError::usage("the region is a part of the service's address")
                .with_hint("name it with `--region NAME`")
                .with_target_hint("put `region` into {table}"));
        }
        None => service.endpoint.clone(),
    };
    Endpoint::insecure(&text).map_err(CommandError::usage)
}

/// Decides where the credentials of a run are to be had; nothing if its service takes none.
pub(crate) fn source_of_run(
    args: &CredentialArgs,
    place: &Destination,
    context: &Context,
) -> Result<Option<CredentialSource>, CommandError> {
    let Some(service) = &place.service else {
        return credentials::source(args, place, context).map(Some);
    };
    if place.sandbox.is_some() {
        // What was left for the real service is never sent to the sandbox, which takes anything.
        let is_none = service.service.auth == Auth::None;
        let given = || TokenSource::given(ANY_CREDENTIALS, "the embedded sandbox").into();
        return Ok((!is_none).then(given));
    }
    let target = PartialDestination {
        endpoint: &place.endpoint,
        route: &place.route,
        project: Some(&place.project),
        region: service.scope.region.as_deref(),
        recorded: place.recorded,
    };
    source(&service.service, args, &target, context)
}

/// Decides which credentials the calls of a service may have; nothing if it takes none.
pub(crate) fn source(
    service: &Service,
    args: &CredentialArgs,
    target: &PartialDestination<'_>,
    context: &Context,
) -> Result<Option<CredentialSource>, CommandError> {
    let typed = |flags: &[&str]| {
        let mut flags = flags.iter();
        flags.find(|flag| is_typed(flag, context)).map(|flag| (*flag).to_owned())
    };
    match service.auth {
        Auth::None => match typed(&[&OF_HUAWEI[..], &["token-file", "token-command"]].concat()) {
            Some(flag) => Err(no_effect(&flag, "sends no credentials")),
            None => Ok(None),
        },
        // Logins and keys of Huawei Cloud go to its hosts alone, and where somebody typed.
        Auth::Huawei if target.endpoint.is_of_cloud() || names_endpoint(context) => {
            find(args, target, context).map(Some)
        }
        Auth::Huawei | Auth::Bearer | Auth::Basic | Auth::Header(_) => match typed(&OF_HUAWEI) {
            Some(flag) => Err(no_effect(&flag, "takes a token alone")),
            None => find_token(args, target, context).map(Some),
        },
    }
}

fn no_effect(flag: &str, why: &str) -> CommandError {
    CommandError::usage(format!("`--{flag}` has no effect: the service {why}"))
        .with_hint("`auth` of the file says how credentials are sent")
}
