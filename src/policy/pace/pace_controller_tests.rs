//! Whole runs in simulated time against twenty kinds of limiters, with the real pacer.

use super::*;
use crate::policy::{Admission, PaceWindow, Pacer, rate_per_second};
use crate::task::Rate;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A way in which a service limits calls.
#[derive(Debug, Clone, Copy)]
enum Limiter {
    /// So many in each window of that many seconds.
    Fixed(f64),
    /// So many accepted in any window of that many seconds.
    Sliding(f64),
    /// So many in any window, throttled ones included, as Huawei's gateway counts.
    SlidingAll(f64),
    /// Two fixed windows weighted by their overlap with the last second, as CDNs count.
    Weighted,
    /// A bucket that holds the tokens of that many seconds.
    Bucket(f64),
    /// So many calls at the same time.
    Concurrent(usize),
    /// No limit; this share is throttled by chance.
    Chance(f64),
}

/// A service with a limiter.
struct Service {
    limiter: Limiter,
    random: fastrand::Rng,
    offset: f64,
    filled_at: f64,
    tokens: Option<f64>,
    window: f64,
    count: f64,
    previous: f64,
    accepted: VecDeque<f64>,
    under_way: usize,
}

impl Service {
    fn new(limiter: Limiter, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let offset = random.f64();
        Self {
            limiter,
            random,
            offset,
            filled_at: 0.0,
            tokens: None,
            window: -1.0,
            count: 0.0,
            previous: 0.0,
            accepted: VecDeque::new(),
            under_way: 0,
        }
    }

    fn accepts(&mut self, at: f64, limit: f64) -> bool {
        match self.limiter {
            Limiter::Fixed(span) => {
                self.turn_window((at / span + self.offset).floor());
                self.take(limit * span)
            }
            Limiter::Weighted => {
                self.turn_window((at + self.offset).floor());
                let left = 1.0 - (at + self.offset).fract();
                self.take(limit - self.previous * left)
            }
            Limiter::Sliding(span) => self.slide(at, span, limit, false),
            Limiter::SlidingAll(span) => self.slide(at, span, limit, true),
            Limiter::Bucket(seconds) => {
                let most = (seconds * limit).max(1.0);
                let gained = (at - self.filled_at) * limit;
                let tokens = self.tokens.map_or(most, |tokens| (tokens + gained).min(most));
                self.filled_at = at;
                // Rounding must not cost a token of a bucket that holds only one.
                let accepts = tokens > 0.999_9;
                self.tokens = Some(tokens - f64::from(u8::from(accepts)));
                accepts
            }
            Limiter::Concurrent(most) => self.under_way < most,
            Limiter::Chance(share) => self.random.f64() >= share,
        }
    }

    fn turn_window(&mut self, window: f64) {
        if window != self.window {
            self.previous = if window == self.window + 1.0 { self.count } else { 0.0 };
            (self.window, self.count) = (window, 0.0);
        }
    }

    fn take(&mut self, limit: f64) -> bool {
        let accepts = self.count < limit;
        self.count += f64::from(u8::from(accepts));
        accepts
    }

    fn slide(&mut self, at: f64, span: f64, limit: f64, counts_all: bool) -> bool {
        while self.accepted.front().is_some_and(|&first| first + span <= at) {
            self.accepted.pop_front();
        }
        let accepts = (self.accepted.len() as f64) < limit * span;
        if accepts || counts_all {
            self.accepted.push_back(at);
        }
        accepts
    }
}

/// One client of the service: a controller and a pacer, asked as the dispatcher asks them.
struct Client {
    controller: PaceController,
    pacer: Pacer,
    begins: f64,
    served: Vec<f64>,
    throttled: Vec<f64>,
    sent: Vec<f64>,
}

/// A run: what limits it, at which level, from what ceiling, and how long calls take.
#[derive(Clone, Copy)]
struct Run<'a> {
    limiter: Limiter,
    limit: &'a dyn Fn(f64) -> f64,
    ceiling: Option<u32>,
    latency: f64,
    seconds: f64,
    clients: usize,
}

/// What an answer is and when it comes: microseconds, client, when sent, whether accepted.
type Answer = Reverse<(u64, usize, u64, bool)>;

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn origin() -> Instant {
    Instant::now()
}

fn micros(at: f64) -> u64 {
    (at * 1e6).round() as u64
}

