//! One exchange over HTTP, read within limits whatever the other side sends.

use super::credentials::Authorisation;
use super::error_chain::innermost;
use super::list::Checked;
use super::list::Listed;
use super::list::read_page;
use super::skew::ClockSkew;
use super::transport::Outgoing;
use super::transport::Reply;
use super::transport::Transport;
use super::transport::TransportError;
use super::wire::read_body;
use crate::clock::system_time;
use crate::policy::Answer;
use crate::policy::Body;
use crate::policy::NoResponse;
use crate::policy::RateHint;
use crate::policy::Response;
use crate::policy::ServiceError;
use crate::policy::may_tell_rate;
use crate::policy::quota_in_message;
use crate::policy::rate_hint;
use crate::policy::retry_after;
use hyper::header::CONTENT_ENCODING;
use hyper::header::DATE;
use hyper::header::HeaderMap;
use hyper::header::HeaderName;
use hyper::header::LOCATION;
use hyper::header::RETRY_AFTER;
use std::time::Duration;

/// The service's id of a request.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The largest body that is read.
const LARGEST_BODY: usize = 1024 * 1024;
/// The largest page of a list that is read: 200 entries of 40 KiB.
const LARGEST_PAGE: usize = 8 * 1024 * 1024;
/// The longest text of the service that is kept, in characters.
const LONGEST_TEXT: usize = 500;
/// The most entries of an error list that are kept.
const LONGEST_LIST: usize = 100;

/// Sends a request and tells what came back.
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

/// Sends a request for a page of a list and tells what came back.
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
    let date = header(&response.headers, &DATE);
    let skew = date.and_then(|date| ClockSkew::of(date, system_time()));
    Checked { listed: page_of(&mut response, sent).await, skew }
}

async fn page_of(response: &mut Reply<'_>, sent: &Authorisation) -> Listed {
    if !response.status.is_success() {
        let body = body_of(response, sent).await;
        return Listed::Answer(answer(response, body, sent));
    }
    let text = text_of(response, LARGEST_PAGE, sent).await;
    match text.and_then(|text| read_page(&text)) {
        Ok(page) => Listed::Page(page.map_texts(|text| sent.redact(text))),
        Err(seen) => {
            let body = Body::Unreadable(kept(seen, sent));
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
        // Where both are sent, the wait that is asked for in so many words wins.
        rate_hint: quota_hint(headers, &body).filter(|_| retry_after.is_none()).map(Box::new),
        body,
    })
}

/// Adds to a refused signature that the clock is wrong, if it is: the service does not say so.
fn explained(body: Body, status: u16, headers: &HeaderMap, sent: &Authorisation) -> Body {
    let Some(signed_at) = sent.signed_at.filter(|_| status == 401) else { return body };
    let skew = header(headers, &DATE).and_then(|date| ClockSkew::of(date, signed_at));
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
    if response.status.is_redirection() {
        return Body::Error(redirected(status, &response.headers, sent));
    }
    match text_of(response, LARGEST_BODY, sent).await {
        // Redacted again after it was read, for JSON has many ways to write one text.
        Ok(text) => trimmed(read_body(status, &text), sent),
        Err(seen) => Body::Unreadable(kept(seen, sent)),
    }
}

/// Reads a body of so many bytes at the most, or tells what was seen instead.
async fn text_of(
    response: &mut Reply<'_>,
    most: usize,
    sent: &Authorisation,
) -> Result<String, String> {
    if let Some(encoding) = header(&response.headers, &CONTENT_ENCODING) {
        return Err(kept(format!("the answer is encoded, as `{encoding}`"), sent));
    }
    let bytes = read_all(response, most).await?;
    let text = String::from_utf8(bytes).map_err(|_| "the answer is not UTF-8".to_owned())?;
    // Redacted before it is read, for a part of it may be shown that cuts a secret in two.
    Ok(sent.redact(text))
}

/// Reads a body in chunks, so that none can be larger than what is read of it.
async fn read_all(response: &mut Reply<'_>, most: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > most => {
                return Err(format!("the answer is longer than {} MiB", most >> 20));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => {
                return Err(format!("the answer broke off: {}", innermost(&error)));
            }
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
    values.filter_map(|value| retry_after(value, header(headers, &DATE))).max()
}

/// Returns what headers, or else the gateway's message, say of the service's quota.
fn quota_hint(headers: &HeaderMap, body: &Body) -> Option<RateHint> {
    let told = headers.iter().filter(|(name, _)| may_tell_rate(name.as_str()));
    let told = told.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let in_message = || match body {
        Body::Error(error) => quota_in_message(&error.message),
        Body::Result(_) | Body::Unreadable(_) => None,
    };
    rate_hint(told, header(headers, &DATE)).or_else(in_message)
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
            result.error_list.truncate(LONGEST_LIST);
            result.error_list = result.error_list.into_iter().map(kept).collect();
            result.id = result.id.map(kept);
            Body::Result(result)
        }
        Body::Error(error) => Body::Error(ServiceError {
            code: kept(error.code),
            message: kept(error.message),
            detail: kept(error.detail),
            reason: kept(error.reason),
            advice: kept(error.advice),
            request_id: kept(error.request_id),
        }),
        Body::Unreadable(seen) => Body::Unreadable(kept(seen)),
    }
}

/// Returns what is kept of a text: first without secrets, which a cut could hide from sight.
fn kept(text: String, sent: &Authorisation) -> String {
    let mut text = sent.redact(text);
    if let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) {
        text.truncate(end);
        text.push('…');
    }
    text
}
