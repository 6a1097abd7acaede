//! The engine's view of the store, and the place where committed events go to the watchers.

use crate::clock::Timestamp;
use crate::engine::{ChunkRef, Claim, Claimed, Kept, Ledger, LedgerError};
use crate::event::{AttemptSeq, Event, EventKind, RunStats};
use crate::policy::AttemptHistory;
use crate::run::error::RunError;
use crate::run::watchers::WatcherChannel;
use crate::store::{RunWriter, StoreError, UnsettledTask};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;

/// The store of one run, as the engine sees it.
pub(crate) struct StoreLedger {
    pub(crate) writer: RunWriter,
    pub(crate) watcher_channel: WatcherChannel,
    pub(crate) ended_by: RunEndedBy,
}

/// The part that emits the end of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunEndedBy {
    /// The engine.
    Engine,
    /// The phases, which continue after the engine: see [`StoreLedger::end`].
    Phases,
}

impl StoreLedger {
    /// Returns the ledger of a writer, whose waits for room the watchers are shown.
    pub(crate) fn new(
        writer: RunWriter,
        watcher_channel: WatcherChannel,
        ended_by: RunEndedBy,
    ) -> Self {
        watcher_channel.show_waits(writer.sign());
        Self { writer, watcher_channel, ended_by }
    }

    /// Makes one event durable and shows it.
    pub(crate) async fn emit(&mut self, at: Timestamp, kind: EventKind) -> Result<(), RunError> {
        let committed = self.writer.commit(vec![Event { at, kind }]).await?;
        self.watcher_channel.show(committed);
        Ok(())
    }

    /// Emits the end of the session.
    pub(crate) async fn end(&mut self, at: Timestamp, stats: RunStats) -> Result<(), RunError> {
        self.emit(at, EventKind::RunEnded(stats)).await
    }
}

impl Ledger for StoreLedger {
    fn claim(&mut self, most: usize) -> BoxFuture<'static, Result<Claimed, LedgerError>> {
        let claimed = self.writer.claim(most);
        async move {
            let tasks = claimed.await.map_err(ledger_error)?;
            Ok(Claimed::all(tasks.into_iter().map(claim).collect()))
        }
        .boxed()
    }

    fn on_events(
        &mut self,
        mut events: Vec<Event>,
    ) -> BoxFuture<'static, Result<Kept, LedgerError>> {
        // The session goes on after the engine, so its end is not one yet.
        events.retain(|event| self.ended_by == RunEndedBy::Engine || !is_end(event));
        let committed = self.writer.commit(events);
        let watcher_channel = self.watcher_channel.clone();
        async move {
            // Watchers see only durable events.
            watcher_channel.show(committed.await.map_err(ledger_error)?);
            // No other process can have a task of a run that this one has locked.
            Ok(Kept::default())
        }
        .boxed()
    }

    fn may_leave(&mut self, last: AttemptSeq) -> bool {
        self.writer.may_leave(last)
    }

    fn hurry(&mut self) {
        self.writer.hurry();
    }
}

/// Returns whether an event is the end of a session.
pub(crate) fn is_end(event: &Event) -> bool {
    matches!(event.kind, EventKind::RunEnded(_))
}

fn ledger_error(error: StoreError) -> LedgerError {
    LedgerError(Box::new(error))
}

/// Returns a task as the engine takes it.
pub(crate) fn claim(unsettled: UnsettledTask) -> Claim {
    let doubted_before = unsettled.doubted_before;
    let UnsettledTask { task, attempts, throttled, in_doubt, first_sent, last_seq, .. } = unsettled;
    // The store counts refused credentials as throttled; neither is charged to a task.
    let charged = attempts.saturating_sub(throttled);
    Claim {
        task: Arc::new(task),
        chunk: ChunkRef::default(),
        attempts,
        history: AttemptHistory {
            charged,
            throttled,
            doubted: in_doubt,
            doubted_before,
            ..AttemptHistory::default()
        },
        first_sent,
        last_seq,
    }
}