fn client(run: &Run<'_>, number: usize, start: Instant) -> Client {
    let most = run.ceiling.map_or(30_000.0, f64::from);
    let opening = run.ceiling.map_or(Opening::Doubling, |_| Opening::AtCeiling);
    let bounds = RateBounds { least: 0.5, most };
    let start_at = PaceStart { bounds, opening, learnt: None };
    let rate: Rate = rate_per_second(most);
    Client {
        controller: PaceController::new(start_at, start),
        pacer: Pacer::new(Some(rate), start),
        begins: 0.37 * number as f64,
        served: Vec::new(),
        throttled: Vec::new(),
        sent: Vec::new(),
    }
}

/// Carries out a run, a millisecond at a time as timers tick.
fn simulate(run: &Run<'_>, seed: u64) -> Vec<Client> {
    let start = origin();
    let instant = |micros: u64| start + Duration::from_micros(micros);
    let mut service = Service::new(run.limiter, seed);
    let mut random = fastrand::Rng::with_seed(seed + 1_000);
    let mut clients: Vec<_> = (0..run.clients).map(|number| client(run, number, start)).collect();
    let mut answers: BinaryHeap<Answer> = BinaryHeap::new();
    for now in (0..micros(run.seconds)).step_by(1_000) {
        while let Some(&Reverse((due, number, sent, accepted))) = answers.peek() {
            if due > now {
                break;
            }
            answers.pop();
            let controller = &mut clients[number].controller;
            match accepted {
                true => {
                    service.under_way -= 1;
                    controller.served(instant(sent), instant(now));
                }
                false => controller.throttled(instant(sent), instant(now)),
            }
        }
        let at = now as f64 / 1e6;
        for (number, client) in clients.iter_mut().enumerate().filter(|(_, c)| c.begins <= at) {
            client.controller.decide(instant(now));
            let window = match client.controller.is_windowed() {
                true => PaceWindow::LastSecond,
                false => PaceWindow::None,
            };
            client.pacer.set_pace(Some((client.controller.per_second(), window)), instant(now));
            while client.pacer.admit(instant(now)) == Admission::Now {
                if client.pacer.release(instant(now)) != Admission::Now {
                    client.pacer.withdraw();
                    break;
                }
                client.controller.sent(instant(now));
                client.sent.push(at);
                let accepted = service.accepts(at, (run.limit)(at));
                service.under_way += usize::from(accepted);
                let takes = match accepted {
                    true => run.latency * (0.9 + 0.2 * random.f64()),
                    false => run.latency.min(0.02) * (0.5 + random.f64()),
                };
                let list = if accepted { &mut client.served } else { &mut client.throttled };
                list.push(at);
                answers.push(Reverse((micros(at + takes), number, now, accepted)));
            }
        }
    }
    clients
}

fn since(times: &[f64], begin: f64) -> f64 {
    times.iter().filter(|&&at| at >= begin).count() as f64
}

/// What several runs came to on average: the share of the limit that was served in all and after
/// ten seconds, and the share of calls that was throttled.
fn shares(run: &Run<'_>, limit: f64) -> (f64, f64, f64) {
    let seeds = 1..=4;
    let count = seeds.clone().count() as f64;
    seeds.fold((0.0, 0.0, 0.0), |(whole, late, throttled), seed| {
        let clients = simulate(run, seed);
        let served: Vec<f64> = clients.iter().flat_map(|client| client.served.clone()).collect();
        let refused: f64 = clients.iter().map(|client| client.throttled.len() as f64).sum();
        let all = served.len() as f64 + refused;
        (
            whole + served.len() as f64 / (limit * run.seconds) / count,
            late + since(&served, 10.0) / (limit * (run.seconds - 10.0)) / count,
            throttled + refused / all / count,
        )
    })
}

/// The kinds of limiters, each with its level and a ceiling above it.
const KINDS: [(Limiter, f64, u32); 20] = [
    (Limiter::Bucket(0.01), 300.0, 400),
    (Limiter::Bucket(0.01), 1_000.0, 1_500),
    (Limiter::Bucket(0.1), 100.0, 400),
    (Limiter::Bucket(0.05), 1_000.0, 1_500),
    (Limiter::Bucket(0.2), 200.0, 800),
    (Limiter::Bucket(0.5), 100.0, 400),
    (Limiter::Bucket(0.5), 400.0, 500),
    (Limiter::Bucket(1.0), 100.0, 400),
    (Limiter::Bucket(1.0), 300.0, 320),
    (Limiter::Fixed(1.0), 300.0, 400),
    (Limiter::Fixed(1.0), 300.0, 1_200),
    (Limiter::Fixed(1.0), 600.0, 700),
    (Limiter::Fixed(0.1), 400.0, 600),
    (Limiter::Sliding(1.0), 200.0, 800),
    (Limiter::Sliding(1.0), 200.0, 220),
    (Limiter::Sliding(0.1), 400.0, 600),
    (Limiter::SlidingAll(1.0), 200.0, 800),
    (Limiter::SlidingAll(1.0), 400.0, 500),
    (Limiter::Weighted, 200.0, 800),
    (Limiter::Concurrent(20), 400.0, 600),
];

