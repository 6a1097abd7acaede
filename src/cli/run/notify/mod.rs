//! Notifies a webhook of the end of a run.
//!
//! The address is a secret, so no message shows any part of it. A message that is not taken is a
//! warning, and never changes the exit status.

mod message;
mod shape;
mod signature;

use crate::cli::Context;
use crate::cli::connect::config_keys;
use crate::cli::connect::credentials::secret_file;
use crate::cli::flags::notify;
use crate::cli::flags::notify::{NotifyArgs, NotifyShape, NotifyWhen, WebhookAddress};
use crate::cli::flags::precedence::Stronger;
use crate::cli::flags::secret_value;
use crate::cli::output::error::CommandError;
use crate::cli::process::runtime::runtime;
use batchctl::api::{Route, innermost, read_text};
use batchctl::clock::Clock;
use batchctl::report::{ExitStatus, is_recovery};
use batchctl::run;
use message::{Ending, Event};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response};
use serde_json::Value;
use shape::Verdict;
use std::path::Path;
use std::time::Duration;

/// How long all tries together may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one try may take.
const TRY: Duration = Duration::from_secs(10);
/// How long it waits between the two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// The most bytes of an answer that are read.
const MOST_OF_ANSWER: usize = 64 << 10;

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
enum NotifyError {
    #[error("the HTTP client cannot be set up")]
    Client,
    #[error("{0}")]
    Unreachable(String),
    #[error("it gave no answer in time")]
    TimedOut,
    #[error("it answered {0}")]
    Answered(u16),
    #[error("it answered {0}, a redirect, which is not followed")]
    Redirected(u16),
    #[error("it refused the message with code {0}")]
    Refused(i64),
    #[error("its answer is not one of a webhook of this shape")]
    Strange,
}

impl NotifyError {
    /// Returns whether a second try may be taken.
    const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut => true,
            Self::Answered(status) => *status >= 500 || *status == 429,
            Self::Client | Self::Redirected(_) | Self::Refused(_) | Self::Strange => false,
        }
    }
}

/// A webhook, and when it is notified.
pub(crate) struct Notifier {
    when: Vec<NotifyWhen>,
    address: WebhookAddress,
    shape: NotifyShape,
    /// What messages are signed with, if they are.
    secret: Option<String>,
    route: Route,
}

impl Notifier {
    /// Returns the webhook that flags, variables and the config file name, if they ask for one.
    ///
    /// # Errors
    ///
    /// The address cannot be read or used, or others may have written it.
    pub(crate) fn find(
        args: &NotifyArgs,
        route: Route,
        context: &Context,
    ) -> Result<Option<Self>, CommandError> {
        if args.notify.is_empty() {
            return Ok(None);
        }
        // A proxy or a certificate of somebody else would read the address.
        let keys = ["notify-url", "notify-url-file", "notify-secret-file", "proxy", "ca-file"];
        config_keys::require_trusted_keys(&keys, context)?;
        let address = address(args, context)?;
        if route.proxy.is_some() && !address.is_encrypted() {
            let error = "the proxy would read the address of the webhook, which is plain http";
            return Err(CommandError::usage(error).with_hint("use https"));
        }
        let shape = args.notify_shape.unwrap_or_else(|| address.shape());
        let secret = secret(args, shape, context)?;
        Ok(Some(Self { when: args.notify.clone(), address, shape, secret, route }))
    }

    /// Sends a message about the end of a command, if one is wanted; returns what is to be warned
    /// of.
    pub(crate) fn end(
        &self,
        verb: &str,
        job: Option<&str>,
        status: ExitStatus,
        context: &Context,
    ) -> Result<Option<String>, CommandError> {
        let Some(event) = self.event(status, context)? else { return Ok(None) };
        let report = context.run_end.report();
        let job = report.map_or(job, |report| report.run.job.as_deref());
        let message = message::write(&Ending { event, verb, job, status }, context);
        let body = shape::body(self.shape, &message);
        let sent = runtime()?.block_on(self.send(&body));
        Ok(sent.err().map(|error| format!("the webhook was not notified: {error}")))
    }

    /// Decides whether a message is sent, and about what.
    fn event(&self, status: ExitStatus, context: &Context) -> Result<Option<Event>, CommandError> {
        let is_wanted = |when| self.when.contains(&when) || self.when.contains(&NotifyWhen::Always);
        if status != ExitStatus::Ok {
            return Ok(is_wanted(NotifyWhen::Failure).then_some(Event::Failure));
        }
        if let Some(report) = context.run_end.report()
            && is_wanted(NotifyWhen::Recovery)
            && is_recovery(&run::runs_in(&context.state), report)?
        {
            return Ok(Some(Event::Recovery));
        }
        Ok(is_wanted(NotifyWhen::Always).then_some(Event::Success))
    }

    async fn send(&self, body: &Value) -> Result<(), NotifyError> {
        let client = self.route.client().and_then(reqwest::ClientBuilder::build);
        let client = client.map_err(|_| NotifyError::Client)?;
        deliver(|| self.once(&client, body)).await
    }

