//! Builds the [`Report`] of a run from its store, and writes it in every format.
//!
//! A report follows from the store alone. It knows no present time, no environment and no
//! terminal. So the report printed at the end of a run and the one printed next month are the
//! same bytes. Must not know the engine, and never writes to the store. See `docs/GLOSSARY.md`:
//! report, document, exit status, failure group.

mod diff;
mod explain;
mod format;
mod model;
#[cfg(test)]
mod tests;

pub use diff::{Diff, TaskChange, write_diff_csv, write_diff_json};
pub use explain::{Account, RunContext};
pub use format::{
    CsvDialect, Following, JUnitWriter, LiveMessage, LivePage, LiveRun, NextCommand, PageRequests,
    PageWriter, ResultsError, ResultsOptions, ResultsSummary, ResultsWriter, RowFilter, Schema,
    Spool, content_policy, followed_page_policy, followed_page_style, markdown, next_commands,
    prometheus, summary, write_closing_events, write_followed_page, write_html, write_json,
    write_junit, write_results,
};
pub use model::{
    Calls, DrillPart, ExcludedPart, ExitStatus, FailureGroup, GroupLabel, GroupLabelError,
    Grouping, InputPart, Latency, MAX_GROUPS, PacePart, Report, RunPart, ServicePart, StillRunning,
    Stopped, SubTaskError, Target, TargetReport, TaskContext, VerifyCounts, is_recovery,
    last_success, profile_flag,
};
