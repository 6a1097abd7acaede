//! Writes results.csv: one row for each selected task, in the order of the input.
//!
//! Streams, after one pass over the failures for their groups; memory does not grow with the
//! number of tasks. The document is a valid input again: ids are read as they were given, and no
//! column of the input is mistaken for one of ours. Foreign cells are guarded against spreadsheets,
//! and cells of the service are cut to what spreadsheets can hold.

use crate::clock::{Timestamp, TimestampText};
use crate::report::format::csv_dialect::CsvDialect;
use crate::report::format::other_columns::OtherColumns;
use crate::report::format::row_filter::{RowFilter, is_selected};
use crate::report::model::{Grouping, failure_of};
use crate::store::{AttemptRow, RunReader, SeenRow, SourceRecord, StoreError, TaskRow};
use crate::task::{Failure, OutcomeCounts, RESULTS_COLUMNS, TARGET_COLUMN, TaskState};
use crate::text::{cut, guarded};
use csv::ByteRecord;
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
    let sources = run.record()?.sources;
    let has_targets = run.has_targets();
    let mut writer = options.dialect.begin(out).map_err(ResultsError::Write)?;
    // The groups first: the label of a task depends on all failures, also on later ones.
    let mut row = ResultRow::new(sources, has_targets, Grouping::read(run)?, options.dialect);
    let mut summary = ResultsSummary::default();
    row.fill_header();
    writer.write_byte_record(&row.cells).map_err(not_written)?;
    run.for_each_task::<ResultsError>(|task| {
        if !is_selected(&task, &options.only) {
            return Ok(());
        }
        row.fill(&task);
        summary.rows[task.outcome] += 1;
        writer.write_byte_record(&row.cells).map_err(not_written)
    })?;
    writer.flush().map_err(ResultsError::Write)?;
    Ok(summary)
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

/// The row that is being written. Its memory is used again for the next, because a run may have
/// millions of rows.
struct ResultRow {
    dialect: CsvDialect,
    /// Whether each row names its target.
    has_targets: bool,
    sources: Vec<SourceRecord>,
    others: OtherColumns,
    grouping: Grouping,
    cells: ByteRecord,
    text: String,
    time: TimestampText,
    digits: itoa::Buffer,
}

impl ResultRow {
    fn new(
        sources: Vec<SourceRecord>,
        has_targets: bool,
        grouping: Grouping,
        dialect: CsvDialect,
    ) -> Self {
        let target = has_targets.then_some(TARGET_COLUMN);
        let ours: Vec<&str> = RESULTS_COLUMNS.iter().copied().chain(target).collect();
        let others = OtherColumns::new(&sources, &ours);
        Self {
            dialect,
            has_targets,
            sources,
            others,
            grouping,
            cells: ByteRecord::new(),
            text: String::new(),
            time: TimestampText::default(),
            digits: itoa::Buffer::new(),
        }
    }

    fn fill_header(&mut self) {
        self.cells.clear();
        self.cells.extend(RESULTS_COLUMNS);
        self.cells.extend(self.has_targets.then_some(TARGET_COLUMN));
        // Names of columns are foreign too: a spreadsheet would run a formula in a header.
        for name in self.others.names() {
            self.cells.push_field(guarded(name).as_bytes());
        }
    }

    fn fill(&mut self, task: &TaskRow) {
        // One call for each column or group of columns, in the order of `RESULTS_COLUMNS`.
        self.cells.clear();
        self.id(task);
        self.word(task.command.as_str());
        self.word(task.outcome.as_str());
        self.answer(task.last.as_ref());
        self.failure(failure_of(task));
        self.number(Some(task.attempts));
        self.times(task.first_sent, task.settled);
        let request_id = task.last.as_ref().and_then(|last| last.request_id.as_deref());
        self.service_text(request_id.unwrap_or_default());
        self.source(task);
        self.seen(&task.seen);
        self.group(task);
        self.explanation(failure_of(task));
        if self.has_targets {
            self.word(task.target.as_deref().unwrap_or_default());
        }
        self.others.fill(task.source, task.others.as_deref(), &mut self.cells);
    }

    fn id(&mut self, task: &TaskRow) {
        match self.dialect.id_prefix(&task.id) {
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
        self.cells.push_field(guarded(&self.text).as_bytes());
    }

    fn seen(&mut self, seen: &SeenRow) {
        self.word(seen.before.map_or("", TaskState::as_str));
        self.word(seen.after.map_or("", TaskState::as_str));
        self.time(seen.verified);
    }

    /// Adds the label of the failure group of the task, or an empty cell.
    fn group(&mut self, task: &TaskRow) {
        let label = self.grouping.group_of(task).map(|label| label.to_string());
        self.word(label.as_deref().unwrap_or_default());
    }

    /// Adds a cell with a word of our own, which needs no guard.
    fn word(&mut self, word: &str) {
        self.cells.push_field(word.as_bytes());
    }

    /// Adds a time, or an empty cell.
    fn time(&mut self, time: Option<Timestamp>) {
        let text = time.map_or("", |time| self.time.format(time));
        self.cells.push_field(text.as_bytes());
    }

    /// Adds a number, or an empty cell.
    fn number(&mut self, number: Option<impl itoa::Integer>) {
        let text = number.map_or("", |number| self.digits.format(number));
        self.cells.push_field(text.as_bytes());
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
        self.cells.push_field(service_cell(text).as_bytes());
    }
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
