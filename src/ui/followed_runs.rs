//! The runs that are followed, each of which is read once for all its pages.
//!
//! Opening a page and its first look come one after the other, so what was read is kept for a moment
//! when nobody looks. Memory is bounded: what many large runs would take beyond it, their pages show
//! without following it.

use crate::clock::{Clock, Instant};
use crate::report::LiveRun;
use crate::store::RunId;
use crate::ui::share::Readers;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a run is kept that nobody looks at: a browser that opens its page looks within that time.
pub(crate) const LINGER: Duration = Duration::from_secs(10);
/// The bytes of rows from which on no further run gets rows.
const ROOM: usize = 256 << 20;

/// The runs that are followed.
#[derive(Debug)]
pub(crate) struct FollowedRuns {
    runs: Mutex<BTreeMap<RunId, Kept>>,
    readers: Arc<Readers>,
    clock: Clock,
    room: usize,
}

#[derive(Debug)]
struct Kept {
    run: SharedRun,
    /// When somebody last began to look at it.
    asked: Instant,
}

/// A run that is read for several pages.
#[derive(Debug, Clone)]
pub(crate) struct SharedRun(Arc<Mutex<LiveRun>>);

impl SharedRun {
    fn new(has_rows: bool) -> Self {
        Self(Arc::new(Mutex::new(LiveRun::new(has_rows))))
    }

    /// Returns the run, once nobody else reads it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, LiveRun> {
        self.0.lock().unwrap_or_else(|broken| {
            // A reading has ended in a panic, in the middle of a change.
            let mut run = broken.into_inner();
            *run = LiveRun::new(run.has_rows());
            self.0.clear_poison();
            run
        })
    }

    fn is_unused(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl Default for FollowedRuns {
    fn default() -> Self {
        Self { runs: Mutex::default(), readers: Arc::default(), clock: Clock::start(), room: ROOM }
    }
}

impl FollowedRuns {
    /// Returns who shares the time of reading.
    pub(crate) fn readers(&self) -> &Arc<Readers> {
        &self.readers
    }

    /// Returns what is read of a run of so many tasks. Waits for whoever reads a run.
    pub(crate) fn of(&self, id: &RunId, tasks: u64) -> SharedRun {
        let mut runs = self.runs();
        let asked = self.clock.instant();
        if let Some(kept) = runs.get_mut(id) {
            kept.asked = asked;
            return kept.run.clone();
        }
        let has_room = |runs: &BTreeMap<RunId, Kept>| {
            runs.values().map(|kept| kept.run.lock().bytes()).sum::<usize>() < self.room
        };
        if !has_room(&runs) {
            runs.retain(|_, kept| !kept.run.is_unused());
        }
        let run = SharedRun::new(LiveRun::has_room_for(tasks) && has_room(&runs));
        runs.insert(id.clone(), Kept { run: run.clone(), asked });
        run
    }

    /// Drops what nobody looks at any more.
    pub(crate) fn drop_unused(&self) {
        let now = self.clock.instant();
        let is_recent = |kept: &Kept| now.duration_since(kept.asked) < LINGER;
        self.runs().retain(|_, kept| !kept.run.is_unused() || is_recent(kept));
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<RunId, Kept>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use tokio::time::advance;

    fn id(last: char) -> RunId {
        format!("20240705-120000-kfz{last}").parse().unwrap()
    }

    fn is_same(one: &SharedRun, other: &SharedRun) -> bool {
        Arc::ptr_eq(&one.0, &other.0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_is_shared_and_dropped_some_time_after_nobody_looks_at_it() {
        let followed = FollowedRuns::default();
        let page = followed.of(&id('q'), 3);
        assert!(is_same(&page, &followed.of(&id('q'), 3)));
        assert!(!is_same(&page, &followed.of(&id('r'), 3)));
        let is_kept = |last| followed.runs().contains_key(&id(last));
        advance(LINGER - Duration::from_millis(1)).await;
        followed.drop_unused();
        assert!(is_kept('q') && is_kept('r'));
        advance(Duration::from_millis(1)).await;
        followed.drop_unused();
        assert!(is_kept('q') && !is_kept('r'), "somebody looks at the first");
        drop(page);
        followed.drop_unused();
        assert!(!is_kept('q'));
    }

    #[test]
    fn rows_are_kept_as_long_as_there_is_room() {
        let has_rows = |room, tasks| {
            let followed = FollowedRuns { room, ..FollowedRuns::default() };
            followed.of(&id('q'), tasks).lock().has_rows()
        };
        assert!(has_rows(1, 200_000) && !has_rows(1, 200_001) && !has_rows(0, 1));
    }

    #[test]
    fn a_run_whose_reading_ended_in_a_panic_is_read_anew() {
        let run = FollowedRuns::default().of(&id('q'), 3);
        let number = run.lock().number();
        let reading = || {
            let _reading = run.lock();
            panic!("a damaged file");
        };
        assert!(catch_unwind(AssertUnwindSafe(reading)).is_err());
        let anew = run.lock().number();
        assert_ne!(anew, number);
        assert_eq!(run.lock().number(), anew);
    }
}
