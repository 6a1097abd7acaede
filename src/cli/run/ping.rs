//! Tells a monitor that a run begins and how it ended, as healthchecks.io has it
//! (<https://healthchecks.io/docs/http_api/>): `URL/start`, then `URL` or `URL/STATUS`.
//!
//! Pings never affect the run: one that fails is a warning. The address is a secret of its
//! kind, whoever has it can speak for the job, so no message shows more than its host.

use crate::cli::output::stream::Stderr;
use crate::cli::process::runtime::CommandRuntime;
use batchctl::api::{Route, innermost};
use batchctl::report::ExitStatus;
use reqwest::Client;
use std::thread::JoinHandle;
use std::time::Duration;
use std::{io, thread};
use url::Url;

/// How often each is tried.
const TRIES: u32 = 3;
/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a ping failed.
#[derive(Debug, thiserror::Error)]
enum PingError {
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
    #[error("a runtime cannot be set up")]
    Runtime(#[source] io::Error),
    #[error("{0}")]
    Unreachable(String),
    #[error("it answered {0}")]
    Answered(u16),
    /// The address is a secret, so it is not followed to another host.
    #[error("it answered {0}, a redirect, which is not followed; name the address it leads to")]
    Redirected(u16),
}

/// A monitor that was sent the start ping.
pub(crate) struct Ping {
    url: Url,
    route: Route,
    begun: JoinHandle<Result<(), PingError>>,
}

impl Ping {
    /// Sends the start ping on a thread of its own, so that the run does not wait for it.
    pub(crate) fn start(url: &Url, route: Route) -> Self {
        let (target, way) = (below(url, "start"), route.clone());
        Self { url: url.clone(), route, begun: thread::spawn(move || send(&target, &way)) }
    }

    /// Sends the exit status; warns of pings that failed.
    pub(crate) fn end(self, status: ExitStatus, stderr: &Stderr) {
        let target = match status {
            ExitStatus::Ok => self.url.clone(),
            status => below(&self.url, &status.code().to_string()),
        };
        // A monitor must not hear of the beginning after the end.
        let begun = self.begun.join();
        let ended = send(&target, &self.route);
        for sent in begun.into_iter().chain([ended]) {
            if let Err(error) = sent {
                let host = self.url.host_str().unwrap_or("the monitor");
                stderr.say("warning", &format!("{host} was not pinged: {error}"));
            }
        }
    }
}

/// Returns the address with one more part of the path.
fn below(url: &Url, part: &str) -> Url {
    let mut url = url.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push(part);
    }
    url
}

fn send(url: &Url, route: &Route) -> Result<(), PingError> {
    let runtime = CommandRuntime::new().map_err(PingError::Runtime)?;
    let client = route
        .client()
        .and_then(|client| client.timeout(PATIENCE).build())
        .map_err(PingError::Client)?;
    runtime.block_on(try_often(&client, url))
}

async fn try_often(client: &Client, url: &Url) -> Result<(), PingError> {
    let mut result = once(client, url).await;
    for _ in 1..TRIES {
        if matches!(result, Ok(()) | Err(PingError::Redirected(_))) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        result = once(client, url).await;
    }
    result
}

async fn once(client: &Client, url: &Url) -> Result<(), PingError> {
    let answer = client.get(url.clone()).send().await;
    // Without its URL, which is the secret.
    let unreachable = |e: reqwest::Error| PingError::Unreachable(innermost(&e.without_url()));
    let answer = answer.map_err(unreachable)?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status if status.is_redirection() => Err(PingError::Redirected(status.as_u16())),
        status => Err(PingError::Answered(status.as_u16())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_a_part_of_the_path() {
        let check = |url: &str, expected: &str| {
            assert_eq!(below(&url.parse().unwrap(), "start").as_str(), expected);
        };
        check("https://hc.example/abc", "https://hc.example/abc/start");
        check("https://hc.example/abc/", "https://hc.example/abc/start");
        check("https://hc.example/abc?create=1", "https://hc.example/abc/start?create=1");
    }
}
