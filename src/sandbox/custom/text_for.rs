//! Makes a text in which a regular expression is found, for an answer that has no example.

use regex_syntax::hir::{Class, ClassUnicodeRange, Hir, HirKind};

/// Characters that are readable, in the order in which they are preferred.
const READABLE: &str = "a0A b_-1.:/";

/// Returns such a text; `named` gives the text of a group with a name. It may fail to match where the
/// expression looks around.
pub(crate) fn text_for(expression: &str, named: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let parsed = regex_syntax::parse(expression).ok()?;
    let mut text = String::new();
    write(&parsed, named, &mut text).then_some(text)
}

/// Returns whether there is such a text.
fn write(part: &Hir, named: &dyn Fn(&str) -> Option<String>, text: &mut String) -> bool {
    match part.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => match str::from_utf8(&literal.0) {
            Ok(literal) => {
                text.push_str(literal);
                true
            }
            Err(_) => false,
        },
        HirKind::Class(class) => match character(class) {
            Some(character) => {
                text.push(character);
                true
            }
            None => false,
        },
        HirKind::Repetition(repeated) => {
            (0..repeated.min).all(|_| write(&repeated.sub, named, text))
        }
        HirKind::Capture(group) => match group.name.as_deref().and_then(named) {
            Some(known) => {
                text.push_str(&known);
                true
            }
            None => write(&group.sub, named, text),
        },
        HirKind::Concat(parts) => parts.iter().all(|part| write(part, named, text)),
        HirKind::Alternation(parts) => parts.first().is_some_and(|first| write(first, named, text)),
    }
}

fn character(class: &Class) -> Option<char> {
    let Class::Unicode(class) = class else { return None };
    let has = |wanted: &char| {
        class.ranges().iter().any(|range| (range.start()..=range.end()).contains(wanted))
    };
    let first = || class.ranges().first().map(ClassUnicodeRange::start);
    READABLE.chars().find(has).or_else(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    #[test]
    fn the_text_matches_its_expression() {
        for expression in [
            "vm_state active",
            "vm_state (active|stopped)",
            r"already (on|off)\b",
            r"(?i)^[^a-z]{3}\d+\.$",
            "limit:.*?time:(?<wait>[0-9]+) (?<unit>[a-z]+)",
            "",
        ] {
            let text = text_for(expression, &|_| None).unwrap();
            assert!(Regex::new(expression).unwrap().is_match(&text), "{expression}: {text}");
        }
        let named = |name: &str| (name == "wait").then(|| "30".to_owned());
        let text = text_for("wait (?<wait>[0-9]+) (?<unit>s)", &named);
        assert_eq!(text.as_deref(), Some("wait 30 s"));
        assert_eq!(text_for("[a&&b]", &|_| None), None);
    }
}
