//! Exact decisions, second by second, and whole runs against servers with a hidden limit.

use super::*;
use crate::policy::Verdict;
use crate::policy::simulation::Simulation;
use crate::policy::simulation::done;
use crate::policy::simulation::throttled;
use proptest::prelude::*;
use std::collections::VecDeque;

const SECOND: Duration = Duration::from_secs(1);
const WIDE: RateBounds = RateBounds { least: 1.0, most: 10_000.0 };

/// A rate with its own idea of time.
struct Bench {
    rate: AdaptiveRate,
    now: Instant,
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
    fn new(learnt: Option<f64>) -> Self {
        let now = Instant::now();
        let auto = AutoRate { bounds: WIDE, learnt };
        Self { rate: AdaptiveRate::new(auto, now), now }
    }

    /// Sends so many calls evenly in a second, and decides.
    fn second(&mut self, sendings: u32) -> f64 {
        for _ in 0..sendings {
            self.rate.sent(self.now);
            self.now += SECOND / sendings;
        }
        self.now = self.rate.next_decision();
        self.rate.decide(self.now)
    }

    /// Lets a second pass in which everything that may be sent is sent.
    fn busy_second(&mut self) -> f64 {
        self.second(self.rate.per_second().ceil() as u32)
    }

    /// The same, and so many of the last calls are throttled.
    fn throttled_second(&mut self, throttled: u32) -> f64 {
        let last = self.now + SECOND - Duration::from_millis(1);
        for _ in 0..self.rate.per_second().ceil() as u32 {
            self.rate.sent(last);
        }
        (0..throttled).for_each(|_| self.rate.throttled(last));
        self.now += SECOND;
        self.rate.decide(self.now)
    }
}

fn check(rate: f64, expected: f64) {
    assert!((rate - expected).abs() < 1e-9, "{rate} is not {expected}");
}

#[test]
fn while_no_ceiling_is_known_a_rate_that_is_used_up_grows_by_a_quarter_each_second() {
    let mut bench = Bench::new(None);
    check(bench.rate.per_second(), 10.0);
    check(bench.busy_second(), 12.5);
    check(bench.busy_second(), 15.625);
    assert_eq!(bench.rate.learnt(), None);
}

#[test]
fn a_rate_that_is_not_used_up_stays() {
    let mut bench = Bench::new(None);
    check(bench.second(7), 10.0);
    check(bench.second(0), 10.0);
    check(bench.second(8), 12.5);
}

#[test]
fn there_is_one_decision_a_second() {
    let mut bench = Bench::new(None);
    (0..100).for_each(|_| bench.rate.sent(bench.now));
    check(bench.rate.decide(bench.now + Duration::from_millis(999)), 10.0);
    check(bench.rate.decide(bench.now + SECOND), 12.5);
    check(bench.rate.decide(bench.now + SECOND), 12.5);
}

#[test]
fn the_share_of_throttled_answers_decides_how_deep_the_cut_is() {
    let cut = |throttled: u32| {
        let mut bench = Bench::new(Some(1_000.0));
        bench.now += 60 * SECOND;
        bench.rate.decide(bench.now);
        bench.throttled_second(throttled) / bench.rate.learnt().unwrap()
    };
    check(cut(1), 0.95 - 2.5 / 971.0);
    check(cut(50), 0.95 - 2.5 * 50.0 / 1_020.0);
    check(cut(500), 0.7);
}

#[test]
fn the_level_at_which_it_was_throttled_is_remembered() {
    let mut bench = Bench::new(None);
    while bench.rate.per_second() < 100.0 {
        bench.busy_second();
    }
    // The limit is 80: the second before the first throttled call has room for no more.
    let rate = bench.rate.per_second();
    (0..80).for_each(|_| bench.rate.sent(bench.now + Duration::from_millis(900)));
    let last = bench.now + Duration::from_millis(950);
    bench.rate.throttled(last);
    bench.now += SECOND;
    let after = bench.rate.decide(bench.now);
    let level = bench.rate.learnt().unwrap();
    assert!(level >= 80.0 && level < rate, "{level}");
    assert!(after < 0.95 * level, "{after}");
}

