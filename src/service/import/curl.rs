//! Reads a curl command: the call that somebody has tried becomes an action.

use crate::service::body::end_of_text;
use crate::service::definition::Method;
use crate::service::import::draft::{
    ActionParts, AnswerParts, Draft, ImportError, Parts, StatusWord, action_name, is_secret,
    literal,
};
use percent_encoding::percent_decode_str;
use std::iter::Peekable;
use url::Url;

/// What nearly every service answers with.
const STATUSES: [StatusWord; 6] = [
    StatusWord::Class(200),
    StatusWord::One(401),
    StatusWord::One(404),
    StatusWord::One(409),
    StatusWord::One(429),
    StatusWord::Class(500),
];
/// Flags of curl that say nothing of the call itself and have a value.
const WITH_VALUE: [&str; 22] = [
    "-o",
    "--output",
    "-m",
    "--max-time",
    "--connect-timeout",
    "--retry",
    "--retry-delay",
    "-A",
    "--user-agent",
    "-e",
    "--referer",
    "-c",
    "--cookie-jar",
    "-x",
    "--proxy",
    "--cacert",
    "-w",
    "--write-out",
    "--resolve",
    "--interface",
    "-E",
    "--cert",
];
/// Headers that every client sets by itself.
const OF_CLIENTS: [&str; 8] = [
    "accept",
    "accept-encoding",
    "user-agent",
    "content-length",
    "host",
    "connection",
    "origin",
    "referer",
];

/// What a command says.
#[derive(Default)]
struct Command {
    method: Option<String>,
    url: Option<String>,
    headers: Vec<(String, String)>,
    data: Vec<String>,
    data_in_query: bool,
    has_user: bool,
    ignored: Vec<String>,
}

/// Makes a draft of a curl command; `id` is what stands for the id of a task in it.
///
/// # Errors
///
/// The command cannot be read, is no call with a JSON body, or does not have the id.
pub fn from_curl(line: &str, id: &str) -> Result<Draft, ImportError> {
    if line.contains("$'") || line.contains("$\"") {
        let hint = "write the text in plain quotes, with a quote inside as '\\''";
        return Err(ImportError::new("the command has a text in `$'…'`").with_hint(hint));
    }
    let words = shell_words::split(line).map_err(|_| {
        ImportError::new("the command has an open quote").with_hint("copy the whole command")
    })?;
    let mut words = words.into_iter().peekable();
    let program = words.next().unwrap_or_default();
    if program.rsplit('/').next() != Some("curl") {
        return Err(ImportError::new("this is no curl command").with_hint("it begins with `curl`"));
    }
    let mut command = Command::default();
    while let Some(word) = words.next() {
        command.take(word, &mut words)?;
    }
    command.draft(id)
}

impl Command {
    fn take(
        &mut self,
        word: String,
        words: &mut Peekable<impl Iterator<Item = String>>,
    ) -> Result<(), ImportError> {
        let (flag, attached) = split_flag(&word);
        let mut value = || attached.clone().or_else(|| words.next()).unwrap_or_default();
        match flag.as_str() {
            "-X" | "--request" => self.method = Some(value()),
            "-H" | "--header" => self.header(&value()),
            "-d" | "--data" | "--data-raw" | "--data-binary" | "--data-ascii" | "--json" => {
                let data = value();
                if data.starts_with('@') && flag != "--data-raw" {
                    let hint = "put the content of the file into the command";
                    return Err(ImportError::new("the body is in a file").with_hint(hint));
                }
                self.data.push(data);
            }
            "-u" | "--user" => {
                drop(value());
                self.has_user = true;
            }
            "-b" | "--cookie" => self.header(&format!("Cookie: {}", value())),
            "--url" => self.url = Some(value()),
            "-G" | "--get" => self.data_in_query = true,
            "-F" | "--form" | "--data-urlencode" | "-T" | "--upload-file" => {
                let message = format!("`{flag}` sends a body that is no JSON");
                let hint = "this version knows bodies of JSON alone";
                return Err(ImportError::new(message).with_hint(hint));
            }
            known if WITH_VALUE.contains(&known) => {
                drop(value());
                self.ignored.push(flag);
            }
            other if other.starts_with('-') && other.len() > 1 => self.ignored.push(flag),
            _ => self.url = Some(word),
        }
        Ok(())
    }

