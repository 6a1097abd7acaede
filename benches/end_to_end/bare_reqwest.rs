//! The least that a client of the same library can cost: calls, and nothing else.
//!
//! One connection pool on one thread, the answer's body parsed, no record of anything. What
//! batchctl costs beyond this is its own. Arguments: a file of URLs, and how many calls at a time.

use futures::StreamExt;
use reqwest::Client;
use serde_json::Value;
use std::fs;

type Trouble = Box<dyn std::error::Error>;

fn main() -> Result<(), Trouble> {
    let mut arguments = std::env::args().skip(1);
    let urls = arguments.next().ok_or("the first argument is a file of URLs")?;
    let concurrency = arguments.next().ok_or("the second is how many calls at a time")?.parse()?;
    let urls = fs::read_to_string(urls)?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().build()?;
    let calls = futures::stream::iter(urls.lines()).map(|url| succeeds(&client, url));
    let served =
        calls.buffer_unordered(concurrency).filter(|served| futures::future::ready(*served));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(served.count());
    if served == urls.lines().count() { Ok(()) } else { Err("not every call was served".into()) }
}

async fn succeeds(client: &Client, url: &str) -> bool {
    let request = client.put(url).header("x-auth-token", "a-token-that-nobody-checks");
    let Ok(answer) = request.send().await else { return false };
    let Ok(body) = answer.bytes().await else { return false };
    serde_json::from_slice::<Value>(&body).is_ok_and(|body| body["succeed_count"] == 1)
}
