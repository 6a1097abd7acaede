//! Carries out a run: admit, send, classify, then settle the task or send it again later.
//!
//! One dispatcher owns all mutable state and emits every change as an event, in batches; no call
//! is polled before its start is durable. Knows no store, no display and no service: tasks come
//! from and events go to a [`Ledger`], calls are made by a `TaskApi`. Claim, slot, hold, durable,
//! release and completion are explained in `docs/GLOSSARY.md`.

mod attempt;
mod control;
mod dispatcher;
mod ledger;
mod retry_queue;
mod run;
mod settings;
#[cfg(test)]
mod tests;

pub use control::{ChangeAnswer, Control};
pub use ledger::{ChunkRef, Claim, Claimed, Kept, Leave, Ledger, LedgerError};
pub use run::run;
pub use settings::{EngineSettings, Numbering, StartingPoint};
