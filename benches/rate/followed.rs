//! Services whose limit lies below the rate, each for half a minute, all at the same time.
//!
//! They answer after 20 ms, and throttle after 5 ms, unless a row says otherwise. Of a limit that
//! changes, `used` is the share of the new level that was served in the two seconds that begin three seconds after the change. Of all
//! others it is the share of what the service would have served in that time. `late` is that of all
//! but the first ten seconds, `throttled` the share of all answers, and `peak` the busiest second as
//! a share of the rate.

use super::{Forgetful, answered_by};
use super::{done, settings, task, throttled};
use batchctl::api::TaskApi;
use batchctl::clock::{Clock, Instant};
use batchctl::engine::{Claim, EngineSettings};
use batchctl::policy::{Answer, Opening, PaceStart, RateBounds};
use batchctl::task::{ServiceLimit, Task};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const HEAD: &str =
    "    rate  service                              used    late  throttled    peak  must";

const SECONDS: f64 = 30.0;
/// When a limit changes, and how long a run lasts in which it does.
const CHANGES: f64 = 12.0;
const SECONDS_OF_CHANGE: f64 = 17.1;

/// How a service limits calls.
#[derive(Debug, Clone, Copy)]
enum Limiter {
    /// So many tokens stored at most.
    Bucket(f64),
    FixedSecond,
    SlidingSecond,
    /// So many calls at a time, whatever the level.
    AtATime(usize),
    /// This share is throttled by chance.
    Chance(f64),
}

/// What a row is compared with.
#[derive(Debug, Clone, Copy)]
enum Must {
    /// Below a rate.
    Below,
    /// The same where each throttled call asks for a wait of a second: two of them are needed to find a
    /// limit, and cost 6 % of half a minute.
    Asked,
    /// Without one.
    Auto,
    /// Where chance throttles.
    Chance,
    /// Three seconds after a change.
    Changed,
}

/// A service whose limit lies below the rate of the run.
pub(crate) struct Followed {
    name: &'static str,
    limiter: Limiter,
    /// How many a second it serves, and from a change on.
    level: (f64, Option<f64>),
    rate: &'static str,
    retry_after: Option<Duration>,
    takes: Takes,
    must: Must,
}

/// How many milliseconds calls take, and throttled answers.
#[derive(Debug, Clone, Copy)]
struct Takes {
    call: u64,
    throttled: u64,
}

const USUAL: Takes = Takes { call: 20, throttled: 5 };

/// What came of a row.
struct Shares {
    used: f64,
    late: f64,
    throttled: f64,
    peak: f64,
}

impl Must {
    fn words(self) -> &'static str {
        match self {
            Self::Below => "used 95 %, throttled at most 2 %",
            Self::Asked => "used 85 %, throttled at most 2 %",
            Self::Auto => "used 90 %, late 97 %, throttled below 1 %",
            Self::Chance => "used 90 %",
            Self::Changed => "used 95 %",
        }
    }

    fn is_met(self, shares: &Shares) -> bool {
        let Shares { used, late, throttled, peak } = *shares;
        peak <= 1.0
            && match self {
                Self::Below => used >= 0.95 && throttled <= 0.02,
                Self::Asked => used >= 0.85 && throttled <= 0.02,
                Self::Auto => used >= 0.9 && late >= 0.97 && throttled < 0.01,
                Self::Chance => used >= 0.9,
                Self::Changed => used >= 0.95,
            }
    }
}

