//! Tasks without calls: how fast they are loaded, settled and summed up, and what they take of the disk.

use super::postgres::Postgres;
use super::{Figure, Must, Trouble, timed};
use batchctl::clock::{Clock, Timestamp};
use batchctl::database::{
    AddressSecrets, AddressSource, ClaimedTasks, DatabaseAddress, DatabaseRuns, SHORT_TRIP,
    StoredTerms, WorkTerms,
};
use batchctl::event::{AttemptResult, AttemptSeq, Event, EventKind};
use batchctl::input::{CommandSource, InputOptions, Source};
use batchctl::loading;
use batchctl::loading::NewPlan;
use batchctl::settings::RunSettings;
use batchctl::store::{NewRun, RunDirectory, RunId};
use batchctl::task::{Command, Counts, Outcome, Task};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How many workers settle the tasks.
const WORKERS: usize = 4;
/// How many tasks are settled, and as many begun, in one commit.
const BATCH: usize = 128;
/// When a worker asks again for whom nothing was left.
const ASK_AGAIN: Duration = Duration::from_millis(10);
/// How long a worker may be silent: none dies here.
const LEASE: Duration = Duration::from_secs(60);
const ORIGIN: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);

pub(crate) fn measure(server: &Postgres, tasks: u64) -> Result<Vec<Figure>, Trouble> {
    let state = tempfile::tempdir()?;
    let runs = RunDirectory::open(state.path())?;
    let run = new_run("20240705-120000-aaaa".parse()?);
    let (planned, sorted) = timed(|| loading::plan_run(&runs, &run, plan_of(tasks), "a benchmark"));
    // Held until the plan is in the database.
    let _planned = planned?;
    let address = address(server)?;
    let runtime = runtime()?;
    let mut database = runtime.block_on(DatabaseRuns::create(address.clone()))?;
    let terms = StoredTerms { lease: LEASE, trip: SHORT_TRIP, job_epoch: None };
    let (rows, loaded) = timed(|| runtime.block_on(database.plan_from(&runs, &run.id, terms)));
    let number = rows?[0];
    let (settled, drained) = timed(|| settle_all(&address, number));
    settled?;
    let (standings, summed) = timed(|| runtime.block_on(database.standings(Some(&run.id))));
    let all = standings?.pop().map_or(0, |run| run.outcomes[Outcome::Succeeded]);
    if all != tasks {
        return Err(format!("{all} of {tasks} tasks have an outcome").into());
    }
    let copies = tempfile::tempdir()?;
    let copies = RunDirectory::open(copies.path())?;
    let (copied, copying) = timed(|| runtime.block_on(database.copy(&run.id, &copies)));
    copied?;
    let bytes = |table: &str| {
        let size = format!("SELECT pg_total_relation_size('batchctl.{table}')");
        server.number(&size) as f64 / tasks as f64
    };
    let each = |span: Duration| tasks as f64 / span.as_secs_f64();
    // What must hold is said of ten million tasks.
    let share = tasks as f64 / 1e7;
    Ok(vec![
        Figure::new("plan: read and sorted, in a file", sorted.as_secs_f64(), "s"),
        Figure::new("plan: loaded into the database", loaded.as_secs_f64(), "s")
            .must(Must::AtMost(10.0 * share.max(1.0))),
        Figure::new("outcomes of four workers", each(drained), "outcomes/s")
            .must(Must::AtLeast(200_000.0)),
        Figure::new("summary of the run", summed.as_secs_f64(), "s")
            .must(Must::AtMost(5.0 * share.max(1.0))),
        Figure::new("copy of the run, as a report needs it", copying.as_secs_f64(), "s"),
        Figure::new("plan on the disk", bytes("chunk"), "bytes a task"),
        Figure::new("outcomes on the disk", bytes("segment"), "bytes a task")
            .must(Must::AtMost(40.0)),
    ])
}

pub(crate) fn address(server: &Postgres) -> Result<DatabaseAddress, Trouble> {
    let secrets = AddressSecrets { password: None, pgpass: None };
    Ok(DatabaseAddress::parse(&server.address("runs"), AddressSource::Variable, &secrets)?)
}

