//! The least that a client of the same library can cost: calls, and nothing else.
//!
//! One connection pool on one thread, the answer's body parsed, no record of anything. What
//! batchctl costs beyond this is its own. It runs in a process of its own, as all contenders do.

use super::Trouble;
use futures::StreamExt;
use reqwest::Client;
use serde_json::Value;
use std::fs;

/// The first argument of the process that is this loop.
pub(super) const WORD: &str = "bare-reqwest";

/// Calls every URL of a file.
pub(super) fn run(urls: &str, concurrency: usize) -> Result<(), Trouble> {
    let urls = fs::read_to_string(urls)?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().build()?;
    let calls = futures::stream::iter(urls.lines()).map(|url| succeeds(&client, url));
    let ended = calls.buffer_unordered(concurrency);
    let served = ended.filter(|served| futures::future::ready(*served)).count();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(served);
    if served == urls.lines().count() { Ok(()) } else { Err("not every call was served".into()) }
}

async fn succeeds(client: &Client, url: &str) -> bool {
    let request = client.put(url).header("x-auth-token", "benchmark-token");
    let Ok(answer) = request.send().await else { return false };
    let Ok(body) = answer.bytes().await else { return false };
    serde_json::from_slice::<Value>(&body).is_ok_and(|body| body["succeed_count"] == 1)
}
