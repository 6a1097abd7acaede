//! A way into a scripted service: TLS in front of it with a certificate of its own authority, or a
//! proxy that counts who asks for what.

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyPair;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;

/// TLS in front of another service.
pub(crate) struct TlsFront {
    address: SocketAddr,
    /// The certificate of the authority that vouches for it.
    pub(crate) authority: String,
}

impl TlsFront {
    /// Starts it for `localhost`; it lasts as long as the process.
    pub(crate) fn before(service: &str) -> Self {
        Self::with(WebPkiClientVerifier::no_client_auth(), service)
    }

    /// Starts one that lets in clients with a certificate alone.
    pub(crate) fn for_clients_with_certificates(service: &str) -> Self {
        let mut known = RootCertStore::empty();
        known.add(certificate().chain_der).unwrap();
        let provider = Arc::new(ring::default_provider());
        let asking = WebPkiClientVerifier::builder_with_provider(Arc::new(known), provider);
        Self::with(asking.build().unwrap(), service)
    }

    fn with(clients: Arc<dyn ClientCertVerifier>, service: &str) -> Self {
        let (config, authority) = certified(clients);
        let service = service.trim_start_matches("http://").to_owned();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let address = listen(move |stream| {
            let (acceptor, service) = (acceptor.clone(), service.clone());
            async move {
                // A client that does not trust it goes away; that is what is tested.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut inner = TcpStream::connect(service).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut inner).await;
            }
        });
        Self { address, authority }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

/// A certificate for `localhost`, as PEM.
pub(crate) struct Certificate {
    /// The authority that vouches for it.
    pub(crate) authority: String,
    pub(crate) chain: String,
    pub(crate) key: String,
    key_der: Vec<u8>,
    chain_der: CertificateDer<'static>,
}

/// Returns a certificate of an authority of its own.
pub(crate) fn certificate() -> Certificate {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    Certificate {
        authority: authority.pem(),
        chain: certificate.pem(),
        key: key.serialize_pem(),
        key_der: key.serialize_der(),
        chain_der: certificate.der().clone(),
    }
}

fn certified(clients: Arc<dyn ClientCertVerifier>) -> (ServerConfig, String) {
    let Certificate { authority, key_der, chain_der, .. } = certificate();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![chain_der], PrivateKeyDer::try_from(key_der).unwrap());
    (config.unwrap(), authority)
}

/// A proxy; it lasts as long as the process.
pub(crate) struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts a proxy that makes tunnels to wherever it is asked.
    pub(crate) fn start() -> Self {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let address = listen(move |stream| tunnel(stream, Arc::clone(&seen)));
        Self { address, heads }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Returns what was asked of it: first lines and headers.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn tunnel(mut stream: TcpStream, seen: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap().to_owned();
    seen.lock().unwrap().push(head);
    let mut inner = TcpStream::connect(target).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    let _ = copy_bidirectional(&mut stream, &mut inner).await;
}

/// Serves every connection to a port of its own, on a thread of its own.
fn listen<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                tokio::spawn(serve(listener.accept().await.unwrap().0));
            }
        });
    });
    address
}
