//! Joins the engine to the store, and shows what the store has committed to who watches.

use super::watch::Gallery;
use crate::engine::Claim;
use crate::engine::Ledger;
use crate::engine::LedgerError;
use crate::event::Event;
use crate::policy::Standing;
use crate::store::RunWriter;
use crate::store::StoreError;
use crate::store::UnsettledTask;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::Arc;

/// The store of one run, as the engine sees it.
pub(super) struct StoreLedger {
    pub(super) writer: RunWriter,
    pub(super) gallery: Gallery,
}

impl Ledger for StoreLedger {
    fn claim(&mut self, most: usize) -> BoxFuture<'static, Result<Vec<Claim>, LedgerError>> {
        let claimed = self.writer.claim(most);
        async move {
            let tasks = claimed.await.map_err(ledger_error)?;
            Ok(tasks.into_iter().map(claim).collect())
        }
        .boxed()
    }

    fn on_events(&mut self, events: Vec<Event>) -> BoxFuture<'static, Result<(), LedgerError>> {
        let committed = self.writer.commit(events);
        let gallery = self.gallery.clone();
        async move {
            gallery.show(committed.await.map_err(ledger_error)?);
            Ok(())
        }
        .boxed()
    }

    fn hurry(&mut self) {
        self.writer.hurry();
    }
}

fn ledger_error(error: StoreError) -> LedgerError {
    LedgerError(Box::new(error))
}

fn claim(unsettled: UnsettledTask) -> Claim {
    let UnsettledTask { task, attempts, throttled, in_doubt, first_sent, last_seq } = unsettled;
    let charged = attempts.saturating_sub(throttled);
    Claim {
        task: Arc::new(task),
        attempts,
        standing: Standing { charged, throttled, doubted: in_doubt, ..Standing::default() },
        first_sent,
        last_seq,
    }
}
