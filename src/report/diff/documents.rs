//! Writes every task that changed, as CSV and as JSON, for programs.
//!
//! Tasks that are still good are counted and not listed.

use crate::report::diff::Change;
use crate::report::diff::Diff;
use crate::report::format::CsvDialect;
use crate::report::format::ResultsError;
use crate::report::format::fitting;
use crate::report::format::not_written;
use crate::store::RunReader;
use crate::store::TaskPair;
use crate::store::for_each_pair;
use crate::task::Failure;
use crate::task::FailureKind;
use crate::task::Outcome;
use crate::text::guarded;
use serde::Serialize;
use std::io::Write;

/// The version of the fields; it changes only if one of them changed its meaning.
const SCHEMA_VERSION: u32 = 1;
const COLUMNS: [&str; 8] =
    ["id", "command", "change", "before", "after", "error_kind", "error_code", "error_msg"];

/// Writes the changes as CSV, by id; it is an input again.
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
    writer.write_record(COLUMNS).map_err(not_written)?;
    for_each_change(before, after, |row| {
        let id = format!("{}{}", dialect.before_id(&row.pair.id), row.pair.id);
        let code = fitting(row.error_code.unwrap_or_default());
        let message = fitting(row.error_msg.unwrap_or_default());
        let cells = [
            &*id,
            row.command,
            row.change,
            row.before.unwrap_or_default(),
            row.after.unwrap_or_default(),
            row.error_kind.unwrap_or_default(),
            &guarded(&code),
            &guarded(&message),
        ];
        writer.write_record(cells).map_err(not_written)
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
    let counts = Change::ALL.map(|change| (change.as_str().to_owned(), diff.count(change).into()));
    let head = serde_json::json!({
        "schema_version": SCHEMA_VERSION,
        "before": diff.before.as_str(),
        "after": diff.after.as_str(),
        "tasks": serde_json::Map::from_iter(counts),
    })
    .to_string();
    // Everything but the brace that closes it: the changes come one by one.
    let open = head.strip_suffix('}').expect("an object ends with a brace");
    write!(out, "{open},\"changes\":[").map_err(failed)?;
    let mut separator = "\n";
    for_each_change(before, after, |row| {
        let row = serde_json::to_string(row).expect("texts are JSON");
        let written = write!(out, "{separator}{row}").map_err(failed);
        separator = ",\n";
        written
    })?;
    writeln!(out, "]}}").map_err(failed)
}

/// A task that changed.
#[derive(Serialize)]
struct ChangeRow<'a> {
    change: &'static str,
    id: &'a str,
    command: &'static str,
    before: Option<&'static str>,
    after: Option<&'static str>,
    error_kind: Option<&'static str>,
    error_code: Option<&'a str>,
    error_msg: Option<&'a str>,
    #[serde(skip)]
    pair: &'a TaskPair,
}

impl<'a> ChangeRow<'a> {
    fn of(pair: &'a TaskPair, change: Change, failure: Option<&'a Failure>) -> Self {
        let known = |text: &'a String| Some(text.as_str()).filter(|text| !text.is_empty());
        Self {
            change: change.as_str(),
            id: pair.id.as_str(),
            command: pair.command.as_str(),
            before: pair.before.map(Outcome::as_str),
            after: pair.after.map(Outcome::as_str),
            error_kind: failure.map(|failure| FailureKind::as_str(failure.kind)),
            error_code: failure.and_then(|failure| known(&failure.code)),
            error_msg: failure.and_then(|failure| known(&failure.message)),
            pair,
        }
    }
}

fn for_each_change(
    before: &RunReader,
    after: &RunReader,
    mut take: impl FnMut(&ChangeRow<'_>) -> Result<(), ResultsError>,
) -> Result<(), ResultsError> {
    for_each_pair(before, after, |pair| {
        let change = Change::of(pair.before, pair.after);
        if change == Change::StillGood {
            return Ok(());
        }
        let failure = pair.failure(before, after)?;
        take(&ChangeRow::of(&pair, change, failure.as_ref()))
    })
}
