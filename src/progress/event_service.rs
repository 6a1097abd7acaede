//! How events name the service of a run.

use serde::Serialize;

/// The service of a run, other than VIAS, as its events name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventService {
    /// Its name.
    pub name: String,
    /// The SHA-256 of its file.
    pub sha256: String,
}
