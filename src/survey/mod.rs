//! Reads the states of batch tasks: page after page of the list, at the rate of the run.
//!
//! One page is requested at a time. Requests follow the rules of all requests: the start is
//! durable before it leaves, and no window exceeds the rate. The totals of a page are not trusted:
//! a walk that may have missed a task ends with a gap. Must not know stores or displays. See
//! `docs/GLOSSARY.md`: walk, gap, survey, verify.

mod looks;
mod pages;
mod sub_tasks;
mod walk;

pub use looks::read_states;
pub use pages::Gap;
pub use sub_tasks::{MOST_WALKS, RequestLog, Unrecorded, read_sub_task, read_sub_tasks};
pub use walk::{PageSink, WalkEnd, WalkStep, Walker, WalkerSettings};
