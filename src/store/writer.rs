//! The one writer of a run: a thread that commits batches of events and hands out tasks.
//!
//! Batches are committed whole and in order. When the disk is full nothing new can be sent,
//! because nothing becomes durable; the outcomes at hand are kept and tried again for a minute.
//! Any other failure is final: after it nothing is written any more, not even by way of cleaning
//! up, for a second fsync would report as safe what the first one lost.

use super::claims::Claims;
use super::claims::UnsettledTask;
use super::directory::RunDirectory;
use super::directory::RunLock;
use super::error::StoreError;
use super::error::file;
use super::error::sqlite;
use super::health;
use super::mark::Mark;
use super::mark::Remembered;
use super::presence::Presence;
use super::schema;
use super::sheet::Sheet;
use super::standing;
use super::standing::Settled;
use super::standing::Standing;
use crate::clock::Timestamp;
use crate::event::Event;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long, and in which steps, a full disk is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    whole: Duration,
    step: Duration,
    /// What waits; tests do not.
    pub(super) pause: fn(Duration),
}

/// A minute: somebody who is told at once can make room in it.
const PATIENCE: Patience = Patience {
    whole: Duration::from_secs(60),
    step: Duration::from_secs(1),
    // Ends early when somebody is in a hurry.
    pause: thread::park_timeout,
};

/// The writer of a run, as its users hold it; dropping it ends the thread.
#[derive(Debug)]
pub struct RunWriter {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    hurried: Arc<AtomicBool>,
    standing: Standing,
}

enum Job {
    Commit {
        events: Vec<Event>,
        done: oneshot::Sender<Result<Vec<Event>, StoreError>>,
    },
    Claim {
        most: usize,
        done: oneshot::Sender<Result<Vec<UnsettledTask>, StoreError>>,
    },
    /// Anything else; tells whether there may be another job.
    Work(Box<dyn FnOnce(&mut Writing) -> bool + Send>),
}

/// Whose part in the run what is written belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A session that begins now.
    Own(Timestamp),
    /// The last session there was, or one that begins now.
    OfLast(Timestamp),
}

impl RunWriter {
    /// Opens a run and begins a session of this process in it.
    ///
    /// `recall` is how many of the last sending times are wanted. The lock stays held for as long
    /// as the writer lives, whatever becomes of `lock`.
    ///
    /// # Errors
    ///
    /// A file that is no run of a version that is known; one that is damaged, for which it is
    /// searched where the last process did not come to its end. Nothing was changed in it then.
    pub fn open(
        runs: &RunDirectory,
        lock: &RunLock,
        now: Timestamp,
        recall: u32,
    ) -> Result<Self, StoreError> {
        let path = runs.file(lock.run());
        if !path.exists() {
            return Err(StoreError::NoSuchRun { wanted: lock.run().to_string() });
        }
        let (writing, standing) = Writing::open(&path, Part::Own(now), recall)?;
        Self::start(writing, standing, lock)
    }

    /// Opens a run to add to the part of its last process, where there was one: what is learnt
    /// of its tasks afterwards begins no session.
    pub fn reopen(runs: &RunDirectory, lock: &RunLock, now: Timestamp) -> Result<Self, StoreError> {
        let path = runs.file(lock.run());
        let (writing, standing) = Writing::open(&path, Part::OfLast(now), 0)?;
        Self::start(writing, standing, lock)
    }

    pub(super) fn start(
        writing: Writing,
        standing: Standing,
        lock: &RunLock,
    ) -> Result<Self, StoreError> {
        let failed = file(&writing.path);
        let (jobs, queue) = mpsc::channel();
        let lock = lock.hold();
        let hurried = Arc::clone(&writing.hurried);
        let thread = thread::Builder::new().name("store".into());
        let thread = thread.spawn(move || writing.work(&queue, lock)).map_err(failed)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), hurried, standing })
    }

    /// Returns where the run stood when it was opened.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Makes events durable and gives them back; the work begins at once.
    ///
    /// Dropping the future changes nothing: they are committed all the same.
    ///
    /// # Errors
    ///
    /// None of them is durable then, and no later ones will be: the run is over.
    pub fn commit(
        &self,
        events: Vec<Event>,
    ) -> impl Future<Output = Result<Vec<Event>, StoreError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        self.ask(Job::Commit { events, done }, answer)
    }

    /// Hands out the next tasks without an outcome, each once and in the order of the plan; none
    /// if there are no more.
    ///
    /// What was handed out to a future that is dropped stays unsettled until the run is opened
    /// again.
    pub fn claim(
        &self,
        most: usize,
    ) -> impl Future<Output = Result<Vec<UnsettledTask>, StoreError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        self.ask(Job::Claim { most, done }, answer)
    }

    /// Waits no longer for room on a full disk, now and later.
    pub fn hurry(&self) {
        self.hurried.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Has the thread do something else; after an error nothing is written any more.
    pub(super) fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writing) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static {
        let (done, answer) = oneshot::channel();
        let job = move |writing: &mut Writing| {
            let worked = work(writing);
            let goes_on = worked.is_ok();
            let _ = done.send(worked);
            goes_on
        };
        self.ask(Job::Work(Box::new(job)), answer)
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
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) connection: Connection,
    pub(super) patience: Patience,
    hurried: Arc<AtomicBool>,
    pub(super) path: PathBuf,
    pub(super) origin: Timestamp,
    selected: u64,
    session: i64,
    /// Both are there once there is a session.
    presence: Option<Presence>,
    mark: Option<Mark>,
    pub(super) claims: Claims,
}

