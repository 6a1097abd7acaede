//! The page of one run, as it stands.

use crate::report::{
    Following, LivePage, ResultsError, StillRunning, followed_page_policy, write_followed_page,
};
use crate::store::{RunId, RunReader, StoreError};
use crate::ui::answer;
use crate::ui::answer::Body;
use crate::ui::source::RunSource;
use hyper::{Response, StatusCode};

/// Returns the page of a run; may block.
pub(crate) fn run_page(runs: &dyn RunSource, id: &RunId) -> Response<Body> {
    match read(runs, id) {
        Ok(page) => answer::page(page, &followed_page_policy()),
        Err(ResultsError::Store(error @ StoreError::NoSuchRun { .. })) => {
            answer::words(StatusCode::NOT_FOUND, &error.to_string())
        }
        Err(error) => answer::words(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn read(runs: &dyn RunSource, id: &RunId) -> Result<Vec<u8>, ResultsError> {
    runs.refresh(id)?;
    let runs = runs.directory();
    // Before the reader, as for a report.
    let is_locked = runs.is_locked(id)?;
    let running = if is_locked { StillRunning::Yes } else { StillRunning::No };
    let reader = RunReader::open(runs, id)?;
    let following = match is_locked {
        false => Following::End,
        true if LivePage::has_room_for(reader.record()?.selected) => Following::Rows,
        true => Following::Head,
    };
    let mut page = Vec::new();
    write_followed_page(&reader, running, following, &mut page)?;
    Ok(page)
}
