//! A key that signs calls in the place of a token. See `docs/GLOSSARY.md`: call, redactor.

use super::error::CredentialError;
use super::signature::{Signable, canonical_query};
use crate::api::endpoint::ProjectId;
use crate::api::redactor::Redactor;
use crate::clock::Timestamp;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Request, Uri};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;

const DATE: HeaderName = HeaderName::from_static("x-sdk-date");
const PROJECT: HeaderName = HeaderName::from_static("x-project-id");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-security-token");

/// An access key with its secret, and the token that belongs to a temporary one.
pub struct AccessKey {
    id: String,
    secret: SecretString,
    security_token: Option<SecretString>,
    origin: String,
}

impl AccessKey {
    /// Checks a key; `origin` says where it was found.
    ///
    /// # Errors
    ///
    /// A part is empty, or contains what no header can carry.
    pub fn new(
        id: &str,
        secret: SecretString,
        security_token: Option<SecretString>,
        origin: &str,
    ) -> Result<Self, CredentialError> {
        let token = security_token.as_ref().map_or("none", ExposeSecret::expose_secret);
        // Anything but visible ASCII is refused here: a line break would end its header early, and
        // the conversions to headers below cannot fail.
        for (what, text) in
            [("access key", id), ("secret key", secret.expose_secret()), ("security token", token)]
        {
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(CredentialError::BadKey { origin: origin.into(), what });
            }
        }
        Ok(Self { id: id.into(), secret, security_token, origin: origin.into() })
    }

    /// Returns where it was found.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Lets the redactor learn what is secret of it.
    pub(super) fn register_secrets(&self, redactor: &Redactor) {
        redactor.learn("secret key", self.secret.expose_secret());
        if let Some(token) = &self.security_token {
            redactor.learn("security token", token.expose_secret());
        }
    }

    /// Signs a request without a body as of that time. Each attempt is signed anew, because a signature expires.
    pub(super) fn sign(
        &self,
        request: &mut Request<()>,
        project: Option<&ProjectId>,
        at: Timestamp,
    ) {
        self.sign_with_body(request, b"", project, at);
    }

    /// Signs a request that will be sent with this body.
    pub(super) fn sign_with_body(
        &self,
        request: &mut Request<()>,
        body: &[u8],
        project: Option<&ProjectId>,
        at: Timestamp,
    ) {
        let date = date_text(at);
        // The official SDK sends the query as it signs it: other spellings are nobody's business.
        let query = canonical_query(request.uri().query().unwrap_or_default());
        let uri = with_query(request.uri(), &query);
        let host = host_of(request);
        *request.uri_mut() = uri.clone();
        let method = request.method().clone();
        let headers = request.headers_mut();
        headers.insert(DATE, plain(&date));
        if let Some(project) = project {
            headers.insert(PROJECT, plain(&project.to_string()));
        }
        if let Some(token) = &self.security_token {
            headers.insert(SECURITY_TOKEN, sensitive(token.expose_secret()));
        }
        // The signature comes last because it covers the project, the date and the security token.
        let signed = signed_headers(headers, &host);
        let request = Signable {
            method: method.as_str(),
            path: uri.path(),
            query: &query,
            headers: &signed,
            body,
            date: &date,
        };
        let signature = request.signature(self.secret.expose_secret().as_bytes());
        let authorization = sensitive(&request.authorization(&self.id, &signature));
        headers.insert(AUTHORIZATION, authorization);
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Returns the headers that are signed, in the order of their names.
fn signed_headers<'a>(headers: &'a HeaderMap, host: &'a str) -> Vec<(&'static str, &'a str)> {
    let value = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // The signing guide asks for the names in alphabetical order.
    let mut signed = Vec::with_capacity(5);
    signed.extend(value(&CONTENT_TYPE).map(|kind| ("content-type", kind)));
    signed.push(("host", host));
    signed.extend(value(&PROJECT).map(|project| ("x-project-id", project)));
    signed.extend(value(&DATE).map(|date| ("x-sdk-date", date)));
    signed.extend(value(&SECURITY_TOKEN).map(|token| ("x-security-token", token)));
    signed
}

/// Returns the host of a request: of one in the form it is written in, the text that is sent.
///
/// The transport sends the same text as `Host`, so both sides sign the same host.
fn host_of(request: &Request<()>) -> String {
    let sent = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let named = || request.uri().authority().map(Authority::as_str);
    sent.or_else(named).expect("a request names its host").to_owned()
}

/// Returns an address with another query, or with none where that is empty.
fn with_query(uri: &Uri, query: &str) -> Uri {
    if query.is_empty() && uri.query().is_none() {
        return uri.clone();
    }
    let path = uri.path();
    let path = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().expect("an encoded query fits an address"));
    Uri::from_parts(parts).expect("the rest of the address is as it was")
}