fn latency(limiter: Limiter, limit: f64, usual: f64) -> f64 {
    match limiter {
        Limiter::Concurrent(most) => most as f64 / limit,
        _ => usual,
    }
}

/// Checks what a limiter serves of its level below a ceiling, or without one.
fn check_served(limiter: Limiter, limit: f64, ceiling: Option<u32>, bounds: Bounds) {
    let latency = latency(limiter, limit, 0.02);
    let level = |_: f64| limit;
    let run = Run { limiter, limit: &level, ceiling, latency, seconds: 30.0, clients: 1 };
    let (whole, late, throttled) = shares(&run, limit);
    let seen = format!(
        "{limiter:?} {limit}/s {ceiling:?}: {whole:.3} served, {late:.3} late, {throttled:.4} throttled"
    );
    let is_good = whole >= bounds.whole && late >= bounds.late && throttled <= bounds.throttled;
    assert!(is_good, "{seen}");
}

/// The least that is served in all and after ten seconds, and the most that is throttled.
#[derive(Clone, Copy)]
struct Bounds {
    whole: f64,
    late: f64,
    throttled: f64,
}

#[test]
fn below_a_ceiling_a_limiter_serves_95_percent_of_its_level_and_throttles_2_percent() {
    for (limiter, limit, ceiling) in KINDS {
        let usual = Bounds { whole: 0.95, late: 0.95, throttled: 0.02 };
        let bounds = match limiter {
            // Calls that take now longer and now shorter meet a full service below its level, too.
            Limiter::Concurrent(_) => Bounds { whole: 0.85, late: 0.85, ..usual },
            _ => usual,
        };
        check_served(limiter, limit, Some(ceiling), bounds);
    }
}

#[test]
fn a_search_serves_97_percent_of_the_level_after_ten_seconds_and_throttles_hardly_a_call() {
    for (limiter, limit, _) in KINDS {
        let usual = Bounds { whole: 0.9, late: 0.97, throttled: 0.01 };
        let bounds = match limiter {
            Limiter::Concurrent(_) => Bounds { whole: 0.8, late: 0.85, ..usual },
            // What was sent too much is known when the window is closed.
            Limiter::Fixed(1.0) => Bounds { throttled: 0.018, ..usual },
            Limiter::Sliding(0.1) => Bounds { late: 0.965, ..usual },
            // Of a small level a single call is a large share, and a full bucket hides the level.
            Limiter::Bucket(_) if limit <= 300.0 => Bounds { throttled: 0.015, ..usual },
            _ => usual,
        };
        check_served(limiter, limit, None, bounds);
    }
}

/// Checks that throttling by chance costs hardly any of the pace.
fn check_chance(share: f64, rate: u32, seconds: f64) {
    let level = |_: f64| f64::from(rate);
    let limiter = Limiter::Chance(share);
    let run =
        Run { limiter, limit: &level, ceiling: Some(rate), latency: 0.02, seconds, clients: 1 };
    let (whole, ..) = shares(&run, f64::from(rate));
    let used = whole / (1.0 - share);
    assert!(used >= 0.9, "{share} at {rate}/s for {seconds} s: {used:.3}");
}

#[test]
fn throttling_by_chance_costs_less_than_a_tenth_of_the_pace() {
    for share in [0.02, 0.1, 1.0 / 3.0] {
        check_chance(share, 400, 30.0);
        check_chance(share, 2_000, 30.0);
    }
    check_chance(0.1, 400, 4.0);
    check_chance(0.1, 50, 30.0);
}

/// Checks that another level of a limiter is used three seconds after it has changed.
fn check_change(limiter: Limiter, from: f64, to: f64, ceiling: Option<u32>) {
    let mut used = Vec::new();
    for seed in 1..=4 {
        let changes = 12.0 + 0.41 * seed as f64;
        let level = |at: f64| if at < changes { from } else { to };
        let run = Run { limiter, limit: &level, ceiling, latency: 0.02, seconds: 20.0, clients: 1 };
        let served = &simulate(&run, seed)[0].served;
        let begin = changes + 3.0;
        used.push((since(served, begin) - since(served, begin + 2.0)) / (2.0 * to));
    }
    let mean = used.iter().sum::<f64>() / used.len() as f64;
    // A window remembers the calls of the second in which the pace grew.
    let least = if matches!(limiter, Limiter::Sliding(_)) { 0.75 } else { 0.85 };
    assert!(mean >= least, "{limiter:?} from {from} to {to}, {ceiling:?}: {used:.3?}");
}

