//! One exchange over HTTP, read within limits whatever the other side sends.
//!
//! Every text of the answer passes the redactor before it is kept. See `docs/GLOSSARY.md`: call,
//! redactor.

use super::body::{BodyBuffer, MAX_ENTRIES};
use super::credentials::Authorisation;
use super::error_chain::innermost;
use super::list::{Checked, Listed, read_page};
use super::skew::ClockSkew;
use super::transport::{Outgoing, Reply, Transport, TransportError};
use super::wire::{boundary, read_body};
use crate::clock::system_time;
use crate::policy::{
    Answer, Body, NoResponse, RateHint, Response, ServiceError, may_tell_rate, quota_in_message,
    rate_hint, retry_after,
};
use hyper::header::{CONTENT_ENCODING, DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use std::time::{Duration, UNIX_EPOCH};

/// The service's id of a request.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The largest page of a list that is read: 200 entries of 40 KiB.
const MAX_PAGE: usize = 8 * 1024 * 1024;
/// The encodings of a body that make it unreadable (RFC 9110, section 8.4.1, and its registry).
const COMPRESSIONS: [&str; 7] = ["gzip", "compress", "deflate", "br", "zstd", "dcb", "dcz"];
/// The longest text of the service that is kept, in characters.
const MAX_TEXT: usize = 500;

/// The longest part of a text that secrets are searched in, in bytes.
const MAX_SEARCHED: usize = 16 * MAX_TEXT;

/// Sends a request and returns the answer.
pub(super) async fn exchange(
    transport: &Transport,
    request: Outgoing,
    sent: &Authorisation,
) -> Answer {
    let mut response = match transport.send(request).await {
        Ok(response) => response,
        Err(error) => return gone(error, sent),
    };
    let body = body_of(&mut response, sent).await;
    answer(&response, body, sent)
}

/// Sends a request for a page of a list and returns the page or the failure.
pub(super) async fn fetch_page(
    transport: &Transport,
    request: Outgoing,
    sent: &Authorisation,
) -> Listed {
    compare(transport, request, sent).await.listed
}

/// Sends a request for a page of a list, and compares the clocks as well.
pub(super) async fn check(
    transport: &Transport,
    request: Outgoing,
    sent: &Authorisation,
    timeout: Duration,
) -> Checked {
    let checked = tokio::time::timeout(timeout, compare(transport, request, sent)).await;
    checked.unwrap_or_else(|_| {
        let answer = Answer::NoResponse(NoResponse::timed_out(timeout));
        Checked { listed: Listed::Answer(answer), skew: None }
    })
}

async fn compare(transport: &Transport, request: Outgoing, sent: &Authorisation) -> Checked {
    let mut response = match transport.send(request).await {
        Ok(response) => response,
        Err(error) => return Checked { listed: Listed::Answer(gone(error, sent)), skew: None },
    };
    // The clocks are compared before the body is read, because a slow body would look like a skew.
    let date = header(&response.headers, &DATE);
    let skew = date.and_then(|date| ClockSkew::from_date(date, system_time()));
    Checked { listed: page_of(&mut response, sent).await, skew }
}

async fn page_of(response: &mut Reply<'_>, sent: &Authorisation) -> Listed {
    // Errors have the same shapes for every request, so they are read like those of a call.
    if !response.status.is_success() {
        let body = body_of(response, sent).await;
        return Listed::Answer(answer(response, body, sent));
    }
    let bytes = page_text(response).await;
    let page = bytes.and_then(|bytes| read_page(&bytes, &|text| sent.redact(text)));
    match page {
        Ok(page) => Listed::Page(page.map_texts(|text| sent.redact(text))),
        Err(seen) => {
            let body = encoded(Body::Unreadable(kept(seen, sent)), &response.headers);
            Listed::Answer(answer(response, body, sent))
        }
    }
}

fn gone(error: TransportError, sent: &Authorisation) -> Answer {
    let mut seen = NoResponse::from(error);
    seen.message = kept(seen.message, sent);
    Answer::NoResponse(seen)
}

fn answer(response: &Reply<'_>, body: Body, sent: &Authorisation) -> Answer {
    let (status, headers) = (response.status.as_u16(), &response.headers);
    let body = explained(body, status, headers, sent);
    let retry_after = hold(headers);
    Answer::Response(Response {
        status,
        request_id: request_id(headers, &body).map(|id| kept(id, sent)),
        retry_after,
        // `Retry-After` wins over a quota, because it asks for a wait explicitly.
        rate_hint: quota_hint(headers, &body).filter(|_| retry_after.is_none()).map(Box::new),
        body,
    })
}

/// Adds to a refused signature that the clock is wrong, if it is: the service does not say so.
fn explained(body: Body, status: u16, headers: &HeaderMap, sent: &Authorisation) -> Body {
    // Only a signature depends on the clock, so a refused token keeps its own message.
    let Some(signed_at) = sent.signed_at.filter(|_| status == 401) else { return body };
    let skew = header(headers, &DATE).and_then(|date| ClockSkew::from_date(date, signed_at));
    match (body, skew.filter(|skew| skew.spoils_signatures())) {
        (Body::Error(error), Some(skew)) if error.advice.is_empty() => {
            let advice = format!("{skew}, and a signature is good for 15 minutes: set the clock.");
            Body::Error(ServiceError { advice, ..error })
        }
        (body, _) => body,
    }
}

async fn body_of(response: &mut Reply<'_>, sent: &Authorisation) -> Body {
    let status = response.status.as_u16();
    // The body of a redirect is for browsers; only its target helps an operator.
    if response.status.is_redirection() {
        return Body::Error(redirected(status, &response.headers, sent));
    }
    let mut buffer = BodyBuffer::default();
    // A body that broke off is still read, because its counts may stand before the break.
    let broken_off = receive(response, &mut buffer).await.err();
    let redact = |text| sent.redact(text);
    let body = read_body(status, &buffer.bytes(), broken_off.as_deref(), &redact);
    trimmed(encoded(body, &response.headers), sent)
}

/// Reads a body into the buffer, or returns why its rest is missing.
async fn receive(response: &mut Reply<'_>, buffer: &mut BodyBuffer) -> Result<(), String> {
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if buffer.push(&chunk).is_err() => {
                return Err("the answer is longer than 64 MiB".into());
            }
            Ok(Some(_)) => {}
            Ok(None) => return Ok(()),
            Err(error) => return Err(format!("the answer broke off: {}", innermost(&error))),
        }
    }
}

