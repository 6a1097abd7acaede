//! A token: checked once, sent as a header, shown nowhere.

use super::error::CredentialError;
use crate::api::file_reader::{decoded, foreign_character, trimmed};
use crate::api::redactor::Redactor;
use hyper::header::HeaderValue;
use secrecy::ExposeSecret;
use secrecy::SecretString;

/// The longest token the service takes, in bytes.
pub(super) const LONGEST_TOKEN: usize = 32_768;

/// A token that can be sent as a header.
#[derive(Clone)]
pub(in crate::api) struct Token {
    header: HeaderValue,
    text: SecretString,
}

impl Token {
    /// Checks a text; `origin` names where it came from if it is no token.
    pub(super) fn new(
        text: &[u8],
        origin: impl FnOnce() -> String,
    ) -> Result<Self, CredentialError> {
        let text = checked(text).map_err(|reason| {
            // The reason names a place and a code point, and never quotes the text.
            CredentialError::NotAToken { origin: origin(), reason }
        })?;
        let mut header = HeaderValue::from_str(&text).expect("visible ASCII fits a header");
        header.set_sensitive(true);
        Ok(Self { header, text: text.into() })
    }

    /// Tells whether two are the same text.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.header == other.header
    }

    pub(super) fn text(&self) -> SecretString {
        self.text.clone()
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// Has the token taken out of all texts from now on.
    pub(super) fn tell(&self, redactor: &Redactor) {
        redactor.learn("token", self.text.expose_secret());
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token([hidden])")
    }
}

/// Returns a token without what editors, shells and other systems leave around it.
fn checked(bytes: &[u8]) -> Result<String, String> {
    let text = decoded(bytes)?;
    let token = trimmed(&text);
    if token.is_empty() {
        return Err("it is empty".into());
    }
    if let Some(character) = foreign_character(&text, |character| character.is_ascii_graphic()) {
        return Err(format!("{character} is not part of a token"));
    }
    if token.len() > LONGEST_TOKEN {
        return Err("it is longer than 32,768 characters".into());
    }
    Ok(token.to_owned())
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
    fn marks_and_white_space_at_the_ends_are_no_part_of_a_token() {
        let texts: [&[u8]; 7] = [
            b"abc",
            b"abc\r\n",
            b"abc\n\n",
            b" \tabc \n",
            b"\xef\xbb\xbfabc\n",
            b"\xff\xfea\0b\0c\0\r\0\n\0",
            b"\xfe\xff\0a\0b\0c",
        ];
        for text in texts {
            assert_eq!(token(text).unwrap().header().as_bytes(), b"abc");
        }
    }

    #[test]
    fn what_is_no_token_is_refused_without_showing_it() {
        check_refused(b"", "empty");
        check_refused(b"\n", "empty");
        check_refused(b"hunter2 hunter2", "U+0020 in line 1, column 8 is not part of a token");
        check_refused(b"hunter2\nhunter2\n", "U+000A in line 1, column 8");
        check_refused("hünter2".as_bytes(), "U+00FC in line 1, column 2");
        check_refused(b"hunter2\xfc", "byte 8 is not UTF-8");
        check_refused(&[b'a'; LONGEST_TOKEN + 1], "longer");
        let error = token(b"hunter2 hunter2").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn a_token_shows_nothing_of_itself() {
        let token = token(b"hunter2").unwrap();
        assert!(!format!("{token:?} {:?}", token.header()).contains("hunter2"));
        let redactor = Redactor::default();
        token.tell(&redactor);
        assert_eq!(redactor.redact("you sent hunter2!".into()), "you sent [token]!");
    }
}