impl Writing {
    /// Opens the file, looks where the run stands, and only then begins a session.
    pub(super) fn open(
        path: &Path,
        part: Part,
        recall: u32,
    ) -> Result<(Self, Standing), StoreError> {
        let remembered = Remembered::of(path);
        let connection = schema::open_writer(path)?;
        remembered.check(path, &connection)?;
        let failed = sqlite(path);
        let clean = standing::ended_cleanly(&connection).map_err(&failed)?;
        // Both read the whole file; together they take as long as one of them.
        let (healthy, taken_up) = thread::scope(|scope| {
            let check = (!clean).then(|| scope.spawn(|| health::check(path)));
            let taken_up = Self::take_up(connection, path, recall);
            let healthy = check.map_or(Ok(()), |check| check.join().expect("checks do not panic"));
            (healthy, taken_up)
        });
        healthy?;
        let (mut writing, standing) = taken_up.map_err(&failed)?;
        writing.begin_part(part).map_err(&failed)?;
        writing.presence = Some(Presence::of(path)?);
        writing.mark = Some(Mark::open(path, &writing.connection)?);
        Ok((writing, standing))
    }

    fn take_up(
        connection: Connection,
        path: &Path,
        recall: u32,
    ) -> rusqlite::Result<(Self, Standing)> {
        let (origin, selected) = standing::origin_and_selected(&connection)?;
        let settled = Settled::read(&connection)?;
        let standing = Standing::read(&connection, &settled, recall)?;
        let claims = Claims::new(&connection, settled.ordinals, origin)?;
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
            claims,
        };
        Ok((writing, standing))
    }

    fn begin_part(&mut self, part: Part) -> rusqlite::Result<()> {
        match part {
            Part::Own(now) => self.begin_session(now),
            Part::OfLast(now) => match standing::last_session(&self.connection)? {
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
        self.session = standing::begin_session(&self.connection, started)?;
        Ok(())
    }

    fn work(mut self, queue: &mpsc::Receiver<Job>, _lock: Arc<File>) {
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
                    let sheet = Sheet { connection, origin, session };
                    events.iter().try_for_each(|event| sheet.write(event))
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
    pub(super) fn commit_patiently<T>(
        &mut self,
        write: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut waited = Duration::ZERO;
        loop {
            self.presence.as_ref().map_or(Ok(()), Presence::check)?;
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
        let sheet = Sheet { connection: &transaction, origin: self.origin, session: self.session };
        sheet.count_commit()?;
        transaction.commit()?;
        if let Some(mark) = &mut self.mark {
            mark.advance();
        }
        Ok(written)
    }

    fn claim(&mut self, most: usize) -> Result<Vec<UnsettledTask>, StoreError> {
        let claimed = self.claims.take(&self.connection, most).map_err(sqlite(&self.path))?;
        let counted = self.claims.accounted_for();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_writer_that_panics_fails_the_run_and_what_follows() {
        let (jobs, queue) = mpsc::channel();
        let thread = thread::spawn(move || {
            let _job = queue.recv();
            panic!("a defect in the store");
        });
        let writer = RunWriter {
            jobs: Some(jobs),
            thread: Some(thread),
            hurried: Arc::default(),
            standing: Standing::default(),
        };
        for _ in 0..2 {
            let committed = block_on(writer.commit(Vec::new()));
            assert!(matches!(committed, Err(StoreError::WriterGone)));
        }
        assert!(matches!(block_on(writer.claim(1)), Err(StoreError::WriterGone)));
    }
}
