//! Records exchanges for the support of a vendor: what was sent, and what came back.
//!
//! Nothing is recorded unless a recorder is set. Headers that are not known to be harmless are shown
//! without their values, and every other text passes the redactor. A body is bounded.

use super::redactor::{CUT, Redactor};
use crate::clock::{Clock, Instant, Timestamp};
use crate::task::Task;
use hyper::header::{HeaderMap, HeaderName};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The most characters of a body, which are at least as many bytes.
const MAX_BODY: usize = 64 << 10;
/// The most characters of the value of a header.
const MAX_VALUE: usize = 1_000;
/// The most headers of a request or an answer.
const MAX_HEADERS: usize = 100;
/// What stands for a value that is not shown.
const HIDDEN: &str = "[hidden]";
/// The headers whose values are shown, besides those of quotas.
const SHOWN: [&str; 20] = [
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "host",
    "keep-alive",
    "location",
    "retry-after",
    "server",
    "traceparent",
    "transfer-encoding",
    "user-agent",
    "via",
    "x-project-id",
    "x-request-id",
    "x-sdk-date",
    "x-trace-id",
    "x-envoy-upstream-service-time",
];

/// One exchange, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The task of the call.
    pub task: Arc<Task>,
    /// The time at which the call began.
    pub at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// The method.
    pub method: String,
    /// The address, or its path.
    pub target: String,
    /// The headers of the request, as they were written.
    pub request_headers: Vec<(String, String)>,
    /// The status of the answer, if there is one.
    pub status: Option<u16>,
    /// The headers of the answer.
    pub response_headers: Vec<(String, String)>,
    /// The beginning of the body of the answer, if it was read.
    pub body: Option<String>,
    /// The bytes of the body that were received.
    pub body_bytes: u64,
    /// Why there is no answer, or not a whole one.
    pub trouble: Option<String>,
}

/// Takes exchanges when they are over.
pub trait Record: Send + Sync + fmt::Debug {
    /// Takes one. Called in the middle of a run, so it returns at once.
    fn record(&self, exchange: Exchange);
}

/// An exchange under way. It is recorded when this is dropped, also if the call was given up.
pub(super) struct Recording {
    recorder: Arc<dyn Record>,
    redactor: Redactor,
    clock: Clock,
    began: Instant,
    exchange: Option<Exchange>,
}

impl Recording {
    /// Begins with the request of a call.
    pub(super) fn begin(
        recorder: &Arc<dyn Record>,
        redactor: &Redactor,
        task: Arc<Task>,
        (method, target, headers): (&str, &str, &HeaderMap),
    ) -> Self {
        let clock = Clock::start();
        let exchange = Exchange {
            task,
            at: clock.now(),
            duration: Duration::ZERO,
            method: method.to_owned(),
            target: redactor.redact(target.to_owned()),
            request_headers: shown(headers, redactor),
            status: None,
            response_headers: Vec::new(),
            body: None,
            body_bytes: 0,
            trouble: Some("the call was given up before an answer came".into()),
        };
        let (recorder, redactor) = (Arc::clone(recorder), redactor.clone());
        Self { recorder, redactor, clock, began: clock.instant(), exchange: Some(exchange) }
    }

    /// Adds the head of the answer.
    pub(super) fn head(&mut self, status: u16, headers: &HeaderMap) {
        let response_headers = shown(headers, &self.redactor);
        if let Some(exchange) = &mut self.exchange {
            (exchange.status, exchange.response_headers) = (Some(status), response_headers);
            exchange.trouble = Some("the call was given up before the answer was whole".into());
        }
    }

    /// Adds what was received of the body, and why that is not all of it.
    pub(super) fn body(&mut self, received: u64, kept: &[u8], missing: Option<&str>) {
        let missing = missing.map(|missing| self.redactor.redact(missing.to_owned()));
        let text = String::from_utf8_lossy(kept);
        let text = bounded(self.redactor.beginning(text, MAX_BODY));
        if let Some(exchange) = &mut self.exchange {
            (exchange.body, exchange.body_bytes) = (Some(text), received);
            exchange.trouble = missing;
        }
    }

    /// Notes that there is no answer, or that its body is not read.
    pub(super) fn trouble(&mut self, why: Option<&str>) {
        if let Some(exchange) = &mut self.exchange {
            exchange.trouble = why.map(str::to_owned);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.duration = self.clock.instant() - self.began;
            self.recorder.record(exchange);
        }
    }
}

/// Returns a text of at most [`MAX_BODY`] bytes, which are fewer characters if they are not ASCII.
fn bounded(mut text: String) -> String {
    if text.len() > MAX_BODY + CUT.len_utf8() {
        let end = (0..=MAX_BODY).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push(CUT);
    }
    text
}

/// Returns headers as they may be shown.
fn shown(headers: &HeaderMap, redactor: &Redactor) -> Vec<(String, String)> {
    let one = |(name, value): (&HeaderName, &hyper::header::HeaderValue)| {
        let value = match is_shown(name.as_str()) {
            true => redactor.beginning(String::from_utf8_lossy(value.as_bytes()), MAX_VALUE),
            false => HIDDEN.to_owned(),
        };
        (redactor.beginning(name.as_str(), MAX_VALUE), value)
    };
    headers.iter().take(MAX_HEADERS).map(one).collect()
}

fn is_shown(name: &str) -> bool {
    SHOWN.contains(&name) || name.starts_with("ratelimit") || name.starts_with("x-ratelimit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn only_harmless_headers_have_values_and_those_are_redacted() {
        let redactor = Redactor::default();
        redactor.learn("token", "MIIF+secret/token==");
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "text/html; MIIF+secret/token=="),
            ("x-auth-token", "MIIF+secret/token=="),
            ("authorization", "SDK-HMAC-SHA256 Access=A"),
            ("set-cookie", "session=1"),
            ("x-ratelimit-remaining", "7"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let mut found = shown(&headers, &redactor);
        found.sort();
        let expected = [
            ("authorization", HIDDEN),
            ("content-type", "text/html; [token]"),
            ("set-cookie", HIDDEN),
            ("x-auth-token", HIDDEN),
            ("x-ratelimit-remaining", "7"),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_body_is_bounded_in_bytes() {
        assert_eq!(bounded("ä".repeat(10)), "ä".repeat(10));
        assert_eq!(bounded("ä".repeat(MAX_BODY)), format!("{}…", "ä".repeat(MAX_BODY / 2)));
    }
}
