//! Makes connections to the service, directly or through a proxy (`docs/GLOSSARY.md`: route).

use super::tunnel::Tunnel;
use super::wire::{AnyError, Wire};
use crate::api::endpoint::Endpoint;
use crate::api::loopback;
use crate::api::route::{ProxyAddress, Roots, Route};
use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls_platform_verifier::Verifier;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{future, io, vec};
use tower_service::Service;

/// The interval of checks whether a silent connection is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The number of unanswered checks after which a connection is given up.
const KEEP_ALIVE_TRIES: u32 = 3;

type Secured<C> = HttpsConnector<C>;
type Socket = HttpConnector<Resolver>;
/// Makes connections to one host.
#[derive(Debug, Clone)]
pub(super) struct Dialer {
    /// The host to connect to: the service, or a proxy.
    target: Uri,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Direct(Secured<Socket>),
    /// TLS to the service, within what a proxy passes on without reading it.
    Tunnelled(Box<Secured<Tunnel<Secured<Socket>>>>),
}

impl Dialer {
    /// Prepares connections to an endpoint. Makes none.
    ///
    /// # Errors
    ///
    /// The authorities of this machine cannot be used.
    pub(super) fn new(
        endpoint: &Endpoint,
        route: &Route,
        connect_timeout: Duration,
    ) -> Result<Self, rustls::Error> {
        let socket = socket(connect_timeout);
        let proxy = route.proxy.as_ref().map(|proxy| (proxy, proxy.uri()));
        let uses_tls = |uri: &Uri| uri.scheme_str() == Some("https");
        let target = endpoint.uri();
        let secured = uses_tls(&target) || proxy.iter().any(|(_, uri)| uses_tls(uri));
        // Reading the authorities of a machine takes longer than a whole call on it.
        let tls = Arc::new(tls(secured.then_some(&route.roots))?);
        let direct = Secured::from((socket, Arc::clone(&tls)));
        Ok(match proxy {
            None => Self { target, way: Way::Direct(direct) },
            // What is not encrypted is handed to the proxy as it is.
            Some((_, uri)) if endpoint.is_plain() => Self { target: uri, way: Way::Direct(direct) },
            Some((proxy, uri)) => {
                let tunnel = tunnel(proxy, uri, direct);
                Self { target, way: Way::Tunnelled(Box::new(Secured::from((tunnel, tls)))) }
            }
        })
    }

    /// Makes a connection.
    pub(super) async fn dial(&self) -> Result<Box<dyn Wire>, AnyError> {
        let target = self.target.clone();
        Ok(match &self.way {
            // Connectors are cloned, because `call` needs one exclusively and dials run side by
            // side.
            Way::Direct(connector) => Box::new(connector.clone().call(target).await?),
            Way::Tunnelled(connector) => Box::new((**connector).clone().call(target).await?),
        })
    }
}

fn socket(connect_timeout: Duration) -> Socket {
    let mut socket = HttpConnector::new_with_resolver(Resolver::new(connect_timeout));
    // The connector around this one decides which of them is right.
    socket.enforce_http(false);
    socket.set_nodelay(true);
    socket.set_keepalive(Some(KEEP_ALIVE));
    socket.set_keepalive_interval(Some(KEEP_ALIVE));
    socket.set_keepalive_retries(Some(KEEP_ALIVE_TRIES));
    // Divided among the addresses of a host, so that one that is dead leaves time for the others.
    socket.set_connect_timeout(Some(connect_timeout));
    socket
}

fn tunnel(proxy: &ProxyAddress, uri: Uri, connector: Secured<Socket>) -> Tunnel<Secured<Socket>> {
    let shown = proxy.to_string().into();
    Tunnel { proxy: uri, shown, authorization: proxy.authorization(), connector }
}

/// Sets TLS up with the system's authorities and these; without any where no TLS is spoken.
fn tls(roots: Option<&Roots>) -> Result<ClientConfig, rustls::Error> {
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    // The connector needs a configuration even where it never speaks TLS.
    let Some(roots) = roots else {
        return Ok(config
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth());
    };
    let verifier = Verifier::new_with_extra_roots(roots.certificates().cloned(), provider)?;
    // Despite this name the check is whole: the platform's verifier judges chain and host.
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = config.with_no_client_auth();
    // Only HTTP/1.1 is offered, because each call has a connection to itself.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The system's look-up of names, with an error type that differs from that of connecting.
#[derive(Debug, Clone)]
struct Resolver {
    system: GaiResolver,
    limit: Duration,
}

impl Resolver {
    fn new(connect_timeout: Duration) -> Self {
        // Less than the time for the whole connection: otherwise a silent name server would look like
        // a silent host.
        Self { system: GaiResolver::new(), limit: connect_timeout * 9 / 10 }
    }
}

/// A name could not be looked up.
#[derive(Debug, thiserror::Error)]
#[error("dns error")]
pub(super) struct DnsError(#[source] io::Error);

impl DnsError {
    fn too_slow(limit: Duration) -> Self {
        let message = format!("no name server answered within {limit:?}");
        Self(io::Error::new(io::ErrorKind::TimedOut, message))
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = DnsError;
    type Future = BoxFuture<'static, Result<Self::Response, DnsError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        self.system.poll_ready(cx).map_err(DnsError)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        // No name server is asked for this machine.
        if loopback::is_name(name.as_str()) {
            let addresses = Vec::from(loopback::addresses(0)).into_iter();
            return future::ready(Ok(addresses)).boxed();
        }
        let (found, limit) = (tokio::time::timeout(self.limit, self.system.call(name)), self.limit);
        async move {
            let addresses = found.await.map_err(|_| DnsError::too_slow(limit))?;
            Ok(addresses.map_err(DnsError)?.collect::<Vec<_>>().into_iter())
        }
        .boxed()
    }
}
