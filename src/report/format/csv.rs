//! Writes results.csv: one row for each selected task, in the order of the input.
//!
//! Streams, after one walk over the failures for their groups; memory does not grow with the number
//! of tasks. What it writes is a valid input again: ids can be told as they were given, and no
//! column of the input can be taken for one of ours. Foreign cells are guarded against
//! spreadsheets, and those of the service are cut to what spreadsheets can hold.

use crate::clock::{Timestamp, TimestampText};
use crate::report::format::csv_dialect::CsvDialect;
use crate::report::format::cut::cut;
use crate::report::format::other_columns::OtherColumns;
use crate::report::model::{Grouping, failure_of};
use crate::store::{AttemptRow, RunReader, SeenRow, SourceRecord, StoreError, TaskRow};
use crate::task::{Failure, Outcome, OutcomeCounts, RESULTS_COLUMNS, TaskState};
use crate::text::guarded;
use csv::ByteRecord;
use std::borrow::Cow;
use std::io;
use std::io::Write;

/// The longest text of the service in a cell, in bytes: spreadsheets hold 32,767 characters, and
/// a row must stay short enough to be read back.
const LONGEST_TEXT: usize = 32_000;

/// What is written, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultsOptions {
    /// Whom it is for.
    pub dialect: CsvDialect,
    /// Only tasks with one of these outcomes; all if it is empty.
    pub only: Vec<Outcome>,
}

/// Tells whether tasks of an outcome are among those that are asked for; none named means all.
pub(crate) fn is_wanted(outcome: Outcome, only: &[Outcome]) -> bool {
    only.is_empty() || only.contains(&outcome)
}

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultsSummary {
    /// How many rows, by outcome; the header is not one of them.
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
/// Those of the store and of `out`; what was written until then is not complete.
pub fn write_results(
    run: &RunReader,
    options: &ResultsOptions,
    out: impl Write,
) -> Result<ResultsSummary, ResultsError> {
    let sources = run.record()?.sources;
    let mut writer = options.dialect.begin(out).map_err(ResultsError::Write)?;
    let mut row = ResultRow::new(sources, Grouping::read(run)?, options.dialect);
    let mut summary = ResultsSummary::default();
    row.fill_header();
    writer.write_byte_record(&row.cells).map_err(not_written)?;
    run.for_each_task::<ResultsError>(|task| {
        if !is_wanted(task.outcome, &options.only) {
            return Ok(());
        }
        row.fill(&task);
        summary.rows[task.outcome] += 1;
        writer.write_byte_record(&row.cells).map_err(not_written)
    })?;
    writer.flush().map_err(ResultsError::Write)?;
    Ok(summary)
}

/// Returns the error of the writer underneath: whether its reader has gone is told by its kind,
/// which `csv` hides when it makes an `io::Error` of its own.
pub(crate) fn not_written(error: csv::Error) -> ResultsError {
    ResultsError::Write(match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    })
}

/// The row that is being written; its memory is used again for the next.
struct ResultRow {
    dialect: CsvDialect,
    sources: Vec<SourceRecord>,
    others: OtherColumns,
    grouping: Grouping,
    cells: ByteRecord,
    text: String,
    time: TimestampText,
    digits: itoa::Buffer,
}

impl ResultRow {
    fn new(sources: Vec<SourceRecord>, grouping: Grouping, dialect: CsvDialect) -> Self {
        let others = OtherColumns::of(&sources, RESULTS_COLUMNS);
        Self {
            dialect,
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
        for name in self.others.names() {
            self.cells.push_field(guarded(name).as_bytes());
        }
    }

    fn fill(&mut self, task: &TaskRow) {
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
        self.others.fill(task.source, task.others.as_deref(), &mut self.cells);
    }

    fn id(&mut self, task: &TaskRow) {
        match self.dialect.before_id(&task.id) {
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
            return (0..4).for_each(|_| self.word(""));
        };
        self.word(failure.kind.as_str());
        self.service_text(&failure.code);
        self.service_text(&failure.message);
        match failure.error_list.as_slice() {
            [] => self.word(""),
            list => self.service_text(&list.join("; ")),
        }
    }

    fn times(&mut self, first_sent: Option<Timestamp>, settled: Option<Timestamp>) {
        self.time(first_sent);
        self.time(settled);
        let duration = first_sent.zip(settled).map(|(first, settled)| settled.since(first));
        self.number(duration.map(|duration| duration.as_millis()));
    }

    fn source(&mut self, task: &TaskRow) {
        let number = usize::try_from(task.source).expect("a u32 fits a usize");
        let name = self.sources.get(number).map_or("", |source| source.name.as_str());
        self.text.clear();
        self.text.extend([name, ":", self.digits.format(task.line)]);
        self.cells.push_field(guarded(&self.text).as_bytes());
    }

    fn seen(&mut self, seen: &SeenRow) {
        self.word(seen.before.map_or("", TaskState::as_str));
        self.word(seen.after.map_or("", TaskState::as_str));
        self.time(seen.verified);
    }

    /// Adds the label that the report has for why the task failed.
    fn group(&mut self, task: &TaskRow) {
        let label = self.grouping.group_of(task).map(|label| label.to_string());
        self.word(label.as_deref().unwrap_or_default());
    }

    /// Adds a cell that batchctl chose.
    fn word(&mut self, word: &str) {
        self.cells.push_field(word.as_bytes());
    }

    /// Adds a time, or an empty cell.
    fn time(&mut self, time: Option<Timestamp>) {
        let text = time.map_or("", |time| self.time.of(time));
        self.cells.push_field(text.as_bytes());
    }

    /// Adds a number, or an empty cell.
    fn number(&mut self, number: Option<impl itoa::Integer>) {
        let text = number.map_or("", |number| self.digits.format(number));
        self.cells.push_field(text.as_bytes());
    }

    /// Adds what the service or its gateway sent.
    fn service_text(&mut self, text: &str) {
        // Guards make a text longer, and a guarded text is still one when it is cut.
        let text = fitting(text);
        self.cells.push_field(cut(&guarded(&text), LONGEST_TEXT).as_bytes());
    }
}

/// Returns as much of a text as fits a cell. No input may hold a NUL, so none is written.
pub(crate) fn fitting(text: &str) -> Cow<'_, str> {
    let text = cut(text, LONGEST_TEXT);
    if text.contains('\0') {
        return Cow::Owned(text.replace('\0', "\u{fffd}"));
    }
    Cow::Borrowed(text)
}