/// Returns all rows.
pub(crate) fn all() -> Vec<Followed> {
    let below = |name, limiter, level, rate| {
        let must = if rate == "auto" { Must::Auto } else { Must::Below };
        Followed {
            name,
            limiter,
            level: (level, None),
            rate,
            retry_after: None,
            takes: USUAL,
            must,
        }
    };
    let chance = |name, share| {
        let level = (400.0 * (1.0 - share), None);
        let limiter = Limiter::Chance(share);
        Followed {
            name,
            limiter,
            level,
            rate: "400/s",
            retry_after: None,
            takes: USUAL,
            must: Must::Chance,
        }
    };
    let changed = |name, limiter, from, to| {
        ["1000/s", "auto"].map(|rate| Followed {
            name,
            limiter,
            level: (from, Some(to)),
            rate,
            retry_after: None,
            takes: USUAL,
            must: Must::Changed,
        })
    };
    let asks = below("the same, Retry-After: 1", Limiter::Bucket(10.0), 100.0, "400/s");
    let mut rows = vec![
        below("bucket 100/s, burst 10", Limiter::Bucket(10.0), 100.0, "400/s"),
        Followed { retry_after: Some(Duration::from_secs(1)), must: Must::Asked, ..asks },
        below("sliding window 200/s", Limiter::SlidingSecond, 200.0, "800/s"),
        below("bucket 300/s, burst 300", Limiter::Bucket(300.0), 300.0, "320/s"),
        below("fixed window 300/s", Limiter::FixedSecond, 300.0, "400/s"),
        below("20 calls at a time, 50 ms", Limiter::AtATime(20), 400.0, "600/s"),
        below("bucket 100/s, burst 10", Limiter::Bucket(10.0), 100.0, "auto"),
        below("fixed window 300/s", Limiter::FixedSecond, 300.0, "auto"),
        chance("10 % by chance", 0.1),
        chance("a third by chance", 1.0 / 3.0),
    ];
    // A service that takes long, and throttles at once, must not pass for one that limits calls at a time.
    for (name, limiter, takes) in [
        ("bucket, calls of 0.1 s", Limiter::Bucket(20.0), Takes { call: 100, throttled: 3 }),
        (
            "sliding window, calls of 0.3 s",
            Limiter::SlidingSecond,
            Takes { call: 300, throttled: 3 },
        ),
        ("bucket, calls of 1 ms", Limiter::Bucket(100.0), Takes { call: 1, throttled: 1 }),
    ] {
        rows.extend(
            ["800/s", "auto"].map(|rate| Followed { takes, ..below(name, limiter, 200.0, rate) }),
        );
    }
    rows.extend(changed("bucket, 200/s to 100/s", Limiter::Bucket(10.0), 200.0, 100.0));
    rows.extend(changed("bucket, 100/s to 200/s", Limiter::Bucket(10.0), 100.0, 200.0));
    rows.extend(changed("fixed window, 600/s to 300/s", Limiter::FixedSecond, 600.0, 300.0));
    rows.extend(changed("fixed window, 300/s to 600/s", Limiter::FixedSecond, 300.0, 600.0));
    rows
}

impl Followed {
    fn seconds(&self) -> f64 {
        if self.level.1.is_some() { SECONDS_OF_CHANGE } else { SECONDS }
    }

    /// Runs for its time, and returns a row of the table.
    pub(crate) fn measured(&self) -> String {
        let clock = Clock::start();
        let service = LimitedService::new(self, clock);
        let settings = self.settings();
        let claims: Vec<Claim> = (0..30_000).map(|ordinal| Claim::fresh(task(ordinal))).collect();
        answered_by(&service, &mut Forgetful { left: claims.into_iter() }, &settings, clock);
        let shares = self.shares(&service);
        let Shares { used, late, throttled, peak } = shares;
        let is_met = if self.must.is_met(&shares) { "pass" } else { "MISS" };
        let [used, late, throttled, peak] =
            [used, late, throttled, peak].map(|share| 100.0 * share);
        let shares = format!("{used:>6.1}% {late:>6.1}% {throttled:>9.2}% {peak:>6.1}%");
        format!("{:>8}  {:32} {shares}  {is_met}: {}", self.rate, self.name, self.must.words())
    }

    fn shares(&self, service: &LimitedService) -> Shares {
        let (served, sent) = (service.served.borrow(), service.sent.borrow());
        let between = |from: f64, to: f64| {
            served.iter().filter(|&&at| at >= from && at < to).count() as f64 / (to - from)
        };
        let (level, changed) = self.level;
        let (used, late) = match changed {
            Some(level) => {
                let used = between(CHANGES + 3.0, CHANGES + 5.0) / level;
                (used, used)
            }
            None => (between(0.0, SECONDS) / level, between(10.0, SECONDS) / level),
        };
        let throttled = (sent.len() - served.len()) as f64 / sent.len().max(1) as f64;
        let rate = self.rate.parse().map_or(1_000.0, batchctl::task::Rate::per_second);
        let mut first = 0;
        let mut most = 0;
        for (last, &at) in sent.iter().enumerate() {
            while at - sent[first] >= 1.0 {
                first += 1;
            }
            most = most.max(last - first + 1);
        }
        Shares { used, late, throttled, peak: most as f64 / rate }
    }

