//! The errors that keep a sandbox from starting or continuing.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The reason why a sandbox cannot start or continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// Other machines could reach the address.
    #[error("`{address}` is not a loopback address; a sandbox listens on loopback only")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The shares do not add up to at most 1.
    #[error(
        "the shares of failed ({fail}), partial ({partial}) and dropped ({drop}) calls \
         are not numbers from 0 to 1 that add up to at most 1"
    )]
    Shares {
        /// The share of failed calls.
        fail: f64,
        /// The share of partial calls.
        partial: f64,
        /// The share of dropped calls.
        drop: f64,
    },
    /// The bounds of the latency are reversed.
    #[error("the least latency, {least:?}, is more than the most, {most:?}")]
    Latency {
        /// The lower bound.
        least: Duration,
        /// The upper bound.
        most: Duration,
    },
    /// A batch task would have no sub-task, or the bounds are reversed.
    #[error("a batch task cannot have {least} to {most} sub-tasks")]
    SubTasks {
        /// The least.
        least: u16,
        /// The most.
        most: u16,
    },
    /// The sandbox cannot listen on the address.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The access log cannot be opened or written.
    #[error("cannot write the access log `{}`", path.display())]
    AccessLog {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The thread or its runtime cannot be started.
    #[error("cannot start the thread of the sandbox")]
    Thread {
        /// The error of the operating system.
        source: io::Error,
    },
}
