//! What the thread of a run's writer owns: the file, and what is still to be handed out of it.
//!
//! Batches are committed whole and in order. When the disk is full nothing new can be sent,
//! because nothing becomes durable; the outcomes at hand are kept and tried again for a minute.
//! Any other failure is final: after it nothing is written any more, not even by way of cleaning
//! up, for a second fsync would report as safe what the first one lost.

use crate::clock::Timestamp;
use crate::event::Event;
use crate::store::error::{StoreError, sqlite};
use crate::store::files::{CommitWriter, FileIdentity, MayHaveLeft, Watermark, integrity_check};
use crate::store::schema;
use crate::store::writing::event_writer::EventWriter;
use crate::store::writing::resume_point;
use crate::store::writing::resume_point::{ResumePoint, SettledTasks};
use crate::store::writing::task_queue::{TaskQueue, UnsettledTask};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long, and in which steps, a full disk is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    whole: Duration,
    step: Duration,
    /// What waits; tests do not.
    pub(crate) pause: fn(Duration),
}

/// A minute: somebody who is told at once can make room in it.
const PATIENCE: Patience = Patience {
    whole: Duration::from_secs(60),
    step: Duration::from_secs(1),
    // Ends early when somebody is in a hurry.
    pause: thread::park_timeout,
};

/// What the thread is asked for.
pub(crate) enum Job {
    Commit {
        events: Vec<Event>,
        done: oneshot::Sender<Result<Vec<Event>, StoreError>>,
    },
    Claim {
        most: usize,
        done: oneshot::Sender<Result<Vec<UnsettledTask>, StoreError>>,
    },
    /// Anything else; tells whether there may be another job.
    Work(Box<dyn FnOnce(&mut WriterThread) -> bool + Send>),
}

/// Whose part in the run what is written belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// A session that begins now.
    Own(Timestamp),
    /// The last session there was, or one that begins now.
    OfLast(Timestamp),
}

/// What the thread owns.
#[derive(Debug)]
pub(crate) struct WriterThread {
    pub(crate) connection: Connection,
    pub(crate) patience: Patience,
    pub(crate) hurried: Arc<AtomicBool>,
    pub(crate) path: PathBuf,
    pub(crate) origin: Timestamp,
    selected: u64,
    session: i64,
    /// Both are there once there is a session.
    presence: Option<FileIdentity>,
    pub(crate) mark: Option<CommitWriter>,
    pub(crate) queue: TaskQueue,
}

impl WriterThread {
    /// Opens the file, looks where the run stands, and only then begins a session.
    pub(crate) fn open(
        path: &Path,
        part: Part,
        recall: u32,
    ) -> Result<(Self, ResumePoint), StoreError> {
        let watermark = Watermark::read(path);
        let connection = schema::open_writer(path)?;
        watermark.check(path, &connection)?;
        let may_have_left = watermark.may_have_left;
        let failed = sqlite(path);
        let clean = resume_point::ended_cleanly(&connection).map_err(&failed)?;
        // Both read the whole file; together they take as long as one of them.
        let (healthy, taken_up) = thread::scope(|scope| {
            let check = (!clean).then(|| scope.spawn(|| integrity_check::check(path)));
            let taken_up = Self::take_up(connection, path, recall, may_have_left);
            let healthy = check.map_or(Ok(()), |check| check.join().expect("checks do not panic"));
            (healthy, taken_up)
        });
        healthy?;
        let (mut writing, standing) = taken_up.map_err(&failed)?;
        writing.forget_what_never_left(may_have_left).map_err(&failed)?;
        writing.begin_part(part).map_err(&failed)?;
        writing.presence = Some(FileIdentity::read(path)?);
        writing.mark = Some(CommitWriter::open(path, &writing.connection, standing.attempts)?);
        Ok((writing, standing))
    }

    fn take_up(
        connection: Connection,
        path: &Path,
        recall: u32,
        may_have_left: MayHaveLeft,
    ) -> rusqlite::Result<(Self, ResumePoint)> {
        let (origin, selected) = resume_point::origin_and_selected(&connection)?;
        let settled = SettledTasks::read(&connection)?;
        let standing = ResumePoint::read(&connection, &settled, recall, may_have_left)?;
        let queue = TaskQueue::new(&connection, settled.ordinals, origin, may_have_left)?;
        let writing = Self {
            connection,
            patience: PATIENCE,
            hurried: Arc::default(),
            path: path.to_owned(),
            origin,
            selected,
            session: 0,
            presence: None,
            mark: None,
            queue,
        };
        Ok((writing, standing))
    }

