//! Carries out requests: from the gateway to the batch task and back to a response.
//!
//! Owns all state that changes from request to request; nothing here waits.

use crate::clock::{Clock, Instant};
use crate::sandbox::access_log::Status;
use crate::sandbox::custom::{CustomReply, CustomRequest, CustomService, Operation};
use crate::sandbox::delay::Delay;
use crate::sandbox::faults::{ResponseDelivery, Roll, SeededRandom, ServiceFault};
use crate::sandbox::http::{
    ActionPath, Gateway, HttpResponse, ItemPath, ListQuery, Refusal, SandboxReply, SandboxRoute,
    SubTaskQuery, is_project_id,
};
use crate::sandbox::service::{
    Call, CallResult, Denial, SandboxIam, SandboxProject, list, sub_tasks,
};
use crate::sandbox::settings::SandboxSettings;
use crate::sandbox::tally::SandboxTally;
use crate::task::{Command, Counts, TaskId};
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde::Serialize;

/// All state that changes from request to request.
pub(crate) struct SandboxState {
    gateway: Gateway,
    project: SandboxProject,
    iam: SandboxIam,
    tally: SandboxTally,
    clock: Clock,
    /// The service that is simulated in the place of VIAS.
    custom: Option<CustomService>,
}

/// The parts of a request that matter.
#[derive(Clone, Copy)]
pub(crate) struct SandboxRequest<'a> {
    /// The operation.
    pub(crate) route: SandboxRoute<'a>,
    /// The query, still encoded.
    pub(crate) query: &'a str,
    /// The request itself, without its body.
    pub(crate) head: &'a Parts,
    /// The body, where the operation has one.
    pub(crate) body: &'a [u8],
    /// The id of the request.
    pub(crate) request_id: &'a str,
    /// The latency, unless the call has its own.
    pub(crate) latency: Roll,
    /// The instant at which it had been read.
    pub(crate) now: Instant,
}

/// A refusal by one of the three parties.
enum Rejection {
    Gateway(Refusal),
    Service(ServiceFault),
    Iam(Denial),
}

/// The body of a 200 to an action.
#[derive(Serialize)]
struct ActionBody<'a> {
    total_count: u16,
    failed_count: u16,
    succeed_count: u16,
    id: &'a str,
    error_list: Vec<String>,
}

impl SandboxState {
    /// Returns the state of a sandbox without any requests.
    pub(crate) fn new(settings: &SandboxSettings, clock: Clock) -> Self {
        let random = SeededRandom::new(settings.seed);
        Self {
            gateway: Gateway::new(settings, clock),
            project: SandboxProject::new(settings),
            iam: SandboxIam::new(settings.account.clone(), clock, random),
            tally: SandboxTally::default(),
            clock,
            custom: settings
                .service
                .clone()
                .map(|service| CustomService::new(service, settings, clock)),
        }
    }

    /// Returns the counts so far.
    pub(crate) const fn tally(&self) -> &SandboxTally {
        &self.tally
    }

    /// Returns the simulated project.
    pub(crate) const fn project(&self) -> &SandboxProject {
        &self.project
    }

    /// Returns the service in the place of VIAS, if there is one.
    pub(crate) const fn custom(&self) -> Option<&CustomService> {
        self.custom.as_ref()
    }

    /// Carries out a request to the service in the place of VIAS; nothing if there is none.
    pub(crate) fn respond_custom(&mut self, request: CustomRequest<'_>) -> Option<CustomReply> {
        let reply = self.custom.as_mut()?.respond(request);
        match reply.operation {
            Operation::Action { .. } => self.tally.actions += 1,
            Operation::Look { .. } => self.tally.looks += 1,
            Operation::Page => self.tally.lists += 1,
            Operation::Unknown => {}
        }
        self.tally.carried_out += u64::from(reply.is_carried_out);
        self.tally.counts += reply.counts;
        Some(reply)
    }

    /// Counts how a request to the service in the place of VIAS has ended.
    pub(crate) fn count_custom(&mut self, status: Status) {
        self.tally.count_ending(status);
    }

    /// Returns the clock of all its instants.
    pub(crate) const fn clock(&self) -> Clock {
        self.clock
    }

