//! Who changes a run under way.

use std::fmt;

/// The person or program that changes a run under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// A person at the terminal of the run.
    Key,
    /// Another process of the same user.
    Process(u32),
    /// Somebody who reaches all workers of the run through its database.
    Elsewhere,
    /// Another process, with the user and the host that it is one of.
    ProcessOf(u32, &'static str),
}

impl fmt::Display for Operator {
    /// Writes `a key`, or `process` with its number and, if they are recorded, its user and host.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("a key"),
            Self::Elsewhere => f.write_str("an operator of all workers"),
            Self::Process(number) => write!(f, "process {number}"),
            Self::ProcessOf(number, who) => write!(f, "process {number} of {who}"),
        }
    }
}
