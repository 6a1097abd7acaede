//! The services whose tasks are started and stopped, and how each is spoken to.
//!
//! Nothing outside this module (and the sandbox, which shares no type with it) knows VIAS. See
//! `docs/GLOSSARY.md`: call, authority, redactor, route.

mod any_client;
mod authority;
mod body;
mod call;
mod client;
mod credentials;
mod endpoint;
mod exchange;
mod file_reader;
mod hints;
mod list;
mod listing;
mod loopback;
mod redactor;
mod route;
mod service;
mod shell_command;
mod skew;
mod state_access;
mod transport;
mod wire;

pub use any_client::AnyClient;
pub use authority::{Authority, FirstUse, NotRenewed, Unchanging};
pub use client::{ClientError, ClientSettings, ViasClient};
pub use credentials::{
    AccessKey, CredentialError, CredentialSource, Credentials, Iam, Login, OfficialFile, Project,
    Scope, SecondFactor, TokenSource, names_a_command, official_file,
};
pub use endpoint::{Endpoint, EndpointError, ProjectId, ProjectIdError};
pub use exchange::{Exchange, Record};
pub use file_reader::read_text;
pub use list::{Checked, Listed, ListedTask, Page};
pub use listing::{LAST_PAGE, ListFilter, Listing, PAGE_SIZE};
pub use redactor::Redactor;
pub use route::{ProxyAddress, ProxyAddressError, Roots, RootsError, Route};
pub use service::{
    ServiceClient, ServiceClientSettings, ServiceTasks, ServiceWork, judged_answer, undo_at,
};
pub use shell_command::{CommandEnd, ShellCommand, ShellCommandError};
pub use skew::ClockSkew;
pub use state_access::{StateAccess, StateLookup, Undo};
pub use transport::innermost;

use crate::policy::{Answer, Delivery, NoResponse};
use crate::task::{Command, FailureKind, Task, TaskId};
use crate::text::json as json_text;
use std::sync::Arc;

/// A service that carries out one command on one task per call.
///
/// Implement it to run another service's tasks, or a test's, through the same engine.
pub trait TaskApi {
    /// Carries out the task once, and returns the answer.
    ///
    /// Dropping the future gives the call up: the service may still carry it out.
    ///
    /// A call takes the credentials that are in force when it is first polled.
    fn call(&self, task: Arc<Task>) -> impl Future<Output = Answer>;

    /// Asks for a page of a list, with the states that its entries are in, counted from 1.
    ///
    /// By default the service has no list: no state can be read.
    fn list(&self, listing: &Listing, number: u32) -> impl Future<Output = Listed> {
        let _ = (listing, number);
        std::future::ready(no_list())
    }

    /// Returns how the states of tasks are read; by default a list shows them.
    fn state_access(&self) -> StateAccess {
        StateAccess::default()
    }

    /// Asks for the state of one task, where the service has to be asked for each: a page that holds
    /// it, or an empty one if the service does not know the id.
    ///
    /// By default no state can be read.
    fn look(&self, id: &TaskId) -> impl Future<Output = Listed> {
        let _ = id;
        std::future::ready(no_list())
    }

    /// Returns what takes a command back, if anything does; by default as VIAS does.
    fn undo(&self, command: Command) -> Option<Undo> {
        Undo::of_vias(command)
    }

    /// Returns the authority over the credentials of the calls; by default they never change.
    fn authority(&self) -> &dyn Authority {
        &Unchanging
    }
}

fn no_list() -> Listed {
    Listed::Answer(Answer::NoResponse(NoResponse {
        kind: FailureKind::NotSent,
        delivery: Delivery::NeverLeft,
        message: "this service has no list of its tasks".into(),
    }))
}
