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
use crate::clock::Timestamp;
use crate::event::AttemptResult;
use crate::event::AttemptSeq;
use crate::event::Event;
use crate::event::EventKind;
use crate::event::RunStats;
use crate::event::StopReason;
use crate::task::Failure;
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

/// One transaction, event by event.
struct Sheet<'a> {
    connection: &'a Connection,
    origin: Timestamp,
    session: i64,
}

impl Sheet<'_> {
    fn write(&self, event: &Event) -> rusqlite::Result<()> {
        match &event.kind {
            EventKind::AttemptStarted { seq, task, number } => {
                self.attempt_started(*seq, task.ordinal, *number, event.at)
            }
            EventKind::AttemptWithdrawn { seq, task: _ } => self.attempt_withdrawn(*seq),
            EventKind::AttemptEnded { seq, task: _, result } => self.attempt_ended(*seq, result),
            EventKind::TaskSettled { task, outcome, seq, attempts, first_sent } => {
                self.task_settled(task.ordinal, *outcome, *seq, (*attempts, *first_sent, event.at))
            }
            EventKind::RunHeld { until, reason } => self.execute(
                "INSERT INTO hold (from_us, until_us, reason) VALUES (?, ?, ?)",
                params![self.micros(event.at), self.micros(*until), reason.as_str()],
            ),
            EventKind::RunEnded(stats) => self.run_ended(stats, event.at),
            EventKind::RunStarted(_)
            | EventKind::RetryScheduled { .. }
            | EventKind::RunContinued
            | EventKind::RunStopping { .. } => Ok(()),
        }
    }

    fn attempt_started(
        &self,
        seq: AttemptSeq,
        ordinal: Ordinal,
        number: u32,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        self.execute(
            "INSERT INTO attempt (seq, ordinal, number, sent_us) VALUES (?, ?, ?, ?)",
            params![seq.0, ordinal.0, number, self.micros(at)],
        )
    }

    fn attempt_withdrawn(&self, seq: AttemptSeq) -> rusqlite::Result<()> {
        self.execute("DELETE FROM attempt WHERE seq = ?", [seq.0])
    }

    fn attempt_ended(&self, seq: AttemptSeq, result: &AttemptResult) -> rusqlite::Result<()> {
        let counts = result.counts;
        self.execute(
            "UPDATE attempt SET sent_us = ?2, duration_us = ?3, in_doubt = ?4, http_status = ?5,
                 request_id = ?6, total_count = ?7, failed_count = ?8, succeed_count = ?9
             WHERE seq = ?1",
            params![
                seq.0,
                self.micros(result.sent),
                i64::try_from(result.duration.as_micros()).unwrap_or(i64::MAX),
                result.in_doubt.then_some(true),
                result.http_status,
                result.request_id,
                counts.map(|counts| stored_count(counts.total)),
                counts.map(|counts| stored_count(counts.failed)),
                counts.map(|counts| stored_count(counts.succeeded)),
            ],
        )?;
        result.failure.as_ref().map_or(Ok(()), |failure| self.attempt_failed(seq, failure))
    }

    fn attempt_failed(&self, seq: AttemptSeq, failure: &Failure) -> rusqlite::Result<()> {
        let list = &failure.error_list;
        let list = serde_json::to_string(list).expect("texts are JSON");
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.execute(
            "UPDATE attempt SET error_kind = ?2, error_code = ?3, error_msg = ?4, reason = ?5,
                 advice = ?6, error_list = ?7
             WHERE seq = ?1",
            params![
                seq.0,
                failure.kind.as_str(),
                known(&failure.code),
                known(&failure.message),
                known(&failure.reason),
                known(&failure.advice),
                (!failure.error_list.is_empty()).then_some(list),
            ],
        )
    }

    fn task_settled(
        &self,
        ordinal: Ordinal,
        outcome: Outcome,
        seq: AttemptSeq,
        (attempts, first_sent, at): (u32, Timestamp, Timestamp),
    ) -> rusqlite::Result<()> {
        self.execute(
            "INSERT INTO outcome (ordinal, outcome, seq, attempts, first_sent_us, settled_us)
             VALUES (?, ?, ?, ?, ?, ?)",
            params![
                ordinal.0,
                outcome as i64,
                seq.0,
                attempts,
                self.micros(first_sent),
                self.micros(at)
            ],
        )
    }

    fn run_ended(&self, stats: &RunStats, at: Timestamp) -> rusqlite::Result<()> {
        self.execute(
            "UPDATE session SET ended_us = ?2, stopped = ?3, held_us = ?4 WHERE number = ?1",
            params![
                self.session,
                self.micros(at),
                stats.stopped.as_ref().map(StopReason::as_str),
                i64::try_from(stats.held.as_micros()).unwrap_or(i64::MAX),
            ],
        )
    }

    fn execute(&self, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute(values).map(|_| ())
    }

    fn micros(&self, at: Timestamp) -> i64 {
        at.as_micros() - self.origin.as_micros()
    }
}

/// SQLite's integers are signed.
fn stored_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