/// Writes a time as `X-Sdk-Date` has it: UTC, in seconds.
fn date_text(at: Timestamp) -> String {
    let time = jiff::Timestamp::from_microsecond(at.as_micros());
    let time = time.expect("a clock shows a time of the calendar");
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn plain(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("visible ASCII fits a header")
}

fn sensitive(text: &str) -> HeaderValue {
    let mut value = plain(text);
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Method;

    /// 2024-07-05, 12:00:00 UTC, and a bit.
    const NOON: Timestamp = Timestamp::from_micros(1_720_180_800_900_000);
    const PATH: &str = "/v2/0123456789abcdef0123456789abcdef/batch-tasks/0d47bbf52962414bb7ae27fb6ea24230/action/start";

    fn key(security_token: Option<&str>) -> AccessKey {
        let secret = "ExampleSecretKey0000000000000000000000001".into();
        let token = security_token.map(SecretString::from);
        AccessKey::new("EXAMPLEAK00000000001", secret, token, "the test").unwrap()
    }

    fn signed(host: &str, key: &AccessKey, project: Option<&str>) -> HeaderMap {
        let request = Request::builder().method(Method::PUT).uri(format!("https://{host}{PATH}"));
        signed_as(request.body(()).unwrap(), key, project)
    }

    fn signed_as(mut request: Request<()>, key: &AccessKey, project: Option<&str>) -> HeaderMap {
        let project = project.map(|project| project.parse().unwrap());
        key.sign(&mut request, project.as_ref(), NOON);
        request.headers().clone()
    }

    #[test]
    fn a_call_is_signed_as_the_official_sdk_signs_it() {
        let headers = signed("vias.cn-north-4.myhuaweicloud.com", &key(None), None);
        assert_eq!(headers[&DATE], "20240705T120000Z");
        assert_eq!(
            headers[&AUTHORIZATION],
            "SDK-HMAC-SHA256 Access=EXAMPLEAK00000000001, SignedHeaders=host;x-sdk-date, \
             Signature=4af358a217721ffccec6f0b72b2a1bcdc54e3f4e02e47751e3b54e3c4fdbd405"
        );
    }

    #[test]
    fn a_type_of_content_is_signed_as_the_official_sdk_signs_it() {
        let host = "https://vias.cn-north-4.myhuaweicloud.com";
        let request =
            Request::put(format!("{host}{PATH}")).header(CONTENT_TYPE, "application/json");
        let project = Some("0123456789abcdef0123456789abcdef");
        let headers = signed_as(request.body(()).unwrap(), &key(None), project);
        assert_eq!(
            headers[&AUTHORIZATION],
            "SDK-HMAC-SHA256 Access=EXAMPLEAK00000000001, \
             SignedHeaders=content-type;host;x-project-id;x-sdk-date, \
             Signature=68d6630de7a5b01c909b5311f093a299d9a5e7a4fa16aac94229c5e81983a64e"
        );
    }

    #[test]
    fn a_request_in_the_form_it_is_written_in_is_signed_for_the_host_that_is_sent() {
        let host = "vias.cn-north-4.myhuaweicloud.com";
        let written = Request::put(PATH).header(HOST, host).body(()).unwrap();
        let found = signed_as(written, &key(None), None);
        assert_eq!(found[&AUTHORIZATION], signed(host, &key(None), None)[&AUTHORIZATION]);
    }

    #[test]
    fn the_project_and_a_temporary_keys_token_are_sent_and_signed() {
        let headers = signed("h.example.com", &key(Some("sts-token")), Some("p-1"));
        assert_eq!(headers[&PROJECT], "p-1");
        assert_eq!(headers[&SECURITY_TOKEN], "sts-token");
        let authorization = headers[&AUTHORIZATION].to_str().unwrap();
        let names = "SignedHeaders=host;x-project-id;x-sdk-date;x-security-token,";
        assert!(authorization.contains(names), "{authorization}");
    }

    #[test]
    fn a_query_is_sent_as_it_is_signed() {
        let check = |uri: &str, query: &str, expected: &str| {
            assert_eq!(with_query(&uri.parse().unwrap(), query).to_string(), expected);
        };
        check("https://h.example.com/a?b=1&a=2", "a=2&b=1", "https://h.example.com/a?a=2&b=1");
        check("https://h.example.com/a?", "", "https://h.example.com/a");
        check("http://[::1]:8080/a", "", "http://[::1]:8080/a");
        check("/a?b=1&a=2", "a=2&b=1", "/a?a=2&b=1");
    }

    #[test]
    fn a_key_shows_nothing_of_itself() {
        let key = key(Some("sts-token"));
        let headers = signed("h.example.com", &key, None);
        assert_eq!(format!("{key:?}"), "AccessKey { origin: \"the test\", .. }");
        let shown = format!("{headers:?}");
        assert!(!shown.contains("Signature=") && !shown.contains("sts-token"), "{shown}");
    }

    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        let refused = |id: &str, secret: &str| {
            let error = AccessKey::new(id, secret.into(), None, "the test").unwrap_err();
            assert!(!format!("{error:?} {error}").contains("hunter"), "{error}");
            error.to_string()
        };
        assert_eq!(refused("", "hunter"), "the access key of the test is empty or no key");
        assert_eq!(refused("a", "hunter two"), "the secret key of the test is empty or no key");
    }
}
