//! A table of a service file while it is read: what is taken from it is known, the rest is not.
//!
//! Every reader adds what is wrong to the problems and goes on, so that all of them are told at
//! once. A key that is never asked for is unknown, so no list of keys can be forgotten.

use crate::service::problem::Problems;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The keys of secrets, which no service file may hold.
const SECRETS: [&str; 14] = [
    "token",
    "token_file",
    "password",
    "passwd",
    "secret",
    "secret_key",
    "security_token",
    "access_key",
    "api_key",
    "apikey",
    "authorization",
    "bearer",
    "ak",
    "sk",
];

/// A text with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) at: usize,
}

/// A value with its key, and the places of both.
#[derive(Debug)]
pub(super) struct Entry<'t> {
    pub(super) key: String,
    pub(super) key_at: usize,
    pub(super) at: usize,
    pub(super) value: DeValue<'t>,
}

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Section<'t> {
    entries: Vec<Entry<'t>>,
    known: Vec<&'static str>,
    /// Where it begins.
    pub(super) at: usize,
}

impl<'t> Section<'t> {
    /// Begins to read a table; its entries come in the order of the file.
    pub(super) fn new(table: DeTable<'t>, at: usize) -> Self {
        let entry = |(key, value): (Spanned<_>, Spanned<DeValue<'t>>)| {
            let (key_at, at) = (key.span().start, value.span().start);
            let key: std::borrow::Cow<'_, str> = key.into_inner();
            Entry { key: key.into_owned(), key_at, at, value: value.into_inner() }
        };
        let mut entries: Vec<_> = table.into_iter().map(entry).collect();
        entries.sort_by_key(|entry| entry.key_at);
        Self { entries, known: Vec::new(), at }
    }

