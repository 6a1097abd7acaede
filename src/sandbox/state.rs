//! The operations, from the gateway to the task and back to an answer.
//!
//! Everything that changes from request to request is in here; nothing in here waits.

use crate::clock::Clock;
use crate::clock::Instant;
use crate::sandbox::SandboxSettings;
use crate::sandbox::access_log::Status;
use crate::sandbox::faults::Delivery;
use crate::sandbox::faults::Fault;
use crate::sandbox::faults::Roll;
use crate::sandbox::faults::SeededRandom;
use crate::sandbox::http::ActionPath;
use crate::sandbox::http::Answer;
use crate::sandbox::http::Ending;
use crate::sandbox::http::Gateway;
use crate::sandbox::http::ListQuery;
use crate::sandbox::http::Refusal;
use crate::sandbox::http::Route;
use crate::sandbox::http::is_project_id;
use crate::sandbox::service::CallResult;
use crate::sandbox::service::Denial;
use crate::sandbox::service::Iam;
use crate::sandbox::service::Project;
use crate::sandbox::service::list;
use crate::sandbox::witness::Tally;
use crate::task::Command;
use crate::task::Counts;
use crate::task::TaskId;
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde::Serialize;

/// Everything that changes from request to request.
pub(crate) struct State {
    gateway: Gateway,
    project: Project,
    iam: Iam,
    tally: Tally,
}

/// A request as far as it matters.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The operation.
    pub(crate) route: Route<'a>,
    /// The query, still encoded.
    pub(crate) query: &'a str,
    /// The request itself, without its body.
    pub(crate) head: &'a Parts,
    /// The body, where the operation has one.
    pub(crate) body: &'a [u8],
    /// The id of the request.
    pub(crate) request_id: &'a str,
    /// How long the answer takes unless the call has a time of its own.
    pub(crate) latency: Roll,
    /// When it had been read.
    pub(crate) now: Instant,
}

/// How long an answer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delay {
    /// As far between the least and the most as the roll has it.
    Usual(Roll),
    /// Very long.
    Late,
}

/// Who refused a request, and why.
enum Rejection {
    Gateway(Refusal),
    Service(Fault),
    Iam(Denial),
}

/// The body of a 200 to an action.
#[derive(Serialize)]
struct ActionResult<'a> {
    total_count: u8,
    failed_count: u8,
    succeed_count: u8,
    id: &'a str,
    error_list: Vec<String>,
}

impl State {
    /// Returns the state of a sandbox that has seen nothing yet.
    pub(crate) fn new(settings: &SandboxSettings, clock: Clock) -> Self {
        let dice = SeededRandom::new(settings.seed);
        Self {
            gateway: Gateway::new(settings, clock),
            project: Project::new(settings),
            iam: Iam::new(settings.account.clone(), clock, dice),
            tally: Tally::default(),
        }
    }

    /// Returns what was counted so far.
    pub(crate) const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Returns the simulated project.
    pub(crate) const fn project(&self) -> &Project {
        &self.project
    }

    /// Takes note of how a request ended.
    pub(crate) fn count(&mut self, route: Route<'_>, status: Status) {
        self.tally.count_ending(status);
        match route {
            Route::Action(_) => self.tally.actions += 1,
            Route::List { .. } => self.tally.lists += 1,
            Route::Login => self.tally.logins += 1,
            Route::Projects | Route::Unknown => {}
        }
    }

    /// Carries out a request, or refuses it.
    pub(crate) fn answer(&mut self, asked: &Asked<'_>) -> (Ending, Delay) {
        let usual = |answer| (Ending::Answered(answer), Delay::Usual(asked.latency));
        let decided = match asked.route {
            Route::Action(path) => self.action(asked, path),
            Route::List { project } => self.list(asked, project).map(usual),
            Route::Login => self.login(asked).map(usual),
            Route::Projects => self.projects(asked).map(usual),
            Route::Unknown => Err(Refusal::UnknownApi.into()),
        };
        decided.unwrap_or_else(|rejection| usual(rejection.answer(asked.request_id)))
    }