    fn header(&mut self, text: &str) {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        self.headers.push((name.trim().into(), value.trim().into()));
    }

    fn draft(self, id: &str) -> Result<Draft, ImportError> {
        let mut parts = Parts { auth: "none".into(), ..Parts::default() };
        for flag in &self.ignored {
            parts.notes.push(format!("`{flag}` says nothing of the call, and was left out"));
        }
        let url = self.url.as_deref().unwrap_or_default();
        let url = if url.contains("://") { url.to_owned() } else { format!("https://{url}") };
        let url = Url::parse(&url).ok().filter(|url| url.host().is_some());
        let url = url.ok_or_else(|| ImportError::new("the command has no URL that can be read"))?;
        parts.endpoint = url.origin().ascii_serialization();
        if self.has_user || !url.username().is_empty() {
            parts.drop_secret("basic", "the user and the password");
        }
        let (headers, content_type) = self.kept_headers(&mut parts);
        let method = self.method(&self.data)?;
        let mut query = query_of(&url, &mut parts);
        let body = if self.data_in_query {
            let of_data = Url::parse(&format!("https://a/?{}", self.data.join("&")));
            query.extend(of_data.iter().flat_map(|url| query_of(url, &mut parts)));
            None
        } else {
            (!self.data.is_empty()).then(|| self.data.join("&"))
        };
        let mut place = IdPlaces { id, found: false };
        let path = place.path(&url);
        let query = query.into_iter().map(|(name, value)| (name, place.text(&value))).collect();
        let body = body.map(|body| place.body(&body)).transpose()?;
        if !place.found {
            let message = "the id stands nowhere in the call";
            let hint = "say with `--id` which part of the URL or the body is the id";
            return Err(ImportError::new(message).with_hint(hint));
        }
        let last = path.rsplit('/').next().unwrap_or_default().to_owned();
        let answer = |&status| AnswerParts { status, about: String::new(), example: None };
        let answers = STATUSES.iter().map(answer).collect();
        parts.actions.push(ActionParts {
            name: action_name(&last, method),
            method,
            path,
            query,
            headers,
            content_type: content_type.filter(|_| body.is_some()),
            body,
            answers,
        });
        Ok(parts.draft())
    }

    fn method(&self, data: &[String]) -> Result<Method, ImportError> {
        let default = if data.is_empty() || self.data_in_query { "GET" } else { "POST" };
        let word = self.method.as_deref().unwrap_or(default).to_ascii_uppercase();
        let found = Method::ALL.into_iter().find(|method| method.as_str() == word);
        found.ok_or_else(|| {
            ImportError::new(format!("a call with `{word}` is no action"))
                .with_hint("an action is PUT, POST, PATCH or DELETE")
        })
    }

    /// Returns the headers that the file keeps, and the type of the body if it is said.
    fn kept_headers(&self, parts: &mut Parts) -> (Vec<(String, String)>, Option<String>) {
        let (mut kept, mut content_type) = (Vec::new(), None);
        for (name, value) in &self.headers {
            let lower = name.to_ascii_lowercase();
            match lower.as_str() {
                "authorization" => {
                    let scheme = value.split(' ').next().unwrap_or_default().to_ascii_lowercase();
                    let auth = if scheme == "basic" { "basic" } else { "bearer" };
                    parts.drop_secret(auth, "the header `Authorization`");
                }
                "cookie" => parts.notes.push("the header `Cookie` was left out".into()),
                "content-type" => {
                    content_type = Some(value.clone()).filter(|kind| kind != "application/json");
                }
                _ if OF_CLIENTS.contains(&lower.as_str()) => {}
                _ if is_secret(name) => {
                    parts.drop_secret(&format!("header:{name}"), &format!("the header `{name}`"));
                }
                _ => kept.push((name.clone(), literal(value))),
            }
        }
        (kept, content_type)
    }
}

