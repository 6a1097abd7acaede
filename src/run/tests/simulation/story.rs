//! What a seed decides before its run begins: tasks, settings, weather, operators, kills.

use crate::event::{Change, StopReason};
use crate::policy::{MaxFailures, OnDoubt};
use crate::settings::{RateSetting, RunSettings};
use crate::task::Rate;
use fastrand::Rng;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

/// After this many processes the weather is fair, so that every run comes to its end.
const MOST_ORDEALS: usize = 9;
/// More processes than any run needs in fair weather.
pub(super) const MOST_SESSIONS: usize = MOST_ORDEALS + 4;

/// A run as its seed has it.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) tasks: u32,
    /// How many rows repeat an earlier one.
    pub(super) repeated: u32,
    pub(super) settings: RunSettings,
    pub(super) weather: Weather,
    /// What happens to each process in turn; those after them have it easy.
    pub(super) ordeals: Vec<Ordeal>,
}

/// What happens to one process.
#[derive(Debug, Default)]
pub(super) struct Ordeal {
    /// The time before it begins.
    pub(super) gap: Duration,
    pub(super) kill: Option<Kill>,
    pub(super) disk: Disk,
    /// The longest time that a commit takes before it is durable, and after that.
    pub(super) commit_millis: (u64, u64),
    pub(super) orders: Vec<(Duration, Order)>,
    /// The rate that `resume` is given.
    pub(super) new_rate: Option<RateSetting>,
    /// Whether the input is edited before it begins.
    pub(super) edits_input: bool,
}

/// The end of a process without a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kill {
    /// The step at which it comes; see `World::step`.
    pub(super) step: u64,
    /// Whether the power fails, so that only what was synced is left.
    pub(super) power: bool,
}

/// The state of the disk.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Disk {
    #[default]
    Sound,
    /// Full for a while.
    Full { from: Duration, lasts: Duration },
    /// A commit fails for good: the one with this number.
    Broken { commit: u32 },
}

/// What an operator asks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    Change(Change),
    Stop(StopReason),
    Abandon,
}

/// How the service and the network behave.
#[derive(Debug, Clone)]
pub(super) struct Weather {
    /// How often each of `FATES` happens.
    pub(super) weights: Vec<u32>,
    pub(super) latency_millis: u64,
    /// One of so many calls takes as long as the time-out, or longer.
    pub(super) slow_one_in: u32,
    pub(super) outages: Vec<Outage>,
    /// The calls that the service accepts in each window.
    pub(super) limit: Option<(u32, Duration)>,
    pub(super) token: Option<TokenLife>,
    /// The part of the tasks that the service always refuses, in percent.
    pub(super) refused_percent: u32,
}

/// A time in which the service is away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    pub(super) from: Duration,
    pub(super) lasts: Duration,
    pub(super) kind: Away,
}

/// How a service is away.
#[derive(Debug, Clone, Copy)]
pub(super) enum Away {
    NoConnection,
    Reset,
    Silent,
    BadGateway,
    Unavailable,
}

/// How long credentials are good, and how they are renewed.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenLife {
    pub(super) life: Duration,
    pub(super) renewal: Duration,
    /// How long before its end a token is renewed, if its end is known.
    pub(super) ahead: Option<Duration>,
    /// One of so many renewals fails.
    pub(super) fails_one_in: Option<u32>,
}

/// What becomes of a call that arrives in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Succeeds,
    IsPartial,
    AllFail,
    IsRefused,
    IsTransient,
    NeverLeaves,
    IsThrottled,
    IsLost,
    IsUnanswered,
    IsUnreadable,
    IsForAnother,
    DoesNotAddUp,
    IsBadGateway,
    Panics,
}

pub(super) const FATES: [Fate; 14] = [
    Fate::Succeeds,
    Fate::IsPartial,
    Fate::AllFail,
    Fate::IsRefused,
    Fate::IsTransient,
    Fate::NeverLeaves,
    Fate::IsThrottled,
    Fate::IsLost,
    Fate::IsUnanswered,
    Fate::IsUnreadable,
    Fate::IsForAnother,
    Fate::DoesNotAddUp,
    Fate::IsBadGateway,
    Fate::Panics,
];

