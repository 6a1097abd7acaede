//! The asynchronous runtime of a command.

use crate::cli::output::error::CommandError;
use std::io;
use std::ops::Deref;
use tokio::runtime::{Builder, Runtime};

/// The runtime of a command that ends without waiting for its threads.
///
/// The system looks names up on threads, and cannot be told to stop. While name servers are silent,
/// that takes up to a minute, and a second signal must not wait for it.
pub(crate) struct CommandRuntime(Option<Runtime>);

impl Deref for CommandRuntime {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.0.as_ref().expect("taken out only when dropped")
    }
}

impl Drop for CommandRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl CommandRuntime {
    /// Returns a runtime on this thread: batchctl waits for the network and computes little.
    ///
    /// # Errors
    ///
    /// The system has no descriptors left.
    pub(crate) fn new() -> io::Result<Self> {
        Builder::new_current_thread().enable_all().build().map(|runtime| Self(Some(runtime)))
    }

    /// Carries something out, and then waits for what its threads have begun.
    pub(crate) fn finish<T>(mut self, work: impl Future<Output = T>) -> T {
        let runtime = self.0.take().expect("taken out only when dropped");
        runtime.block_on(work)
    }
}

/// Returns the runtime of a command.
pub(crate) fn runtime() -> Result<CommandRuntime, CommandError> {
    CommandRuntime::new().map_err(CommandError::io)
}
