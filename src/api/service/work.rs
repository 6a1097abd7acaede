//! What the calls of a run at another service are made of, besides its tasks.

use crate::service::{CallScope, Service};
use std::sync::Arc;

/// What the calls of a run are made of, besides its tasks.
#[derive(Debug, Clone)]
pub struct ServiceWork {
    /// The service.
    pub service: Arc<Service>,
    /// What is the same for all calls.
    pub scope: CallScope,
    /// The columns of each input.
    pub columns: Vec<Vec<String>>,
}
