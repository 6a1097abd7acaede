//! The sources of credentials: a token, a login that gives one, or a key that signs.
//!
//! Secrets are registered with the redactor before anything can send them. See `docs/GLOSSARY.md`:
//! redactor, renewal.

use super::access_key::AccessKey;
use super::authorisation::Proof;
use super::command::output_of;
use super::error::CredentialError;
use super::login::Login;
use super::token::Token;
use crate::api::endpoint::ProjectId;
use crate::api::file_reader::{MAX_TEXT_BYTES, read_bytes};
use crate::api::redactor::Redactor;
use crate::clock::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A source of credentials.
#[derive(Debug, Clone)]
pub enum CredentialSource {
    /// Somebody else's token.
    Token(TokenSource),
    /// A user who logs in to IAM.
    Login(Arc<Login>),
    /// A key that signs every call.
    Key(Arc<AccessKey>),
}

/// The credentials that a source gave.
pub(super) struct Found {
    pub(super) proof: Proof,
    pub(super) expires_at: Option<Timestamp>,
    /// The time for which it is valid from now on.
    pub(super) life: Option<Duration>,
    pub(super) project: Option<ProjectId>,
}

impl From<TokenSource> for CredentialSource {
    fn from(source: TokenSource) -> Self {
        Self::Token(source)
    }
}

impl CredentialSource {
    /// Says in a few words where the credentials come from.
    pub fn origin(&self) -> String {
        match self {
            Self::Token(source) => source.origin(),
            Self::Login(login) => login.origin(),
            Self::Key(key) => key.origin().to_owned(),
        }
    }

    /// Gets credentials; the redactor learns them before anybody else can have them.
    pub(super) async fn find(&self, redactor: &Redactor) -> Result<Found, CredentialError> {
        match self {
            Self::Token(source) => {
                let token = source.load(redactor).await?;
                token.register_secrets(redactor);
                let proof = Proof::Token(Arc::new(token));
                // Without a life there is no renewal ahead of need: such a token is replaced once
                // it is refused.
                let (expires_at, project) = source.known();
                Ok(Found { proof, expires_at, life: None, project })
            }
            Self::Login(login) => {
                // The password is registered before it is sent, because the answer may echo it.
                login.register_secrets(redactor);
                let granted = login.log_in(redactor).await?;
                let token = Token::new(&granted.token, || login.origin())?;
                token.register_secrets(redactor);
                Ok(Found {
                    proof: Proof::Token(Arc::new(token)),
                    expires_at: granted.expires_at,
                    // A passcode is valid once, so no renewal of its login is planned.
                    life: granted.life.filter(|_| login.can_repeat()),
                    project: granted.project,
                })
            }
            Self::Key(key) => {
                key.register_secrets(redactor);
                let proof = Proof::Key(Arc::clone(key));
                Ok(Found { proof, expires_at: None, life: None, project: None })
            }
        }
    }

    /// Returns whether to ask once more can bring others.
    pub(super) fn can_change(&self) -> bool {
        match self {
            Self::Token(source) => source.can_change(),
            Self::Login(login) => login.can_repeat(),
            Self::Key(_) => false,
        }
    }
}

/// A source of a token.
#[derive(Debug, Clone)]
pub enum TokenSource {
    /// From a file, which is read again when the token was refused.
    File {
        /// The file.
        path: PathBuf,
        /// What messages call it: its name may be a secret that was typed by mistake.
        origin: String,
    },
    /// From what a command prints, run by `sh` with nothing but this environment, and run again
    /// when the token was refused.
    Command {
        /// The command line.
        line: String,
        /// The variables it sees.
        environment: Vec<(OsString, OsString)>,
    },
    /// The token itself. It cannot be renewed.
    Given {
        /// The token.
        token: SecretString,
        /// The place where it was found, such as a variable.
        origin: String,
        /// Its end, if that is known.
        expires_at: Option<Timestamp>,
        /// The project it is for, if that is known.
        project: Option<ProjectId>,
    },
}

impl TokenSource {
    /// Returns the source of a token that is here; `origin` says where it was found.
    pub fn given(token: impl Into<SecretString>, origin: &str) -> Self {
        Self::Given { token: token.into(), origin: origin.into(), expires_at: None, project: None }
    }

    /// Returns a file as a source, under its name.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self::File { origin: format!("the file `{}`", path.display()), path }
    }

    /// Says in a few words where the token comes from.
    pub(super) fn origin(&self) -> String {
        match self {
            Self::File { origin, .. } | Self::Given { origin, .. } => origin.clone(),
            Self::Command { .. } => "the output of the token command".into(),
        }
    }

    /// Gets the token.
    pub(super) async fn load(&self, redactor: &Redactor) -> Result<Token, CredentialError> {
        let origin = || self.origin();
        match self {
            Self::File { path, .. } => {
                let text = read_bytes(path, MAX_TEXT_BYTES)
                    .map_err(|source| CredentialError::File { origin: origin(), source })?;
                Token::new(&text, origin)
            }
            Self::Command { line, environment } => {
                Token::new(&output_of(line, environment, redactor).await?, origin)
            }
            Self::Given { token, .. } => Token::new(token.expose_secret().as_bytes(), origin),
        }
    }

    /// Returns when the token ends and which project it is for, as far as that is known.
    fn known(&self) -> (Option<Timestamp>, Option<ProjectId>) {
        match self {
            Self::Given { expires_at, project, .. } => (*expires_at, project.clone()),
            Self::File { .. } | Self::Command { .. } => (None, None),
        }
    }

    /// Returns whether to ask once more can bring another token.
    pub(super) fn can_change(&self) -> bool {
        match self {
            Self::File { .. } | Self::Command { .. } => true,
            Self::Given { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> TokenSource {
        let path = (OsString::from("PATH"), OsString::from("/usr/bin:/bin"));
        TokenSource::Command { line: line.into(), environment: vec![path] }
    }

    #[tokio::test]
    async fn a_command_gives_what_it_prints() {
        let token = command("echo from-command").load(&Redactor::default()).await.unwrap();
        assert_eq!(token.header().as_bytes(), b"from-command");
    }

    #[tokio::test]
    async fn a_command_sees_only_the_environment_it_is_given() {
        let token = command("echo cargo=${CARGO_MANIFEST_DIR:-none}")
            .load(&Redactor::default())
            .await
            .unwrap();
        assert_eq!(token.header().as_bytes(), b"cargo=none");
    }

    #[tokio::test]
    async fn a_command_that_fails_or_prints_nothing_gives_no_token() {
        let error = command("echo ignored; echo no login >&2; exit 3")
            .load(&Redactor::default())
            .await
            .unwrap_err();
        assert!(matches!(error, CredentialError::CommandFailed { .. }), "{error}");
        assert!(error.to_string().ends_with("no login"), "{error}");
        let error = command("true").load(&Redactor::default()).await.unwrap_err();
        assert!(matches!(error, CredentialError::NotAToken { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_command_that_fails_after_its_token_does_not_tell_it() {
        let failing = command("echo hunter2; echo hunter2 is bad >&2; exit 3");
        let error = failing.load(&Redactor::default()).await.unwrap_err().to_string();
        assert!(error.ends_with(": [output] is bad"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_hangs_is_given_up() {
        let error = command("sleep 3600").load(&Redactor::default()).await.unwrap_err();
        assert!(matches!(error, CredentialError::CommandTimeout { .. }), "{error}");
    }
}
