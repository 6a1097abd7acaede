//! Measures the store: loading a plan, commits as a run makes them, claims, reading it all back.
//!
//! Before the measurements it says how large a run of a million tasks is on the disk.

use batchctl::clock::Timestamp;
use batchctl::event::AttemptResult;
use batchctl::event::AttemptSeq;
use batchctl::event::Event;
use batchctl::event::EventKind;
use batchctl::input::CommandSource;
use batchctl::input::InputOptions;
use batchctl::input::Source;
use batchctl::loading;
use batchctl::loading::NewPlan;
use batchctl::loading::PlannedRun;
use batchctl::reading::RunReader;
use batchctl::store::NewRun;
use batchctl::store::RunDirectory;
use batchctl::store::RunId;
use batchctl::store::RunWriter;
use batchctl::store::StoreError;
use batchctl::task::Command;
use batchctl::task::Counts;
use batchctl::task::Outcome;
use batchctl::task::Task;
use divan::Bencher;
use divan::counter::ItemsCount;
use std::fmt::Write;
use std::fs;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::runtime::Runtime;

/// How many tasks each run has.
const TASKS: usize = 1_000_000;
/// How many tasks are settled, and as many begun, in one commit.
const BATCH: usize = 64;
/// How many tasks are claimed at a time.
const CLAIM: usize = 256;
/// When the runs were planned.
const ORIGIN: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);

#[expect(clippy::print_stdout, reason = "a benchmark is read on its standard output")]
fn main() {
    let run = Run::planned(&ids());
    let planned = run.bytes_per_task();
    run.carry_out();
    println!("bytes a task: {planned:.1} planned, {:.1} settled", run.bytes_per_task());
    divan::main();
}

#[divan::bench(sample_count = 5)]
fn plan(bencher: Bencher<'_, '_>) {
    let ids = ids();
    bencher.counter(ItemsCount::new(TASKS as u64)).bench(|| Run::planned(&ids));
}

#[divan::bench(sample_count = 2_000, sample_size = 1)]
fn commit(bencher: Bencher<'_, '_>) {
    let run = Run::planned(&ids());
    let writer = run.open();
    let mut work = Work::with(&writer);
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| work.next_batch())
        .bench_local_values(|batch| wait(writer.commit(batch)).expect("the disk has room"));
}

#[divan::bench(sample_count = 2_000, sample_size = 1)]
fn claim(bencher: Bencher<'_, '_>) {
    let run = Run::planned(&ids());
    let writer = run.open();
    bencher
        .counter(ItemsCount::new(CLAIM))
        .bench_local(|| wait(writer.claim(CLAIM)).expect("the plan is whole"));
}

#[divan::bench(sample_count = 5)]
fn read_tasks(bencher: Bencher<'_, '_>) {
    let run = Run::planned(&ids());
    run.carry_out();
    bencher.counter(ItemsCount::new(TASKS as u64)).bench(|| assert_eq!(run.count_rows(), TASKS));
}

#[divan::bench(sample_count = 5)]
fn take_up_after_a_kill(bencher: Bencher<'_, '_>) {
    let run = Run::planned(&ids());
    run.carry_out();
    bencher.counter(ItemsCount::new(TASKS as u64)).bench(|| run.open());
}

/// A list of ids that are in no order.
fn ids() -> String {
    let mut random = fastrand::Rng::with_seed(1);
    let mut text = String::new();
    for _ in 0..TASKS {
        writeln!(text, "{:032x}", random.u128(..)).expect("a String takes all text");
    }
    text
}

/// A run in a directory of its own.
struct Run {
    _state: TempDir,
    runs: RunDirectory,
    id: RunId,
}

impl Run {
    fn planned(ids: &str) -> Self {
        let state = tempfile::tempdir().expect("there is room for temporary files");
        let runs = RunDirectory::open(state.path()).expect("the directory is ours");
        let run = new_run();
        let planned = loading::plan_run(&runs, &run, new_plan(ids), "a benchmark");
        assert!(matches!(planned, Ok(PlannedRun::Ready { .. })), "{planned:?}");
        Self { _state: state, runs, id: run.id }
    }

