//! Reads structured header fields (RFC 9651), as far as lists of items need it.
//!
//! Strict, as the RFC demands: whatever is malformed makes the whole field absent.

/// An item of a list, and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    pub(crate) value: Bare,
    parameters: Vec<(&'a str, Bare)>,
}

/// A value. What nobody here asks for is checked and forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bare {
    Integer(i64),
    Text(String),
    Other,
}

impl Item<'_> {
    /// Returns a parameter; of several with one name the last one counts.
    pub(crate) fn parameter(&self, name: &str) -> Option<&Bare> {
        let mut newest_first = self.parameters.iter().rev();
        newest_first.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Returns a parameter that is a whole number of 0 or more.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        match self.parameter(name)? {
            Bare::Integer(number) => u64::try_from(*number).ok(),
            Bare::Text(_) | Bare::Other => None,
        }
    }
}

/// Reads a list of items; inner lists are none.
pub(crate) fn list(field: &str) -> Option<Vec<Item<'_>>> {
    let mut rest = Rest(field.trim_matches(' '));
    let mut items = Vec::new();
    while !rest.0.is_empty() {
        items.push(rest.item()?);
        rest.skip(|c| matches!(c, ' ' | '\t'));
        if rest.0.is_empty() {
            break;
        }
        rest.expect(',')?;
        rest.skip(|c| matches!(c, ' ' | '\t'));
        if rest.0.is_empty() {
            return None;
        }
    }
    Some(items)
}

/// What has not been read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn item(&mut self) -> Option<Item<'a>> {
        let value = self.bare()?;
        let mut parameters = Vec::new();
        while self.expect(';').is_some() {
            self.skip(|c| c == ' ');
            let key = self.key()?;
            let value = match self.expect('=') {
                Some(()) => self.bare()?,
                None => Bare::Other,
            };
            parameters.push((key, value));
        }
        Some(Item { value, parameters })
    }

    fn key(&mut self) -> Option<&'a str> {
        let key = self.take_while(|c| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.' | '*')
        });
        key.starts_with(|c: char| c.is_ascii_lowercase() || c == '*').then_some(key)
    }

    fn bare(&mut self) -> Option<Bare> {
        match self.0.chars().next()? {
            '-' | '0'..='9' => self.number(),
            '"' => self.text().map(Bare::Text),
            '*' | 'A'..='Z' | 'a'..='z' => Some(Bare::Text(self.token().to_owned())),
            ':' => self.bytes(),
            '?' => self.boolean(),
            '@' => self.date(),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Bare> {
        let sign = if self.expect('-').is_some() { -1 } else { 1 };
        let whole = self.take_while(|c| c.is_ascii_digit());
        if self.expect('.').is_some() {
            let fraction = self.take_while(|c| c.is_ascii_digit());
            let is_decimal = matches!((whole.len(), fraction.len()), (1..=12, 1..=3));
            return is_decimal.then_some(Bare::Other);
        }
        let number: i64 = whole.parse().ok().filter(|_| whole.len() <= 15)?;
        Some(Bare::Integer(sign * number))
    }

    fn text(&mut self) -> Option<String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.next().filter(|c| matches!(c, '"' | '\\'))?),
                c @ ' '..='~' => text.push(c),
                _ => return None,
            }
        }
    }

    fn token(&mut self) -> &'a str {
        self.take_while(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c))
    }

    fn bytes(&mut self) -> Option<Bare> {
        self.expect(':')?;
        self.skip(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='));
        self.expect(':').map(|()| Bare::Other)
    }

    fn boolean(&mut self) -> Option<Bare> {
        self.expect('?')?;
        self.next().filter(|c| matches!(c, '0' | '1')).map(|_| Bare::Other)
    }

    fn date(&mut self) -> Option<Bare> {
        self.expect('@')?;
        match self.number()? {
            Bare::Integer(_) => Some(Bare::Other),
            Bare::Text(_) | Bare::Other => None,
        }
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.0.chars();
        let next = chars.next();
        self.0 = chars.as_str();
        next
    }

    fn expect(&mut self, expected: char) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    fn skip(&mut self, is_part: impl Fn(char) -> bool) {
        self.take_while(is_part);
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !is_part(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: &str, expected: Option<&[(&str, Option<u64>)]>) {
        let items = list(field);
        let seen = items.as_ref().map(|items| {
            let name = |item: &Item<'_>| match &item.value {
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
