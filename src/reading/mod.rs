//! Reads runs back: tasks in order, from one snapshot; two runs compared, shards merged, a copy for SQL.
//!
//! Everything is a fold of the journal, and nothing is written to a run. Memory does not grow with the
//! number of tasks. Must not know how runs are made or carried out, nor what is made of the rows. The
//! words of states and outcomes are explained in `docs/GLOSSARY.md`.

mod attempts;
mod compare;
mod damaged;
mod drill;
mod export;
mod followed;
mod history;
mod queries;
mod reader;
mod rows;
mod rows_in_order;
mod run_state;
mod shards;
mod task_rows;
#[cfg(test)]
mod tests;
mod workers;

pub use compare::{TaskPair, for_each_pair};
pub use drill::DrillRecord;
pub use export::ExportError;
pub use followed::FollowedFile;
pub(crate) use queries::{first_rows, plan_row};
pub use reader::RunReader;
pub use rows::{
    AttemptRow, ChangeRow, HoldRow, PlanRow, SeenRow, SendingRow, TaskHistory, TaskRow,
};
pub use run_state::{RunBrief, RunState};
pub use shards::{MergeError, ShardRow};
