//! The flags that notify a webhook, and what its address may be.
//!
//! The address is a secret: whoever has it can write into the channel. So no message quotes it, and
//! it is never taken from the command line.

use batchctl::api::Redactor;
use batchctl::text;
use clap::{Args, ValueEnum};
use std::fmt;
use std::path::PathBuf;
use url::{Host, Url};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Unattended")]
pub(crate) struct NotifyArgs {
    /// Send a message to the webhook in BATCHCTL_NOTIFY_URL: after a failure, when the job is good
    /// again (recovery), or always
    #[arg(long, value_name = "WHEN", value_delimiter = ',')]
    pub(crate) notify: Vec<NotifyWhen>,
    /// The address of the webhook: a variable or a key, because others can read a command line
    #[arg(long, value_name = "URL", value_parser = address, hide = true)]
    pub(crate) notify_url: Option<WebhookAddress>,
    /// A file that holds the address of the webhook
    #[arg(long, value_name = "FILE")]
    pub(crate) notify_url_file: Option<PathBuf>,
    // Its own text, because a comment would need backticks round the name.
    #[arg(
        long,
        value_name = "FILE",
        help = "A file that holds the secret for signed messages, \
        as DingTalk and Feishu want them"
    )]
    pub(crate) notify_secret_file: Option<PathBuf>,
    /// The shape of the message [default: by the host of the address]
    #[arg(long, value_name = "SHAPE")]
    pub(crate) notify_shape: Option<NotifyShape>,
}

/// After which ends of a run a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NotifyWhen {
    Failure,
    Recovery,
    Always,
}

/// The service whose messages a webhook takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NotifyShape {
    Slack,
    Teams,
    Dingtalk,
    Wecom,
    Feishu,
    Json,
}

/// The hosts of each shape, and of all names below them.
const HOSTS: [(&str, NotifyShape); 9] = [
    ("hooks.slack.com", NotifyShape::Slack),
    ("hooks.slack-gov.com", NotifyShape::Slack),
    ("logic.azure.com", NotifyShape::Teams),
    ("api.powerplatform.com", NotifyShape::Teams),
    ("webhook.office.com", NotifyShape::Teams),
    ("oapi.dingtalk.com", NotifyShape::Dingtalk),
    ("qyapi.weixin.qq.com", NotifyShape::Wecom),
    ("open.feishu.cn", NotifyShape::Feishu),
    ("open.larksuite.com", NotifyShape::Feishu),
];

impl NotifyShape {
    /// Returns the shape that a host takes; plain JSON for every unknown one.
    fn from_host(host: &str) -> Self {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_below = |known: &str| {
            let above = host.strip_suffix(known);
            above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
        };
        HOSTS.into_iter().find(|(known, _)| is_below(known)).map_or(Self::Json, |(_, shape)| shape)
    }
}

/// The address of a webhook.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WebhookAddress(Url);

impl fmt::Debug for WebhookAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookAddress([hidden])")
    }
}

impl WebhookAddress {
    pub(crate) fn shape(&self) -> NotifyShape {
        NotifyShape::from_host(self.0.host_str().unwrap_or_default())
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Returns the address itself, for the request alone.
    pub(crate) fn url(&self) -> Url {
        self.0.clone()
    }
}

/// Reads the address of a webhook: https, or http to this machine.
pub(crate) fn address(text: &str) -> Result<WebhookAddress, String> {
    let wrong = "a webhook's address looks like `https://hooks.example.com/…`";
    let url = text::address(text).map_err(|error| format!("{wrong} ({error})"))?;
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name.trim_end_matches('.') == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a webhook's address has no user and no password".into());
    }
    match url.scheme() {
        "https" => Ok(WebhookAddress(url)),
        "http" if is_loopback => Ok(WebhookAddress(url)),
        "http" => Err("a webhook is called by https; http is for this machine alone".into()),
        _ => Err(wrong.into()),
    }
}

/// Makes the secret part of an address known: what is behind the host, which others share.
pub(crate) fn register(text: &str, redactor: &Redactor) {
    let text = text.trim();
    let behind_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    let secret = behind_scheme.find(['/', '?']).map_or("", |start| &behind_scheme[start..]);
    redactor.learn("webhook", secret);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_recognised_by_the_host() {
        let check = |host: &str, expected| {
            let address = address(&format!("https://{host}/x/y?z=1")).unwrap();
            assert_eq!(address.shape(), expected, "{host}");
        };
        check("hooks.slack.com", NotifyShape::Slack);
        check("HOOKS.SLACK.COM.", NotifyShape::Slack);
        check("prod-12.westeurope.logic.azure.com:443", NotifyShape::Teams);
        check("default1.environment.api.powerplatform.com", NotifyShape::Teams);
        check("acme.webhook.office.com", NotifyShape::Teams);
        check("oapi.dingtalk.com", NotifyShape::Dingtalk);
        check("qyapi.weixin.qq.com", NotifyShape::Wecom);
        check("open.feishu.cn", NotifyShape::Feishu);
        check("open.larksuite.com", NotifyShape::Feishu);
        for other in ["hooks.slack.com.example.com", "myhooks.slack.com.example", "127.0.0.1"] {
            check(other, NotifyShape::Json);
        }
        check("nothooks.slack.com", NotifyShape::Json);
    }

    #[test]
    fn an_address_is_https_or_this_machine() {
        for good in ["https://h/x", " https://h/x\n", "http://127.0.0.1:8/x", "http://localhost/x"]
        {
            assert!(address(good).is_ok(), "{good}");
        }
        assert!(address("http://[::1]:8/x").is_ok());
        for bad in ["http://h.example/s3cret", "ftp://h/s3cret", "s3cret", "https://me:s3cret@h/"] {
            let error = address(bad).unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
        let shown = format!("{:?}", address("https://h/s3cret").unwrap());
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn what_is_behind_the_host_is_the_secret() {
        let redactor = Redactor::default();
        register("https://vias.example.com/services/T0/B0/abcdef", &redactor);
        let text = "https://vias.example.com/services/T0/B0/abcdef".to_owned();
        assert_eq!(redactor.redact(text), "https://vias.example.com[webhook]");
    }
}
