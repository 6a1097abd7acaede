//! The thread of a run's writer, and what it owns: the file, and the tasks that are not handed out.
//!
//! Batches are committed whole and in order. On a full disk nothing becomes durable, so nothing new
//! can be sent; the thread keeps the outcomes at hand and retries for a minute. Any other failure is
//! final. After it nothing is written any more, not even to clean up, because a second fsync would
//! report as safe what the first one lost. See `docs/GLOSSARY.md`: commit, durable, session.

use crate::clock::Timestamp;
use crate::event::{WaitCause, WaitSign};
use crate::journal::Fact;
use crate::store::error::{StoreError, sqlite};
use crate::store::files::{CommitWriter, FileIdentity, MayHaveLeft, Watermark};
use crate::store::home::{Home, read_sessions};
use crate::store::schema;
use crate::store::writing::batch::{Batch, Scratch};
use crate::store::writing::event_records::session_started;
use crate::store::writing::integrity_check;
use crate::store::writing::journal_end::JournalEnd;
use crate::store::writing::journal_scan::JournalScan;
use crate::store::writing::resume_point::ResumePoint;
use crate::store::writing::task_queue::{TaskQueue, UnsettledTask};
use crate::task::Ordinal as TaskOrdinal;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// How long, and in which steps, the thread waits for room on a full disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    whole: Duration,
    step: Duration,
    /// The wait itself; tests replace it.
    pub(crate) pause: fn(Duration),
}

/// A minute: an operator who sees the message at once can make room in it.
const PATIENCE: Patience = Patience {
    whole: Duration::from_secs(60),
    step: Duration::from_secs(1),
    // Ends early when the operator stops the run a second time.
    pause: thread::park_timeout,
};

/// A job for the thread; returns whether there may be another one.
pub(crate) type Job = Box<dyn FnOnce(&mut WriterThread) -> bool + Send>;

/// The session that the thread writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionStart {
    /// A session that begins now.
    New(Timestamp),
    /// The last session, or one that begins now if there is none.
    Last(Timestamp),
}

impl SessionStart {
    /// Returns the present time.
    fn now(self) -> Timestamp {
        match self {
            Self::New(now) | Self::Last(now) => now,
        }
    }
}

/// A run that was read: its writer, where it stands, the tasks whose attempts were not sent, and
/// whether the segments alone gave its totals.
type Resumed = (WriterThread, ResumePoint, Vec<TaskOrdinal>, bool);

/// The state of the thread.
#[derive(Debug)]
pub(crate) struct WriterThread {
    pub(crate) connection: Connection,
    pub(crate) patience: Patience,
    pub(crate) hurried: Arc<AtomicBool>,
    /// Up while it waits for room.
    pub(crate) sign: WaitSign,
    pub(crate) path: PathBuf,
    pub(crate) origin: Timestamp,
    /// The number of selected tasks whose ids are known.
    selected: u64,
    /// The number of the session, from 1.
    session: u32,
    pub(crate) end: JournalEnd,
    scratch: Scratch,
    /// `None` until the session has begun.
    identity: Option<FileIdentity>,
    /// `None` until the session has begun.
    pub(crate) watermark: Option<CommitWriter>,
    pub(crate) queue: TaskQueue,
}

impl WriterThread {
    /// Opens the file, reads where the run stands, and only then begins a session.
    pub(crate) fn open(
        path: &Path,
        start: SessionStart,
        recall: u32,
    ) -> Result<(Self, ResumePoint), StoreError> {
        // Under the run's lock nobody else changes the watermark or the file.
        let watermark = Watermark::read(path);
        let connection = schema::open_writer(path)?;
        let home = Home::new(&connection);
        let failed = sqlite(path);
        watermark.check(path, home.totals().map_err(&failed)?.commits)?;
        let may_have_left = watermark.may_have_left;
        let origin = home.head().map_err(&failed)?.run.origin;
        let sessions = read_sessions(home, origin).map_err(&failed)?;
        let is_clean = sessions.last().is_none_or(|session| session.end.is_some());
        // The check and the scan both read the whole file; side by side they take as long as one
        // of them. Nothing is written before both have succeeded.
        let (healthy, resumed) = thread::scope(|scope| {
            let check = (!is_clean).then(|| scope.spawn(|| integrity_check::check(path)));
            let resumed = Self::resume(connection, path, recall, may_have_left, start.now());
            let healthy = match check {
                Some(check) => check.join().expect("checks do not panic"),
                None => Ok(()),
            };
            (healthy, resumed)
        });
        healthy?;
        let (mut writer, resume_point, unsent, totals_are_known) = resumed?;
        if !is_clean && !totals_are_known {
            integrity_check::check_sums(path)?;
        }
        let sessions = u32::try_from(sessions.len()).unwrap_or(u32::MAX);
        writer.begin(start, sessions, &unsent).map_err(&failed)?;
        // After the first write: only then does the log exist.
        writer.identity = Some(FileIdentity::read(path)?);
        let (commits, attempts) = (writer.end.totals.commits, resume_point.attempts);
        writer.watermark = Some(CommitWriter::open(path, commits, attempts)?);
        Ok((writer, resume_point))
    }

