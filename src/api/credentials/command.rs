//! Runs a token command: for a while, with a small environment, and with an end to its output.

use super::error::CredentialError;
use crate::api::redactor::Redactor;
use crate::api::shell_command::{CommandEnd, ShellCommand, ShellCommandError};
use std::ffi::OsString;
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
    let CommandEnd { status, output, said } = command.run().await.map_err(|error| {
        let line = line.into();
        match error {
            ShellCommandError::TimedOut { limit } => {
                CredentialError::CommandTimeout { line, limit }
            }
            ShellCommandError::NotRun(source) => CredentialError::Command { line, source },
        }
    })?;
    if !status.success() {
        let said = without_lines_of(&output, String::from_utf8_lossy(&said).trim().to_owned());
        let said = redactor.beginning(said, COMMAND_SAYS);
        return Err(CredentialError::CommandFailed { line: line.into(), status, said });
    }
    Ok(output)
}

/// Takes what a command printed out of what it said: it may have had the token, and failed later.
fn without_lines_of(output: &[u8], said: String) -> String {
    let redactor = Redactor::default();
    for line in String::from_utf8_lossy(output).lines() {
        redactor.learn("output", line.trim());
    }
    redactor.redact(said)
}
