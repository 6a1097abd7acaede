//! An error of the sub-tasks of a failure group. See `docs/GLOSSARY.md`: drill.

/// One error of sub-tasks of a failure group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubTaskError {
    /// The code, or empty.
    pub error_code: String,
    /// The message of the first of them, or its status or state if there is none.
    pub error_msg: String,
    /// The number of sub-tasks with it.
    pub count: u64,
    /// The first of them.
    pub example: String,
}
