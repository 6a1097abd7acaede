//! Decides who may ask the server anything.
//!
//! Other programs and pages of the same machine reach a loopback address as well. So a request must
//! carry a cookie that only the address with the token gives, once. It must also come to an address
//! that no foreign name leads to, and from no other site.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hyper::header::{COOKIE, HOST, HeaderName, ORIGIN};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

/// The header in which a browser says which site a request comes from.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The length of a token and of a cookie, in bytes.
const SECRET: usize = 32;

/// What is decided about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It is answered.
    Pass,
    /// It has brought the token, and gets this cookie for it.
    Enter(String),
    /// It is refused.
    Refuse(Refusal),
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It names another host, as after a foreign name was bound to this address.
    Host,
    /// A page of another origin or site has made it.
    Origin,
    /// It is no request for a page.
    Method,
    /// The token is wrong, or was used before.
    Token,
    /// It has no cookie.
    Cookie,
}

impl Refusal {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin | Self::Token => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Cookie => StatusCode::UNAUTHORIZED,
        }
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Host => "This is not the address that batchctl has printed.",
            Self::Origin => "A page of another site has asked for this, and gets no answer.",
            Self::Method => "This server only shows pages.",
            Self::Token => {
                "The token in this address is wrong, or was used before. \
                 Start `batchctl ui` again for a new one."
            }
            Self::Cookie => {
                "Open the address that `batchctl ui` has printed. It works once; \
                 start `batchctl ui` again for a new one."
            }
        }
    }
}

/// A secret, as its hash: comparing hashes takes the same time whatever was guessed.
type Hash = [u8; 32];

fn hash(secret: &str) -> Hash {
    digest(&SHA256, secret.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The gate of one server.
pub(crate) struct Gate {
    address: SocketAddr,
    /// Until it is used.
    token: Mutex<Option<Hash>>,
    session: String,
    session_hash: Hash,
}

impl Gate {
    /// Makes the gate of a server at this address, and the token that opens it.
    pub(crate) fn new(address: SocketAddr) -> io::Result<(Self, String)> {
        let (token, session) = (secret()?, secret()?);
        Ok((Self::with(address, &token, session), token))
    }

    fn with(address: SocketAddr, token: &str, session: String) -> Self {
        let session_hash = hash(&session);
        Self { address, token: Mutex::new(Some(hash(token))), session, session_hash }
    }

    /// Decides about a request.
    pub(crate) fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Passage {
        let Some(host) = self.own_host(uri, headers) else { return Passage::Refuse(Refusal::Host) };
        if !matches!(*method, Method::GET | Method::POST) {
            return Passage::Refuse(Refusal::Method);
        }
        let own = format!("http://{host}");
        let mut origins = headers.get_all(ORIGIN).iter().peekable();
        // Browsers say where an order comes from, so one that does not say it is refused.
        let is_unknown = method == Method::POST && origins.peek().is_none();
        if is_unknown || origins.any(|origin| origin.as_bytes() != own.as_bytes()) {
            return Passage::Refuse(Refusal::Origin);
        }
        let has_cookie = self.has_cookie(headers);
        if let Some(token) = token(uri).filter(|_| method == Method::GET) {
            // A link from anywhere may bring it: the answer shows nothing and leads to the list.
            let enters = has_cookie || self.takes(token);
            return if enters { self.enter() } else { Passage::Refuse(Refusal::Token) };
        }
        let is_foreign = |site: &[u8]| !matches!(site, b"same-origin" | b"none");
        if headers.get_all(FETCH_SITE).iter().any(|site| is_foreign(site.as_bytes())) {
            return Passage::Refuse(Refusal::Origin);
        }
        if has_cookie { Passage::Pass } else { Passage::Refuse(Refusal::Cookie) }
    }

    /// Returns the host that a request names, if it is this server.
    fn own_host<'a>(&self, uri: &Uri, headers: &'a HeaderMap) -> Option<&'a str> {
        let mut named = headers.get_all(HOST).iter();
        let (host, second) = (named.next()?.to_str().ok()?, named.next());
        // A request to a proxy names its host once more.
        if second.is_some() || uri.scheme().is_some() || uri.authority().is_some() {
            return None;
        }
        // A name can be bound to any address, and a number cannot. `localhost` is never looked up.
        let (name, port) = match host.parse::<SocketAddr>() {
            Ok(address) => (Some(address.ip()), address.port()),
            Err(_) => match host.rsplit_once(':') {
                Some(("localhost", port)) => (None, port.parse().ok()?),
                Some(_) => return None,
                // Browsers leave out port 80.
                None if host == "localhost" => (None, 80),
                None => (Some(host.parse::<IpAddr>().ok()?), 80),
            },
        };
        let is_near = name.is_none_or(|address| address.is_loopback());
        let is_own = is_near || !self.address.ip().is_loopback();
        (is_own && port == self.address.port()).then_some(host)
    }

    /// Uses up the token, if this is it.
    fn takes(&self, token: &str) -> bool {
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = kept.is_some_and(|kept| kept == hash(token));
        if is_it {
            *kept = None;
        }
        is_it
    }

    fn enter(&self) -> Passage {
        let (name, session) = (self.cookie_name(), &self.session);
        Passage::Enter(format!("{name}={session}; Path=/; HttpOnly; SameSite=Strict"))
    }

    fn has_cookie(&self, headers: &HeaderMap) -> bool {
        let name = self.cookie_name();
        let all = headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
        let pairs = all.flat_map(|cookies| cookies.split(';'));
        let mut own = pairs.filter_map(|pair| pair.trim().split_once('='));
        own.any(|(other, value)| other == name && hash(value) == self.session_hash)
    }

    /// Returns a name with the port, because cookies are those of a host whatever its port is.
    fn cookie_name(&self) -> String {
        format!("batchctl-ui-{}", self.address.port())
    }
}

