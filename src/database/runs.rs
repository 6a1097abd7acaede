//! The front door of the room: the runs of a database, over one connection.

use crate::clock::{Clock, Timestamp};
use crate::database::address::DatabaseAddress;
use crate::database::error::DatabaseError;
use crate::database::leases::Worker;
use crate::database::link::Link;
use crate::database::rates::scope_of;
use crate::database::slot_source::{DatabaseSlots, SlotTerms};
use crate::database::slots::SlotGrant;
use crate::database::work::WorkTerms;
use crate::database::writer::DatabaseWriter;
use crate::database::{schema, slots};
use crate::store::StoreError;

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

    /// Returns by how many microseconds a clock is ahead of the database's, to half a round trip.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) async fn clock_ahead(&mut self, clock: Clock) -> Result<i64, DatabaseError> {
        let now = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8";
        self.link
            .with(async |client| {
                // The connection is there already, so that its making is not taken for the way.
                let asked = clock.now();
                let row = client.query_typed_one(now, &[]).await?;
                let way = clock.now().micros_since(asked) / 2;
                Ok(asked.plus_micros(way).micros_since(Timestamp::from_micros(row.get(0))))
            })
            .await
    }

    /// Reserves sending slots of a run.
    ///
    /// # Errors
    ///
    /// Those of the database. No slot is the worker's then.
    pub async fn grant_slots(&mut self, run: i64, wanted: i32) -> Result<SlotGrant, DatabaseError> {
        slots::grant(&mut self.link, &scope_of(run), wanted).await
    }
}
