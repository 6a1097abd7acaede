//! The simulated service behind its gateway: projects, batch tasks, the list, IAM.

mod batch_task;
mod catalogue;
mod iam;
pub(crate) mod list;
mod project;
mod respond;
mod sub_task_id;
pub(crate) mod sub_tasks;
mod view;

pub(crate) use batch_task::STATES;
pub(crate) use iam::{Denial, SandboxIam, time_text};
pub use project::generated_id;
pub(crate) use project::{Call, CallResult, SandboxProject};
pub(crate) use respond::Service;