    /// Starts or stops a batch task.
    fn action(
        &mut self,
        asked: &Asked<'_>,
        path: ActionPath<'_>,
    ) -> Result<(Ending, Delay), Rejection> {
        self.gateway.admit(asked.head, asked.body, asked.now)?;
        let command = checked(path)?;
        let call = self.project.call(path.id, command, asked.now);
        match call.result {
            CallResult::CarriedOut { total, failed, delivery } => {
                self.tally.carried_out += 1;
                let result = ActionResult::new(path.id, total, failed);
                Ok(self.deliver(&result, delivery, call.latency))
            }
            CallResult::Faulted(fault) => {
                let ending = Ending::Answered(fault.answer());
                Ok((ending, Delay::Usual(call.latency)))
            }
            CallResult::Throttled => Err(self.gateway.throttled().into()),
        }
    }

    /// Tells the client of an action that was carried out, if the delivery lets it.
    fn deliver(
        &mut self,
        result: &ActionResult<'_>,
        delivery: Delivery,
        latency: Roll,
    ) -> (Ending, Delay) {
        let usual = Delay::Usual(latency);
        match delivery {
            Delivery::Prompt => (self.tell(result), usual),
            Delivery::Late => (self.tell(result), Delay::Late),
            Delivery::Garbled => (Ending::Answered(Answer::garbled()), usual),
            Delivery::Dropped => (Ending::Dropped, usual),
            Delivery::Silent => (Ending::Silent, usual),
        }
    }

    /// Answers with the counts of an action, and adds them up.
    fn tell(&mut self, result: &ActionResult<'_>) -> Ending {
        self.tally.counts += Counts {
            total: result.total_count.into(),
            failed: result.failed_count.into(),
            succeeded: result.succeed_count.into(),
        };
        Ending::Answered(Answer::json(StatusCode::OK, result))
    }

    /// Lists a page of batch tasks.
    fn list(&mut self, asked: &Asked<'_>, project: &str) -> Result<Answer, Rejection> {
        self.gateway.admit(asked.head, asked.body, asked.now)?;
        check_project(project)?;
        let query = ListQuery::parse(asked.query)?;
        Ok(list::page(&mut self.project, &query, asked.now))
    }

    /// Logs a user in.
    fn login(&mut self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        let grant = self.iam.login(asked.body, asked.query, asked.now)?;
        self.gateway.issue(grant.token, grant.expires);
        Ok(grant.answer)
    }

    /// Lists the projects of the account.
    fn projects(&mut self, asked: &Asked<'_>) -> Result<Answer, Rejection> {
        self.gateway.authorise(asked.head, asked.body, asked.now)?;
        Ok(self.iam.projects(asked.query))
    }
}

impl<'a> ActionResult<'a> {
    /// Returns the result of an action; the last sub-tasks are those that fail.
    fn new(id: &'a str, total: u8, failed: u8) -> Self {
        let succeeded = total - failed;
        let error = |number: u8| format!("sub-task {number} of {id}: the video source is offline");
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
fn checked(path: ActionPath<'_>) -> Result<Command, Fault> {
    check_project(path.project)?;
    TaskId::check(path.id).map_err(|_| Fault::InvalidParameter("id"))?;
    match path.command {
        "start" => Ok(Command::Start),
        "stop" => Ok(Command::Stop),
        _ => Err(Fault::InvalidParameter("command")),
    }
}

/// Checks the id of a project against the service's pattern.
fn check_project(project: &str) -> Result<(), Fault> {
    if is_project_id(project) {
        return Ok(());
    }
    Err(Fault::InvalidParameter("project_id"))
}

impl Rejection {
    /// Returns the answer that tells of it, in the words of who refused.
    fn answer(&self, request_id: &str) -> Answer {
        match self {
            Self::Gateway(refusal) => refusal.answer(request_id),
            Self::Service(fault) => fault.answer(),
            Self::Iam(denial) => denial.answer(),
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Gateway(refusal)
    }
}

impl From<Fault> for Rejection {
    fn from(fault: Fault) -> Self {
        Self::Service(fault)
    }
}

impl From<Denial> for Rejection {
    fn from(denial: Denial) -> Self {
        Self::Iam(denial)
    }
}
