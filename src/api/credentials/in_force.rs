//! The credentials in force, and their renewal.
//!
//! One renewal serves everybody who waits for one. See `docs/GLOSSARY.md`: authority, generation,
//! renewal.

use super::authorisation::{Authorisation, Proof};
use super::error::CredentialError;
use super::iam::Iam;
use super::placement::Placement;
use super::source::{CredentialSource, Found};
use crate::api::authority::{Authority, FirstUse, NotRenewed};
use crate::api::endpoint::ProjectId;
use crate::api::redactor::Redactor;
use crate::clock::{Clock, Instant, Timestamp};
use crate::policy::Generation;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use hyper::Request;
use secrecy::SecretString;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The part of a token's life that is left when it is renewed, and the most of it.
const SPARE_PART: u32 = 5;
const MOST_SPARE: Duration = Duration::from_secs(30 * 60);
/// The wait after a renewal ahead of need that failed for now.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// The waits between the tries of a renewal while IAM cannot be reached.
const PATIENCE: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// The longest wait in all that a renewal keeps because IAM asks for it.
const MOST_ASKED: Duration = Duration::from_secs(5 * 60);
/// The most logins in a row that leave and get no answer. Each may count as a wrong one, and IAM
/// locks a user after five by default: two are left for a person.
const MOST_UNANSWERED: u32 = 3;

/// Credentials that calls can be sent with.
pub struct Credentials {
    source: CredentialSource,
    clock: Clock,
    current: Mutex<Current>,
    /// Held during a renewal. Concurrent requests wait for it and then find new credentials.
    renewal: tokio::sync::Mutex<()>,
    trouble: Mutex<Option<CredentialError>>,
    redactor: Redactor,
}

/// The credentials in force.
struct Current {
    generation: Generation,
    proof: Proof,
    renewal_due: Option<Instant>,
    expires_at: Option<Timestamp>,
    project: Option<ProjectId>,
    /// Whether the source has said that it gives nothing more.
    is_last: bool,
    /// The number of logins since then that left and were not answered.
    unanswered: u32,
}

impl Credentials {
    /// Gets the first credentials. The redactor learns these and all later ones before they can
    /// be sent.
    ///
    /// # Errors
    ///
    /// The source has none, or none that can be sent.
    pub async fn load(
        source: CredentialSource,
        clock: Clock,
        redactor: Redactor,
    ) -> Result<Self, CredentialError> {
        let found = source.find(&redactor).await?;
        // Generation 0 is the one of `Unchanging`, so real credentials begin at 1.
        let current = Current::new(Generation(1), found, clock.instant());
        Ok(Self {
            source,
            clock,
            current: Mutex::new(current),
            renewal: tokio::sync::Mutex::new(()),
            trouble: Mutex::new(None),
            redactor,
        })
    }

    /// Returns where they come from.
    pub const fn source(&self) -> &CredentialSource {
        &self.source
    }

