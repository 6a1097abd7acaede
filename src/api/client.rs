//! The HTTP client of the service, set up so that nothing is sent behind the engine's back.

use super::authority::Authority;
use super::credentials::{Authorisation, Credentials};
use super::endpoint::{Endpoint, ProjectId};
use super::exchange::{Record, Recording};
use super::list::{Checked, Listed};
use super::listing::Listing;
use super::route::Route;
use super::transport::{Outgoing, Transport};
use super::{TaskApi, call};
use crate::policy::{ActionResult, Answer, Body, Delivery, NoResponse};
use crate::task::{Command, FailureKind, Level, Task};
use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The first page of the list, as small as there is one.
const SMALLEST_PAGE: &str = "page_num=1&page_size=5";
/// What the official SDKs say of every call, even of one without a body.
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The longest time that a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// The settings of a client.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The base address of all calls.
    pub endpoint: Endpoint,
    /// The project of all calls.
    pub project: ProjectId,
    /// What the ids of the calls name.
    pub level: Level,
    /// The route of all calls. By default the direct one.
    pub route: Route,
    /// The longest time that connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// The number of calls at a time.
    pub concurrency: NonZeroUsize,
}

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the HTTP client")]
pub struct ClientError(#[from] rustls::Error);

impl ClientError {
    /// Returns what can be done: nothing but the authorities of the machine can be missing.
    pub const fn hint(&self) -> &'static str {
        "install the authorities of this machine, such as the package ca-certificates, or name a file \
         with `--ca-file FILE`"
    }
}

/// Calls the Video Intelligent Analysis Service.
#[derive(Debug)]
pub struct ViasClient {
    transport: Transport,
    settings: ClientSettings,
    /// The headers of a call, without what authorises it.
    headers: HeaderMap,
    credentials: Arc<Credentials>,
    recorder: Option<Arc<dyn Record>>,
}

impl ViasClient {
    /// Sets up a client that sends these credentials. Makes no call.
    pub fn new(
        settings: ClientSettings,
        credentials: Arc<Credentials>,
    ) -> Result<Self, ClientError> {
        let transport = Transport::new(
            &settings.endpoint,
            &settings.route,
            settings.connect_timeout,
            settings.concurrency,
        )?;
        let mut headers = transport.headers().clone();
        // Some gateways refuse a PUT that does not say that it has no body (RFC 9110, 8.6).
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        headers.insert(CONTENT_TYPE, JSON);
        Ok(Self { transport, settings, headers, credentials, recorder: None })
    }

    /// Returns the client with a recorder of its calls.
    #[must_use]
    pub fn recording(self, recorder: Option<Arc<dyn Record>>) -> Self {
        Self { recorder, ..self }
    }

    /// Returns the credentials of its calls.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Makes one cheap call, to find out whether calls work.
    pub async fn check(&self) -> Checked {
        let mut url = self.address_of(&Listing::default());
        url.set_query(Some(SMALLEST_PAGE));
        let (request, sent) = self.authorised(get(&url));
        call::check(&self.transport, request, &sent, CHECK_TIMEOUT).await
    }

    /// Builds the request of a task in the form it is written in, if its path is exactly the intended
    /// one.
    fn request(&self, task: &Task) -> Option<Request<()>> {
        // Filled in place, because a builder moves the whole request at each step.
        let mut request = Request::new(());
        *request.uri_mut() = self.transport.address(self.action_of(task)?);
        *request.headers_mut() = self.headers.clone();
        if task.command == Command::DELETE {
            *request.method_mut() = Method::DELETE;
            request.headers_mut().remove(CONTENT_LENGTH);
        } else {
            *request.method_mut() = Method::PUT;
        }
        Some(request)
    }

    fn action_of(&self, task: &Task) -> Option<PathAndQuery> {
        let ClientSettings { endpoint, project, level, .. } = &self.settings;
        endpoint.action(project, *level, task)
    }

    /// Gives a request its credentials.
    fn authorise(&self, request: &mut Request<()>) -> Authorisation {
        self.credentials.authorise(request, Some(&self.settings.project))
    }

    /// Gives the call of a task its credentials.
    fn authorised_call(&self, mut request: Request<()>) -> (Outgoing, Authorisation) {
        let sent = self.authorise(&mut request);
        (Outgoing::new(request.map(|()| Bytes::new())), sent)
    }

    /// Gives a request to a whole address its credentials and the form that it is written in.
    fn authorised(&self, mut request: Request<()>) -> (Outgoing, Authorisation) {
        let sent = self.authorise(&mut request);
        (self.transport.outgoing(request.map(|()| Bytes::new())), sent)
    }

    /// Begins to record a call, if there is a recorder.
    fn recording_of(
        &self,
        task: &Arc<Task>,
        request: &Outgoing,
        sent: &Authorisation,
    ) -> Option<Box<Recording>> {
        let recorder = self.recorder.as_ref()?;
        let target = self.settings.endpoint.at(self.action_of(task)?).to_string();
        let head = (request.method().as_str(), target.as_str(), request.headers());
        Some(Box::new(Recording::begin(recorder, &sent.redactor, Arc::clone(task), head)))
    }

    /// Builds the request for a page of a list.
    fn page_request(&self, listing: &Listing, number: u32) -> Request<()> {
        let mut url = self.address_of(listing);
        listing.add_to(&mut url, number);
        get(&url)
    }

    fn address_of(&self, listing: &Listing) -> Url {
        self.settings.endpoint.below(&listing.path(&self.settings.project))
    }
}

/// Counts the one sub-task that a call was for: the service promises nothing of the answer but an
/// object, and what follows is seen from the state.
fn counted_as_one(answer: Answer) -> Answer {
    let Answer::Response(mut response) = answer else { return answer };
    if let Body::Result(result) = &mut response.body {
        let (total, failed, succeeded) = (Some(1), Some(0), Some(1));
        *result =
            ActionResult { id: result.id.take(), total, failed, succeeded, error_list: Vec::new() };
    }
    Answer::Response(response)
}

fn get(url: &Url) -> Request<()> {
    Request::get(url.as_str()).body(()).expect("the address of an endpoint is one")
}

impl TaskApi for ViasClient {
    async fn call(&self, task: Arc<Task>) -> Answer {
        // The credentials are chosen here, at the first poll, and not when the task was admitted.
        match self.request(&task).map(|request| self.authorised_call(request)) {
            Some((request, sent)) => {
                let recording = self.recording_of(&task, &request, &sent);
                let exchange = call::exchange(&self.transport, request, &task.id, &sent, recording);
                let answer = exchange.await;
                match self.settings.level {
                    Level::Batch => answer,
                    Level::Task => counted_as_one(answer),
                }
            }
            None => Answer::NoResponse(NoResponse {
                kind: FailureKind::NotSent,
                delivery: Delivery::NeverLeft,
                message: "the id would change the path of the call".into(),
            }),
        }
    }

    async fn list(&self, listing: &Listing, number: u32) -> Listed {
        let (request, sent) = self.authorised(self.page_request(listing, number));
        call::fetch_page(&self.transport, request, listing, &sent).await
    }

    fn authority(&self) -> &dyn Authority {
        &*self.credentials
    }
}
