//! Chooses the credentials, in the same documented order for all commands.
//!
//! What was said on the command line or in a variable comes first, then the profile, then what
//! was left on this machine. Finds them and asks nobody yet; the embedded sandbox is never sent
//! real ones.

pub(crate) use crate::cli::connect::credentials::key::companions;
pub(crate) use crate::cli::connect::credentials::login::{iam, login, project_name};
pub(crate) use crate::cli::connect::credentials::stored::{
    StoredLogin, forget as forget_login, keep as keep_login,
};

pub(crate) mod key;
pub(crate) mod kind;
pub(crate) mod login;
pub(crate) mod secret_file;
pub(crate) mod stored;

use crate::cli::Context;
use crate::cli::connect::config_keys;
use crate::cli::connect::destination::Destination;
use crate::cli::connect::trust;
use crate::cli::connect::trust::{Accepts, Recorded};
use crate::cli::flags::connection::CredentialArgs;
use crate::cli::flags::precedence::{Rank, Stronger};
use crate::cli::flags::secret_value;
use crate::cli::output::error::CommandError;
use batchctl::api::{CredentialSource, Credentials, Endpoint, ProjectId, Route, TokenSource};
use batchctl::clock::Clock;
use batchctl::report::ExitStatus;
use batchctl::settings::CredentialKind;
use std::path::Path;
use std::sync::Arc;

/// What the embedded sandbox is sent; it takes any token.
const SANDBOX_TOKEN: &str = "any-token";
/// The token among the credentials that systemd hands a unit (`LoadCredential=`).
const OF_SYSTEMD: &str = "batchctl-token";

/// Where calls will go, as far as it is known before there are credentials.
pub(crate) struct PartialDestination<'a> {
    pub(crate) endpoint: &'a Endpoint,
    /// The way there, which is the way to IAM as well.
    pub(crate) route: &'a Route,
    /// The project; `None` if it follows from the credentials.
    pub(crate) project: Option<&'a ProjectId>,
    /// The name of the region, if one was named.
    pub(crate) region: Option<&'a str>,
    /// What the run says, if one is taken up.
    pub(crate) recorded: Option<Recorded>,
}

/// From where a flag may have its value to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// The command line or a variable.
    Here,
    /// The config file.
    InProfile,
}

/// Decides where credentials are to be had for a place; gets none yet.
pub(crate) fn source(
    args: &CredentialArgs,
    place: &Destination,
    context: &Context,
) -> Result<CredentialSource, CommandError> {
    if place.sandbox.is_some() {
        return Ok(TokenSource::given(SANDBOX_TOKEN, "the embedded sandbox").into());
    }
    // Asked for once: it may have taken a password.
    if let Some(loaded) = &place.loaded {
        return Ok(loaded.source().clone());
    }
    let target = PartialDestination {
        endpoint: &place.endpoint,
        route: &place.route,
        project: Some(&place.project),
        region: None,
        recorded: place.recorded,
    };
    find(args, &target, context)
}

/// Decides where credentials are to be had: the first source there is, in the documented order.
pub(crate) fn find(
    args: &CredentialArgs,
    target: &PartialDestination<'_>,
    context: &Context,
) -> Result<CredentialSource, CommandError> {
    config_keys::require_trusted(context)?;
    let given: [CredentialSearch<'_>; 5] = [
        &|| token_of_flags(args, Said::Here, context),
        &|| Ok(token_of_systemd(context)),
        &|| token_of_variable(context),
        &|| login::of_flags(args, Said::Here, target, context),
        &|| key::of_variables(context),
    ];
    let of_token: CredentialSearch<'_> = &|| token_of_flags(args, Said::InProfile, context);
    let of_user: CredentialSearch<'_> = &|| login::of_flags(args, Said::InProfile, target, context);
    let of_login: CredentialSearch<'_> = &|| stored::source(target, context);
    let of_file: CredentialSearch<'_> = &|| key::of_official_file(context);
    let found_here = match target.recorded {
        // A kept login knows by itself which endpoint it is for.
        Some(Recorded { accepts: Accepts::Given, .. }) => vec![of_login],
        Some(Recorded { kind: Some(CredentialKind::KeptLogin), .. }) => {
            vec![of_login, of_token, of_user, of_file]
        }
        Some(Recorded { kind: Some(CredentialKind::OfficialFile), .. }) => {
            vec![of_file, of_token, of_user, of_login]
        }
        Some(Recorded { kind: Some(CredentialKind::IamUser), .. }) => {
            vec![of_user, of_token, of_login, of_file]
        }
        Some(_) | None => vec![of_token, of_user, of_login, of_file],
    };
    // One after the other: a source that is not used must not ask for its password.
    for look in given.into_iter().chain(found_here) {
        if let Some(source) = look()? {
            return Ok(source);
        }
    }
    match target.recorded {
        Some(Recorded { accepts: Accepts::Given, .. }) if is_any_here(args, context) => {
            Err(trust::not_given(target.endpoint))
        }
        Some(_) | None => Err(missing()),
    }
}

