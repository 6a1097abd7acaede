//! Where calls go: an endpoint, a region or the sandbox, and the project.

use crate::cli::Context;
use crate::cli::connect::credentials::PartialDestination;
use crate::cli::connect::project::FoundProject;
use crate::cli::connect::run_service::RunService;
use crate::cli::connect::trust::Recorded;
use crate::cli::connect::{plain_http, project, trust};
use crate::cli::flags::connection::{CredentialArgs, DestinationArgs};
use crate::cli::flags::precedence::{Rank, Stronger};
use crate::cli::flags::{effect, secret_value};
use crate::cli::output::command_hint;
use crate::cli::output::error::CommandError;
use batchctl::api::{Credentials, Endpoint, ProjectId, ProxyAddress, Roots, RootsError, Route};
use batchctl::report::Target;
use batchctl::sandbox::{SandboxSettings, SandboxThread};
use batchctl::settings::RunSettings;
use batchctl::store::RunRecord;
use batchctl::task::{Command, Level};
use std::sync::Arc;

/// The project of the embedded sandbox, which accepts any.
const SANDBOX_PROJECT: &str = "sandbox";

/// The placeholder for a project that is not looked up.
const UNKNOWN_PROJECT: &str = "the-project-of-the-login";

/// Where calls go.
pub(crate) struct Destination {
    pub(crate) endpoint: Endpoint,
    pub(crate) project: ProjectId,
    pub(crate) route: Route,
    /// The embedded sandbox, which ends when this is dropped.
    pub(crate) sandbox: Option<SandboxThread>,
    /// The credentials, if they had to be got to find out the project.
    pub(crate) loaded: Option<Arc<Credentials>>,
    /// What the run says about its credentials, if one is taken up.
    pub(crate) recorded: Option<Recorded>,
    /// The service that is called; `None` for VIAS.
    pub(crate) service: Option<RunService>,
}

/// Returns whether the project of an earlier run was not known when it was planned.
pub(crate) fn is_unknown_project(project: &str) -> bool {
    project == UNKNOWN_PROJECT
}

/// Whether IAM may be asked for the id of a project that was not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// With the credentials of the run.
    Allowed,
    /// Nothing is sent: the project stays unknown.
    Never,
}

/// Decides where calls go; starts the embedded sandbox if it is asked for.
pub(crate) fn resolve(
    args: &DestinationArgs,
    credentials: &CredentialArgs,
    lookup: Lookup,
    context: &Context,
) -> Result<Destination, CommandError> {
    if args.sandbox {
        effect::check_for_sandbox(&context.given, &[])?;
        return embedded(args);
    }
    let endpoint = endpoint(args, context)?;
    let route = route(args, &endpoint, context)?;
    if let Some(project) = args.project_id.clone() {
        return Ok(Destination::new(endpoint, project, route));
    }
    if lookup == Lookup::Never {
        let project = UNKNOWN_PROJECT.parse().expect("the name is a project id");
        return Ok(Destination::new(endpoint, project, route));
    }
    let region = args.region.as_deref();
    let target = PartialDestination {
        endpoint: &endpoint,
        project: None,
        region,
        route: &route,
        recorded: None,
    };
    let FoundProject { project, loaded } = project::ask(credentials, &target, context)?;
    Ok(Destination { loaded, ..Destination::new(endpoint, project, route) })
}

/// Decides where the calls of an earlier run go now: as then, unless a flag says otherwise.
pub(crate) fn of_run(
    args: &DestinationArgs,
    record: &RunRecord,
    settings: &RunSettings,
    context: &Context,
) -> Result<Destination, CommandError> {
    check_rehearsal(args, record, settings, context)?;
    // A flag or its variable wins over the record; a default or the file does not.
    let elsewhere = context.given.is_given("endpoint") || context.given.is_given("region");
    let project = if context.given.is_given("project_id") {
        args.project_id.clone()
    } else {
        record.run.project_id.parse().ok()
    };
    if settings.sandbox {
        effect::check_for_sandbox(&context.given, &[])?;
        return embedded(&DestinationArgs { project_id: project, ..args.clone() });
    }
    let names_one = args.endpoint.is_some() || args.region.is_some();
    let beside = names_one.then(|| endpoint(args, context)).transpose()?;
    let recorded = trust::of_run(record, beside.as_ref(), context)?;
    let endpoint = match beside {
        Some(endpoint) if elsewhere => endpoint,
        Some(_) | None => Endpoint::insecure(&record.run.endpoint).map_err(CommandError::usage)?,
    };
    let route = route(args, &endpoint, context)?;
    let project = project.ok_or_else(|| CommandError::usage("the project is missing"))?;
    let recorded = Some(recorded);
    Ok(Destination { recorded, ..Destination::new(endpoint, project, route) })
}

