//! The page of one run, as it stands.

use crate::reading::RunReader;
use crate::report::{
    Following, ResultsError, StillRunning, followed_page_policy, write_followed_page,
};
use crate::store::{RunId, StoreError};
use crate::ui::answer;
use crate::ui::answer::Body;
use crate::ui::followed_runs::FollowedRuns;
use crate::ui::source::RunSource;
use hyper::{Response, StatusCode};

/// Returns the page of a run; may block.
pub(crate) fn run_page(
    runs: &dyn RunSource,
    followed: &FollowedRuns,
    id: &RunId,
) -> Response<Body> {
    match read(runs, followed, id) {
        Ok(page) => answer::page(page, &followed_page_policy()),
        Err(ResultsError::Store(error @ StoreError::NoSuchRun { .. })) => {
            answer::words(StatusCode::NOT_FOUND, &error.to_string())
        }
        Err(error) => answer::words(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn read(
    runs: &dyn RunSource,
    followed: &FollowedRuns,
    id: &RunId,
) -> Result<Vec<u8>, ResultsError> {
    let reading = runs.refresh(id)?;
    let runs = runs.directory();
    // Before the reader, as for a report.
    let is_locked = runs.is_locked(id)?;
    let reader = RunReader::open(runs, id)?;
    let mut page = Vec::new();
    if !is_locked {
        write_followed_page(&reader, StillRunning::No, Following::End, &mut page)?;
        return Ok(page);
    }
    let live = followed.of(id, reader.record()?.selected);
    let mut live = live.lock();
    if live.has_rows() {
        live.note_file(reading);
        live.write_page(&reader, &mut page)?;
    }
    if !live.has_rows() {
        page.clear();
        write_followed_page(&reader, StillRunning::Yes, Following::Head, &mut page)?;
    }
    Ok(page)
}
