//! A token: checked once, sent as a header, shown nowhere (`docs/GLOSSARY.md`: redactor).

use super::error::CredentialError;
use crate::api::json_text::decode;
use crate::api::redactor::Redactor;
use hyper::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// The longest token the service takes, in bytes.
pub(super) const MAX_TOKEN: usize = 32_768;

/// A token that can be sent as a header.
#[derive(Clone)]
pub(in crate::api) struct Token {
    header: HeaderValue,
    text: SecretString,
}

impl Token {
    /// Checks a text; `origin` names its source in the error.
    pub(super) fn new(
        text: &[u8],
        origin: impl FnOnce() -> String,
    ) -> Result<Self, CredentialError> {
        // Some editors save files as UTF-16 with a mark, so the bytes are decoded before the check.
        let text = decode(text);
        let text = text.trim_matches(is_padding);
        let refuse = |reason| Err(CredentialError::NotAToken { origin: origin(), reason });
        if text.is_empty() {
            return refuse("it is empty".into());
        }
        if text.len() > MAX_TOKEN {
            return refuse("it is longer than 32,768 characters".into());
        }
        // The place and the kind of a character give nothing of a secret away, its text would.
        let strange = text.chars().enumerate().find(|(_, character)| !character.is_ascii_graphic());
        if let Some((index, character)) = strange {
            let (place, code) = (index + 1, u32::from(character));
            let kind = describe(character);
            return refuse(format!(
                "character {place} is U+{code:04X}, {kind}, and no token has one"
            ));
        }
        // The header is built once here, so no call can fail because of its token.
        let mut header = HeaderValue::from_str(text).expect("visible ASCII fits a header");
        header.set_sensitive(true);
        Ok(Self { header, text: text.into() })
    }

    /// Returns whether two are the same text.
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
    pub(super) fn register_secrets(&self, redactor: &Redactor) {
        redactor.learn("token", self.text.expose_secret());
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token([hidden])")
    }
}

/// Returns whether a character at either end is what editors, shells and word processors leave there.
fn is_padding(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{feff}' | '\u{200b}' | '\0')
}

fn describe(character: char) -> &'static str {
    match character {
        '\r' | '\n' => "a line break",
        ' ' | '\t' => "a blank",
        char::REPLACEMENT_CHARACTER => "a byte that is no text",
        control if control.is_control() => "a control character",
        blank if blank.is_whitespace() => "a blank",
        _ => "a character outside ASCII",
    }
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
    fn what_stands_around_a_token_is_no_part_of_it() {
        let texts: [&[u8]; 9] = [
            b"abc",
            b"abc\n",
            b"abc\r\n",
            b"abc\n\n \t",
            b"  abc",
            b"\xef\xbb\xbfabc\r\n",
            b"\xff\xfea\0b\0c\0\n\0",
            b"\xfe\xff\0a\0b\0c",
            "\u{a0}abc\u{2028}".as_bytes(),
        ];
        for text in texts {
            assert_eq!(token(text).unwrap().header().as_bytes(), b"abc", "{text:x?}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused_without_showing_it() {
        check_refused(b"", "empty");
        check_refused(b"\n\xef\xbb\xbf", "empty");
        check_refused(b"hunter2 hunter2", "character 8 is U+0020, a blank");
        check_refused(b"abc\ndef", "character 4 is U+000A, a line break");
        check_refused(
            "h\u{fc}nter2".as_bytes(),
            "character 2 is U+00FC, a character outside ASCII",
        );
        check_refused(b"ab\xff", "character 3 is U+FFFD, a byte that is no text");
        check_refused(&[b'a'; MAX_TOKEN + 1], "longer");
        for text in ["hunter2 hunter2", "hunter2\u{e9}"] {
            let error = token(text.as_bytes()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_token_shows_nothing_of_itself() {
        let token = token(b"hunter2").unwrap();
        assert!(!format!("{token:?} {:?}", token.header()).contains("hunter2"));
        let redactor = Redactor::default();
        token.register_secrets(&redactor);
        assert_eq!(redactor.redact("you sent hunter2!".into()), "you sent [token]!");
    }
}
