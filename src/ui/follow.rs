//! Follows one run: what its page does not show yet.

use crate::report::{Following, LivePage, ResultsError, StillRunning};
use crate::store::{RunId, RunReader, StoreError};
use crate::ui::order::Operator;
use crate::ui::source::RunSource;
use crate::ui::stream::{Found, Look};
use serde_json::Value;
use std::sync::Arc;

/// The looks that may fail one after the other before the page is told.
const FAILURES: u32 = 5;

/// A run that a browser follows.
pub(crate) struct FollowedRun {
    runs: Arc<dyn RunSource>,
    id: RunId,
    following: Following,
    page: LivePage,
    /// What the browser has: the number of the reading, that of commits, and whether a process works
    /// on the run.
    seen: Option<(u64, u64, bool)>,
    failures: u32,
    operator: Arc<dyn Operator>,
    /// What the browser was told of where the run stands.
    standing: Option<String>,
    is_first: bool,
}

impl FollowedRun {
    pub(crate) fn new(
        runs: Arc<dyn RunSource>,
        id: RunId,
        following: Following,
        operator: Arc<dyn Operator>,
    ) -> Self {
        let page = LivePage::new(following);
        let (seen, standing) = (None, None);
        Self { runs, id, following, page, seen, failures: 0, operator, standing, is_first: true }
    }

    /// Adds what only the process of the run knows, such as whether it is paused.
    fn add_standing(&mut self, found: &mut Found) {
        if std::mem::take(&mut self.is_first) && self.operator.takes_orders() {
            found.add("control", "{}");
        }
        if self.following == Following::End {
            return;
        }
        let standing = self.operator.standing(&self.id);
        if standing.is_some() && standing != self.standing {
            let json = Value::from(standing.as_deref().unwrap_or_default()).to_string();
            found.add("standing", &json);
            self.standing = standing;
        }
    }

    fn try_look(&mut self) -> Result<Found, ResultsError> {
        let mut found = Found::default();
        self.add_standing(&mut found);
        let (reading, runs) = (self.runs.refresh(&self.id)?, self.runs.directory());
        // Before the reader: a run that ends in between is looked at once more.
        let is_locked = runs.is_locked(&self.id)?;
        let reader = RunReader::open(runs, &self.id)?;
        let now = (reading, reader.commits(), is_locked);
        let before = self.seen.replace(now);
        if before == Some(now) {
            return Ok(found);
        }
        if self.following == Following::End {
            found.is_last = is_locked || before.is_some();
        } else {
            let running = if is_locked { StillRunning::Yes } else { StillRunning::No };
            for message in self.page.look(&reader, running)? {
                found.add(message.name, &message.json);
            }
            found.is_last = !is_locked;
        }
        // The page is asked for again: whole after the end, and live once there is something to see.
        if found.is_last {
            found.add("end", "{}");
        }
        Ok(found)
    }
}

impl Look for FollowedRun {
    fn look(&mut self) -> Found {
        let error = match self.try_look() {
            Ok(found) => {
                self.failures = 0;
                return found;
            }
            Err(error) => error,
        };
        // The browser and this page may no longer agree on what was sent.
        self.page = LivePage::new(self.following);
        self.seen = None;
        self.failures += 1;
        let is_gone = matches!(error, ResultsError::Store(StoreError::NoSuchRun { .. }));
        let mut found = Found::default();
        if is_gone || self.failures >= FAILURES {
            found.is_last = true;
            found.add("gone", &Value::from(error.to_string()).to_string());
        }
        found
    }
}
