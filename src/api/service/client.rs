//! The client of a service that a file describes: one request, one answer, nothing behind the
//! engine's back.
//!
//! The address is the endpoint's, whatever the values are. Redirects are answers like others.

use crate::api::body::TooLong;
use crate::api::client::ClientError;
use crate::api::credentials::{Authorisation, Credentials, Placement};
use crate::api::endpoint::{Endpoint, ProjectId};
use crate::api::exchange::{Record, Recording};
use crate::api::hints::header;
use crate::api::redactor::Redactor;
use crate::api::route::Route;
use crate::api::service::received::Received;
use crate::api::skew::refused_for_skew;
use crate::api::transport::{Incomplete, Outgoing, Reply, Transport, plain_http_to_tls};
use crate::api::wire::wants_tls;
use crate::policy::NoResponse;
use crate::service;
use crate::service::{Auth, MOST_BODY_BYTES, MOST_PAGE_BYTES, SeenAnswer, ServiceCall};
use crate::task::Task;
use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue};
use hyper::{Method, Request};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// The most bytes of an answer that are received, blanks before its body included.
const MOST_RECEIVED: usize = 64 * MOST_BODY_BYTES;

/// The settings of a client.
#[derive(Debug, Clone)]
pub struct ServiceClientSettings {
    /// The base address of all calls.
    pub endpoint: Endpoint,
    /// The route of all calls.
    pub route: Route,
    /// The longest time that connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// The number of calls at a time.
    pub concurrency: NonZeroUsize,
    /// How credentials are sent.
    pub auth: Auth,
    /// The project that a key signs for, if there is one.
    pub project: Option<ProjectId>,
}

/// Calls a service that a file describes.
#[derive(Debug)]
pub struct ServiceClient {
    transport: Transport,
    settings: ServiceClientSettings,
    placement: Option<Placement>,
    credentials: Option<Arc<Credentials>>,
    redactor: Redactor,
    recorder: Option<Arc<dyn Record>>,
}

impl ServiceClient {
    /// Sets up a client. Makes no call.
    ///
    /// # Errors
    ///
    /// The authorities of this machine cannot be used.
    pub fn new(
        settings: ServiceClientSettings,
        credentials: Option<Arc<Credentials>>,
        redactor: Redactor,
    ) -> Result<Self, ClientError> {
        let ServiceClientSettings { endpoint, route, connect_timeout, concurrency, .. } = &settings;
        let transport = Transport::new(endpoint, route, *connect_timeout, *concurrency)?;
        let placement = Placement::of(&settings.auth);
        if let (Some(placement), Some(credentials)) = (&placement, &credentials) {
            credentials.register_placed(placement, &redactor);
        }
        Ok(Self { transport, settings, placement, credentials, redactor, recorder: None })
    }

    /// Returns the client with a recorder of its calls.
    #[must_use]
    pub(super) fn recording(self, recorder: Option<Arc<dyn Record>>) -> Self {
        Self { recorder, ..self }
    }

