//! Writes what closes the events of a process: its groups of failures, and what the run came to.
//!
//! Events are told while they happen, when nobody can know yet which causes there will be and how
//! large each is. So the groups follow `run_ended`, one a line with the fields they have in
//! report.json, and `run_reported` is the last line. A process that was killed has none of them.

use crate::clock::Timestamp;
use crate::report::format::json::Exit;
use crate::report::format::json::Failure;
use crate::report::model::Report;
use crate::text::ascii_json;
use serde::Serialize;
use std::io;
use std::io::Write;

/// The version of the lines, the same as that of all events.
const SCHEMA_VERSION: u32 = 1;

/// Writes a `failure_group` line for each group of the report, and `run_reported`.
///
/// `at` is the present time, which a report does not know.
///
/// # Errors
///
/// Those of `out`.
pub fn write_closing_events(report: &Report, at: Timestamp, mut out: impl Write) -> io::Result<()> {
    let at = at.to_string();
    let mut write = |what| {
        let line =
            Line { schema_version: SCHEMA_VERSION, run: report.run.id.as_str(), at: &at, what };
        let json = serde_json::to_string(&line)?;
        // In one piece, so that whoever follows never reads a part of a line.
        out.write_all((ascii_json(&json) + "\n").as_bytes())
    };
    for group in &report.failures {
        write(What::FailureGroup(Box::new(Failure::of(group, report))))?;
    }
    write(What::RunReported {
        complete: report.run.complete,
        outstanding: report.run.outstanding,
        failure_groups: report.failures.len(),
        exit: report.exit.map(Exit::of),
    })
}

#[derive(Serialize)]
struct Line<'a> {
    schema_version: u32,
    run: &'a str,
    at: &'a str,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum What<'a> {
    FailureGroup(Box<Failure<'a>>),
    RunReported { complete: bool, outstanding: u64, failure_groups: usize, exit: Option<Exit> },
}
