//! The counts of all requests that a sandbox has received.

use crate::sandbox::access_log::Status;
use crate::task::Counts;
use std::collections::BTreeMap;

/// The counts of all requests so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxTally {
    /// All requests.
    pub requests: u64,
    /// Logins, granted or not.
    pub logins: u64,
    /// Requests for lists, answered or refused.
    pub lists: u64,
    /// Requests for actions, carried out or refused.
    pub actions: u64,
    /// Actions carried out: those answered with 200, with a reset connection or not at all.
    pub carried_out: u64,
    /// Requests to delete a batch task, carried out or refused.
    pub deletions: u64,
    /// Requests for pages of sub-tasks, answered or refused.
    pub sub_task_lists: u64,
    /// Requests for the state of one id, of a service that a file describes.
    pub looks: u64,
    /// Requests for one sub-task, answered or refused.
    pub sub_task_details: u64,
    /// Requests for actions on one sub-task, carried out or refused.
    pub sub_task_actions: u64,
    /// Actions on one sub-task that were carried out.
    pub sub_tasks_carried_out: u64,
    /// The counts of sub-tasks, summed over all answers that have them.
    pub counts: Counts,
    /// The number of answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// The number of connections reset instead of an answer.
    pub dropped: u64,
    /// The number of requests without an answer.
    pub silent: u64,
    /// The maximum number of requests that were read and not yet answered at the same time. A
    /// request abandoned by its client counts until the sandbox has seen the connection close.
    pub peak_on_wire: u64,
}

impl SandboxTally {
    /// Counts a request by its status.
    pub(crate) fn count_ending(&mut self, status: Status) {
        self.requests += 1;
        match status {
            Status::Code(code) => *self.by_status.entry(code).or_default() += 1,
            Status::Dropped => self.dropped += 1,
            Status::Silent => self.silent += 1,
        }
    }
}
