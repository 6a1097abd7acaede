//! The settings of a sandbox: its address, its batch tasks and its faults.
//!
//! They are checked once, before anything is opened. They hold no state of a running sandbox.

use crate::sandbox::error::SandboxError;
use crate::service::Service;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The settings of a sandbox.
///
/// ```
/// use batchctl::sandbox::SandboxSettings;
/// use std::time::Duration;
///
/// let prompt = SandboxSettings {
///     latency: Duration::ZERO..=Duration::ZERO,
///     fail: 0.1,
///     ..SandboxSettings::default()
/// };
/// assert!(prompt.listen.ip().is_loopback());
/// ```
#[derive(Clone)]
pub struct SandboxSettings {
    /// The address; only loopback addresses are accepted. Default: `127.0.0.1:0`, a free port.
    pub listen: SocketAddr,
    /// The number of batch tasks at the start, see [`generated_id`](super::generated_id).
    /// Default: 1000.
    pub tasks: u32,
    /// The least and the most sub-tasks of a batch task, evenly distributed. Default: 1 to 8.
    pub sub_tasks: RangeInclusive<u16>,
    /// The latency of answers, evenly distributed. Default: 5 ms to 30 ms.
    pub latency: RangeInclusive<Duration>,
    /// The latency for an id ending in `-slow`. Default: 3 s.
    pub slow: Duration,
    /// The time that sub-tasks need to reach their new state. Default: 1 s.
    pub settle: Duration,
    /// The delay of the list behind the real states. Default: none.
    pub stale: Duration,
    /// The share of the batch tasks that run at the start. Default: 0.
    pub running: f64,
    /// The share of batch tasks that never reach their new state. Default: 0.
    pub stuck: f64,
    /// The gateway's throttling. Default: none.
    pub limit: Option<SandboxLimit>,
    /// The `Retry-After` of every 429, in whole seconds. Default: none, as the real gateway.
    pub retry_after: Option<Duration>,
    /// The share of actions that the service fails with a 400 or a 500. Default: 0.
    pub fail: f64,
    /// The share of actions that end with a 200 in which some sub-tasks failed. Default: 0.
    pub partial: f64,
    /// The share of actions that are carried out but answered with a reset connection. Default: 0.
    pub drop: f64,
    /// The seed of all randomness. Default: 0.
    pub seed: u64,
    /// The file for the access log, which is appended to. Default: none.
    pub access_log: Option<PathBuf>,
    /// The credentials that it demands. Default: any token.
    pub auth: SandboxAuth,
    /// The valid token, in addition to those issued at logins. Default: any that is not empty.
    pub token: Option<String>,
    /// The user that may log in.
    pub account: Account,
    /// Projects with tasks, a limit and a token of their own. Default: none; all ids of projects
    /// lead to the same.
    pub projects: Vec<OwnProject>,
    /// The service to simulate, if it is one that a file describes. Default: VIAS.
    pub service: Option<Arc<Service>>,
}

/// A project that shares nothing with the others of a sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnProject {
    /// Its id.
    pub id: String,
    /// Its throttling. Default: none.
    pub limit: Option<SandboxLimit>,
    /// After so many requests the token of the last one is refused. Default: never.
    pub token_dies_after: Option<u64>,
    /// After so many requests it answers none any more: each ends with a reset connection.
    /// Default: never.
    pub dies_after: Option<u64>,
}

/// The credentials that a sandbox demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxAuth {
    /// No credentials.
    None,
    /// A token: [`SandboxSettings::token`], or any that is not empty.
    AnyToken,
    /// A token issued at a login, or [`SandboxSettings::token`].
    Token,
    /// A signature with the account's key.
    Signature,
}

/// The gateway's throttling: more than `count` requests within any `window` are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxLimit {
    /// The number of requests.
    pub count: u32,
    /// The length of the window.
    pub window: Duration,
}