#[test]
fn a_limit_that_halves_or_doubles_is_followed_within_three_seconds() {
    for ceiling in [Some(1_000), None] {
        for limiter in [Limiter::Bucket(0.1), Limiter::Bucket(1.0), Limiter::Fixed(1.0)] {
            check_change(limiter, 200.0, 100.0, ceiling);
            check_change(limiter, 100.0, 200.0, ceiling);
        }
        check_change(Limiter::Sliding(1.0), 200.0, 100.0, ceiling);
        check_change(Limiter::Sliding(1.0), 100.0, 200.0, ceiling);
    }
}

#[test]
fn several_clients_of_one_limit_use_it_together() {
    for limiter in [Limiter::Fixed(1.0), Limiter::Sliding(1.0), Limiter::Bucket(0.1)] {
        let level = |_: f64| 300.0;
        let ceiling = Some(400);
        let run = Run { limiter, limit: &level, ceiling, latency: 0.02, seconds: 30.0, clients: 3 };
        let (whole, ..) = shares(&run, 300.0);
        assert!(whole >= 0.95, "{limiter:?}: {whole:.3}");
    }
}

#[test]
fn no_window_of_a_search_holds_more_than_its_ceiling() {
    for (limiter, _, _) in KINDS {
        let level = |at: f64| if at < 5.0 { 150.0 } else { 1_000.0 };
        let run = Run {
            limiter,
            limit: &level,
            ceiling: Some(200),
            latency: 0.02,
            seconds: 12.0,
            clients: 1,
        };
        let sent = &simulate(&run, 1)[0].sent;
        let full = sent.windows(201).find(|calls| calls[200] - calls[0] < 1.0);
        assert_eq!(full, None, "{limiter:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn controller(ceiling: f64, learnt: Option<f64>) -> (PaceController, Instant) {
    let bounds = RateBounds { least: 1.0, most: ceiling };
    let now = Instant::now();
    let start = PaceStart { bounds, opening: Opening::AtCeiling, learnt };
    (PaceController::new(start, now), now)
}

#[test]
fn what_was_learnt_is_where_the_pace_begins_unless_it_is_nonsense_or_above_the_ceiling() {
    assert_eq!(controller(400.0, Some(100.0)).0.per_second(), 99.5);
    for nonsense in [0.0, -1.0, f64::NAN, f64::INFINITY, 500.0] {
        assert_eq!(controller(400.0, Some(nonsense)).0.per_second(), 400.0, "{nonsense}");
    }
}

#[test]
fn after_a_hold_the_pace_begins_below_the_level_that_was_throttled() {
    let (mut controller, start) = controller(400.0, None);
    let at = |millis: u64| start + Duration::from_millis(millis);
    (0..40).for_each(|call| controller.sent(at(call)));
    controller.hold(at(20), at(1_040), at(40));
    assert_eq!(controller.next_decision(), Some(at(1_040)));
    // Of 20 calls that were on the wire half are throttled.
    (21..30).for_each(|call| controller.throttled(at(call), at(60)));
    controller.decide(at(1_040));
    assert!(controller.per_second() < 200.0, "{}", controller.per_second());
    assert!(controller.per_second() > 100.0, "{}", controller.per_second());
}

#[test]
fn answers_from_before_a_cut_cause_no_other_one() {
    let (mut controller, start) = controller(400.0, Some(100.0));
    let at = |millis: u64| start + Duration::from_millis(millis);
    (0..20).for_each(|call| controller.sent(at(10 * call)));
    controller.throttled(at(190), at(200));
    let cut = controller.per_second();
    (0..3).for_each(|call| controller.throttled(at(10 * call), at(210)));
    assert_eq!(controller.per_second(), cut);
}

#[test]
fn without_a_ceiling_the_first_throttled_calls_give_the_pace_a_level() {
    let (mut controller, start) = controller(f64::INFINITY, None);
    assert_eq!(controller.next_decision(), None);
    for call in 0..1_000_u64 {
        let now = start + Duration::from_millis(2 * call);
        controller.decide(now);
        controller.sent(now);
        match call % 4 {
            0 if call > 500 => controller.served(now, now),
            _ if call > 500 => controller.throttled(now, now),
            _ => controller.served(now, now),
        }
    }
    assert!(controller.per_second() < 500.0, "{}", controller.per_second());
}
