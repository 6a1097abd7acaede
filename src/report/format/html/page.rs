//! Writes a report as one HTML page, for readers who were not there.
//!
//! The page is a single file that loads nothing: style and script are in it, and its content
//! policy allows only these two, by their hashes. So no text of a task or of the service can act.
//! The templates escape all text; the rest is in a JSON block that the script only ever shows as
//! text. The tasks wait in a spool for the charts above them: memory does not grow with their number.

use crate::reading::{RunReader, TaskRow};
use crate::report::format::csv::ResultsError;
use crate::report::format::html::head::HtmlHead;
use crate::report::format::html::place::PagePlace;
use crate::report::format::html::rows::{HtmlRows, Limits};
use crate::report::format::html::series::{OutcomeSeries, TimeSeries};
use crate::report::format::spool::Spool;
use crate::report::model::{Report, TaskContext};
use crate::store::StoreError;
use askama::Template;
use std::io;
use std::io::Write;
use std::path::Path;

/// Writes the report of a run and all its tasks as an HTML page.
///
/// If there are more than 200,000 tasks, the page has those that did not succeed first, and says
/// so.
///
/// # Errors
///
/// Those of the store and of `out`; then the page is not complete.
pub fn write_html(run: &RunReader, report: &Report, out: impl Write) -> Result<(), ResultsError> {
    write_page(run, report, Limits::DEFAULT, out)
}

fn write_page(
    run: &RunReader,
    report: &Report,
    limits: Limits,
    out: impl Write,
) -> Result<(), ResultsError> {
    let context = TaskContext::read(run, report)?;
    let mut writer = PageWriter::within(limits, PagePlace::File, run, Spool::temporary)?;
    run.for_each_task::<ResultsError>(|task| {
        writer.row(&task, &context);
        Ok(())
    })?;
    writer.finish(run, report, out)
}

/// A page that is being written, task by task.
pub struct PageWriter {
    limits: Limits,
    place: PagePlace,
    rows: HtmlRows,
    /// Counted from the first task on, because the times of the run must be known.
    outcomes: Option<OutcomeSeries>,
    /// The first error, after which nothing more is written.
    failed: Option<io::Error>,
}

impl PageWriter {
    /// Begins the page of a run; its rows are kept in this directory until their place is known.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn begin(run: &RunReader, directory: &Path) -> Result<Self, StoreError> {
        let spool = || Spool::in_directory(directory);
        Self::within(Limits::DEFAULT, PagePlace::File, run, spool)
    }

    pub(crate) fn within(
        limits: Limits,
        place: PagePlace,
        run: &RunReader,
        spool: impl Fn() -> Spool,
    ) -> Result<Self, StoreError> {
        let rows = HtmlRows::begin(run, limits, spool)?;
        Ok(Self { limits, place, rows, outcomes: None, failed: None })
    }

    /// Adds a task. An error is kept for the end, because other documents of the same run go on.
    pub fn row(&mut self, task: &TaskRow, context: &TaskContext) {
        if self.failed.is_some() {
            return;
        }
        self.outcomes.get_or_insert_with(|| OutcomeSeries::new(context.worked())).add(task);
        self.failed = self.rows.add(task, context.grouping()).err();
    }

    /// Writes the whole page.
    ///
    /// # Errors
    ///
    /// The first one of writing, and those of the store; then the page is not complete.
    pub fn finish(
        self,
        run: &RunReader,
        report: &Report,
        mut out: impl Write,
    ) -> Result<(), ResultsError> {
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        let outcomes = self.outcomes.unwrap_or_else(|| OutcomeSeries::new(&report.run.worked));
        let series = TimeSeries::read(run, report, outcomes)?;
        let head = HtmlHead::new(report, &series, self.limits, self.place);
        write_parts(&head, self.place, |out| self.rows.write(run, report, out), &mut out)
    }
}

/// Writes a page around the data of its table.
pub(crate) fn write_parts<W: Write>(
    head: &HtmlHead,
    place: PagePlace,
    data: impl FnOnce(&mut W) -> Result<(), ResultsError>,
    out: &mut W,
) -> Result<(), ResultsError> {
    head.write_into(out)?;
    // Not part of the template, because a template would need all rows in memory.
    out.write_all(b"<script type=\"application/json\" id=\"data\">")?;
    data(out)?;
    out.write_all(b"</script>\n<script>")?;
    // Byte for byte the text whose hash is in the content policy, without line ends around it.
    out.write_all(place.script().as_bytes())?;
    Ok(out.write_all(b"</script>\n</body>\n</html>\n")?)
}

/// Writes a page with smaller limits, for tests.
#[cfg(test)]
pub(crate) fn write_part(
    run: &RunReader,
    report: &Report,
    (tasks, attempts): (u64, usize),
    out: impl Write,
) -> Result<(), ResultsError> {
    write_page(run, report, Limits { tasks, attempts }, out)
}
