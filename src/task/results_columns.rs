//! The names of the columns of results.csv, and of the other tables that are inputs again.
//!
//! One list, so that an input knows every column that a report writes. A new column goes to its
//! end: no column moves, and results of earlier versions are recognised without it.

/// The columns that batchctl writes, in order; the other columns of the input follow.
pub const RESULTS_COLUMNS: &[&str] = &[
    "id",
    "command",
    "outcome",
    "http_status",
    "total_count",
    "failed_count",
    "succeed_count",
    "error_kind",
    "error_code",
    "error_msg",
    "error_list",
    "attempts",
    "started_at",
    "finished_at",
    "duration_ms",
    "request_id",
    "source",
    "state_before",
    "state_after",
    "verified_at",
    "failure_group",
    "error_detail",
    "error_params",
    "error_reason",
    "error_advice",
];

/// The column that follows them in the results of a run of several targets.
pub const TARGET_COLUMN: &str = "target";

/// The columns of the plan that a dry run writes.
pub const PLAN_COLUMNS: &[&str] = &["id", "command", "state_before", "why"];

/// The columns of a comparison of two runs.
pub const DIFF_COLUMNS: &[&str] =
    &["id", "command", "change", "before", "after", "error_kind", "error_code", "error_msg"];
