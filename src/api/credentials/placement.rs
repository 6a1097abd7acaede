//! Where the secret of a call goes, for services that a file describes.

use super::token::Token;
use crate::api::redactor::Redactor;
use crate::service::Auth;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

/// Where the secret of a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::api) enum Placement {
    /// As Huawei Cloud takes it: a token in `X-Auth-Token`, or a signature.
    Huawei,
    /// A token in `Authorization`.
    Bearer,
    /// `user:password` in `Authorization`.
    Basic,
    /// A token in a header of this name.
    Header(HeaderName),
}

impl Placement {
    /// Returns the place that a file names; `None` if nothing secret is sent.
    pub(in crate::api) fn of(auth: &Auth) -> Option<Self> {
        match auth {
            Auth::Huawei => Some(Self::Huawei),
            Auth::Bearer => Some(Self::Bearer),
            Auth::Basic => Some(Self::Basic),
            Auth::Header(name) => HeaderName::from_bytes(name.as_bytes()).ok().map(Self::Header),
            Auth::None => None,
        }
    }

    /// Puts a token into the headers of a call. `Huawei` is not its affair.
    pub(super) fn put(&self, token: &Token, headers: &mut HeaderMap) {
        let secret = token.text();
        let text = secret.expose_secret();
        let (name, value) = match self {
            Self::Huawei => return,
            Self::Bearer => (AUTHORIZATION, sensitive(&format!("Bearer {text}"))),
            Self::Basic => (AUTHORIZATION, sensitive(&format!("Basic {}", STANDARD.encode(text)))),
            Self::Header(name) => (name.clone(), token.header()),
        };
        headers.insert(name, value);
    }

    /// Has every form of the secret taken out of all texts.
    pub(super) fn register(&self, token: &Token, redactor: &Redactor) {
        if *self != Self::Basic {
            return;
        }
        let secret = token.text();
        let text = secret.expose_secret();
        redactor.learn("password", &STANDARD.encode(text));
        if let Some((_, password)) = text.split_once(':') {
            redactor.learn("password", password);
        }
    }
}

fn sensitive(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).expect("a token is visible ASCII");
    value.set_sensitive(true);
    value
}
