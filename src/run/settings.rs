//! How a run is to be carried out, as it is kept with the run.

use crate::engine::EngineSettings;
use crate::engine::StartingPoint;
use crate::policy::AutoRate;
use crate::policy::FinishBy;
use crate::policy::MaxFailures;
use crate::policy::OnDoubt;
use crate::policy::RateBounds;
use crate::policy::RetryPolicy;
use crate::survey::WalkerSettings;
use crate::task::Rate;
use serde_json::Value;
use serde_json::json;
use std::num::NonZeroU32;
use std::num::NonZeroU64;
use std::num::NonZeroUsize;
use std::time::Duration;

/// The words for a rate that is no number.
const NONE: &str = "none";
const AUTO: &str = "auto";
/// Between what a rate is searched for that has no bounds.
const LOWEST: Rate = per_second(1);
const HIGHEST: Rate = per_second(1_000);

const fn per_second(limit: u32) -> Rate {
    let limit = NonZeroU32::new(limit).expect("a rate is above zero");
    Rate { limit, window: Duration::from_secs(1) }
}

/// How a run is to be carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSettings {
    /// The most sendings in a window; without one only the service slows the run down.
    /// By default 10 a second.
    pub rate: Option<Rate>,
    /// `--rate auto`: the rate is found by what the service answers, between this and `rate`. By
    /// default it is fixed.
    pub auto_from: Option<Rate>,
    /// The most calls on the wire at a time. By default 16.
    pub concurrency: NonZeroUsize,
    /// How long one attempt may take. By default 60 s.
    pub timeout: Duration,
    /// How long making a connection may take. By default 5 s.
    pub connect_timeout: Duration,
    /// The most attempts of one task. By default 4.
    pub max_attempts: NonZeroU32,
    /// What to do with a call that may have been carried out. By default it is sent again.
    pub on_doubt: OnDoubt,
    /// Over which span the rate grows to its limit. By default it is whole from the beginning.
    pub ramp: Option<Duration>,
    /// How many tasks must succeed before the rest is sent. By default none.
    pub canary: Option<NonZeroU64>,
    /// How many failed tasks are tolerated. By default a quarter.
    pub max_failures: MaxFailures,
    /// How long the service may be away before the run stops. By default 10 minutes.
    pub outage_timeout: Duration,
    /// How long new sendings go on at the most. By default without end.
    pub max_duration: Option<Duration>,
    /// The time of day at which new sendings end. By default there is none. Whoever begins a
    /// process of the run tells it how long that is: [`crate::run::Planned::finish_within`].
    pub finish_by: Option<FinishBy>,
    /// How long calls on the wire may take to finish after a stop. By default 30 s.
    pub drain_timeout: Duration,
    /// Whether the states are read first and what is there already is left alone. By default not.
    pub skip_unchanged: bool,
    /// What becomes then of tasks that the project does not know. By default nothing is sent.
    pub on_unknown: OnUnknown,
    /// How long tasks are waited for to be where they were sent. By default not at all.
    pub wait: Option<Duration>,
    /// Whether the run is a rehearsal against the embedded sandbox. By default it is not.
    pub sandbox: bool,
}

/// What becomes of tasks that the project does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnknown {
    /// Nothing is sent.
    Fail,
    /// They are sent like all others.
    Send,
    /// They are left out, as failed.
    Skip,
}

impl OnUnknown {
    const ALL: [Self; 3] = [Self::Fail, Self::Send, Self::Skip];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Send => "send",
            Self::Skip => "skip",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.as_str() == word)
    }
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            rate: Some(per_second(10)),
            auto_from: None,
            concurrency: NonZeroUsize::new(16).expect("sixteen is not zero"),
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(5),
            max_attempts: NonZeroU32::new(4).expect("four is not zero"),
            on_doubt: OnDoubt::Retry,
            ramp: None,
            canary: None,
            max_failures: MaxFailures::Percent(25),
            outage_timeout: Duration::from_secs(600),
            max_duration: None,
            finish_by: None,
            drain_timeout: Duration::from_secs(30),
            skip_unchanged: false,
            on_unknown: OnUnknown::Fail,
            wait: None,
            sandbox: false,
        }
    }
}

