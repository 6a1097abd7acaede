//! Answers requests: each is decided when it has been read, and then delivered.
//!
//! The decision and its log line are made under one lock, so the log, the counts and the states
//! never contradict each other. Nothing waits under that lock.

use crate::clock::{Clock, Instant};
use crate::sandbox::access_log::{AccessLog, AccessRecord, Status};
use crate::sandbox::custom::{CustomRequest, CustomService, Operation};
use crate::sandbox::delay::Delay;
use crate::sandbox::faults::{Question, SeededRandom};
use crate::sandbox::http::{SandboxReply, SandboxRoute};
use crate::sandbox::own_projects::OwnProjects;
use crate::sandbox::settings::SandboxSettings;
use crate::sandbox::state::{SandboxRequest, SandboxState};
use crate::sandbox::witness::{OnWire, Witness};
use crate::task::TaskId;
use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::body::Body;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use hyper::{Request, Response};
use std::error::Error;
use std::future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The maximum size of a login's body.
const LONGEST_BODY: usize = 64 * 1024;
/// The maximum size of the body of a call to a service that a file describes.
const LONGEST_CALL: usize = 8 << 20;

/// The simulated service, shared by all connections.
pub(crate) struct Service {
    clock: Clock,
    began: Instant,
    random: SeededRandom,
    latency: LatencyRange,
    log: Option<AccessLog>,
    state: Arc<Mutex<SandboxState>>,
    own_projects: Mutex<OwnProjects>,
    on_wire: Arc<OnWire>,
    /// Whether it simulates a service that a file describes.
    is_custom: bool,
}

/// The connection must be reset instead of a response.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection is reset in place of an answer")]
pub(crate) struct Dropped;

/// The range of latencies.
struct LatencyRange {
    least: Duration,
    span: Duration,
    late: Duration,
}

/// A reply, and its delay.
struct ScheduledReply {
    reply: SandboxReply,
    delay: Duration,
    request_id: HeaderValue,
}

impl Service {
    /// Returns the service of a sandbox that starts now.
    pub(crate) fn new(settings: &SandboxSettings, log: Option<AccessLog>) -> Self {
        let clock = Clock::start();
        Self {
            clock,
            began: clock.instant(),
            random: SeededRandom::new(settings.seed),
            latency: LatencyRange::from_settings(settings),
            log,
            state: Arc::new(Mutex::new(SandboxState::new(settings, clock))),
            own_projects: Mutex::new(OwnProjects::new(settings, clock)),
            on_wire: Arc::default(),
            is_custom: settings.service.is_some(),
        }
    }

    /// Returns a witness of this service's requests.
    pub(crate) fn witness(&self) -> Witness {
        Witness::new(Arc::clone(&self.state), Arc::clone(&self.on_wire))
    }

    /// Returns the access log, if there is one.
    pub(crate) const fn log(&self) -> Option<&AccessLog> {
        self.log.as_ref()
    }

