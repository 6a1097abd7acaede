//! The services whose tasks are started and stopped, and how each is spoken to.
//!
//! Nothing outside this module (and the sandbox, which shares no type with it) knows VIAS.

mod call;
mod client;
mod credentials;
mod endpoint;
mod error_chain;
mod wire;

pub use client::ClientError;
pub use client::ClientSettings;
pub use client::ViasClient;
pub use credentials::CredentialError;
pub use credentials::Token;
pub use credentials::TokenSource;
pub use endpoint::Endpoint;
pub use endpoint::EndpointError;
pub use endpoint::ProjectId;
pub use endpoint::ProjectIdError;

use crate::policy::Answer;
use crate::task::Task;
use std::sync::Arc;

/// A service that carries out one command on one task per call.
///
/// Implement it to run another service's tasks, or a test's, through the same engine.
pub trait TaskApi {
    /// Carries out the task once, and tells what came back.
    ///
    /// Dropping the future gives the call up: the service may still carry it out.
    fn call(&self, task: Arc<Task>) -> impl Future<Output = Answer>;
}
