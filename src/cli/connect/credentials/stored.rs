//! The token that `auth login` keeps for later, one for each profile, for its owner alone.
//!
//! It knows which endpoint it is for and is sent to no other.

use crate::cli::Context;
use crate::cli::connect::credentials::{PartialDestination, secret_file};
use crate::cli::output::error::CommandError;
use batchctl::api::{CredentialSource, TokenSource, read_text};
use batchctl::clock::{Clock, Timestamp};
use batchctl::report::ExitStatus;
use batchctl::store::private_directory;
use batchctl::whole_file::{self, FOR_ITS_OWNER, WholeFile};
use serde_json::{Value, json};
use std::io;
use std::io::Write;
use std::path::PathBuf;
use url::form_urlencoded::byte_serialize;

/// A login that is kept.
pub(crate) struct StoredLogin {
    pub(crate) token: String,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) endpoint: String,
    pub(crate) project: String,
    pub(crate) user: String,
}

/// Returns the kept login for an endpoint, if there is one.
pub(crate) fn source(
    target: &PartialDestination<'_>,
    context: &Context,
) -> Result<Option<CredentialSource>, CommandError> {
    let Some(stored) = read(context)? else { return Ok(None) };
    // A token must not reach another host than the one it was issued for.
    if stored.endpoint != target.endpoint.to_string() {
        return Ok(None);
    }
    if let Some(expires_at) = stored.expires_at
        && Clock::start().now() >= expires_at
    {
        let error = format!("the login of `{}` that was kept ended at {expires_at}", stored.user);
        let failure = CommandError::new(ExitStatus::NotAuthorised, error);
        return Err(failure.with_hint("batchctl auth login"));
    }
    let origin = format!("the login of `{}` that was kept", stored.user);
    let token = stored.token.into();
    let project = stored.project.parse().ok();
    let source = TokenSource::Given { token, origin, expires_at: stored.expires_at, project };
    Ok(Some(source.into()))
}

/// Returns where the login of the profile in use is kept.
pub(crate) fn path(context: &Context) -> PathBuf {
    let profile: String = byte_serialize(context.profile.as_bytes()).collect();
    context.machine.join(format!("login-{profile}.json"))
}

fn read(context: &Context) -> Result<Option<StoredLogin>, CommandError> {
    let path = path(context);
    secret_file::require_own(&path)?;
    let text = match read_text(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(&path, &error.to_string())),
    };
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    let field = |name: &str| json[name].as_str().map(str::to_owned);
    let stored = || {
        Some(StoredLogin {
            token: field("token")?,
            expires_at: field("expires_at").and_then(|text| text.parse().ok()),
            endpoint: field("endpoint")?,
            project: field("project_id")?,
            user: field("user")?,
        })
    };
    let stored = stored().ok_or_else(|| unusable(&path, "it is not what `auth login` writes"))?;
    context.stderr.redactor.learn("token", &stored.token);
    Ok(Some(stored))
}

fn unusable(path: &std::path::Path, why: &str) -> CommandError {
    let error = format!("cannot use the login kept in `{}`: {why}", path.display());
    let hint = "batchctl auth logout, then batchctl auth login";
    CommandError::new(ExitStatus::NotAuthorised, error).with_hint(hint)
}

/// Keeps a login in the place of the one before, whole or not at all.
pub(crate) fn keep(stored: &StoredLogin, context: &Context) -> Result<PathBuf, CommandError> {
    private_directory(&context.machine, "")?;
    write(stored, context).map_err(CommandError::io)
}

fn write(stored: &StoredLogin, context: &Context) -> io::Result<PathBuf> {
    let path = path(context);
    let json = json!({
        "token": stored.token,
        "expires_at": stored.expires_at.map(|at| at.to_string()),
        "endpoint": stored.endpoint,
        "project_id": stored.project,
        "user": stored.user,
    });
    // It is made for its owner alone, and a process that is killed leaves no token behind.
    let mut file = WholeFile::begin(&path, FOR_ITS_OWNER)?;
    file.write_all(json.to_string().as_bytes())?;
    file.file().sync_all()?;
    file.replace()?;
    Ok(path)
}

/// Removes the kept login, and returns whether there was one.
pub(crate) fn forget(context: &Context) -> io::Result<bool> {
    whole_file::remove(&path(context))
}
