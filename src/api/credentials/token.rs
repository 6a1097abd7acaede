//! A token: checked once, sent as a header, shown nowhere.

use super::error::CredentialError;
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

/// Drops one line end, which editors and `echo` leave; anything else is part of the token.
fn without_line_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
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
        let redactor = Redactor::default();
        token.tell(&redactor);
        assert_eq!(redactor.redact("you sent hunter2!".into()), "you sent [token]!");
    }
}
