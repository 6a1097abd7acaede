//! The tasks of a service that a file describes, one call each.

use crate::api::TaskApi;
use crate::api::authority::{Authority, Unchanging};
use crate::api::credentials::Credentials;
use crate::api::endpoint::Endpoint;
use crate::api::exchange::Record;
use crate::api::list::Listed;
use crate::api::listing::Listing;
use crate::api::service::client::ServiceClient;
use crate::api::service::received::{AnswerJudge, NamedHeaders};
use crate::api::service::states::{LinkedHost, PageMarks, StateClient};
use crate::api::service::work::ServiceWork;
use crate::api::state_access::{StateAccess, StateLookup, Undo};
use crate::clock::system_time;
use crate::policy::{Answer, NoResponse};
use crate::service::{Action, RowValues, Service, ServiceCall, StateSource, call};
use crate::task::{Command, Task, TaskId, TaskState};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Calls a service for the tasks of a run.
#[derive(Debug)]
pub struct ServiceTasks {
    client: ServiceClient,
    work: ServiceWork,
    linked: Vec<LinkedHost>,
    marks: PageMarks,
    /// The headers of answers that its rules look at.
    named: NamedHeaders,
}

impl ServiceTasks {
    /// Returns the calls of a run, which a client makes.
    pub fn new(client: ServiceClient, work: ServiceWork) -> Self {
        let named = NamedHeaders::of_service(&work.service);
        Self { client, work, linked: Vec::new(), marks: PageMarks::default(), named }
    }

    /// Returns the calls with a client of one more host to which links to pages may lead.
    #[must_use]
    pub fn linking(mut self, endpoint: Endpoint, client: ServiceClient) -> Self {
        self.linked.push(LinkedHost { endpoint, client });
        self
    }

    /// Returns the calls with a recorder of them.
    #[must_use]
    pub fn recording(self, recorder: Option<Arc<dyn Record>>) -> Self {
        Self { client: self.client.recording(recorder), ..self }
    }

    fn states(&self) -> StateClient<'_> {
        let Self { client, work, linked, marks, .. } = self;
        StateClient { client, endpoint: client.endpoint(), linked, work, marks }
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
            Err(why) => return Answer::NoResponse(NoResponse::never_made(why)),
        };
        match self.client.carry_out(&call, &task).await {
            Ok(received) => {
                let now = Duration::from_micros(system_time().as_micros().unsigned_abs());
                let judge = AnswerJudge {
                    service: &self.work.service,
                    named: &self.named,
                    redactor: self.client.redactor(),
                    now: UNIX_EPOCH + now,
                };
                judge.judge(action, &task.id, received)
            }
            Err(gone) => Answer::NoResponse(gone),
        }
    }

    async fn list(&self, listing: &Listing, number: u32) -> Listed {
        match listing {
            Listing::BatchTasks(_) => self.states().list(number).await,
            Listing::SubTasks { .. } | Listing::SubTask(_) => {
                let none = NoResponse::never_made("this service has no sub-tasks");
                Listed::Answer(Answer::NoResponse(none))
            }
        }
    }

    fn state_access(&self) -> StateAccess {
        let Some(state) = &self.work.service.state else { return StateAccess::default() };
        let source = match &state.from {
            StateSource::Get(_) => StateLookup::EachId,
            StateSource::List(_) => StateLookup::List,
        };
        StateAccess { source, believed_after: state.believed_after }
    }

    async fn look(&self, id: &TaskId) -> Listed {
        self.states().look(id).await
    }

    fn undo(&self, command: Command) -> Option<Undo> {
        undo_at(&self.work.service, command)
    }

    fn authority(&self) -> &dyn Authority {
        match self.client.credentials() {
            Some(credentials) => credentials,
            None => &Unchanging,
        }
    }
}

/// Returns what takes an action of a service back, if something does.
pub fn undo_at(service: &Service, command: Command) -> Option<Undo> {
    let action = service.action(command.as_str())?;
    let opposite = service.action(action.opposite.as_deref()?)?;
    Some(Undo {
        command: opposite.command(),
        back_to: TaskState::of_word(opposite.leads_to.as_deref()?)?,
        leads_to: TaskState::of_word(action.leads_to.as_deref()?)?,
    })
}