    /// Answers a request, fails so that the connection is reset, or never completes.
    ///
    /// Dropping the future leaves the client without an answer; a decision stays in effect and in
    /// the log.
    pub(crate) async fn respond<B>(
        &self,
        request: Request<B>,
    ) -> Result<Response<Full<Bytes>>, Dropped>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        // A guard, because a client that goes away drops this future at any point.
        let _on_wire = self.on_wire.enter();
        let (head, body) = request.into_parts();
        if self.is_custom {
            let body = read(body, LONGEST_CALL).await;
            return self.decide_custom(&head, &body).deliver().await;
        }
        // Only logins have a body that matters. Waiting for others would let a slow client delay the
        // decision, and with it the order of the log.
        let body = match SandboxRoute::parse(&head.method, head.uri.path()) {
            SandboxRoute::Login => read(body, LONGEST_BODY).await,
            SandboxRoute::Action(_)
            | SandboxRoute::Delete(_)
            | SandboxRoute::List { .. }
            | SandboxRoute::SubTaskAction(_)
            | SandboxRoute::SubTasks { .. }
            | SandboxRoute::SubTask(_)
            | SandboxRoute::Projects
            | SandboxRoute::Unknown => Bytes::new(),
        };
        self.decide(&head, &body).deliver().await
    }

    /// Decides the reply to a request, and records it.
    fn decide(&self, head: &Parts, body: &[u8]) -> ScheduledReply {
        let mut state = self.state.lock().expect("no holder of the lock panics");
        // The clock is read under the lock, so that the lines of the log are in the order of time.
        let now = self.clock.instant();
        // The tally counts this request below; until then its number is one more.
        let number = state.tally().requests + 1;
        let request_id = self.request_id(number);
        let request = SandboxRequest {
            route: SandboxRoute::parse(&head.method, head.uri.path()),
            query: head.uri.query().unwrap_or_default(),
            head,
            body,
            request_id: &request_id,
            latency: self.random.roll(Question::Latency, number),
            now,
        };
        let own = self.own_projects.lock().expect("no holder of the lock panics").respond(&request);
        let (reply, delay) = own.unwrap_or_else(|| state.respond(&request));
        state.count(request.route, status_of(&reply));
        self.write_log(&request, head, status_of(&reply));
        ScheduledReply {
            delay: self.latency.duration(delay),
            reply,
            request_id: HeaderValue::try_from(request_id).expect("hexadecimal digits"),
        }
    }

    /// Decides the reply to a request for a service that a file describes, and records it.
    fn decide_custom(&self, head: &Parts, body: &[u8]) -> ScheduledReply {
        let mut state = self.state.lock().expect("no holder of the lock panics");
        let now = self.clock.instant();
        let number = state.tally().requests + 1;
        let request_id = self.request_id(number);
        let latency = self.random.roll(Question::Latency, number);
        let request = CustomRequest { head, body, request_id: &request_id, latency, now };
        let decided = state.respond_custom(request).expect("there is such a service");
        let status = status_of(&decided.reply);
        state.count_custom(status);
        if let Some(log) = &self.log {
            let custom = state.custom();
            let (id, command) = match &decided.operation {
                Operation::Action { index, id } => {
                    (Some(id.as_str()), custom.map(|custom| custom.action_name(*index)))
                }
                Operation::Look { id } => (Some(id.as_str()), Some("state")),
                Operation::Page => (None, Some("list")),
                Operation::Unknown => (None, None),
            };
            let at = now.duration_since(self.began);
            log.write(&AccessRecord { at, method: head.method.as_str(), id, command, status });
        }
        ScheduledReply {
            delay: self.latency.duration(decided.delay),
            reply: decided.reply,
            request_id: HeaderValue::try_from(request_id).expect("hexadecimal digits"),
        }
    }

    /// Returns the path before that of every call.
    pub(crate) fn base_path(&self) -> String {
        let state = self.state.lock().expect("no holder of the lock panics");
        state.custom().map(CustomService::base_path).unwrap_or_default()
    }

    /// Returns the id of a request, different for each number.
    fn request_id(&self, number: u64) -> String {
        let roll = self.random.roll(Question::RequestId, number);
        format!("{:016x}{number:016x}", roll.bits())
    }

    /// Adds a request to the log.
    fn write_log(&self, request: &SandboxRequest<'_>, head: &Parts, status: Status) {
        let Some(log) = &self.log else {
            return;
        };
        log.write(&AccessRecord {
            at: request.now.duration_since(self.began),
            method: head.method.as_str(),
            id: request.route.id().filter(|id| TaskId::check(id).is_ok()),
            command: request.route.log_name(),
            status,
        });
    }
}

