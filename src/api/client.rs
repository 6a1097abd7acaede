//! The HTTP client of the service, set up so that nothing is sent behind the engine's back.

use super::TaskApi;
use super::authority::Authority;
use super::call;
use super::credentials::Credentials;
use super::endpoint::Endpoint;
use super::endpoint::ProjectId;
use super::list::ListFilter;
use super::list::Listed;
use crate::policy::Answer;
use crate::policy::Delivery;
use crate::policy::NoResponse;
use crate::task::FailureKind;
use crate::task::Task;
use reqwest::Client;
use reqwest::Method;
use reqwest::Request;
use reqwest::redirect;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// How long an idle connection is kept: shorter than servers keep theirs, so that a call is
/// seldom written to a connection that the other side is just closing.
const POOL_IDLE: Duration = Duration::from_secs(8);
/// The most headers of an answer.
const MOST_HEADERS: usize = 64;

/// What a client is told before its first call.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Where calls go.
    pub endpoint: Endpoint,
    /// The project they are for.
    pub project: ProjectId,
    /// How long making a connection may take, TLS included.
    pub connect_timeout: Duration,
    /// How many calls there are at a time.
    pub concurrency: NonZeroUsize,
}

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the HTTP client")]
pub struct ClientError(#[from] reqwest::Error);

/// Calls the Video Intelligent Analysis Service.
#[derive(Debug)]
pub struct ViasClient {
    http: Client,
    settings: ClientSettings,
    credentials: Arc<Credentials>,
}

impl ViasClient {
    /// Sets up a client that sends these credentials. Makes no call.
    pub fn new(
        settings: ClientSettings,
        credentials: Arc<Credentials>,
    ) -> Result<Self, ClientError> {
        let http = http_client(&settings)?;
        Ok(Self { http, settings, credentials })
    }

    /// Builds the request of a task, if its path is exactly the intended one.
    fn request(&self, task: &Task) -> Option<Request> {
        let url = self.settings.endpoint.action(&self.settings.project, task)?;
        Some(Request::new(Method::PUT, url))
    }

    /// Builds the request for a page of the list.
    fn page_request(&self, filter: &ListFilter, number: u32) -> Request {
        let mut url = self.settings.endpoint.list(&self.settings.project);
        filter.add_to(&mut url, number);
        Request::new(Method::GET, url)
    }
}

impl TaskApi for ViasClient {
    async fn call(&self, task: Arc<Task>) -> Answer {
        match self.request(&task) {
            Some(mut request) => {
                let sent = self.credentials.authorise(&mut request);
                call::exchange(&self.http, request, &sent).await
            }
            None => Answer::NoResponse(NoResponse {
                kind: FailureKind::NotSent,
                delivery: Delivery::NeverLeft,
                message: "the id would change the path of the call".into(),
            }),
        }
    }

    async fn list(&self, filter: &ListFilter, number: u32) -> Listed {
        let mut request = self.page_request(filter, number);
        let sent = self.credentials.authorise(&mut request);
        call::fetch_page(&self.http, request, &sent).await
    }

    fn authority(&self) -> &dyn Authority {
        &*self.credentials
    }
}

fn http_client(settings: &ClientSettings) -> Result<Client, reqwest::Error> {
    // Fails only if a provider is installed already, and then that one serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("batchctl/", env!("CARGO_PKG_VERSION")))
        // Resends of its own would bypass pace and store.
        .retry(reqwest::retry::never())
        // A redirect would carry the token to another host.
        .redirect(redirect::Policy::none())
        .no_proxy()
        .https_only(!settings.endpoint.is_plain())
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(settings.concurrency.get())
        .http1_only()
        .http1_max_headers(MOST_HEADERS)
        .tcp_nodelay(true)
        .build()
}
