//! Compares two runs, task by task.
//!
//! A task is the same in both runs if its id, its command and its target are.

mod changes;
mod documents;
mod text;

pub use changes::{Diff, TaskChange};
pub use documents::{write_diff_csv, write_diff_json};
