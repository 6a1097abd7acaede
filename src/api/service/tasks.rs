//! The tasks of a service that a file describes, one call each.

use crate::api::TaskApi;
use crate::api::authority::{Authority, Unchanging};
use crate::api::credentials::Credentials;
use crate::api::exchange::Record;
use crate::api::service::answer::judged_answer;
use crate::api::service::client::ServiceClient;
use crate::clock::system_time;
use crate::policy::{Answer, Delivery, NoResponse};
use crate::service::{Action, CallScope, RowValues, Service, ServiceCall, call};
use crate::task::{FailureKind, Task};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// What the calls of a run are made of, besides its tasks.
#[derive(Debug, Clone)]
pub struct ServiceWork {
    /// The service.
    pub service: Arc<Service>,
    /// What is the same for all calls.
    pub scope: CallScope,
    /// The columns of each input.
    pub columns: Vec<Vec<String>>,
}

/// Calls a service for the tasks of a run.
#[derive(Debug)]
pub struct ServiceTasks {
    client: ServiceClient,
    work: ServiceWork,
}

impl ServiceTasks {
    /// Returns the calls of a run, which a client makes.
    pub fn new(client: ServiceClient, work: ServiceWork) -> Self {
        Self { client, work }
    }

    /// Returns the calls with a recorder of them.
    #[must_use]
    pub fn recording(self, recorder: Option<Arc<dyn Record>>) -> Self {
        Self { client: self.client.recording(recorder), ..self }
    }

    /// Returns the credentials of the calls, if there are any.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.client.credentials()
    }

    /// Returns the action and the call of a task, or why it has none.
    fn call_of(&self, task: &Task) -> Result<(&Action, ServiceCall), String> {
        let ServiceWork { service, scope, columns } = &self.work;
        let action = service.action(task.command.as_str());
        let action = action.ok_or_else(|| format!("there is no action `{}`", task.command))?;
        let cells = task.cells.as_ref();
        let source = cells.and_then(|cells| usize::try_from(cells.source).ok());
        let columns = source.and_then(|source| columns.get(source)).map_or(&[][..], Vec::as_slice);
        let json = cells.and_then(|cells| cells.json.as_deref());
        let values = RowValues::new(task.id.as_str(), scope, columns, json);
        let values = values.map_err(|error| error.to_string())?;
        let call = call(service, action, &values).map_err(|problem| problem.to_string())?;
        Ok((action, call))
    }
}

impl TaskApi for ServiceTasks {
    async fn call(&self, task: Arc<Task>) -> Answer {
        let (action, call) = match self.call_of(&task) {
            Ok(call) => call,
            Err(message) => {
                let (kind, delivery) = (FailureKind::NotSent, Delivery::NeverLeft);
                return Answer::NoResponse(NoResponse { kind, delivery, message });
            }
        };
        let id = task.id.as_str();
        match self.client.carry_out(&call, &task).await {
            Ok(seen) => {
                let now = Duration::from_micros(system_time().as_micros().unsigned_abs());
                judged_answer(&self.work.service, action, id, &seen, UNIX_EPOCH + now)
            }
            Err(gone) => Answer::NoResponse(gone),
        }
    }

    fn authority(&self) -> &dyn Authority {
        match self.client.credentials() {
            Some(credentials) => credentials,
            None => &Unchanging,
        }
    }
}
