//! Keeps each run in one SQLite file: its plan, every attempt before it is sent, every outcome.
//!
//! One connection writes, on a thread of its own and under a lock that the kernel frees when the
//! process dies; other processes may read a live run. An event is durable when its commit
//! returned, so after a kill every task is exactly one of settled, in doubt and never sent. Outcomes
//! that follow from states are decided by functions that the caller passes in.
//!
//! Must not know the engine, displays or reports, nor another home of runs, and never overwrites a
//! file it did not make. `repair`, `reading`, `loading` and `database` work on the same tables, and see
//! only what is named here. The words are explained in `docs/GLOSSARY.md`, the format and its reasons
//! in `docs/design/store.md`.

pub(crate) mod codes;
mod error;
mod files;
mod home;
mod ids;
mod other_home;
mod record;
pub(crate) mod schema;
#[cfg(test)]
pub(crate) mod tests;
mod unsettled;
mod writing;

pub use error::StoreError;
pub(crate) use error::{damage, file, sqlite};
#[cfg(feature = "postgres")]
pub use files::TemporaryRuns;
pub use files::{JobLock, RunDirectory, RunLock, find_among, lock_job, private_directory};
pub(crate) use files::{
    MayHaveLeft, Watermark, absolute, has_company, is_copy, part_of, read_text,
};
#[cfg(feature = "postgres")]
pub(crate) use files::{beside, remove_if_there};
pub(crate) use home::{
    ChunkBodies, ChunkIndex, FoldedSums, Home, Segment, Totals, Walk, WalkError, for_each_fact,
    for_each_planned, for_each_planned_of, head_text, read_sessions, told,
};
pub use home::{TakeoverRow, WorkerRow};
#[cfg(feature = "postgres")]
pub(crate) use home::{parse_head, write_workers};
pub use ids::{JobName, JobNameError, RunId, RunIdError};
pub use other_home::{OtherHomeError, OtherHomeFailure};
pub use record::{
    NewRun, RunRecord, ServiceRecord, SessionRecord, ShardedPlan, SourceRecord, StoredEnd,
};
#[cfg(feature = "postgres")]
pub(crate) use writing::event_records::{fact_of, session_started, with_run_record};
pub use writing::{ResumePoint, RunWriter, Surveyed, TaskSelection, UnsettledTask};
pub(crate) use writing::{Survey, awaited, is_empty, observed_states, write_alone};
