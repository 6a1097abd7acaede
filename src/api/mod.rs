//! The services whose tasks are started and stopped, and how each is spoken to.
//!
//! Nothing outside this module (and the sandbox, which shares no type with it) knows VIAS.

mod authority;
mod call;
mod client;
mod credentials;
mod endpoint;
mod error_chain;
mod redactor;
mod wire;

pub use authority::Authority;
pub use authority::FirstUse;
pub use authority::NotRenewed;
pub use authority::Unchanging;
pub use client::ClientError;
pub use client::ClientSettings;
pub use client::ViasClient;
pub use credentials::CredentialError;
pub use credentials::Credentials;
pub use credentials::TokenSource;
pub use endpoint::Endpoint;
pub use endpoint::EndpointError;
pub use endpoint::ProjectId;
pub use endpoint::ProjectIdError;
pub use redactor::Redactor;

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
    ///
    /// A call takes the credentials that are in force when it is first polled.
    fn call(&self, task: Arc<Task>) -> impl Future<Output = Answer>;

    /// Returns who knows the credentials of the calls; by default they never change.
    fn authority(&self) -> &dyn Authority {
        &Unchanging
    }
}