    /// Returns the credentials of its calls, if there are any.
    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_deref()
    }

    /// Returns the base address of its calls.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.settings.endpoint
    }

    /// Returns what takes the secrets out of its answers.
    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Makes a request that changes nothing, for as long as the caller waits.
    pub(super) async fn ask(&self, call: &ServiceCall) -> Result<SeenAnswer, NoResponse> {
        Ok(self.exchange(call, None, MOST_BODY_BYTES).await?.seen(&self.redactor))
    }

    /// Requests a page of a list, which is larger than other answers, for as long as the caller waits.
    pub(super) async fn ask_for_page(&self, call: &ServiceCall) -> Result<SeenAnswer, NoResponse> {
        Ok(self.exchange(call, None, MOST_PAGE_BYTES).await?.seen(&self.redactor))
    }

    /// Makes the call of a task, for as long as the caller waits.
    pub(super) async fn carry_out(
        &self,
        call: &ServiceCall,
        task: &Arc<Task>,
    ) -> Result<Received, NoResponse> {
        self.exchange(call, Some(task), MOST_BODY_BYTES).await
    }

    /// Sends a call once, and returns the answer without secrets.
    ///
    /// # Errors
    ///
    /// No answer came; it says whether the call may have arrived.
    pub async fn send(
        &self,
        call: &ServiceCall,
        timeout: Duration,
    ) -> Result<SeenAnswer, NoResponse> {
        let asked = tokio::time::timeout(timeout, self.ask(call));
        asked.await.unwrap_or_else(|_| Err(NoResponse::timed_out(timeout)))
    }

    async fn exchange(
        &self,
        call: &ServiceCall,
        task: Option<&Arc<Task>>,
        most_bytes: usize,
    ) -> Result<Received, NoResponse> {
        let Some(mut request) = self.request(call) else {
            return Err(NoResponse::never_made("a value would change the address of the call"));
        };
        let body = Bytes::from(call.body.clone().unwrap_or_default());
        let sent = self.authorise(&mut request, &body);
        let outgoing = Outgoing::new(request.map(|()| body));
        let mut recording = task.and_then(|task| self.recording_of(task, call, &outgoing, &sent));
        let mut reply = match self.transport.send(outgoing).await {
            Ok(reply) => reply,
            Err(error) => {
                let mut seen = error.described(&sent.redactor);
                seen.message = sent.kept(seen.message);
                if let Some(recording) = &mut recording {
                    recording.trouble(Some(&seen.message));
                }
                return Err(seen);
            }
        };
        if let Some(recording) = &mut recording {
            recording.head(reply.status.as_u16(), &reply.headers);
        }
        let received = read(&mut reply, recording, most_bytes).await?;
        let date = sent.signed_at.and_then(|_| header(&received.headers, &DATE));
        let advice = refused_for_skew(received.status, date, sent.signed_at);
        Ok(Received { advice, ..received })
    }

    /// Begins to record a call, if there is a recorder.
    fn recording_of(
        &self,
        task: &Arc<Task>,
        call: &ServiceCall,
        request: &Outgoing,
        sent: &Authorisation,
    ) -> Option<Box<Recording>> {
        let recorder = self.recorder.as_ref()?;
        let endpoint = &self.settings.endpoint;
        let target = endpoint.at(endpoint.exactly(&call.target)?).to_string();
        let head = (request.method().as_str(), target.as_str(), request.headers());
        Some(Box::new(Recording::begin(recorder, &sent.redactor, Arc::clone(task), head)))
    }

    /// Builds the request of a call in the form it is written in, if its path is exactly the intended
    /// one.
    fn request(&self, call: &ServiceCall) -> Option<Request<()>> {
        // Filled in place, because a builder moves the whole request at each step.
        let mut request = Request::new(());
        let path = self.settings.endpoint.exactly(&call.target)?;
        *request.uri_mut() = self.transport.address(path);
        *request.method_mut() = Method::from_bytes(call.method.as_str().as_bytes()).ok()?;
        let common = self.transport.headers();
        *request.headers_mut() = common.clone();
        for (name, value) in &call.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let value = HeaderValue::from_str(value).ok()?;
            // What every request has is not the file's to say: the host is that of the connection.
            if !common.contains_key(&name) {
                request.headers_mut().insert(name, value);
            }
        }
        if call.body.is_none() && call.method != service::Method::Get {
            // Some gateways refuse a call that does not say that it has no body (RFC 9110, 8.6).
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Some(request)
    }

    fn authorise(&self, request: &mut Request<()>, body: &[u8]) -> Authorisation {
        let project = self.settings.project.as_ref();
        match (&self.credentials, &self.placement) {
            (Some(credentials), Some(placement)) => {
                credentials.authorise_placed(request, body, placement, project)
            }
            (_, _) => Authorisation { redactor: self.redactor.clone(), signed_at: None },
        }
    }
}

/// Reads an answer to its end, or as far as it comes.
async fn read(
    reply: &mut Reply<'_>,
    recording: Option<Box<Recording>>,
    most_bytes: usize,
) -> Result<Received, NoResponse> {
    let status = reply.status.as_u16();
    let (mut body, mut received) = (Vec::new(), 0);
    let take = |chunk: &[u8]| {
        received += chunk.len();
        body.extend_from_slice(chunk);
        if body.len() > most_bytes {
            // Blanks before a body have no meaning, however many they are.
            let blanks = body.len() - body.trim_ascii_start().len();
            body.drain(..blanks);
        }
        let is_too_long = received > MOST_RECEIVED || body.len() > most_bytes;
        if is_too_long { Err(TooLong) } else { Ok(()) }
    };
    let missing = reply.receive(take).await.err();
    let is_too_long = matches!(missing, Some(Incomplete::TooLong));
    let missing = missing.map(|missing| {
        missing.described(&format!("the answer is longer than {} MiB", most_bytes >> 20))
    });
    if let Some(mut recording) = recording {
        let received = u64::try_from(received).unwrap_or(u64::MAX);
        recording.body(received, &body, missing.as_deref());
    }
    if missing.is_none() && reply.is_plain() && wants_tls(status, &body) {
        return Err(plain_http_to_tls());
    }
    if is_too_long {
        body.clear();
    }
    let headers = std::mem::take(&mut reply.headers);
    Ok(Received { status, headers, body, missing, advice: None })
}
