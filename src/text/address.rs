//! Reads the addresses that people name: as they stand, or not at all.
//!
//! The standard for URLs drops line breaks and tabs wherever they stand. So two addresses in two
//! lines would become a host that nobody named, and a token would go there.

use url::{ParseError, Url};

/// The reason why a text is no address. No error quotes it, because a secret may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Characters that no address has stand in it.
    #[error("character {place} is U+{code:04X}, and no address has a blank or a control")]
    Character {
        /// Its place, counted from 1 behind white space at the beginning.
        place: usize,
        /// Its code point.
        code: u32,
    },
    /// It is no absolute URL.
    #[error("{0}")]
    NotAUrl(ParseError),
}

/// Reads an absolute URL; white space at its ends is passed over.
///
/// ```
/// use batchctl::text::address;
///
/// assert_eq!(address(" https://h.example/x\n").unwrap().as_str(), "https://h.example/x");
/// assert!(address("https://h.example\n.evil.example").is_err());
/// ```
///
/// # Errors
///
/// The text is no absolute URL, or a blank or a control character stands within it.
pub fn address(text: &str) -> Result<Url, AddressError> {
    let text = text.trim();
    let is_stray = |character: char| character.is_whitespace() || character.is_control();
    if let Some((index, stray)) = text.chars().enumerate().find(|&(_, it)| is_stray(it)) {
        return Err(AddressError::Character { place: index + 1, code: u32::from(stray) });
    }
    Url::parse(text).map_err(AddressError::NotAUrl)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_within_an_address_is_passed_over() {
        let stray = ['\n', '\r', '\t', ' ', '\0', '\u{b}', '\u{7f}', '\u{85}', '\u{2028}'];
        for stray in stray {
            for at in ["https:", "https://h", "https://h.example", "https://h.example/x"] {
                let error = address(&format!("{at}{stray}.example/y")).unwrap_err();
                let place = at.len() + 1;
                let expected = AddressError::Character { place, code: u32::from(stray) };
                assert_eq!(error, expected, "{at:?} {stray:?}");
            }
        }
        assert!(address("\r\n https://h.example \t").is_ok());
        assert_eq!(address("h.example").unwrap_err().to_string(), "relative URL without a base");
    }
}
