//! Writes results.csv: one row for each selected task, in the order of the input.
//!
//! Streams, once the groups of failures are known; memory does not grow with the number of tasks. The document is a valid input again: ids are read as they were given, and no
//! column of the input is mistaken for one of ours. Foreign cells are guarded against spreadsheets,
//! and cells of the service are cut to what spreadsheets can hold.

use crate::clock::{Timestamp, TimestampText};
use crate::reading::{AttemptRow, RunReader, SeenRow, TaskRow};
use crate::report::format::csv_dialect::CsvDialect;
use crate::report::format::csv_lines::CsvLines;
use crate::report::format::other_columns::OtherColumns;
use crate::report::format::row_filter::{RowFilter, is_selected};
use crate::report::model::{Grouping, failure_of};
use crate::store::{SourceRecord, StoreError};
use crate::task::{Failure, OutcomeCounts, RESULTS_COLUMNS, TARGET_COLUMN, TaskState};
use crate::text::{cut, guarded};
use std::borrow::Cow;
use std::io;
use std::io::Write;

/// The most bytes of a text of the service in a cell. Spreadsheets hold 32,767 characters, and a
/// row must stay short enough for `input`.
const MAX_TEXT_BYTES: usize = 32_000;

/// Which tasks are written, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultsOptions {
    /// The dialect, by default plain.
    pub dialect: CsvDialect,
    /// Only these tasks; all if it is empty.
    pub only: Vec<RowFilter>,
}

/// The numbers of the written rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultsSummary {
    /// The rows by outcome, without the header.
    pub rows: OutcomeCounts,
}

/// Why the results could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultsError {
    /// The run could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The document could not be written.
    #[error("cannot write the results")]
    Write(#[from] io::Error),
}

/// Writes the results of a run as CSV (RFC 4180, UTF-8).
///
/// # Errors
///
/// Those of the store and of `out`; then the document is not complete.
pub fn write_results(
    run: &RunReader,
    options: &ResultsOptions,
    out: impl Write,
) -> Result<ResultsSummary, ResultsError> {
    // The groups first: the label of a task depends on all failures, also on later ones.
    let grouping = Grouping::read(run)?;
    let has_targets = run.has_targets();
    let mut writer = ResultsWriter::begin(run.record()?.sources, has_targets, options, out);
    run.for_each_task::<ResultsError>(|task| {
        writer.row(&task, &grouping);
        writer.failed.take().map_or(Ok(()), |error| Err(ResultsError::Write(error)))
    })?;
    Ok(writer.finish()?.0)
}

/// Returns the error of the writer underneath.
///
/// Its kind says whether the reader has gone, and `csv` hides that kind when it converts its error
/// to an `io::Error`.
pub(crate) fn not_written(error: csv::Error) -> ResultsError {
    ResultsError::Write(match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        // Nothing else is expected: records of bytes have neither UTF-8 nor length errors here.
        other => io::Error::other(format!("{other:?}")),
    })
}

/// A document with results that is being written, task by task.
///
/// Its memory is used again for each row, because a run may have millions of rows.
pub struct ResultsWriter<W> {
    options: ResultsOptions,
    /// Whether each row names its target.
    has_targets: bool,
    sources: Vec<SourceRecord>,
    others: OtherColumns,
    lines: CsvLines<W>,
    summary: ResultsSummary,
    /// The first error, after which nothing more is written.
    failed: Option<io::Error>,
    text: String,
    time: TimestampText,
    digits: itoa::Buffer,
}

impl<W: Write> ResultsWriter<W> {
    /// Begins the results of a run with these inputs; rows name their targets if it has some.
    pub fn begin(
        sources: Vec<SourceRecord>,
        has_targets: bool,
        options: &ResultsOptions,
        out: W,
    ) -> Self {
        let target = has_targets.then_some(TARGET_COLUMN);
        let ours: Vec<&str> = RESULTS_COLUMNS.iter().copied().chain(target).collect();
        let mut writer = Self {
            options: options.clone(),
            has_targets,
            others: OtherColumns::new(&sources, &ours),
            sources,
            lines: options.dialect.begin_lines(out),
            summary: ResultsSummary::default(),
            failed: None,
            text: String::new(),
            time: TimestampText::default(),
            digits: itoa::Buffer::new(),
        };
        writer.header();
        writer
    }

