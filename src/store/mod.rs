//! Keeps each run in one SQLite file: its plan, every attempt before it is sent, every outcome.
//!
//! One connection writes, on a thread of its own and under a lock that the kernel frees when the
//! process dies; other processes may read a live run. An event is durable when its commit
//! returned, so after a kill every task is exactly one of settled, in doubt and never sent. Outcomes
//! that follow from states are decided by functions that the caller passes in.
//!
//! Must not know the engine, displays or reports, and never overwrites a file it did not make. The
//! words are explained in `docs/GLOSSARY.md`, the format and its reasons in `docs/design/store.md`.

mod codes;
#[cfg(feature = "postgres")]
pub mod database;
mod error;
mod external_sort;
mod files;
mod home;
mod ids;
mod ordinal_map;
mod ordinal_set;
mod planning;
mod reading;
mod repair;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod unsettled;
mod writing;

pub use error::StoreError;
#[cfg(feature = "postgres")]
pub use files::TemporaryRuns;
pub use files::{
    JobLock, RateKey, RunDirectory, RunLock, find_among, keep_learnt_rate, learnt_rate, lock_job,
    private_directory,
};
pub use ids::{JobName, JobNameError, RunId, RunIdError};
pub use planning::{
    NewPlan, PlanTotals, PlannedRun, PlannedTargets, ServicePlan, TemporaryPlan, plan_from_run,
    plan_run, plan_run_of_targets, temporary_plan, temporary_plans,
};
pub use reading::{
    DrillRecord, ExportError, FollowedFile, MergeError, NewRun, RunBrief, RunReader, RunRecord,
    RunState, ServiceRecord, SessionRecord, ShardRow, ShardedPlan, SourceRecord, StoredEnd,
    TakeoverRow, TaskPair, WorkerRow, for_each_pair,
};
pub use repair::DamagedPart;
pub use rows::{
    AttemptRow, ChangeRow, HoldRow, PlanRow, SeenRow, SendingRow, TaskHistory, TaskRow,
};
pub use writing::{ResumePoint, RunWriter, Surveyed, TaskSelection, UnsettledTask, repair};