/// Says that a body which could not be read is compressed, if a header says so.
///
/// The header alone means nothing: services announce `identity`, `utf-8` or nothing at all.
fn encoded(body: Body, headers: &HeaderMap) -> Body {
    let Body::Unreadable(seen) = body else { return body };
    let encodings = headers.get_all(CONTENT_ENCODING).into_iter().filter_map(|v| v.to_str().ok());
    let mut compressed = encodings.flat_map(|value| value.split(',')).map(str::trim);
    let compressed = compressed.find(|name| {
        let name = name.to_ascii_lowercase();
        COMPRESSIONS.contains(&name.strip_prefix("x-").unwrap_or(&name))
    });
    Body::Unreadable(match compressed {
        Some(name) => format!(
            "the answer is compressed with `{name}`, which was not asked for, and cannot be read"
        ),
        None => seen,
    })
}

/// Reads the body of a page, or returns what came instead.
async fn page_text(response: &mut Reply<'_>) -> Result<Vec<u8>, String> {
    // A page is not condensed, because each of its entries counts.
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MAX_PAGE => {
                return Err(format!("the page is longer than {} MiB", MAX_PAGE >> 20));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(format!("the answer broke off: {}", innermost(&error))),
        }
    }
}

fn redirected(status: u16, headers: &HeaderMap, sent: &Authorisation) -> ServiceError {
    let target = header(headers, &LOCATION).unwrap_or("nowhere");
    ServiceError {
        message: kept(
            format!(
                "status {status} redirects to `{target}`; redirects are refused, for they would \
                 carry the token to another host"
            ),
            sent,
        ),
        advice: "Check the endpoint.".into(),
        ..ServiceError::default()
    }
}

fn hold(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(RETRY_AFTER).into_iter().filter_map(|value| value.to_str().ok());
    let date = header(headers, &DATE);
    let here = || UNIX_EPOCH + Duration::from_micros(system_time().as_micros().unsigned_abs());
    // A proxy may add a second header; the longest wait satisfies both.
    values.filter_map(|value| retry_after(value, date, here())).max()
}

/// Returns what headers, or else the gateway's message, say of the service's quota.
fn quota_hint(headers: &HeaderMap, body: &Body) -> Option<RateHint> {
    let hints = headers.iter().filter(|(name, _)| may_tell_rate(name.as_str()));
    let hints = hints.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let in_message = || match body {
        Body::Error(error) => quota_in_message(&error.message),
        Body::Result(_) | Body::Unreadable(_) => None,
    };
    // Headers come before the message, whose wording may change.
    rate_hint(hints, header(headers, &DATE)).or_else(in_message)
}

fn request_id(headers: &HeaderMap, body: &Body) -> Option<String> {
    let in_body = match body {
        Body::Error(error) => Some(error.request_id.clone()).filter(|id| !id.is_empty()),
        Body::Result(_) | Body::Unreadable(_) => None,
    };
    header(headers, &REQUEST_ID).map(str::to_owned).or(in_body)
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Cuts the texts of a body to what is worth keeping, and takes secrets out of them.
fn trimmed(body: Body, sent: &Authorisation) -> Body {
    let kept = |text| kept(text, sent);
    match body {
        Body::Result(mut result) => {
            result.error_list.truncate(MAX_ENTRIES);
            result.error_list = result.error_list.into_iter().map(kept).collect();
            result.id = result.id.map(kept);
            Body::Result(result)
        }
        Body::Error(error) => Body::Error(ServiceError {
            code: kept(error.code),
            message: kept(error.message),
            detail: kept(error.detail),
            params: error.params.into_iter().take(MAX_ENTRIES).map(kept).collect(),
            reason: kept(error.reason),
            advice: kept(error.advice),
            request_id: kept(error.request_id),
        }),
        Body::Unreadable(seen) => Body::Unreadable(kept(seen)),
    }
}

/// Returns what is kept of a text: first without secrets, which a cut could hide from sight.
fn kept(mut text: String, sent: &Authorisation) -> String {
    // What lies far behind the cut is not searched. A secret in front of it shortens the text, so
    // that more than the cut has to be.
    text.truncate(boundary(&text, MAX_SEARCHED));
    let mut text = sent.redact(text);
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(end);
        text.push('…');
    }
    text
}
