//! The HTTP client of what is asked seldom, set up so that it does nothing by itself: no resend,
//! and no redirect, as [`Route::client`] has it. Calls of the service go over `transport`.

use super::endpoint::Endpoint;
use super::route::Route;
use reqwest::Client;
use std::time::Duration;

/// The most headers of an answer.
const MOST_HEADERS: usize = 64;

/// Sets up a client for one host.
pub(super) fn http_client(
    endpoint: &Endpoint,
    route: &Route,
    connect_timeout: Duration,
) -> Result<Client, reqwest::Error> {
    route
        .client()?
        .retry(reqwest::retry::never())
        .https_only(!endpoint.is_plain())
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .connect_timeout(connect_timeout)
        .http1_only()
        .http1_max_headers(MOST_HEADERS)
        .tcp_nodelay(true)
        .build()
}