    /// Counts a request by its operation and status.
    pub(crate) fn count(&mut self, route: SandboxRoute<'_>, status: Status) {
        self.tally.count_ending(status);
        match route {
            SandboxRoute::Action(_) => self.tally.actions += 1,
            SandboxRoute::Delete(_) => self.tally.deletions += 1,
            SandboxRoute::SubTaskAction(_) => self.tally.sub_task_actions += 1,
            SandboxRoute::List { .. } => self.tally.lists += 1,
            SandboxRoute::SubTasks { .. } => self.tally.sub_task_lists += 1,
            SandboxRoute::SubTask(_) => self.tally.sub_task_details += 1,
            SandboxRoute::Login => self.tally.logins += 1,
            SandboxRoute::Projects | SandboxRoute::Unknown => {}
        }
    }

    /// Carries out a request, or refuses it.
    pub(crate) fn respond(&mut self, request: &SandboxRequest<'_>) -> (SandboxReply, Delay) {
        let usual = |response| (SandboxReply::Answered(response), Delay::Usual(request.latency));
        let decided = match request.route {
            SandboxRoute::Action(path) => self.action(request, path),
            SandboxRoute::Delete(path) => self.delete(request, path),
            SandboxRoute::List { project } => self.list(request, project).map(usual),
            SandboxRoute::SubTaskAction(path) => self.sub_task_action(request, path).map(usual),
            SandboxRoute::SubTasks { project } => self.sub_tasks(request, project).map(usual),
            SandboxRoute::SubTask(path) => self.sub_task(request, path).map(usual),
            SandboxRoute::Login => self.login(request).map(usual),
            SandboxRoute::Projects => self.projects(request).map(usual),
            // Before any credential check: the gateway cannot know which ones an unknown API needs.
            SandboxRoute::Unknown => Err(Refusal::UnknownApi.into()),
        };
        decided.unwrap_or_else(|rejection| usual(rejection.response(request.request_id)))
    }

    /// Starts or stops a batch task.
    fn action(
        &mut self,
        request: &SandboxRequest<'_>,
        path: ActionPath<'_>,
    ) -> Result<(SandboxReply, Delay), Rejection> {
        // The gateway comes first, because it does not know the service's patterns. A request that
        // it refuses must not count as a call of its id.
        self.gateway.admit(request.head, request.body, request.now)?;
        let command = checked(path)?;
        let call = self.project.call(path.id, command, request.now);
        self.answer(path.id, call)
    }

    /// Deletes a batch task.
    fn delete(
        &mut self,
        request: &SandboxRequest<'_>,
        path: ItemPath<'_>,
    ) -> Result<(SandboxReply, Delay), Rejection> {
        self.gateway.admit(request.head, request.body, request.now)?;
        check_project(path.project)?;
        TaskId::check(path.id).map_err(|_| ServiceFault::InvalidParameter("id"))?;
        let call = self.project.delete(path.id);
        self.answer(path.id, call)
    }

    /// Returns the reply to a call of a batch task.
    fn answer(&mut self, id: &str, call: Call) -> Result<(SandboxReply, Delay), Rejection> {
        match call.result {
            CallResult::CarriedOut { total, failed, delivery } => {
                self.tally.carried_out += 1;
                let result = ActionBody::new(id, total, failed);
                Ok(self.deliver(&result, delivery, call.latency))
            }
            CallResult::Faulted(fault) => {
                let reply = SandboxReply::Answered(fault.response());
                Ok((reply, Delay::Usual(call.latency)))
            }
            // Only the id asks for this refusal; the real limit has admitted the request.
            CallResult::Throttled => Err(self.gateway.throttled().into()),
        }
    }

    /// Returns the reply to an action that was carried out.
    fn deliver(
        &mut self,
        result: &ActionBody<'_>,
        delivery: ResponseDelivery,
        latency: Roll,
    ) -> (SandboxReply, Delay) {
        let usual = Delay::Usual(latency);
        // Counts are added to the tally only if the client can read them, so that the witness can be
        // compared with the client's own sums.
        match delivery {
            ResponseDelivery::Prompt => (self.with_counts(result), usual),
            ResponseDelivery::Late => (self.with_counts(result), Delay::Late),
            ResponseDelivery::Garbled => (SandboxReply::Answered(HttpResponse::garbled()), usual),
            ResponseDelivery::Dropped => (SandboxReply::Dropped, usual),
            ResponseDelivery::Silent => (SandboxReply::Silent, usual),
        }
    }

    /// Answers with the counts of an action, and adds them to the tally.
    fn with_counts(&mut self, result: &ActionBody<'_>) -> SandboxReply {
        self.tally.counts += Counts {
            total: result.total_count.into(),
            failed: result.failed_count.into(),
            succeeded: result.succeed_count.into(),
        };
        SandboxReply::Answered(HttpResponse::json(StatusCode::OK, result))
    }

