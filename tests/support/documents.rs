//! The documents of a run, read as a user's script would read them.

use serde_json::Value;
use std::collections::BTreeMap;

/// One row of results.csv, by column.
pub(crate) type ResultRow = BTreeMap<String, String>;

/// Reads results.csv.
pub(crate) fn results(text: &str) -> Vec<ResultRow> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.unwrap()).collect()
}

/// Returns one column of results.csv.
pub(crate) fn column<'a>(rows: &'a [ResultRow], name: &str) -> Vec<&'a str> {
    rows.iter().map(|row| row[name].as_str()).collect()
}

/// Reads report.json.
pub(crate) fn report(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
