//! The one writer of a run: a thread that commits batches of events and hands out tasks.
//!
//! Batches are committed whole and in order. When the disk is full nothing new can be sent,
//! because nothing becomes durable; the outcomes at hand are kept and tried again for a minute.

use super::directory::RunDirectory;
use super::directory::RunId;
use super::error::StoreError;
use super::error::sqlite;
use super::load::command_of;
use super::open_tasks::OpenTask;
use super::open_tasks::Settled;
use super::open_tasks::open_tasks;
use super::schema;
use super::sheet::Sheet;
use crate::clock::Timestamp;
use crate::event::Event;
use crate::task::Ordinal;
use crate::task::Outcome;
use crate::task::OutcomeCounts;
use crate::task::Task;
use rusqlite::Connection;
use rusqlite::params;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long, and in which steps, a full disk is waited for.
const FULL_PATIENCE: Duration = Duration::from_secs(60);
const FULL_STEP: Duration = Duration::from_secs(1);

/// Where a run stands when it is opened to be carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many tasks were selected.
    pub selected: u64,
    /// How many of them ended with each outcome so far.
    pub settled: OutcomeCounts,
    /// The highest number of an attempt.
    pub attempts: u64,
    /// When the last attempts were sent, oldest first.
    pub last_sent: Vec<Timestamp>,
}

/// A task without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsettledTask {
    /// The task.
    pub task: Task,
    /// How often it was sent.
    pub attempts: u32,
    /// How many of these were throttled.
    pub throttled: u32,
    /// Whether any of them may have been carried out.
    pub in_doubt: bool,
    /// When the first was sent.
    pub first_sent: Option<Timestamp>,
}

/// The writer of a run, as its users hold it; dropping it ends the thread.
#[derive(Debug)]
pub struct RunWriter {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    standing: Standing,
}

enum Job {
    Commit { events: Vec<Event>, done: oneshot::Sender<Result<Vec<Event>, StoreError>> },
    Claim { most: usize, done: oneshot::Sender<Result<Vec<UnsettledTask>, StoreError>> },
}

impl RunWriter {
    /// Opens a run and begins a session of this process in it.
    ///
    /// `recall` is how many of the last sending times are wanted.
    pub fn open(
        runs: &RunDirectory,
        run: &RunId,
        now: Timestamp,
        recall: u32,
    ) -> Result<Self, StoreError> {
        let path = runs.file(run);
        let connection = schema::open_writer(&path)?;
        let (state, standing) =
            State::new(connection, path.clone(), now, recall).map_err(sqlite(&path))?;
        let (jobs, queue) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("store".into())
            .spawn(move || state.work(&queue))
            .map_err(super::error::file(&path))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), standing })
    }

    /// Returns where the run stood when it was opened.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Makes events durable and gives them back; the work begins at once.
    pub fn commit(
        &self,
        events: Vec<Event>,
    ) -> impl Future<Output = Result<Vec<Event>, StoreError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        self.ask(Job::Commit { events, done }, answer)
    }

    /// Hands out the next tasks without an outcome, each once.
    pub fn claim(
        &self,
        most: usize,
    ) -> impl Future<Output = Result<Vec<UnsettledTask>, StoreError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        self.ask(Job::Claim { most, done }, answer)
    }

    fn ask<T: Send + 'static>(
        &self,
        job: Job,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static {
        // Where the thread is gone the job is dropped, and its answer with it.
        let _ = self.jobs.as_ref().expect("taken out only when dropped").send(job);
        async move { answer.await.unwrap_or(Err(StoreError::WriterGone)) }
    }
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been told as `WriterGone` to whoever waited.
            let _ = thread.join();
        }
    }
}

/// What the thread owns.
struct State {
    connection: Connection,
    path: PathBuf,
    origin: Timestamp,
    session: i64,
    /// Begun by earlier processes and not settled; handed out before the rest.
    open: BTreeMap<Ordinal, OpenTask>,
    settled: Settled,
    /// The next ordinal to hand out.
    cursor: u32,
}

impl State {
    fn new(
        connection: Connection,
        path: PathBuf,
        now: Timestamp,
        recall: u32,
    ) -> rusqlite::Result<(Self, Standing)> {
        let (origin, selected) =
            connection.query_row("SELECT origin_us, selected FROM run", [], |row| {
                Ok((Timestamp::from_micros(row.get(0)?), row.get(1)?))
            })?;
        let settled = Settled::read(&connection)?;
        let open = open_tasks(&connection, &settled)?;
        let standing = Standing {
            selected,
            settled: count_outcomes(&connection)?,
            attempts: connection.query_row(
                "SELECT ifnull(max(seq), 0) FROM attempt",
                [],
                |row| row.get(0),
            )?,
            last_sent: last_sent(&connection, origin, recall)?,
        };
        let session = begin_session(&connection, now.as_micros() - origin.as_micros())?;
        let state = Self { connection, path, origin, session, open, settled, cursor: 0 };
        Ok((state, standing))
    }

