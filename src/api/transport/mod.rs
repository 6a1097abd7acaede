//! The connections to the service, set up so that nothing is sent behind the engine's back.
//!
//! Each call has a connection to itself, from its first byte to the last of its answer; there are
//! never more of them than calls. A request is written once. Only one of which no byte has left,
//! because its connection was closed while nobody used it, is written to another. See
//! `docs/GLOSSARY.md`: call, route.

mod connection;
mod dialer;
mod head;
mod reuse;
mod trouble;
mod tunnel;
mod wire;

use super::body::TooLong;
use super::endpoint::Endpoint;
use super::route::{AGENT, ProxyAddress, Route};
use crate::clock::{Clock, Instant};
use bytes::Bytes;
pub(super) use connection::Outgoing;
use connection::{Connection, Unanswered};
use dialer::Dialer;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, HOST, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Request, StatusCode, Uri};
use reuse::Reuse;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
pub use trouble::innermost;
pub(super) use trouble::{Incomplete, TransportError, plain_http_to_tls};
use tunnel::{ProxyAway, ProxyRefusal};
use wire::AnyError;

/// How long an idle connection is kept: shorter than servers keep theirs, so that a call is
/// seldom written to a connection that the other side is just closing.
const MOST_IDLE: Duration = Duration::from_secs(8);
/// The parts of a body after which the other calls, timers and signals get a turn.
const MAX_PARTS: u32 = 64;

/// The headers that a request has room for at once.
const USUAL_HEADERS: usize = 8;

/// How many connections are made at a time: hosts let some hundred wait to be accepted, and one that
/// finds no place there is tried again by the kernel after a second.
const MOST_DIALLING: usize = 256;

/// The way to one host, and the connections there are to it.
pub(super) struct Transport {
    dialer: Dialer,
    connect_timeout: Duration,
    host: HeaderValue,
    /// The headers of every request. They are made once, because a copy takes a fifth of the time.
    headers: HeaderMap,
    /// The proxy's address without its password, if there is one.
    proxy: Option<Arc<str>>,
    /// Whether requests go to it, which then needs the absolute address.
    forwarding: Option<Forwarding>,
    /// Whether requests are not encrypted.
    is_plain: bool,
    most: NonZeroUsize,
    clock: Clock,
    dialling: Semaphore,
    idle: Mutex<Idle>,
}

/// The connections without a call.
#[derive(Default)]
struct Idle {
    /// Each with the time of its last answer, the last one used at the end.
    connections: Vec<(Connection, Instant)>,
    reuse: Reuse,
}

struct Forwarding {
    /// The proxy's address without its password.
    proxy: Arc<str>,
    /// Whether the proxy is told who asks.
    has_user: bool,
    /// Where the proxy forwards to.
    endpoint: Endpoint,
}

impl Transport {
    /// Prepares for a number of connections to an endpoint. Makes none yet.
    ///
    /// # Errors
    ///
    /// The authorities of this machine cannot be used.
    pub(super) fn new(
        endpoint: &Endpoint,
        route: &Route,
        connect_timeout: Duration,
        most: NonZeroUsize,
    ) -> Result<Self, rustls::Error> {
        let proxy = route.proxy.as_ref().filter(|_| endpoint.is_plain());
        let mut headers = HeaderMap::with_capacity(USUAL_HEADERS);
        headers.insert(HOST, endpoint.host());
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let authorization = proxy.and_then(ProxyAddress::authorization);
        headers.extend(authorization.map(|value| (PROXY_AUTHORIZATION, value)));
        Ok(Self {
            dialer: Dialer::new(endpoint, route, connect_timeout)?,
            connect_timeout,
            host: endpoint.host(),
            headers,
            proxy: route.proxy.as_ref().map(|proxy| proxy.to_string().into()),
            forwarding: proxy.map(|proxy| Forwarding::through(proxy, endpoint)),
            is_plain: endpoint.is_plain(),
            most,
            clock: Clock::start(),
            dialling: Semaphore::new(MOST_DIALLING),
            idle: Mutex::default(),
        })
    }