impl Story {
    /// More processes than a place of a run with several workers needs.
    pub(super) const MOST_PROCESSES: usize = MOST_SESSIONS;

    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rng = &mut rng;
        let tasks = match rng.u32(..20) {
            0..=13 => rng.u32(1..=40),
            14..=18 => rng.u32(41..=120),
            _ => rng.u32(260..=330),
        };
        let repeated = if one_in(rng, 4) { rng.u32(1..4).min(tasks) } else { 0 };
        let settings = settings(rng, tasks);
        let weather = Weather::drawn(rng);
        let ordeals = rng.usize(..5);
        let ordeals = (0..=ordeals).map(|number| Ordeal::drawn(rng, number, tasks)).collect();
        Self { tasks, repeated, settings, weather, ordeals }
    }

    /// Returns whether the weather is fair for a process.
    pub(super) fn is_fair_for(session: usize) -> bool {
        session >= MOST_ORDEALS
    }
}

pub(super) fn one_in(rng: &mut Rng, many: u32) -> bool {
    rng.u32(..many) == 0
}

pub(super) fn millis(rng: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}

pub(super) fn secs(rng: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_secs(rng.u64(range))
}

pub(super) fn rate(rng: &mut Rng) -> Rate {
    let (most, window) = [(60, 1_000), (8, 1_000), (300, 60_000), (40, 60_000)][rng.usize(..4)];
    let limit = NonZeroU32::new(rng.u32(1..=most)).unwrap();
    // A minute's window holds everything that a small run sends, unless it is tight.
    Rate { limit, window: Duration::from_millis(window) }
}

fn rate_setting(rng: &mut Rng) -> RateSetting {
    match rng.u32(..10) {
        0 | 1 => RateSetting::Unlimited,
        2 | 3 => {
            let least = Rate { limit: NonZeroU32::MIN, window: Duration::from_secs(1) };
            let limit = NonZeroU32::new(rng.u32(5..200)).unwrap();
            RateSetting::Auto { least, most: Rate { limit, ..least } }
        }
        _ => RateSetting::Fixed(rate(rng)),
    }
}

fn settings(rng: &mut Rng, tasks: u32) -> RunSettings {
    let canary = one_in(rng, 10).then(|| NonZeroU64::new(rng.u64(1..6)).unwrap());
    let waves = ["1,50%,100%", "10%,100%", "5,20%,60%,100%"][rng.usize(..3)];
    let waves = one_in(rng, 10).then(|| waves.parse().unwrap());
    RunSettings {
        rate: rate_setting(rng),
        concurrency: NonZeroUsize::new(rng.usize(1..=20)).unwrap(),
        timeout: secs(rng, 1..40),
        max_attempts: NonZeroU32::new(rng.u32(1..=5)).unwrap(),
        on_doubt: if one_in(rng, 4) { OnDoubt::Hold } else { OnDoubt::Retry },
        ramp: one_in(rng, 8).then(|| secs(rng, 1..20)),
        canary,
        wave_pause: if waves.is_some() && rng.bool() { secs(rng, 1..10) } else { Duration::ZERO },
        waves,
        max_failures: match rng.u32(..4) {
            0 => MaxFailures::Count(rng.u64(..u64::from(tasks))),
            1 => MaxFailures::Percent(25),
            _ => MaxFailures::Count(u64::MAX),
        },
        outage_timeout: [secs(rng, 1..60), Duration::from_secs(600)][rng.usize(..2)],
        throttle_timeout: [secs(rng, 1..60), Duration::from_secs(600)][rng.usize(..2)],
        max_duration: one_in(rng, 5).then(|| millis(rng, 200..30_000)),
        drain_timeout: millis(rng, 0..30_000),
        ..RunSettings::default()
    }
}

