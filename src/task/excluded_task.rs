//! A task that a list of exceptions keeps out of a run, as records and reports have it.

use serde::{Deserialize, Serialize};

/// A task that is not called, because a file of `--exclude` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcludedTask {
    /// The batch task.
    pub id: String,
    /// The reason in the file, if it has one.
    pub reason: Option<String>,
    /// Until when the entry holds, as the file has it; `None` if it has no end.
    pub until: Option<String>,
    /// The file.
    pub file: String,
    /// The line in it.
    pub line: u64,
}
