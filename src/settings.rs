//! The settings of a run, as they are kept with it.
//!
//! One field for each flag of a run, each with its default and its form in the store. The form never
//! changes: runs of earlier versions are read as they were written, and a field that they lack has
//! its default. See `docs/GLOSSARY.md`: run, plan.

mod choice;
mod stored_form;
mod target_part;

pub use choice::{LeftOut, TaskChoice};
pub use target_part::TargetPart;

use crate::policy::{FinishBy, MaxFailures, OnDoubt, Waves};
use crate::settings::stored_form::{millis, optional_millis, optional_words, words};
use crate::task::{Level, Rate, RunBy, Shard};
use serde::{Deserialize, Serialize};
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

/// The bounds of a search for the rate that was given none.
const LOWEST: Rate = per_second(1);
const HIGHEST: Rate = per_second(1_000);

const fn per_second(limit: u32) -> Rate {
    // The constants are computed at build time, so a zero among them would not compile.
    let limit = NonZeroU32::new(limit).expect("a rate is above zero");
    Rate { limit, window: Duration::from_secs(1) }
}

/// The settings of a run.
///
/// ```
/// use batchctl::settings::RunSettings;
///
/// let stored = r#"{"rate":"5/s","timeout_ms":1500}"#;
/// let settings: RunSettings = serde_json::from_str(stored).unwrap();
/// assert_eq!(settings.rate.to_string(), "5/s");
/// assert_eq!(settings.max_attempts.get(), 4);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSettings {
    /// What its ids name. By default batch tasks.
    #[serde(skip_serializing_if = "Level::is_batch")]
    pub level: Level,
    /// The rate of calls. By default 10 a second.
    // Flattened, because the store has its three fields beside all others.
    #[serde(flatten)]
    pub rate: RateSetting,
    /// The group whose processes keep the rate together, on this machine. By default there is none.
    pub rate_group: Option<String>,
    /// The part of the plan that this run carries out, at its part of the rate. By default all of
    /// it.
    #[serde(with = "optional_words")]
    pub shard: Option<Shard>,
    /// Which target of a run of several these settings are of. By default a run has one.
    // Left out if there is none, as in the runs of versions without targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetPart>,
    /// The most calls on the wire at a time. By default 16.
    pub concurrency: NonZeroUsize,
    /// The longest time that one attempt may take. By default 60 s.
    #[serde(rename = "timeout_ms", with = "millis")]
    pub timeout: Duration,
    /// The longest time that connecting may take. By default 5 s.
    #[serde(rename = "connect_timeout_ms", with = "millis")]
    pub connect_timeout: Duration,
    /// The most attempts of one task. By default 4.
    pub max_attempts: NonZeroU32,
    /// The policy for a call in doubt. By default it is sent again.
    pub on_doubt: OnDoubt,
    /// Over which span the rate grows to its limit. By default it is whole from the beginning.
    #[serde(rename = "ramp_ms", with = "optional_millis")]
    pub ramp: Option<Duration>,
    /// The number of tasks that must succeed before the rest is sent. By default none.
    pub canary: Option<NonZeroU64>,
    /// The waves in which the tasks are sent. By default there are none.
    // Left out if there are none, as in the runs of versions without waves; so is the pause.
    #[serde(with = "optional_words", skip_serializing_if = "Option::is_none")]
    pub waves: Option<Waves>,
    /// The pause between two waves. By default there is none.
    #[serde(rename = "wave_pause_ms", with = "millis", skip_serializing_if = "Duration::is_zero")]
    pub wave_pause: Duration,
    /// The number of failed tasks that is tolerated. By default a quarter.
    #[serde(with = "words")]
    pub max_failures: MaxFailures,
    /// How long the service may be away before the run stops. By default 10 minutes.
    #[serde(rename = "outage_timeout_ms", with = "millis")]
    pub outage_timeout: Duration,
    /// How long the service may throttle every call, or ask the run to wait, before the run stops. By
    /// default 10 minutes.
    #[serde(rename = "throttle_timeout_ms", with = "millis")]
    pub throttle_timeout: Duration,
    /// How long new calls are sent. By default without end.
    #[serde(rename = "max_duration_ms", with = "optional_millis")]
    pub max_duration: Option<Duration>,
    /// The time of day at which new calls end. By default there is none. The process that carries
    /// the run out converts it to a span: [`finish_within`](crate::run::Planned::finish_within).
    #[serde(with = "optional_words")]
    pub finish_by: Option<FinishBy>,
    /// How long calls on the wire may take to finish after a stop. By default 30 s.
    #[serde(rename = "drain_timeout_ms", with = "millis")]
    pub drain_timeout: Duration,
    /// Whether the states are read first, and tasks that are there already are left alone. By
    /// default not.
    pub skip_unchanged: bool,
    /// What happens then to tasks that the project does not know. By default nothing is sent.
    pub on_unknown: OnUnknown,
    /// How long the run waits for tasks to be where they were sent. By default not at all.
    #[serde(rename = "wait_ms", with = "optional_millis")]
    pub wait: Option<Duration>,
    /// How many sub-tasks of tasks that did not succeed are named at the end at most, and how many
    /// of these tasks are looked into. By default none.
    // Left out if there is none, as in the runs of versions that did not look into tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drill: Option<NonZeroU32>,
    /// Whether the run is a rehearsal against the embedded sandbox. By default it is not.
    pub sandbox: bool,
    /// The profile whose configuration it uses, and which commands that take it up use again. By
    /// default `default`.
    // The default is left out, as in the runs of versions without profiles.
    #[serde(skip_serializing_if = "is_default_profile")]
    pub profile: String,
    /// The kind of its credentials; a secret is never stored. By default it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialKind>,
    /// Who began it. By default that is not recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<RunBy>,
    /// The version of batchctl that stored the plan for `apply`. By default a run is begun at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planned_with: Option<String>,
    /// Which tasks are left out, and which were. By default there are none.
    #[serde(skip_serializing_if = "TaskChoice::is_default")]
    pub choice: TaskChoice,
}

