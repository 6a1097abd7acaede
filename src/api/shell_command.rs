//! Runs a command line in a shell: for a while, with a listed environment, and with an end to its
//! output.
//!
//! The command and all that it started end when its time is over or its shell has ended. What a
//! command line means, and what its output is for, is the caller's affair.

use crate::system::io::Errno;
use crate::system::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{io, thread};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::sync::oneshot;

/// A command line, and the bounds that it has.
#[derive(Debug, Clone, Copy)]
pub struct ShellCommand<'a> {
    /// What the shell is given.
    pub line: &'a str,
    /// All variables that it sees.
    pub environment: &'a [(OsString, OsString)],
    /// The longest time that it may take.
    pub limit: Duration,
    /// The bytes that are kept of each of its two streams; the rest is read and thrown away.
    pub most_bytes: u64,
}

/// How a command ended.
#[derive(Debug)]
pub struct CommandEnd {
    /// Its exit status.
    pub status: ExitStatus,
    /// The beginning of its standard output.
    pub output: Vec<u8>,
    /// The beginning of its standard error.
    pub said: Vec<u8>,
}

/// Why a command has no exit status.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShellCommandError {
    /// It could not be run.
    #[error("it cannot be run: {0}")]
    NotRun(#[source] io::Error),
    /// It did not end in time.
    #[error("it took longer than {limit:?}")]
    TimedOut {
        /// The time that it had.
        limit: Duration,
    },
}

impl ShellCommand<'_> {
    /// Runs the command, and waits for its end.
    ///
    /// Dropping the future ends the command and all that it started.
    ///
    /// # Errors
    ///
    /// The shell cannot be started, or the command takes too long.
    pub async fn run(self) -> Result<CommandEnd, ShellCommandError> {
        let child = tokio::process::Command::new("sh")
            .arg("-c")
            .arg(self.line)
            // Other variables of this process may hold secrets, so only the listed ones are passed on.
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: what the shell started ends with it.
            .process_group(0)
            .spawn()
            .map_err(ShellCommandError::NotRun)?;
        let mut running = Running { child, is_reaped: false };
        let finished = tokio::time::timeout(self.limit, running.finish(self.most_bytes)).await;
        // After a time-out this kills the group, before the error is reported.
        drop(running);
        match finished {
            Ok(ended) => ended.map_err(ShellCommandError::NotRun),
            Err(_) => Err(ShellCommandError::TimedOut { limit: self.limit }),
        }
    }
}

/// A command and all it started, which end when this is dropped.
struct Running {
    child: Child,
    /// Whether its number may be that of another process by now.
    is_reaped: bool,
}

impl Running {
    /// Waits for the end of a command, and returns what it printed and what it said.
    async fn finish(&mut self, most_bytes: u64) -> io::Result<CommandEnd> {
        let stdout = self.child.stdout.take().expect("standard output was asked for");
        let stderr = self.child.stderr.take().expect("standard error was asked for");
        // Both pipes are read at once, because a command that fills the unread one would block.
        let (output, said) = tokio::try_join!(
            read_beginning(most_bytes, stdout),
            read_beginning(most_bytes, stderr)
        )?;
        // The group is killed after the command ended and before it is reaped. In between, its
        // number still belongs to it.
        if let Some(id) = self.id()
            && has_ended(id).await
        {
            self.kill_group();
        }
        self.is_reaped = true;
        Ok(CommandEnd { status: self.child.wait().await?, output, said })
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
    let thread = thread::Builder::new().name("command".into()).spawn(wait);
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
        let limit = Duration::from_secs(60);
        let command = ShellCommand { line, environment: &[path], limit, most_bytes: 100 };
        command.run().await.unwrap().output
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

    #[tokio::test]
    async fn output_beyond_the_bound_is_read_and_thrown_away() {
        // `yes` writes far more than a pipe holds, and the shell ends only if all of it is read.
        let output = run("yes | head -c 1000000; exit 0").await;
        assert_eq!(output, b"y\n".repeat(50));
    }

    #[tokio::test]
    async fn a_command_that_takes_too_long_ends_with_all_that_it_started() {
        let command = ShellCommand {
            line: "sleep 600 & wait",
            environment: &[],
            limit: Duration::from_millis(50),
            most_bytes: 100,
        };
        assert!(matches!(command.run().await, Err(ShellCommandError::TimedOut { .. })));
    }
}
