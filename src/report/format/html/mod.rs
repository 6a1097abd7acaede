//! Writes a report as one HTML page, for whoever was not there.
//!
//! The page is a single file that loads nothing: style and script are in it, and its content
//! policy allows just these two by their hashes, so that nothing that a task or the service is
//! called can act. All text is escaped by the templates or stands in a JSON block that the
//! script only ever shows as text. The tasks stream through: memory does not grow with them.

mod axis;
mod chart;
mod charts;
mod in_script;
mod page;
mod rows;
mod series;
mod texts;
mod words;

use crate::report::Report;
use crate::report::ResultsError;
use crate::report::format::html::page::HtmlHead;
use crate::report::format::html::rows::Limits;
use crate::report::format::html::rows::write_rows;
use crate::report::format::html::series::Series;
use crate::store::RunReader;
use askama::Template;
use std::io::Write;

/// Writes the report of a run and all its tasks as an HTML page.
///
/// Of more than 200,000 tasks those that did not succeed come first, and the page says so.
///
/// # Errors
///
/// Those of the store and of `out`; what was written until then is not complete.
pub fn write_html(run: &RunReader, report: &Report, out: impl Write) -> Result<(), ResultsError> {
    write_page(run, report, Limits::DEFAULT, out)
}

/// Writes a page that holds no more than that.
fn write_page(
    run: &RunReader,
    report: &Report,
    limits: Limits,
    mut out: impl Write,
) -> Result<(), ResultsError> {
    let series = Series::read(run, report)?;
    HtmlHead::of(report, &series, limits).write_into(&mut out)?;
    out.write_all(b"<script type=\"application/json\" id=\"data\">")?;
    write_rows(run, report, limits, &mut out)?;
    out.write_all(b"</script>\n<script>")?;
    out.write_all(page::SCRIPT.as_bytes())?;
    out.write_all(b"</script>\n</body>\n</html>\n")?;
    Ok(())
}

/// Writes a page with less than it could hold, for tests.
#[cfg(test)]
pub(crate) fn write_part(
    run: &RunReader,
    report: &Report,
    (tasks, attempts): (u64, usize),
    out: impl Write,
) -> Result<(), ResultsError> {
    write_page(run, report, Limits { tasks, attempts }, out)
}