#[test]
fn after_a_cut_it_returns_quickly_rests_below_the_ceiling_and_then_looks_past_it() {
    let mut bench = Bench::new(Some(100.0));
    check(bench.rate.per_second(), 97.0);
    for _ in 0..29 {
        check(bench.busy_second(), 97.0);
    }
    check(bench.busy_second(), 98.0);
    check(bench.busy_second(), 99.0);
    check(bench.throttled_second(50), 69.3);
    check(bench.rate.learnt().unwrap(), 99.0);
    check(bench.busy_second(), 74.25);
    for _ in 0..5 {
        bench.busy_second();
    }
    check(bench.rate.per_second(), 99.0 * 0.97);
    check(bench.busy_second(), 99.0 * 0.97);
}

#[test]
fn a_low_rate_rests_for_two_hundred_sendings() {
    let mut bench = Bench::new(Some(2.0));
    for _ in 0..100 {
        check(bench.busy_second(), 1.94);
    }
    (0..4).for_each(|_| {
        bench.busy_second();
    });
    check(bench.rate.per_second(), 1.96);
}

#[test]
fn throttled_again_soon_the_ceiling_sinks_by_a_tenth_at_least() {
    let mut bench = Bench::new(Some(100.0));
    bench.now += 60 * SECOND;
    bench.rate.decide(bench.now);
    bench.throttled_second(1);
    check(bench.rate.learnt().unwrap(), 97.0);
    for _ in 0..5 {
        bench.busy_second();
    }
    bench.throttled_second(1);
    check(bench.rate.learnt().unwrap(), 97.0 * 0.9);
}

#[test]
fn a_ceiling_that_was_surpassed_is_forgotten_and_the_search_goes_on() {
    let mut bench = Bench::new(Some(100.0));
    let mut seconds = 0;
    while bench.rate.learnt().is_some() {
        bench.busy_second();
        seconds += 1;
    }
    assert_eq!(seconds, 30 + 14, "the rest, and the steps from 97 to beyond 110");
    let before = bench.rate.per_second();
    check(bench.busy_second(), before * 1.25);
}

#[test]
fn a_ceiling_is_not_surpassed_by_a_rate_that_something_else_keeps_from_being_used() {
    let mut bench = Bench::new(Some(100.0));
    for _ in 0..300 {
        bench.second(88);
    }
    check(bench.rate.per_second(), 111.0);
    check(bench.rate.learnt().unwrap(), 100.0);
}

#[test]
fn late_answers_to_calls_from_before_a_cut_do_not_cut_again() {
    let mut bench = Bench::new(Some(100.0));
    let before = bench.now;
    bench.now += 60 * SECOND;
    bench.rate.decide(bench.now);
    let cut = bench.throttled_second(1);
    (0..20).for_each(|_| bench.rate.throttled(before));
    assert!(bench.busy_second() >= cut);
}

#[test]
fn nonsense_from_an_earlier_run_is_as_good_as_nothing() {
    for learnt in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        check(Bench::new(Some(learnt)).rate.per_second(), 10.0);
    }
}

proptest! {
    #[test]
    fn it_never_leaves_its_bounds(
        least in 0.1_f64..50.0,
        span in 0.0_f64..500.0,
        learnt in prop::option::of(0.0_f64..2_000.0),
        seconds in prop::collection::vec((any::<bool>(), 0_u32..5), 1..120),
    ) {
        let bounds = RateBounds { least, most: least + span };
        let mut bench = Bench::new(None);
        bench.rate = AdaptiveRate::new(AutoRate { bounds, learnt }, bench.now);
        for (is_busy, throttled) in seconds {
            let rate = match (is_busy, throttled) {
                (true, 0) => bench.busy_second(),
                (false, _) => bench.second(0),
                (true, throttled) => bench.throttled_second(throttled),
            };
            prop_assert!((bounds.least..=bounds.most).contains(&rate), "{rate}");
            prop_assert!(bench.rate.learnt().is_none_or(|ceiling| ceiling > 0.0));
        }
    }
}

// Whole runs.

/// How a server counts.
#[derive(Debug, Clone, Copy)]
enum Counts {
    /// What it accepted in the last second.
    Accepted,
    /// All that came in the last second: who does not stop is never heard again.
    All,
    /// Tokens, of which so many gather while nothing comes.
    Tokens(f64),
}

/// A server that tells its limit to nobody.
struct Server {
    counts: Counts,
    recent: VecDeque<Duration>,
    tokens: f64,
    last: Duration,
}