/// The profile that applies where none is named.
pub const DEFAULT_PROFILE: &str = "default";

fn is_default_profile(profile: &str) -> bool {
    profile == DEFAULT_PROFILE
}

/// The kind of source that credentials come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A file with a token.
    TokenFile,
    /// A command that prints a token.
    TokenCommand,
    /// A token that systemd hands a unit.
    Systemd,
    /// A token in a variable.
    Variable,
    /// An IAM user who logs in.
    IamUser,
    /// An access key in the official variables.
    AccessKey,
    /// A login that was kept.
    KeptLogin,
    /// An access key in the file of the official tools.
    OfficialFile,
}

impl CredentialKind {
    /// Describes the kind in a few words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TokenFile => "a token file",
            Self::TokenCommand => "a token command",
            Self::Systemd => "a credential of systemd",
            Self::Variable => "a variable",
            Self::IamUser => "an IAM user",
            Self::AccessKey => "an access key",
            Self::KeptLogin => "a kept login",
            Self::OfficialFile => "the file of the official tools",
        }
    }
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            level: Level::Batch,
            rate: RateSetting::default(),
            rate_group: None,
            shard: None,
            target: None,
            concurrency: NonZeroUsize::new(16).expect("sixteen is not zero"),
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
            max_attempts: NonZeroU32::new(4).expect("four is not zero"),
            on_doubt: OnDoubt::Retry,
            ramp: None,
            canary: None,
            waves: None,
            wave_pause: Duration::ZERO,
            max_failures: MaxFailures::Percent(25),
            outage_timeout: Duration::from_secs(600),
            throttle_timeout: Duration::from_secs(600),
            max_duration: None,
            finish_by: None,
            drain_timeout: Duration::from_secs(30),
            skip_unchanged: false,
            on_unknown: OnUnknown::Fail,
            wait: None,
            drill: None,
            sandbox: false,
            profile: DEFAULT_PROFILE.into(),
            credentials: None,
            by: None,
            planned_with: None,
            choice: TaskChoice::default(),
        }
    }
}

impl RunSettings {
    /// Returns whether the states are read before anything is sent.
    pub fn looks_first(&self) -> bool {
        self.skip_unchanged || self.wait.is_some()
    }

    /// Returns the rate at which this run is sent: that of all shards, or its part of it.
    pub fn own_rate(&self) -> RateSetting {
        // What cannot be divided is refused before a run is planned.
        self.shard.and_then(|shard| self.rate.part(shard)).unwrap_or(self.rate)
    }
}