    fn header(&mut self) {
        let target = self.has_targets.then_some(TARGET_COLUMN);
        RESULTS_COLUMNS.iter().copied().chain(target).for_each(|name| self.lines.word(name));
        // Names of columns are foreign too: a spreadsheet would run a formula in a header.
        self.others.names().iter().for_each(|name| self.lines.field(&guarded(name)));
        self.failed = self.lines.end_line().err();
    }

    /// Writes a task, if it is one of the selected ones. An error is kept for the end, because
    /// other documents of the same run go on.
    pub fn row(&mut self, task: &TaskRow, grouping: &Grouping) {
        if self.failed.is_some() || !is_selected(task, &self.options.only) {
            return;
        }
        self.fill(task, grouping);
        self.summary.rows[task.outcome] += 1;
        self.failed = self.lines.end_line().err();
    }

    /// Ends the document; returns what was written, and where.
    ///
    /// # Errors
    ///
    /// The first one of writing; then the document is not complete.
    pub fn finish(self) -> io::Result<(ResultsSummary, W)> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok((self.summary, self.lines.finish()?)),
        }
    }

    fn fill(&mut self, task: &TaskRow, grouping: &Grouping) {
        // One call for each column or group of columns, in the order of `RESULTS_COLUMNS`.
        let failure = failure_of(task);
        self.id(task);
        self.word(task.command.as_str());
        self.word(task.outcome.as_str());
        self.answer(task.last.as_ref());
        self.failure(failure);
        self.number(Some(task.attempts));
        self.times(task.first_sent, task.settled);
        let request_id = task.last.as_ref().and_then(|last| last.request_id.as_deref());
        self.service_text(request_id.unwrap_or_default());
        self.source(task);
        self.seen(&task.seen);
        let label = failure.and_then(|_| grouping.group_of(task));
        self.word(&label.map_or_else(String::new, |label| label.to_string()));
        self.explanation(failure);
        if self.has_targets {
            self.word(task.target.as_deref().unwrap_or_default());
        }
        for cell in self.others.cells(task.source, task.others.as_deref()) {
            if is_plain(cell) { self.lines.word(cell) } else { self.lines.field(&guarded(cell)) }
        }
    }

    fn id(&mut self, task: &TaskRow) {
        match self.options.dialect.id_prefix(&task.id) {
            // Nearly every id: without formatting, which would cost an allocation a row.
            "" => self.word(task.id.as_str()),
            mark => self.word(&format!("{mark}{}", task.id)),
        }
    }

    fn answer(&mut self, last: Option<&AttemptRow>) {
        self.number(last.and_then(|last| last.http_status));
        let counts = last.and_then(|last| last.counts);
        self.number(counts.map(|counts| counts.total));
        self.number(counts.map(|counts| counts.failed));
        self.number(counts.map(|counts| counts.succeeded));
    }

    fn failure(&mut self, failure: Option<&Failure>) {
        let Some(failure) = failure else {
            // Kind, code, message and list.
            return (0..4).for_each(|_| self.word(""));
        };
        self.word(failure.kind.as_str());
        self.service_text(&failure.code);
        self.service_text(&failure.message);
        self.service_texts(&failure.error_list);
    }

    /// Adds what the service said beside its message: detail, params, reason and advice.
    fn explanation(&mut self, failure: Option<&Failure>) {
        let Some(failure) = failure else { return (0..4).for_each(|_| self.word("")) };
        self.service_text(&failure.detail);
        self.service_texts(&failure.params);
        self.service_text(&failure.reason);
        self.service_text(&failure.advice);
    }

    fn times(&mut self, first_sent: Option<Timestamp>, settled: Option<Timestamp>) {
        self.time(first_sent);
        self.time(settled);
        // A task settled without being sent, such as an unchanged one, has no duration.
        let duration = first_sent.zip(settled).map(|(first, settled)| settled.since(first));
        self.number(duration.map(|duration| duration.as_millis()));
    }

    fn source(&mut self, task: &TaskRow) {
        let number = usize::try_from(task.source).expect("a u32 fits a usize");
        let name = self.sources.get(number).map_or("", |source| source.name.as_str());
        // `file:line`, as in the messages about invalid rows.
        self.text.clear();
        self.text.extend([name, ":", self.digits.format(task.line)]);
        self.lines.field(&guarded(&self.text));
    }

    fn seen(&mut self, seen: &SeenRow) {
        self.word(seen.before.map_or("", TaskState::as_str));
        self.word(seen.after.map_or("", TaskState::as_str));
        self.time(seen.verified);
    }

    /// Adds a cell with a word of our own, which needs no guard.
    fn word(&mut self, word: &str) {
        self.lines.word(word);
    }

    /// Adds a time, or an empty cell.
    fn time(&mut self, time: Option<Timestamp>) {
        self.lines.word(time.map_or("", |time| self.time.format(time)));
    }

    /// Adds a number, or an empty cell.
    fn number(&mut self, number: Option<impl itoa::Integer>) {
        self.lines.word(number.map_or("", |number| self.digits.format(number)));
    }

    /// Adds a list of texts of the service as one cell.
    fn service_texts(&mut self, texts: &[String]) {
        // Joined only if there is something to join, to save an allocation a row.
        match texts {
            [] => self.word(""),
            texts => self.service_text(&texts.join("; ")),
        }
    }

    /// Adds a text of the service or its gateway.
    fn service_text(&mut self, text: &str) {
        if is_plain(text) { self.word(text) } else { self.lines.field(&service_cell(text)) }
    }
}