    fn settings(&self) -> EngineSettings {
        let most = "1000/s".parse().expect("the limits here are rates");
        let rate = self.rate.parse().unwrap_or(most);
        let mut settings = settings(rate, 30_000);
        settings.max_duration = Some(Duration::from_secs_f64(self.seconds()));
        if self.rate == "auto" {
            let bounds = RateBounds { least: 1.0, most: rate.per_second() };
            settings.pace =
                PaceStart { bounds, opening: Opening::Doubling, learnt: ServiceLimit::default() };
        }
        settings
    }
}

/// A service that throttles what is above its limit.
struct LimitedService {
    limiter: Limiter,
    level: (f64, Option<f64>),
    retry_after: Option<Duration>,
    takes: Takes,
    clock: Clock,
    begun: Instant,
    state: RefCell<LimiterState>,
    working: Cell<usize>,
    sent: RefCell<Vec<f64>>,
    served: RefCell<Vec<f64>>,
}

#[derive(Default)]
struct LimiterState {
    at: f64,
    count: f64,
    accepted: VecDeque<f64>,
}

impl LimitedService {
    fn new(followed: &Followed, clock: Clock) -> Self {
        let count = if let Limiter::Bucket(burst) = followed.limiter { burst } else { 0.0 };
        Self {
            limiter: followed.limiter,
            level: followed.level,
            retry_after: followed.retry_after,
            takes: followed.takes,
            clock,
            begun: clock.instant(),
            state: RefCell::new(LimiterState { count, ..LimiterState::default() }),
            working: Cell::new(0),
            sent: RefCell::default(),
            served: RefCell::default(),
        }
    }

    fn accepts(&self, now: f64) -> bool {
        let changed = self.level.1.filter(|_| now >= CHANGES);
        let limit = changed.unwrap_or(self.level.0);
        let mut state = self.state.borrow_mut();
        match self.limiter {
            Limiter::Bucket(burst) => {
                state.count = (state.count + (now - state.at) * limit).min(burst);
                state.at = now;
                let accepts = state.count >= 1.0;
                state.count -= f64::from(u8::from(accepts));
                accepts
            }
            Limiter::FixedSecond => {
                if now.floor() > state.at {
                    (state.at, state.count) = (now.floor(), 0.0);
                }
                let accepts = state.count < limit;
                state.count += f64::from(u8::from(accepts));
                accepts
            }
            Limiter::SlidingSecond => {
                while state.accepted.front().is_some_and(|first| first + 1.0 <= now) {
                    state.accepted.pop_front();
                }
                let accepts = (state.accepted.len() as f64) < limit;
                if accepts {
                    state.accepted.push_back(now);
                }
                accepts
            }
            Limiter::AtATime(most) => self.working.get() < most,
            Limiter::Chance(share) => fastrand::f64() >= share,
        }
    }

    fn takes(&self) -> Duration {
        match self.limiter {
            Limiter::AtATime(_) => Duration::from_micros(fastrand::u64(45_000..55_000)),
            _ => Duration::from_millis(self.takes.call),
        }
    }
}

impl TaskApi for LimitedService {
    async fn call(&self, _: Arc<Task>) -> Answer {
        let now = (self.clock.instant() - self.begun).as_secs_f64();
        self.sent.borrow_mut().push(now);
        if self.accepts(now) {
            self.served.borrow_mut().push(now);
            self.working.set(self.working.get() + 1);
            tokio::time::sleep(self.takes()).await;
            self.working.set(self.working.get() - 1);
            return done();
        }
        tokio::time::sleep(Duration::from_millis(self.takes.throttled)).await;
        throttled(self.retry_after)
    }
}
