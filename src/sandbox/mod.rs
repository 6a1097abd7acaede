//! A simulated VIAS service on loopback: real HTTP, no account, no cameras.
//!
//! An independent witness of what batchctl does: it shares no wire types with the client and
//! imports only `task` and `clock`. It listens on loopback addresses alone, everything that looks
//! like chance follows from a seed, and what it does is decided when a request has been read.
//!
//! # Operations
//!
//! - `PUT /v2/{project_id}/batch-tasks/{id}/action/{start|stop}`
//! - `GET /v2/{project_id}/batch-tasks`
//! - `POST /v3/auth/tokens`
//! - `GET /v3/projects`
//!
//! Any project id that matches the service's pattern leads to the same simulated project. It
//! holds generated batch tasks, see [`generated_id`], and adopts every other id at its first
//! call, so that any list of ids can be rehearsed.
//!
//! # Ids that always behave the same way
//!
//! | the id ends in | what happens |
//! |---|---|
//! | `-partial` | 200, some sub-tasks failed |
//! | `-failed` | 200, all sub-tasks failed |
//! | `-refused` | 500 `VIAS.00010012`, not allowed |
//! | `-missing` | 400 `VIAS.00010008`, no such task |
//! | `-slow` | 200 after [`SandboxSettings::slow`] |
//! | `-drop` | carried out, then the connection is reset |
//! | `-silent` | carried out, never answered |
//! | `-flaky` | 500 `VIAS.00010009` at the first call of each command, then 200 |
//! | `-garbled` | carried out, 200 with a page of HTML |
//! | `-stuck` | 200, and its sub-tasks are on their way for ever |
//! | `-throttled` | 429 at the first call of each command, then 200 |
//!
//! What becomes of other ids is drawn from the seed, the id, the command and the number of the
//! call among those of that id and command which passed the gateway; the order in which
//! different ids are called changes nothing.
//!
//! # Access log
//!
//! One line for each request, five fields with a tab between them:
//!
//! | field | content |
//! |---|---|
//! | time | microseconds from the sandbox's start until the request had been read |
//! | method | as sent |
//! | id | the batch task; `-` where the path has none that is valid |
//! | command | `start`, `stop`, `list`, `login` or `projects`; `-` for anything else |
//! | status | the status of the answer; `drop` for a reset connection, `silent` for no answer |
//!
//! Lines are in the order of their times, which is the order in which everything was decided; the
//! answer leaves later. They are in the file within 50 milliseconds, if the disk keeps up. Each write is of whole lines,
//! but a reader beside a running sandbox may meet the last line half-way: a line counts once its
//! end is there. A log that exists is added to, and times begin anew with each start.

mod access_log;
mod faults;
mod http;
mod service;
mod settings;
mod state;
mod thread;
mod witness;

pub use service::generated_id;
pub use settings::Account;
pub use settings::Auth;
pub use settings::Limit;
pub use settings::SandboxSettings;
pub use thread::SandboxThread;
pub use witness::Tally;
pub use witness::Witness;

use crate::sandbox::access_log::AccessLog;
use crate::sandbox::access_log::WriterEnded;
use crate::sandbox::http::serve;
use crate::sandbox::service::Service;
use std::future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

/// How many connections may wait to be accepted; the kernel lowers it to its own limit.
const BACKLOG: u32 = 4096;
/// How long to wait before the next try where a connection cannot be accepted, such as for want
/// of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A sandbox that listens, and serves once it is told to.
pub struct Sandbox {
    listener: TcpListener,
    address: SocketAddr,
    service: Arc<Service>,
    log_ended: Option<WriterEnded>,
}

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

impl Sandbox {
    /// Opens the log and the port. Connections wait until [`serve`](Self::serve) is called.
    ///
    /// # Errors
    ///
    /// Settings that contradict themselves, a log that cannot be opened, an address that is not
    /// of this machine alone or cannot be listened on.
    pub async fn bind(settings: SandboxSettings) -> Result<Self, SandboxError> {
        settings.check()?;
        let (listener, address) = listen(settings.listen).map_err(|source| {
            let address = settings.listen;
            SandboxError::Listen { address, source }
        })?;
        let log = settings.access_log.as_deref().map(AccessLog::open);
        let (log, log_ended) = log.transpose()?.unzip();
        Ok(Self { listener, address, service: Arc::new(Service::new(&settings, log)), log_ended })
    }

    /// Returns where it listens, as an endpoint: `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the address it listens on, with the port that it got.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a witness of what it sees, which outlives it.
    pub fn witness(&self) -> Witness {
        self.service.witness()
    }

    /// Serves until `shutdown` completes; then closes every connection, answered or not, and
    /// writes the log to its end.
    ///
    /// Dropped halfway, it closes everything just the same, but errors of the log are not told.
    ///
    /// # Errors
    ///
    /// A log that can no longer be written.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), SandboxError> {
        let mut shutdown = pin!(shutdown);
        let mut log_ended = pin!(ended(self.log_ended));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                () = &mut log_ended => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve(stream, Arc::clone(&self.service)));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
        connections.shutdown().await;
        self.service.log().map_or(Ok(()), AccessLog::close)
    }
}

/// Listens on an address, and tells which one it became.
fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A sandbox that is started again need not wait for the connections of the one before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Completes when the log's writer has ended; never where there is none.
async fn ended(log_ended: Option<WriterEnded>) {
    match log_ended {
        Some(ended) => {
            let _ = ended.await;
        }
        None => future::pending().await,
    }
}