    /// Lists a page of batch tasks.
    fn list(
        &mut self,
        request: &SandboxRequest<'_>,
        project: &str,
    ) -> Result<HttpResponse, Rejection> {
        self.gateway.admit(request.head, request.body, request.now)?;
        check_project(project)?;
        let query = ListQuery::parse(request.query)?;
        Ok(list::page(&mut self.project, &query, request.now))
    }

    /// Starts or stops a sub-task.
    fn sub_task_action(
        &mut self,
        request: &SandboxRequest<'_>,
        path: ActionPath<'_>,
    ) -> Result<HttpResponse, Rejection> {
        self.gateway.admit(request.head, request.body, request.now)?;
        let command = checked(path)?;
        let called = self.project.call_sub_task(path.id, command, request.now);
        called.ok_or(ServiceFault::NoSuchSubTask)?;
        self.tally.sub_tasks_carried_out += 1;
        let body = sub_tasks::SubTaskActionBody::accepted(path.id);
        Ok(HttpResponse::json(StatusCode::OK, &body))
    }

    /// Lists a page of sub-tasks.
    fn sub_tasks(
        &mut self,
        request: &SandboxRequest<'_>,
        project: &str,
    ) -> Result<HttpResponse, Rejection> {
        self.gateway.admit(request.head, request.body, request.now)?;
        check_project(project)?;
        let query = SubTaskQuery::parse(request.query)?;
        Ok(sub_tasks::page(&mut self.project, &query, request.now))
    }

    /// Shows one sub-task.
    fn sub_task(
        &mut self,
        request: &SandboxRequest<'_>,
        path: ItemPath<'_>,
    ) -> Result<HttpResponse, Rejection> {
        self.gateway.admit(request.head, request.body, request.now)?;
        check_project(path.project)?;
        Ok(sub_tasks::detail(&mut self.project, path.project, path.id, request.now)?)
    }

    /// Logs a user in.
    fn login(&mut self, request: &SandboxRequest<'_>) -> Result<HttpResponse, Rejection> {
        // Logins bypass the gateway, because their clients have no token yet.
        let grant = self.iam.login(request.body, request.query, request.now)?;
        self.gateway.issue(grant.token, grant.expires);
        Ok(grant.response)
    }

    /// Lists the projects of the account.
    fn projects(&mut self, request: &SandboxRequest<'_>) -> Result<HttpResponse, Rejection> {
        // Not throttled, because IAM is not behind the limit of the service.
        self.gateway.authorise(request.head, request.body, request.now)?;
        Ok(self.iam.projects(request.query))
    }
}

impl<'a> ActionBody<'a> {
    /// Returns the result of an action. By convention the last sub-tasks fail.
    fn new(id: &'a str, total: u16, failed: u16) -> Self {
        let succeeded = total - failed;
        let error = |number: u16| format!("sub-task {number} of {id}: the video source is offline");
        Self {
            total_count: total,
            failed_count: failed,
            succeed_count: succeeded,
            id,
            error_list: (succeeded + 1..=total).map(error).collect(),
        }
    }
}

/// Checks the parts of an action's path against the service's patterns.
fn checked(path: ActionPath<'_>) -> Result<Command, ServiceFault> {
    check_project(path.project)?;
    TaskId::check(path.id).map_err(|_| ServiceFault::InvalidParameter("id"))?;
    match path.command {
        "start" => Ok(Command::START),
        "stop" => Ok(Command::STOP),
        _ => Err(ServiceFault::InvalidParameter("command")),
    }
}

/// Checks the id of a project against the service's pattern.
fn check_project(project: &str) -> Result<(), ServiceFault> {
    if is_project_id(project) {
        return Ok(());
    }
    Err(ServiceFault::InvalidParameter("project_id"))
}

impl Rejection {
    /// Returns the response, in the format of the refusing party.
    fn response(&self, request_id: &str) -> HttpResponse {
        match self {
            Self::Gateway(refusal) => refusal.response(request_id),
            Self::Service(fault) => fault.response(),
            Self::Iam(denial) => denial.response(),
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Gateway(refusal)
    }
}

impl From<ServiceFault> for Rejection {
    fn from(fault: ServiceFault) -> Self {
        Self::Service(fault)
    }
}

impl From<Denial> for Rejection {
    fn from(denial: Denial) -> Self {
        Self::Iam(denial)
    }
}
