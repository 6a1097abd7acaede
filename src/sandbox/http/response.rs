//! The reply to the client: a response, a reset or nothing.
//!
//! Plain values; the decisions are made elsewhere.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// The header with the id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpResponse {
    status: StatusCode,
    content_type: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

/// The reply that the client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SandboxReply {
    /// A response.
    Answered(HttpResponse),
    /// A connection reset.
    Dropped,
    /// None.
    Silent,
}

impl HttpResponse {
    /// Returns a response with a JSON body.
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("bodies have text keys and plain values");
        Self { status, content_type: "application/json", headers: Vec::new(), body: body.into() }
    }

    /// Returns a response with any body. A header that no response may have is left out.
    pub(crate) fn new(
        status: StatusCode,
        content_type: &'static str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Self {
        let header = |(name, value): &(String, String)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        };
        let headers = headers.iter().filter_map(header).collect();
        Self { status, content_type, headers, body: body.into() }
    }

    /// Returns a 200 that is not an answer of the service, like the page of a proxy.
    pub(crate) fn garbled() -> Self {
        let page = "<html><head><title>Maintenance</title></head><body>Back soon.</body></html>\n";
        Self {
            status: StatusCode::OK,
            content_type: "text/html",
            headers: Vec::new(),
            body: Bytes::from_static(page.as_bytes()),
        }
    }

    /// Adds a header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Returns the status.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the body.
    #[cfg(test)]
    pub(crate) fn body(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Returns the response for hyper, which adds `Date`.
    pub(crate) fn into_response(self, request_id: HeaderValue) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(REQUEST_ID, request_id);
        // What an answer says itself is in the place of what the sandbox says of every answer.
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}
