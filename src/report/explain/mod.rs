//! Explains what happened to single tasks: every attempt, the waits between, and why it ended so.
//!
//! Follows from the file of a run alone. Texts of the service are foreign; `text` makes them safe to
//! show.

mod account;
mod json;
mod text;
mod why;

pub use account::{Account, RunContext};
