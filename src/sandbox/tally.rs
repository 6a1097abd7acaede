//! The counts of everything that a sandbox has seen.

use crate::sandbox::access_log::Status;
use crate::task::Counts;
use std::collections::BTreeMap;

/// What a sandbox saw so far, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxTally {
    /// Requests of every kind.
    pub requests: u64,
    /// Logins, granted or not.
    pub logins: u64,
    /// Lists asked for, answered or refused.
    pub lists: u64,
    /// Actions asked for, carried out or refused.
    pub actions: u64,
    /// Actions carried out: every 200, and every request whose connection was reset or that was
    /// left without an answer.
    pub carried_out: u64,
    /// The counts of sub-tasks, summed over all answers that carried some.
    pub counts: Counts,
    /// How many answers had which status.
    pub by_status: BTreeMap<u16, u64>,
    /// How many connections were reset in place of an answer.
    pub dropped: u64,
    /// How many requests were left without an answer.
    pub silent: u64,
    /// The most requests at a time that had been read and not yet answered. A request that its
    /// client has given up counts until the sandbox has seen the connection close.
    pub peak_on_wire: u64,
}

impl SandboxTally {
    /// Takes note of how a request ended.
    pub(crate) fn count_ending(&mut self, status: Status) {
        self.requests += 1;
        match status {
            Status::Code(code) => *self.by_status.entry(code).or_default() += 1,
            Status::Dropped => self.dropped += 1,
            Status::Silent => self.silent += 1,
        }
    }
}
