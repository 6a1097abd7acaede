//! The sandbox's server: listens on loopback and serves connections until it is shut down.

use crate::sandbox::access_log::{AccessLog, WriterEnded};
use crate::sandbox::error::SandboxError;
use crate::sandbox::http::serve;
use crate::sandbox::service::Service;
use crate::sandbox::settings::SandboxSettings;
use crate::sandbox::witness::Witness;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use std::{future, io};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;

/// The number of connections that may wait to be accepted; the kernel may lower it.
const BACKLOG: u32 = 4096;
/// The wait after a connection cannot be accepted, for example because no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A sandbox that listens; [`Sandbox::serve`] answers its connections.
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
    /// Contradictory settings, a log that cannot be opened, an address that is not a loopback
    /// address or cannot be listened on.
    pub async fn bind(settings: SandboxSettings) -> Result<Self, SandboxError> {
        settings.check()?;
        let (listener, address) = listen(settings.listen).map_err(|source| {
            let address = settings.listen;
            SandboxError::Listen { address, source }
        })?;
        // The port comes first, so that an address in use leaves no empty log behind.
        let log = settings.access_log.as_deref().map(AccessLog::open);
        let (log, log_ended) = log.transpose()?.unzip();
        Ok(Self { listener, address, service: Arc::new(Service::new(&settings, log)), log_ended })
    }

    /// Returns its endpoint, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.service.base_path())
    }

    /// Returns the address on which it listens, with the actual port.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a witness of its requests, which outlives it.
    pub fn witness(&self) -> Witness {
        self.service.witness()
    }

    /// Serves until `shutdown` completes; then closes every connection, answered or not, and
    /// completes the log.
    ///
    /// Dropping the future closes everything as well, but loses errors of the log.
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
                // Without its log the sandbox would be an incomplete witness, so it stops.
                () = &mut log_ended => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve(stream, Arc::clone(&self.service)));
                    }
                    // Accepting again at once would only spin.
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                // Finished connections are removed as they end; otherwise the set would only grow.
                Some(_) = connections.join_next() => {}
            }
        }
        // The connections end before the log is closed, because each request adds a line to it.
        connections.shutdown().await;
        match self.service.log() {
            Some(log) => log.close(),
            None => Ok(()),
        }
    }
}

/// Listens on an address, and returns the actual one.
fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted sandbox need not wait until the connections of the last one have expired.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Completes when the log's writer has ended; never if there is no log.
async fn ended(log_ended: Option<WriterEnded>) {
    match log_ended {
        Some(ended) => {
            let _ = ended.await;
        }
        None => future::pending().await,
    }
}
