//! The content policy of a page: what its browser may run and ask for.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA256, digest};

/// What a page may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageRequests {
    /// Nothing: the page is a file.
    None,
    /// What the server has that served it.
    OwnServer,
}

/// Returns a policy that allows a page its own style and script, and no other request than these.
pub fn content_policy(style: &str, script: &str, requests: PageRequests) -> String {
    // By hash instead of 'unsafe-inline', which would also allow a script that a text smuggles in.
    let hash = |text: &str| BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()));
    let connect = match requests {
        PageRequests::None => "",
        PageRequests::OwnServer => "; connect-src 'self'",
    };
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; \
         form-action 'none'{connect}",
        hash(style),
        hash(script)
    )
}
