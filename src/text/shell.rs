//! Quotes words for a POSIX shell, where texts print commands to type.

use crate::text::is_misleading;

/// Returns a word as it is typed in a shell, quoted where that is needed.
///
/// A character that nobody could see or type is written by its bytes, in the quotes that POSIX.1-2024
/// has for it. So the command can be copied from a screen that escapes such characters.
///
/// ```
/// use batchctl::text::shell_quoted;
///
/// assert_eq!(shell_quoted("/var/lib"), "/var/lib");
/// assert_eq!(shell_quoted("it's"), r"'it'\''s'");
/// assert_eq!(shell_quoted("a\u{1b}"), r"$'a\x1b'");
/// ```
pub fn shell_quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':');
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if !word.contains(is_misleading) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut quoted = String::from("$'");
    for character in word.chars() {
        match character {
            '\'' | '\\' => quoted.extend(['\\', character]),
            _ if is_misleading(character) => {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    quoted.push_str(&format!("\\x{byte:02x}"));
                }
            }
            _ => quoted.push(character),
        }
    }
    quoted + "'"
}
