//! Detects a text's format and delimiter from its name, its beginning and the options.
//!
//! Pure. Looks only at the first meaningful line, which would be the header. A flag wins over
//! the name's ending, and the ending wins over the content.

use super::error::InputError;
use super::source::Content;
use super::{Format, Header, InputOptions, Lists, header, id_cell, json, locate};
use crate::text::is_same_name;
use std::path::Path;
use std::sync::Arc;

/// The bytes that may separate cells, the most usual first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The detected format of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// No line has any content.
    Empty,
    /// One id per line.
    List {
        /// The bytes before the first id.
        skip: usize,
    },
    /// Cells between delimiters.
    Delimited {
        /// The byte that separates cells.
        delimiter: u8,
    },
}

/// Detects the format of a text.
pub(super) fn shape(content: &mut Content, options: &InputOptions) -> Result<Shape, InputError> {
    if let Some(delimiter) = options.delimiter {
        check_delimiter(delimiter)?;
    }
    let declared = match to_first_line(content, options)? {
        Start::Found { declared } => declared,
        Start::Nowhere => return Ok(Shape::Empty),
        // One line of blanks or a comment, longer than the head: the list's reader bounds it.
        Start::Beyond => return Ok(Shape::List { skip: 0 }),
    };
    if let Some(filter) = json::detect(&content.head, options) {
        return Err(InputError::Json { name: Arc::clone(&content.name), filter });
    }
    let first = FirstLine { record: &content.head, declared };
    if is_table(&content.name, &first, options) {
        let delimiter = delimiter(&content.name, &first, options);
        return Ok(Shape::Delimited { delimiter });
    }
    let skip = heading_of_list(&first, options);
    match &options.id_column {
        Some(column) if skip == 0 && options.lists == Lists::Refused => {
            let (name, column) = (Arc::clone(&content.name), column.clone());
            Err(InputError::NoColumns { name, column })
        }
        Some(_) | None => Ok(Shape::List { skip }),
    }
}

/// Where the first meaningful line is.
enum Start {
    /// At the start of the head.
    Found {
        /// The delimiter of a line `sep=;` before it.
        declared: Option<u8>,
    },
    /// The text has none.
    Nowhere,
    /// The head is a single line, as far as it goes, that means nothing.
    Beyond,
}

/// Drops the lines before the first meaningful one, however many there are.
fn to_first_line(content: &mut Content, options: &InputOptions) -> Result<Start, InputError> {
    let mut declared = None;
    loop {
        let passed = pass_over(&content.head, content.is_whole, &mut declared, options);
        let is_at_start = passed == 0;
        let is_at_end = passed == content.head.len() && content.is_whole;
        if is_at_end {
            return Ok(Start::Nowhere);
        }
        if is_at_start {
            let means_nothing = is_passed_over(first_line(&content.head), declared, options);
            return Ok(if means_nothing { Start::Beyond } else { Start::Found { declared } });
        }
        // The head is filled again, so that the first line is in it as far as possible.
        content.advance(passed)?;
    }
}

/// Returns the bytes of the lines at the start of the head that mean nothing.
fn pass_over(
    head: &[u8],
    is_whole: bool,
    declared: &mut Option<u8>,
    options: &InputOptions,
) -> usize {
    let mut passed = 0;
    for line in head.split_inclusive(is_line_end) {
        // What follows a line that the end of the head cuts off is not known.
        let is_cut_off = !is_whole && !line.ends_with(b"\n") && !line.ends_with(b"\r");
        if is_cut_off || !is_passed_over(line, *declared, options) {
            break;
        }
        *declared = declared.or_else(|| declaration(line.trim_ascii()));
        passed += line.len();
    }
    passed
}

/// Returns whether a line before the first row means nothing or declares the delimiter.
fn is_passed_over(line: &[u8], declared: Option<u8>, options: &InputOptions) -> bool {
    let text = line.trim_ascii();
    // Only the first such line counts: a later one could be data.
    let declares = declared.is_none() && declaration(text).is_some();
    declares || is_blank(text) || is_comment(text, options)
}

fn is_line_end(byte: &u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Returns the text up to the first line end.
fn first_line(text: &[u8]) -> &[u8] {
    text.split(is_line_end).next().unwrap_or_default()
}

/// Refuses delimiters that would make quotes, line ends, characters or ids ambiguous.
fn check_delimiter(delimiter: u8) -> Result<(), InputError> {
    // From 0x80 on, a byte is a part of a UTF-8 character.
    match delimiter {
        b'"' | b'\r' | b'\n' | 0 | 0x80.. | b'_' | b'-' => Err(InputError::Delimiter { delimiter }),
        _ if delimiter.is_ascii_alphanumeric() => Err(InputError::Delimiter { delimiter }),
        _ => Ok(()),
    }
}

/// The first meaningful line of a text, and the text from there on.
struct FirstLine<'a> {
    /// The text from there on.
    record: &'a [u8],
    /// The delimiter of a line `sep=;` before it.
    declared: Option<u8>,
}

impl<'a> FirstLine<'a> {
    /// Returns the line itself, without the comment that a list may have.
    fn line(&self) -> &'a [u8] {
        let line = first_line(self.record);
        let is_note = |pair: &[u8]| pair[0].is_ascii_whitespace() && pair[1] == b'#';
        let end = line.windows(2).position(is_note).unwrap_or(line.len());
        line[..end].trim_ascii()
    }
}

