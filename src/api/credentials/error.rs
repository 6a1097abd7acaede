//! The errors of getting or renewing credentials. No message holds a secret.
//!
//! See `docs/GLOSSARY.md`: renewal.

use super::project::Project;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

/// The reason for missing credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The file of a token could not be read.
    #[error("cannot read the token from {origin}")]
    File {
        /// What the file may be called: its name may be a secret that was typed by mistake.
        origin: String,
        /// The cause.
        source: io::Error,
    },
    /// The file of an access key could not be read.
    #[error("cannot read an access key from {origin}")]
    KeyFile {
        /// The place where it was looked for.
        origin: String,
        /// The cause.
        source: io::Error,
    },
    // A command line may hold a secret, and may be one by mistake: no error quotes it.
    /// The command could not be run.
    #[error("cannot run the token command")]
    Command {
        /// The cause.
        source: io::Error,
    },
    /// The command failed.
    #[error("the token command failed ({status}): {said}")]
    CommandFailed {
        /// The exit status.
        status: ExitStatus,
        /// The text on its standard error.
        said: String,
    },
    /// The command did not end in time.
    #[error("the token command took longer than {limit:?}")]
    CommandTimeout {
        /// The time that it had.
        limit: Duration,
    },
    /// The text that was found is not a token.
    #[error("{origin} holds no usable token: {reason}")]
    NotAToken {
        /// The source of the token.
        origin: String,
        /// The fault, without any part of the text itself.
        reason: String,
    },
    /// A source gave the same token once more, after the service had refused it.
    #[error("{origin} still holds the token that was refused")]
    SameToken {
        /// The source of the token.
        origin: String,
    },
    /// The source has nothing else to give.
    #[error("{origin} cannot be renewed")]
    Final {
        /// The source of the credentials.
        origin: String,
    },
    /// A part of a key cannot be one.
    #[error("the {what} of {origin} is empty or no key")]
    BadKey {
        /// The place where it was found.
        origin: String,
        /// The part.
        what: &'static str,
    },
    /// The service refused a signature; to sign again would bring the key nearer to its lock.
    #[error("the service refused the signature of {origin}")]
    SignatureRefused {
        /// The place where the key was found.
        origin: String,
    },
    /// IAM refused the user or the password. It is not asked a second time: that locks the user.
    #[error("{endpoint} refused the login of `{user}`: {said}")]
    LoginRefused {
        /// The user.
        user: String,
        /// The address of IAM.
        endpoint: String,
        /// The message of the answer.
        said: String,
    },
    /// IAM refused a request.
    #[error("{endpoint} refused the request with status {status}: {said}")]
    IamRefused {
        /// The address of IAM.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// The message of the answer.
        said: String,
    },
    /// IAM could not be asked, or not now: no login was judged.
    #[error("{endpoint} cannot be asked: {reason}")]
    IamAway {
        /// The address of IAM.
        endpoint: String,
        /// The cause.
        reason: String,
        /// The wait that it asks for.
        asked_wait: Option<Duration>,
    },
    /// A request left, and no answer came. A login may have been judged, and count as a wrong one.
    #[error("{endpoint} gave no answer: {reason}")]
    IamUnanswered {
        /// The address of IAM.
        endpoint: String,
        /// The cause.
        reason: String,
    },
    /// IAM gave an unexpected answer.
    #[error("unexpected answer from {endpoint}: is it an IAM endpoint? {what}")]
    IamStrange {
        /// The address of IAM.
        endpoint: String,
        /// The fault of the answer.
        what: String,
    },
    /// No project has that name.
    #[error("no project is called `{name}`; the account has {}", listed(known))]
    NoProject {
        /// The name.
        name: String,
        /// The projects that there are.
        known: Vec<Project>,
    },
    /// Several projects have that name.
    #[error("several projects are called `{name}`: {}", listed(found))]
    SeveralProjects {
        /// The name.
        name: String,
        /// The projects with that name.
        found: Vec<Project>,
    },
}

impl CredentialError {
    /// Returns whether it may come right by itself.
    pub(super) const fn is_transient(&self) -> bool {
        matches!(self, Self::IamAway { .. } | Self::IamUnanswered { .. })
    }

    /// Returns the wait before the source may be asked again.
    pub(super) fn asked_wait(&self) -> Duration {
        match self {
            Self::IamAway { asked_wait, .. } => asked_wait.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }

    /// Returns whether to ask once more could do harm: a user is locked after a few wrong logins.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::LoginRefused { .. } | Self::IamRefused { .. })
    }
}

/// Names projects with their ids.
fn listed(projects: &[Project]) -> String {
    let named = projects.iter().map(|project| format!("`{}` ({})", project.name, project.id));
    match projects {
        [] => "none".into(),
        _ => named.collect::<Vec<_>>().join(", "),
    }
}
