//! Guards the cost of a call without a clock: allocations are the same on every machine.
//!
//! The allocator of this test binary counts for the whole process, so it is one test: two would
//! count each other's. What a run or a client costs once is taken out by two sizes of each.

use batchctl::api::AnyClient;
use batchctl::api::ClientSettings;
use batchctl::api::Credentials;
use batchctl::api::Endpoint;
use batchctl::api::Redactor;
use batchctl::api::Route;
use batchctl::api::ServiceClient;
use batchctl::api::ServiceClientSettings;
use batchctl::api::ServiceTasks;
use batchctl::api::ServiceWork;
use batchctl::api::TaskApi;
use batchctl::api::TokenSource;
use batchctl::api::ViasClient;
use batchctl::clock::Clock;
use batchctl::input::CommandSource;
use batchctl::input::InputOptions;
use batchctl::input::Source;
use batchctl::loading::NewPlan;
use batchctl::policy::ActionResult;
use batchctl::policy::Answer;
use batchctl::policy::Body;
use batchctl::policy::Response;
use batchctl::run;
use batchctl::run::RunRequest;
use batchctl::service::CallScope;
use batchctl::service::ServiceFile;
use batchctl::service::VIAS;
use batchctl::settings::{RateSetting, RunSettings};
use batchctl::task::Command;
use batchctl::task::Level;
use batchctl::task::Ordinal;
use batchctl::task::Task;
use stats_alloc::INSTRUMENTED_SYSTEM;
use stats_alloc::Region;
use stats_alloc::StatsAlloc;
use std::alloc::System;
use std::fmt::Write as _;
use std::io;
use std::io::Cursor;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::mpsc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What was counted when this was last looked at. A change within the tolerance, either way, is
/// none; after a larger one the figure is to be set anew, for a reason that its commit tells.
struct Committed {
    plan: f64,
    carry_out: f64,
    call: f64,
    call_by_file: f64,
}

// Two of the allocations of a call buy the reading of odd answers: a look at the head, and the
// named fields of the body. Where a file describes the service, the body is read as a tree.
const COMMITTED: Committed =
    Committed { plan: 1.0, carry_out: 3.1, call: 10.0, call_by_file: 21.0 };
/// Batches are a little larger or smaller from run to run.
const TOLERANCE: f64 = 0.1;

