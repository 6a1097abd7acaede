//! The HTTP client, set up so that it does nothing by itself: no resend and no redirect.

use super::endpoint::Endpoint;
use super::route::Route;
use reqwest::Client;
use reqwest::redirect;
use std::num::NonZeroUsize;
use std::time::Duration;

/// How long an idle connection is kept: shorter than servers keep theirs, so that a call is
/// seldom written to a connection that the other side is just closing.
const POOL_IDLE: Duration = Duration::from_secs(8);
/// The most headers of an answer.
const MOST_HEADERS: usize = 64;

/// Sets up a client for one host, with at most so many connections.
pub(super) fn http_client(
    endpoint: &Endpoint,
    route: &Route,
    connect_timeout: Duration,
    connections: NonZeroUsize,
) -> Result<Client, reqwest::Error> {
    route
        .client()?
        // Resends of its own would bypass pace and store.
        .retry(reqwest::retry::never())
        // A redirect would carry the token to another host.
        .redirect(redirect::Policy::none())
        .https_only(!endpoint.is_plain())
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(connections.get())
        .http1_only()
        .http1_max_headers(MOST_HEADERS)
        .tcp_nodelay(true)
        .build()
}
