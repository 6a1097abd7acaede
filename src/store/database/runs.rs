//! The front door of the room: the runs of a database, over one connection.

use crate::clock::Timestamp;
use crate::event::Change;
use crate::store::database::address::DatabaseAddress;
use crate::store::database::copies::{Copied, Wanted};
use crate::store::database::copy::{CopyMark, OnDamage};
use crate::store::database::error::DatabaseError;
use crate::store::database::leases::Worker;
use crate::store::database::link::Link;
use crate::store::database::orders::Ordered;
use crate::store::database::plan::{NewChunk, NewDatabaseRun, RateTerms};
use crate::store::database::planned::StoredTerms;
use crate::store::database::publish::Then;
use crate::store::database::slot_source::{DatabaseSlots, SlotTerms};
use crate::store::database::standing::RunStanding;
use crate::store::database::work::WorkTerms;
use crate::store::database::writer::DatabaseWriter;
use crate::store::database::{
    copies, orders, parts, plan, planned, publish, repaired, schema, standing,
};
use crate::store::error::StoreError;
use crate::store::files::RunDirectory;
use crate::store::ids::RunId;
use crate::store::repair::DamagedPart;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

/// The runs of a database.
#[derive(Debug)]
pub struct DatabaseRuns {
    pub(super) link: Link,
}

impl DatabaseRuns {
    /// Opens the runs of a database, and makes the tables if they are missing.
    ///
    /// # Errors
    ///
    /// The database is away, too old or foreign, or this user may not make the tables.
    pub async fn create(address: DatabaseAddress) -> Result<Self, DatabaseError> {
        let mut link = Link::new(address)?;
        schema::prepare(&mut link).await?;
        Ok(Self { link })
    }

    /// Opens the runs of a database whose tables are there.
    ///
    /// # Errors
    ///
    /// The database is away or too old, or has no tables of this version.
    pub async fn open(address: DatabaseAddress) -> Result<Self, DatabaseError> {
        let mut link = Link::new(address)?;
        schema::check(&mut link).await?;
        Ok(Self { link })
    }

    /// Makes the tables if they are missing, and brings them up to date.
    ///
    /// # Errors
    ///
    /// Those of [`DatabaseRuns::create`].
    pub(crate) async fn prepare(&mut self) -> Result<(), DatabaseError> {
        schema::prepare(&mut self.link).await
    }

    /// Returns the runs of a database that was opened before, without asking it.
    ///
    /// # Errors
    ///
    /// TLS is not to be had.
    pub(crate) fn at(address: DatabaseAddress) -> Result<Self, DatabaseError> {
        Ok(Self { link: Link::new(address)? })
    }

    /// Opens the runs of a database whose tables may be missing.
    ///
    /// # Errors
    ///
    /// Those of [`DatabaseRuns::open`], except that there are no tables.
    pub async fn open_or_empty(address: DatabaseAddress) -> Result<Self, DatabaseError> {
        let mut link = Link::new(address)?;
        match schema::check(&mut link).await {
            Ok(()) | Err(DatabaseError::NoTables { .. }) => Ok(Self { link }),
            Err(error) => Err(error),
        }
    }

    /// Stores a run with all its chunks, and returns its number; one that is stored already stays as
    /// it is.
    ///
    /// # Errors
    ///
    /// Nothing is stored then, unless the database stayed away after its answer was lost.
    pub async fn plan(
        &mut self,
        run: &NewDatabaseRun,
        chunks: Vec<NewChunk>,
    ) -> Result<i64, DatabaseError> {
        Ok(plan::store(&mut self.link, &[(run.clone(), chunks)]).await?[0])
    }

