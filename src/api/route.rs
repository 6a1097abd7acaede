//! The route to a host: additional root certificates, and the proxy (`docs/GLOSSARY.md`: route).
//!
//! A proxy sees who is called and when, so it is used only when it is named: no variable of the
//! environment names one. The system's authorities are those of `SSL_CERT_FILE` and `SSL_CERT_DIR`
//! where these are set, because the platform reads them.

use super::file_reader::{MAX_CERTIFICATE_BYTES, decoded, read_bytes};
use super::loopback;
use super::redactor::Redactor;
use crate::text::address;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::Uri;
use hyper::header::HeaderValue;
use reqwest::{Certificate, Client, ClientBuilder, Proxy, redirect};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use secrecy::{ExposeSecret, SecretString};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fmt, io};

/// The value of `User-Agent`.
pub(super) const AGENT: &str = concat!("batchctl/", env!("CARGO_PKG_VERSION"));

/// The way to a host. By default no proxy, and the system's authorities alone.
#[derive(Debug, Clone, Default)]
pub struct Route {
    /// Authorities that are trusted besides the system's.
    pub roots: Roots,
    /// The proxy that all calls go through.
    pub proxy: Option<ProxyAddress>,
}

impl Route {
    /// Begins to set up a client that goes this way, and through no other proxy.
    ///
    /// # Errors
    ///
    /// The proxy's address cannot be used.
    pub fn client(&self) -> Result<ClientBuilder, reqwest::Error> {
        // Fails only if a provider is installed already, and then that one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .user_agent(AGENT)
            // Without this, reqwest reads the proxy from the variables of the environment.
            .no_proxy()
            // A redirect, or the `Referer` of one, would carry what is secret to another host.
            .redirect(redirect::Policy::none())
            .referer(false)
            .resolve_to_addrs("localhost", &loopback::addresses(0))
            .tls_certs_merge(self.roots.for_login()?);
        match &self.proxy {
            Some(proxy) => Ok(builder.proxy(proxy.to_proxy()?)),
            None => Ok(builder),
        }
    }
}

/// Certificates of authorities.
#[derive(Debug, Clone, Default)]
pub struct Roots(Vec<CertificateDer<'static>>);

/// The reason why the certificates of a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// The file could not be read.
    #[error("cannot read the certificates in `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// There is none in it.
    #[error(
        "there is no certificate in `{}`{}; one begins with -----BEGIN CERTIFICATE-----",
        path.display(), label.as_ref().map_or_else(String::new, |it| format!(", but a {it}"))
    )]
    Empty {
        /// The file.
        path: PathBuf,
        /// What its first part is instead, in the words of PEM.
        label: Option<String>,
    },
    /// It is in the binary form.
    #[error(
        "`{}` is {form} in DER form and PEM is needed: {command} -in {} -out ca.pem",
        path.display(), quoted(path)
    )]
    Der {
        /// The file.
        path: PathBuf,
        /// The form of its content.
        form: &'static str,
        /// The command that converts it.
        command: &'static str,
    },
    /// One of them is not the certificate of an authority.
    #[error("certificate {number} in `{}` cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Its number in the file, from 1.
        number: usize,
        /// The fault of the certificate.
        reason: String,
    },
}

impl Roots {
    /// Reads the certificates of a PEM file; keys and other parts are passed over.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or does not hold certificates alone that can be used.
    pub fn read(path: &Path) -> Result<Self, RootsError> {
        let pem = read_bytes(path, MAX_CERTIFICATE_BYTES)
            .map_err(|source| RootsError::Read { path: path.into(), source })?;
        // Editors of Windows put a mark before the first line, and may write two bytes a character.
        let pem = decoded(&pem).map_or(pem, String::into_bytes);
        let mut roots = Vec::new();
        for (index, der) in CertificateDer::pem_slice_iter(&pem).enumerate() {
            let unusable = |reason| {
                let number = index + 1;
                RootsError::Unusable { path: path.into(), number, reason }
            };
            let der = der.map_err(|error| unusable(in_words(&error)))?;
            // The builder of a client reports it too, but not which certificate.
            let usable = RootCertStore::empty().add(der.clone());
            usable.map_err(|error| unusable(error.to_string()))?;
            roots.push(der);
        }
        // DER is recognised only now, because a PEM file may begin with any text.
        if roots.is_empty() {
            let path = path.into();
            return Err(match der_form(&pem) {
                Some((form, command)) => RootsError::Der { path, form, command },
                None => RootsError::Empty { path, label: first_label(&pem) },
            });
        }
        Ok(Self(roots))
    }