impl Weather {
    pub(super) fn drawn(rng: &mut Rng) -> Self {
        let mut weights = vec![0; FATES.len()];
        weights[0] = 60;
        for weight in &mut weights[1..] {
            // Most kinds of trouble are absent from a run, so that each is met alone, too.
            *weight = if one_in(rng, 3) { [1, 4, 12, 40][rng.usize(..4)] } else { 0 };
        }
        let panics = weights.last_mut().unwrap();
        *panics = (*panics).min(1);
        let outages = if one_in(rng, 3) { rng.usize(1..4) } else { 0 };
        Self {
            weights,
            latency_millis: [0, 20, 200, 2_000][rng.usize(..4)],
            slow_one_in: [10, 100, 100_000][rng.usize(..3)],
            outages: (0..outages).map(|_| Outage::drawn(rng)).collect(),
            limit: one_in(rng, 3).then(|| {
                let window = [100, 1_000, 5_000, 60_000][rng.usize(..4)];
                (rng.u32(1..60), Duration::from_millis(window))
            }),
            token: one_in(rng, 4).then(|| TokenLife::drawn(rng)),
            refused_percent: [0, 0, 5, 30][rng.usize(..4)],
        }
    }

    /// Returns the weather in which every call succeeds.
    pub(super) fn fair() -> Self {
        let mut weights = vec![0; FATES.len()];
        weights[0] = 1;
        Self {
            weights,
            latency_millis: 20,
            slow_one_in: 1_000_000_000,
            outages: Vec::new(),
            limit: None,
            token: None,
            refused_percent: 0,
        }
    }
}

impl Outage {
    fn drawn(rng: &mut Rng) -> Self {
        let kinds =
            [Away::NoConnection, Away::Reset, Away::Silent, Away::BadGateway, Away::Unavailable];
        let lasts = [millis(rng, 50..5_000), secs(rng, 5..400)][rng.usize(..2)];
        Self { from: millis(rng, 0..20_000), lasts, kind: kinds[rng.usize(..kinds.len())] }
    }
}

impl TokenLife {
    fn drawn(rng: &mut Rng) -> Self {
        let life = millis(rng, 300..20_000);
        Self {
            life,
            renewal: millis(rng, 0..2_000),
            ahead: rng.bool().then(|| life / 4),
            fails_one_in: one_in(rng, 4).then(|| rng.u32(1..6)),
        }
    }
}

impl Ordeal {
    fn drawn(rng: &mut Rng, number: usize, tasks: u32) -> Self {
        // A run of 20 tasks takes some 200 steps; most kills come before its end.
        let steps = 20 + u64::from(tasks) * 8;
        let kill =
            (!one_in(rng, 3)).then(|| Kill { step: rng.u64(1..=steps), power: one_in(rng, 4) });
        let slow = [(0, 0), (2, 2), (30, 30), (900, 0), (0, 3_000)];
        Self {
            gap: if number == 0 { Duration::ZERO } else { millis(rng, 0..3_000) },
            kill,
            disk: match rng.u32(..12) {
                0 => Disk::Full { from: millis(rng, 0..5_000), lasts: secs(rng, 1..90) },
                1 => Disk::Broken { commit: rng.u32(1..40) },
                _ => Disk::Sound,
            },
            commit_millis: slow[rng.usize(..slow.len())],
            orders: orders(rng),
            new_rate: (number > 0 && one_in(rng, 4)).then(|| rate_setting(rng)),
            edits_input: rng.bool(),
        }
    }
}

/// Draws what operators ask for: mostly nothing.
fn orders(rng: &mut Rng) -> Vec<(Duration, Order)> {
    let mut orders = Vec::new();
    let mut at = Duration::ZERO;
    let wanted = if one_in(rng, 2) { rng.usize(1..6) } else { 0 };
    for _ in 0..wanted {
        at += millis(rng, 0..4_000);
        let change = match rng.u32(..12) {
            0..=2 => {
                orders.push((at, Order::Change(Change::Paused)));
                at += millis(rng, 0..20_000);
                Order::Change(Change::Resumed)
            }
            3..=5 => Order::Change(Change::Rate(rng.bool().then(|| rate(rng)))),
            6..=8 => {
                Order::Change(Change::Concurrency(NonZeroUsize::new(rng.usize(1..20)).unwrap()))
            }
            9 => Order::Change(Change::Drained),
            10 => Order::Stop([StopReason::Interrupted, StopReason::Terminated][rng.usize(..2)]),
            _ => {
                orders.push((at, Order::Stop(StopReason::Interrupted)));
                at += millis(rng, 0..3_000);
                Order::Abandon
            }
        };
        orders.push((at, change));
    }
    orders
}