    /// Returns the numbers of the rows of a run, one for each of its targets; none if it is not there.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn numbers_of(&mut self, id: &RunId) -> Result<Vec<i64>, DatabaseError> {
        parts::numbers_of(&mut self.link, id).await
    }

    /// Joins a run as its next worker.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn join(
        &mut self,
        run: i64,
        host: &str,
        process: u32,
        version: &str,
    ) -> Result<Worker, DatabaseError> {
        Worker::join(&mut self.link, run, host, process, version).await
    }

    /// Lets a worker carry its part of a run out.
    ///
    /// # Errors
    ///
    /// The system cannot start a thread.
    pub fn writer(self, worker: Worker, terms: WorkTerms) -> std::io::Result<DatabaseWriter> {
        // The connection belongs to the runtime that made it; the thread makes one of its own.
        DatabaseWriter::start(self.link.without_connection(), worker, terms)
    }

    /// Returns the sending slots of a run.
    ///
    /// # Errors
    ///
    /// The system cannot start a thread, or TLS is not to be had.
    pub(crate) fn slots(
        address: DatabaseAddress,
        terms: SlotTerms,
    ) -> Result<DatabaseSlots, StoreError> {
        let link = Link::new(address)?;
        let shown = link.shown().to_owned();
        let failed = |source| DatabaseError::Unreachable { shown, source: Box::new(source) };
        Ok(DatabaseSlots::start(link, terms).map_err(failed)?)
    }

    /// Copies a run into its file in a directory, or into one for each of its targets; returns whether a
    /// worker is on it, and where each copy ends.
    ///
    /// # Errors
    ///
    /// There is no such run, it is damaged, the database is away, or the file cannot be written.
    pub async fn copy(
        &mut self,
        id: &RunId,
        runs: &RunDirectory,
    ) -> Result<(bool, Vec<CopyMark>), StoreError> {
        let wanted = Wanted { part: None, on_damage: OnDamage::Refuse };
        let Copied { is_running, marks } = copies::copy(&mut self.link, id, runs, wanted).await?;
        Ok((is_running, marks))
    }

    /// Copies one target of a run, and returns where its copy ends; of a run without targets there is
    /// only the first.
    ///
    /// # Errors
    ///
    /// Those of [`DatabaseRuns::copy`].
    pub(crate) async fn copy_part(
        &mut self,
        id: &RunId,
        part: usize,
        runs: &RunDirectory,
    ) -> Result<CopyMark, StoreError> {
        let wanted = Wanted { part: Some(part), on_damage: OnDamage::Refuse };
        let copied = copies::copy(&mut self.link, id, runs, wanted).await?;
        let no_such_run = || StoreError::NoSuchRun { wanted: id.to_string() };
        copied.marks.into_iter().next().ok_or_else(no_such_run)
    }

    /// Takes in what was added to copies of targets of a run; returns whether it counts. If not,
    /// nothing was changed: another process has gone on with the run.
    ///
    /// # Errors
    ///
    /// A copy cannot be read, or the database is away.
    pub async fn publish(
        &mut self,
        copies: &[(PathBuf, CopyMark)],
        then: Then,
    ) -> Result<bool, StoreError> {
        let read = |(copy, mark): &(PathBuf, CopyMark)| {
            publish::read(copy, mark).map(|additions| (mark.run, additions))
        };
        let parts = copies.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(publish::publish(&mut self.link, &parts, then).await?)
    }

    /// Copies a run of which parts may be damaged; what is not whole is not whole in the file either.
    ///
    /// # Errors
    ///
    /// Those of [`DatabaseRuns::copy`]; the description of the run is damaged.
    pub async fn copy_damaged(
        &mut self,
        id: &RunId,
        runs: &RunDirectory,
    ) -> Result<(bool, Vec<CopyMark>), StoreError> {
        let wanted = Wanted { part: None, on_damage: OnDamage::Keep };
        let Copied { is_running, marks } = copies::copy(&mut self.link, id, runs, wanted).await?;
        Ok((is_running, marks))
    }

    /// Takes in the repair of the copies of a run; returns whether it counts. If not, nothing was
    /// changed: a worker is on the run, or was since it was copied.
    ///
    /// # Errors
    ///
    /// The copy cannot be read, or the database is away.
    pub async fn publish_repair(
        &mut self,
        copies: &[(PathBuf, CopyMark)],
        damaged: &[DamagedPart],
    ) -> Result<bool, StoreError> {
        let read = |(copy, mark): &(PathBuf, CopyMark)| {
            repaired::read(copy, mark, damaged).map(|repair| (mark.run, repair))
        };
        let parts = copies.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(repaired::publish(&mut self.link, &parts).await?)
    }

    /// Stores the plans that are in the files of a run, and returns the numbers of its rows here.
    ///
    /// # Errors
    ///
    /// Nothing is stored then.
    pub async fn plan_from(
        &mut self,
        runs: &RunDirectory,
        id: &RunId,
        terms: StoredTerms,
    ) -> Result<Vec<i64>, StoreError> {
        let parts = planned::read(runs, id, terms)?;
        Ok(plan::store(&mut self.link, &parts).await?)
    }

    /// Returns the ids of all runs with their jobs, the oldest first.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn ids(&mut self) -> Result<Vec<(RunId, Option<String>)>, DatabaseError> {
        standing::ids(&mut self.link).await
    }

    /// Returns the bytes of plan and journal of each run, without those of indexes.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn sizes(&mut self) -> Result<HashMap<RunId, u64>, DatabaseError> {
        parts::sizes(&mut self.link).await
    }

    /// Returns the newest run with open tasks that nobody has stopped.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn next_to_work(&mut self) -> Result<Option<RunId>, DatabaseError> {
        standing::next_to_work(&mut self.link).await
    }

    /// Returns where runs stand, the oldest first: all of them, or one.
    ///
    /// # Errors
    ///
    /// Those of the database; a description that is damaged.
    pub async fn standings(
        &mut self,
        only: Option<&RunId>,
    ) -> Result<Vec<RunStanding>, DatabaseError> {
        standing::standings(&mut self.link, only).await
    }

    /// Changes a run for all its workers; `origin` is the time from which those of the run count.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn order(
        &mut self,
        run: i64,
        origin: Timestamp,
        change: Change,
        by: &str,
    ) -> Result<Ordered, DatabaseError> {
        orders::order(&mut self.link, run, origin.as_micros(), change, by).await
    }

    /// Lets a run go on that was stopped, with this number of tolerated failures from now on.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn take_up(
        &mut self,
        run: i64,
        tolerated: u64,
        least_lease: Duration,
    ) -> Result<(), DatabaseError> {
        orders::take_up(&mut self.link, run, tolerated, least_lease).await
    }

    /// Returns the longest way to the database and back with which the rate of a run holds.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) async fn trip(&mut self, run: i64) -> Result<Duration, DatabaseError> {
        orders::trip(&mut self.link, run).await
    }

    /// Lets a worker with this way to the database and back keep the rate, and returns the longest one
    /// that is allowed for.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn allow_trip(
        &mut self,
        run: i64,
        trip: Duration,
    ) -> Result<Duration, DatabaseError> {
        orders::allow_trip(&mut self.link, run, trip).await
    }

    /// Lets workers carry out a plan of its own, at all of its targets; returns whether nobody has done
    /// so before.
    ///
    /// # Errors
    ///
    /// Those of the database; then it may be applied all the same.
    pub async fn apply(&mut self, rows: &[i64]) -> Result<bool, DatabaseError> {
        orders::apply(&mut self.link, rows).await
    }

    /// Gives a run that is taken up the rate that it has now.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn set_rate(&mut self, run: i64, rate: &RateTerms) -> Result<(), DatabaseError> {
        plan::set_rate(&mut self.link, run, rate).await
    }

    /// Returns how long new calls may be sent, of the span that began with the first worker.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn time_left(&mut self, run: i64, span: Duration) -> Result<Duration, DatabaseError> {
        orders::time_left(&mut self.link, run, span).await
    }

    /// Removes a run with all of its rows, unless a worker is on it; returns whether it is gone.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn remove(&mut self, rows: &[i64]) -> Result<bool, DatabaseError> {
        orders::remove(&mut self.link, rows).await
    }
}
