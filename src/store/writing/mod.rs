//! Writes a run: one thread owns the connection, and its users hold a handle to it.
//!
//! An event is durable when the commit that holds it returned. "Commit" and "claim" are explained
//! in `docs/GLOSSARY.md`.

mod event_writer;
mod handle;
pub(crate) mod resume_point;
pub(crate) mod state_rows;
mod survey;
mod task_queue;
pub(crate) mod thread;
mod verify;

pub use handle::RunWriter;
pub use resume_point::ResumePoint;
pub(crate) use resume_point::SettledTasks;
pub(crate) use state_rows::AWAITED;
pub use state_rows::TaskSelection;
pub(crate) use survey::Survey;
pub use survey::Surveyed;
pub use task_queue::UnsettledTask;
