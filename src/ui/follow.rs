//! Follows one run: what its page does not show yet.
//!
//! A run is read for its whole page only when its `Share` allows that. In between, the page gets the
//! number of settled tasks, which one row of the run's file tells. What is read is kept in
//! `FollowedRuns`, for all pages of the run.

use crate::clock::Clock;
use crate::reading::RunReader;
use crate::report::{Following, LivePage, ResultsError, StillRunning};
use crate::store::{RunId, StoreError};
use crate::system::machine::thread_time;
use crate::ui::followed_runs::{FollowedRuns, SharedRun};
use crate::ui::order::Operator;
use crate::ui::share::{Cost, Share};
use crate::ui::source::RunSource;
use crate::ui::stream::{Found, Look, SHORTEST_WAIT, TROUBLE_WAIT};
use serde_json::{Value, json};
use std::sync::Arc;

/// The looks that may fail one after the other before the page is told.
const FAILURES: u32 = 2;

/// The number of the reading, that of commits, and whether a process works on the run.
type Seen = (u64, u64, bool);

/// A run that a browser follows.
pub(crate) struct FollowedRun {
    runs: Arc<dyn RunSource>,
    id: RunId,
    following: Following,
    page: LivePage,
    followed: Arc<FollowedRuns>,
    /// What is read of the run, since the first look.
    live: Option<SharedRun>,
    /// What the browser has.
    seen: Option<Seen>,
    /// The settled tasks that the browser knows of.
    settled: u64,
    share: Share,
    clock: Clock,
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
        followed: &Arc<FollowedRuns>,
    ) -> Self {
        Self {
            runs,
            id,
            following,
            page: LivePage::new(following),
            followed: Arc::clone(followed),
            live: None,
            seen: None,
            settled: 0,
            share: Share::new(followed.readers()),
            clock: Clock::start(),
            failures: 0,
            operator,
            standing: None,
            is_first: true,
        }
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
        let mut found = Found { rest: Some(SHORTEST_WAIT), ..Found::default() };
        self.add_standing(&mut found);
        let is_due = self.share.is_due();
        let is_live = self.following != Following::End;
        if is_live
            && !is_due
            && let Some(settled) = self.runs.settled(&self.id)?
        {
            self.add_settled(settled, &mut found);
            return Ok(found);
        }
        let (began, spent) = (self.clock.instant(), thread_time());
        let reading = self.runs.refresh(&self.id)?;
        let others = self.clock.instant().duration_since(began);
        let runs = self.runs.directory();
        // Before the reader: a run that ends in between is looked at once more.
        let is_locked = runs.is_locked(&self.id)?;
        let reader = RunReader::open(runs, &self.id)?;
        let now = (reading, reader.commits(), is_locked);
        if self.seen == Some(now) {
            return Ok(found);
        }
        if is_live && is_locked && !is_due {
            self.add_settled(reader.outcomes()?.selected(), &mut found);
            return Ok(found);
        }
        let before = self.seen.replace(now);
        if is_live {
            found.is_last = !is_locked;
            self.add_changes(&reader, now, &mut found)?;
        } else {
            found.is_last = is_locked || before.is_some();
        }
        // The page is asked for again: whole after the end, and live once there is something to see.
        if found.is_last {
            found.add("end", "{}");
        }
        self.share.spend(Cost { own: thread_time().saturating_sub(spent), others });
        Ok(found)
    }

    /// Adds what the browser does not have.
    fn add_changes(
        &mut self,
        reader: &RunReader,
        (reading, _, is_locked): Seen,
        found: &mut Found,
    ) -> Result<(), ResultsError> {
        let live = match self.live.take() {
            Some(live) => live,
            None => self.followed.of(&self.id, reader.record()?.selected),
        };
        let mut run = self.live.insert(live).lock();
        run.note_file(reading);
        let running = if is_locked { StillRunning::Yes } else { StillRunning::No };
        for message in run.look(&mut self.page, reader, running)? {
            found.add(message.name, &message.json);
        }
        // The page that comes in the place of this one follows what there is room for.
        found.is_last |= self.following == Following::Rows && !run.has_rows();
        self.settled = reader.outcomes()?.selected();
        Ok(())
    }

    /// Adds how many tasks are settled, if the browser does not know that.
    fn add_settled(&mut self, settled: u64, found: &mut Found) {
        if self.settled != settled {
            self.settled = settled;
            found.add("settled", &json!(settled).to_string());
        }
    }
}

impl Look for FollowedRun {
    fn look(&mut self) -> Found {
        let error = match self.try_look() {
            Ok(mut found) => {
                if self.failures >= FAILURES && !found.is_last {
                    found.add("back", "{}");
                }
                self.failures = 0;
                return found;
            }
            Err(error) => error,
        };
        // The browser and this page may no longer agree on what was sent.
        self.page = LivePage::new(self.following);
        self.seen = None;
        self.failures = self.failures.saturating_add(1);
        let words = Value::from(error.to_string()).to_string();
        let mut found = Found { rest: Some(TROUBLE_WAIT), ..Found::default() };
        if matches!(error, ResultsError::Store(StoreError::NoSuchRun { .. })) {
            found.is_last = true;
            found.add("gone", &words);
        } else if self.failures == FAILURES {
            // A database that was away may come back, so the page waits for it.
            found.add("trouble", &words);
        }
        found
    }
}
