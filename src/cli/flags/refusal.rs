//! A usage error of clap, without the values that may be secret.
//!
//! Clap quotes what it refuses. An address may hold a password, a token or a key of a monitor, and
//! standard error often ends in a mail or in a log.

use crate::cli::flags::secret_looks::looks_secret;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::output::stream::Stderr;
use crate::cli::process::environment;
use batchctl::report::ExitStatus;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error;
use std::process::ExitCode;

/// The flags whose values are never quoted.
const MAY_HOLD_SECRETS: [&str; 18] = [
    "endpoint",
    "iam-endpoint",
    "proxy",
    "ping",
    "on-end",
    "notify-url",
    "notify-url-file",
    "notify-secret-file",
    "token-file",
    "token-command",
    "iam-password-file",
    "iam-user",
    "iam-user-id",
    "iam-domain",
    "iam-project",
    "ca-file",
    "project-id",
    "region",
];
/// What stands for a value that is not quoted.
const HIDDEN: &str = "…";

/// Returns the flag that an error is about, without dashes.
pub(crate) fn refused_flag(refused: &clap::Error) -> Option<String> {
    let usage = text_of(refused, ContextKind::InvalidArg)?;
    usage.trim_start_matches('-').split([' ', '=', '.']).next().map(str::to_owned)
}

fn text_of(refused: &clap::Error, kind: ContextKind) -> Option<&str> {
    match refused.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    }
}

/// Prints help, a version or a usage error, which clap words and colours itself.
pub(crate) fn print(
    error: &clap::Error,
    origin: Option<String>,
    arguments: &[String],
    stderr: Stderr,
) -> ExitCode {
    let text = error.render().to_string();
    let shown = without_secret(error, arguments).unwrap_or_else(|| text.clone());
    let redacted = stderr.redactor.redact(shown);
    let shows_all = !environment::stderr_is_terminal() || !environment::terminals_are_ascii();
    if redacted == text && (shows_all || !error.use_stderr()) {
        let printed = stream::printed(error.print());
        // If standard error is gone, there is no stream left to report that on.
        if let (Err(error), false) = (printed, error.use_stderr()) {
            return ExitCode::from(CommandError::from(error).failed(&stderr).code());
        }
    } else {
        stderr.line(redacted.trim_end());
    }
    if let Some(origin) = origin {
        stderr.say("hint", &origin);
    }
    if error.use_stderr() { ExitCode::from(ExitStatus::Usage.code()) } else { ExitCode::SUCCESS }
}

/// Renders an error whose value may be secret; `None` if clap may print it as it is.
pub(crate) fn without_secret(refused: &clap::Error, arguments: &[String]) -> Option<String> {
    let by_flag = refused_flag(refused).filter(|flag| MAY_HOLD_SECRETS.contains(&flag.as_str()));
    if let (Some(flag), ErrorKind::ValueValidation) = (by_flag, refused.kind()) {
        let why = refused.source().map(|error| format!(": {error}")).unwrap_or_default();
        return Some(format!("error: the value of '--{flag}' cannot be used{why}"));
    }
    // `auth` takes no words, and one that is typed there is easily the password or the token.
    let is_for_auth = arguments.get(1).is_some_and(|verb| verb == "auth");
    let is_stray = is_for_auth && refused.kind() == ErrorKind::UnknownArgument;
    without_values(refused, |text| {
        let is_word =
            is_stray && !text.starts_with('-') && arguments.iter().any(|typed| typed == text);
        is_word || text.contains("://") || looks_secret(text)
    })
}

/// Hides every value that may be a secret among those that an error quotes.
fn without_values(refused: &clap::Error, is_hidden: impl Fn(&str) -> bool) -> Option<String> {
    let quoted: Vec<&str> = refused.context().flat_map(|(_, value)| texts(value)).collect();
    let mut hidden: Vec<&str> = quoted.into_iter().filter(|text| is_hidden(text)).collect();
    if hidden.is_empty() {
        return None;
    }
    // The longest first: one may be a part of another.
    hidden.sort_by_key(|value| std::cmp::Reverse(value.len()));
    let mut rendered = refused.render().to_string();
    for value in hidden {
        rendered = rendered.replace(value, HIDDEN);
    }
    // The value may have been rendered in another form than it was given.
    let is_clean = !rendered.contains("://");
    Some(if is_clean { rendered } else { "error: an argument cannot be used".into() })
}

fn texts(value: &ContextValue) -> Vec<&str> {
    match value {
        ContextValue::String(text) => vec![text],
        ContextValue::Strings(texts) => texts.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}
