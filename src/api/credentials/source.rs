//! Where a token comes from: a file, a command, or whoever has it already.

use super::command::output_of;
use super::error::CredentialError;
use super::token::LONGEST_TOKEN;
use super::token::Token;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

/// Where a token is to be had.
#[derive(Debug, Clone)]
pub enum TokenSource {
    /// From a file, which is read again when the token was refused.
    File(PathBuf),
    /// From what a command prints, run by `sh` with nothing but this environment, and run again
    /// when the token was refused.
    Command {
        /// The command line.
        line: String,
        /// The variables it sees.
        environment: Vec<(OsString, OsString)>,
    },
    /// It is here, and there is no other.
    Given {
        /// The token.
        token: SecretString,
        /// Where it was found, such as a variable.
        origin: String,
    },
}

impl TokenSource {
    /// Says in a few words where the token comes from.
    pub(super) fn origin(&self) -> String {
        match self {
            Self::File(path) => format!("the file `{}`", path.display()),
            Self::Command { line, .. } => format!("the output of `{line}`"),
            Self::Given { origin, .. } => origin.clone(),
        }
    }

    /// Gets the token.
    pub(super) async fn load(&self) -> Result<Token, CredentialError> {
        let origin = || self.origin();
        match self {
            Self::File(path) => {
                let text = read(path)
                    .map_err(|source| CredentialError::File { path: path.clone(), source })?;
                Token::new(&text, origin)
            }
            Self::Command { line, environment } => {
                Token::new(&output_of(line, environment).await?, origin)
            }
            Self::Given { token, .. } => Token::new(token.expose_secret().as_bytes(), origin),
        }
    }

    /// Tells whether to ask once more can bring another token.
    pub(super) fn can_change(&self) -> bool {
        match self {
            // A pipe is read once, and would be waited for for ever.
            Self::File(path) => path.is_file(),
            Self::Command { .. } => true,
            Self::Given { .. } => false,
        }
    }
}

/// Reads a file, as far as a token can reach.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let most = u64::try_from(LONGEST_TOKEN).expect("a small number") + 3;
    let mut text = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[tokio::test]
    async fn a_command_that_fails_after_its_token_does_not_tell_it() {
        let failing = command("echo hunter2; echo hunter2 is bad >&2; exit 3");
        let error = failing.load().await.unwrap_err().to_string();
        assert!(error.ends_with(": [output] is bad"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_hangs_is_given_up() {
        let error = command("sleep 3600").load().await.unwrap_err();
        assert!(matches!(error, CredentialError::CommandTimeout { .. }), "{error}");
    }
}
