//! What a worker does in a run, one statement at a time; its thread does the same with patience.

use crate::store::database::beat::{SignOfLife, Wishes};
use crate::store::database::error::DatabaseError;
use crate::store::database::leases::{ChunkClaim, Fate, Flush, LeasedChunk, Worker};
use crate::store::database::runs::DatabaseRuns;
use crate::store::database::slots::SlotGrant;
use crate::store::database::{plan, slots};

impl DatabaseRuns {
    /// Claims a chunk.
    ///
    /// # Errors
    ///
    /// Those of the database; a chunk that is damaged.
    pub async fn claim(&mut self, worker: Worker) -> Result<ChunkClaim, DatabaseError> {
        worker.claim(&mut self.link, &[]).await
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

    /// Records how many tasks of a chunk were in doubt when it was claimed: a takeover.
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