    /// Returns when they end, if that is known.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.current().expires_at
    }

    /// Returns the project they are for, if they came from a login.
    pub fn project(&self) -> Option<ProjectId> {
        self.current().project.clone()
    }

    /// Returns the token in force, to be kept for later; a key has none.
    pub fn token(&self) -> Option<SecretString> {
        match &self.current().proof {
            Proof::Token(token) => Some(token.text()),
            Proof::Key(_) => None,
        }
    }

    /// Finds the one project with that name.
    ///
    /// # Errors
    ///
    /// IAM cannot be asked, or there is none or more than one; those are listed.
    pub async fn find_project(&self, iam: &Iam, name: &str) -> Result<ProjectId, CredentialError> {
        let authorise = |request: &mut Request<()>| drop(self.authorise(request, None));
        let mut found = iam.projects(Some(name), authorise, &self.redactor).await?;
        // IAM compares names; whether it takes a part of one for it is not documented.
        found.retain(|project| project.name == name);
        let id = match found.as_slice() {
            [only] => only.id.parse().ok(),
            [] => None,
            _ => return Err(CredentialError::SeveralProjects { name: name.into(), found }),
        };
        if let Some(id) = id {
            return Ok(id);
        }
        // The second request serves the message alone, which lists the names that there are.
        let known = iam.projects(None, authorise, &self.redactor).await?;
        Err(CredentialError::NoProject { name: name.into(), known })
    }

    /// Puts what authorises it into a request that is about to be sent.
    pub(in crate::api) fn authorise(
        &self,
        request: &mut Request<()>,
        project: Option<&ProjectId>,
    ) -> Authorisation {
        // The clone releases the lock before a key signs, so signing never delays a renewal.
        let proof = self.current().proof.clone();
        proof.authorise(request, project, &self.redactor)
    }

    /// Puts what authorises it into a request of a service that a file describes.
    pub(in crate::api) fn authorise_placed(
        &self,
        request: &mut Request<()>,
        body: &[u8],
        placement: &Placement,
        project: Option<&ProjectId>,
    ) -> Authorisation {
        let proof = self.current().proof.clone();
        let signed_at = proof.place(request, body, placement, project);
        Authorisation { redactor: self.redactor.clone(), signed_at }
    }

    /// Has every form in which the secret is sent taken out of all texts.
    pub(in crate::api) fn register_placed(&self, placement: &Placement, redactor: &Redactor) {
        if let Proof::Token(token) = &self.current().proof {
            placement.register(token, redactor);
        }
    }

    /// Replaces the refused credentials, unless they were replaced already.
    ///
    /// # Errors
    ///
    /// The source has no others. The present credentials stay in force.
    pub async fn renew(&self, refused: Generation) -> Result<(), CredentialError> {
        let _turn = self.renewal.lock().await;
        // A renewal that ended while this one waited serves it too: one refusal, one login.
        if self.generation() > refused {
            return Ok(());
        }
        // The lock of the credentials in force is not held here, so other calls can still begin.
        let renewed = self.find_others().await;
        let now = self.clock.instant();
        let mut current = self.current();
        match renewed {
            Ok(found) => {
                let renewed = Current::new(current.generation.next(), found, now);
                std::mem::replace(&mut *current, renewed).proof.retire(&self.redactor, self.clock);
                Ok(())
            }
            Err(error) => {
                // Asking again after a final error could lock the user, so the source is not asked
                // again.
                current.is_last |= error.is_final() || current.unanswered >= MOST_UNANSWERED;
                // Only an IAM that is away is asked again ahead of need; other errors would repeat.
                let is_repeated = error.is_transient() && !current.is_last;
                let wait = error.asked_wait().max(AGAIN_AFTER);
                current.renewal_due = now.checked_add(wait).filter(|_| is_repeated);
                Err(error)
            }
        }
    }

    async fn find_others(&self) -> Result<Found, CredentialError> {
        let origin = || self.source.origin();
        if let Proof::Key(_) = self.current().proof {
            return Err(CredentialError::SignatureRefused { origin: origin() });
        }
        if self.current().is_last || !self.source.can_change() {
            return Err(CredentialError::Final { origin: origin() });
        }
        let found = self.find_patiently().await?;
        // The same token does not count as a renewal, because the service would refuse it again.
        if found.proof.is_same(&self.current().proof) {
            // It was learnt once more, and is in use once.
            found.proof.retire(&self.redactor, self.clock);
            return Err(CredentialError::SameToken { origin: origin() });
        }
        Ok(found)
    }

    /// Asks the source, and asks again for a while if it is away. What was refused is not asked
    /// for a second time: a wrong password locks its user.
    async fn find_patiently(&self) -> Result<Found, CredentialError> {
        let mut asked = Duration::ZERO;
        for wait in PATIENCE {
            let error = match self.find().await {
                Err(error) if error.is_transient() => error,
                decided => return decided,
            };
            asked = asked.saturating_add(error.asked_wait());
            if asked > MOST_ASKED || self.current().unanswered >= MOST_UNANSWERED {
                return Err(error);
            }
            tokio::time::sleep(error.asked_wait().max(wait)).await;
        }
        self.find().await
    }

    /// Asks the source once, and counts the logins of unknown fate.
    async fn find(&self) -> Result<Found, CredentialError> {
        let found = self.source.find(&self.redactor).await;
        if let Err(CredentialError::IamUnanswered { .. }) = found {
            self.current().unanswered += 1;
        }
        found
    }

    /// Returns why the last renewal failed, if one did.
    pub fn take_trouble(&self) -> Option<CredentialError> {
        unpoisoned(&self.trouble).take()
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        unpoisoned(&self.current)
    }
}

impl Current {
    fn new(generation: Generation, found: Found, now: Instant) -> Self {
        let Found { proof, expires_at, life, project } = found;
        let spare = |life: Duration| (life / SPARE_PART).min(MOST_SPARE);
        let renewal_due = life.and_then(|life| now.checked_add(life - spare(life)));
        Self { generation, proof, renewal_due, expires_at, project, is_last: false, unanswered: 0 }
    }
}

impl Authority for Credentials {
    fn generation(&self) -> Generation {
        self.current().generation
    }

    fn first_use(&self) -> FirstUse {
        match self.current().proof {
            Proof::Token(_) => FirstUse::Together,
            Proof::Key(_) => FirstUse::Alone,
        }
    }

