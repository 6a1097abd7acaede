//! Cuts foreign texts that are longer than anyone reads.

/// Returns as much of a text as fits that many bytes, with no character cut in two.
pub(crate) fn cut(text: &str, most_bytes: usize) -> &str {
    let mut end = text.len().min(most_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, most_bytes: usize, expected: &str) {
        assert_eq!(cut(text, most_bytes), expected, "{text:?}");
    }

    #[test]
    fn a_character_is_kept_whole_or_not_at_all() {
        check("abc", 5, "abc");
        check("abc", 2, "ab");
        check("aäb", 2, "a");
        check("äb", 0, "");
    }
}