/// Decides where a token is to be had, for a service that takes nothing else.
pub(crate) fn find_token(
    args: &CredentialArgs,
    target: &PartialDestination<'_>,
    context: &Context,
) -> Result<CredentialSource, CommandError> {
    config_keys::require_trusted(context)?;
    let given: [CredentialSearch<'_>; 3] =
        [&|| token_of_flags(args, Said::Here, context), &|| Ok(token_of_systemd(context)), &|| {
            token_of_variable(context)
        }];
    let of_profile: CredentialSearch<'_> = &|| token_of_flags(args, Said::InProfile, context);
    let is_given_alone = matches!(target.recorded, Some(Recorded { accepts: Accepts::Given, .. }));
    let found_here = (!is_given_alone).then_some(of_profile);
    for look in given.into_iter().chain(found_here) {
        if let Some(source) = look()? {
            return Ok(source);
        }
    }
    if is_given_alone && of_profile()?.is_some() {
        return Err(trust::not_given(target.endpoint));
    }
    Err(CommandError::new(ExitStatus::NotAuthorised, "there is no token")
        .with_hint(
            "name a file with `--token-file FILE` or a command with `--token-command CMD`, or put \
             the token into BATCHCTL_TOKEN",
        )
        .with_target_hint("put `token_file` or `token_command` into {table}"))
}

/// Looks for credentials in one place.
type CredentialSearch<'a> = &'a dyn Fn() -> Result<Option<CredentialSource>, CommandError>;

/// Returns whether this machine has credentials that nobody gave for this command.
fn is_any_here(args: &CredentialArgs, context: &Context) -> bool {
    let of_profile = args.token_file.is_some() || args.token_command.is_some();
    of_profile || args.iam_user.is_some() || key::official_path(context).is_some()
}

fn missing() -> CommandError {
    CommandError::new(ExitStatus::NotAuthorised, "there are no credentials")
        .with_hint(
            "name a file with `--token-file FILE`, a command with `--token-command CMD`, or an IAM \
             user with `--iam-user NAME`; or put a token into BATCHCTL_TOKEN, or a key into \
             HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK",
        )
        .with_target_hint("put `token_file`, `token_command` or `iam_user` into {table}")
}

/// Returns whether a flag has its value from there.
fn is_said(flag: &str, said: Said, context: &Context) -> bool {
    let rank = context.given.rank(flag);
    match said {
        Said::Here => rank >= Rank::Variable,
        Said::InProfile => rank == Rank::File,
    }
}

fn token_of_flags(
    args: &CredentialArgs,
    said: Said,
    context: &Context,
) -> Result<Option<CredentialSource>, CommandError> {
    let file = args.token_file.as_ref().filter(|_| is_said("token_file", said, context));
    let command = args.token_command.as_ref().filter(|_| is_said("token_command", said, context));
    let use_file = match (file, command) {
        (None, None) => return Ok(None),
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (Some(_), Some(_)) => {
            context.given.stronger("token-file", "token-command")? == Stronger::First
        }
    };
    Ok(match (file.filter(|_| use_file), command) {
        (Some(path), _) => Some(token_file(path, context)),
        (None, Some(line)) => {
            let environment = context.environment.for_commands();
            Some(TokenSource::Command { line: line.clone(), environment }.into())
        }
        (None, None) => None,
    })
}

fn token_file(path: &Path, context: &Context) -> CredentialSource {
    let path = secret_file::located(path, context);
    secret_file::warn_if_shared(&path, context);
    TokenSource::File { origin: secret_value::file_of("token-file", &path), path }.into()
}

fn token_of_systemd(context: &Context) -> Option<CredentialSource> {
    let path = secret_file::of_systemd(OF_SYSTEMD, context)?;
    Some(TokenSource::file(path).into())
}

fn token_of_variable(context: &Context) -> Result<Option<CredentialSource>, CommandError> {
    let Some(token) = text_of("BATCHCTL_TOKEN", context)? else { return Ok(None) };
    Ok(Some(TokenSource::given(token, "BATCHCTL_TOKEN").into()))
}

/// Returns what a variable holds that may be secret, if it holds something.
fn text_of<'a>(variable: &str, context: &'a Context) -> Result<Option<&'a str>, CommandError> {
    let Some(value) = context.environment.variable(variable) else { return Ok(None) };
    value.to_str().map(Some).ok_or_else(|| {
        let error = format!("{variable} contains what no secret of the service has");
        CommandError::new(ExitStatus::NotAuthorised, error)
    })
}

/// Gets the credentials, unless that was done to find out the project.
pub(crate) async fn load(
    place: &Destination,
    source: &CredentialSource,
    context: &Context,
) -> Result<Arc<Credentials>, CommandError> {
    match &place.loaded {
        Some(loaded) => Ok(Arc::clone(loaded)),
        None => Ok(Arc::new(load_from(source.clone(), context).await?)),
    }
}

/// Gets credentials from a source.
pub(crate) async fn load_from(
    source: CredentialSource,
    context: &Context,
) -> Result<Credentials, CommandError> {
    let loaded = Credentials::load(source, Clock::start(), context.stderr.redactor.clone()).await;
    Ok(loaded?)
}
