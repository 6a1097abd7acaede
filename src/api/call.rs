//! One exchange over HTTP, read within limits whatever the other side sends.
//!
//! Every text of the answer passes the redactor before it is kept. See `docs/GLOSSARY.md`: call,
//! redactor.

use super::body::{BodyBuffer, MAX_ENTRIES, TooLong};
use super::credentials::Authorisation;
use super::exchange::Recording;
use super::hints::{asked_wait, header, header_quota, quota_hint};
use super::list::{Checked, Listed, Page, read_page};
use super::listing::Listing;
use super::skew::{ClockSkew, refused_for_skew};
use super::transport::{Outgoing, Reply, Transport, TransportError, plain_http_to_tls};
use super::wire::{read_body, wants_tls};
use crate::clock::system_time;
use crate::policy::{Answer, Body, NoResponse, Response, ServiceError};
use crate::task::TaskId;
use crate::text::unread;
use hyper::header::{CONTENT_ENCODING, DATE, HeaderMap, HeaderName, LOCATION};
use std::time::Duration;

/// The service's id of a request.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The largest page of a list that is read: 200 entries of 40 KiB.
const MAX_PAGE: usize = 8 * 1024 * 1024;

/// Sends a request about a task and returns the answer. What is recorded of it, if anything, is so at
/// the end or when the future is dropped.
pub(super) async fn exchange(
    transport: &Transport,
    request: Outgoing,
    task: &TaskId,
    sent: &Authorisation,
    mut recording: Option<Box<Recording>>,
) -> Answer {
    let mut response = match transport.send(request).await {
        Ok(response) => response,
        Err(error) => {
            let seen = gone(error, sent);
            if let Some(recording) = &mut recording {
                recording.trouble(Some(&seen.message));
            }
            return Answer::NoResponse(seen);
        }
    };
    if let Some(recording) = &mut recording {
        recording.head(response.status.as_u16(), &response.headers);
    }
    answer_of(&mut response, Some(task), sent, recording.as_deref_mut()).await
}

/// Sends a request for a page of a list and returns the page or the failure.
pub(super) async fn fetch_page(
    transport: &Transport,
    request: Outgoing,
    listing: &Listing,
    sent: &Authorisation,
) -> Listed {
    compare(transport, request, listing, sent).await.listed
}

/// Sends a request for a page of a list, and compares the clocks as well.
pub(super) async fn check(
    transport: &Transport,
    request: Outgoing,
    sent: &Authorisation,
    timeout: Duration,
) -> Checked {
    let first = Listing::default();
    let compared = compare(transport, request, &first, sent);
    let checked = tokio::time::timeout(timeout, compared).await;
    checked.unwrap_or_else(|_| {
        let answer = Answer::NoResponse(NoResponse::timed_out(timeout));
        Checked { listed: Listed::Answer(answer), skew: None }
    })
}

async fn compare(
    transport: &Transport,
    request: Outgoing,
    listing: &Listing,
    sent: &Authorisation,
) -> Checked {
    let mut response = match transport.send(request).await {
        Ok(response) => response,
        Err(error) => {
            let answer = Answer::NoResponse(gone(error, sent));
            return Checked { listed: Listed::Answer(answer), skew: None };
        }
    };
    // The clocks are compared before the body is read, because a slow body would look like a skew.
    let date = header(&response.headers, &DATE);
    let skew = date.and_then(|date| ClockSkew::from_date(date, system_time()));
    Checked { listed: page_of(&mut response, listing, sent).await, skew }
}

async fn page_of(response: &mut Reply<'_>, listing: &Listing, sent: &Authorisation) -> Listed {
    // Errors have the same shapes for every request, so they are read like those of a call.
    if !response.status.is_success() {
        return Listed::Answer(answer_of(response, None, sent, None).await);
    }
    let bytes = page_text(response).await;
    match bytes.and_then(|bytes| read_page(&bytes, listing, &sent.redactor)) {
        Ok(page) => {
            // A service counts pages as it counts calls, and says so on those that it serves.
            let retry_after = asked_wait(&response.headers);
            let hint = header_quota(&response.headers).filter(|_| retry_after.is_none());
            Listed::Page(Page { retry_after, rate_hint: hint.map(Box::new), ..page })
        }
        Err(seen) => {
            let body = encoded(Body::Unreadable(sent.kept(seen)), &response.headers);
            Listed::Answer(answer(response, body, sent))
        }
    }
}

fn gone(error: TransportError, sent: &Authorisation) -> NoResponse {
    let mut seen = error.described(&sent.redactor);
    seen.message = sent.kept(seen.message);
    seen
}

