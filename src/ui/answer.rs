//! Answers, each with the headers that keep other pages away from it.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Response, StatusCode};
use std::convert::Infallible;

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The policy of an answer that needs neither style nor script.
const BARE: &str = "default-src 'none'; base-uri 'none'; form-action 'none'";
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const EVENTS: &str = "text/event-stream";

/// The headers of every answer, besides its type and its policy.
const HEADERS: [(HeaderName, &str); 6] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Returns a page with its content policy.
pub(crate) fn page(content: Vec<u8>, policy: &str) -> Response<Body> {
    answer(StatusCode::OK, HTML, policy, full(content))
}

/// Returns some words.
pub(crate) fn words(status: StatusCode, words: &str) -> Response<Body> {
    let mut answer = answer(status, TEXT, BARE, full(format!("{words}\n")));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
    }
    answer
}

/// Returns a page that keeps a cookie and leads to the list.
///
/// It is a page because a browser that was led here by another site would not send the cookie with
/// the request of a redirection.
pub(crate) fn entrance(cookie: &str) -> Response<Body> {
    const PAGE: &str = "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
        <meta http-equiv=\"refresh\" content=\"0; url=/\"><title>batchctl</title>\
        <p><a href=\"/\">The runs</a></p></html>\n";
    let mut answer = answer(StatusCode::OK, HTML, BARE, full(PAGE));
    let cookie = HeaderValue::from_str(cookie).expect("letters and digits");
    answer.headers_mut().insert(SET_COOKIE, cookie);
    answer
}

/// Returns server-sent events, as they come.
pub(crate) fn events(events: impl Stream<Item = String> + Send + 'static) -> Response<Body> {
    let frames = events.map(|text| Ok(Frame::data(Bytes::from(text))));
    answer(StatusCode::OK, EVENTS, BARE, StreamBody::new(frames).boxed_unsync())
}

fn full(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).boxed_unsync()
}

fn answer(status: StatusCode, kind: &'static str, policy: &str, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // Not in the page itself, where a browser ignores it.
    let policy = format!("{policy}; frame-ancestors 'none'");
    let policy = HeaderValue::from_str(&policy).expect("a policy is plain text");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    answer
}
