//! A run of hours in simulated time, with as many calls as a rate allows.
//!
//! Tokens die and the service goes away while it lasts. Only numbers are kept of the calls, so that
//! the memory of the program shows.

use super::SOME_DAY;
use super::drive::folder;
use super::ledger::wait_for;
use crate::api::{Authority, FirstUse, NotRenewed, TaskApi};
use crate::clock::{Clock, Instant};
use crate::engine;
use crate::engine::{Claimed, Kept, Ledger, LedgerError};
use crate::event::{AttemptSeq, Event, RunStats};
use crate::input::{CommandSource, InputOptions, Source};
use crate::loading::NewPlan;
use crate::policy::{
    ActionResult, Answer, Body, Delivery, Generation, NoResponse, Response, ServiceError,
};
use crate::reading::RunReader;
use crate::report::{Report, StillRunning};
use crate::run::carry_out::starting_point;
use crate::run::ledger::{RunEndedBy, StoreLedger};
use crate::run::settings::engine_settings;
use crate::run::{RunRequest, plan, watchers};
use crate::settings::{RateSetting, RunSettings};
use crate::store::RunWriter;
use crate::task::{Command, FailureKind, Outcome, Rate, Task};
use futures::FutureExt;
use futures::future::{BoxFuture, LocalBoxFuture};
use std::collections::VecDeque;
use std::io::Read;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

const A_SECOND: u32 = 1_000;
const TOKEN_LIFE: Duration = Duration::from_secs(300);
/// Every so often the service is away, for so long.
const AWAY_EVERY: u64 = 600;
const AWAY_FOR: u64 = 20;

/// What the service has seen.
struct Seen {
    /// Whether each task was carried out.
    done: Vec<bool>,
    again: u64,
    calls: u64,
    /// The last sendings, as many as a second may hold.
    last: VecDeque<Instant>,
    crowded: u64,
    token: (u64, Instant),
    /// The memory of this process in MiB, at each token.
    memory: Vec<u64>,
}

struct Service {
    clock: Clock,
    began: Instant,
    seen: Mutex<Seen>,
}

impl Service {
    fn answer(&self, task: &Task) -> Answer {
        let now = self.clock.instant();
        let mut seen = self.seen.lock().unwrap();
        seen.calls += 1;
        seen.last.push_back(now);
        if seen.last.len() > A_SECOND as usize {
            let first = seen.last.pop_front().unwrap();
            seen.crowded += u64::from(now - first < Duration::from_secs(1));
        }
        let into = (now - self.began).as_secs() % AWAY_EVERY;
        if into >= AWAY_EVERY - AWAY_FOR {
            return Answer::NoResponse(NoResponse {
                kind: FailureKind::Connect,
                delivery: Delivery::NeverLeft,
                message: "connection refused".into(),
            });
        }
        if now >= seen.token.1 + TOKEN_LIFE {
            let code = "APIGW.0301".into();
            return response(401, Body::Error(ServiceError { code, ..ServiceError::default() }));
        }
        let place = task.ordinal.0 as usize;
        if std::mem::replace(&mut seen.done[place], true) {
            seen.again += 1;
        }
        let result =
            ActionResult { succeeded: Some(1), failed: Some(0), ..ActionResult::default() };
        response(200, Body::Result(result))
    }
}

fn response(status: u16, body: Body) -> Answer {
    let (request_id, retry_after, rate_hint) = (None, None, None);
    Answer::Response(Response { status, request_id, retry_after, rate_hint, body })
}

impl TaskApi for Service {
    async fn call(&self, task: Arc<Task>) -> Answer {
        let answer = self.answer(&task);
        tokio::time::sleep(Duration::from_millis(20)).await;
        answer
    }

    fn authority(&self) -> &dyn Authority {
        self
    }
}

impl Authority for Service {
    fn generation(&self) -> Generation {
        Generation(self.seen.lock().unwrap().token.0)
    }

    fn first_use(&self) -> FirstUse {
        FirstUse::Together
    }

    fn renewal_due(&self) -> Option<Instant> {
        None
    }

    fn renew(&self, _refused: Generation) -> LocalBoxFuture<'_, Result<(), NotRenewed>> {
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let mut seen = self.seen.lock().unwrap();
            seen.token = (seen.token.0 + 1, self.clock.instant());
            let memory = memory();
            seen.memory.push(memory);
            Ok(())
        }
        .boxed_local()
    }
}

/// Returns the memory of this process in MiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

/// The store, for which simulated time stands still.
struct Standing(StoreLedger);

