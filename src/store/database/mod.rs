//! Keeps runs in a PostgreSQL database, so that workers on several machines can share them.
//!
//! The same bytes as in a run's file: plan chunks and segments under checksums. A worker has a lease
//! on a chunk; each claim has the next epoch, and a flush counts only with the epoch of the present
//! lease. All SQL of PostgreSQL is in this room.

mod address;
mod beat;
mod chunk_tasks;
mod error;
mod leases;
mod link;
mod plan;
mod runs;
mod schema;
mod slots;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
mod writer;

pub use address::{AddressError, AddressSecrets, AddressSource, DatabaseAddress};
pub use beat::{SignOfLife, Wishes};
pub use error::DatabaseError;
pub use leases::{ChunkClaim, Fate, Flush, LeasedChunk, Worker};
pub use plan::{NewChunk, NewDatabaseRun, chunk_size};
pub use runs::DatabaseRuns;
pub use schema::TABLES;
pub use slots::SlotGrant;
pub use writer::{ChunkKey, ClaimedTasks, DatabaseWriter, Flushed};
