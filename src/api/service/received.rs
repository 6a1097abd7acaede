//! An answer as it came, and its judgement.
//!
//! A search for secrets takes longer than all else that is done for an answer. So a success is judged
//! first, and searched only if it keeps more texts than its own id.

use crate::api::redactor::Redactor;
use crate::api::service::answer::{answer_of, judged_answer};
use crate::policy::{Answer, AnswerMeaning, Judgement, may_tell_rate};
use crate::service::{Action, SeenAnswer, Service, TextSource, WaitSource, judge};
use crate::task::TaskId;
use hyper::header::{CONTENT_ENCODING, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use std::time::SystemTime;

/// An answer as it came.
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Why the rest of the body is missing, if it is.
    pub(super) missing: Option<String>,
    /// What this side knows that helps against a refusal.
    pub(super) advice: Option<String>,
}

/// The headers that rules look at, besides those that tell a rate.
#[derive(Debug)]
pub(super) struct NamedHeaders(Vec<HeaderName>);

/// What judges the answers to the calls of a service.
pub(super) struct AnswerJudge<'a> {
    pub(super) service: &'a Service,
    /// The headers that its rules look at.
    pub(super) named: &'a NamedHeaders,
    /// What takes secrets out of what is kept.
    pub(super) redactor: &'a Redactor,
    pub(super) now: SystemTime,
}

impl Received {
    /// Returns the answer without secrets.
    pub(super) fn seen(self, redactor: &Redactor) -> SeenAnswer {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (shown(name), redactor.redact(text(value))));
        let redact = |text| redactor.redact(text);
        let seen = SeenAnswer::redacted(self.status, headers.collect(), &self.body, redact);
        match self.missing {
            Some(why) => seen.cut(redactor.redact(why)),
            None => seen,
        }
        .advising(self.advice)
    }
}

impl AnswerJudge<'_> {
    /// Judges the answer to an action for an id, for `classify` to decide about.
    pub(super) fn judge(&self, action: &Action, id: &TaskId, received: Received) -> Answer {
        let plain = self.plain_success(action, id, &received);
        let seen = || received.seen(self.redactor);
        plain.unwrap_or_else(|| judged_answer(self.service, action, &seen(), self.now))
    }

    /// Judges an answer that is a success, unless it keeps more of its texts than its own id and that
    /// of its request.
    fn plain_success(&self, action: &Action, id: &TaskId, received: &Received) -> Option<Answer> {
        let Received { status, headers, body, missing, .. } = received;
        if !(200..300).contains(status) || missing.is_some() {
            return None;
        }
        let seen = SeenAnswer::new(*status, self.named.of(headers), body);
        let judgement = judge(self.service, action, &seen, self.now);
        if !keeps_no_text(&judgement, id) {
            return None;
        }
        let request_id = judgement.request_id.map(|id| self.redactor.redact(id));
        Some(answer_of(Judgement { request_id, ..judgement }, &seen, self.now))
    }
}

/// Returns whether a judgement is good, and keeps no texts of its answer but this id and that of the
/// request.
fn keeps_no_text(judgement: &Judgement, own: &TaskId) -> bool {
    let Judgement { meaning, distrust, result, error, has_own_error, .. } = judgement;
    // What is said in the place of an error may quote the body.
    let texts = [&error.code, &error.message, &error.detail, &error.reason];
    meaning.is_some_and(AnswerMeaning::is_good)
        && distrust.is_none()
        && !has_own_error
        && texts.into_iter().all(String::is_empty)
        && error.params.is_empty()
        && result.error_list.is_empty()
        && result.id.as_deref().is_none_or(|id| id == own.as_str())
}

impl NamedHeaders {
    /// Returns those of a service.
    pub(super) fn of_service(service: &Service) -> Self {
        let rules = service.actions.iter().flat_map(|action| &action.rules).chain(&service.rules);
        let waits = rules.flat_map(|rule| &rule.wait).filter_map(|source| match source {
            WaitSource::Header(name) => Some(name),
            WaitSource::Json(_) | WaitSource::Text(_) => None,
        });
        let ids = service.request_id.iter().filter_map(|source| match source {
            TextSource::Header(name) => Some(name),
            TextSource::Json(_) => None,
        });
        let named = waits.chain(ids).filter_map(|name| name.parse().ok());
        let mut names: Vec<HeaderName> = vec![RETRY_AFTER, DATE, CONTENT_ENCODING];
        for name in named {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Self(names)
    }

    fn of(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let is_named = |name: &HeaderName| self.0.contains(name) || may_tell_rate(name.as_str());
        let headers = headers.iter().filter(|(name, _)| is_named(name));
        headers.map(|(name, value)| (shown(name), text(value))).collect()
    }
}

fn shown(name: &HeaderName) -> String {
    name.as_str().to_owned()
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
#[path = "received_tests.rs"]
mod tests;
