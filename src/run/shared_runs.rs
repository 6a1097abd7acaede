//! The runs of a database, as commands read them: each is copied into a file first.
//!
//! The copies are in a directory of their own, which vanishes with this value. So reports, lists and
//! retries have no line about databases.

use crate::clock::Clock;
use crate::database::{
    Copied, CopyMark, DatabaseAddress, DatabaseError, DatabaseRuns, JobAnswer, MostUncertain,
    Ordered, RunStanding, SlotTerms, Then,
};
use crate::event::Change;
use crate::policy::SharedSlots;
use crate::repair::DamagedPart;
use crate::run::patience::Patience;
use crate::run::shared_run::OnUncertain;
use crate::settings::RunSettings;
use crate::store::{JobName, RunDirectory, RunId, RunLock, StoreError, TemporaryRuns, find_among};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How long a database is asked again that does not answer: it was there a moment ago.
const PATIENCE: Duration = Duration::from_secs(10);

/// The runs of a database.
#[derive(Debug)]
pub struct SharedRuns {
    address: DatabaseAddress,
    copies: TemporaryRuns,
    connection: Mutex<Connection>,
}

/// The connection, on a runtime of its own.
#[derive(Debug)]
struct Connection {
    runtime: Runtime,
    runs: DatabaseRuns,
    patience: Patience,
    /// Runs that others are on, so that their copies count as running.
    running: Vec<RunLock>,
    /// Where the copies end, one for each target of a run.
    marks: HashMap<RunId, Vec<CopyMark>>,
}

impl Connection {
    /// Asks the database, and once more if it was away.
    fn with<T>(
        &mut self,
        ask: impl AsyncFnMut(&mut DatabaseRuns) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.runtime.block_on(self.patience.ask(&mut self.runs, ask))
    }

    /// Returns the copies that a run has, with where each of them ends.
    fn copies(
        &mut self,
        id: &RunId,
        directory: &RunDirectory,
    ) -> Result<Vec<(PathBuf, CopyMark)>, StoreError> {
        let marks = self.marks.remove(id).ok_or_else(|| no_such_run(id))?;
        let copy = |(part, mark)| (directory.part_file(id, part), mark);
        Ok(marks.into_iter().enumerate().map(copy).collect())
    }
}

impl SharedRuns {
    /// Opens the runs of a database; their copies go below `state`.
    ///
    /// # Errors
    ///
    /// The database cannot be used, or no directory can be made.
    pub fn open(address: DatabaseAddress, state: &Path) -> Result<Self, StoreError> {
        Self::open_with(state, address, DatabaseRuns::open)
    }

    /// Opens the runs of a database that may have none yet.
    ///
    /// # Errors
    ///
    /// Those of [`SharedRuns::open`].
    pub fn open_or_empty(address: DatabaseAddress, state: &Path) -> Result<Self, StoreError> {
        Self::open_with(state, address, DatabaseRuns::open_or_empty)
    }

    fn open_with<F: Future<Output = Result<DatabaseRuns, DatabaseError>>>(
        state: &Path,
        address: DatabaseAddress,
        open: impl FnOnce(DatabaseAddress) -> F,
    ) -> Result<Self, StoreError> {
        let failed = |source| StoreError::File { path: state.into(), source };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let runs = runtime.block_on(open(address.clone()))?;
        let copies = TemporaryRuns::make(state, address.shown())?;
        let patience = Patience { clock: Clock::start(), span: PATIENCE };
        let (running, marks) = (Vec::new(), HashMap::new());
        let connection = Mutex::new(Connection { runtime, runs, patience, running, marks });
        Ok(Self { address, copies, connection })
    }

    /// Returns the address.
    pub fn address(&self) -> &DatabaseAddress {
        &self.address
    }

    /// Returns the directory of the copies, as a state directory.
    pub fn state(&self) -> &Path {
        self.copies.state()
    }

    /// Finds a run as [`RunDirectory::find`] does, and among those of a job if one is named.
    ///
    /// # Errors
    ///
    /// There is no such run, or the database is away.
    pub fn find(&self, wanted: &str, job: Option<&str>) -> Result<RunId, StoreError> {
        let ids = self.with(async |runs| Ok(runs.ids().await?))?;
        let ids =
            ids.into_iter().filter(|(_, of)| job.is_none_or(|job| of.as_deref() == Some(job)));
        find_among(ids.map(|(id, _)| id).collect(), wanted)
    }

