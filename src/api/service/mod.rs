//! Services that a file describes, over the same connections as VIAS.

mod answer;
mod client;
mod hints;
mod received;
mod states;
mod tasks;
mod work;
#[cfg(test)]
mod yardstick_tests;

pub use answer::judged_answer;
pub use client::{ServiceClient, ServiceClientSettings};
pub use tasks::{ServiceTasks, undo_at};
pub use work::ServiceWork;
