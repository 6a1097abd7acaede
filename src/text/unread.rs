//! What is said of a body that cannot be read, in the same words for VIAS and for services of files.

use crate::text::{ELLIPSIS, json};

/// The most characters of a body that are quoted.
pub(crate) const MAX_EXCERPT: usize = 80;
/// What a body that is no JSON object is called before it is quoted.
pub(crate) const NO_OBJECT: &str = "no JSON object is";
/// What a body that begins like an object and is none is called before it is quoted.
pub(crate) const NO_JSON: &str = "no JSON is";
/// What an object without an error is called before it is quoted.
pub(crate) const NO_ERROR: &str = "no error is in";

/// The encodings of a body that make it unreadable (RFC 9110, section 8.4.1, and its registry).
const COMPRESSIONS: [&str; 7] = ["gzip", "compress", "deflate", "br", "zstd", "dcb", "dcz"];

/// Says that an answer had no body.
pub(crate) fn without_body(status: u16) -> String {
    format!("status {status} came without a body")
}

/// Says that a field that decides has two values.
pub(crate) fn duplicate_field(name: &str) -> String {
    format!("duplicate field `{name}`")
}

/// Says that a body is compressed.
pub(crate) fn compressed(name: &str) -> String {
    format!("the answer is compressed with `{name}`, which was not asked for, and cannot be read")
}

/// Returns the compression that `Content-Encoding` headers name, if they name one.
///
/// Services announce `identity`, `utf-8` or nothing at all, which are none.
pub(crate) fn compression<'a>(headers: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut names = headers.flat_map(|value| value.split(',')).map(str::trim);
    names.find(|name| {
        let name = name.to_ascii_lowercase();
        COMPRESSIONS.contains(&name.strip_prefix("x-").unwrap_or(&name))
    })
}

/// Says that a text is no JSON, and what is wrong with it if it begins like an object.
pub(crate) fn no_json(text: &str) -> String {
    if !text.starts_with('{') {
        return quoted(NO_OBJECT, text);
    }
    not_understood(text, &json::fault_of_object(text))
}

/// Says that a body is not understood.
pub(crate) fn not_understood(text: &str, why: &str) -> String {
    format!("{} ({why})", quoted(NO_JSON, text))
}

/// Quotes the beginning of a body, with a word on what it is not.
pub(crate) fn quoted(what: &str, text: &str) -> String {
    format!("{what} `{}`", shortened(text.trim().to_owned(), MAX_EXCERPT))
}

/// Returns the first characters of a text, with a sign of a cut.
pub(crate) fn shortened(mut text: String, most: usize) -> String {
    // No text has more characters than bytes.
    if text.len() <= most {
        return text;
    }
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push(ELLIPSIS);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_compresses_is_a_compression() {
        for (header, expected) in [
            ("gzip", Some("gzip")),
            ("identity, X-GZIP", Some("X-GZIP")),
            ("Br", Some("Br")),
            ("identity", None),
            ("utf-8", None),
            ("", None),
        ] {
            assert_eq!(compression([header].into_iter()), expected, "{header}");
        }
    }

    #[test]
    fn a_text_that_is_short_enough_stays_as_it_is() {
        for (text, expected) in [("", ""), ("äöü", "äöü"), ("äöüß", "äöü…")] {
            assert_eq!(shortened(text.into(), 3), expected);
        }
    }
}
