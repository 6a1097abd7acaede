//! The credentials of calls: where they come from, which are in force, and how others are got.
//!
//! A secret is held in types that show nothing; it reaches the header of a call and nothing else.
//! One renewal serves everybody who waits for one.

mod command;
mod error;
mod signature;
mod source;
mod token;

pub use error::CredentialError;
pub use source::TokenSource;

use super::authority::Authority;
use super::authority::FirstUse;
use super::authority::NotRenewed;
use super::redactor::Redactor;
use crate::clock::Instant;
use crate::policy::Generation;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use reqwest::Request;
use reqwest::header::HeaderName;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use token::Token;

/// The header that carries the token.
const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// Credentials that calls can be sent with.
pub struct Credentials {
    source: TokenSource,
    current: Mutex<Current>,
    /// Held by whoever renews; others wait for it and find that it has been done.
    renewal: tokio::sync::Mutex<()>,
    trouble: Mutex<Option<CredentialError>>,
    redactor: Redactor,
}

/// What is in force.
struct Current {
    generation: Generation,
    token: Arc<Token>,
}

/// What one call was authorised with; takes it out of what comes back.
pub(super) struct Authorisation {
    redactor: Redactor,
}

impl Authorisation {
    /// Takes what was sent out of a text that came from outside.
    pub(super) fn redact(&self, text: String) -> String {
        self.redactor.redact(text)
    }
}

impl Credentials {
    /// Gets the first credentials. The redactor learns these and all later ones before they can
    /// be sent.
    ///
    /// # Errors
    ///
    /// The source has none, or none that can be sent.
    pub async fn load(source: TokenSource, redactor: Redactor) -> Result<Self, CredentialError> {
        let token = Arc::new(source.load().await?);
        token.tell(&redactor);
        Ok(Self {
            source,
            current: Mutex::new(Current { generation: Generation(1), token }),
            renewal: tokio::sync::Mutex::new(()),
            trouble: Mutex::new(None),
            redactor,
        })
    }

    /// Puts what authorises it into a request that is about to be sent.
    pub(super) fn authorise(&self, request: &mut Request) -> Authorisation {
        let token = Arc::clone(&self.current().token);
        request.headers_mut().insert(AUTH_TOKEN, token.header());
        Authorisation { redactor: self.redactor.clone() }
    }

    /// Gets others in the place of these, unless that has happened already.
    ///
    /// # Errors
    ///
    /// The source has no others. What it had stays in force.
    pub async fn renew(&self, refused: Generation) -> Result<(), CredentialError> {
        let _turn = self.renewal.lock().await;
        if self.generation() > refused {
            return Ok(());
        }
        let origin = || self.source.origin();
        if !self.source.can_change() {
            return Err(CredentialError::Final { origin: origin() });
        }
        let token = self.source.load().await?;
        token.tell(&self.redactor);
        let mut current = self.current();
        if token.is_same(&current.token) {
            return Err(CredentialError::SameToken { origin: origin() });
        }
        *current = Current { generation: current.generation.next(), token: Arc::new(token) };
        Ok(())
    }

    /// Returns why the last renewal failed, if one did.
    pub fn take_trouble(&self) -> Option<CredentialError> {
        unpoisoned(&self.trouble).take()
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        unpoisoned(&self.current)
    }
}

impl Authority for Credentials {
    fn generation(&self) -> Generation {
        self.current().generation
    }

    fn first_use(&self) -> FirstUse {
        FirstUse::Together
    }

    fn renewal_due(&self) -> Option<Instant> {
        None
    }

    fn renew(&self, refused: Generation) -> LocalBoxFuture<'_, Result<(), NotRenewed>> {
        async move {
            self.renew(refused).await.map_err(|error| {
                *unpoisoned(&self.trouble) = Some(error);
                NotRenewed
            })
        }
        .boxed_local()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("source", &self.source).finish_non_exhaustive()
    }
}

/// Takes a lock whose holders leave it whole at every step.
fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn command(line: &str) -> TokenSource {
        let path = (OsString::from("PATH"), OsString::from("/usr/bin:/bin"));
        TokenSource::Command { line: line.into(), environment: vec![path] }
    }

    async fn load(source: TokenSource) -> Result<Credentials, CredentialError> {
        Credentials::load(source, Redactor::default()).await
    }

    /// Returns the token that a call would be sent with now.
    fn sent(credentials: &Credentials) -> String {
        let url = "http://127.0.0.1/".parse().unwrap();
        let mut request = Request::new(reqwest::Method::PUT, url);
        credentials.authorise(&mut request);
        request.headers()[AUTH_TOKEN].to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn one_renewal_serves_all_that_wait_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let count = directory.path().join("count").display().to_string();
        let line = format!("echo x >> {count}; wc -l < {count}");
        let credentials = load(command(&line)).await.unwrap();
        assert_eq!((sent(&credentials).as_str(), credentials.generation()), ("1", Generation(1)));
        let renewals = (0..64).map(|_| credentials.renew(Generation(1)));
        let renewed = futures::future::join_all(renewals).await;
        assert!(renewed.iter().all(Result::is_ok));
        assert_eq!((sent(&credentials).as_str(), credentials.generation()), ("2", Generation(2)));
    }

    #[tokio::test]
    async fn a_file_is_read_again_and_has_to_hold_another_token() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "one").unwrap();
        let credentials = load(TokenSource::File(path.clone())).await.unwrap();
        let same = credentials.renew(Generation(1)).await.unwrap_err();
        assert!(matches!(same, CredentialError::SameToken { .. }), "{same}");
        std::fs::write(&path, "two-two").unwrap();
        credentials.renew(Generation(1)).await.unwrap();
        assert_eq!(sent(&credentials), "two-two");
        assert_eq!(credentials.redactor.redact("two-two".into()), "[token]");
    }

    #[tokio::test]
    async fn a_token_that_was_given_is_the_only_one() {
        let source = TokenSource::Given { token: "one".into(), origin: "BATCHCTL_TOKEN".into() };
        let credentials = load(source).await.unwrap();
        let renewed = Authority::renew(&credentials, Generation(1)).await;
        assert_eq!(renewed, Err(NotRenewed));
        let trouble = credentials.take_trouble().unwrap().to_string();
        assert_eq!(trouble, "BATCHCTL_TOKEN cannot be renewed");
    }
}
