//! Small runs with every outcome, made through the public functions of the store.

mod diff;
mod documents;
mod endings;
mod explain;
mod html;
mod json;
mod junit;
mod markdown;
mod prometheus;
mod remedies;
mod results;
mod summary;
mod totals;
mod tuning_hints;

use super::{Report, ResultsOptions, StillRunning, write_results};
use crate::clock::Timestamp;
use crate::event::{AttemptResult, AttemptSeq, Event, EventKind, HoldReason, RunStats, StopReason};
use crate::input::{CommandSource, InputOptions, Source};
use crate::loading::{NewPlan, PlannedRun, plan_run};
use crate::reading::RunReader;
use crate::settings::RunSettings;
use crate::store::{NewRun, RunDirectory, RunLock, RunWriter};
use crate::task::{Command, Counts, Failure, FailureKind, Outcome, Task};
use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// When every run of the tests is planned: 2024-07-05, noon.
const NOON: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);
/// The settings of the runs.
fn settings() -> RunSettings {
    RunSettings { max_duration: Some(Duration::from_secs(5)), ..RunSettings::default() }
}

/// The result of one attempt.
#[derive(Debug, Clone)]
struct Reply {
    http_status: Option<u16>,
    counts: Option<Counts>,
    failure: Option<Failure>,
    in_doubt: bool,
}

/// A 200 with these counts.
fn counted(failed: u64, succeeded: u64) -> Reply {
    let counts = Counts { total: failed + succeeded, failed, succeeded };
    let failure = (failed > 0).then(|| Failure {
        detail: String::new(),
        params: Vec::new(),
        error_list: vec![format!("camera cam-{failed}: no licence"), "camera 9: off".into()],
        ..Failure::seen(FailureKind::Service, "some sub-tasks failed")
    });
    Reply { http_status: Some(200), counts: Some(counts), failure, in_doubt: false }
}

/// An answer that refuses.
fn refused(message: &str) -> Reply {
    let failure = Failure {
        code: "VIAS.00010012".into(),
        reason: "The task is being deleted.".into(),
        advice: "Wait until it is gone.".into(),
        ..Failure::seen(FailureKind::Refused, message)
    };
    Reply { http_status: Some(500), counts: None, failure: Some(failure), in_doubt: false }
}

/// An attempt without an answer.
fn lost(kind: FailureKind) -> Reply {
    let failure = Failure::seen(kind, "no answer in 60 s");
    Reply { http_status: None, counts: None, failure: Some(failure), in_doubt: true }
}

/// An answer that asks for fewer calls.
fn throttled() -> Reply {
    let failure = Failure {
        code: "APIGW.0308".into(),
        ..Failure::seen(FailureKind::Throttled, "policy user over ratelimit,limit:10,time:1 second")
    };
    Reply { http_status: Some(429), counts: None, failure: Some(failure), in_doubt: false }
}

/// A run that is made step by step. Each sending takes a tenth of a second.
struct TestRun {
    _state: Option<TempDir>,
    runs: RunDirectory,
    run: NewRun,
    lock: RunLock,
    writer: Option<RunWriter>,
    tasks: Vec<Arc<Task>>,
    /// How often, and when first, each task was sent.
    sent: HashMap<usize, (u32, Timestamp)>,
    last_seq: u64,
    now: Timestamp,
}

impl TestRun {
    /// Plans a stop of the ids in a table.
    fn from_table(table: &str) -> Self {
        Self::from_tables(&[("cameras.csv", table)])
    }

    fn from_tables(tables: &[(&str, &str)]) -> Self {
        Self::planned(tables, |_, _| {})
    }

    /// A run of two processes, each with half of twenty tasks, and an hour between them.
    fn resumed() -> Self {
        let mut run = Self::with_tasks(20);
        run.begin();
        (0..10).for_each(|task| run.settle(task, counted(0, 1), Outcome::Succeeded));
        run.end(Some(StopReason::Interrupted));
        run.pass(3_600_000);
        run.begin();
        (10..20).for_each(|task| run.settle(task, counted(0, 1), Outcome::Succeeded));
        run.end(None);
        run
    }

    /// Plans a stop of this many tasks.
    fn with_tasks(tasks: usize) -> Self {
        Self::from_table(&ids(tasks))
    }

    fn planned(
        tables: &[(&str, &str)],
        adjust: impl FnOnce(&mut NewRun, &mut InputOptions),
    ) -> Self {
        let state = tempfile::tempdir().unwrap();
        let runs = RunDirectory::open(state.path()).unwrap();
        let run = Self::planned_in(&runs, tables, adjust);
        Self { _state: Some(state), ..run }
    }

    fn planned_in(
        runs: &RunDirectory,
        tables: &[(&str, &str)],
        adjust: impl FnOnce(&mut NewRun, &mut InputOptions),
    ) -> Self {
        let mut run = new_run();
        let mut options = InputOptions::new(CommandSource::Fixed(Command::STOP));
        adjust(&mut run, &mut options);
        let new =
            NewPlan::of(tables.iter().map(|&(name, text)| source(name, text)).collect(), options);
        let lock = match plan_run(runs, &run, new, "process 7").unwrap() {
            PlannedRun::Ready { totals: _, lock } => lock,
            PlannedRun::Refused(problems) => panic!("{problems}: {:?}", problems.shown),
        };
        Self {
            _state: None,
            runs: runs.clone(),
            run,
            lock,
            writer: None,
            tasks: Vec::new(),
            sent: HashMap::new(),
            last_seq: 0,
            now: NOON,
        }
    }