/// The only IAM user of a sandbox.
#[derive(Clone)]
pub struct Account {
    /// The name of the user. Default: `sandbox`.
    pub user: String,
    /// The user's password. Default: `sandbox`.
    pub password: String,
    /// The name of the account the user belongs to. Default: `sandbox`.
    pub domain: String,
    /// The id of the project for a login by project name. Default: `sandbox`.
    pub project_id: String,
    /// The projects of the account, as names and ids. Default: none; then every name means
    /// `project_id`.
    pub projects: Vec<(String, String)>,
    /// The passcode that a login needs in addition to the password. Default: none.
    pub passcode: Option<String>,
    /// The id of the access key. Default: `sandbox`.
    pub access_key: String,
    /// The secret of that key. Default: `sandbox`.
    pub secret_key: String,
    /// The lifetime of a token. Default: 24 h.
    pub token_life: Duration,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tasks: 1000,
            sub_tasks: 1..=8,
            latency: Duration::from_millis(5)..=Duration::from_millis(30),
            slow: Duration::from_secs(3),
            settle: Duration::from_secs(1),
            stale: Duration::ZERO,
            running: 0.0,
            stuck: 0.0,
            limit: None,
            retry_after: None,
            fail: 0.0,
            partial: 0.0,
            drop: 0.0,
            seed: 0,
            access_log: None,
            auth: SandboxAuth::AnyToken,
            token: None,
            account: Account::default(),
            projects: Vec::new(),
            service: None,
        }
    }
}

impl Default for Account {
    fn default() -> Self {
        Self {
            user: "sandbox".into(),
            password: "sandbox".into(),
            domain: "sandbox".into(),
            project_id: "sandbox".into(),
            projects: Vec::new(),
            passcode: None,
            access_key: "sandbox".into(),
            secret_key: "sandbox".into(),
            token_life: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl SandboxSettings {
    /// Checks the rules that the types do not express.
    pub(crate) fn check(&self) -> Result<(), SandboxError> {
        if !self.listen.ip().is_loopback() {
            return Err(SandboxError::NotLoopback { address: self.listen });
        }
        if self.latency.is_empty() {
            return Err(SandboxError::Latency {
                least: *self.latency.start(),
                most: *self.latency.end(),
            });
        }
        if self.sub_tasks.is_empty() || *self.sub_tasks.start() == 0 {
            let (least, most) = (*self.sub_tasks.start(), *self.sub_tasks.end());
            return Err(SandboxError::SubTasks { least, most });
        }
        self.check_shares()
    }

    /// Checks that each share is from 0 to 1, and that the three faults add up to at most 1.
    fn check_shares(&self) -> Result<(), SandboxError> {
        let shares = [self.fail, self.partial, self.drop];
        let others = [self.running, self.stuck];
        let is_share = |share: &f64| (0.0..=1.0).contains(share);
        // In binary, ten times 0.1 is slightly more than 1; that must not be an error.
        let sum_is_share = shares.iter().sum::<f64>() <= 1.0 + 1e-9;
        if shares.iter().chain(&others).all(is_share) && sum_is_share {
            return Ok(());
        }
        Err(SandboxError::Shares { fail: self.fail, partial: self.partial, drop: self.drop })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: &SandboxSettings, accepted: bool) {
        assert_eq!(settings.check().is_ok(), accepted);
    }

    fn listening_on(address: &str) -> SandboxSettings {
        SandboxSettings { listen: address.parse().unwrap(), ..SandboxSettings::default() }
    }

    fn shares(fail: f64, partial: f64, drop: f64) -> SandboxSettings {
        SandboxSettings { fail, partial, drop, ..SandboxSettings::default() }
    }

    #[test]
    fn only_loopback_addresses_are_accepted() {
        check(&listening_on("127.0.0.1:0"), true);
        check(&listening_on("127.1.2.3:8080"), true);
        check(&listening_on("[::1]:0"), true);
        check(&listening_on("0.0.0.0:0"), false);
        check(&listening_on("[::]:0"), false);
        check(&listening_on("192.0.2.1:80"), false);
    }

    #[test]
    fn shares_add_up_to_at_most_one() {
        check(&shares(0.2, 0.3, 0.5), true);
        check(&shares(1.0, 0.0, 0.0), true);
        check(&shares(0.7, 0.2, 0.2), false);
        check(&shares(-0.1, 0.0, 0.0), false);
        check(&shares(0.0, 1.1, 0.0), false);
        check(&shares(0.0, 0.0, f64::NAN), false);
    }

    #[test]
    fn a_reversed_latency_is_refused() {
        let reversed = SandboxSettings {
            latency: Duration::from_millis(30)..=Duration::from_millis(5),
            ..SandboxSettings::default()
        };
        check(&reversed, false);
    }
}
