//! Reads the states of batch tasks: page after page of the list, at the rate of the run.
//!
//! One page is asked for at a time, and each request is a sending like any other: its start is
//! durable before it leaves, and no window holds one too many. What a page claims is not believed:
//! a walk that cannot be trusted to have seen every task says so. Must not know stores or displays.

mod pages;
mod walk;

pub use pages::Gap;
pub use walk::PageSink;
pub use walk::WalkEnd;
pub use walk::WalkStep;
pub use walk::Walker;
pub use walk::WalkerSettings;