    /// Begins the session of a process.
    fn begin(&mut self) {
        let writer = RunWriter::open(&self.runs, &self.lock, self.now, 0).unwrap();
        let all = block_on(writer.claim(usize::MAX)).unwrap();
        if self.tasks.is_empty() {
            self.tasks = all.into_iter().map(|claimed| Arc::new(claimed.task)).collect();
        }
        self.writer = Some(writer);
    }

    fn pass(&mut self, millis: i64) {
        self.now = self.now.plus_micros(millis * 1_000);
    }

    fn record(&mut self, kind: EventKind) {
        let writer = self.writer.as_ref().expect("a session has begun");
        block_on(writer.commit(vec![Event { at: self.now, kind }])).unwrap();
    }

    /// Sends a task; its answer is still to come.
    fn send(&mut self, task: usize) {
        let seq = self.start(task);
        let writer = self.writer.as_ref().expect("a session has begun");
        assert!(writer.may_leave(seq));
    }

    /// Records the start of an attempt that has not left.
    fn start(&mut self, task: usize) -> AttemptSeq {
        let sent = self.sent.entry(task).or_insert((0, self.now));
        sent.0 += 1;
        let number = sent.0;
        self.last_seq += 1;
        let (seq, task) = (AttemptSeq(self.last_seq), Arc::clone(&self.tasks[task]));
        self.record(EventKind::AttemptStarted { seq, task, number, leaves: self.now });
        seq
    }

    /// Sends a task and takes the reply; it is not settled.
    fn call(&mut self, task: usize, reply: Reply) {
        self.send(task);
        self.answer(task, AttemptSeq(self.last_seq), reply);
    }

    /// Takes the reply to an attempt on the wire.
    fn answer(&mut self, task: usize, seq: AttemptSeq, reply: Reply) {
        let sent = self.now;
        self.pass(100);
        let Reply { http_status, counts, failure, in_doubt } = reply;
        let result = AttemptResult {
            sent,
            duration: Duration::from_millis(17),
            http_status,
            request_id: http_status.map(|_| format!("request-{}", seq.0)),
            counts,
            failure: failure.map(Box::new),
            in_doubt,
        };
        let task = Arc::clone(&self.tasks[task]);
        self.record(EventKind::AttemptEnded { seq, task, result });
    }

    /// Calls a task and settles it.
    fn settle(&mut self, task: usize, reply: Reply, outcome: Outcome) {
        self.call(task, reply);
        let (attempts, first_sent) = self.sent[&task];
        let (seq, task) = (AttemptSeq(self.last_seq), Arc::clone(&self.tasks[task]));
        self.record(EventKind::TaskSettled { task, outcome, seq, attempts, first_sent });
    }

    fn hold(&mut self, millis: i64) {
        let until = self.now.plus_micros(millis * 1_000);
        self.record(EventKind::RunHeld { until, reason: HoldReason::Throttled });
    }

    /// Ends the session as a process does that records its end.
    fn end(&mut self, stopped: Option<StopReason>) {
        let held = Duration::from_millis(1_500);
        self.record(EventKind::RunEnded(RunStats { stopped, held }));
        self.writer = None;
    }

    /// Ends the session as a process does that is killed.
    fn kill(&mut self) {
        self.writer = None;
    }

    fn reader(&self) -> RunReader {
        RunReader::open(&self.runs, &self.run.id).unwrap()
    }

    fn report(&self) -> Report {
        Report::read(&self.reader(), StillRunning::No).unwrap()
    }

    fn results(&self) -> String {
        let mut text = Vec::new();
        let summary = write_results(&self.reader(), &ResultsOptions::default(), &mut text).unwrap();
        assert_eq!(summary.rows, self.report().tasks);
        String::from_utf8(text).unwrap()
    }
}

/// A run of six tasks, one for each outcome.
fn every_outcome() -> TestRun {
    let table = "id,site\ngate-north,north\ngate-south,south\ndock-1,\"a, b\"\ndock-2,=1+1\n\
                 ramp-1,-5\nramp-2,\ngate-north,again\n";
    let mut run = TestRun::from_table(table);
    run.begin();
    run.settle(0, counted(0, 4), Outcome::Succeeded);
    run.settle(1, counted(1, 3), Outcome::Partial);
    run.settle(2, refused("This operation is not allowed."), Outcome::Failed);
    run.call(3, throttled());
    run.settle(3, lost(FailureKind::Timeout), Outcome::Ambiguous);
    run.settle(4, counted(0, 2), Outcome::Unchanged);
    run.end(Some(StopReason::Interrupted));
    run
}

/// Returns a table of this many ids.
fn ids(count: usize) -> String {
    let rows = (0..count).map(|number| format!("task-{number:04}\n"));
    std::iter::once("id\n".to_owned()).chain(rows).collect()
}

fn new_run() -> NewRun {
    NewRun {
        outstanding_before: None,
        id: "20240705-120000-kfzq".parse().unwrap(),
        parent: None,
        job: None,
        reason: None,
        command: "stop".into(),
        origin: NOON,
        endpoint: "https://vias.cn-north-4.myhuaweicloud.com".into(),
        project_id: "0123456789abcdef0123456789abcdef".into(),
        settings: settings(),
        service: None,
    }
}

fn source(name: &str, text: &str) -> Source {
    Source::Stream { name: name.into(), reader: Box::new(Cursor::new(text.to_owned())) }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(future)
}
