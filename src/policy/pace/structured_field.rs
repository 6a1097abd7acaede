//! Reads the lists of structured header fields (RFC 9651) that hints about the pace come in.
//!
//! The parser is strict, as the RFC demands: a malformed field is absent as a whole.

use sfv::{BareItem, ListEntry, Parameters, Parser};

/// An item of a list, and its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) value: Bare,
    parameters: Parameters,
}

/// A value. Values of other types are read and forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bare {
    Integer(i64),
    Text(String),
    Other,
}

impl Item {
    /// Returns a parameter; of several with one name the last one counts.
    pub(crate) fn parameter(&self, name: &str) -> Option<Bare> {
        self.parameters.get(name).map(Bare::from)
    }

    /// Returns a parameter that is a whole number of 0 or more.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        match self.parameter(name)? {
            Bare::Integer(number) => u64::try_from(number).ok(),
            Bare::Text(_) | Bare::Other => None,
        }
    }
}

impl From<&BareItem> for Bare {
    fn from(value: &BareItem) -> Self {
        match value {
            BareItem::Integer(number) => Self::Integer((*number).into()),
            BareItem::String(text) => Self::Text(text.as_str().to_owned()),
            BareItem::Token(token) => Self::Text(token.as_str().to_owned()),
            // A display string may hold any character, while a name is plain text.
            BareItem::Decimal(_)
            | BareItem::ByteSequence(_)
            | BareItem::Boolean(_)
            | BareItem::Date(_)
            | BareItem::DisplayString(_) => Self::Other,
        }
    }
}

/// Reads a list of items. No field that is read here has inner lists, so one makes it malformed.
pub(crate) fn list(field: &str) -> Option<Vec<Item>> {
    let entries: Vec<ListEntry> = Parser::new(field).parse().ok()?;
    let item = |entry| match entry {
        ListEntry::Item(item) => {
            Some(Item { value: (&item.bare_item).into(), parameters: item.params })
        }
        ListEntry::InnerList(_) => None,
    };
    entries.into_iter().map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: &str, expected: Option<&[(&str, Option<u64>)]>) {
        let items = list(field);
        let seen = items.as_ref().map(|items| {
            let name = |item: &Item| match &item.value {
                Bare::Text(text) => text.clone(),
                other => format!("{other:?}"),
            };
            items.iter().map(|item| (name(item), item.count("q"))).collect::<Vec<_>>()
        });
        let expected = expected
            .map(|items| items.iter().map(|&(name, q)| (name.to_owned(), q)).collect::<Vec<_>>());
        assert_eq!(seen, expected, "{field:?}");
    }

    #[test]
    fn items_and_their_parameters_are_read() {
        check("", Some(&[]));
        check(r#""a";q=1"#, Some(&[("a", Some(1))]));
        check(r#"  "a"; q=1 ,	"b";x;q=2  "#, Some(&[("a", Some(1)), ("b", Some(2))]));
        check(r#""a\"b\\";q=1"#, Some(&[(r#"a"b\"#, Some(1))]));
        check(r#""a";q=1;q=2"#, Some(&[("a", Some(2))]));
        check(r#""a";q=999999999999999"#, Some(&[("a", Some(999_999_999_999_999))]));
        check("token/x;q=3", Some(&[("token/x", Some(3))]));
        check(r#""a";pk=:aGVsbG8=:;on=?1;at=@17;d=1.5;qu="r";q=4"#, Some(&[("a", Some(4))]));
    }

    #[test]
    fn a_parameter_of_another_type_is_no_count() {
        for other in ["-1", "1.5", "\"1\"", "one", "?1", "@1", ":MQ==:"] {
            check(&format!("\"a\";q={other}"), Some(&[("a", None)]));
        }
        check("\"a\";q", Some(&[("a", None)]));
    }

    #[test]
    fn what_is_malformed_is_absent_as_a_whole() {
        for field in [
            "\"a\";q=1,",
            ",\"a\"",
            "\"a\" \"b\"",
            "\"a",
            "\"a\\n\"",
            "\"ä\"",
            "\"a\";Q=1",
            "\"a\";=1",
            "\"a\";q=",
            "\"a\";q=1e3",
            "\"a\";q=1.",
            "\"a\";q=1.2345",
            "(\"a\")",
            "\"a\";q=1000000000000000",
            "\"a\";q=--1",
            "?2",
            ":a",
            "@1.5",
            "%",
            "\u{0}",
            "-",
        ] {
            check(field, None);
        }
    }
}
