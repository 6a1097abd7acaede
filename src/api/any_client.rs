//! The client of a run: VIAS's own, or that of a service that a file describes.

use crate::api::TaskApi;
use crate::api::authority::Authority;
use crate::api::client::ViasClient;
use crate::api::credentials::Credentials;
use crate::api::exchange::Record;
use crate::api::list::Listed;
use crate::api::listing::Listing;
use crate::api::service::ServiceTasks;
use crate::api::state_access::{StateAccess, Undo};
use crate::policy::Answer;
use crate::task::{Command, Task, TaskId};
use std::sync::Arc;

/// The client of a run.
#[derive(Debug)]
pub enum AnyClient {
    /// Calls VIAS.
    Vias(Box<ViasClient>),
    /// Calls another service.
    Service(Box<ServiceTasks>),
}

impl AnyClient {
    /// Returns the client with a recorder of its calls.
    #[must_use]
    pub fn recording(self, recorder: Option<Arc<dyn Record>>) -> Self {
        match self {
            Self::Vias(client) => Self::Vias(Box::new(client.recording(recorder))),
            Self::Service(tasks) => Self::Service(Box::new(tasks.recording(recorder))),
        }
    }

    /// Returns the credentials of its calls, if there are any.
    pub fn credentials(&self) -> Option<&Credentials> {
        match self {
            Self::Vias(client) => Some(client.credentials()),
            Self::Service(tasks) => tasks.credentials(),
        }
    }
}

impl TaskApi for AnyClient {
    async fn call(&self, task: Arc<Task>) -> Answer {
        match self {
            Self::Vias(client) => client.call(task).await,
            Self::Service(tasks) => tasks.call(task).await,
        }
    }

    async fn list(&self, listing: &Listing, number: u32) -> Listed {
        match self {
            Self::Vias(client) => client.list(listing, number).await,
            Self::Service(tasks) => tasks.list(listing, number).await,
        }
    }

    fn state_access(&self) -> StateAccess {
        match self {
            Self::Vias(client) => client.state_access(),
            Self::Service(tasks) => tasks.state_access(),
        }
    }

    async fn look(&self, id: &TaskId) -> Listed {
        match self {
            Self::Vias(client) => client.look(id).await,
            Self::Service(tasks) => tasks.look(id).await,
        }
    }

    fn undo(&self, command: Command) -> Option<Undo> {
        match self {
            Self::Vias(client) => client.undo(command),
            Self::Service(tasks) => tasks.undo(command),
        }
    }

    fn authority(&self) -> &dyn Authority {
        match self {
            Self::Vias(client) => client.authority(),
            Self::Service(tasks) => tasks.authority(),
        }
    }
}
