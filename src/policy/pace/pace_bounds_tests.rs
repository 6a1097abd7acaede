//! What no controller can do better: one that knows the service, but not when its limit changes.

use super::simulation::{Limiter, Service};

/// The longest time between two throttled calls, in seconds, that lets a doubled limit be used to 95 %
/// from three to five seconds after it has doubled. Until the next call that is too many nothing
/// tells the new limit from the old one.
const LONGEST_BLINDNESS: f64 = 3.2;
const SECONDS: f64 = 30.0;

/// Returns the share of a limit that is served, and the share of calls that is throttled, by a
/// controller that foresees each answer. It sends each call as soon as it is accepted, and one
/// that is throttled only where it must know whether the limit still holds.
fn foreseen(limiter: Limiter, limit: f64) -> (f64, f64) {
    let mut service = Service::new(limiter, 1);
    let (mut served, mut throttled) = (0.0, 0.0);
    let mut asked = -LONGEST_BLINDNESS;
    for tick in 0..30_000 {
        let at = f64::from(tick) / 1_000.0;
        while service.clone().accepts(at, limit) {
            service.accepts(at, limit);
            served += 1.0;
        }
        if at >= asked + LONGEST_BLINDNESS {
            service.accepts(at, limit);
            (throttled, asked) = (throttled + 1.0, at);
        }
    }
    (served / (limit * SECONDS), throttled / (served + throttled))
}

const KINDS: [Limiter; 9] = [
    Limiter::Bucket(0.01),
    Limiter::Bucket(0.1),
    Limiter::Bucket(1.0),
    Limiter::Fixed(0.1),
    Limiter::Fixed(1.0),
    Limiter::Sliding(0.1),
    Limiter::Sliding(1.0),
    Limiter::SlidingAll(1.0),
    Limiter::Weighted,
];

#[test]
fn nobody_follows_a_doubled_limit_and_throttles_less_than_these_shares() {
    for (limit, least) in [(20.0, 0.015), (30.0, 0.01), (50.0, 0.006), (100.0, 0.003)] {
        for (limiter, (_, throttled)) in KINDS.map(|kind| (kind, foreseen(kind, limit))) {
            let told = format!("{limiter:?} {limit}: {throttled:.4}");
            assert!((least..1.2 * least).contains(&throttled), "{told}");
        }
    }
}

/// How long a throttled answer takes, as in the simulated runs, in seconds.
const ANSWER: f64 = 0.02;

/// Returns the share that is throttled by a window which counts throttled calls: each one that shows the limit is
/// followed by those that are due before its answer is there, because it has taken the place of the next one.
fn throttled_until_answers_come(limit: f64) -> f64 {
    (1.0 + ANSWER * limit) / (LONGEST_BLINDNESS * limit)
}

#[test]
fn nobody_follows_a_window_that_counts_throttled_calls_and_throttles_less_than_these_shares() {
    for (limit, least) in [(50.0, 0.012), (100.0, 0.009), (150.0, 0.008), (200.0, 0.0075)] {
        let throttled = throttled_until_answers_come(limit);
        assert!((least..1.05 * least).contains(&throttled), "{limit}: {throttled:.4}");
    }
}

#[test]
fn no_kind_of_limiter_hides_more_than_a_twentieth_of_its_limit() {
    for limit in [20.0, 50.0, 100.0] {
        for (limiter, (served, _)) in KINDS.map(|kind| (kind, foreseen(kind, limit))) {
            assert!(served >= 0.95, "{limiter:?} {limit}: {served:.4}");
        }
    }
}

/// Returns what is used of a rate where this share is throttled by chance, if a test at a lower pace
/// takes as many calls as Wald's does that errs once in a hundred times. Below a limit one call in
/// 200 is throttled now and then.
fn used_after_one_test(share: f64, rate: f64, lowered_to: f64) -> f64 {
    let evidence = share * (share / 0.005).ln() + (1.0 - share) * ((1.0 - share) / 0.995).ln();
    let calls = 99.0_f64.ln() / evidence;
    let lasts = calls / (lowered_to * rate);
    1.0 - lasts * (1.0 - lowered_to) / SECONDS
}

#[test]
fn a_test_for_chance_costs_less_than_a_twentieth_of_a_rate_of_seven_a_second() {
    for (share, used) in [(0.1, 0.982), (1.0 / 3.0, 0.989), (0.5, 0.988)] {
        let found = used_after_one_test(share, 7.0, 0.95 * (1.0 - share));
        assert!((found - used).abs() < 0.001, "{share}: {found:.4}");
    }
}
