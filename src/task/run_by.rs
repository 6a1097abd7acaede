//! Who began a run, as its record keeps it.

use serde::{Deserialize, Serialize};

/// The user, the host and the command line that a run was begun with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunBy {
    /// The name of the user whose process it was.
    pub user: String,
    /// The name of the machine.
    pub host: String,
    /// What was typed, without secrets.
    pub command_line: String,
}