    /// Takes the value of a key, whatever it is.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Entry<'t>> {
        self.known.push(key);
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(index))
    }

    /// Returns where the key of a value is, or where the table begins if there is none.
    pub(super) fn place_of(&self, key: &str) -> usize {
        let found = self.entries.iter().find(|entry| entry.key == key);
        found.map_or(self.at, |entry| entry.key_at)
    }

    /// Takes a text.
    pub(super) fn text(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<Text> {
        let entry = self.take(key)?;
        text_of(entry.value, entry.at, &format!("`{key}`"), problems)
    }

    /// Takes a text that has to be there.
    pub(super) fn required(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Text> {
        let is_there = self.entries.iter().any(|entry| entry.key == key);
        if !is_there {
            problems.add(self.at, format!("`{key}` is missing"));
        }
        self.text(key, problems)
    }

    /// Takes a switch.
    pub(super) fn switch(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<(bool, usize)> {
        let entry = self.take(key)?;
        match entry.value {
            DeValue::Boolean(value) => Some((value, entry.at)),
            _ => {
                problems.add(entry.at, format!("`{key}` is `true` or `false`"));
                None
            }
        }
    }

    /// Takes a whole number of a range.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<i64>,
        problems: &mut Problems<'_>,
    ) -> Option<i64> {
        let entry = self.take(key)?;
        let value = whole_number(&entry.value).filter(|value| range.contains(value));
        if value.is_none() {
            let (first, last) = (range.start(), range.end());
            let what = if *last == i64::MAX {
                format!("`{key}` is a whole number from {first} on")
            } else {
                format!("`{key}` is a whole number from {first} to {last}")
            };
            problems.add(entry.at, what);
        }
        value
    }

    /// Takes a text or a list of texts, which is not empty.
    pub(super) fn texts(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<Text>> {
        let entry = self.take(key)?;
        let what = format!("`{key}`");
        let DeValue::Array(values) = entry.value else {
            return text_of(entry.value, entry.at, &what, problems).map(|text| vec![text]);
        };
        if values.is_empty() {
            problems.add_with_hint(entry.at, format!("{what} is an empty list"), "leave it out");
        }
        let texts = values.into_iter().filter_map(|value| {
            let at = value.span().start;
            text_of(value.into_inner(), at, &format!("an entry of {what}"), problems)
        });
        Some(texts.collect())
    }

    /// Takes a list of values, which is not empty.
    pub(super) fn list(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Vec<(DeValue<'t>, usize)>> {
        let entry = self.take(key)?;
        list_of(entry.value, entry.at, &format!("`{key}`"), problems)
    }

    /// Takes a table.
    pub(super) fn section(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Section<'t>> {
        let entry = self.take(key)?;
        section_of(entry.value, entry.key_at, &format!("`{key}`"), problems)
    }

    /// Takes a list of tables, which is not empty.
    pub(super) fn sections(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Vec<Section<'t>> {
        let values = self.list(key, problems).unwrap_or_default();
        let what = format!("an entry of `{key}`");
        let sections =
            values.into_iter().filter_map(|(value, at)| section_of(value, at, &what, problems));
        sections.collect()
    }

    /// Takes a table of texts, in the order of the file.
    pub(super) fn pairs(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Vec<(Text, Text)> {
        let Some(section) = self.section(key, problems) else { return Vec::new() };
        let mut pairs = Vec::new();
        for entry in section.into_entries() {
            let what = format!("`{key}.{}`", entry.key);
            if let Some(text) = text_of(entry.value, entry.at, &what, problems) {
                pairs.push((Text { value: entry.key, at: entry.key_at }, text));
            }
        }
        pairs
    }

    /// Refuses a key that is reserved for later versions.
    pub(super) fn reserve(&mut self, key: &'static str, why: &str, problems: &mut Problems<'_>) {
        if let Some(entry) = self.take(key) {
            problems.add(entry.key_at, reserved(key, why));
        }
        // A reserved key is no word that a mistyped one can have meant.
        self.known.retain(|known| *known != key);
    }

    /// Returns all entries that were not taken, in the order of the file.
    pub(super) fn into_entries(self) -> Vec<Entry<'t>> {
        self.entries
    }

    /// Ends the table: what was not asked for is unknown.
    pub(super) fn finish(self, problems: &mut Problems<'_>) {
        for entry in &self.entries {
            let name = entry.key.to_ascii_lowercase().replace('-', "_");
            if SECRETS.contains(&name.as_str()) {
                problems.add_with_hint(
                    entry.key_at,
                    format!("`{}` is a secret, which this file may not hold", entry.key),
                    "give the secret with `--token-file FILE` or in BATCHCTL_TOKEN",
                );
                continue;
            }
            let message = format!("there is no key `{}` here", entry.key);
            match nearest(&entry.key, self.known.iter().copied()) {
                Some(near) => {
                    problems.add_with_hint(entry.key_at, message, format!("did you mean `{near}`"));
                }
                None => {
                    let known = self.known.join("`, `");
                    problems.add_with_hint(
                        entry.key_at,
                        message,
                        format!("the keys here are `{known}`"),
                    );
                }
            }
        }
    }
}

/// Says that a key is reserved.
pub(super) fn reserved(key: &str, why: &str) -> String {
    format!("{key} is for {why}")
}

/// Returns the name that is most similar to a mistyped one.
pub(super) fn nearest<'a>(text: &str, others: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let rated = others.map(|other| (strsim::jaro_winkler(text, other), other));
    let (closeness, near) = rated.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (closeness > 0.8).then_some(near)
}

/// Returns a text, or says what it is not.
pub(super) fn text_of(
    value: DeValue<'_>,
    at: usize,
    what: &str,
    problems: &mut Problems<'_>,
) -> Option<Text> {
    match value {
        DeValue::String(text) => Some(Text { value: text.into_owned(), at }),
        _ => {
            problems.add_with_hint(at, format!("{what} is no text"), "a text stands in quotes");
            None
        }
    }
}

/// Returns the values of a list that is not empty, or says what it is not.
pub(super) fn list_of<'t>(
    value: DeValue<'t>,
    at: usize,
    what: &str,
    problems: &mut Problems<'_>,
) -> Option<Vec<(DeValue<'t>, usize)>> {
    match value {
        DeValue::Array(values) if values.is_empty() => {
            problems.add_with_hint(at, format!("{what} is an empty list"), "leave it out");
            None
        }
        DeValue::Array(values) => {
            let value = |value: Spanned<DeValue<'t>>| {
                let at = value.span().start;
                (value.into_inner(), at)
            };
            Some(values.into_iter().map(value).collect())
        }
        _ => {
            problems.add_with_hint(
                at,
                format!("{what} is no list"),
                "a list stands in `[` and `]`",
            );
            None
        }
    }
}

/// Returns a table, or says what it is not.
pub(super) fn section_of<'t>(
    value: DeValue<'t>,
    at: usize,
    what: &str,
    problems: &mut Problems<'_>,
) -> Option<Section<'t>> {
    match value {
        DeValue::Table(table) => Some(Section::new(table, at)),
        _ => {
            problems.add(at, format!("{what} is no table"));
            None
        }
    }
}

/// Returns a whole number, however it is written.
pub(super) fn whole_number(value: &DeValue<'_>) -> Option<i64> {
    let DeValue::Integer(number) = value else { return None };
    i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
}
