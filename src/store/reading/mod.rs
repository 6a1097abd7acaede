//! Reads a run: tasks in order, without writing, from one snapshot.
//!
//! Everything is a fold of the journal. The words of states and outcomes are explained in
//! `docs/GLOSSARY.md`.

mod attempts;
mod compare;
mod damaged;
mod drill;
mod export;
mod followed;
mod history;
pub(crate) mod integrity_check;
mod queries;
mod reader;
mod record;
mod rows_in_order;
mod run_facts;
mod run_state;
mod shards;
mod task_rows;
mod walk;
mod workers;

pub use compare::{TaskPair, for_each_pair};
pub(crate) use damaged::stand_in;
pub use drill::DrillRecord;
pub use export::ExportError;
pub use followed::FollowedFile;
pub(crate) use queries::{first_rows, plan_row};
pub use reader::RunReader;
pub use record::{
    NewRun, RunRecord, ServiceRecord, SessionRecord, ShardedPlan, SourceRecord, StoredEnd,
};
pub(crate) use run_facts::read_sessions;
pub use run_state::{RunBrief, RunState};
pub use shards::{MergeError, ShardRow};
pub(crate) use walk::{Walk, WalkError, told};
#[cfg(feature = "postgres")]
pub(crate) use workers::write_workers;
pub use workers::{TakeoverRow, WorkerRow};
