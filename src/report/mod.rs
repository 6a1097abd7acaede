//! Tells what a run came to: one [`Report`], read from the store, and one file per format.
//!
//! A report follows from the store alone. It knows no present time, no environment and no
//! terminal, so the one printed when a run ends and the one asked for next month are the same
//! bytes. Must not know the engine, and never writes to the store.

mod diff;
mod format;
mod model;
#[cfg(test)]
mod tests;

pub use diff::{Change, Diff, write_diff_csv, write_diff_json};
pub use format::{
    CsvDialect, Hint, ResultsError, ResultsOptions, ResultsSummary, Schema, Style, hints, markdown,
    prometheus, summary, write_closing_events, write_html, write_json, write_junit, write_results,
};
pub use model::{
    Arrivals, Calls, ExitStatus, FailureGroup, GroupLabel, GroupLabelError, Grouping, InputPart,
    Latency, MOST_GROUPS, Pace, Report, RunPart, StillRunning, Stopped, Target, last_success,
};