    fn renewal_due(&self) -> Option<Instant> {
        self.current().renewal_due
    }

    fn renew(&self, refused: Generation) -> LocalBoxFuture<'_, Result<(), NotRenewed>> {
        async move {
            let renewed = self.renew(refused).await;
            let mut trouble = unpoisoned(&self.trouble);
            match renewed {
                Ok(()) => *trouble = None,
                // The first failure has the cause. Later ones only say that it is final.
                Err(error) => drop(trouble.get_or_insert(error)),
            }
            trouble.as_ref().map_or(Ok(()), |_| Err(NotRenewed))
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
    use crate::api::credentials::authorisation::AUTH_TOKEN;
    use crate::api::credentials::token::Token;
    use crate::api::{AccessKey, TokenSource};
    use std::ffi::OsString;
    use std::sync::Arc;

    fn command(line: &str) -> TokenSource {
        let path = (OsString::from("PATH"), OsString::from("/usr/bin:/bin"));
        TokenSource::Command { line: line.into(), environment: vec![path] }
    }

    async fn load(source: TokenSource) -> Result<Credentials, CredentialError> {
        Credentials::load(source.into(), Clock::start(), Redactor::default()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_when_a_fifth_of_its_life_is_left_or_half_an_hour() {
        let now = Clock::start().instant();
        let check = |life: Option<u64>, expected: Option<u64>| {
            let token = Token::new(b"any-token", || "the test".into()).unwrap();
            let found = Found {
                proof: Proof::Token(Arc::new(token)),
                expires_at: None,
                life: life.map(Duration::from_secs),
                project: None,
            };
            let due = Current::new(Generation(1), found, now).renewal_due;
            assert_eq!(due.map(|due| (due - now).as_secs()), expected, "{life:?}");
        };
        check(Some(30), Some(24));
        check(Some(24 * 3_600), Some(24 * 3_600 - 1_800));
        check(Some(0), Some(0));
        check(None, None);
    }

    #[tokio::test]
    async fn a_signature_is_never_tried_again_and_its_key_goes_alone_at_first() {
        let key = AccessKey::new("AK1", "a-secret-key".into(), None, "the test").unwrap();
        let source = CredentialSource::Key(Arc::new(key));
        let credentials = Credentials::load(source, Clock::start(), Redactor::default());
        let credentials = credentials.await.unwrap();
        assert_eq!(credentials.first_use(), FirstUse::Alone);
        let refused = credentials.renew(Generation(1)).await.unwrap_err();
        assert_eq!(refused.to_string(), "the service refused the signature of the test");
        assert_eq!(credentials.redactor.redact("a-secret-key".into()), "[secret key]");
    }

    /// Returns the token that a call would be sent with now.
    fn sent(credentials: &Credentials) -> String {
        let mut request = Request::put("http://127.0.0.1/").body(()).unwrap();
        credentials.authorise(&mut request, None);
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
        let credentials = load(TokenSource::file(&path)).await.unwrap();
        let same = credentials.renew(Generation(1)).await.unwrap_err();
        assert!(matches!(same, CredentialError::SameToken { .. }), "{same}");
        std::fs::write(&path, "two-two").unwrap();
        credentials.renew(Generation(1)).await.unwrap();
        assert_eq!(sent(&credentials), "two-two");
        assert_eq!(credentials.redactor.redact("two-two".into()), "[token]");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_was_replaced_is_forgotten_after_an_hour() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let write = |number: u64| std::fs::write(&path, format!("token-number-{number}")).unwrap();
        write(1);
        let credentials = load(TokenSource::file(&path)).await.unwrap();
        // What is refused and still there is in use as before.
        credentials.renew(Generation(1)).await.unwrap_err();
        let shown = |number: u64| credentials.redactor.redact(format!("token-number-{number}"));
        for number in 2..400 {
            write(number);
            credentials.renew(Generation(number - 1)).await.unwrap();
            assert_eq!((shown(number - 1), shown(number)), ("[token]".into(), "[token]".into()));
            tokio::time::advance(Duration::from_secs(3_600)).await;
            assert!(shown(number - 1).starts_with("token"), "{number}");
        }
    }

    #[tokio::test]
    async fn a_token_that_was_given_is_the_only_one() {
        let source = TokenSource::given("one", "BATCHCTL_TOKEN");
        let credentials = load(source).await.unwrap();
        let renewed = Authority::renew(&credentials, Generation(1)).await;
        assert_eq!(renewed, Err(NotRenewed));
        let trouble = credentials.take_trouble().unwrap().to_string();
        assert_eq!(trouble, "BATCHCTL_TOKEN cannot be renewed");
    }
}
