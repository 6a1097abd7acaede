//! Asks a proxy to pass on a connection (CONNECT: RFC 9110, section 9.3.6).
//!
//! A refusal says who answered with which status, because it is the proxy's word and not the
//! service's.

use super::head::{HeadReader, status};
use super::wire::AnyError;
use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::header::HeaderValue;
use hyper::rt::{Read, Write};
use hyper::{StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_service::Service;

/// The way through a proxy.
#[derive(Debug, Clone)]
pub(super) struct Tunnel<C> {
    pub(super) proxy: Uri,
    /// The proxy's address without its password.
    pub(super) shown: Arc<str>,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) connector: C,
}

/// The proxy itself cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to the proxy {proxy}")]
pub(crate) struct ProxyAway {
    pub(super) proxy: Arc<str>,
    pub(super) source: AnyError,
}

/// The proxy accepted the connection, and its answer is none or cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the proxy {proxy} gave no answer that can be read")]
pub(crate) struct ProxySilent {
    proxy: Arc<str>,
    source: AnyError,
}

/// The proxy answered and does not pass the connection on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the proxy {proxy} refused to connect to {target} with status {}{advice}", status.as_u16())]
pub(crate) struct ProxyRefusal {
    proxy: Arc<str>,
    target: String,
    status: StatusCode,
    advice: &'static str,
}

impl ProxyRefusal {
    /// Describes a refusal; `has_user` says whether the proxy was told who asks it.
    pub(super) fn new(
        proxy: &Arc<str>,
        target: String,
        status: StatusCode,
        has_user: bool,
    ) -> Self {
        let advice = match (status, has_user) {
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, false) => {
                "; name the user and the password it wants in BATCHCTL_PROXY, as in \
                 http://user:password@proxy:3128"
            }
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, true) => {
                "; check the user and the password in BATCHCTL_PROXY"
            }
            (_, _) => "",
        };
        Self { proxy: Arc::clone(proxy), target, status, advice }
    }

    /// Returns whether every other call would be refused as well.
    ///
    /// | status | final | source |
    /// |---|---|---|
    /// | 408, 425, 429 | no: to be sent again | RFC 9110, 15.5.9; RFC 8470, 5.2; RFC 6585, 4 |
    /// | 500 and above | no: the host is out of the proxy's reach for now | RFC 9110, 15.6 |
    /// | any other | yes, such as 403 and 407 | RFC 9110, 15.5 |
    pub(crate) fn is_final(&self) -> bool {
        let status = self.status.as_u16();
        status < 500 && !matches!(status, 408 | 425 | 429)
    }
}

impl<C> Service<Uri> for Tunnel<C>
where
    C: Service<Uri> + Clone + Send + 'static,
    C::Response: Read + Write + Unpin + Send,
    C::Error: Into<AnyError>,
    C::Future: Send,
{
    type Response = C::Response;
    type Error = AnyError;
    type Future = BoxFuture<'static, Result<C::Response, AnyError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), AnyError>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = self.connector.call(self.proxy.clone());
        let (shown, authorization) = (Arc::clone(&self.shown), self.authorization.clone());
        async move {
            let away =
                |source: C::Error| ProxyAway { proxy: Arc::clone(&shown), source: source.into() };
            let wire = connecting.await.map_err(away)?;
            connect(wire, &target, &shown, authorization.as_ref()).await
        }
        .boxed()
    }
}

async fn connect<W: Read + Write + Unpin>(
    wire: W,
    target: &Uri,
    proxy: &Arc<str>,
    authorization: Option<&HeaderValue>,
) -> Result<W, AnyError> {
    let host = target.host().unwrap_or_default();
    // CONNECT names a host and a port, never a scheme (RFC 9110, section 9.3.6).
    let target = format!("{host}:{}", target.port_u16().unwrap_or(443));
    let mut wire = TokioIo::new(wire);
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    // These credentials end at the proxy: what follows within the tunnel is the service's.
    if let Some(authorization) = authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let silent = |source| ProxySilent { proxy: Arc::clone(proxy), source };
    wire.write_all(&request).await.map_err(|error| silent(error.into()))?;
    let status = answer(&mut wire).await.map_err(silent)?;
    // Every 2xx opens the tunnel, and no body follows it (RFC 9110, section 9.3.6).
    if (200..300).contains(&status) {
        return Ok(wire.into_inner());
    }
    let status = StatusCode::from_u16(status)?;
    Err(ProxyRefusal::new(proxy, target, status, authorization.is_some()).into())
}

/// Reads the head of the answer, byte by byte: what follows it belongs to the tunnel.
async fn answer<W: Read + Write + Unpin>(wire: &mut TokioIo<W>) -> Result<u16, AnyError> {
    let (mut reader, mut head) = (HeadReader::default(), Vec::new());
    loop {
        let byte = [wire.read_u8().await?];
        if reader.push(&byte, &mut head)? {
            let unreadable = || io::Error::other("the answer of the proxy has no status");
            return Ok(status(&head).ok_or_else(unreadable)?);
        }
    }
}
