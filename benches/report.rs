//! Measures how fast a run is told: half a million tasks, one in fifty of them failed.

use batchctl::clock::Timestamp;
use batchctl::event::AttemptResult;
use batchctl::event::AttemptSeq;
use batchctl::event::Event;
use batchctl::event::EventKind;
use batchctl::event::RunStats;
use batchctl::input::CommandSource;
use batchctl::input::InputOptions;
use batchctl::input::Source;
use batchctl::loading::NewPlan;
use batchctl::loading::PlannedRun;
use batchctl::loading::plan_run;
use batchctl::reading::RunReader;
use batchctl::reading::TaskRow;
use batchctl::report::Diff;
use batchctl::report::Report;
use batchctl::report::ResultsOptions;
use batchctl::report::ResultsWriter;
use batchctl::report::StillRunning;
use batchctl::report::TaskChange;
use batchctl::report::TaskContext;
use batchctl::report::write_results;
use batchctl::store::NewRun;
use batchctl::store::RunDirectory;
use batchctl::store::RunWriter;
use batchctl::store::UnsettledTask;
use batchctl::task::Command;
use batchctl::task::Counts;
use batchctl::task::Failure;
use batchctl::task::FailureKind;
use batchctl::task::Outcome;
use divan::Bencher;
use divan::counter::ItemsCount;
use std::fmt::Write;
use std::io;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

/// How many tasks the run has.
const TASKS: u64 = 500_000;
/// How many of them are committed at a time.
const BATCH: usize = 5_000;
/// Of so many tasks one fails.
const ONE_FAILS_OF: u64 = 50;
const NOON: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 5)]
fn results_csv(bencher: Bencher<'_, '_>) {
    let run = stored_run();
    bencher.counter(ItemsCount::new(TASKS)).bench(|| {
        let written = write_results(&run.reader(), &ResultsOptions::default(), io::sink())
            .expect("the run can be read");
        assert_eq!(written.rows.selected(), TASKS);
    });
}

#[divan::bench(sample_count = 5)]
fn report(bencher: Bencher<'_, '_>) {
    let run = stored_run();
    bencher.counter(ItemsCount::new(TASKS)).bench(|| {
        let report = Report::read(&run.reader(), StillRunning::No).expect("the run can be read");
        assert_eq!(report.failures.len(), 1);
        report
    });
}

/// What the end of a run needs: its report and its results, from one walk over the tasks.
#[divan::bench(sample_count = 5)]
fn report_and_results(bencher: Bencher<'_, '_>) {
    let run = stored_run();
    bencher.counter(ItemsCount::new(TASKS)).bench(|| {
        let reader = run.reader();
        let sources = reader.record().expect("the run can be read").sources;
        let mut results =
            ResultsWriter::begin(sources, false, &ResultsOptions::default(), io::sink());
        let each = |task: &TaskRow, context: &TaskContext| results.row(task, context.grouping());
        let report = Report::read_with(&reader, StillRunning::No, each);
        assert_eq!(report.expect("the run can be read").failures.len(), 1);
        let (written, _) = results.finish().expect("a sink takes everything");
        assert_eq!(written.rows.selected(), TASKS);
    });
}

/// The run with itself: every id is sorted twice and nothing is listed.
#[divan::bench(sample_count = 5)]
fn diff(bencher: Bencher<'_, '_>) {
    let run = stored_run();
    bencher.counter(ItemsCount::new(TASKS)).bench(|| {
        let diff = Diff::read(&run.reader(), &run.reader()).expect("the run can be read");
        assert_eq!(diff.count(TaskChange::StillFailing), TASKS / ONE_FAILS_OF);
    });
}

/// A run in a directory that lasts as long as the process.
struct StoredRun {
    _state: TempDir,
    runs: RunDirectory,
    run: NewRun,
}

impl StoredRun {
    fn reader(&self) -> RunReader {
        RunReader::open(&self.runs, &self.run.id).expect("the run is stored")
    }
}