impl Server {
    fn new(counts: Counts) -> Self {
        Self { counts, recent: VecDeque::new(), tokens: 0.0, last: Duration::ZERO }
    }

    fn accepts(&mut self, at: Duration, limit: f64) -> bool {
        if let Counts::Tokens(most) = self.counts {
            return self.has_token(at, limit, most);
        }
        while self.recent.front().is_some_and(|&sent| sent + SECOND <= at) {
            self.recent.pop_front();
        }
        let accepts = (self.recent.len() as f64) < limit;
        if accepts || matches!(self.counts, Counts::All) {
            self.recent.push_back(at);
        }
        accepts
    }

    fn has_token(&mut self, at: Duration, limit: f64, most: f64) -> bool {
        self.tokens = (self.tokens + (at - self.last).as_secs_f64() * limit).min(most);
        self.last = at;
        let has = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(has));
        has
    }
}

/// The limit a server has from a second on, for four minutes.
type Limits<'a> = &'a [f64];
const PHASE: u64 = 240;

fn run(counts: Counts, limits: Limits<'_>, latency: Duration, learnt: Option<f64>) -> Simulation {
    let mut server = Server::new(counts);
    let mut random = fastrand::Rng::with_seed(5);
    let mut run = Simulation::new(150_000, "none", 1).with_auto_rate(learnt);
    run.concurrency = 1_000;
    let end = Duration::from_secs(PHASE * limits.len() as u64);
    run.run_until(end, &mut |at, _| {
        let limit = limits[(at.as_secs() / PHASE) as usize % limits.len()];
        let latency = latency.mul_f64(0.5 + random.f64());
        match server.accepts(at, limit) {
            true => (done(), latency),
            false => (throttled("policy user over ratelimit,limit:?,time:1 second"), latency / 4),
        }
    });
    run
}

/// Counts the answers of a span of time: throttled, and others.
fn answers(run: &Simulation, begin: Duration, end: Duration) -> (usize, usize) {
    let then = run.answers.iter().filter(|(at, _)| (begin..end).contains(at));
    let (all, refused) = then.fold((0, 0), |(all, refused), (_, verdict)| {
        (all + 1, refused + usize::from(matches!(verdict, Verdict::Throttled { .. })))
    });
    (refused, all - refused)
}

/// Checks that each limit was found within a minute, used at 90 % or better from then on, with
/// fewer than 2 % of the answers throttled.
fn check_found(counts: Counts, limits: Limits<'_>, latency: Duration, learnt: Option<f64>) {
    let run = run(counts, limits, latency, learnt);
    for (phase, &limit) in limits.iter().enumerate() {
        let begin = Duration::from_secs(phase as u64 * PHASE + 60);
        let end = Duration::from_secs((phase as u64 + 1) * PHASE);
        let (refused, served) = answers(&run, begin, end);
        let used = served as f64 / (limit * (PHASE - 60) as f64);
        let share = refused as f64 / (refused + served) as f64;
        let what = format!("{counts:?} {latency:?} phase {phase}: {used:.3} used, {share:.4}");
        assert!(used >= 0.9, "{what}");
        assert!(share < 0.02, "{what}");
    }
}

const QUICK: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_millis(200);

#[test]
fn a_hidden_limit_is_found_within_a_minute_and_again_when_it_halves_and_doubles() {
    for counts in [Counts::Accepted, Counts::All, Counts::Tokens(100.0), Counts::Tokens(500.0)] {
        for latency in [QUICK, SLOW] {
            check_found(counts, &[100.0, 50.0, 100.0], latency, None);
        }
    }
}

#[test]
fn a_low_and_a_high_limit_are_found() {
    check_found(Counts::Accepted, &[1.0], QUICK, None);
    check_found(Counts::Accepted, &[7.0], QUICK, None);
    check_found(Counts::Accepted, &[500.0], QUICK, None);
}

#[test]
fn what_was_learnt_is_used_at_once() {
    let first = run(Counts::Accepted, &[100.0], QUICK, None);
    let learnt = first.adaptive.unwrap().learnt();
    assert!((99.0..102.0).contains(&learnt.unwrap()), "{learnt:?}");
    let next = run(Counts::Accepted, &[100.0], QUICK, learnt);
    let (refused, served) = answers(&next, Duration::ZERO, 20 * SECOND);
    assert!(refused == 0 && served >= 1_900, "{refused} refused, {served} served");
}
