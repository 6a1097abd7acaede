//! Tells a secret by its looks, wherever one was typed by mistake.

use std::path::Path;

/// The shortest text that is taken for a secret by its looks.
const LONG: usize = 16;

/// Returns whether a text looks like a token or a key: long, without a blank, with capitals and
/// digits. Ids of the service have no capitals.
pub(crate) fn looks_secret(text: &str) -> bool {
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || "+/=_.~!-".contains(c);
    text.len() >= LONG
        && !text.starts_with('-')
        && text.chars().all(is_of_key)
        && text.contains(|c: char| c.is_ascii_uppercase())
        && text.contains(|c: char| c.is_ascii_digit())
        && !Path::new(text).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_from_an_id() {
        for secret in ["MIIFq9Zk3Lm2xT7u", "ABCDEFGHIJ1234567890", "a+B/1".repeat(9).as_str()] {
            assert!(looks_secret(secret), "{secret}");
        }
        for other in ["cfcd208495d565ef66e7dff9f98764da", "start", "--A234567890123456", "A b 1"] {
            assert!(!looks_secret(other), "{other}");
        }
    }
}