impl Ledger for Standing {
    fn claim(&mut self, most: usize) -> BoxFuture<'static, Result<Claimed, LedgerError>> {
        std::future::ready(wait_for(self.0.claim(most))).boxed()
    }

    fn on_events(&mut self, events: Vec<Event>) -> BoxFuture<'static, Result<Kept, LedgerError>> {
        std::future::ready(wait_for(self.0.on_events(events))).boxed()
    }

    fn may_leave(&mut self, last: AttemptSeq) -> bool {
        self.0.may_leave(last)
    }
}

/// The lines of an input, made while they are read.
struct Ids {
    next: u32,
    end: u32,
    line: VecDeque<u8>,
}

impl Read for Ids {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.line.len() < buffer.len() && self.next < self.end {
            self.line.extend(format!("task-{:08}\n", self.next).bytes());
            self.next += 1;
        }
        self.line.read(buffer)
    }
}

fn settings() -> RunSettings {
    let limit = NonZeroU32::new(A_SECOND).unwrap();
    RunSettings {
        rate: RateSetting::Fixed(Rate { limit, window: Duration::from_secs(1) }),
        concurrency: NonZeroUsize::new(64).unwrap(),
        ..RunSettings::default()
    }
}

async fn carry_out(tasks: u32) -> (RunStats, Seen, Report, Duration) {
    let folder = folder();
    let clock = Clock::starting_at(SOME_DAY);
    let reader = Box::new(Ids { next: 0, end: tasks, line: VecDeque::new() });
    let request = RunRequest {
        state: folder.path().join("state"),
        command: "start".into(),
        plan: NewPlan::of(
            vec![Source::Stream { name: "input".into(), reader }],
            InputOptions::new(CommandSource::Fixed(Command::START)),
        ),
        endpoint: "https://vias.example.com".into(),
        project_id: "p1".into(),
        job: None,
        reason: None,
        settings: settings(),
    };
    let planned = plan(request, clock).unwrap();
    let writer = RunWriter::open(&planned.runs, &planned.lock, clock.now(), A_SECOND).unwrap();
    let engine_settings = engine_settings(&planned.settings, starting_point(&writer));
    let (watcher_channel, thread) = watchers::open(Vec::new(), clock).unwrap();
    let ended_by = RunEndedBy::Engine;
    let mut ledger = Standing(StoreLedger::new(writer, watcher_channel, ended_by));
    let began = clock.instant();
    let seen = Seen {
        done: vec![false; tasks as usize],
        again: 0,
        calls: 0,
        last: VecDeque::new(),
        crowded: 0,
        token: (1, began),
        memory: Vec::new(),
    };
    let service = Service { clock, began, seen: Mutex::new(seen) };
    let (_remote, control) = mpsc::unbounded_channel();
    let ran = engine::run(&service, &mut ledger, &engine_settings, clock, control).await;
    let lasted = clock.instant() - began;
    drop(ledger);
    thread.close();
    let report = {
        let reader = RunReader::open(&planned.runs, planned.id()).unwrap();
        Report::read(&reader, StillRunning::No).unwrap()
    };
    (ran.unwrap(), service.seen.into_inner().unwrap(), report, lasted)
}

/// `BATCHCTL_TEST_MINUTES=240` makes it four hours; by default it is long enough for two tokens and
/// an outage.
#[test]
fn a_long_run_loses_nothing_and_keeps_its_pace_and_its_memory() {
    let minutes = super::number("BATCHCTL_TEST_MINUTES").unwrap_or(0);
    let seconds = if minutes == 0 { 30 } else { minutes * 60 };
    let tasks = u32::try_from(seconds).unwrap() * A_SECOND;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let (stats, seen, report, lasted) = runtime.unwrap().block_on(carry_out(tasks));
    let memory = &seen.memory;
    super::say(&format!(
        "{tasks} tasks, {} calls in {lasted:?}, {} tokens, memory in MiB {memory:?}",
        seen.calls, seen.token.0
    ));
    assert_eq!(stats.stopped, None);
    assert!(seen.done.iter().all(|&done| done), "a task was never carried out");
    assert_eq!((seen.again, seen.crowded), (0, 0), "calls of settled tasks, windows too full");
    assert_eq!(report.tasks[Outcome::Succeeded], u64::from(tasks));
    assert_eq!(report.calls.attempts, seen.calls);
    if let [_, second, .., last] = memory[..] {
        assert!(last <= second + second / 4 + 8, "memory grew: {memory:?}");
    }
}