    fn open(&self) -> RunWriter {
        let lock = self.runs.lock(&self.id, "a benchmark").expect("nobody else is here");
        RunWriter::open(&self.runs, &lock, ORIGIN, 10).expect("the run is whole")
    }

    /// Settles all tasks, without coming to the end of the session.
    fn carry_out(&self) {
        let writer = self.open();
        let mut work = Work::with(&writer);
        loop {
            let batch = work.next_batch();
            if batch.is_empty() {
                return;
            }
            wait(writer.commit(batch)).expect("the disk has room");
        }
    }

    fn count_rows(&self) -> usize {
        let reader = RunReader::open(&self.runs, &self.id).expect("the run is whole");
        let mut count = 0;
        let read = reader.for_each_task(|_| {
            count += 1;
            Ok::<(), StoreError>(())
        });
        read.expect("the run is whole");
        count
    }

    fn bytes_per_task(&self) -> f64 {
        let bytes = fs::metadata(self.runs.file(&self.id)).expect("it was made").len();
        bytes as f64 / TASKS as f64
    }
}

fn new_run() -> NewRun {
    NewRun {
        id: "20240705-120000-aaaa".parse().expect("it is an id"),
        parent: None,
        outstanding_before: None,
        job: None,
        reason: None,
        command: "stop".into(),
        origin: ORIGIN,
        endpoint: "https://vias.example.com".into(),
        project_id: "project".into(),
        settings: batchctl::settings::RunSettings::default(),
        service: None,
    }
}

fn new_plan(ids: &str) -> NewPlan {
    let source = Source::Stream { name: "-".into(), reader: Box::new(Cursor::new(ids.to_owned())) };
    NewPlan::of(vec![source], InputOptions::new(CommandSource::Fixed(Command::STOP)))
}

/// What the engine would commit: the ends of what is on the wire and the starts of as many.
struct Work<'a> {
    writer: &'a RunWriter,
    last_seq: u64,
    on_wire: Vec<(Arc<Task>, u64)>,
}

impl<'a> Work<'a> {
    fn with(writer: &'a RunWriter) -> Self {
        Self { writer, last_seq: 0, on_wire: Vec::new() }
    }

    fn next_batch(&mut self) -> Vec<Event> {
        let mut batch = Vec::new();
        for (task, seq) in self.on_wire.drain(..) {
            batch.extend(succeeds(task, seq));
        }
        for claimed in wait(self.writer.claim(BATCH)).expect("the plan is whole") {
            self.last_seq += 1;
            let (task, seq) = (Arc::new(claimed.task), self.last_seq);
            let started = EventKind::AttemptStarted {
                seq: AttemptSeq(seq),
                task: Arc::clone(&task),
                number: 1,
                leaves: time(seq),
            };
            batch.push(Event { at: time(seq), kind: started });
            self.on_wire.push((task, seq));
        }
        batch
    }
}

fn succeeds(task: Arc<Task>, number: u64) -> [Event; 2] {
    let (seq, first_sent) = (AttemptSeq(number), time(number));
    let result = AttemptResult {
        sent: first_sent,
        duration: Duration::from_millis(203),
        http_status: Some(200),
        request_id: Some(format!("{number:032x}")),
        counts: Some(Counts { total: 4, failed: 0, succeeded: 4 }),
        failure: None,
        in_doubt: false,
    };
    let at = first_sent.plus_micros(203_400);
    let ended = EventKind::AttemptEnded { seq, task: Arc::clone(&task), result };
    let outcome = Outcome::Succeeded;
    let settled = EventKind::TaskSettled { task, outcome, seq, attempts: 1, first_sent };
    [ended, settled].map(|kind| Event { at, kind })
}

/// A thousand attempts a second.
fn time(seq: u64) -> Timestamp {
    ORIGIN.plus_micros(i64::try_from(seq).expect("a run is not that long") * 1_000)
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime needs nothing"));
    RUNTIME.block_on(future)
}
