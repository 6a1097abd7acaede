//! Runs a token command: for a while, with a small environment, and with an end to its output.

use super::error::CredentialError;
use crate::api::redactor::Redactor;
use crate::api::shell_command::{CommandEnd, ShellCommand, ShellCommandError};
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

/// The longest time that a token command may take.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest output of a token command, and of its standard error, in bytes.
const COMMAND_OUTPUT: u64 = 64 * 1024;
/// The longest part of its standard error that a message quotes, in characters.
const COMMAND_SAYS: usize = 500;

/// Runs a token command and returns what it prints.
pub(super) async fn output_of(
    line: &str,
    environment: &[(OsString, OsString)],
    redactor: &Redactor,
) -> Result<Vec<u8>, CredentialError> {
    let command =
        ShellCommand { line, environment, limit: COMMAND_TIMEOUT, most_bytes: COMMAND_OUTPUT };
    let CommandEnd { status, output, said } = command.run().await.map_err(|error| match error {
        ShellCommandError::TimedOut { limit } => CredentialError::CommandTimeout { limit },
        ShellCommandError::NotRun(source) => CredentialError::Command { source },
    })?;
    if !status.success() {
        let path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| &**path);
        if !names_a_command(line, path.unwrap_or_default()) {
            // The shell quotes what it cannot find, and that may be a secret.
            let said = "its first word is no command".to_owned();
            return Err(CredentialError::CommandFailed { status, said });
        }
        let said = without_lines_of(&output, String::from_utf8_lossy(&said).trim().to_owned());
        let said = redactor.beginning(said, COMMAND_SAYS);
        return Err(CredentialError::CommandFailed { status, said });
    }
    Ok(output)
}

/// Words that a shell understands without a file of that name.
const OF_THE_SHELL: [&str; 20] = [
    "!", ".", ":", "{", "case", "cd", "command", "eval", "exec", "export", "for", "if", "read",
    "set", "trap", "ulimit", "umask", "unset", "until", "while",
];

/// Returns whether a command line begins with a command that there is: a secret may have been typed
/// in its place. `path` is the variable `PATH` that it will be run with.
pub fn names_a_command(line: &str, path: &OsStr) -> bool {
    let mut words = line.split_whitespace();
    let Some(first) = words.next() else { return false };
    // A token may end with `=`, but nothing stands behind it.
    let is_assignment = first.contains('=') && words.next().is_some();
    let is_expanded = first.starts_with(['$', '"']) && first.contains('$');
    let is_syntax = is_expanded || first.starts_with("~/");
    let first = first.split([';', '|', '&']).next().unwrap_or_default();
    if is_assignment || is_syntax || OF_THE_SHELL.contains(&first) {
        return true;
    }
    if first.contains('/') {
        return Path::new(first).is_file();
    }
    env::split_paths(path).any(|directory| directory.join(first).is_file())
}

/// Takes what a command printed out of what it said: it may have had the token, and failed later.
fn without_lines_of(output: &[u8], said: String) -> String {
    let redactor = Redactor::default();
    for line in String::from_utf8_lossy(output).lines() {
        redactor.learn("output", line.trim());
    }
    redactor.redact(said)
}
