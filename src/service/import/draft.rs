//! A draft, and how it is written as a file.

use crate::policy::AnswerMeaning;
use crate::service::definition::Method;
use crate::service::file::ServiceFile;
use crate::task::Command;
use crate::text::printable;
use serde_json::Value;
use std::collections::HashSet;
use std::fmt::Write;

/// The most characters of an action's name.
const LONGEST_NAME: usize = 32;

/// A draft of a service file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The text of the file.
    pub text: String,
    /// What was left out, and what is to be done.
    pub notes: Vec<String>,
}

/// Why there is no draft.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ImportError {
    /// What is wrong.
    pub message: String,
    /// What to do instead.
    pub hint: Option<String>,
}

impl ImportError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(super) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// The parts of a draft.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) about: Option<String>,
    pub(super) endpoint: String,
    /// The word for `auth`.
    pub(super) auth: String,
    pub(super) actions: Vec<ActionParts>,
    pub(super) notes: Vec<String>,
}

/// An action of a draft.
#[derive(Debug)]
pub(super) struct ActionParts {
    pub(super) name: String,
    pub(super) method: Method,
    /// A template.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) answers: Vec<AnswerParts>,
}

/// An answer of an action.
#[derive(Debug)]
pub(super) struct AnswerParts {
    pub(super) status: StatusWord,
    /// A line about it.
    pub(super) about: String,
    /// A body that it may have.
    pub(super) example: Option<String>,
}

/// A status, or a class of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StatusWord {
    One(u16),
    Class(u16),
}

impl Parts {
    /// Writes the file.
    pub(super) fn draft(mut self) -> Draft {
        let mut names = HashSet::new();
        for action in &mut self.actions {
            action.name = unused(&action.name, &mut names);
            keep_one_of_each(&mut action.query, &mut self.notes);
            keep_one_of_each(&mut action.headers, &mut self.notes);
        }
        // Others may have written what no service file holds, and the check would name it only once
        // every meaning is filled in.
        let problems = ServiceFile::read(&self.text(AnswerMeaning::Refused.as_str()));
        for problem in problems.err().into_iter().flatten() {
            self.notes
                .push(format!("line {} of the draft: {}", problem.place.line, problem.message));
        }
        Draft { text: self.text("?"), notes: self.notes }
    }

    fn text(&self, means: &str) -> String {
        let mut text = String::from(
            "# A draft: say what each answer means in the place of every `?`, then ask\n#\n#   \
             batchctl service check FILE\n\nformat = 1\n",
        );
        if let Some(about) = &self.about {
            let _ = writeln!(text, "about = {}", quoted(about));
        }
        let _ = writeln!(text, "endpoint = {}", quoted(&self.endpoint));
        let _ = writeln!(text, "auth = {}", quoted(&self.auth));
        for action in &self.actions {
            action.write(&mut text, means);
        }
        text.push_str(
            "\n# Where the texts of an error stand.\n# [error]\n# code = \"/code\"\n# message = \
             \"/message\"\n",
        );
        text
    }
}

impl ActionParts {
    fn write(&self, text: &mut String, means: &str) {
        let name = &self.name;
        let _ = writeln!(text, "\n[action.{name}]");
        let _ = writeln!(text, "method = {}", quoted(self.method.as_str()));
        let _ = writeln!(text, "path = {}", quoted(&self.path));
        for (key, fields) in [("query", &self.query), ("headers", &self.headers)] {
            if !fields.is_empty() {
                let field = |(name, value): &(String, String)| {
                    format!("{} = {}", quoted_key(name), quoted(value))
                };
                let fields: Vec<String> = fields.iter().map(field).collect();
                let _ = writeln!(text, "{key} = {{ {} }}", fields.join(", "));
            }
        }
        if let Some(body) = &self.body {
            let _ = writeln!(text, "body = {}", quoted(body));
        }
        if let Some(kind) = &self.content_type {
            let _ = writeln!(text, "content_type = {}", quoted(kind));
        }
        if !self.method.is_idempotent() {
            text.push_str("# Whether a second call changes nothing more.\nrepeatable = false\n");
        }
        for answer in &self.answers {
            let _ = writeln!(text, "\n[[action.{name}.answer]]");
            if !answer.about.is_empty() {
                let about = answer.about.split_whitespace().collect::<Vec<_>>().join(" ");
                let _ = writeln!(text, "# {}", printable(&about, 100));
            }
            let status = match answer.status {
                StatusWord::One(status) => status.to_string(),
                StatusWord::Class(first) => quoted(&format!("{first}..{}", first + 99)),
            };
            let _ = writeln!(text, "status = {status}\nmeans = \"{means}\"");
            if let Some(example) = &answer.example {
                let body = quoted(example);
                let _ = writeln!(text, "example = {{ status = {status}, body = {body} }}");
            }
        }
    }
}

/// Returns a name that no action has yet: the wish, or else one with a number.
fn unused(wish: &str, names: &mut HashSet<String>) -> String {
    let numbered = (2..).map(|number: usize| {
        let end = format!("_{number}");
        let kept: String = wish.chars().take(LONGEST_NAME - end.len()).collect();
        kept + &end
    });
    let mut wishes = std::iter::once(wish.to_owned()).chain(numbered);
    wishes.find(|name| names.insert(name.clone())).unwrap_or_default()
}

/// Leaves out further fields of one name, because a table of a file has each name once.
fn keep_one_of_each(fields: &mut Vec<(String, String)>, notes: &mut Vec<String>) {
    let mut names = HashSet::new();
    fields.retain(|(name, _)| {
        let is_first = names.insert(name.clone());
        if !is_first {
            notes.push(format!("`{name}` stands in the call more than once: see the first"));
        }
        is_first
    });
}

/// Writes a text as TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

/// Writes a text as a key of TOML, which has no form of several lines.
fn quoted_key(text: &str) -> String {
    // The escapes of JSON are among those of TOML, which also wants one for this character.
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// Returns a name for an action: the wish, made a name, or else the method's.
pub(super) fn action_name(wish: &str, method: Method) -> String {
    let mut name = String::new();
    for c in wish.chars() {
        let previous = name.chars().last();
        if c.is_ascii_uppercase() && previous.is_some_and(|last| last.is_ascii_lowercase()) {
            name.push('_');
        }
        let is_kept = c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        name.push(if is_kept { c.to_ascii_lowercase() } else { '_' });
    }
    name.truncate(LONGEST_NAME);
    if Command::is_name(&name) { name } else { method.as_str().to_ascii_lowercase() }
}

/// Returns a text as a template that is this text: with its braces doubled.
pub(super) fn literal(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// Returns whether a name is that of a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    ["token", "secret", "password", "passwd", "apikey", "accesskey", "signature", "credential"]
        .iter()
        .any(|part| plain.contains(part))
        || ["auth", "authorization", "key", "sig", "cookie", "session", "sessionid"]
            .contains(&plain.as_str())
}

/// Returns a value as a template of JSON: with the braces of its texts doubled.
pub(super) fn as_template(value: &Value) -> String {
    match value {
        Value::String(text) => Value::String(literal(text)).to_string(),
        Value::Array(values) => {
            format!("[{}]", values.iter().map(as_template).collect::<Vec<_>>().join(","))
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                format!("{}:{}", Value::from(name.as_str()), as_template(value))
            };
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
        }
        plain => plain.to_string(),
    }
}
