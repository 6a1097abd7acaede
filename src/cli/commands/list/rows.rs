//! The rows of a list, as they are printed.
//!
//! CSV and JSON are written beside memory until the last page is there, however long they are.

use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::output::terminal_guard::Content;
use batchctl::api::ListedTask;
use batchctl::clock::Timestamp;
use batchctl::task::TaskId;
use batchctl::text::{guarded, printable};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io;
use std::io::{Seek, Write};
use tempfile::SpooledTempFile;

/// How much is kept in memory before it is put into a file.
const IN_MEMORY: usize = 8 << 20;
/// The columns.
const COLUMNS: [&str; 6] = ["id", "name", "tasks", "state", "counters", "created"];
/// How wide a cell of the table may be, in columns.
const WIDEST: usize = 48;

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListFormat {
    Table,
    Csv,
    Json,
}

/// The rows so far.
#[derive(Debug)]
pub(crate) struct ListTable {
    format: ListFormat,
    count: u64,
    table: Vec<[String; COLUMNS.len()]>,
    text: SpooledTempFile,
    /// The first error of the text, returned when it is printed.
    failed: Option<io::Error>,
    uncallable: u64,
    example: Option<String>,
}

impl ListTable {
    pub(crate) fn new(format: ListFormat) -> Self {
        let mut rows = Self {
            format,
            count: 0,
            table: Vec::new(),
            text: SpooledTempFile::new(IN_MEMORY),
            failed: None,
            uncallable: 0,
            example: None,
        };
        match format {
            ListFormat::Table => {}
            ListFormat::Csv => rows.write(&format!("{}\n", COLUMNS.join(","))),
            ListFormat::Json => rows.write("["),
        }
        rows
    }

    /// Adds a task.
    pub(crate) fn add(&mut self, task: &ListedTask) {
        if TaskId::check(&task.id).is_err() {
            self.uncallable += 1;
            self.example.get_or_insert_with(|| task.id.clone());
        }
        match self.format {
            ListFormat::Table => self.table.push(cells(task)),
            ListFormat::Csv => {
                let line = csv_line(task);
                self.write(&line);
            }
            ListFormat::Json => {
                let gap = if self.count > 0 { "," } else { "" };
                self.write(&format!("{gap}\n  {}", object(task)));
            }
        }
        self.count += 1;
    }

    /// Returns how many tasks have an id that cannot be called.
    pub(crate) fn uncallable(&self) -> u64 {
        self.uncallable
    }

    /// Returns such an id, if there is one.
    pub(crate) fn uncallable_example(&self) -> Option<&str> {
        self.example.as_deref()
    }

    /// Prints all rows to standard output.
    pub(crate) fn print(mut self) -> Result<(), CommandError> {
        let content = match self.format {
            ListFormat::Table => return Ok(stream::print(&aligned(&self.table))?),
            ListFormat::Csv => Content::Text,
            ListFormat::Json => {
                self.write(if self.count > 0 { "\n]\n" } else { "]\n" });
                Content::Json
            }
        };
        if let Some(error) = self.failed {
            return Err(CommandError::io(error));
        }
        self.text.rewind().map_err(CommandError::io)?;
        let mut out = stream::standard_output(content);
        let copied = io::copy(&mut self.text, &mut out).and_then(|_| out.flush());
        Ok(stream::printed(copied)?)
    }

    fn write(&mut self, text: &str) {
        if self.failed.is_none() {
            self.failed = self.text.write_all(text.as_bytes()).err();
        }
    }
}

/// Returns when a task was created, as all documents write times.
fn created(task: &ListedTask) -> Option<Timestamp> {
    Some(Timestamp::from_micros(task.created_ms?.checked_mul(1_000)?))
}

fn cells(task: &ListedTask) -> [String; COLUMNS.len()] {
    let optional = |number: Option<u64>| number.map_or_else(String::new, |n| n.to_string());
    [
        task.id.clone(),
        task.name.clone(),
        optional(task.sub_tasks),
        task.states.state().to_string(),
        task.states.to_string(),
        created(task).map_or_else(String::new, |at| at.to_string()),
    ]
}

fn csv_line(task: &ListedTask) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let cells = cells(task);
    writer
        .write_record(cells.iter().map(|cell| guarded(cell).replace('\0', "\u{fffd}")))
        .expect("memory takes all text");
    let line = writer.into_inner().expect("memory takes all text");
    String::from_utf8(line).expect("texts stay texts")
}

fn object(task: &ListedTask) -> Value {
    let states: serde_json::Map<String, Value> =
        task.states.iter().map(|(state, count)| (state.to_owned(), count.into())).collect();
    json!({
        "id": task.id,
        "name": task.name,
        "tasks": task.sub_tasks,
        "state": task.states.state().as_str(),
        "counters": states,
        "created": created(task).map(|at| at.to_string()),
        "others": task.others,
    })
}

/// Returns the table, with each column as wide as its widest cell.
fn aligned(rows: &[[String; COLUMNS.len()]]) -> String {
    let shown = |row: &[String; COLUMNS.len()]| row.each_ref().map(|cell| printable(cell, WIDEST));
    let rows: Vec<_> = rows.iter().map(shown).collect();
    let head = COLUMNS.map(str::to_owned);
    let mut widths = [0; COLUMNS.len()];
    for row in std::iter::once(&head).chain(&rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(cell));
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&head).chain(&rows) {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let gap = width + 2 - columns(cell);
            let _ = write!(line, "{cell}{:gap$}", "");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn columns(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use batchctl::task::StateCounts;

    fn gate() -> ListedTask {
        ListedTask {
            id: "gate-1".into(),
            name: "=gate, \"north\"".into(),
            sub_tasks: Some(3),
            states: StateCounts::from_counters([("running", 2), ("odd", 1)]),
            created_ms: Some(1_685_667_905_165),
            others: [("priority".to_owned(), json!(1))].into_iter().collect(),
        }
    }

    #[test]
    fn a_row_of_csv_is_guarded_and_quoted() {
        let expected = "gate-1,\"'=gate, \"\"north\"\"\",3,unknown,odd=1 running=2,\
                        2023-06-02T01:05:05.165Z\n";
        assert_eq!(csv_line(&gate()), expected);
        assert_eq!(csv_line(&ListedTask::default()), ",,,unknown,,\n");
    }

    #[test]
    fn json_keeps_what_nobody_knows() {
        let object = object(&gate());
        assert_eq!(object["others"]["priority"], 1);
        assert_eq!(object["counters"]["odd"], 1);
        assert_eq!(object["state"], "unknown");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let other = ListedTask { id: "a".into(), name: "門\u{1b}[2J".into(), ..gate() };
        let table = aligned(&[cells(&gate()), cells(&other)]);
        let starts: Vec<usize> = table
            .lines()
            .map(|line| columns(&line[..line.find("unknown").or(line.find("state")).unwrap()]))
            .collect();
        assert_eq!(starts, [starts[0]; 3]);
        assert!(!table.contains('\u{1b}'));
    }

    #[test]
    fn ids_that_cannot_be_called_are_counted() {
        let mut rows = ListTable::new(ListFormat::Csv);
        rows.add(&gate());
        rows.add(&ListedTask { id: "../x".into(), ..gate() });
        assert_eq!((rows.uncallable(), rows.uncallable_example()), (1, Some("../x")));
    }
}