    /// Returns all runs, the oldest first.
    ///
    /// # Errors
    ///
    /// The database is away.
    pub fn list(&self) -> Result<Vec<RunId>, StoreError> {
        let ids = self.with(async |runs| Ok(runs.ids().await?))?;
        Ok(ids.into_iter().map(|(id, _)| id).collect())
    }

    /// Returns the bytes of plan and journal of each run, without those of indexes.
    ///
    /// # Errors
    ///
    /// The database is away.
    pub fn sizes(&self) -> Result<HashMap<RunId, u64>, StoreError> {
        self.with(async |runs| Ok(runs.sizes().await?))
    }

    /// Returns the newest run with open tasks that nobody has stopped.
    ///
    /// # Errors
    ///
    /// The database is away.
    pub fn next_to_work(&self) -> Result<Option<RunId>, StoreError> {
        self.with(async |runs| Ok(runs.next_to_work().await?))
    }

    /// Copies a run, in place of an earlier copy, to be reported.
    ///
    /// # Errors
    ///
    /// There is no such run, it is damaged, the database is away, or the copy cannot be written.
    pub fn copy(&self, id: &RunId) -> Result<(), StoreError> {
        let is_running = self.copy_by(id, async |runs, to| runs.copy(id, to).await)?;
        if is_running { self.count_as_running(id) } else { Ok(()) }
    }

    /// Copies a run, to be carried out.
    ///
    /// # Errors
    ///
    /// Those of [`SharedRuns::copy`].
    pub fn copy_to_work(&self, id: &RunId) -> Result<(), StoreError> {
        self.copy_by(id, async |runs, to| runs.copy(id, to).await).map(drop)
    }

    /// Copies a run of which parts may be damaged, to see what is whole, or to repair it.
    ///
    /// # Errors
    ///
    /// Those of [`SharedRuns::copy`]; the description of the run is damaged.
    pub fn copy_damaged(&self, id: &RunId) -> Result<(), StoreError> {
        let is_running = self.copy_by(id, async |runs, to| runs.copy_damaged(id, to).await)?;
        if is_running { self.count_as_running(id) } else { Ok(()) }
    }

    /// Copies a run, remembers where the copy ends, and returns whether a worker is on it.
    fn copy_by(
        &self,
        id: &RunId,
        mut copy: impl AsyncFnMut(&mut DatabaseRuns, &RunDirectory) -> Result<Copied, StoreError>,
    ) -> Result<bool, StoreError> {
        let directory = RunDirectory::open(self.state())?;
        let mut connection = self.lock();
        connection.running.retain(|lock| lock.run() != id);
        let copied = connection.with(async |runs| copy(runs, &directory).await)?;
        connection.marks.insert(id.clone(), copied.marks);
        Ok(copied.is_running)
    }

    /// Lets the copy of a run count as running.
    fn count_as_running(&self, id: &RunId) -> Result<(), StoreError> {
        let lock = RunDirectory::open(self.state())?.lock(id, "workers of other processes")?;
        self.lock().running.push(lock);
        Ok(())
    }

    /// Takes in the repair of the copy of a run that no worker is on.
    ///
    /// # Errors
    ///
    /// A worker is on the run, or was since it was copied: nothing is taken in then. The database is
    /// away, or the copy cannot be read.
    pub fn publish_repair(&self, id: &RunId, parts: &[DamagedPart]) -> Result<(), StoreError> {
        self.publish_by(id, async |runs, copies| runs.publish_repair(copies, parts).await)
    }

    /// Takes in what was added to the copy of a run that no worker is on.
    ///
    /// # Errors
    ///
    /// A worker has gone on with the run since it was copied: nothing is taken in then. The database is
    /// away, or the copy cannot be read.
    pub fn publish(&self, id: &RunId, then: Then) -> Result<(), StoreError> {
        self.publish_by(id, async |runs, copies| runs.publish(copies, then).await)
    }

