//! Reads a request back into the values of a template: the reverse of what a client does.
//!
//! Every character has to be the template's or a value's, so that a value that has left its place is
//! noticed. An id that stands twice has to be the same one.

use crate::service::{Part, Placeholder, Service, ValueSource};
use percent_encoding::percent_decode_str;

/// How a text spells its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// As they are.
    Plain,
    /// Percent-encoded, all but unreserved characters (RFC 3986, 2.3).
    Encoded,
}

/// One reading of a request.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    service: &'a Service,
    action: Option<&'a str>,
    id: Option<String>,
}

impl<'a> Reading<'a> {
    /// Begins to read a request for an action, or for a state.
    pub(crate) const fn new(service: &'a Service, action: Option<&'a str>) -> Self {
        Self { service, action, id: None }
    }

    /// Returns the id that was read.
    pub(crate) fn into_id(self) -> Option<String> {
        self.id
    }

    /// Returns whether a text is a template with values in it, and keeps the id.
    pub(crate) fn reads(&mut self, parts: &[Part], text: &str, spelling: Spelling) -> bool {
        let Some((first, rest)) = parts.split_first() else { return text.is_empty() };
        match first {
            Part::Text(literal) => text
                .strip_prefix(literal.as_str())
                .is_some_and(|behind| self.reads(rest, behind, spelling)),
            Part::Value(place) => ends(rest, text).into_iter().any(|end| {
                let before = self.id.clone();
                let value = spelling.value(&text[..end]);
                let is_read = value.is_some_and(|value| self.takes(place, value))
                    && self.reads(rest, &text[end..], spelling);
                if !is_read {
                    self.id = before;
                }
                is_read
            }),
        }
    }

    fn takes(&mut self, place: &Placeholder, value: String) -> bool {
        match (&place.source, &self.id) {
            (ValueSource::Id, Some(known)) => *known == value,
            (ValueSource::Id, None) => {
                let is_id = self.service.id.id(&value).is_ok();
                self.id = Some(value).filter(|_| is_id);
                is_id
            }
            (ValueSource::Action, _) => self.action == Some(value.as_str()),
            (ValueSource::Region | ValueSource::ProjectId, _) => !value.is_empty(),
            (ValueSource::Column(_), _) => true,
        }
    }

    /// Keeps an id that stands as a number, whose spelling is its value.
    pub(crate) fn takes_plain(&mut self, place: &Placeholder, value: &str) -> bool {
        self.takes(place, value.to_owned())
    }
}

/// Returns where a value may end, if these parts follow it.
fn ends(rest: &[Part], text: &str) -> Vec<usize> {
    match rest.first() {
        None => vec![text.len()],
        Some(Part::Text(next)) => text.match_indices(next.as_str()).map(|(at, _)| at).collect(),
        Some(Part::Value(_)) => (0..=text.len()).filter(|&at| text.is_char_boundary(at)).collect(),
    }
}

impl Spelling {
    /// Returns the value that a text spells, if it spells one.
    fn value(self, text: &str) -> Option<String> {
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
        match self {
            Self::Plain => Some(text.into()),
            Self::Encoded if text.bytes().all(is_unreserved) => {
                percent_decode_str(text).decode_utf8().ok().map(Into::into)
            }
            Self::Encoded => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{ServiceFile, VIAS};

    /// Returns the id that stands in a text by the path of an action.
    fn id_in(path: &str, text: &str) -> Option<String> {
        let file = VIAS.1.replace("/v2/{project_id}/batch-tasks/{id}/action/{action}", path);
        let service = ServiceFile::read(&file).unwrap().service;
        let action = service.action("start").unwrap();
        let mut reading = Reading::new(&service, Some("start"));
        let is_read = reading.reads(&action.path.parts, text, Spelling::Encoded);
        reading.into_id().filter(|_| is_read)
    }

    #[test]
    fn an_id_is_read_out_of_its_place() {
        let read = |path, text| id_in(path, text).unwrap_or_default();
        assert_eq!(read("/{id}", "/gate-1"), "gate-1");
        assert_eq!(read("/{project_id}/{id}/{action}", "/p/gate-1/start"), "gate-1");
        assert_eq!(read("/{project_id}/{id}/{action}", "/p/gate-1/stop"), "");
        assert_eq!(read("/{id}-{site}", "/gate-1-a%20b"), "gate");
        assert_eq!(read("/{id}-{id}", "/gate-1-gate-1"), "gate-1");
        assert_eq!(read("/{id}-{id}", "/gate-1-gate-2"), "");
        assert_eq!(read("/{site}{id}", "/gate"), "gate");
    }

    #[test]
    fn a_text_that_is_more_than_its_template_is_not_read() {
        for text in ["/gate-1/x", "/gate-1/", "/gate-1;x", "/GATE", "//gate-1", "/gate-1?", "/"] {
            assert_eq!(id_in("/{id}", text), None, "{text}");
        }
    }
}
