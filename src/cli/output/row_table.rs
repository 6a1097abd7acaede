//! Rows as a table for a terminal, CSV or JSON: all of them or none.
//!
//! They are written beside memory until the last one is there, however many there are.

use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::output::terminal_guard::Content;
use batchctl::text::{guarded, printable};
use serde_json::Value;
use std::io;
use std::io::{BufReader, Read, Seek, Write};
use tempfile::SpooledTempFile;
use unicode_width::UnicodeWidthStr;

/// How much is kept in memory before it is put into a file.
const IN_MEMORY: usize = 8 << 20;
/// How wide a cell of the table may be, in columns.
const WIDEST: usize = 48;

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowFormat {
    Table,
    Csv,
    Json,
}

impl RowFormat {
    /// Returns JSON where it is asked for, else what suits standard output.
    pub(crate) fn choose(json: bool, is_terminal: bool) -> Self {
        match (json, is_terminal) {
            (true, _) => Self::Json,
            (false, true) => Self::Table,
            (false, false) => Self::Csv,
        }
    }
}

/// The rows so far.
#[derive(Debug)]
pub(crate) struct RowTable {
    format: RowFormat,
    count: u64,
    /// How wide the columns of the table are.
    widths: Vec<usize>,
    text: SpooledTempFile,
    /// The first error of the text, returned when it is printed.
    failed: Option<io::Error>,
}

impl RowTable {
    pub(crate) fn new(format: RowFormat, columns: &[&str]) -> Self {
        let mut rows = Self {
            format,
            count: 0,
            widths: vec![0; columns.len()],
            text: SpooledTempFile::new(IN_MEMORY),
            failed: None,
        };
        let heading: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
        match format {
            RowFormat::Table => rows.write_shown(&heading),
            RowFormat::Csv => rows.write(&csv_line(&heading)),
            RowFormat::Json => rows.write("["),
        }
        rows
    }

    /// Adds a row: its cells, and what it is as JSON.
    pub(crate) fn add(&mut self, cells: &[String], object: impl FnOnce() -> Value) {
        match self.format {
            RowFormat::Table => self.write_shown(cells),
            RowFormat::Csv => self.write(&guarded_line(cells)),
            RowFormat::Json => {
                let gap = if self.count > 0 { "," } else { "" };
                self.write(&format!("{gap}\n  {}", object()));
            }
        }
        self.count += 1;
    }

    /// Returns whether a heading alone is printed, which says nothing; no object in JSON says it all.
    pub(crate) fn is_heading_alone(&self) -> bool {
        self.count == 0 && self.format != RowFormat::Json
    }

    /// Prints all rows to standard output.
    pub(crate) fn print(mut self) -> Result<(), CommandError> {
        if self.format == RowFormat::Json {
            self.write(if self.count > 0 { "\n]\n" } else { "]\n" });
        }
        let content = match self.format {
            RowFormat::Table | RowFormat::Csv => Content::Text,
            RowFormat::Json => Content::Json,
        };
        let mut out = stream::standard_output(content);
        let copied = self.copy(&mut out)?.and_then(|()| out.flush());
        Ok(stream::printed(copied)?)
    }

    /// Copies all rows; the outer error is that of reading them back.
    fn copy(mut self, out: &mut impl Write) -> Result<io::Result<()>, CommandError> {
        if let Some(error) = self.failed {
            return Err(CommandError::io(error));
        }
        self.text.rewind().map_err(CommandError::io)?;
        if self.format == RowFormat::Table {
            return aligned(BufReader::new(self.text), &self.widths, out);
        }
        Ok(io::copy(&mut self.text, out).map(drop))
    }

    /// Keeps a row of the table as CSV, because the widths are known at the end only.
    fn write_shown(&mut self, cells: &[String]) {
        let shown: Vec<String> = cells.iter().map(|cell| printable(cell, WIDEST)).collect();
        for (width, cell) in self.widths.iter_mut().zip(&shown) {
            *width = (*width).max(cell.width());
        }
        self.write(&csv_line(&shown));
    }

    fn write(&mut self, text: &str) {
        if self.failed.is_none() {
            self.failed = self.text.write_all(text.as_bytes()).err();
        }
    }
}

/// Writes rows with each column as wide as its widest cell.
fn aligned(
    kept: impl Read,
    widths: &[usize],
    out: &mut impl Write,
) -> Result<io::Result<()>, CommandError> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(kept);
    for row in reader.records() {
        let row = row.map_err(CommandError::io)?;
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(&row) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width + 2 - cell.width()));
        }
        if let Err(error) = writeln!(out, "{}", line.trim_end()) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

/// Writes cells that no spreadsheet runs.
fn guarded_line(cells: &[String]) -> String {
    let guarded = cells.iter().map(|cell| guarded(cell).replace('\0', "\u{fffd}"));
    csv_line(&guarded.collect::<Vec<_>>())
}

fn csv_line(cells: &[String]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).expect("memory takes all text");
    let line = writer.into_inner().expect("memory takes all text");
    String::from_utf8(line).expect("texts stay texts")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(format: RowFormat, rows: &[[&str; 2]]) -> String {
        let mut table = RowTable::new(format, &["id", "name"]);
        for row in rows {
            let cells = row.map(str::to_owned);
            table.add(&cells, || json!({ "id": row[0] }));
        }
        let mut out = Vec::new();
        table.copy(&mut out).unwrap().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_row_of_csv_is_guarded_and_quoted() {
        let expected = "id,name\ngate-1,\"'=gate, \"\"north\"\"\"\n";
        assert_eq!(printed(RowFormat::Csv, &[["gate-1", "=gate, \"north\""]]), expected);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let table = printed(RowFormat::Table, &[["a", "one"], ["門-long", "two\u{1b}[2J"]]);
        let starts: Vec<usize> = ["name", "one", "two"]
            .iter()
            .zip(table.lines())
            .map(|(cell, line)| line[..line.find(cell).unwrap()].width())
            .collect();
        assert_eq!(starts, [starts[0]; 3], "{table}");
        assert!(!table.contains('\u{1b}'));
    }
}
