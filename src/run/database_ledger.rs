//! The engine's view of a run in a database, which other workers carry out as well.

use crate::clock::{Instant, Timestamp};
use crate::database::{
    ChunkKey, ClaimedTasks, DatabaseError, DatabaseWriter, Flushed, MostUncertain,
    UnrecordedOutcomes,
};
use crate::engine::{ChunkRef, Claim, Claimed, Kept, Leave, Ledger, LedgerError};
use crate::event::{AttemptSeq, Event, EventKind, RunStarted, RunStats};
use crate::policy::LeaseState;
use crate::run::ledger::{claim, is_end};
use crate::run::shared_standing::Standing;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::time::Duration;

/// When the lease is looked at again that waits to be renewed.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// The part of one worker in a run.
pub struct DatabaseLedger {
    writer: DatabaseWriter,
    /// What shows to watchers what is recorded.
    standing: Option<Standing>,
    /// Whether this worker is near enough to the database to keep the rate.
    uncertainty: Option<MostUncertain>,
    /// Whether the session goes on after the engine.
    ends_later: bool,
    /// The end of giving tasks back: until then they would be kept for nobody.
    given_back: Option<BoxFuture<'static, Result<(), DatabaseError>>>,
}

impl std::fmt::Debug for DatabaseLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseLedger").field("writer", &self.writer).finish_non_exhaustive()
    }
}

impl DatabaseLedger {
    /// Takes the writer of a worker.
    pub fn new(writer: DatabaseWriter) -> Self {
        let (standing, uncertainty, given_back) = (None, None, None);
        Self { writer, standing, uncertainty, ends_later: false, given_back }
    }

    /// Claims nothing while this worker is too far away to send it.
    pub(crate) fn if_near(self, uncertainty: MostUncertain) -> Self {
        Self { uncertainty: Some(uncertainty), ..self }
    }

    /// Shows what is recorded to watchers.
    pub(crate) fn shown_by(self, standing: Standing) -> Self {
        Self { standing: Some(standing), ..self }
    }

    /// Leaves the end of the session to [`DatabaseLedger::end`].
    pub(crate) fn ending_later(self, ends_later: bool) -> Self {
        Self { ends_later, ..self }
    }

    /// Records the end of the session.
    pub(crate) async fn end(&mut self, at: Timestamp, stats: RunStats) -> Result<(), LedgerError> {
        self.keep(vec![Event { at, kind: EventKind::RunEnded(stats) }]).await.map(drop)
    }

    /// Records a session that ends before its first call.
    pub(crate) async fn begin_and_end(
        &mut self,
        at: Timestamp,
        started: RunStarted,
        stats: RunStats,
    ) -> Result<(), LedgerError> {
        let kinds = [EventKind::RunStarted(started), EventKind::RunEnded(stats)];
        self.keep(kinds.map(|kind| Event { at, kind }).into()).await.map(drop)
    }

    fn keep(&mut self, events: Vec<Event>) -> BoxFuture<'static, Result<Kept, LedgerError>> {
        let flushed = self.writer.commit(events);
        let standing = self.standing.clone();
        async move {
            let Flushed { events, lost } = flushed.await.map_err(ledger_error)?;
            if let Some(standing) = standing {
                standing.show(events).await;
            }
            Ok(Kept { lost: lost.into_iter().map(chunk_ref).collect() })
        }
        .boxed()
    }

    /// Returns the writer.
    pub(crate) fn writer(&self) -> &DatabaseWriter {
        &self.writer
    }

    /// Returns what ends once the database has been away for too long.
    pub(crate) fn lost(&mut self) -> impl Future<Output = DatabaseError> + Send + 'static {
        self.writer.lost()
    }

    /// Leaves the leases to their end, and returns what is known and was not recorded.
    pub(crate) fn abandon(self) -> UnrecordedOutcomes {
        self.writer.abandon()
    }

    /// Gives back what this worker has not settled.
    ///
    /// # Errors
    ///
    /// The database is away for too long; then the leases end by themselves.
    pub async fn close(self) -> Result<(), DatabaseError> {
        self.writer.close().await
    }
}

impl Ledger for DatabaseLedger {
    fn claim(&mut self, _: usize) -> BoxFuture<'static, Result<Claimed, LedgerError>> {
        let claimed = match &self.uncertainty {
            Some(uncertainty) => self.writer.claim_if_near(uncertainty).boxed(),
            None => self.writer.claim().boxed(),
        };
        let given_back = self.given_back.take();
        async move {
            if let Some(given_back) = given_back {
                given_back.await.map_err(ledger_error)?;
            }
            claimed.await.map(claimed_tasks).map_err(ledger_error)
        }
        .boxed()
    }

    fn on_events(
        &mut self,
        mut events: Vec<Event>,
    ) -> BoxFuture<'static, Result<Kept, LedgerError>> {
        events.retain(|event| !self.ends_later || !is_end(event));
        self.keep(events)
    }

    fn may_leave(&mut self, _: AttemptSeq) -> bool {
        // Another machine cannot read a watermark: whatever was begun counts as possibly sent.
        true
    }

    fn may_send(&mut self, chunk: ChunkRef, now: Instant) -> Leave {
        if !self.writer.may_fail() {
            return Leave::NotBefore(now + LOOK_AGAIN);
        }
        match self.writer.lease((chunk.no, chunk.epoch), now.into()) {
            LeaseState::Firm(left) => Leave::Until(now + left),
            LeaseState::Ending => Leave::NotBefore(now + LOOK_AGAIN),
            LeaseState::Over => Leave::Lost,
        }
    }

    fn note_failure(&mut self) {
        self.writer.note_failure();
    }

    fn note_open(&mut self) {
        self.writer.open();
    }

    fn give_back(&mut self) {
        self.given_back = Some(self.writer.release().boxed());
    }

    fn note_unrecorded(&mut self, events: &[Event]) {
        self.writer.note_unrecorded(events);
    }

    fn note_dropped(&mut self, chunk: ChunkRef) {
        // Otherwise this worker would keep it, and nobody would carry out what is left of it.
        self.writer.give_up((chunk.no, chunk.epoch));
    }
}

/// Returns an answer of the writer as the engine takes it.
pub(crate) fn claimed_tasks(claimed: ClaimedTasks) -> Claimed {
    match claimed {
        ClaimedTasks::Tasks(chunk, tasks) => {
            let chunk = chunk_ref(chunk);
            let of_chunk = |task| Claim { chunk, ..claim(task) };
            Claimed::Tasks(tasks.into_iter().map(of_chunk).collect())
        }
        ClaimedTasks::NotYet => Claimed::NotYet,
        ClaimedTasks::Done => Claimed::Done,
    }
}

pub(crate) fn chunk_ref((no, epoch): ChunkKey) -> ChunkRef {
    ChunkRef { no, epoch }
}

fn ledger_error(error: DatabaseError) -> LedgerError {
    LedgerError(Box::new(error))
}

#[cfg(test)]
#[path = "database_ledger_tests.rs"]
mod tests;
