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
mod queries;
mod reader;
mod rows_in_order;
mod run_state;
mod shards;
mod task_rows;
mod workers;

pub use compare::{TaskPair, for_each_pair};
pub use drill::DrillRecord;
pub use export::ExportError;
pub use followed::FollowedFile;
pub(crate) use queries::{first_rows, plan_row};
pub use reader::RunReader;
pub use run_state::{RunBrief, RunState};
pub use shards::{MergeError, ShardRow};