    /// Returns them, in the order of the file.
    pub fn certificates(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.0.iter()
    }

    fn for_login(&self) -> Result<Vec<Certificate>, reqwest::Error> {
        self.0.iter().map(|root| Certificate::from_der(root)).collect()
    }
}

/// Says what is wrong with a part of PEM; the reader's own words print bytes as numbers.
fn in_words(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => {
            "no line -----END CERTIFICATE----- is behind it, so it is cut off or without line breaks"
                .into()
        }
        pem::Error::IllegalSectionStart { .. } => "its first line is not whole".into(),
        pem::Error::Base64Decode(_) => "it is not base64 between its first and last line".into(),
        other => other.to_string(),
    }
}

/// Returns what a PEM file holds first, such as a key.
fn first_label(pem: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(pem);
    let line = text.lines().find_map(|line| line.strip_prefix("-----BEGIN "))?;
    let label = line.strip_suffix("-----")?;
    let is_known_form = |it: char| it.is_ascii_uppercase() || it.is_ascii_digit() || it == ' ';
    label.chars().all(is_known_form).then(|| label.to_owned())
}

/// Recognises the binary forms in which authorities are handed out, with what converts each.
///
/// All are an ASN.1 sequence (X.690); the first element distinguishes them: a certificate begins with
/// another sequence, PKCS #7 with an object identifier, PKCS #12 with a version number.
fn der_form(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let [0x30, length, rest @ ..] = bytes else { return None };
    // A length byte above 0x80 says how many bytes of length follow it (X.690, section 8.1.3.5).
    let longer = usize::from(length.checked_sub(0x80).unwrap_or_default());
    match rest.get(longer)? {
        0x30 => Some(("a certificate", "openssl x509 -inform der")),
        0x06 => Some(("a PKCS #7 bundle", "openssl pkcs7 -inform der -print_certs")),
        0x02 => Some(("a PKCS #12 bundle", "openssl pkcs12 -nokeys -cacerts")),
        _ => None,
    }
}

/// Returns a path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@%=:,".contains(&byte);
    if text.bytes().all(is_plain) {
        text
    } else {
        // Within single quotes only the quote itself has a meaning to the shell.
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The address of a proxy, which may hold a password; what is shown of it does not.
///
/// ```
/// use batchctl::api::ProxyAddress;
///
/// let proxy: ProxyAddress = "http://me:secret@proxy.example.com:3128".parse().unwrap();
/// assert_eq!(proxy.to_string(), "http://proxy.example.com:3128");
/// assert!(proxy.has_password());
/// assert!("socks5://proxy.example.com".parse::<ProxyAddress>().is_err());
/// ```
#[derive(Clone)]
pub struct ProxyAddress {
    /// Without user and password.
    shown: String,
    user: Option<String>,
    password: Option<SecretString>,
}

/// The text is not the address of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a proxy looks like `http://proxy.example.com:3128`, with http or https and no path")]
pub struct ProxyAddressError;

impl ProxyAddress {
    /// Returns whether it holds a password.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Has the password taken out of all texts.
    pub fn register_secrets(&self, redactor: &Redactor) {
        if let Some(password) = &self.password {
            redactor.learn("password", password.expose_secret());
        }
    }

    /// Returns where it is.
    pub(super) fn uri(&self) -> Uri {
        self.shown.parse().expect("a checked address is one")
    }

    /// Returns the header that says who asks it, if it wants to know.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let user = self.user.as_deref()?;
        // Basic credentials have the colon even without a password (RFC 7617, section 2).
        let password = self.password.as_ref().map_or("", ExposeSecret::expose_secret);
        let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
        let mut value = HeaderValue::from_str(&format!("Basic {pair}")).expect("base64 is ASCII");
        value.set_sensitive(true);
        Some(value)
    }

    pub(super) fn to_proxy(&self) -> Result<Proxy, reqwest::Error> {
        let proxy = Proxy::all(&self.shown)?;
        let password = self.password.as_ref().map_or("", ExposeSecret::expose_secret);
        Ok(match &self.user {
            Some(user) => proxy.basic_auth(user, password),
            None => proxy,
        })
    }
}

