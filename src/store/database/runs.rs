//! The front door of the room: the runs of a database, over one connection.

use crate::clock::{Clock, Timestamp};
use crate::store::database::address::DatabaseAddress;
use crate::store::database::beat::{SignOfLife, Wishes};
use crate::store::database::error::DatabaseError;
use crate::store::database::leases::{ChunkClaim, Fate, Flush, LeasedChunk, Worker};
use crate::store::database::link::Link;
use crate::store::database::plan::{NewChunk, NewDatabaseRun};
use crate::store::database::slots::SlotGrant;
use crate::store::database::writer::DatabaseWriter;
use crate::store::database::{plan, schema, slots};
use crate::store::ids::RunId;
use std::time::Duration;

/// The runs of a database.
#[derive(Debug)]
pub struct DatabaseRuns {
    link: Link,
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

    /// Stores a run with all its chunks, and returns its number.
    ///
    /// # Errors
    ///
    /// Nothing is stored then.
    pub async fn plan(
        &mut self,
        run: &NewDatabaseRun,
        chunks: Vec<NewChunk>,
    ) -> Result<i64, DatabaseError> {
        plan::store(&mut self.link, run, chunks).await
    }

    /// Returns the number of a run, if it is there.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn number_of(&mut self, id: &RunId) -> Result<Option<i64>, DatabaseError> {
        plan::number_of(&mut self.link, id).await
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

    /// Lets a worker carry its part of a run out, over this connection; times count from `origin`.
    ///
    /// The database may be away for as long as `patience`.
    ///
    /// # Errors
    ///
    /// The system cannot start a thread.
    pub fn writer(
        self,
        worker: Worker,
        origin: Timestamp,
        clock: Clock,
        patience: Duration,
    ) -> std::io::Result<DatabaseWriter> {
        // The connection belongs to the runtime that made it; the thread makes one of its own.
        DatabaseWriter::start(self.link.without_connection(), worker, origin, clock, patience)
    }

    /// Claims a chunk.
    ///
    /// # Errors
    ///
    /// Those of the database; a chunk that is damaged.
    pub async fn claim(&mut self, worker: Worker) -> Result<ChunkClaim, DatabaseError> {
        worker.claim(&mut self.link).await
    }

    /// Appends segments, and returns what became of each.
    ///
    /// # Errors
    ///
    /// Those of the database. After one that may pass, the same flushes are sent again: what landed
    /// is recognised.
    pub async fn flush(
        &mut self,
        worker: Worker,
        flushes: &[Flush],
    ) -> Result<Vec<Fate>, DatabaseError> {
        worker.flush(&mut self.link, flushes).await
    }

    /// Gives chunks back, each with its epoch.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn give_back(
        &mut self,
        worker: Worker,
        chunks: &[(u32, u32)],
    ) -> Result<(), DatabaseError> {
        worker.give_back(&mut self.link, chunks).await
    }

    /// Records how many tasks were in doubt when a chunk was taken over.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn note_doubts(
        &mut self,
        worker: Worker,
        chunk: &LeasedChunk,
        in_doubt: u32,
    ) -> Result<(), DatabaseError> {
        worker.note_doubts(&mut self.link, chunk, in_doubt).await
    }

    /// Renews the leases of chunks, each with its epoch.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn beat(
        &mut self,
        worker: Worker,
        sign: SignOfLife,
        held: &[(u32, u32)],
    ) -> Result<Wishes, DatabaseError> {
        worker.beat(&mut self.link, sign, held).await
    }

    /// Reserves sending slots of a run.
    ///
    /// # Errors
    ///
    /// Those of the database. No slot is the worker's then.
    pub async fn grant_slots(&mut self, run: i64, wanted: i32) -> Result<SlotGrant, DatabaseError> {
        slots::grant(&mut self.link, &plan::scope_of(run), wanted).await
    }

    /// Keeps the sending slots of a run free until then.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn hold_slots(&mut self, run: i64, until_ns: i64) -> Result<(), DatabaseError> {
        slots::hold(&mut self.link, &plan::scope_of(run), until_ns).await
    }
}