    fn work(mut self, queue: &mpsc::Receiver<Job>) {
        while let Ok(job) = queue.recv() {
            // Who asked may have gone meanwhile; what was committed stays committed.
            match job {
                Job::Commit { events, done } => {
                    let committed = self.commit_patiently(&events);
                    let _ = done.send(committed.map(|()| events));
                }
                Job::Claim { most, done } => {
                    let claimed = self.claim(most).map_err(sqlite(&self.path));
                    let _ = done.send(claimed);
                }
            }
        }
        // Leaves one file behind instead of three; without it nothing is lost.
        let _ = self.connection.pragma_update(None, "wal_checkpoint", "truncate");
    }

    fn commit_patiently(&mut self, events: &[Event]) -> Result<(), StoreError> {
        let mut waited = Duration::ZERO;
        loop {
            match self.commit(events).map_err(sqlite(&self.path)) {
                Err(StoreError::Full { .. }) if waited < FULL_PATIENCE => {
                    thread::sleep(FULL_STEP);
                    waited += FULL_STEP;
                }
                result => return result,
            }
        }
    }

    fn commit(&mut self, events: &[Event]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let sheet = Sheet { connection: &transaction, origin: self.origin, session: self.session };
        for event in events {
            sheet.write(event)?;
        }
        transaction.commit()
    }

    /// Hands out tasks in the order of the plan, from the cursor on.
    fn claim(&mut self, most: usize) -> rusqlite::Result<Vec<UnsettledTask>> {
        let mut claimed = Vec::new();
        let mut query = self.connection.prepare_cached(
            "SELECT ordinal, id, command FROM task WHERE ordinal >= ? ORDER BY ordinal",
        )?;
        let mut rows = query.query([self.cursor])?;
        while let Some(row) = rows.next()? {
            let ordinal = Ordinal(row.get(0)?);
            self.cursor = ordinal.0 + 1;
            if self.settled.contains(ordinal) {
                continue;
            }
            let id = row.get_ref(1)?.as_str()?.parse().expect("only checked ids are stored");
            let task = Task { ordinal, id, command: command_of(row.get(2)?) };
            claimed.push(unsettled(task, self.open.remove(&ordinal), self.origin));
            if claimed.len() >= most {
                break;
            }
        }
        Ok(claimed)
    }
}

fn unsettled(task: Task, open: Option<OpenTask>, origin: Timestamp) -> UnsettledTask {
    let first_sent = open.map(|open| origin.plus_micros(open.first_sent_us));
    let open = open.unwrap_or_default();
    let OpenTask { attempts, throttled, in_doubt, .. } = open;
    UnsettledTask { task, attempts, throttled, in_doubt, first_sent }
}

pub(super) fn count_outcomes(connection: &Connection) -> rusqlite::Result<OutcomeCounts> {
    let mut counts = OutcomeCounts::default();
    let mut query = connection.prepare("SELECT outcome, count(*) FROM outcome GROUP BY outcome")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        counts[outcome_of(row.get(0)?)] = row.get(1)?;
    }
    Ok(counts)
}

/// Reads an outcome back from its number.
pub(super) fn outcome_of(number: i64) -> Outcome {
    let known = usize::try_from(number).ok().and_then(|index| Outcome::ALL.get(index));
    // A number that no version wrote: nothing trustworthy is known of the task.
    known.copied().unwrap_or(Outcome::Ambiguous)
}

/// Returns when the last attempts were sent. One that never ended may have left somewhat later
/// than it says, since its time was noted before it was made durable.
fn last_sent(
    connection: &Connection,
    origin: Timestamp,
    most: u32,
) -> rusqlite::Result<Vec<Timestamp>> {
    const LATEST_START_MICROS: i64 = 2_000_000;
    let mut query = connection.prepare(
        "SELECT sent_us + iif(duration_us IS NULL, ?, 0) AS sent
         FROM attempt ORDER BY seq DESC LIMIT ?",
    )?;
    let rows =
        query.query_map([LATEST_START_MICROS, i64::from(most)], |row| row.get::<_, i64>(0))?;
    let mut sent: Vec<i64> = rows.collect::<Result<_, _>>()?;
    sent.sort_unstable();
    Ok(sent.into_iter().map(|micros| origin.plus_micros(micros)).collect())
}

fn begin_session(connection: &Connection, started_us: i64) -> rusqlite::Result<i64> {
    connection.execute(
        "INSERT INTO session (started_us, process, version) VALUES (?, ?, ?)",
        params![started_us, std::process::id(), env!("CARGO_PKG_VERSION")],
    )?;
    Ok(connection.last_insert_rowid())
}
