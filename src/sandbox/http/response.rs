//! What goes back to the client: an answer, or none.
//!
//! A value that was decided earlier; nothing here decides.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use hyper::header::HeaderName;
use hyper::header::HeaderValue;
use serde::Serialize;

/// The name of the header that carries the id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpResponse {
    status: StatusCode,
    content_type: &'static str,
    header: Option<(HeaderName, HeaderValue)>,
    body: Bytes,
}

/// How a request ends for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SandboxReply {
    /// With an answer.
    Answered(HttpResponse),
    /// With a connection that is reset.
    Dropped,
    /// Not at all.
    Silent,
}

impl HttpResponse {
    /// Returns an answer with a JSON body.
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("bodies have text keys and plain values");
        Self { status, content_type: "application/json", header: None, body: body.into() }
    }

    /// Returns a 200 that no client of the service understands.
    pub(crate) fn garbled() -> Self {
        let page = "<html><head><title>Maintenance</title></head><body>Back soon.</body></html>\n";
        Self {
            status: StatusCode::OK,
            content_type: "text/html",
            header: None,
            body: Bytes::from_static(page.as_bytes()),
        }
    }

    /// Adds a header to the answer, in the place of the one added before.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
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

    /// Turns the answer into what goes over the wire; hyper adds `Date`.
    pub(crate) fn into_response(self, request_id: HeaderValue) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(REQUEST_ID, request_id);
        headers.extend(self.header);
        response
    }
}