fn answer(response: &Reply<'_>, body: Body, sent: &Authorisation) -> Answer {
    let (status, headers) = (response.status.as_u16(), &response.headers);
    let body = explained(body, status, headers, sent);
    let retry_after = asked_wait(headers);
    Answer::Response(Response {
        status,
        request_id: request_id(headers, &body).map(|id| sent.kept(id)),
        retry_after,
        // `Retry-After` wins over a quota, because it asks for a wait explicitly.
        rate_hint: quota_hint(headers, &body).filter(|_| retry_after.is_none()).map(Box::new),
        body,
    })
}

/// Adds to a refused signature that the clock is wrong, if it is: the service does not say so.
fn explained(body: Body, status: u16, headers: &HeaderMap, sent: &Authorisation) -> Body {
    let date = sent.signed_at.and_then(|_| header(headers, &DATE));
    match (body, refused_for_skew(status, date, sent.signed_at)) {
        (Body::Error(error), Some(advice)) if error.advice.is_empty() => {
            Body::Error(ServiceError { advice, ..error })
        }
        (body, _) => body,
    }
}

/// Reads an answer that is no page: one about a task, if the request was.
async fn answer_of(
    response: &mut Reply<'_>,
    task: Option<&TaskId>,
    sent: &Authorisation,
    recording: Option<&mut Recording>,
) -> Answer {
    let status = response.status.as_u16();
    // The body of a redirect is for browsers; only its target helps an operator.
    if response.status.is_redirection() {
        let body = Body::Error(redirected(status, &response.headers, sent));
        if let Some(recording) = recording {
            recording.trouble(None);
        }
        return answer(response, body, sent);
    }
    let mut buffer = BodyBuffer::default();
    // A body that broke off is still read, because its counts may stand before the break.
    let missing = response.receive(|chunk| buffer.push(chunk)).await.err();
    let bytes = buffer.bytes();
    let missing = missing.map(|missing| missing.described("the answer is longer than 64 MiB"));
    if let Some(recording) = recording {
        recording.body(buffer.received(), &bytes, missing.as_deref());
    }
    if response.is_plain() && wants_tls(status, &bytes) {
        return Answer::NoResponse(plain_http_to_tls());
    }
    let body = read_body(status, &bytes, missing.as_deref(), &sent.redactor);
    let body = trimmed(encoded(body, &response.headers), task, sent);
    answer(response, body, sent)
}

/// Says that a body which could not be read is compressed, if a header says so.
///
/// The header alone means nothing: services announce `identity`, `utf-8` or nothing at all.
fn encoded(body: Body, headers: &HeaderMap) -> Body {
    let Body::Unreadable(seen) = body else { return body };
    let encodings = headers.get_all(CONTENT_ENCODING).into_iter().filter_map(|v| v.to_str().ok());
    Body::Unreadable(unread::compression(encodings).map_or(seen, unread::compressed))
}

/// Reads the body of a page, or returns what came instead.
async fn page_text(response: &mut Reply<'_>) -> Result<Vec<u8>, String> {
    // A page is not condensed, because each of its entries counts.
    let mut body = Vec::new();
    let take = |chunk: &[u8]| {
        if body.len() + chunk.len() > MAX_PAGE {
            return Err(TooLong);
        }
        body.extend_from_slice(chunk);
        Ok(())
    };
    let too_long = || format!("the page is longer than {} MiB", MAX_PAGE >> 20);
    response.receive(take).await.map_err(|missing| missing.described(&too_long()))?;
    Ok(body)
}

fn redirected(status: u16, headers: &HeaderMap, sent: &Authorisation) -> ServiceError {
    let error = ServiceError::redirected(status, header(headers, &LOCATION));
    ServiceError { message: sent.kept(error.message), ..error }
}

fn request_id(headers: &HeaderMap, body: &Body) -> Option<String> {
    let in_body = match body {
        Body::Error(error) => Some(error.request_id.clone()).filter(|id| !id.is_empty()),
        Body::Result(_) | Body::Unreadable(_) | Body::Judged(_) => None,
    };
    header(headers, &REQUEST_ID).map(str::to_owned).or(in_body)
}

/// Cuts the texts of a body to what is worth keeping, and takes secrets out of them.
fn trimmed(body: Body, task: Option<&TaskId>, sent: &Authorisation) -> Body {
    // The id that was asked for is no foreign text. Nearly every answer has it, and the search in it
    // took a quarter of the time of a call.
    let is_own = |id: &String| task.is_some_and(|task| task.as_str() == id);
    let kept = |text: String| sent.kept(text);
    match body {
        Body::Result(mut result) => {
            result.error_list.truncate(MAX_ENTRIES);
            result.error_list = result.error_list.into_iter().map(kept).collect();
            result.id = result.id.map(|id| if is_own(&id) { id } else { kept(id) });
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
        // Its texts are foreign no more: they were made safe before they were judged.
        judged @ Body::Judged(_) => judged,
    }
}
