//! Runs a token command: for a while, with a small environment, and with an end to its output.

use super::error::CredentialError;
use crate::api::redactor::Redactor;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{io, thread};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::sync::oneshot;

/// The longest time that a token command may take.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest output of a token command, in bytes.
const COMMAND_OUTPUT: u64 = 64 * 1024;
/// The longest part of its standard error that is read, in bytes.
const COMMAND_ERRORS: u64 = 64 * 1024;
/// The longest part of that which a message quotes, in characters.
const COMMAND_SAYS: usize = 500;

/// Runs a token command and returns what it prints.
pub(super) async fn output_of(
    line: &str,
    environment: &[(OsString, OsString)],
    redactor: &Redactor,
) -> Result<Vec<u8>, CredentialError> {
    let failed = |source| CredentialError::Command { line: line.into(), source };
    let child = tokio::process::Command::new("sh")
        .arg("-c")
        .arg(line)
        // Other variables of this process may hold secrets, so only the listed ones are passed on.
        .env_clear()
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: what the shell started ends with it.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let mut running = Running { child, is_reaped: false };
    let finished = tokio::time::timeout(COMMAND_TIMEOUT, running.finish()).await;
    // After a time-out this kills the group, before the error is reported.
    drop(running);
    let (status, output, said) = match finished {
        Ok(ended) => ended.map_err(failed)?,
        Err(_) => {
            let (line, limit) = (line.into(), COMMAND_TIMEOUT);
            return Err(CredentialError::CommandTimeout { line, limit });
        }
    };
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

/// A command and all it started, which end when this is dropped.
struct Running {
    child: Child,
    /// Whether its number may be that of another process by now.
    is_reaped: bool,
}

impl Running {
    /// Waits for the end of a command, and returns what it printed and what it said.
    async fn finish(&mut self) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
        let stdout = self.child.stdout.take().expect("standard output was asked for");
        let stderr = self.child.stderr.take().expect("standard error was asked for");
        // Both pipes are read at once, because a command that fills the unread one would block.
        let (output, said) = tokio::try_join!(
            read_beginning(COMMAND_OUTPUT, stdout),
            read_beginning(COMMAND_ERRORS, stderr)
        )?;
        // The group is killed after the command ended and before it is reaped. In between, its
        // number still belongs to it.
        if let Some(id) = self.id()
            && has_ended(id).await
        {
            self.kill_group();
        }
        self.is_reaped = true;
        Ok((self.child.wait().await?, output, said))
    }

    fn id(&self) -> Option<Pid> {
        self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    }

    /// Ends what the command has left behind.
    ///
    /// Only while the command itself is not reaped: until then the system gives its number, which
    /// is that of the group, to nobody else.
    fn kill_group(&self) {
        if let Some(id) = self.id() {
            // A group that has ended by itself cannot be killed, and need not be.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_reaped {
            self.kill_group();
        }
    }
}

/// Waits until a child has ended, and leaves it to be reaped. Returns whether it has ended.
///
/// Tokio's own wait reaps it. The thread ends with the child, which is killed if it takes too long.
async fn has_ended(id: Pid) -> bool {
    let (done, waiting) = oneshot::channel();
    let wait = move || {
        // `NOWAIT` leaves the child unreaped. The call blocks, so it runs in a thread of its own.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // An error means that there is no such child, so there is nothing to wait for.
        while let Err(Errno::INTR) = waitid(WaitId::Pid(id), options) {}
        let _ = done.send(());
    };
    let thread = thread::Builder::new().name("token command".into()).spawn(wait);
    thread.is_ok() && waiting.await.is_ok()
}

/// Reads to the end and keeps the beginning. A pipe that is closed earlier would kill a command
/// that is still writing its log.
async fn read_beginning(most: u64, from: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let (mut text, mut from) = (Vec::new(), from.take(most));
    from.read_to_end(&mut text).await?;
    tokio::io::copy(&mut from.into_inner(), &mut tokio::io::sink()).await?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    async fn run(line: &str) -> Vec<u8> {
        let path = (OsString::from("PATH"), OsString::from("/usr/bin:/bin"));
        output_of(line, &[path], &Redactor::default()).await.unwrap()
    }

    #[tokio::test]
    async fn what_a_command_leaves_behind_ends_with_it() {
        let left = "sleep 600 >/dev/null 2>&1 & echo $!";
        let id = String::from_utf8(run(left).await).unwrap();
        let stat = format!("/proc/{}/stat", id.trim());
        // A killed process stays until its new parent has reaped it.
        let is_dead = || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        while !is_dead() {
            thread::yield_now();
        }
    }

    #[tokio::test]
    async fn a_command_that_closes_its_output_early_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let marker = directory.path().join("ended");
        let line = format!("echo x; exec >&- 2>&-; sleep 0.2; touch {}", marker.display());
        assert_eq!(run(&line).await, b"x\n");
        assert!(marker.exists());
    }

    #[tokio::test]
    async fn a_command_that_was_reaped_is_not_killed_by_its_number() {
        let spawned = tokio::process::Command::new("true").process_group(0).spawn().unwrap();
        let mut running = Running { child: spawned, is_reaped: true };
        running.child.wait().await.unwrap();
        assert_eq!(running.id(), None);
    }
}
