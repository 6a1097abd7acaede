//! Writes JSON that is safe inside a `script` element.
//!
//! HTML ends such an element at the first `</script`, even within a string, and treats `<!--` in a
//! special way. In JSON these characters occur only in strings, where each has an escape, so the
//! output contains none of them.

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;
use std::io;
use std::io::Write;

/// Writes a value as JSON without `<`, `>`, `&` and the line separators that only JavaScript knows.
pub(crate) fn write_in_script(value: &impl Serialize, out: impl Write) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, InScript))?;
    Ok(())
}

/// Writes the members of a tuple in the same way, without the brackets around them all.
pub(crate) fn write_members(tuple: &impl Serialize, out: impl Write) -> io::Result<()> {
    tuple.serialize(&mut Serializer::with_formatter(out, Members::default()))?;
    Ok(())
}

struct InScript;

/// The same, without the outermost brackets.
#[derive(Default)]
struct Members {
    /// How many arrays are open.
    depth: usize,
}

impl Formatter for Members {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        if self.depth > 1 { writer.write_all(b"[") } else { Ok(()) }
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.depth > 0 { writer.write_all(b"]") } else { Ok(()) }
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        InScript.write_string_fragment(writer, fragment)
    }
}

impl Formatter for InScript {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        // A fragment has no character that JSON itself escapes: `serde_json` writes those.
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, special) = rest.split_at(at);
            let character = special.chars().next().expect("it was found there");
            write!(writer, "{plain}\\u{:04x}", u32::from(character))?;
            rest = &special[character.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_in_script(&text, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn characters_that_html_sees_in_a_script_are_escaped() {
        assert_eq!(
            written("</script><!-- & \u{2028}"),
            r#""\u003c/script\u003e\u003c!-- \u0026 \u2028""#
        );
        assert_eq!(written("\"\\\n"), r#""\"\\\n""#);
    }

    #[test]
    fn members_are_written_without_the_brackets_of_their_tuple_alone() {
        let mut out = Vec::new();
        write_members(&("<", [[1], [2]], ((), 3)), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), r#""\u003c",[[1],[2]],[null,3]"#);
    }

    proptest! {
        #[test]
        fn every_text_comes_back_and_none_ends_the_script(text: String) {
            let written = written(&text);
            let special = ['<', '>', '&', '\u{2028}', '\u{2029}'];
            prop_assert!(!written.contains(special));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