    fn publish_by(
        &self,
        id: &RunId,
        publish: impl AsyncFnOnce(&mut DatabaseRuns, &[(PathBuf, CopyMark)]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let directory = RunDirectory::open(self.state())?;
        let mut connection = self.lock();
        let copies = connection.copies(id, &directory)?;
        let Connection { runtime, runs, .. } = &mut *connection;
        if runtime.block_on(publish(runs, &copies))? {
            return Ok(());
        }
        Err(StoreError::Busy { run: id.clone(), holder: "workers that have come meanwhile".into() })
    }

    /// Takes a job once, for a run that is there or for one that is to come.
    pub(crate) fn take_job(
        &self,
        job: &JobName,
        run: Option<&RunId>,
        holder: &str,
    ) -> Result<JobAnswer, StoreError> {
        let run = run.map(|id| self.number(id)).transpose()?;
        let job = job.to_string();
        self.with(async |runs| Ok(runs.take_job(&job, run, holder).await?))
    }

    /// Notes that nothing is left to do in a run, if that is so and no worker is on it.
    ///
    /// # Errors
    ///
    /// The database is away.
    pub fn end(&self, id: &RunId) -> Result<(), StoreError> {
        let rows = self.numbers(id)?;
        self.with(async |runs| Ok(runs.end(&rows).await?))
    }

    /// Returns where runs stand, the oldest first: all of them, or one.
    ///
    /// # Errors
    ///
    /// The database is away, or a description is damaged.
    pub fn standings(&self, only: Option<&RunId>) -> Result<Vec<RunStanding>, StoreError> {
        self.with(async |runs| Ok(runs.standings(only).await?))
    }

    /// Returns the sending slots that each target of a run shares with the others of its rate group, if
    /// it has one; `targets` are the settings of all of them, and of a run without any its own.
    ///
    /// # Errors
    ///
    /// The database is away, or there is no such run.
    pub fn group_slots(
        &self,
        id: &RunId,
        targets: &[RunSettings],
        clock: Clock,
        on_uncertain: &OnUncertain,
    ) -> Result<Vec<Option<SharedSlots>>, StoreError> {
        let rows = self.numbers(id)?;
        let slots = targets.iter().zip(rows).map(|(settings, run)| {
            if settings.rate_group.is_none() {
                return Ok(None);
            }
            let trip = self.with(async |runs| Ok(runs.trip(run).await?))?;
            let on_uncertain = Arc::clone(on_uncertain);
            let terms = SlotTerms {
                run,
                clock,
                most_uncertain: MostUncertain::new(settings, trip),
                on_uncertain: Box::new(move |own, most| on_uncertain(own, most)),
            };
            Ok(Some(SharedSlots::new(DatabaseRuns::slots(self.address.clone(), terms)?)))
        });
        slots.collect()
    }

    /// Changes a run for all its workers: at all of its targets, or at one of them. A change that holds
    /// for one of them is one.
    ///
    /// # Errors
    ///
    /// The database is away, or there is no such run.
    pub fn order(
        &self,
        id: &RunId,
        target: Option<usize>,
        change: Change,
        by: &str,
    ) -> Result<Ordered, StoreError> {
        let run = self.standings(Some(id))?.pop();
        let origin = run.ok_or_else(|| no_such_run(id))?.record.run.origin;
        let mut answers = Vec::new();
        for (index, row) in self.numbers(id)?.into_iter().enumerate() {
            if target.is_none_or(|target| target == index) {
                let order = self.with(async |runs| Ok(runs.order(row, origin, change, by).await?));
                answers.push(order?);
            }
        }
        let order = [Ordered::Changed, Ordered::AsBefore, Ordered::Stopping, Ordered::Finished];
        order.into_iter().find(|it| answers.contains(it)).ok_or_else(|| no_such_run(id))
    }

    /// Removes a run for good.
    ///
    /// # Errors
    ///
    /// A worker is on it, or the database is away.
    pub fn remove(&self, id: &RunId) -> Result<(), StoreError> {
        let rows = self.numbers(id)?;
        if self.with(async |runs| Ok(runs.remove(&rows).await?))? {
            return Ok(());
        }
        Err(StoreError::Busy { run: id.clone(), holder: "its workers".into() })
    }

    /// Returns the numbers of the rows of a run, one for each target.
    fn numbers(&self, id: &RunId) -> Result<Vec<i64>, StoreError> {
        let found = self.with(async |runs| Ok(runs.numbers_of(id).await?))?;
        if found.is_empty() { Err(no_such_run(id)) } else { Ok(found) }
    }

    /// Returns the number of a run: of several targets that of the first.
    fn number(&self, id: &RunId) -> Result<i64, StoreError> {
        Ok(self.numbers(id)?[0])
    }

    fn with<T>(
        &self,
        ask: impl AsyncFnMut(&mut DatabaseRuns) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.lock().with(ask)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        // A connection that was broken by a panic is made anew.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_such_run(id: &RunId) -> StoreError {
    StoreError::NoSuchRun { wanted: id.to_string() }
}
