//! The sandbox's server: listens on loopback and serves connections until it is shut down.

use crate::sandbox::access_log::AccessLog;
use crate::sandbox::access_log::WriterEnded;
use crate::sandbox::error::SandboxError;
use crate::sandbox::http::serve;
use crate::sandbox::service::Service;
use crate::sandbox::settings::SandboxSettings;
use crate::sandbox::witness::Witness;
use std::future;
use std::io;
use std::net::SocketAddr;
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
