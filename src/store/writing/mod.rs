//! Writes a run: one thread owns the connection, and its users hold a handle to it.
//!
//! An event is durable when the commit that holds it returned. "Commit" and "claim" are explained
//! in `docs/GLOSSARY.md`.

pub(crate) mod batch;
pub(crate) mod event_records;
mod handle;
mod integrity_check;
pub(crate) mod journal_end;
mod journal_scan;
pub(crate) mod observed_states;
mod resume_point;
mod survey;
mod task_queue;
pub(crate) mod thread;
mod verify;

pub(crate) use batch::write_alone;
pub use handle::RunWriter;
pub use observed_states::TaskSelection;
pub(crate) use observed_states::{awaited, is_empty};
pub use resume_point::ResumePoint;
pub(crate) use survey::Survey;
pub use survey::Surveyed;
pub use task_queue::UnsettledTask;
