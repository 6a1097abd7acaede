//! Decides which keys of a config file that others can change are refused.
//!
//! A command in the file is run, and an address in it is sent the token. So a user who can write
//! the file, or put another in its place, would get the credentials of its owner.

use crate::cli::Context;
use crate::cli::flags::config_file::ConfigFile;
use crate::cli::flags::precedence::Rank;
use crate::cli::output::error::CommandError;
use batchctl::report::ExitStatus;

/// The keys that run something, name a secret, or say where a secret is sent.
const SENSITIVE: [&str; 13] = [
    "token-command",
    "token-file",
    "iam-password-file",
    "iam-user",
    "iam-domain",
    "iam-endpoint",
    "endpoint",
    "region",
    "service",
    "proxy",
    "ca-file",
    "insecure-http",
    "state-dir",
];

/// Refuses credentials if a config file that others can change decides about them.
///
/// # Errors
///
/// 77, before anything is run or sent, with the command that makes the file one's own.
pub(crate) fn require_trusted(context: &Context) -> Result<(), CommandError> {
    require_trusted_keys(&SENSITIVE, context)
}

/// Refuses keys of a config file that others can change, as far as their values are in force.
///
/// # Errors
///
/// 77, before anything is run or sent, with the command that makes the file one's own.
pub(crate) fn require_trusted_keys(
    flags: &[&'static str],
    context: &Context,
) -> Result<(), CommandError> {
    let Some(file) = &context.config else { return Ok(()) };
    let Some(distrust) = &file.distrust else { return Ok(()) };
    match key_in_force(flags, file, context) {
        None => Ok(()),
        Some(flag) => {
            let key = flag.replace('-', "_");
            let error = format!("{}, which decides about `{key}`", distrust.message());
            let failure = CommandError::new(ExitStatus::NotAuthorised, error);
            Err(failure.with_hint(distrust.remedy()))
        }
    }
}

/// Returns one of the flags whose value is that of the file.
fn key_in_force(
    flags: &[&'static str],
    file: &ConfigFile,
    context: &Context,
) -> Option<&'static str> {
    let is_of_file =
        |flag: &&&str| file.settings.contains_key(**flag) && context.given.rank(flag) == Rank::File;
    flags.iter().find(is_of_file).copied()
}
