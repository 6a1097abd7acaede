//! Runs a token command: for a while, with a small environment, and with an end to its output.

use super::error::CredentialError;
use crate::api::redactor::Redactor;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;

/// How long a token command may take.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How much a token command may print.
const COMMAND_OUTPUT: u64 = 64 * 1024;
/// The maximum length of its standard error that a message quotes.
const COMMAND_SAYS: u64 = 500;

/// Runs a token command and returns what it prints.
pub(super) async fn output_of(
    line: &str,
    environment: &[(OsString, OsString)],
) -> Result<Vec<u8>, CredentialError> {
    let failed = |source| CredentialError::Command { line: line.into(), source };
    let child = tokio::process::Command::new("sh")
        .arg("-c")
        .arg(line)
        .env_clear()
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: what the shell started ends with it.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let group = Group(child.id());
    let finished = tokio::time::timeout(COMMAND_TIMEOUT, finish(child)).await;
    drop(group);
    let (status, output, said) = match finished {
        Ok(ended) => ended.map_err(failed)?,
        Err(_) => {
            let (line, limit) = (line.into(), COMMAND_TIMEOUT);
            return Err(CredentialError::CommandTimeout { line, limit });
        }
    };
    if !status.success() {
        let said = without_lines_of(&output, String::from_utf8_lossy(&said).trim().to_owned());
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

/// A process and all it started, which end when this is dropped.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.0.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // A group that has ended by itself cannot be killed, and need not be.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

/// Waits for the end of a command, and returns what it printed and what it said.
async fn finish(mut child: Child) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let stdout = child.stdout.take().expect("standard output was asked for");
    let stderr = child.stderr.take().expect("standard error was asked for");
    let (output, said) = tokio::try_join!(
        read_beginning(COMMAND_OUTPUT, stdout),
        read_beginning(COMMAND_SAYS, stderr)
    )?;
    Ok((child.wait().await?, output, said))
}

/// Reads to the end and keeps the beginning. A pipe that is closed earlier would kill a command
/// that is still writing its log.
async fn read_beginning(most: u64, from: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let (mut text, mut from) = (Vec::new(), from.take(most));
    from.read_to_end(&mut text).await?;
    tokio::io::copy(&mut from.into_inner(), &mut tokio::io::sink()).await?;
    Ok(text)
}
