//! Keeps runs in a PostgreSQL database, so that workers on several machines can share them.
//!
//! The second home of a run. It holds the same bytes as a run's file: plan chunks and segments under
//! checksums. A worker has a lease on a chunk; each claim has the next epoch, and a flush counts only
//! with the epoch of the present lease. All SQL of PostgreSQL is here.
//!
//! What is shown of a run is read from a copy in a file. Must not know the engine, displays or
//! reports, and never reads an answer of the service. See `docs/GLOSSARY.md`: worker, lease, takeover.

mod address;
mod beat;
mod chunk_tasks;
mod committing;
mod common_pace;
mod copied;
mod copies;
mod copy;
mod dsn;
mod error;
mod job;
mod leases;
mod link;
mod numbers;
mod orders;
mod parting;
mod parts;
mod phase;
mod phases;
mod plan;
mod planned;
mod publish;
mod rates;
mod records;
mod repaired;
mod runs;
mod schema;
mod segments;
mod slot_source;
mod slots;
mod standing;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
mod told_quota;
mod transact;
mod unrecorded;
mod work;
mod worker;
mod writer;

pub use address::{AddressError, AddressSecrets, AddressSource, DatabaseAddress};
pub use beat::{SignOfLife, Wishes};
pub use common_pace::PaceStanding;
pub use copies::Copied;
pub use copy::CopyMark;
pub use error::{DatabaseError, ServerWords, WhyOld};
pub use job::{JobAnswer, KEEP_EVERY};
pub use leases::Worker;
pub use orders::Ordered;
pub use phase::Phase;
pub use phases::{PhaseStanding, TakenPhase};
#[cfg(test)]
pub(crate) use plan::{NewChunk, NewDatabaseRun, chunk_size};
pub use planned::StoredTerms;
pub use publish::Then;
pub use rates::{RateTerms, SHORT_TRIP};
pub use runs::DatabaseRuns;
pub use schema::TABLES;
pub use slot_source::DatabaseSlots;
pub(crate) use slot_source::{MostUncertain, SlotTerms};
pub use slots::SlotGrant;
pub use standing::{RunStanding, WorkerStanding};
pub use unrecorded::UnrecordedOutcomes;
pub use work::{ChunkKey, ClaimedTasks, Flushed, WorkTerms};
pub use writer::DatabaseWriter;
pub(crate) use writer::Recorder;
