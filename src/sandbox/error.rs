//! The errors that keep a sandbox from starting or continuing.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Why a sandbox cannot run, or not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The address could be reached from other machines.
    #[error("`{address}` is not a loopback address; a sandbox listens on loopback only")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The shares are not parts of one whole.
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
    /// The latency is the wrong way round.
    #[error("the least latency, {least:?}, is more than the most, {most:?}")]
    Latency {
        /// The least.
        least: Duration,
        /// The most.
        most: Duration,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The access log cannot be opened or written.
    #[error("cannot write the access log `{}`", path.display())]
    AccessLog {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A thread or its runtime cannot be started.
    #[error("cannot start the thread of the sandbox")]
    Thread {
        /// Why.
        source: io::Error,
    },
}