impl RunSettings {
    /// Returns the settings as reports show them.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "rate": match self.auto_from {
                Some(_) => AUTO.into(),
                None => self.rate.map_or_else(|| NONE.into(), |rate| rate.to_string()),
            },
            "rate_min": self.auto_from.map(|least| least.to_string()),
            "rate_max": self.rate.filter(|_| self.auto_from.is_some()).map(|most| most.to_string()),
            "concurrency": self.concurrency,
            "timeout_ms": millis(self.timeout),
            "connect_timeout_ms": millis(self.connect_timeout),
            "max_attempts": self.max_attempts,
            "on_doubt": match self.on_doubt {
                OnDoubt::Retry => "retry",
                OnDoubt::Hold => "hold",
            },
            "ramp_ms": self.ramp.map(millis),
            "canary": self.canary,
            "max_failures": self.max_failures.to_string(),
            "outage_timeout_ms": millis(self.outage_timeout),
            "max_duration_ms": self.max_duration.map(millis),
            "finish_by": self.finish_by.map(|finish_by| finish_by.to_string()),
            "drain_timeout_ms": millis(self.drain_timeout),
            "skip_unchanged": self.skip_unchanged,
            "on_unknown": self.on_unknown.as_str(),
            "wait_ms": self.wait.map(millis),
            "sandbox": self.sandbox,
        })
    }

    /// Reads the settings that a run was stored with; what is missing there has its default.
    pub(crate) fn from_json(text: &str) -> Self {
        let stored: Value = serde_json::from_str(text).unwrap_or_default();
        let default = Self::default();
        let span = |name: &str| stored[name].as_u64().map(Duration::from_millis);
        let number = |name: &str| stored[name].as_u64();
        let rate = |name: &str| stored[name].as_str().and_then(|text| text.parse().ok());
        let is_auto = stored["rate"] == AUTO;
        Self {
            rate: match stored["rate"].as_str() {
                Some(NONE) => None,
                Some(AUTO) => rate("rate_max").or(Some(HIGHEST)),
                Some(_) | None => rate("rate").or(default.rate),
            },
            auto_from: is_auto.then(|| rate("rate_min").unwrap_or(LOWEST)),
            concurrency: number("concurrency")
                .and_then(|n| NonZeroUsize::new(usize::try_from(n).ok()?))
                .unwrap_or(default.concurrency),
            timeout: span("timeout_ms").unwrap_or(default.timeout),
            connect_timeout: span("connect_timeout_ms").unwrap_or(default.connect_timeout),
            max_attempts: number("max_attempts")
                .and_then(|n| NonZeroU32::new(u32::try_from(n).ok()?))
                .unwrap_or(default.max_attempts),
            on_doubt: match stored["on_doubt"].as_str() {
                Some("hold") => OnDoubt::Hold,
                _ => default.on_doubt,
            },
            ramp: span("ramp_ms"),
            canary: number("canary").and_then(NonZeroU64::new),
            max_failures: stored["max_failures"]
                .as_str()
                .and_then(|text| text.parse().ok())
                .unwrap_or(default.max_failures),
            outage_timeout: span("outage_timeout_ms").unwrap_or(default.outage_timeout),
            max_duration: span("max_duration_ms"),
            finish_by: stored["finish_by"].as_str().and_then(|text| text.parse().ok()),
            drain_timeout: span("drain_timeout_ms").unwrap_or(default.drain_timeout),
            skip_unchanged: stored["skip_unchanged"].as_bool().unwrap_or(default.skip_unchanged),
            on_unknown: stored["on_unknown"]
                .as_str()
                .and_then(OnUnknown::of)
                .unwrap_or(default.on_unknown),
            wait: span("wait_ms"),
            sandbox: stored["sandbox"].as_bool().unwrap_or(default.sandbox),
        }
    }

    /// Tells whether the states are read before anything is sent.
    pub(crate) fn looks_first(&self) -> bool {
        self.skip_unchanged || self.wait.is_some()
    }

    /// Returns how many of the last sending times matter.
    pub(crate) fn recall(&self) -> u32 {
        self.rate.map_or(0, |rate| rate.limit.get())
    }

    /// Returns how lists are read: at the run's rate, or where that is searched for at a usual
    /// one between its bounds.
    pub(crate) fn walker(&self) -> WalkerSettings {
        let usual = || {
            let ordered = |one: Rate, other: Rate| one.per_second() <= other.per_second();
            let least = self.auto_from.filter(|&least| ordered(per_second(10), least));
            let most = self.rate.filter(|&most| ordered(most, per_second(10)));
            least.or(most).unwrap_or(per_second(10))
        };
        let rate = if self.auto_from.is_some() { Some(usual()) } else { self.rate };
        WalkerSettings { rate, timeout: self.timeout, max_attempts: self.max_attempts }
    }

    /// Returns what the engine needs to know.
    pub(crate) fn for_engine(&self, origin: StartingPoint) -> EngineSettings {
        EngineSettings {
            concurrency: self.concurrency,
            rate: self.rate,
            auto: self.auto_from.zip(self.rate).map(|(least, most)| AutoRate {
                bounds: RateBounds { least: least.per_second(), most: most.per_second() },
                learnt: None,
            }),
            timeout: self.timeout,
            retry: RetryPolicy { max_attempts: self.max_attempts, on_doubt: self.on_doubt },
            ramp: self.ramp,
            canary: self.canary,
            tolerated_failures: self.max_failures.tolerated(origin.selected),
            outage_timeout: self.outage_timeout,
            max_duration: self.max_duration,
            drain_timeout: self.drain_timeout,
            origin,
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_they_were_stored() {
        let unusual = RunSettings {
            rate: None,
            auto_from: None,
            concurrency: NonZeroUsize::new(3).unwrap(),
            timeout: Duration::from_millis(1_500),
            connect_timeout: Duration::from_secs(1),
            max_attempts: NonZeroU32::new(9).unwrap(),
            on_doubt: OnDoubt::Hold,
            ramp: Some(Duration::from_secs(30)),
            canary: NonZeroU64::new(5),
            max_failures: MaxFailures::Count(7),
            outage_timeout: Duration::from_secs(90),
            max_duration: Some(Duration::from_secs(60)),
            finish_by: "06:00".parse().ok(),
            drain_timeout: Duration::from_secs(2),
            skip_unchanged: true,
            on_unknown: OnUnknown::Skip,
            wait: Some(Duration::from_secs(90)),
            sandbox: true,
        };
        let auto = RunSettings {
            rate: "600/m".parse().ok(),
            auto_from: "30/h".parse().ok(),
            ..RunSettings::default()
        };
        for settings in [RunSettings::default(), unusual, auto] {
            let stored = settings.to_json().to_string();
            assert_eq!(RunSettings::from_json(&stored), settings);
        }
    }

    #[test]
    fn a_rate_to_be_found_has_bounds_even_where_none_are_stored() {
        let read = RunSettings::from_json("{\"rate\": \"auto\"}");
        assert_eq!((read.auto_from, read.rate), (Some(LOWEST), Some(HIGHEST)));
    }

    #[test]
    fn what_is_not_stored_has_its_default() {
        assert_eq!(RunSettings::from_json("{}"), RunSettings::default());
        assert_eq!(RunSettings::from_json("nonsense"), RunSettings::default());
    }
}