impl FromStr for ProxyAddress {
    type Err = ProxyAddressError;

    fn from_str(text: &str) -> Result<Self, ProxyAddressError> {
        let whole = address(text).map_err(|_| ProxyAddressError)?;
        let is_bare = whole.path() == "/" && whole.query().is_none() && whole.fragment().is_none();
        if !matches!(whole.scheme(), "http" | "https") || !is_bare {
            return Err(ProxyAddressError);
        }
        let mut shown = whole.clone();
        let cleared = shown.set_username("").and_then(|()| shown.set_password(None));
        cleared.map_err(|()| ProxyAddressError)?;
        let user = (!whole.username().is_empty()).then(|| percent_decoded(whole.username()));
        // Both URL parsers (reqwest's and hyper's) must accept it.
        shown.as_str().parse::<Uri>().map_err(|_| ProxyAddressError)?;
        Ok(Self {
            shown: shown.as_str().trim_end_matches('/').to_owned(),
            // A password without a user still needs the header, so the user is empty then.
            user: user.or_else(|| whole.password().map(|_| String::new())),
            password: whole.password().map(|password| percent_decoded(password).into()),
        })
    }
}

/// Returns a user or a password as it was meant: the redactor finds its spellings by itself.
fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl fmt::Display for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyAddress({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_proxy_is_an_address_without_a_path() {
        for text in ["http://proxy:3128", "https://proxy.example.com/", "http://[::1]:80"] {
            assert!(text.parse::<ProxyAddress>().is_ok(), "{text}");
        }
        for text in ["proxy:3128", "socks5://proxy", "http://proxy/path", "http://proxy?a", ""] {
            assert!(text.parse::<ProxyAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_password_of_a_proxy_is_not_shown() {
        let proxy: ProxyAddress = "http://me:hunt%2Ber2@proxy:3128".parse().unwrap();
        assert_eq!(format!("{proxy} {proxy:?}").matches("hunt").count(), 0);
        let redactor = Redactor::default();
        proxy.register_secrets(&redactor);
        assert_eq!(redactor.redact("hunt+er2 hunt%2Ber2".into()), "[password] [password]");
    }

    #[track_caller]
    fn check_refused(content: &str, expected: &str) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        fs::write(&path, content).unwrap();
        let error = Roots::read(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn authorities_in_binary_form_are_named_with_the_command_that_converts_them() {
        let check = |bytes: &[u8], expected: &str| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("my ca.der");
            fs::write(&path, bytes).unwrap();
            let error = Roots::read(&path).unwrap_err().to_string();
            assert!(error.contains("in DER form") && error.contains(expected), "{error}");
            assert!(error.contains("my ca.der' -out ca.pem"), "{error}");
        };
        check(b"\x30\x82\x01\x00\x30\x81", "openssl x509 -inform der -in '");
        check(b"\x30\x82\x01\x00\x06\x09", "openssl pkcs7 -inform der -print_certs");
        check(b"\x30\x82\x01\x00\x02\x01\x03", "openssl pkcs12 -nokeys -cacerts");
    }

    #[test]
    fn a_file_without_usable_certificates_is_refused() {
        check_refused("", "there is no certificate in");
        check_refused(
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            "there is no",
        );
        check_refused(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "certificate 1 in",
        );
        check_refused("-----BEGIN CERTIFICATE-----\nAAAA\n", "certificate 1 in");
        let cut = "cannot be used: no line -----END CERTIFICATE----- is behind it";
        check_refused("-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----", cut);
        check_refused("-----BEGIN CERTIFICATE-----\n\u{e9}\n-----END CERTIFICATE-----", "base64");
        let key = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        check_refused(key, ", but a RSA PRIVATE KEY; one begins");
        let missing = Roots::read(Path::new("/nowhere/ca.pem")).unwrap_err();
        assert!(matches!(missing, RootsError::Read { .. }), "{missing}");
    }
}