    async fn once(&self, client: &Client, body: &Value) -> Result<(), NotifyError> {
        // Without its URL, which is the secret.
        let unreachable = |e: reqwest::Error| NotifyError::Unreachable(innermost(&e.without_url()));
        let (mut url, mut body) = (self.address.url(), body.clone());
        // For each try anew, because a signature is good for an hour at most.
        if let Some(secret) = &self.secret {
            signature::sign(self.shape, secret, Clock::start().now(), (&mut url, &mut body));
        }
        let request = client.post(url).header(CONTENT_TYPE, "application/json");
        let answer = request.body(body.to_string()).send().await.map_err(unreachable)?;
        match answer.status() {
            status if status.is_redirection() => Err(NotifyError::Redirected(status.as_u16())),
            status if !status.is_success() => Err(NotifyError::Answered(status.as_u16())),
            _ => {
                let body = beginning(answer).await.map_err(unreachable)?;
                match shape::verdict(self.shape, &body) {
                    Verdict::Taken => Ok(()),
                    Verdict::Refused(code) => Err(NotifyError::Refused(code)),
                    Verdict::Strange => Err(NotifyError::Strange),
                }
            }
        }
    }
}

/// Tries twice at most, and for no longer than a run may be kept from ending.
async fn deliver<T: Future<Output = Result<(), NotifyError>>>(
    once: impl Fn() -> T,
) -> Result<(), NotifyError> {
    let attempt = async || {
        let tried = tokio::time::timeout(TRY, once()).await;
        tried.unwrap_or(Err(NotifyError::TimedOut))
    };
    let both = async {
        match attempt().await {
            Err(error) if error.is_transient() => {
                tokio::time::sleep(PAUSE).await;
                attempt().await
            }
            result => result,
        }
    };
    tokio::time::timeout(PATIENCE, both).await.unwrap_or(Err(NotifyError::TimedOut))
}

async fn beginning(mut answer: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await?
        && body.len() < MOST_OF_ANSWER
    {
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Returns the secret that messages are signed with: that in the file, or in the variable.
fn secret(
    args: &NotifyArgs,
    shape: NotifyShape,
    context: &Context,
) -> Result<Option<String>, CommandError> {
    let Some(path) = &args.notify_secret_file else {
        let variable = context.environment.variable("BATCHCTL_NOTIFY_SECRET");
        let secret = variable.and_then(|value| value.to_str()).map(|it| it.trim().to_owned());
        // An empty variable is as good as none.
        let secret = secret.filter(|secret| !secret.is_empty());
        secret.iter().for_each(|secret| learn(secret, context));
        return Ok(secret.filter(|_| signature::is_signed(shape)));
    };
    if !signature::is_signed(shape) {
        let error = "`--notify-secret-file` signs messages, and this webhook takes no signature";
        return Err(CommandError::usage(error).with_hint("DingTalk and Feishu take one"));
    }
    let path = secret_file::located(path, context);
    secret_file::warn_if_shared(&path, context);
    let unusable = |why: &str| {
        let file = secret_value::file_of("notify-secret-file", &path);
        let error = format!("{file} holds no secret of a webhook: {why}");
        let hint = "a secret itself belongs into BATCHCTL_NOTIFY_SECRET";
        CommandError::usage(error).with_hint(hint)
    };
    let text = read_text(&path).map_err(|error| unusable(&error.to_string()))?;
    let secret = text.trim().to_owned();
    if secret.is_empty() {
        return Err(unusable("it is empty"));
    }
    learn(&secret, context);
    Ok(Some(secret))
}

fn learn(secret: &str, context: &Context) {
    context.stderr.redactor.learn("webhook secret", secret);
}

/// Returns the address: that of the variable or key, or that in the file.
fn address(args: &NotifyArgs, context: &Context) -> Result<WebhookAddress, CommandError> {
    let in_file = match (&args.notify_url, &args.notify_url_file) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(_), Some(_)) => {
            context.given.stronger("notify-url", "notify-url-file")? == Stronger::Second
        }
    };
    let address = match (&args.notify_url, &args.notify_url_file) {
        (_, Some(path)) if in_file => read(path, context)?,
        (Some(address), _) => address.clone(),
        (None, _) => unreachable!("flags without an address are refused"),
    };
    notify::register(address.url().as_str(), context.stderr.redactor);
    Ok(address)
}

fn read(path: &Path, context: &Context) -> Result<WebhookAddress, CommandError> {
    let path = secret_file::located(path, context);
    secret_file::warn_if_shared(&path, context);
    let unusable = |why: String| {
        let file = secret_value::file_of("notify-url-file", &path);
        let error = format!("{file} holds no address of a webhook: {why}");
        CommandError::usage(error).with_hint("an address itself belongs into BATCHCTL_NOTIFY_URL")
    };
    let text = read_text(&path).map_err(|error| unusable(error.to_string()))?;
    notify::register(&text, context.stderr.redactor);
    notify::address(&text).map_err(unusable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::{pending, ready};

    #[tokio::test(start_paused = true)]
    async fn a_webhook_that_gives_no_answer_keeps_a_run_for_21_seconds() {
        let (tries, clock) = (Cell::new(0), Clock::start());
        let began = clock.instant();
        let once = || {
            tries.set(tries.get() + 1);
            pending()
        };
        assert!(matches!(deliver(once).await, Err(NotifyError::TimedOut)));
        assert_eq!((tries.get(), clock.instant() - began), (2, Duration::from_secs(21)));
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_tried_again() {
        for (error, expected) in [(503, 2), (429, 2), (500, 2), (400, 1), (404, 1)] {
            let tries = Cell::new(0);
            let once = || {
                tries.set(tries.get() + 1);
                ready(Err(NotifyError::Answered(error)))
            };
            assert!(deliver(once).await.is_err());
            assert_eq!(tries.get(), expected, "{error}");
        }
    }
}
