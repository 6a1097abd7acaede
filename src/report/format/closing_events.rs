//! Writes the closing events of a process: the failure groups of the run, and its result.
//!
//! Other events are written while they happen, before it is known which causes there will be and
//! how large each is. So the groups follow `run_ended`, one a line with the same fields as in
//! report.json, and `run_reported` is the last line. A process that was killed writes none of them.

use crate::clock::Timestamp;
use crate::report::format::json::{ExitJson, FailureGroupJson};
use crate::report::model::Report;
use crate::text::ascii_json;
use serde::Serialize;
use std::io;
use std::io::Write;

/// The version of the lines, the same as that of all events.
const SCHEMA_VERSION: u32 = 1;

/// Writes a `failure_group` line for each group of the report, and `run_reported`.
///
/// `at` is the present time, which no report knows.
///
/// # Errors
///
/// Those of `out`.
pub fn write_closing_events(report: &Report, at: Timestamp, mut out: impl Write) -> io::Result<()> {
    // One time for all lines: they describe the same moment.
    let at = at.to_string();
    let mut write = |kind| {
        let run = report.run.id.as_str();
        let event = ClosingEvent { schema_version: SCHEMA_VERSION, run, at: &at, kind };
        let json = serde_json::to_string(&event)?;
        // In one write, so that a program that follows the file never reads a part of a line.
        out.write_all((ascii_json(&json) + "\n").as_bytes())
    };
    for group in &report.failures {
        write(ClosingEventKind::FailureGroup(Box::new(FailureGroupJson::from_group(
            group, report,
        ))))?;
    }
    write(ClosingEventKind::RunReported {
        complete: report.run.complete,
        outstanding: report.run.outstanding,
        failure_groups: report.failures.len(),
        exit: report.exit.map(ExitJson::from_status),
    })
}

#[derive(Serialize)]
struct ClosingEvent<'a> {
    schema_version: u32,
    run: &'a str,
    at: &'a str,
    #[serde(flatten)]
    kind: ClosingEventKind<'a>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum ClosingEventKind<'a> {
    FailureGroup(Box<FailureGroupJson<'a>>),
    RunReported { complete: bool, outstanding: u64, failure_groups: usize, exit: Option<ExitJson> },
}
