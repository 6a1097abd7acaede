//! The simulated service behind its gateway: projects, batch tasks, the list, IAM.

mod batch_task;
mod catalogue;
mod iam;
pub(crate) mod list;
mod project;
mod respond;

pub(crate) use batch_task::STATES;
pub(crate) use iam::Denial;
pub(crate) use iam::SandboxIam;
pub(crate) use iam::time_text;
pub(crate) use project::CallResult;
pub(crate) use project::SandboxProject;
pub use project::generated_id;
pub(crate) use respond::Service;