/// Returns the run that all benchmarks read; the first that asks makes it.
fn stored_run() -> &'static StoredRun {
    static RUN: OnceLock<StoredRun> = OnceLock::new();
    RUN.get_or_init(|| {
        let state = tempfile::tempdir().expect("there is room for a directory");
        let runs = RunDirectory::open(state.path()).expect("the directory is new");
        let run = new_run();
        let planned = plan_run(&runs, &run, new_plan(), "bench").expect("there is room for a plan");
        let PlannedRun::Ready { totals: _, lock } = planned else {
            panic!("every row of the table is right")
        };
        carry_out(&RunWriter::open(&runs, &lock, NOON, 0).expect("the run is planned"));
        StoredRun { _state: state, runs, run }
    })
}

fn carry_out(writer: &RunWriter) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it needs nothing");
    let mut seq = 0;
    loop {
        let claimed = runtime.block_on(writer.claim(BATCH)).expect("the run can be read");
        if claimed.is_empty() {
            break;
        }
        let events = claimed.into_iter().flat_map(|claimed| {
            seq += 1;
            story(claimed, seq)
        });
        runtime.block_on(writer.commit(events.collect())).expect("there is room for a batch");
    }
    let stats = RunStats { stopped: None, held: Duration::ZERO };
    let ended = Event { at: sent_at(seq), kind: EventKind::RunEnded(stats) };
    runtime.block_on(writer.commit(vec![ended])).expect("there is room for an event");
}

/// Returns what happens to one task, a thousand of them in a second.
fn story(claimed: UnsettledTask, number: u64) -> [Event; 3] {
    let (task, seq, sent) = (Arc::new(claimed.task), AttemptSeq(number), sent_at(number));
    let (result, outcome) = reply(number, sent);
    let kinds = [
        EventKind::AttemptStarted { seq, task: Arc::clone(&task), number: 1, leaves: sent },
        EventKind::AttemptEnded { seq, task: Arc::clone(&task), result },
        EventKind::TaskSettled { task, outcome, seq, attempts: 1, first_sent: sent },
    ];
    kinds.map(|kind| Event { at: sent.plus_micros(17_000), kind })
}

fn sent_at(number: u64) -> Timestamp {
    NOON.plus_micros(i64::try_from(number).expect("there are few tasks") * 1_000)
}

fn reply(number: u64, sent: Timestamp) -> (AttemptResult, Outcome) {
    let mut result = AttemptResult {
        sent,
        duration: Duration::from_micros(15_000 + number % 5_000),
        http_status: Some(200),
        request_id: Some(format!("{number:032x}")),
        counts: Some(Counts { total: 4, failed: 0, succeeded: 4 }),
        failure: None,
        in_doubt: false,
    };
    if !number.is_multiple_of(ONE_FAILS_OF) {
        return (result, Outcome::Succeeded);
    }
    let message = format!("task {number:032x} is not allowed to do this");
    result.http_status = Some(500);
    result.counts = None;
    result.failure = Some(Box::new(Failure {
        code: "VIAS.00010012".into(),
        ..Failure::seen(FailureKind::Refused, message)
    }));
    (result, Outcome::Failed)
}

/// A plan of a table with three other columns.
fn new_plan() -> NewPlan {
    let mut table = String::from("id,name,place,node\n");
    for number in 0..TASKS {
        writeln!(table, "{number:032x},camera {number},north gate,edge-{number}")
            .expect("a String takes all text");
    }
    let reader = Box::new(Cursor::new(table));
    NewPlan::of(
        vec![Source::Stream { name: "cameras.csv".into(), reader }],
        InputOptions::new(CommandSource::Fixed(Command::STOP)),
    )
}

fn new_run() -> NewRun {
    NewRun {
        outstanding_before: None,
        id: "20240705-120000-kfzq".parse().expect("this is how ids look"),
        parent: None,
        job: None,
        reason: None,
        command: "stop".into(),
        origin: NOON,
        endpoint: "https://vias.cn-north-4.myhuaweicloud.com".into(),
        project_id: "0123456789abcdef0123456789abcdef".into(),
        settings: batchctl::settings::RunSettings::default(),
        service: None,
    }
}
