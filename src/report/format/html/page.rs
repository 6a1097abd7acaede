//! Writes a report as one HTML page, for readers who were not there.
//!
//! The page is a single file that loads nothing: style and script are in it, and its content
//! policy allows only these two, by their hashes. So no text of a task or of the service can act.
//! The templates escape all text; the rest is in a JSON block that the script only ever shows as
//! text. The tasks stream through: memory does not grow with their number.

use crate::report::format::csv::ResultsError;
use crate::report::format::html::head::{HtmlHead, SCRIPT};
use crate::report::format::html::rows::{Limits, write_rows};
use crate::report::format::html::series::TimeSeries;
use crate::report::model::Report;
use crate::store::RunReader;
use askama::Template;
use std::io::Write;

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
    mut out: impl Write,
) -> Result<(), ResultsError> {
    let series = TimeSeries::read(run, report)?;
    HtmlHead::new(report, &series, limits).write_into(&mut out)?;
    // Not part of the template, because a template would need all rows in memory.
    out.write_all(b"<script type=\"application/json\" id=\"data\">")?;
    write_rows(run, report, limits, &mut out)?;
    out.write_all(b"</script>\n<script>")?;
    // Byte for byte the text whose hash is in the content policy, without line ends around it.
    out.write_all(SCRIPT.as_bytes())?;
    out.write_all(b"</script>\n</body>\n</html>\n")?;
    Ok(())
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