    /// Writes a request, and waits for the head of its answer.
    pub(super) async fn send(&self, mut request: Outgoing) -> Result<Reply<'_>, TransportError> {
        while let Some((mut connection, since)) = self.take() {
            request = match connection.send(request).await {
                Ok(answer) => return self.reply(answer, connection),
                // The other side closed it meanwhile, or something came over it that nobody had
                // asked for; the others may be as old.
                Err(Unanswered::Unsent(request, _)) => {
                    self.ended(&connection, since);
                    request
                }
                // Some of it may have left, so sending it again here would be a second call.
                Err(Unanswered::Lost(error)) => {
                    self.ended(&connection, since);
                    return Err(TransportError::Lost { error, is_new: false });
                }
            };
        }
        // Rare but large: boxed, so that it does not enlarge the future of every call.
        let mut connection = Box::pin(self.connect()).await?;
        match connection.send(request).await {
            Ok(answer) => self.reply(answer, connection),
            Err(Unanswered::Unsent(_, error)) => Err(TransportError::Unsent(error)),
            Err(Unanswered::Lost(error)) => Err(TransportError::Lost { error, is_new: true }),
        }
    }

    /// Returns the headers that every request begins with, also one that is signed.
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the address that a request for a path is written with.
    pub(super) fn address(&self, path: PathAndQuery) -> Uri {
        match &self.forwarding {
            // A server gets the path alone, a proxy the whole address (RFC 9112, section 3.2).
            None => path.into(),
            Some(forwarding) => forwarding.endpoint.at(path),
        }
    }

    /// Puts a request to a whole address into the form it is written in.
    pub(super) fn outgoing(&self, mut request: Request<Bytes>) -> Outgoing {
        let path = std::mem::take(request.uri_mut()).into_parts().path_and_query;
        *request.uri_mut() = self.address(path.unwrap_or(PathAndQuery::from_static("/")));
        let headers = request.headers_mut();
        self.headers.iter().for_each(|(name, value)| drop(headers.insert(name, value.clone())));
        Outgoing::new(request)
    }

    async fn connect(&self) -> Result<Connection, TransportError> {
        let _turn = self.dialling.acquire().await.expect("it is never closed");
        // The limit begins after the turn has come, so waiting for others never counts as
        // connecting.
        let dialled = tokio::time::timeout(self.connect_timeout, self.dialer.dial()).await;
        let too_slow = |_| TransportError::TooSlow(self.connect_timeout, self.proxy.clone());
        let wire = dialled.map_err(too_slow)?.map_err(|source| self.unreached(source))?;
        let connection = Connection::over(wire).await;
        // Setting up HTTP/1.1 writes nothing, so the request cannot have left.
        connection.map_err(TransportError::Unsent)
    }

    /// Names the proxy that is connected to in the place of the service. A tunnel does so itself.
    fn unreached(&self, source: AnyError) -> TransportError {
        let Some(forwarding) = &self.forwarding else { return TransportError::Unreached(source) };
        let proxy = Arc::clone(&forwarding.proxy);
        TransportError::Unreached(ProxyAway { proxy, source }.into())
    }

    /// Takes the connection that was used last, if it is young enough, with the time of its last answer.
    fn take(&self) -> Option<(Connection, Instant)> {
        let connections = &mut self.idle().connections;
        // The last one used comes first, so surplus connections grow old and are closed.
        let (connection, since) = connections.pop()?;
        if self.clock.instant() - since > MOST_IDLE {
            // All others are older.
            connections.clear();
            return None;
        }
        Some((connection, since))
    }

    /// Keeps a connection for the next call.
    fn keep(&self, mut connection: Connection) {
        let Idle { connections, reuse } = &mut *self.idle();
        if connection.is_free() && connections.len() < self.most.get() {
            connection.end_exchange();
            if reuse.goes_on(connection.answers()) {
                connections.push((connection, self.clock.instant()));
            }
        }
    }

    /// Learns from a connection that the other side has closed.
    fn ended(&self, connection: &Connection, since: Instant) {
        let after = self.clock.instant() - since;
        self.idle().reuse.ended(connection.answers(), after);
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Its holders leave it whole at every step.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reply(
        &self,
        answer: hyper::Response<Incoming>,
        connection: Connection,
    ) -> Result<Reply<'_>, TransportError> {
        let (head, body) = answer.into_parts();
        // Only this status is the proxy's own word (RFC 9110, section 15.5.8). Any other one may
        // come from the service behind it.
        if let Some(forwarding) = &self.forwarding
            && head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
        {
            return Err(TransportError::Unreached(forwarding.refusal(&self.host).into()));
        }
        let connection = Some(connection);
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body,
            parts: 0,
            connection,
            home: self,
        })
    }
}

impl Forwarding {
    fn through(proxy: &ProxyAddress, endpoint: &Endpoint) -> Self {
        let has_user = proxy.authorization().is_some();
        Self { proxy: proxy.to_string().into(), has_user, endpoint: endpoint.clone() }
    }

    /// Describes a 407, which every other call would get as well.
    fn refusal(&self, host: &HeaderValue) -> ProxyRefusal {
        let target = String::from_utf8_lossy(host.as_bytes()).into_owned();
        let status = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        ProxyRefusal::new(&self.proxy, target, status, self.has_user)
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").field("host", &self.host).finish_non_exhaustive()
    }
}

/// An answer whose body is still to be read; dropped before its end, it closes its connection.
pub(super) struct Reply<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
    /// The parts of the body that were read since the last turn of the others.
    parts: u32,
    connection: Option<Connection>,
    home: &'a Transport,
}

impl Reply<'_> {
    /// Returns whether the request was sent without encryption.
    pub(super) fn is_plain(&self) -> bool {
        self.home.is_plain
    }

    /// Reads the body to its end, and hands each part of it to `take`.
    pub(super) async fn receive(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<(), TooLong>,
    ) -> Result<(), Incomplete> {
        while let Some(chunk) = self.chunk().await.map_err(Incomplete::BrokenOff)? {
            take(&chunk).map_err(|TooLong| Incomplete::TooLong)?;
        }
        Ok(())
    }

    /// Reads the next part of the body, nothing at its end.
    async fn chunk(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        // One read may bring thousands of parts, and a server may send them as fast as they are read.
        if self.parts >= MAX_PARTS {
            self.parts = 0;
            tokio::task::yield_now().await;
        }
        self.parts += 1;
        let Some(connection) = &mut self.connection else { return Ok(None) };
        let chunk = connection.chunk(&mut self.body).await?;
        // Only after the end of the body does the connection stand before a new answer.
        if chunk.is_none() {
            self.connection.take().into_iter().for_each(|used| self.home.keep(used));
        }
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests;
