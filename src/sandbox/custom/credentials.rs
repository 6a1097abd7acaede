//! Whether a request carries the credentials that the file describes.

use crate::clock::{Clock, Instant};
use crate::sandbox::http::SandboxKey;
use crate::sandbox::settings::{SandboxAuth, SandboxSettings};
use crate::service::Auth;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;

/// The credentials that are asked for.
#[derive(Debug)]
pub(crate) struct Credentials {
    place: Auth,
    kind: SandboxAuth,
    /// The valid token; none: any that is not empty.
    token: Option<String>,
    key: SandboxKey,
}

impl Credentials {
    /// Returns what a sandbox asks for.
    pub(crate) fn new(place: &Auth, settings: &SandboxSettings, clock: Clock) -> Self {
        let account = &settings.account;
        let key = SandboxKey::new(account.access_key.clone(), account.secret_key.clone(), clock);
        Self { place: place.clone(), kind: settings.auth, token: settings.token.clone(), key }
    }

    /// Returns whether a request has them.
    pub(crate) fn are_in(&mut self, head: &Parts, body: &[u8], now: Instant) -> bool {
        let header = |name: &str| {
            head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        let authorization = header(AUTHORIZATION.as_str());
        let token = match (&self.place, self.kind) {
            (_, SandboxAuth::None) | (Auth::None, _) => return true,
            (Auth::Huawei, SandboxAuth::Signature) => {
                return self.key.check(head, body, now).is_ok();
            }
            (Auth::Huawei, _) if authorization.starts_with("SDK-HMAC-SHA256 ") => {
                return self.key.check(head, body, now).is_ok();
            }
            (Auth::Huawei, _) => header("x-auth-token").to_owned(),
            (Auth::Bearer, _) => of_scheme(authorization, "Bearer").unwrap_or_default().to_owned(),
            (Auth::Basic, _) => pair(authorization).unwrap_or_default(),
            (Auth::Header(name), _) => header(name).to_owned(),
        };
        let is_wanted = self.token.as_ref().is_none_or(|wanted| *wanted == token);
        !token.is_empty() && is_wanted
    }
}

fn of_scheme<'a>(header: &'a str, scheme: &str) -> Option<&'a str> {
    let (found, rest) = header.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Returns the user and the password, if there is a user.
fn pair(header: &str) -> Option<String> {
    let pair = BASE64_STANDARD.decode(of_scheme(header, "Basic")?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    pair.split_once(':').is_some_and(|(user, _)| !user.is_empty()).then_some(pair)
}
