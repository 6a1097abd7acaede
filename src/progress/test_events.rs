//! Builds the events of runs for the tests of this folder, with short calls and exact times.

use crate::clock::Timestamp;
use crate::event::{
    AttemptResult, AttemptSeq, Event, EventKind, HoldReason, RunStarted, RunStats, StopReason,
};
use crate::task::{Command, Failure, FailureKind, Ordinal, Outcome, Task};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

pub(super) const NOON: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);

/// Returns the time that many milliseconds after noon.
pub(super) fn noon_plus(millis: u64) -> Timestamp {
    NOON.plus_micros(i64::try_from(millis).unwrap() * 1_000)
}

/// A run under construction; each call emits events at the present millisecond.
pub(super) struct TestRun {
    pub(super) events: Vec<Event>,
    millis: u64,
    seq: u64,
    /// The time of each task's first attempt, and the number of its attempts.
    sent: HashMap<u32, (Timestamp, u32)>,
}

pub(super) fn task(ordinal: u32) -> Arc<Task> {
    let id = format!("{ordinal:032x}").parse().unwrap();
    Arc::new(Task { ordinal: Ordinal(ordinal), id, command: Command::STOP, cells: None })
}

/// The answer of a service that failed.
pub(super) fn service_failed() -> AttemptResult {
    let failure = Failure {
        code: "VIAS.00010009".into(),
        ..Failure::seen(FailureKind::Service, "Internal error.")
    };
    AttemptResult { http_status: Some(500), failure: Some(failure.into()), ..answered() }
}

/// The answer of a service that did what it was asked.
pub(super) fn answered() -> AttemptResult {
    AttemptResult {
        sent: NOON,
        duration: Duration::from_millis(213),
        http_status: Some(200),
        request_id: None,
        counts: None,
        failure: None,
        in_doubt: false,
    }
}

impl TestRun {
    /// Begins a run of so many tasks, some of them settled before, at 10/s.
    pub(super) fn new(selected: u64, settled: u64) -> Self {
        let rate_limit = Some("10/s".parse().unwrap());
        Self::starting(RunStarted {
            selected,
            settled,
            rate_limit,
            finds_rate: false,
            looks_at: None,
            concurrency: 16,
        })
    }

    pub(super) fn starting(set_out: RunStarted) -> Self {
        let mut run = Self { events: Vec::new(), millis: 0, seq: 0, sent: HashMap::new() };
        run.emit(EventKind::RunStarted(set_out));
        run
    }

    pub(super) fn now(&self) -> Timestamp {
        noon_plus(self.millis)
    }

    pub(super) fn pass(&mut self, millis: u64) {
        self.millis += millis;
    }

    pub(super) fn emit(&mut self, kind: EventKind) {
        self.events.push(Event { at: self.now(), kind });
    }

    pub(super) fn send(&mut self, ordinal: u32, number: u32) {
        self.seq += 1;
        let now = self.now();
        self.sent.entry(ordinal).or_insert((now, 0)).1 += 1;
        let seq = AttemptSeq(self.seq);
        let (task, leaves) = (task(ordinal), self.now());
        self.emit(EventKind::AttemptStarted { seq, task, number, leaves });
    }

    pub(super) fn withdraw(&mut self, ordinal: u32) {
        let seq = AttemptSeq(self.seq);
        self.emit(EventKind::AttemptWithdrawn { seq, task: task(ordinal) });
    }

    pub(super) fn end(&mut self, ordinal: u32, result: AttemptResult) {
        let seq = AttemptSeq(self.seq);
        self.emit(EventKind::AttemptEnded { seq, task: task(ordinal), result });
    }

    pub(super) fn wait(&mut self, ordinal: u32, millis: u64) {
        let due = noon_plus(self.millis + millis);
        self.emit(EventKind::RetryScheduled { task: task(ordinal), due });
    }

    /// Settles a task that was sent before.
    pub(super) fn settle(&mut self, ordinal: u32, outcome: Outcome) {
        let (task, seq) = (task(ordinal), AttemptSeq(self.seq));
        let (first_sent, attempts) = self.sent[&ordinal];
        self.emit(EventKind::TaskSettled { task, outcome, seq, attempts, first_sent });
    }

    /// Sends a task and settles it on the spot.
    pub(super) fn call(&mut self, ordinal: u32, outcome: Outcome) {
        self.send(ordinal, 1);
        self.end(ordinal, if outcome.is_good() { answered() } else { service_failed() });
        self.settle(ordinal, outcome);
    }

    /// Calls so many tasks that succeed, one each tenth of a second.
    pub(super) fn succeed(&mut self, ordinals: std::ops::Range<u32>) {
        for ordinal in ordinals {
            self.pass(100);
            self.call(ordinal, Outcome::Succeeded);
        }
    }

    pub(super) fn hold(&mut self, millis: u64) {
        let until = noon_plus(self.millis + millis);
        self.emit(EventKind::RunHeld { until, reason: HoldReason::Throttled });
    }

    pub(super) fn stop(&mut self, reason: StopReason, on_wire: usize) {
        self.emit(EventKind::RunStopping { reason, on_wire });
    }

    pub(super) fn finish(&mut self, stopped: Option<StopReason>) {
        self.emit(EventKind::RunEnded(RunStats { stopped, held: Duration::ZERO }));
    }
}
