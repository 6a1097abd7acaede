//! The account of a run, read from the store: totals, failure groups, ending, pace, latency.
//!
//! Every format shows this model and adds nothing to it. Must not know a format.

mod active_time;
mod build;
mod cause;
mod command;
mod drill;
mod ending;
mod exit_status;
mod failure_groups;
mod followed;
mod followed_attempts;
mod group_label;
mod last_success;
mod latency_classes;
mod message_template;
mod peak_rate;
mod report;
mod sending_totals;
mod sub_task_error;
mod targets;
mod task_totals;
mod time_bins;
mod tuning;
mod workers;

pub use build::TaskContext;
pub use command::profile_flag;
pub use drill::DrillPart;
pub use exit_status::ExitStatus;
pub use failure_groups::{FailureGroup, Grouping, MAX_GROUPS};
pub use group_label::{GroupLabel, GroupLabelError};
pub use last_success::{is_recovery, last_success};
pub use report::{
    Calls, ExcludedPart, InputPart, Latency, PacePart, Report, RunPart, ServicePart, StillRunning,
    Stopped, Target, TargetReport, VerifyCounts,
};
pub use sub_task_error::SubTaskError;

pub(crate) use cause::{NO_ANSWER_WORDS, failure_of};
pub(crate) use command::command;
pub(crate) use followed::{FollowedSums, TakeTasks};
pub(crate) use followed_attempts::SentCounts;
pub(crate) use latency_classes::LatencyClasses;