/// Refuses to go on with a real run in the sandbox, and with a rehearsal at a real service: what
/// became of one says nothing about the tasks of the other.
pub(super) fn check_rehearsal(
    args: &DestinationArgs,
    record: &RunRecord,
    settings: &RunSettings,
    context: &Context,
) -> Result<(), CommandError> {
    let id = &record.run.id;
    let typed = |flag: &&str| context.given.rank(flag) == Rank::CommandLine;
    if settings.sandbox {
        // A variable may be there for the real runs beside this one.
        let Some(flag) = ["endpoint", "region"].into_iter().find(typed) else { return Ok(()) };
        let error =
            format!("run {id} is a rehearsal in the sandbox; `--{flag}` has no effect on it");
        return Err(CommandError::usage(error).with_hint(format!(
            "leave `--{flag}` out, or begin a run of the tasks with `batchctl {}`",
            command_hint::verb(&record.run.command, record.run.service.is_some())
        )));
    }
    if args.sandbox && context.given.is_given("sandbox") {
        let error = format!(
            "run {id} called a real service; the sandbox would record successes that never were"
        );
        return Err(CommandError::usage(error)
            .with_hint("leave `--sandbox` out, or set BATCHCTL_SANDBOX=false"));
    }
    Ok(())
}

/// Decides which way calls take, and whether that is one for a token.
pub(crate) fn route(
    args: &DestinationArgs,
    endpoint: &Endpoint,
    context: &Context,
) -> Result<Route, CommandError> {
    let has_password = args.proxy.as_ref().is_some_and(ProxyAddress::has_password);
    if has_password && context.given.rank("proxy") != Rank::Variable {
        let error = "the password of the proxy can be read by others where it stands";
        let hint = "put the address with the password into BATCHCTL_PROXY";
        return Err(CommandError::usage(error).with_hint(hint));
    }
    if let Some(proxy) = &args.proxy {
        proxy.register_secrets(context.stderr.redactor);
    }
    let roots = args.ca_file.as_deref().map(|path| {
        Roots::read(path).map_err(|error| match error {
            RootsError::Read { source, .. } if !secret_value::is_path(path) => {
                let error = "cannot read the certificates in what `--ca-file` names";
                CommandError::usage(format!("{error}: {source}"))
            }
            error => CommandError::usage(error),
        })
    });
    let roots = roots.transpose()?;
    let route = Route { roots: roots.unwrap_or_default(), proxy: args.proxy.clone() };
    if endpoint.is_insecure_over(&route) {
        plain_http::allow(endpoint, "the token", context)?;
    }
    if !endpoint.is_plain() {
        tell_authorities(context);
    }
    Ok(route)
}

/// The variables that replace the authorities of this machine, for every program that uses OpenSSL
/// or its conventions.
const AUTHORITIES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Names the variables that replace the certificate authorities.
fn tell_authorities(context: &Context) {
    let set = AUTHORITIES.iter().filter(|name| context.environment.variable(name).is_some());
    let set: Vec<String> = set.map(|name| format!("`{name}`")).collect();
    if !set.is_empty() {
        let stderr = context.stderr;
        let names = set.join(" and ");
        let verb = if set.len() == 1 { "replaces" } else { "replace" };
        let message = format!("{names} {verb} the certificate authorities of this machine");
        stderr.say("warning", &message);
    }
}

impl Destination {
    /// Returns one at VIAS, of which nothing else is known yet.
    pub(super) fn new(endpoint: Endpoint, project: ProjectId, route: Route) -> Self {
        Self {
            endpoint,
            project,
            route,
            sandbox: None,
            loaded: None,
            recorded: None,
            service: None,
        }
    }

    /// Returns it as a report shows it.
    pub(crate) fn shown(&self) -> Target {
        Target { endpoint: self.endpoint.to_string(), project_id: self.project_id() }
    }

    /// Returns whether states are read by a request for each task, and not by a list of all.
    pub(crate) fn reads_each_id(&self) -> bool {
        self.service.as_ref().is_some_and(|service| service.service.reads_each_id())
    }