/// The rate of calls: the flag `--rate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredRate", into = "StoredRate")]
pub enum RateSetting {
    /// At most at this rate.
    Fixed(Rate),
    /// At the rate that the service accepts, which is found between these bounds.
    Auto {
        /// The lowest rate.
        least: Rate,
        /// The highest rate.
        most: Rate,
    },
    /// As fast as the calls in flight allow; only the service slows the run down.
    Unlimited,
}

impl Default for RateSetting {
    fn default() -> Self {
        Self::Fixed(per_second(10))
    }
}

impl RateSetting {
    /// Returns the rate that no window may exceed, if there is one.
    pub fn limit(self) -> Option<Rate> {
        match self {
            Self::Fixed(rate) | Self::Auto { most: rate, .. } => Some(rate),
            Self::Unlimited => None,
        }
    }

    /// Returns the rate that was set by a number, if one was.
    pub fn fixed(self) -> Option<Rate> {
        match self {
            Self::Fixed(rate) => Some(rate),
            Self::Auto { .. } | Self::Unlimited => None,
        }
    }

    /// Returns one shard's part of the rate; `None` if a limit is smaller than the number of shards.
    pub fn part(self, shard: Shard) -> Option<Self> {
        Some(match self {
            Self::Fixed(rate) => Self::Fixed(rate.part(shard)?),
            Self::Auto { least, most } => {
                let most = most.part(shard)?;
                // A search begins low, so its lower bound adds up to no promise.
                Self::Auto { least: least.part(shard).unwrap_or(least).min_of(most), most }
            }
            Self::Unlimited => Self::Unlimited,
        })
    }

    /// Returns whether the rate is found while the run goes on.
    pub fn is_auto(self) -> bool {
        matches!(self, Self::Auto { .. })
    }

    /// Returns the rate of requests for pages of the list: the run's own, or a usual one within
    /// the bounds of a search.
    pub fn for_lists(self) -> Option<Rate> {
        let Self::Auto { least, most } = self else { return self.limit() };
        // A search learns from calls, and the survey comes before them.
        let usual = per_second(10);
        // Compared by the second, because the bounds may have different windows.
        let lies_below = |one: Rate, other: Rate| one.per_second() <= other.per_second();
        if lies_below(usual, least) {
            Some(least)
        } else if lies_below(most, usual) {
            Some(most)
        } else {
            Some(usual)
        }
    }
}

impl std::fmt::Display for RateSetting {
    /// Writes the value as the flag takes it: `10/s`, `auto` or `none`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(rate) => rate.fmt(f),
            Self::Auto { .. } => f.write_str(AUTO),
            Self::Unlimited => f.write_str(NONE),
        }
    }
}

/// The words for a rate that is not a number.
const NONE: &str = "none";
const AUTO: &str = "auto";

/// A rate as it is stored: three fields of the settings.
#[derive(Serialize, Deserialize)]
struct StoredRate {
    rate: Option<String>,
    rate_min: Option<String>,
    rate_max: Option<String>,
}

impl From<RateSetting> for StoredRate {
    fn from(setting: RateSetting) -> Self {
        // The word `auto` alone would lose the bounds of the search.
        let (rate_min, rate_max) = match setting {
            RateSetting::Auto { least, most } => (Some(least.to_string()), Some(most.to_string())),
            RateSetting::Fixed(_) | RateSetting::Unlimited => (None, None),
        };
        Self { rate: Some(setting.to_string()), rate_min, rate_max }
    }
}

impl TryFrom<StoredRate> for RateSetting {
    type Error = crate::task::InvalidRate;

    fn try_from(stored: StoredRate) -> Result<Self, Self::Error> {
        let bound =
            |text: Option<String>, otherwise: Rate| text.map_or(Ok(otherwise), |text| text.parse());
        Ok(match stored.rate.as_deref() {
            // A run of an earlier version may lack the field.
            None => Self::default(),
            Some(NONE) => Self::Unlimited,
            Some(AUTO) => Self::Auto {
                least: bound(stored.rate_min, LOWEST)?,
                most: bound(stored.rate_max, HIGHEST)?,
            },
            Some(rate) => Self::Fixed(rate.parse()?),
        })
    }
}

/// The treatment of tasks that the project does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnknown {
    /// Nothing is sent.
    Fail,
    /// They are sent like all others.
    Send,
    /// They are left out, as failed.
    Skip,
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