pub(crate) fn runtime() -> Result<Runtime, Trouble> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Lets workers settle all tasks, each on a thread of its own.
fn settle_all(address: &DatabaseAddress, run: i64) -> Result<(), Trouble> {
    let worker = || settle(address.clone(), run).map_err(|error| error.to_string());
    let ended: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    for worker in ended {
        worker.map_err(|_| "a worker has panicked")??;
    }
    Ok(())
}

/// Settles tasks as long as there are some: what one worker does.
fn settle(address: DatabaseAddress, run: i64) -> Result<(), Trouble> {
    runtime()?.block_on(async {
        let mut runs = DatabaseRuns::open(address).await?;
        let worker = runs.join(run, "bench", std::process::id(), "0").await?;
        let terms = WorkTerms { origin: ORIGIN, clock: Clock::start(), patience: LEASE };
        let writer = runs.writer(worker, terms)?;
        let mut work = Work::default();
        let mut is_done = false;
        loop {
            if work.fresh.len() < BATCH && !is_done {
                match writer.claim().await? {
                    ClaimedTasks::Tasks(_, tasks) => work.add(tasks.into_iter().map(|it| it.task)),
                    ClaimedTasks::NotYet if work.is_idle() => tokio::time::sleep(ASK_AGAIN).await,
                    ClaimedTasks::NotYet => {}
                    ClaimedTasks::Done => is_done = true,
                }
            }
            let events = work.next_events();
            if events.is_empty() && is_done {
                return Ok(writer.close().await?);
            }
            if !events.is_empty() {
                writer.commit(events).await?;
            }
        }
    })
}

/// What the engine would commit: the ends of what is on the wire and the starts of as many.
#[derive(Default)]
struct Work {
    fresh: VecDeque<Task>,
    on_wire: Vec<(Arc<Task>, u64)>,
    last_seq: u64,
}

impl Work {
    fn add(&mut self, tasks: impl Iterator<Item = Task>) {
        self.fresh.extend(tasks);
    }

    fn is_idle(&self) -> bool {
        self.fresh.is_empty() && self.on_wire.is_empty()
    }

    fn next_events(&mut self) -> Vec<Event> {
        let mut events = Vec::with_capacity(3 * BATCH);
        for (task, seq) in self.on_wire.drain(..) {
            events.extend(succeeds(task, seq));
        }
        for task in self.fresh.drain(..BATCH.min(self.fresh.len())) {
            self.last_seq += 1;
            let (task, seq) = (Arc::new(task), self.last_seq);
            let kind = EventKind::AttemptStarted {
                seq: AttemptSeq(seq),
                task: Arc::clone(&task),
                number: 1,
                leaves: time(seq),
            };
            events.push(Event { at: time(seq), kind });
            self.on_wire.push((task, seq));
        }
        events
    }
}

fn succeeds(task: Arc<Task>, number: u64) -> [Event; 2] {
    let (seq, first_sent) = (AttemptSeq(number), time(number));
    let result = AttemptResult {
        sent: first_sent,
        duration: Duration::from_millis(203),
        http_status: Some(200),
        request_id: Some(format!(
            "{:032x}",
            u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        )),
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

/// Ids that are in no order, one a line.
struct Ids {
    next: u64,
    end: u64,
    text: Vec<u8>,
    read: usize,
}

impl Read for Ids {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.read == self.text.len() {
            (self.read, self.text) = (0, Vec::new());
            let end = self.end.min(self.next + 1_024);
            for number in self.next..end {
                let scattered = (number * 2_654_435_761) % 4_294_967_296;
                self.text.extend(format!("{scattered:08x}{number:024x}\n").into_bytes());
            }
            self.next = end;
        }
        let count = into.len().min(self.text.len() - self.read);
        into[..count].copy_from_slice(&self.text[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}

fn plan_of(tasks: u64) -> NewPlan {
    let reader = Box::new(Ids { next: 0, end: tasks, text: Vec::new(), read: 0 });
    let source = Source::Stream { name: "-".into(), reader };
    NewPlan::of(vec![source], InputOptions::new(CommandSource::Fixed(Command::STOP)))
}

fn new_run(id: RunId) -> NewRun {
    NewRun {
        id,
        parent: None,
        outstanding_before: None,
        job: None,
        reason: None,
        command: "stop".into(),
        origin: ORIGIN,
        endpoint: "https://vias.example.com".into(),
        project_id: "project".into(),
        settings: RunSettings::default(),
        service: None,
    }
}