    /// Returns the URLs that are called for a word of the command line, and through what.
    pub(crate) fn pattern_of(&self, word: &str, level: Level) -> String {
        if let Some(service) = &self.service {
            return self.routed(service.calls(word, &self.endpoint));
        }
        self.routed(if word == Command::DELETE.as_str() {
            self.endpoint.deletion_pattern(&self.project)
        } else {
            self.endpoint.action_pattern(&self.project, level)
        })
    }

    /// Returns the project as a report shows it: another service than VIAS need not have one.
    pub(crate) fn project_id(&self) -> String {
        match &self.service {
            None => self.project.to_string(),
            Some(service) => service.scope.project_id.clone().unwrap_or_default(),
        }
    }

    fn routed(&self, pattern: String) -> String {
        match &self.route.proxy {
            Some(proxy) => format!("{pattern} through {proxy}"),
            None => pattern,
        }
    }
}

/// Refuses a look at the tasks of a rehearsal: its sandbox has gone with the process, and another
/// knows nothing of what it did.
pub(crate) fn outlives_run(place: &Destination) -> Result<(), CommandError> {
    match place.sandbox {
        None => Ok(()),
        Some(_) => {
            Err(CommandError::usage("the sandbox of that run is gone, and its tasks with it")
                .with_hint("rehearse this with `batchctl sandbox` and `--endpoint URL`")
                .with_target_hint(
                    "rehearse this with `batchctl sandbox`, and put its `endpoint` into {table}",
                ))
        }
    }
}

/// Starts the embedded sandbox, and returns where it listens.
pub(super) fn start_sandbox(
    settings: SandboxSettings,
) -> Result<(SandboxThread, Endpoint), CommandError> {
    let sandbox = SandboxThread::start(settings).map_err(CommandError::io)?;
    let endpoint = sandbox.url().parse().expect("the sandbox listens on a loopback address");
    Ok((sandbox, endpoint))
}

fn embedded(args: &DestinationArgs) -> Result<Destination, CommandError> {
    let (sandbox, endpoint) = start_sandbox(SandboxSettings::default())?;
    let fallback = || SANDBOX_PROJECT.parse().expect("the name is a project id");
    let project = args.project_id.clone().unwrap_or_else(fallback);
    let route = Route::default();
    Ok(Destination { sandbox: Some(sandbox), ..Destination::new(endpoint, project, route) })
}

/// Takes the endpoint or the region, whichever was said with more authority.
pub(crate) fn endpoint(
    args: &DestinationArgs,
    context: &Context,
) -> Result<Endpoint, CommandError> {
    real_endpoint(args, context, ", or try it with `--sandbox`")
}

/// Takes the endpoint or the region for a command to which no sandbox is of use.
pub(crate) fn endpoint_without_sandbox(
    args: &DestinationArgs,
    context: &Context,
) -> Result<Endpoint, CommandError> {
    real_endpoint(args, context, "")
}

/// `instead` ends the hint of one that is missing.
fn real_endpoint(
    args: &DestinationArgs,
    context: &Context,
    instead: &str,
) -> Result<Endpoint, CommandError> {
    let missing = || {
        CommandError::usage("the endpoint is missing")
            .with_hint(format!("name it with `--region NAME` or `--endpoint URL`{instead}"))
            .with_target_hint(format!("put `region` or `endpoint` into {{table}}{instead}"))
    };
    let endpoint = chosen(args, context)?.ok_or_else(missing)?;
    if endpoint.ends_in_version() {
        let error = "the endpoint ends in `/v2`, and the paths of all calls begin with that";
        return Err(CommandError::usage(error).with_hint("leave `/v2` out of the endpoint"));
    }
    Ok(endpoint)
}

fn chosen(args: &DestinationArgs, context: &Context) -> Result<Option<Endpoint>, CommandError> {
    let regional = |region: &str| Endpoint::of_region(region).map_err(CommandError::usage);
    match (&args.endpoint, &args.region) {
        (Some(endpoint), None) => Ok(Some(endpoint.clone())),
        (None, Some(region)) => regional(region).map(Some),
        (None, None) => Ok(None),
        (Some(endpoint), Some(region)) => match context.given.stronger("endpoint", "region")? {
            Stronger::First => Ok(Some(endpoint.clone())),
            Stronger::Second => regional(region).map(Some),
        },
    }
}
