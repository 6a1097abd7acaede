//! What a sandbox is told before it starts: where it listens, what it knows, how it misbehaves.
//!
//! Checked once, before anything is opened. Holds no state of a running sandbox.

use crate::sandbox::error::SandboxError;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// How a sandbox behaves.
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
    /// Where it listens; only loopback addresses are accepted. Default: `127.0.0.1:0`, a free port.
    pub listen: SocketAddr,
    /// How many batch tasks it knows from the start, see [`generated_id`](super::generated_id).
    /// Default: 1000.
    pub tasks: u32,
    /// How long an answer takes, evenly spread. Default: 5 ms to 30 ms.
    pub latency: RangeInclusive<Duration>,
    /// How long the answer to an id ending in `-slow` takes. Default: 3 s.
    pub slow: Duration,
    /// How long sub-tasks are on their way to the state they were sent to. Default: 1 s.
    pub settle: Duration,
    /// How late the list tells what has become of tasks. Default: not at all.
    pub stale: Duration,
    /// The share of the tasks it knows from the start that run then. Default: 0.
    pub running: f64,
    /// The share of tasks that never arrive where they are sent. Default: 0.
    pub stuck: f64,
    /// The gateway's throttling. Default: none.
    pub limit: Option<SandboxLimit>,
    /// The `Retry-After` of every 429, in whole seconds. Default: none, as the real gateway.
    pub retry_after: Option<Duration>,
    /// The share of actions that the service fails with a 400 or a 500. Default: 0.
    pub fail: f64,
    /// The share of actions that end with a 200 in which some sub-tasks failed. Default: 0.
    pub partial: f64,
    /// The share of actions that are carried out and never answered, because the connection is
    /// reset. Default: 0.
    pub drop: f64,
    /// What all chance is drawn from. Default: 0.
    pub seed: u64,
    /// The file the access log is appended to. Default: none.
    pub access_log: Option<PathBuf>,
    /// Which credentials it asks for. Default: a token, whichever.
    pub auth: SandboxAuth,
    /// The right token, beside those given out at logins. Default: any that is not empty.
    pub token: Option<String>,
    /// Who may log in.
    pub account: Account,
}

/// Which credentials a sandbox asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxAuth {
    /// None at all.
    None,
    /// A token: [`SandboxSettings::token`], or any that is not empty.
    AnyToken,
    /// A token that a login gave out, or [`SandboxSettings::token`].
    Token,
    /// A signature with the account's key.
    Signature,
}

/// The gateway's throttling: more than `count` requests within any `window` are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxLimit {
    /// How many.
    pub count: u32,
    /// In which span of time.
    pub window: Duration,
}

/// The one IAM user that a sandbox knows.
#[derive(Clone)]
pub struct Account {
    /// The name of the user. Default: `sandbox`.
    pub user: String,
    /// The user's password. Default: `sandbox`.
    pub password: String,
    /// The name of the account the user belongs to. Default: `sandbox`.
    pub domain: String,
    /// The id of the project that a login by project name leads to. Default: `sandbox`.
    pub project_id: String,
    /// The projects of the account, by name and id. Default: none, and then every name leads to
    /// `project_id`.
    pub projects: Vec<(String, String)>,
    /// The passcode that a login asks for beside the password. Default: none.
    pub passcode: Option<String>,
    /// The key that signs. Default: `sandbox`.
    pub access_key: String,
    /// The secret of that key. Default: `sandbox`.
    pub secret_key: String,
    /// How long a token is good for. Default: 24 h.
    pub token_life: Duration,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tasks: 1000,
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
    /// Checks what the types cannot.
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
        self.check_shares()
    }

    /// Checks that each share is one, and that together they leave none below zero.
    fn check_shares(&self) -> Result<(), SandboxError> {
        let shares = [self.fail, self.partial, self.drop];
        let others = [self.running, self.stuck];
        let is_share = |share: &f64| (0.0..=1.0).contains(share);
        // Ten times 0.1 is a little more than 1 in binary; nobody means that as an error.
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
    fn shares_are_parts_of_one_whole() {
        check(&shares(0.2, 0.3, 0.5), true);
        check(&shares(1.0, 0.0, 0.0), true);
        check(&shares(0.7, 0.2, 0.2), false);
        check(&shares(-0.1, 0.0, 0.0), false);
        check(&shares(0.0, 1.1, 0.0), false);
        check(&shares(0.0, 0.0, f64::NAN), false);
    }

    #[test]
    fn a_latency_the_wrong_way_round_is_refused() {
        let reversed = SandboxSettings {
            latency: Duration::from_millis(30)..=Duration::from_millis(5),
            ..SandboxSettings::default()
        };
        check(&reversed, false);
    }
}
