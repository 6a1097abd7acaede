//! Where the token comes from, and how it is kept out of sight.
//!
//! A secret is held in types that show nothing; it reaches the header of a call and nothing else.

use reqwest::header::HeaderValue;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process_group;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::process::Child;
use url::form_urlencoded::byte_serialize;

/// The longest token the service takes, in bytes.
const LONGEST_TOKEN: usize = 32_768;
/// How long a token command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How much a token command may print.
const COMMAND_OUTPUT: u64 = 64 * 1024;
/// How much of what it writes to standard error is told.
const COMMAND_SAYS: u64 = 500;

/// Where a token is to be had.
#[derive(Debug, Clone)]
pub enum TokenSource {
    /// From a file.
    File(PathBuf),
    /// From what a command prints, run by `sh` with nothing but this environment.
    Command {
        /// The command line.
        line: String,
        /// The variables it sees.
        environment: Vec<(OsString, OsString)>,
    },
    /// It is here.
    Given(SecretString),
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The file could not be read.
    #[error("cannot read the token from `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The command could not be run.
    #[error("cannot run the token command `{line}`")]
    Command {
        /// The command line.
        line: String,
        /// Why.
        source: io::Error,
    },
    /// The command failed.
    #[error("the token command `{line}` failed ({status}): {said}")]
    CommandFailed {
        /// The command line.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to standard error.
        said: String,
    },
    /// The command did not end in time.
    #[error("the token command `{line}` took longer than {COMMAND_TIMEOUT:?}")]
    CommandTimeout {
        /// The command line.
        line: String,
    },
    /// What was found is no token.
    #[error("{origin} holds no usable token: {reason}")]
    NotAToken {
        /// Where it came from.
        origin: String,
        /// What is wrong with it; nothing of the text itself.
        reason: &'static str,
    },
}

impl TokenSource {
    /// Gets the token.
    pub async fn load(&self) -> Result<Token, CredentialError> {
        match self {
            Self::File(path) => {
                let text = std::fs::read(path);
                let text =
                    text.map_err(|source| CredentialError::File { path: path.clone(), source })?;
                Token::new(&text, || format!("the file `{}`", path.display()))
            }
            Self::Command { line, environment } => {
                let text = output_of(line, environment).await?;
                Token::new(&text, || format!("the output of `{line}`"))
            }
            Self::Given(text) => {
                Token::new(text.expose_secret().as_bytes(), || "BATCHCTL_TOKEN".into())
            }
        }
    }
}

/// A token that can be sent as a header.
#[derive(Clone)]
pub struct Token {
    header: HeaderValue,
    text: SecretString,
    /// As it stands in a URL.
    in_address: SecretString,
}

impl Token {
    /// Checks a text; `origin` names where it came from if it is no token.
    fn new(text: &[u8], origin: impl FnOnce() -> String) -> Result<Self, CredentialError> {
        let text = without_line_end(text);
        let refuse = |reason| Err(CredentialError::NotAToken { origin: origin(), reason });
        if text.is_empty() {
            return refuse("it is empty");
        }
        if text.len() > LONGEST_TOKEN {
            return refuse("it is longer than 32,768 characters");
        }
        if !text.iter().all(u8::is_ascii_graphic) {
            return refuse("it contains a blank, a line break or another character no token has");
        }
        let mut header = HeaderValue::from_bytes(text).expect("visible ASCII fits a header");
        header.set_sensitive(true);
        let text = String::from_utf8(text.to_vec()).expect("ASCII is UTF-8");
        let in_address: String = byte_serialize(text.as_bytes()).collect();
        Ok(Self { header, text: text.into(), in_address: in_address.into() })
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// Takes the token out of a text that came from outside: a server may echo what it was sent,
    /// also as a part of an address.
    pub(super) fn redact(&self, text: String) -> String {
        [&self.text, &self.in_address].into_iter().fold(text, |text, secret| {
            let secret = secret.expose_secret();
            if text.contains(secret) { text.replace(secret, "[token]") } else { text }
        })
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token([hidden])")
    }
}

/// Drops one line end, which editors and `echo` leave; anything else is part of the token.
fn without_line_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

/// Runs a token command and returns what it prints.
async fn output_of(
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
        Err(_) => return Err(CredentialError::CommandTimeout { line: line.into() }),
    };
    if !status.success() {
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        return Err(CredentialError::CommandFailed { line: line.into(), status, said });
    }
    Ok(output)
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
    let (output, said) =
        tokio::try_join!(up_to(COMMAND_OUTPUT, stdout), up_to(COMMAND_SAYS, stderr))?;
    Ok((child.wait().await?, output, said))
}

async fn up_to(most: u64, from: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(most).read_to_end(&mut text).await?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &[u8]) -> Result<Token, CredentialError> {
        Token::new(text, || "the test".into())
    }

    fn check_refused(text: &[u8], expected: &str) {
        let message = token(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn one_line_end_is_no_part_of_a_token() {
        for text in [&b"abc"[..], b"abc\n", b"abc\r\n"] {
            assert_eq!(token(text).unwrap().header().as_bytes(), b"abc");
        }
        check_refused(b"abc\n\n", "line break");
    }

    #[test]
    fn what_is_no_token_is_refused_without_showing_it() {
        check_refused(b"", "empty");
        check_refused(b"\n", "empty");
        check_refused(b"hunter2 hunter2", "a blank");
        check_refused("hünter2".as_bytes(), "no token has");
        check_refused(&[b'a'; LONGEST_TOKEN + 1], "longer");
        let error = token(b"hunter2 hunter2").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn a_token_shows_nothing_of_itself() {
        let token = token(b"hunter2").unwrap();
        assert!(!format!("{token:?} {:?}", token.header()).contains("hunter2"));
        assert_eq!(token.redact("you sent hunter2!".into()), "you sent [token]!");
    }

    #[test]
    fn a_token_is_taken_out_of_addresses_too() {
        let token = token(b"MII+a/b==").unwrap();
        let text = "to https://example.com/?t=MII%2Ba%2Fb%3D%3D&u=MII+a/b==".to_owned();
        assert_eq!(token.redact(text), "to https://example.com/?t=[token]&u=[token]");
    }

    fn command(line: &str) -> TokenSource {
        let path = (OsString::from("PATH"), OsString::from("/usr/bin:/bin"));
        TokenSource::Command { line: line.into(), environment: vec![path] }
    }

    #[tokio::test]
    async fn a_command_gives_what_it_prints() {
        let token = command("echo from-command").load().await.unwrap();
        assert_eq!(token.header().as_bytes(), b"from-command");
    }

    #[tokio::test]
    async fn a_command_sees_only_the_environment_it_is_given() {
        let token = command("echo cargo=${CARGO_MANIFEST_DIR:-none}").load().await.unwrap();
        assert_eq!(token.header().as_bytes(), b"cargo=none");
    }

    #[tokio::test]
    async fn a_command_that_fails_or_prints_nothing_gives_no_token() {
        let error = command("echo ignored; echo no login >&2; exit 3").load().await.unwrap_err();
        assert!(matches!(error, CredentialError::CommandFailed { .. }), "{error}");
        assert!(error.to_string().ends_with("no login"), "{error}");
        let error = command("true").load().await.unwrap_err();
        assert!(matches!(error, CredentialError::NotAToken { .. }), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_hangs_is_given_up() {
        let error = command("sleep 3600").load().await.unwrap_err();
        assert!(matches!(error, CredentialError::CommandTimeout { .. }), "{error}");
    }
}