/// What the service answers, whatever it is asked.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 82\r\n\r\n\
    {\"total_count\":1,\"failed_count\":0,\"succeed_count\":1,\"id\":\"task-1\",\"error_list\":[]}";

const FEW: u32 = 2_000;
const MANY: u32 = 12_000;

/// A service that carries out everything at once.
struct Immediate;

impl TaskApi for Immediate {
    async fn call(&self, task: Arc<Task>) -> Answer {
        let body = Body::Result(ActionResult {
            id: Some(task.id.to_string()),
            total: Some(1),
            failed: Some(0),
            succeeded: Some(1),
            ..ActionResult::default()
        });
        let (request_id, retry_after, rate_hint) = (None, None, None);
        Answer::Response(Response { status: 200, request_id, retry_after, rate_hint, body })
    }
}

/// How often memory was allocated.
#[derive(Debug, Clone, Copy)]
struct Counted {
    plan: usize,
    carry_out: usize,
}

fn count(tasks: u32) -> Counted {
    let state = tempfile::tempdir().expect("there is room for temporary files");
    let clock = Clock::start();
    let request = RunRequest {
        state: state.path().into(),
        command: "stop".into(),
        plan: plan_of(tasks),
        endpoint: "https://vias.example.com".into(),
        project_id: "project".into(),
        job: None,
        reason: None,
        settings: settings(),
    };
    let planning = Region::new(ALLOCATOR);
    let planned = run::plan(request, clock).expect("the list is right");
    let plan = planning.change().allocations;
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (_operator, control) = mpsc::unbounded_channel();
    let carrying_out = Region::new(ALLOCATOR);
    let ended = runtime
        .block_on(planned.carry_out(&Immediate, Vec::new(), control))
        .expect("the store works");
    assert_eq!(ended.stats.stopped, None);
    Counted { plan, carry_out: carrying_out.change().allocations }
}

/// Returns the client of VIAS, which is built in.
fn built_in(endpoint: Endpoint, credentials: Arc<Credentials>) -> AnyClient {
    let settings = ClientSettings {
        endpoint,
        project: "project".parse().expect("a project"),
        level: Level::Batch,
        route: Route::default(),
        connect_timeout: Duration::from_secs(5),
        concurrency: NonZeroUsize::MIN,
    };
    AnyClient::Vias(Box::new(ViasClient::new(settings, credentials).expect("a client")))
}

/// Returns the client of VIAS as its file describes it.
fn by_file(endpoint: Endpoint, credentials: Arc<Credentials>) -> AnyClient {
    let service = ServiceFile::read(VIAS.1).expect("the file is right").service;
    let settings = ServiceClientSettings {
        endpoint,
        route: Route::default(),
        connect_timeout: Duration::from_secs(5),
        concurrency: NonZeroUsize::MIN,
        auth: service.auth.clone(),
        project: None,
    };
    let client = ServiceClient::new(settings, Some(credentials), Redactor::default());
    let scope = CallScope { region: None, project_id: Some("project".into()) };
    let work = ServiceWork { service: Arc::new(service), scope, columns: Vec::new() };
    AnyClient::Service(Box::new(ServiceTasks::new(client.expect("a client"), work)))
}

/// Counts what the client of a service allocates for calls over one connection.
fn count_calls(calls: u32, client: fn(Endpoint, Arc<Credentials>) -> AnyClient) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it listens");
    // Allocates nothing for a request: it would be counted as the client's.
    let service = thread::spawn(move || answer_all(&listener));
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let allocated = runtime.block_on(async {
        let token = TokenSource::given("a-token-of-a-test", "the test").into();
        let credentials = Credentials::load(token, Clock::start(), Redactor::default()).await;
        let endpoint = format!("http://{address}").parse().expect("an endpoint");
        let client = client(endpoint, Arc::new(credentials.expect("a token")));
        let id = "task-1".parse().expect("an id");
        let task = Arc::new(Task { ordinal: Ordinal(0), id, command: Command::STOP, cells: None });
        let calling = Region::new(ALLOCATOR);
        for _ in 0..calls {
            let answer = client.call(Arc::clone(&task)).await;
            assert_eq!(answer.status(), Some(200), "{answer:?}");
        }
        calling.change().allocations
    });
    service.join().expect("the service answers").expect("the connection is closed in good order");
    allocated
}

/// Answers all requests of one connection.
fn answer_all(listener: &TcpListener) -> io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    let (mut head, mut read) = ([0; 4_096], 0);
    loop {
        match stream.read(&mut head[read..])? {
            0 => return Ok(()),
            more => read += more,
        }
        if head[..read].ends_with(b"\r\n\r\n") {
            stream.write_all(ANSWER)?;
            read = 0;
        }
    }
}

fn plan_of(tasks: u32) -> NewPlan {
    let mut ids = String::new();
    for task in 0..tasks {
        writeln!(ids, "{task:032x}").expect("a String takes all text");
    }
    NewPlan::of(
        vec![Source::Stream { name: "-".into(), reader: Box::new(Cursor::new(ids)) }],
        InputOptions::new(CommandSource::Fixed(Command::STOP)),
    )
}

fn settings() -> RunSettings {
    let concurrency = NonZeroUsize::new(64).expect("64 is not 0");
    RunSettings { rate: RateSetting::Unlimited, concurrency, ..RunSettings::default() }
}

#[track_caller]
fn check(what: &str, [few, many]: [usize; 2], committed: f64) {
    let per_task = (many as f64 - few as f64) / f64::from(MANY - FEW);
    let differs = (per_task - committed).abs() > committed * TOLERANCE;
    assert!(!differs, "{what}: {per_task:.2} allocations a task, committed are {committed}");
}

#[test]
fn a_task_costs_as_many_allocations_as_are_committed() {
    let (few, many) = (count(FEW), count(MANY));
    check("plan", [few.plan, many.plan], COMMITTED.plan);
    check("carry out", [few.carry_out, many.carry_out], COMMITTED.carry_out);
    let calls = |client| [count_calls(FEW, client), count_calls(MANY, client)];
    check("call", calls(built_in), COMMITTED.call);
    check("call by a file", calls(by_file), COMMITTED.call_by_file);
}