fn secret() -> io::Result<String> {
    let mut bytes = [0; SECRET];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Returns the token that an address brings.
fn token(uri: &Uri) -> Option<&str> {
    uri.query().filter(|_| uri.path() == "/")?.strip_prefix("token=")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(address: &str) -> Gate {
        Gate::with(address.parse().unwrap(), "the-token", "the-session".into())
    }

    fn judge(gate: &Gate, path: &str, headers: &[(&str, &str)]) -> Passage {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).unwrap();
            all.append(name, value.parse().unwrap());
        }
        gate.judge(&Method::GET, &path.parse().unwrap(), &all)
    }

    const COOKIE_OF_8080: (&str, &str) = ("cookie", "a=b; batchctl-ui-8080=the-session");

    #[test]
    fn only_numbers_and_localhost_with_the_own_port_are_the_own_host() {
        let gate = gate("127.0.0.1:8080");
        for (host, passes) in [
            ("127.0.0.1:8080", true),
            ("localhost:8080", true),
            ("[::1]:8080", true),
            ("127.0.0.1:8081", false),
            ("127.0.0.1", false),
            ("localhost", false),
            ("evil.example:8080", false),
            ("localhost.evil.example:8080", false),
            ("192.168.0.7:8080", false),
            ("0.0.0.0:8080", false),
            ("", false),
        ] {
            let passage = judge(&gate, "/", &[("host", host), COOKIE_OF_8080]);
            let expected = if passes { Passage::Pass } else { Passage::Refuse(Refusal::Host) };
            assert_eq!(passage, expected, "{host}");
        }
        let twice = [("host", "localhost:8080"), ("host", "localhost:8080"), COOKIE_OF_8080];
        assert_eq!(judge(&gate, "/", &twice), Passage::Refuse(Refusal::Host));
        let foreign = judge(&gate, "http://evil.example/", &[("host", "localhost:8080")]);
        assert_eq!(foreign, Passage::Refuse(Refusal::Host));
    }

    #[test]
    fn a_server_for_other_machines_takes_any_number_and_no_name() {
        let gate = gate("0.0.0.0:8080");
        let judge = |host| judge(&gate, "/", &[("host", host), COOKIE_OF_8080]);
        assert_eq!(judge("192.168.0.7:8080"), Passage::Pass);
        assert_eq!(judge("evil.example:8080"), Passage::Refuse(Refusal::Host));
    }

    #[test]
    fn the_token_opens_once_and_the_cookie_from_then_on() {
        let gate = gate("127.0.0.1:8080");
        let host = ("host", "127.0.0.1:8080");
        let wrong = judge(&gate, "/?token=the-toke", &[host]);
        assert_eq!(wrong, Passage::Refuse(Refusal::Token));
        assert_eq!(judge(&gate, "/", &[host]), Passage::Refuse(Refusal::Cookie));
        let cookie = "batchctl-ui-8080=the-session; Path=/; HttpOnly; SameSite=Strict";
        let entered = judge(&gate, "/?token=the-token", &[host]);
        assert_eq!(entered, Passage::Enter(cookie.into()));
        let again = judge(&gate, "/?token=the-token", &[host]);
        assert_eq!(again, Passage::Refuse(Refusal::Token));
        assert_eq!(judge(&gate, "/", &[host, COOKIE_OF_8080]), Passage::Pass);
        let other_port = ("cookie", "batchctl-ui-8081=the-session");
        assert_eq!(judge(&gate, "/", &[host, other_port]), Passage::Refuse(Refusal::Cookie));
    }

    #[test]
    fn other_sites_are_refused_even_with_the_cookie() {
        let gate = gate("127.0.0.1:8080");
        let host = ("host", "127.0.0.1:8080");
        for (header, passes) in [
            (("origin", "http://127.0.0.1:8080"), true),
            (("origin", "http://localhost:8080"), false),
            (("origin", "http://127.0.0.1:9090"), false),
            (("origin", "https://evil.example"), false),
            (("origin", "null"), false),
            (("sec-fetch-site", "same-origin"), true),
            (("sec-fetch-site", "none"), true),
            (("sec-fetch-site", "same-site"), false),
            (("sec-fetch-site", "cross-site"), false),
        ] {
            let passage = judge(&gate, "/", &[host, COOKIE_OF_8080, header]);
            let expected = if passes { Passage::Pass } else { Passage::Refuse(Refusal::Origin) };
            assert_eq!(passage, expected, "{header:?}");
        }
    }

    #[test]
    fn an_order_says_where_it_comes_from() {
        let gate = gate("127.0.0.1:8080");
        let judge = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "127.0.0.1:8080".parse().unwrap());
            headers.insert(COOKIE, COOKIE_OF_8080.1.parse().unwrap());
            headers.extend(origin.map(|origin| (ORIGIN, origin.parse().unwrap())));
            gate.judge(&Method::POST, &"/".parse().unwrap(), &headers)
        };
        assert_eq!(judge(Some("http://127.0.0.1:8080")), Passage::Pass);
        for origin in [None, Some("null"), Some("http://127.0.0.1:8081")] {
            assert_eq!(judge(origin), Passage::Refuse(Refusal::Origin), "{origin:?}");
        }
    }

    #[test]
    fn nothing_but_get_and_post_passes() {
        let gate = gate("127.0.0.1:8080");
        let headers = HeaderMap::from_iter([(HOST, "127.0.0.1:8080".parse().unwrap())]);
        for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::HEAD] {
            let passage = gate.judge(&method, &"/".parse().unwrap(), &headers);
            assert_eq!(passage, Passage::Refuse(Refusal::Method), "{method}");
        }
    }
}
