//! The kind of source that credentials come from, which a run keeps for its later sessions.

use crate::cli::Context;
use batchctl::api::{CredentialSource, TokenSource};
use batchctl::settings::CredentialKind;
use std::path::Path;

/// Returns the kind of a source that was found.
pub(crate) fn of_source(source: &CredentialSource, context: &Context) -> CredentialKind {
    match source {
        CredentialSource::Token(TokenSource::File { path, .. }) if is_of_systemd(path, context) => {
            CredentialKind::Systemd
        }
        CredentialSource::Token(TokenSource::File { .. }) => CredentialKind::TokenFile,
        CredentialSource::Token(TokenSource::Command { .. }) => CredentialKind::TokenCommand,
        // Only a kept login knows its project.
        CredentialSource::Token(TokenSource::Given { project: Some(_), .. }) => {
            CredentialKind::KeptLogin
        }
        CredentialSource::Token(TokenSource::Given { .. }) => CredentialKind::Variable,
        CredentialSource::Login(_) => CredentialKind::IamUser,
        CredentialSource::Key(_)
            if context.environment.variable("HUAWEICLOUD_SDK_AK").is_some() =>
        {
            CredentialKind::AccessKey
        }
        CredentialSource::Key(_) => CredentialKind::OfficialFile,
    }
}

fn is_of_systemd(path: &Path, context: &Context) -> bool {
    let directory = context.environment.variable("CREDENTIALS_DIRECTORY");
    directory.is_some_and(|directory| path.starts_with(directory))
}

/// Returns the kind of a run that follows another: that run's, unless a flag names credentials.
pub(crate) fn of_follower(
    recorded: Option<CredentialKind>,
    context: &Context,
) -> Option<CredentialKind> {
    let flags = [
        ("token_file", CredentialKind::TokenFile),
        ("token_command", CredentialKind::TokenCommand),
        ("iam_user", CredentialKind::IamUser),
    ];
    let named = flags.into_iter().find(|(flag, _)| context.given.is_given(flag));
    named.map(|(_, kind)| kind).or(recorded)
}
