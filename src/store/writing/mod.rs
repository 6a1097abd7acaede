//! Writes a run: one thread owns the connection, everybody else holds a handle to it.
//!
//! An event is durable when the commit that holds it returned.

mod event_writer;
mod handle;
mod observing;
pub(crate) mod resume_point;
pub(crate) mod survey;
mod task_queue;
pub(crate) mod thread;
mod verify;

pub use handle::RunWriter;
pub use observing::TaskSelection;
pub use resume_point::ResumePoint;
pub(crate) use resume_point::SettledTasks;
pub(crate) use survey::{AWAITED, Survey};
pub use survey::{IfMissing, Purpose, Surveyed};
pub use task_queue::UnsettledTask;
pub use verify::VerifyRound;
