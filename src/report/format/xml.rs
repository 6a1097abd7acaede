//! Writes well-formed XML 1.0, whatever the texts contain.
//!
//! `quick-xml` escapes; characters that XML cannot hold even escaped are replaced here.

use crate::report::format::spool::Spool;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use std::borrow::Cow;
use std::io;
use std::io::Write;

/// Replaces a character that XML cannot hold.
const REPLACEMENT: &str = "\u{fffd}";

/// A document that is being written, indented.
pub(crate) struct Xml<W> {
    writer: Writer<W>,
}

impl<W: Write> Xml<W> {
    /// Begins a document.
    pub(crate) fn begin(out: W) -> io::Result<Self> {
        let mut writer = Writer::new_with_indent(out, b' ', 2);
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        Ok(Self { writer })
    }

    /// Writes a part that was begun by [`Xml::begin_part`].
    pub(crate) fn part(&mut self, part: Xml<Spool>) -> io::Result<()> {
        part.writer.into_inner().copy_into(self.writer.get_mut())
    }

    /// Opens an element.
    pub(crate) fn open(&mut self, element: &Element<'_>) -> io::Result<()> {
        self.writer.write_event(Event::Start(element.0.borrow()))
    }

    /// Closes the element with this name.
    pub(crate) fn close(&mut self, name: &str) -> io::Result<()> {
        self.writer.write_event(Event::End(BytesEnd::new(name)))
    }

    /// Writes an element without content.
    pub(crate) fn empty(&mut self, element: &Element<'_>) -> io::Result<()> {
        self.writer.write_event(Event::Empty(element.0.borrow()))
    }

    /// Writes an element with a text in it.
    pub(crate) fn text(&mut self, element: &Element<'_>, text: &str) -> io::Result<()> {
        self.open(element)?;
        self.writer.write_event(Event::Text(BytesText::new(&holdable(text))))?;
        self.writer.write_event(Event::End(element.0.to_end()))
    }

    /// Ends the document.
    pub(crate) fn finish(self) -> io::Result<()> {
        let mut out = self.writer.into_inner();
        out.write_all(b"\n")
    }
}

impl Xml<Spool> {
    /// Begins a part of a document, which stands in these elements.
    pub(crate) fn begin_part(spool: Spool, around: &[&str]) -> io::Result<Self> {
        let mut part = Self::begin(spool)?;
        // Opened and forgotten, because the writer indents by what is open.
        around.iter().try_for_each(|name| part.open(&Element::new(name)))?;
        part.writer.get_mut().clear()?;
        Ok(part)
    }
}

/// An element and its attributes.
pub(crate) struct Element<'a>(BytesStart<'a>);

impl<'a> Element<'a> {
    /// Makes an element without attributes.
    pub(crate) fn new(name: &'a str) -> Self {
        Self(BytesStart::new(name))
    }

    /// Adds an attribute.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push_attribute((name, &*holdable(value)));
        self
    }
}

/// Returns the text with a replacement for each character that XML 1.0 cannot hold.
fn holdable(text: &str) -> Cow<'_, str> {
    // Nearly every text is plain ASCII, and this check needs no decoding.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')) {
        return Cow::Borrowed(text);
    }
    // The production `Char` of XML 1.0, section 2.2. A `char` of Rust is never a surrogate.
    let is_held = |c: char| match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => c >= ' ',
    };
    Cow::Owned(text.replace(|c| !is_held(c), REPLACEMENT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use roxmltree::Document;

    fn document(text: &str) -> String {
        let mut out = Vec::new();
        let mut xml = Xml::begin(&mut out).unwrap();
        xml.text(&Element::new("a").with("b", text), text).unwrap();
        xml.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn check(text: &str, expected: &str) {
        let document = document(text);
        let read = Document::parse(&document).unwrap();
        let element = read.root_element();
        assert_eq!(element.attribute("b"), Some(expected), "{document}");
        assert_eq!(element.text().unwrap_or_default(), expected, "{document}");
    }

    #[test]
    fn text_stays_text_and_what_xml_cannot_hold_is_replaced() {
        check("]]>&amp;<b x='1'>\"</a>", "]]>&amp;<b x='1'>\"</a>");
        check("a\r\n\tb", "a\r\n\tb");
        check("\0\u{1b}[31m\u{ffff}", "\u{fffd}\u{fffd}[31m\u{fffd}");
        check("漢字 \u{85} 🎥", "漢字 \u{85} 🎥");
    }

    proptest! {
        #[test]
        fn every_text_is_read_back_but_for_what_is_replaced(text: String) {
            check(&text, &holdable(&text));
        }
    }
}