    fn resume(
        connection: Connection,
        path: &Path,
        recall: u32,
        may_have_left: MayHaveLeft,
        now: Timestamp,
    ) -> Result<Resumed, StoreError> {
        let home = Home::new(&connection);
        let head = home.head().map_err(sqlite(path))?;
        let origin = head.run.origin;
        let now_us = now.micros_since(origin);
        let scan = JournalScan::read(home, recall, may_have_left, now_us).map_err(sqlite(path))?;
        let damaged = |detail| StoreError::Damaged { path: path.into(), detail };
        let tasks = scan.end.index.tasks();
        // Tasks whose ids are lost can never be handed out.
        let selected = head.selected.saturating_sub(scan.end.totals.lost_tasks);
        if tasks != selected {
            return Err(damaged(format!("the plan has {tasks} of {selected} tasks")));
        }
        let (settled, outcomes) = (scan.end.settled.len(), scan.end.totals.settled.selected());
        let fits = scan.settled.is_none_or(|settled| settled == scan.end.totals.settled);
        if settled != outcomes || !fits {
            return Err(damaged(format!("{settled} tasks have {outcomes} outcomes")));
        }
        let resume_point = ResumePoint::new(&scan, origin, selected);
        let totals_are_known = scan.settled.is_some();
        let place = path.parent().unwrap_or(path).display().to_string();
        let queue = TaskQueue::new(scan.open, settled, origin);
        let writer = Self {
            connection,
            patience: PATIENCE,
            hurried: Arc::default(),
            sign: WaitSign::new(WaitCause::NoRoom, place, PATIENCE.whole),
            path: path.to_owned(),
            origin,
            selected,
            session: 0,
            end: scan.end,
            scratch: Scratch::default(),
            identity: None,
            watermark: None,
            queue,
        };
        Ok((writer, resume_point, scan.unsent, totals_are_known))
    }

    /// Begins the session of this process, and withdraws the attempts that an earlier process began
    /// and did not send: it would have withdrawn them itself.
    fn begin(
        &mut self,
        start: SessionStart,
        sessions: u32,
        unsent: &[TaskOrdinal],
    ) -> rusqlite::Result<()> {
        let begins = match start {
            SessionStart::New(now) => Some(now),
            SessionStart::Last(now) => (sessions == 0).then_some(now),
        };
        self.session = sessions + u32::from(begins.is_some());
        if begins.is_none() && unsent.is_empty() {
            return Ok(());
        }
        let origin = self.origin;
        self.commit(|batch, _| {
            if let Some(now) = begins {
                let at_us = now.micros_since(origin);
                batch.push_run(&session_started(at_us));
            }
            unsent.iter().try_for_each(|&ordinal| batch.push(ordinal, Fact::Withdrawn))
        })
    }

    /// Carries out jobs until no more can come or one has failed; holds the run's lock meanwhile.
    pub(crate) fn work(mut self, queue: &mpsc::Receiver<Job>, _lock: Arc<File>) {
        while let Ok(job) = queue.recv() {
            if !job(&mut self) {
                return self.abandon();
            }
        }
        self.close();
    }

    /// Writes in one commit, and waits for room on a full disk.
    ///
    /// `write` may be called several times, each time in a new transaction.
    pub(crate) fn commit_patiently<T>(
        &mut self,
        write: impl Fn(&mut Batch<'_>, &Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut waited = Duration::ZERO;
        loop {
            // Before every try: somebody who makes room may remove the file itself.
            if let Some(identity) = &self.identity {
                identity.check()?;
            }
            match self.commit(&write).map_err(sqlite(&self.path)) {
                Err(StoreError::Full { .. }) if self.waits(waited) => {
                    self.sign.raise();
                    (self.patience.pause)(self.patience.step);
                    waited += self.patience.step;
                }
                result => {
                    self.sign.lower();
                    return result;
                }
            }
        }
    }

    fn waits(&self, waited: Duration) -> bool {
        waited < self.patience.whole && !self.hurried.load(Ordering::Relaxed)
    }

    fn commit<T>(
        &mut self,
        write: impl Fn(&mut Batch<'_>, &Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction = self.connection.transaction()?;
        let mut batch = Batch::new(&transaction, &self.end, self.session, &mut self.scratch);
        let written = write(&mut batch, &transaction)?;
        let changes = batch.finish()?;
        transaction.commit()?;
        self.end.apply(changes);
        if let Some(watermark) = &mut self.watermark {
            watermark.advance();
        }
        Ok(written)
    }

    /// Hands out the next tasks without an outcome.
    pub(crate) fn claim(&mut self, limit: usize) -> Result<Vec<UnsettledTask>, StoreError> {
        let home = Home::new(&self.connection);
        let claimed = self.queue.take(home, &self.end, limit).map_err(sqlite(&self.path))?;
        let counted = self.queue.accounted_for();
        // The end of the plan is believed only if every task was accounted for: a row that went
        // missing must not look like a finished run.
        if claimed.len() < limit && counted != self.selected {
            let detail = format!("the plan has {counted} of {} tasks", self.selected);
            return Err(StoreError::Damaged { path: self.path.clone(), detail });
        }
        Ok(claimed)
    }

    /// Leaves one file behind instead of three; if it fails nothing is lost.
    fn close(self) {
        // Without waiting for a reader: the next process does the same.
        let _ = self.connection.busy_timeout(Duration::ZERO);
        let _ = self.connection.pragma_update(None, "wal_checkpoint", "truncate");
    }

    /// Closes the file as it is.
    fn abandon(self) {
        let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    }
}
