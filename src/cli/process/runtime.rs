//! The asynchronous runtime of a command.

use crate::cli::output::error::CommandError;
use tokio::runtime::{Builder, Runtime};

/// Returns a runtime on this thread: batchctl waits for the network and computes little.
pub(crate) fn runtime() -> Result<Runtime, CommandError> {
    Builder::new_current_thread().enable_all().build().map_err(CommandError::io)
}
