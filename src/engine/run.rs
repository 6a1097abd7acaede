//! Wires service, ledger and dispatcher together for one run.

use crate::api::TaskApi;
use crate::clock::Clock;
use crate::engine::attempt;
use crate::engine::control::Control;
use crate::engine::dispatcher::Dispatcher;
use crate::engine::ledger::{Ledger, LedgerError};
use crate::engine::settings::EngineSettings;
use crate::event::RunStats;
use tokio::sync::mpsc;

/// Carries out all tasks of the ledger, until they are settled or the run is stopped.
///
/// Returns once the last event is durable. Dropping the future leaves calls on the wire in
/// doubt; everything that was settled before is durable.
///
/// # Errors
///
/// Only the ledger can fail a run; a call that fails is an outcome.
pub async fn run<A: TaskApi>(
    api: &A,
    ledger: &mut impl Ledger,
    settings: &EngineSettings,
    clock: Clock,
    control: mpsc::UnboundedReceiver<Control>,
) -> Result<RunStats, LedgerError> {
    let send = |attempt| attempt::send(api, clock, settings.timeout, attempt);
    let authority = api.authority();
    Dispatcher::new(ledger, send, authority, settings, clock).run(control).await
}