/// Returns whether a text can stand in a cell as it is, without quotes and guards. Nearly every one
/// can, and this finds it in one pass.
fn is_plain(text: &str) -> bool {
    let special = |byte| matches!(byte, b',' | b'"' | b'\r' | b'\n' | b';' | b'\t' | b'\0');
    let begins_plain = text.bytes().next().is_none_or(|first| first.is_ascii_alphanumeric());
    // To the end even where one is found: without a branch it takes many bytes at a time.
    begins_plain
        && text.len() <= MAX_TEXT_BYTES
        && !text.bytes().fold(false, |found, byte| found | special(byte))
}

/// Returns a text of the service as a cell: guarded, and no longer than a cell may be.
pub(crate) fn service_cell(text: &str) -> Cow<'_, str> {
    // Guards make a text longer, and a guarded text is still one when it is cut.
    match fitting(text) {
        Cow::Borrowed(text) => match guarded(text) {
            Cow::Borrowed(text) => Cow::Borrowed(cut(text, MAX_TEXT_BYTES)),
            Cow::Owned(text) => Cow::Owned(cut(&text, MAX_TEXT_BYTES).to_owned()),
        },
        Cow::Owned(text) => Cow::Owned(cut(&guarded(&text), MAX_TEXT_BYTES).to_owned()),
    }
}

/// Returns the beginning of a text that fits a cell, without the NUL that no input may hold.
fn fitting(text: &str) -> Cow<'_, str> {
    let text = cut(text, MAX_TEXT_BYTES);
    // The common case borrows.
    if text.contains('\0') {
        return Cow::Owned(text.replace('\0', "\u{fffd}"));
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_plain_text_needs_neither_quotes_nor_guards(text in "[-+=@'a1 ,;\"\t\r\n\0é]{0,4}") {
            if is_plain(&text) {
                prop_assert_eq!(&*service_cell(&text), &*text);
                prop_assert_eq!(&*guarded(&text), &*text);
                let mut lines = CsvDialect::Plain.begin_lines(Vec::new());
                lines.field(&text);
                prop_assert_eq!(lines.finish().unwrap(), text.into_bytes());
            }
        }
    }
}