    /// Takes back what an earlier process had begun and not sent, as it would have done itself.
    fn forget_what_never_left(&self, may_have_left: MayHaveLeft) -> rusqlite::Result<()> {
        let begun = "DELETE FROM attempt WHERE duration_us IS NULL AND seq > ?";
        self.connection.execute(begun, [may_have_left.last()]).map(|_| ())
    }

    fn begin_part(&mut self, part: Part) -> rusqlite::Result<()> {
        match part {
            Part::Own(now) => self.begin_session(now),
            Part::OfLast(now) => match resume_point::last_session(&self.connection)? {
                Some(session) => {
                    self.session = session;
                    Ok(())
                }
                None => self.begin_session(now),
            },
        }
    }

    fn begin_session(&mut self, now: Timestamp) -> rusqlite::Result<()> {
        let started = now.as_micros().saturating_sub(self.origin.as_micros());
        self.session = resume_point::begin_session(&self.connection, started)?;
        Ok(())
    }

    pub(crate) fn work(mut self, queue: &mpsc::Receiver<Job>, _lock: Arc<File>) {
        while let Ok(job) = queue.recv() {
            if !self.carry_out(job) {
                return self.abandon();
            }
        }
        self.close();
    }

    /// Carries out one job; tells whether there may be another.
    fn carry_out(&mut self, job: Job) -> bool {
        // Who asked may have gone meanwhile; what was committed stays committed.
        match job {
            Job::Commit { events, done } => {
                let (origin, session) = (self.origin, self.session);
                let committed = self.commit_patiently(|connection| {
                    let event_writer = EventWriter::new(connection, origin, session);
                    events.iter().try_for_each(|event| event_writer.write(event))
                });
                let goes_on = committed.is_ok();
                let _ = done.send(committed.map(|()| events));
                goes_on
            }
            Job::Claim { most, done } => {
                let claimed = self.claim(most);
                let goes_on = claimed.is_ok();
                let _ = done.send(claimed);
                goes_on
            }
            Job::Work(work) => work(self),
        }
    }

    /// Writes in one commit, and waits for room on a full disk.
    pub(crate) fn commit_patiently<T>(
        &mut self,
        write: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut waited = Duration::ZERO;
        loop {
            self.presence.as_ref().map_or(Ok(()), FileIdentity::check)?;
            match self.commit(&write).map_err(sqlite(&self.path)) {
                Err(StoreError::Full { .. }) if self.waits(waited) => {
                    (self.patience.pause)(self.patience.step);
                    waited += self.patience.step;
                }
                result => return result,
            }
        }
    }

    fn waits(&self, waited: Duration) -> bool {
        waited < self.patience.whole && !self.hurried.load(Ordering::Relaxed)
    }

    fn commit<T>(
        &mut self,
        write: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction = self.connection.transaction()?;
        let written = write(&transaction)?;
        EventWriter::new(&transaction, self.origin, self.session).count_commit()?;
        transaction.commit()?;
        if let Some(mark) = &mut self.mark {
            mark.advance();
        }
        Ok(written)
    }

    fn claim(&mut self, most: usize) -> Result<Vec<UnsettledTask>, StoreError> {
        let claimed = self.queue.take(&self.connection, most).map_err(sqlite(&self.path))?;
        let counted = self.queue.accounted_for();
        if claimed.len() < most && counted != self.selected {
            let detail = format!("the plan has {counted} of {} tasks", self.selected);
            return Err(StoreError::Damaged { path: self.path.clone(), detail });
        }
        Ok(claimed)
    }

    /// Leaves one file behind instead of three; without it nothing is lost.
    fn close(self) {
        // Not worth waiting for a reader.
        let _ = self.connection.busy_timeout(Duration::ZERO);
        let _ = self.connection.pragma_update(None, "wal_checkpoint", "truncate");
    }

    /// Closes the file as it is.
    fn abandon(self) {
        let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    }
}