impl Parts {
    /// Notes a secret that was left out, and how it is sent instead.
    pub(super) fn drop_secret(&mut self, auth: &str, what: &str) {
        auth.clone_into(&mut self.auth);
        self.notes.push(format!(
            "{what} was left out: give the secret with `--token-file FILE` or in BATCHCTL_TOKEN"
        ));
    }
}

/// Splits a flag from a value that is written with it: `-XPOST`, `--request=POST`.
fn split_flag(word: &str) -> (String, Option<String>) {
    if let Some((flag, value)) = word.split_once('=').filter(|(flag, _)| flag.starts_with("--")) {
        return (flag.into(), Some(value.into()));
    }
    let has_value = ["-X", "-H", "-d", "-u", "-b", "-o", "-m", "-F"];
    let short = has_value.iter().find(|flag| word.starts_with(**flag) && word.len() > flag.len());
    match short {
        Some(flag) => ((*flag).into(), Some(word[flag.len()..].into())),
        None => (word.into(), None),
    }
}

/// Returns the fields of a query, without secrets.
fn query_of(url: &Url, parts: &mut Parts) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for (name, value) in url.query_pairs() {
        if is_secret(&name) {
            let note = format!("the query field `{name}` looks like a secret, and was left out");
            parts.notes.push(note);
        } else {
            fields.push((name.into_owned(), value.into_owned()));
        }
    }
    fields
}

/// Puts `{id}` where the id stands.
struct IdPlaces<'a> {
    id: &'a str,
    found: bool,
}

impl IdPlaces<'_> {
    fn path(&mut self, url: &Url) -> String {
        let segments: Vec<&str> = url.path().split('/').collect();
        let is_id = |segment: &str| {
            percent_decode_str(segment).decode_utf8().is_ok_and(|plain| plain == self.id)
        };
        // A whole segment first: `42` in `/v42/things/42` is the id once.
        let has_whole = segments.iter().any(|segment| is_id(segment));
        let mut path = Vec::new();
        for segment in segments {
            let plain = literal(segment);
            path.push(match has_whole {
                true if is_id(segment) => "{id}".into(),
                true => plain,
                false => plain.replace(self.id, "{id}"),
            });
        }
        let path = path.join("/");
        self.found |= path.contains("{id}");
        path
    }

    /// Returns a text as a template, with `{id}` in the place of all of it.
    fn text(&mut self, text: &str) -> String {
        if text == self.id {
            self.found = true;
            return "{id}".into();
        }
        literal(text)
    }

    /// Returns a body with `{id}` in the place of a text or a number that is the id.
    fn body(&mut self, json: &str) -> Result<String, ImportError> {
        if serde_json::from_str::<serde::de::IgnoredAny>(json).is_err() {
            let hint = "this version knows bodies of JSON alone";
            return Err(ImportError::new("the body is no JSON").with_hint(hint));
        }
        let mut body = String::new();
        let mut rest = json;
        while let Some(start) = rest.find('"') {
            body.push_str(&self.numbers(&rest[..start]));
            let inside = &rest[start + 1..];
            let end = end_of_text(inside);
            let behind = &inside[end + 1..];
            let is_name = behind.trim_start().starts_with(':');
            let text = if is_name { inside[..end].into() } else { self.text(&inside[..end]) };
            body.push_str(&format!("\"{text}\""));
            rest = behind;
        }
        body.push_str(&self.numbers(rest));
        Ok(body)
    }

    /// Returns what stands between texts, with `{id}` in the place of a number that is the id.
    fn numbers(&mut self, between: &str) -> String {
        let is_number = self.id.parse::<u64>().is_ok();
        let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
        let mut found = String::new();
        let mut rest = between;
        while let Some(start) = rest.find(is_part) {
            found.push_str(&rest[..start]);
            let number = &rest[start..];
            let end = number.find(|c| !is_part(c)).unwrap_or(number.len());
            if is_number && number[..end] == *self.id {
                self.found = true;
                found.push_str("\"{id:number}\"");
            } else {
                found.push_str(&number[..end]);
            }
            rest = &number[end..];
        }
        found + rest
    }
}

#[cfg(test)]
#[path = "curl_tests.rs"]
mod tests;
