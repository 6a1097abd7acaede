//! What authorises a call, and the record of it (`docs/GLOSSARY.md`: redactor).
//!
//! A secret reaches the header of a call and nothing else.

use super::access_key::AccessKey;
use super::placement::Placement;
use super::token::Token;
use crate::api::endpoint::ProjectId;
use crate::api::redactor::Redactor;
use crate::clock::{Clock, Timestamp, system_time};
use hyper::Request;
use hyper::header::HeaderName;
use secrecy::ExposeSecret;
use std::sync::Arc;

/// The longest text of the service that is kept, in characters.
pub(in crate::api) const MAX_TEXT: usize = 500;
/// The header that carries the token.
pub(super) const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// The part of the credentials that authorises a call.
#[derive(Clone)]
pub(super) enum Proof {
    /// A token, sent as it is.
    Token(Arc<Token>),
    /// A key that signs.
    Key(Arc<AccessKey>),
}

/// The record of how one call was authorised; removes those secrets from its answer.
pub(in crate::api) struct Authorisation {
    pub(in crate::api) redactor: Redactor,
    /// The time of its signature, if it has one.
    pub(in crate::api) signed_at: Option<Timestamp>,
}

impl Authorisation {
    /// Returns what is kept of a text that came from outside.
    pub(in crate::api) fn kept(&self, text: String) -> String {
        self.redactor.beginning(text, MAX_TEXT)
    }
}

impl Proof {
    /// Puts this into a request that is about to be sent.
    pub(super) fn authorise(
        &self,
        request: &mut Request<()>,
        project: Option<&ProjectId>,
        redactor: &Redactor,
    ) -> Authorisation {
        let signed_at = match self {
            Self::Token(token) => {
                request.headers_mut().insert(AUTH_TOKEN, token.header());
                None
            }
            Self::Key(key) => {
                // The system's own time: it is compared with that of another machine.
                let now = system_time();
                key.sign(request, project, now);
                Some(now)
            }
        };
        Authorisation { redactor: redactor.clone(), signed_at }
    }

    /// Puts this where the file of a service says, and returns the time of its signature, if any.
    ///
    /// A key signs for Huawei Cloud alone: elsewhere it is not sent.
    pub(super) fn place(
        &self,
        request: &mut Request<()>,
        body: &[u8],
        placement: &Placement,
        project: Option<&ProjectId>,
    ) -> Option<Timestamp> {
        match (self, placement) {
            (Self::Token(token), Placement::Huawei) => {
                request.headers_mut().insert(AUTH_TOKEN, token.header());
                None
            }
            (Self::Token(token), _) => {
                placement.put(token, request.headers_mut());
                None
            }
            (Self::Key(key), Placement::Huawei) => {
                let now = system_time();
                key.sign_with_body(request, body, project, now);
                Some(now)
            }
            (Self::Key(_), _) => None,
        }
    }

    /// Lets the redactor forget it, once no answer to a call with it can come any more.
    pub(super) fn retire(&self, redactor: &Redactor, clock: Clock) {
        if let Self::Token(token) = self {
            redactor.retire(token.text().expose_secret(), clock);
        }
    }

    /// Returns whether two are the same token.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token(one), Self::Token(other)) => one.is_same(other),
            (Self::Key(_), _) | (_, Self::Key(_)) => false,
        }
    }
}
