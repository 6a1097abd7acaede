//! Tells those who watch a worker where the whole run stands, also what other workers do.
//!
//! It asks the database at intervals, and once more before the end of the session is shown: the last
//! number of a display must not be older than the end that it tells of.

use crate::database::DatabaseRuns;
use crate::event::Event;
use crate::run::ledger::is_end;
use crate::run::watchers::WatcherChannel;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How often watchers are told where the whole run stands.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Where a run of a database stands, or a target of it.
#[derive(Clone)]
pub(crate) struct Standing {
    runs: Arc<Mutex<DatabaseRuns>>,
    run: i64,
    shown: WatcherChannel,
}

impl Standing {
    pub(crate) fn new(runs: DatabaseRuns, run: i64, shown: WatcherChannel) -> Self {
        Self { runs: Arc::new(Mutex::new(runs)), run, shown }
    }

    /// Tells it at intervals, for ever.
    pub(crate) async fn tell(&self) {
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            self.tell_now().await;
        }
    }

    /// Shows events that are recorded. Before the end of the session it tells where the run stands.
    pub(crate) async fn show(&self, mut events: Vec<Event>) {
        if let Some(end) = events.iter().position(is_end) {
            let ending = events.split_off(end);
            // First, because what this worker settled with them is in the number of all.
            self.shown.show(std::mem::replace(&mut events, ending));
            self.tell_now().await;
        }
        self.shown.show(events);
    }

    async fn tell_now(&self) {
        // A display that is late for a moment does no harm.
        if let Ok(standing) = self.runs.lock().await.phase(self.run).await {
            self.shown.show_settled_by_all(standing.settled);
        }
    }
}
