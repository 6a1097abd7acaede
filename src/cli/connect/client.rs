//! Makes clients of the service: the runtime, the credentials got for it now, the connections.

use crate::cli::Context;
use crate::cli::connect::credentials;
use crate::cli::connect::destination::Destination;
use crate::cli::connect::service_place;
use crate::cli::flags::connection::CredentialArgs;
use crate::cli::output::error::CommandError;
use crate::cli::process::runtime::{CommandRuntime, runtime};
use batchctl::api::{
    AnyClient, ClientSettings, CredentialSource, Credentials, Endpoint, ServiceClient,
    ServiceClientSettings, ServiceTasks, ServiceWork, ViasClient,
};
use batchctl::settings::RunSettings;
use batchctl::task::Level;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How a client connects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionSettings {
    pub(crate) connect_timeout: Duration,
    /// What the ids of calls name.
    pub(crate) level: Level,
    /// The most connections at a time.
    pub(crate) concurrency: NonZeroUsize,
}

/// A place that calls go to, and with what.
#[derive(Clone, Copy)]
pub(crate) struct ConnectedTarget<'a> {
    /// The name of the target, in a run of several.
    pub(crate) name: Option<&'a str>,
    pub(crate) destination: &'a Destination,
    /// `None` for a service that takes none, and for a target that has none.
    pub(crate) credentials: Option<&'a CredentialSource>,
    pub(crate) context: &'a Context,
}

/// A client for requests one after the other, and the runtime that carries them out.
pub(crate) struct ReadingClient {
    pub(crate) runtime: CommandRuntime,
    pub(crate) client: ViasClient,
    /// Where its credentials come from.
    pub(crate) source: CredentialSource,
}

/// Makes a client that sends one request at a time, for verbs that only read.
pub(crate) fn client_for_reading(
    args: &CredentialArgs,
    destination: &Destination,
    connect_timeout: Duration,
    context: &Context,
) -> Result<ReadingClient, CommandError> {
    let source = credentials::source(args, destination, context)?;
    let runtime = runtime()?;
    let settings = settings_for_reading(connect_timeout);
    let credentials = runtime.block_on(credentials::load(destination, &source, context))?;
    let client = client_with(credentials, destination, settings)?;
    Ok(ReadingClient { runtime, client, source })
}

/// A client of any service for requests that only read, and the runtime that carries them out.
pub(crate) struct StateReader {
    pub(crate) runtime: CommandRuntime,
    pub(crate) client: AnyClient,
    /// The credentials, for a client that follows this one; `None` if the service takes none.
    pub(crate) credentials: Option<Arc<Credentials>>,
}

/// Makes a client that reads states, wherever the file of the service says that they are.
pub(crate) fn state_reader(
    args: &CredentialArgs,
    destination: &Destination,
    settings: &RunSettings,
    context: &Context,
) -> Result<StateReader, CommandError> {
    let source = service_place::source_of_run(args, destination, context)?;
    let runtime = runtime()?;
    let source = source.as_ref();
    let (client, credentials) = state_client(destination, source, settings, &runtime, context)?;
    Ok(StateReader { runtime, client, credentials })
}

/// Makes a client that reads states on a runtime, with credentials got for it now.
pub(crate) fn state_client(
    destination: &Destination,
    source: Option<&CredentialSource>,
    settings: &RunSettings,
    runtime: &Runtime,
    context: &Context,
) -> Result<(AnyClient, Option<Arc<Credentials>>), CommandError> {
    let load = |source| runtime.block_on(credentials::load(destination, source, context));
    let credentials = source.map(load).transpose()?;
    let one_at_a_time = settings_for_reading(settings.connect_timeout);
    let connection = match &destination.service {
        None => one_at_a_time,
        Some(_) => ConnectionSettings { concurrency: settings.concurrency, ..one_at_a_time },
    };
    let client =
        client_at(destination, credentials.clone(), connection, context, || Ok(Vec::new()))?;
    Ok((client, credentials))
}

fn settings_for_reading(connect_timeout: Duration) -> ConnectionSettings {
    // A client that reads calls nothing, so any level is right.
    let (level, concurrency) = (Level::Batch, NonZeroUsize::MIN);
    ConnectionSettings { connect_timeout, level, concurrency }
}

/// Makes the client of a run, with credentials got for it now. `columns` are those of its inputs.
pub(crate) fn client(
    target: ConnectedTarget<'_>,
    connection: ConnectionSettings,
    columns: impl FnOnce() -> Result<Vec<Vec<String>>, CommandError>,
    runtime: &Runtime,
) -> Result<AnyClient, CommandError> {
    let ConnectedTarget { destination, credentials, context, .. } = target;
    let load = |source| runtime.block_on(credentials::load(destination, source, context));
    let credentials = credentials.map(load).transpose()?;
    client_at(destination, credentials, connection, context, columns)
}

fn client_at(
    destination: &Destination,
    credentials: Option<Arc<Credentials>>,
    connection: ConnectionSettings,
    context: &Context,
    columns: impl FnOnce() -> Result<Vec<Vec<String>>, CommandError>,
) -> Result<AnyClient, CommandError> {
    match (&destination.service, credentials) {
        (None, Some(credentials)) => {
            let client = client_with(credentials, destination, connection)?;
            Ok(AnyClient::Vias(Box::new(client)))
        }
        (None, None) => unreachable!("VIAS takes no call without credentials"),
        (Some(service), credentials) => {
            let work = ServiceWork {
                service: Arc::clone(&service.service),
                scope: service.scope.clone(),
                columns: columns()?,
            };
            let settings = ServiceClientSettings {
                endpoint: destination.endpoint.clone(),
                route: destination.route.clone(),
                connect_timeout: connection.connect_timeout,
                concurrency: connection.concurrency,
                auth: service.service.auth.clone(),
                project: service.scope.project_id.as_ref().map(|_| destination.project.clone()),
            };
            let redactor = context.stderr.redactor.clone();
            let at = |endpoint: Endpoint| {
                let settings = ServiceClientSettings { endpoint, ..settings.clone() };
                ServiceClient::new(settings, credentials.clone(), redactor.clone())
                    .map_err(CommandError::from)
            };
            let mut tasks = ServiceTasks::new(at(settings.endpoint.clone())?, work);
            // The sandbox stands for all hosts, so nothing leaves this machine.
            let hosts = service.service.hosts.iter().filter(|_| destination.sandbox.is_none());
            for host in hosts {
                let endpoint = Endpoint::insecure(&format!("https://{host}"));
                let endpoint = endpoint.map_err(CommandError::usage)?;
                tasks = tasks.linking(endpoint.clone(), at(endpoint)?);
            }
            Ok(AnyClient::Service(Box::new(tasks)))
        }
    }
}

fn client_with(
    credentials: Arc<Credentials>,
    destination: &Destination,
    connection: ConnectionSettings,
) -> Result<ViasClient, CommandError> {
    let settings = ClientSettings {
        endpoint: destination.endpoint.clone(),
        project: destination.project.clone(),
        level: connection.level,
        route: destination.route.clone(),
        connect_timeout: connection.connect_timeout,
        concurrency: connection.concurrency,
    };
    Ok(ViasClient::new(settings, credentials)?)
}