/// Reads the line `sep=;` that Excel writes and obeys.
fn declaration(line: &[u8]) -> Option<u8> {
    let line = line.strip_prefix(b"\"").unwrap_or(line);
    let line = line.strip_suffix(b"\"").unwrap_or(line);
    let (key, value) = line.split_at_checked(4)?;
    if !key.eq_ignore_ascii_case(b"sep=") {
        return None;
    }
    match value {
        // The line was trimmed, and a tab at its end went with the blanks.
        [] => Some(b'\t'),
        [delimiter] => check_delimiter(*delimiter).is_ok().then_some(*delimiter),
        _ => None,
    }
}

/// Returns whether a line holds no text, as the empty rows of a spreadsheet.
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'"') || DELIMITERS.contains(byte))
}

/// Returns whether a line is a comment, and not a header whose first column is called `#`.
fn is_comment(line: &[u8], options: &InputOptions) -> bool {
    // Spreadsheets with numbered rows call that column `#`, and dropping their header would make
    // the first task the header.
    let Some(text) = line.strip_prefix(b"#") else {
        return false;
    };
    let numbers_rows = text
        .first()
        .is_some_and(|byte| DELIMITERS.contains(byte) || options.delimiter == Some(*byte));
    !numbers_rows && !names_ids_among_others(line, options)
}

/// Returns whether the text is a table, by the flags, then the ending, then the content.
fn is_table(name: &str, first: &FirstLine<'_>, options: &InputOptions) -> bool {
    match options.format {
        Format::Csv | Format::Tsv => return true,
        Format::List => return false,
        Format::Auto => {}
    }
    if options.delimiter.is_some() || first.declared.is_some() {
        return true;
    }
    match ending(name).as_str() {
        "csv" | "tsv" | "tab" => true,
        // `.txt` may be anything: it takes a header with the ids' name to make it a table.
        "txt" | "list" | "ids" => is_clearly_table(first, options),
        // A heading with a comment is that of a list: a table has no comments in its rows.
        _ => has_delimiter(first.line()) || is_heading(first_line(first.record), options),
    }
}

/// Returns whether a text is a table although its name has the ending of a list.
fn is_clearly_table(first: &FirstLine<'_>, options: &InputOptions) -> bool {
    match options.header {
        Header::Present => names_ids_among_others(first.record, options),
        Header::Absent => has_delimiter(first.line()),
    }
}

fn ending(name: &str) -> String {
    let ending = Path::new(name).extension().unwrap_or_default();
    ending.to_string_lossy().to_ascii_lowercase()
}

fn has_delimiter(line: &[u8]) -> bool {
    line.iter().any(|byte| DELIMITERS.contains(byte))
}

/// Returns whether a line is only a possible name of the ids' column.
fn is_heading(line: &[u8], options: &InputOptions) -> bool {
    let text = String::from_utf8_lossy(line);
    options.header == Header::Present
        && header::id_names(options)
            .iter()
            .any(|name| is_same_name(name, id_cell::unwrapped(&text)))
}

/// Returns whether a record has several cells, and one of them is a name of the ids' column.
fn names_ids_among_others(record: &[u8], options: &InputOptions) -> bool {
    DELIMITERS.into_iter().any(|delimiter| {
        // One cell alone is a list: `id` over a column of ids is read as its heading.
        let score = Score::new(record, delimiter, options);
        score.has_id && score.delimiters > 0
    })
}

/// Returns the length of a list's first line if it is a heading, otherwise 0.
///
/// Without this, the heading `batch_task_id` would be called as a task: it is a valid id.
fn heading_of_list(first: &FirstLine<'_>, options: &InputOptions) -> usize {
    let whole = first.record.split_inclusive(is_line_end).next();
    let length = whole.map_or(0, <[u8]>::len);
    // Its comment is no part of it.
    if is_heading(first.line(), options) { length } else { 0 }
}

/// Returns the delimiter by the flag, then `sep=`, then the ending, then the content.
fn delimiter(name: &str, first: &FirstLine<'_>, options: &InputOptions) -> u8 {
    let by_tab = match options.format {
        Format::Tsv => true,
        Format::Auto => matches!(ending(name).as_str(), "tsv" | "tab"),
        Format::Csv | Format::List => false,
    };
    options
        .delimiter
        .or(first.declared)
        .or(by_tab.then_some(b'\t'))
        .unwrap_or_else(|| best_delimiter(first.record, options))
}

/// How well a delimiter separates a record; a greater score is better.
///
/// The derived order compares the fields from top to bottom, so an id outweighs any count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    /// Whether a cell is the name of the ids' column or, without a header, an id in that column.
    has_id: bool,
    /// The number of delimiters outside quotes.
    delimiters: usize,
}

impl Score {
    fn new(record: &[u8], delimiter: u8, options: &InputOptions) -> Self {
        let cells: Vec<String> = locate::cells(record, delimiter)
            .map(|cell| &record[cell.start..cell.end])
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect();
        Self { has_id: has_id(&cells, options), delimiters: cells.len() - 1 }
    }
}

fn has_id(cells: &[String], options: &InputOptions) -> bool {
    if options.header == Header::Absent {
        let index = header::numbered_id(options).unwrap_or(0);
        return cells
            .get(index)
            .is_some_and(|text| id_cell::task_id(text, options.rules.as_ref()).is_ok());
    }
    header::id_names(options).iter().any(|name| cells.iter().any(|cell| is_same_name(name, cell)))
}

fn best_delimiter(record: &[u8], options: &InputOptions) -> u8 {
    let score = |delimiter: &u8| Score::new(record, *delimiter, options);
    // `max_by_key` returns the last of equals; reversed, that is the most usual delimiter.
    let best = DELIMITERS.into_iter().rev().max_by_key(score);
    best.unwrap_or(DELIMITERS[0])
}
