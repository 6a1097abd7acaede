//! Why there are no credentials, or no others. No message holds a secret.

use super::command::COMMAND_TIMEOUT;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The file could not be read.
    #[error("cannot read the token from `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The command could not be run.
    #[error("cannot run the token command `{line}`")]
    Command {
        /// The command line.
        line: String,
        /// Why.
        source: io::Error,
    },
    /// The command failed.
    #[error("the token command `{line}` failed ({status}): {said}")]
    CommandFailed {
        /// The command line.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to standard error.
        said: String,
    },
    /// The command did not end in time.
    #[error("the token command `{line}` took longer than {COMMAND_TIMEOUT:?}")]
    CommandTimeout {
        /// The command line.
        line: String,
    },
    /// What was found is no token.
    #[error("{origin} holds no usable token: {reason}")]
    NotAToken {
        /// Where it came from.
        origin: String,
        /// What is wrong with it; nothing of the text itself.
        reason: &'static str,
    },
    /// A source gave the same token once more, after the service had refused it.
    #[error("{origin} still holds the token that was refused")]
    SameToken {
        /// Where it came from.
        origin: String,
    },
    /// The source has nothing else to give.
    #[error("{origin} cannot be renewed")]
    Final {
        /// Where they came from.
        origin: String,
    },
}
