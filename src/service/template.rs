//! Texts with places for values: `{id}`, `{column}`, `{column=default}`.
//!
//! What stands around the places is checked here, when the file is read. What may be put into them
//! is checked for each value. Must not know where a value comes from.

use std::fmt;

/// A text with places for values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template {
    /// Its parts, in order.
    pub parts: Vec<Part>,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Sent as it is.
    Text(String),
    /// A place for a value.
    Value(Placeholder),
}

/// A place for a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    /// Whose value it is.
    pub source: ValueSource,
    /// The value in the place of an empty cell or a missing column.
    pub default: Option<String>,
    /// How the value stands in JSON.
    pub kind: ValueKind,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueSource {
    /// The id of the task.
    Id,
    /// The name of the action.
    Action,
    /// The region, as `--region` says.
    Region,
    /// The project, as `--project-id` says.
    ProjectId,
    /// A cell of the task's row.
    Column(String),
}

/// How a value stands in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// As a text.
    Text,
    /// As a number, without quotes.
    Number,
    /// As `true` or `false`, without quotes.
    Boolean,
}

/// Why a text is no template, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TemplateError {
    /// What is wrong.
    pub(super) message: String,
    /// What to write instead.
    pub(super) hint: Option<&'static str>,
}

impl TemplateError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(super) fn with_hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Value(value) => write!(f, "{{{}}}", value.source),
        })
    }
}

impl Template {
    /// Reads a text with places. Whether they may stand there is the caller's to say.
    pub(super) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..];
            if brace.starts_with("{{") || brace.starts_with("}}") {
                plain.push_str(&brace[..1]);
                rest = &brace[2..];
                continue;
            }
            if brace.starts_with('}') {
                return Err(TemplateError::new("a `}` has no `{` before it")
                    .with_hint("a brace that is meant as such is written `}}`"));
            }
            let Some(end) = brace.find('}') else {
                return Err(TemplateError::new("a `{` has no `}` behind it")
                    .with_hint("a brace that is meant as such is written `{{`"));
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Value(placeholder(&brace[1..end])?));
            rest = &brace[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// Returns its places for values.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(value) => Some(value),
        })
    }

    /// Returns its texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Value(_) => None,
        })
    }

    /// Returns whether it holds the id.
    pub fn has_id(&self) -> bool {
        self.placeholders().any(|value| value.source == ValueSource::Id)
    }
}

/// Reads what stands between two braces.
fn placeholder(inside: &str) -> Result<Placeholder, TemplateError> {
    let (name, default) = match inside.split_once('=') {
        Some((name, default)) => (name, Some(default.to_owned())),
        None => (inside, None),
    };
    if name.contains('{') {
        return Err(TemplateError::new("a `{` stands in another one")
            .with_hint("a brace that is meant as such is written `{{`"));
    }
    if name == "ids" || name.starts_with("ids:") {
        return Err(TemplateError::new(
            "{ids} is for many ids in one call, which this version does not know: one id per call",
        ));
    }
    let (name, kind) = match name.rsplit_once(':') {
        Some((name, "number")) => (name, ValueKind::Number),
        Some((name, "boolean")) => (name, ValueKind::Boolean),
        _ => (name, ValueKind::Text),
    };
    if name.trim().is_empty() || name.trim() != name {
        return Err(TemplateError::new(format!("`{{{inside}}}` names no column"))
            .with_hint("write `{column}`, without blanks around the name"));
    }
    let source = match name {
        "id" => ValueSource::Id,
        "action" => ValueSource::Action,
        "region" => ValueSource::Region,
        "project_id" => ValueSource::ProjectId,
        name => ValueSource::Column(name.strip_prefix("column.").unwrap_or(name).into()),
    };
    if default.is_some() && !matches!(source, ValueSource::Column(_)) {
        return Err(TemplateError::new(format!("`{name}` is no column, so it has no default")));
    }
    Ok(Placeholder { source, default, kind })
}

impl fmt::Display for ValueSource {
    /// Writes the name that stands in the braces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "id",
            Self::Action => "action",
            Self::Region => "region",
            Self::ProjectId => "project_id",
            Self::Column(name) => name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let template = Template::parse(text).unwrap();
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Value(value) => {
                format!("<{:?} {:?} {:?}>", value.source, value.default, value.kind)
            }
        };
        template.parts.iter().map(part).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn a_template_is_texts_and_places() {
        assert_eq!(shown("/a/{id}/b"), "/a/|<Id None Text>|/b");
        assert_eq!(shown("{{x}}"), "{x}");
        assert_eq!(shown("{site=}{n:number}"), {
            "<Column(\"site\") Some(\"\") Text>|<Column(\"n\") None Number>"
        });
        assert_eq!(shown("{column.region}"), "<Column(\"region\") None Text>");
        assert_eq!(shown("{region}"), "<Region None Text>");
        assert_eq!(shown("{Camera group=none at all}"), {
            "<Column(\"Camera group\") Some(\"none at all\") Text>"
        });
        assert_eq!(shown(""), "");
    }

    #[test]
    fn texts_that_are_no_templates_say_why() {
        for (text, expected) in [
            ("{", "has no `}`"),
            ("a}b", "has no `{`"),
            ("{}", "names no column"),
            ("{ site }", "names no column"),
            ("{a{b}", "stands in another"),
            ("{ids}", "many ids"),
            ("{ids:comma}", "many ids"),
            ("{id=7}", "no default"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert!(error.message.contains(expected), "{text}: {error:?}");
        }
    }
}
