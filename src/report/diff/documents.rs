//! Writes all tasks that changed, as CSV and as JSON, for programs.
//!
//! Tasks that are still good are counted and not listed.

use crate::reading::{RunReader, TaskPair, for_each_pair};
use crate::report::diff::changes::failure_of_pair;
use crate::report::diff::{Diff, TaskChange};
use crate::report::format::{CsvDialect, ResultsError, not_written, service_cell};
use crate::task::{DIFF_COLUMNS, Failure, FailureKind, Outcome, TARGET_COLUMN};
use crate::text::non_empty;
use serde::Serialize;
use std::io::Write;

/// The version of the fields; it changes only if the meaning of one changes.
const SCHEMA_VERSION: u32 = 1;

/// Writes the changes as CSV, ordered by id. The document is a valid input again.
///
/// # Errors
///
/// Those of the store and of `out`.
pub fn write_diff_csv(
    before: &RunReader,
    after: &RunReader,
    dialect: CsvDialect,
    out: impl Write,
) -> Result<(), ResultsError> {
    let mut writer = dialect.begin(out).map_err(ResultsError::Write)?;
    let has_targets = before.has_targets() || after.has_targets();
    let columns = DIFF_COLUMNS.iter().copied().chain(has_targets.then_some(TARGET_COLUMN));
    writer.write_record(columns).map_err(not_written)?;
    for_each_change(before, after, |row| {
        let id = format!("{}{}", dialect.id_prefix(&row.pair.id), row.pair.id);
        // The message of a failure is foreign text, here as in results.csv.
        let code = service_cell(row.error_code.unwrap_or_default());
        let message = service_cell(row.error_msg.unwrap_or_default());
        let cells = [
            &*id,
            row.command,
            row.change,
            row.before.unwrap_or_default(),
            row.after.unwrap_or_default(),
            row.error_kind.unwrap_or_default(),
            &*code,
            &*message,
        ];
        let target = has_targets.then(|| row.target.unwrap_or_default());
        writer.write_record(cells.into_iter().chain(target)).map_err(not_written)
    })?;
    writer.flush().map_err(ResultsError::Write)
}

/// Writes the counts and the changes as one JSON object.
///
/// # Errors
///
/// Those of the store and of `out`.
pub fn write_diff_json(
    diff: &Diff,
    before: &RunReader,
    after: &RunReader,
    mut out: impl Write,
) -> Result<(), ResultsError> {
    let failed = ResultsError::Write;
    let counts =
        TaskChange::ALL.map(|change| (change.as_str().to_owned(), diff.count(change).into()));
    let head = serde_json::json!({
        "schema_version": SCHEMA_VERSION,
        "before": diff.before.as_str(),
        "after": diff.after.as_str(),
        "tasks": serde_json::Map::from_iter(counts),
    })
    .to_string();
    // Without its closing brace, because the changes are streamed into the object one by one.
    let open = head.strip_suffix('}').expect("an object ends with a brace");
    write!(out, "{open},\"changes\":[").map_err(failed)?;
    // One row a line, so that line-based tools can read the document too.
    let mut separator = "\n";
    for_each_change(before, after, |row| {
        let row = serde_json::to_string(row).expect("texts are JSON");
        let written = write!(out, "{separator}{row}").map_err(failed);
        separator = ",\n";
        written
    })?;
    writeln!(out, "]}}").map_err(failed)
}

/// A task that changed, with the fields of both documents.
#[derive(Serialize)]
struct DiffRow<'a> {
    change: &'static str,
    id: &'a str,
    command: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    before: Option<&'static str>,
    after: Option<&'static str>,
    error_kind: Option<&'static str>,
    error_code: Option<&'a str>,
    error_msg: Option<&'a str>,
    #[serde(skip)]
    pair: &'a TaskPair,
}

impl<'a> DiffRow<'a> {
    fn new(pair: &'a TaskPair, change: TaskChange, failure: Option<&'a Failure>) -> Self {
        Self {
            change: change.as_str(),
            id: pair.id.as_str(),
            command: pair.command.as_str(),
            target: pair.target.as_deref(),
            before: pair.before.map(Outcome::as_str),
            after: pair.after.map(Outcome::as_str),
            error_kind: failure.map(|failure| FailureKind::as_str(failure.kind)),
            error_code: failure.and_then(|failure| non_empty(&failure.code)),
            error_msg: failure.and_then(|failure| non_empty(&failure.message)),
            pair,
        }
    }
}

fn for_each_change(
    before: &RunReader,
    after: &RunReader,
    mut take: impl FnMut(&DiffRow<'_>) -> Result<(), ResultsError>,
) -> Result<(), ResultsError> {
    for_each_pair(before, after, |pair| {
        let change = TaskChange::classify(pair.before, pair.after);
        // Most tasks of most runs; listing them would hide the changes.
        if change == TaskChange::StillGood {
            return Ok(());
        }
        let failure = failure_of_pair(&pair, before, after)?;
        take(&DiffRow::new(&pair, change, failure.as_ref()))
    })
}