impl ScheduledReply {
    /// Delivers the reply after its delay; never completes if there is none.
    async fn deliver(self) -> Result<Response<Full<Bytes>>, Dropped> {
        if self.reply == SandboxReply::Silent {
            return future::pending().await;
        }
        // Even a sleep of zero costs a tick of the timer.
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        match self.reply {
            SandboxReply::Answered(response) => Ok(response.into_response(self.request_id)),
            SandboxReply::Dropped | SandboxReply::Silent => Err(Dropped),
        }
    }
}

impl LatencyRange {
    /// Returns the latencies of the settings.
    fn from_settings(settings: &SandboxSettings) -> Self {
        let least = *settings.latency.start();
        Self { least, span: settings.latency.end().saturating_sub(least), late: settings.slow }
    }

    /// Returns the duration of a delay.
    fn duration(&self, delay: Delay) -> Duration {
        match delay {
            Delay::Usual(roll) => self.least + self.span.mul_f64(roll.share()),
            Delay::Late => self.late,
        }
    }
}

/// Reads a body; one that is too long or incomplete counts as empty.
async fn read<B>(body: B, longest: usize) -> Bytes
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let read = Limited::new(body, longest).collect().await;
    read.map(Collected::to_bytes).unwrap_or_default()
}

/// Returns the status of a reply for log and tally.
fn status_of(reply: &SandboxReply) -> Status {
    match reply {
        SandboxReply::Answered(response) => Status::Code(response.status().as_u16()),
        SandboxReply::Dropped => Status::Dropped,
        SandboxReply::Silent => Status::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Empty;

    fn service(settings: &SandboxSettings) -> Service {
        Service::new(settings, None)
    }

    fn start(id: &str) -> Request<Empty<Bytes>> {
        Request::put(format!("/v2/p/batch-tasks/{id}/action/start"))
            .header("x-auth-token", "t")
            .body(Empty::new())
            .unwrap()
    }

    /// Calls one id and checks the latency in milliseconds.
    async fn check_delay(settings: &SandboxSettings, id: &str, millis: u64) {
        let service = service(settings);
        let before = service.clock.instant();
        let _ = service.respond(start(id)).await;
        let delay = service.clock.instant() - before;
        assert_eq!(delay, Duration::from_millis(millis), "{id}");
    }

    fn always_after(millis: u64) -> SandboxSettings {
        let latency = Duration::from_millis(millis);
        SandboxSettings { latency: latency..=latency, ..SandboxSettings::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn responses_have_the_configured_latency() {
        check_delay(&always_after(0), "gate-1", 0).await;
        check_delay(&always_after(20), "gate-1", 20).await;
        check_delay(&always_after(20), "gate-drop", 20).await;
        check_delay(&always_after(20), "gate-missing", 20).await;
        check_delay(&always_after(20), "gate-slow", 3000).await;
    }

    #[test]
    fn latencies_cover_their_range() {
        let latency = LatencyRange::from_settings(&SandboxSettings::default());
        let random = SeededRandom::new(0);
        let delays: Vec<Duration> = (0..1000)
            .map(|number| latency.duration(Delay::Usual(random.roll(Question::Latency, number))))
            .collect();
        let least = *delays.iter().min().unwrap();
        let most = *delays.iter().max().unwrap();
        assert_eq!((least.as_millis(), most.as_millis()), (5, 29));
    }

    #[tokio::test]
    async fn a_request_counts_as_on_the_wire_until_its_client_gives_up() {
        let service = service(&always_after(0));
        let silent = service.respond(start("gate-silent"));
        let given_up = tokio::time::timeout(Duration::ZERO, silent).await;
        assert!(given_up.is_err());
        let _ = service.respond(start("gate-1")).await;
        let tally = service.witness().tally();
        assert_eq!((tally.peak_on_wire, tally.silent), (1, 1));
        assert_eq!(tally.carried_out, 2);
    }

    #[tokio::test]
    async fn every_request_has_its_own_id() {
        let service = service(&always_after(0));
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100 {
            let response = service.respond(start("gate-1")).await.unwrap();
            assert!(seen.insert(response.headers()["x-request-id"].clone()));
        }
    }
}
