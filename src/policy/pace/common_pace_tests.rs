//! Three workers in simulated time, whose calls are summed up once a second.

use super::*;
use crate::policy::pace::simulation::{Limiter, Service};
use crate::task::ServiceLimit;
use std::collections::VecDeque;

/// What a run came to: the share of the limit that was served in all and after ten seconds, and the
/// share of calls that was throttled.
#[derive(Debug)]
struct Shares {
    whole: f64,
    late: f64,
    throttled: f64,
}

const SECONDS: f64 = 60.0;
const WORKERS: usize = 3;

fn start(ceiling: Option<f64>) -> PaceStart {
    let opening = ceiling.map_or(Opening::Doubling, |_| Opening::AtCeiling);
    let bounds = RateBounds { least: 0.1, most: ceiling.unwrap_or(30_000.0) };
    PaceStart { bounds, opening, learnt: ServiceLimit::default() }
}

/// Sends at the pace of all workers. A pace is in force a tenth of a second after it was decided. A
/// worker tells of its calls every quarter of a second.
fn simulate(
    limiter: Limiter,
    level: &dyn Fn(f64) -> f64,
    ceiling: Option<f64>,
    seed: u64,
) -> Vec<(f64, bool)> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut service = Service::new(limiter, seed);
    let mut pace = CommonPace::new(start(ceiling), None);
    let (mut in_force, mut changes) = (pace.per_second().or(ceiling).unwrap(), VecDeque::new());
    let (mut next, mut calls) = (0.0, Vec::new());
    let mut answers = VecDeque::new();
    let (mut told, mut counted) = ([(0_u64, 0_u64); WORKERS], [(0_u64, 0_u64); WORKERS]);
    let mut before = (0, 0);
    for step in 0..(SECONDS * 1_000.0) as u64 {
        let now = step as f64 / 1_000.0;
        while changes.front().is_some_and(|&(at, _)| at <= now) {
            in_force = changes.pop_front().unwrap().1;
        }
        while next <= now {
            let accepted = service.accepts(now, level(now));
            calls.push((now, accepted));
            answers.push_back((now + 0.02, random.usize(..WORKERS), accepted));
            next = f64::max(next, now - 0.001) + 1.0 / in_force;
        }
        while answers.front().is_some_and(|&(at, ..)| at <= now) {
            let (_, worker, accepted) = answers.pop_front().unwrap();
            counted[worker].0 += 1;
            counted[worker].1 += u64::from(!accepted);
        }
        let worker = (step / 83) as usize % WORKERS;
        told[worker] = counted[worker];
        if step % 250 == 249 {
            let sum = told.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
            let (calls, throttled) = (sum.0 - before.0, sum.1 - before.1);
            before = sum;
            pace.decide(CommonSample { calls, throttled, seconds: 0.25, is_held: false });
            changes.push_back((now + 0.1, pace.per_second().or(ceiling).unwrap()));
        }
    }
    calls
}

fn shares(limiter: Limiter, limit: f64, ceiling: Option<f64>) -> Shares {
    let mut shares = Shares { whole: 0.0, late: 0.0, throttled: 0.0 };
    let seeds = 1..=4;
    for seed in seeds.clone() {
        let calls = simulate(limiter, &|_| limit, ceiling, seed);
        let count = seeds.clone().count() as f64;
        let served = |begin: f64| {
            calls.iter().filter(|(at, accepted)| *accepted && *at >= begin).count() as f64
        };
        shares.whole += served(0.0) / (limit * SECONDS) / count;
        shares.late += served(10.0) / (limit * (SECONDS - 10.0)) / count;
        shares.throttled += 1.0 / count - served(0.0) / calls.len() as f64 / count;
    }
    shares
}

const KINDS: [(Limiter, f64); 14] = [
    (Limiter::Bucket(0.01), 300.0),
    (Limiter::Bucket(0.1), 100.0),
    (Limiter::Bucket(0.5), 400.0),
    (Limiter::Bucket(1.0), 100.0),
    (Limiter::Bucket(1.0), 20.0),
    (Limiter::Fixed(1.0), 300.0),
    (Limiter::Fixed(1.0), 50.0),
    (Limiter::Fixed(0.1), 400.0),
    (Limiter::Sliding(1.0), 200.0),
    (Limiter::Sliding(0.1), 400.0),
    (Limiter::SlidingAll(1.0), 200.0),
    (Limiter::SlidingAll(1.0), 50.0),
    (Limiter::Weighted, 200.0),
    (Limiter::Fixed(10.0), 20.0),
];

/// Returns the least share that is served from the tenth second on, and the largest one that is
/// throttled: a window that counts throttled calls as well needs a second to get empty.
fn demanded(limiter: Limiter, ceiling: Option<f64>, limit: f64) -> (f64, f64) {
    let search = match ceiling {
        None => 0.07,
        // A second and a half is four times too fast.
        Some(ceiling) if ceiling > 2.0 * limit => 0.09,
        Some(_) => 0.03,
    };
    match limiter {
        Limiter::SlidingAll(_) => (0.74, search + 0.03),
        Limiter::Fixed(span) if span > 1.0 => (0.7, 0.3),
        _ => (0.92, search),
    }
}

#[test]
fn the_limit_of_a_service_is_used_by_all_workers_together_and_few_calls_are_throttled() {
    let mut missed = Vec::new();
    for (limiter, limit) in KINDS {
        for ceiling in [Some(1.3 * limit), Some(4.0 * limit), None] {
            let shares = shares(limiter, limit, ceiling);
            let (least, most) = demanded(limiter, ceiling, limit);
            if shares.late < least || shares.throttled > most {
                missed.push(format!("{limiter:?} {limit} {ceiling:?}: {shares:.3?}"));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn a_limit_that_changes_is_followed() {
    for (limiter, limit) in KINDS.into_iter().filter(|(kind, _)| *kind != Limiter::Fixed(10.0)) {
        for (from, to) in [(limit, 2.0 * limit), (2.0 * limit, limit)] {
            let level = |at: f64| if at < 20.0 { from } else { to };
            let calls = simulate(limiter, &level, Some(4.0 * limit), 1);
            let served = calls.iter().filter(|(at, accepted)| *accepted && *at >= 50.0).count();
            let used = served as f64 / (10.0 * to);
            // After an exhaustion of such a window, the next look is up to half a minute away.
            let least = if limiter == Limiter::SlidingAll(1.0) { 0.35 } else { 0.55 };
            assert!(used >= least, "{limiter:?} {from} to {to}: {used:.3}");
        }
    }
}

#[test]
fn calls_that_are_throttled_by_chance_do_not_slow_the_run_down() {
    for share in [0.005, 0.02, 0.1, 0.3, 0.5] {
        for rate in [20.0, 100.0, 500.0] {
            let calls = simulate(Limiter::Chance(share), &|_| rate, Some(rate), 1);
            let sent = calls.len() as f64 / (rate * SECONDS);
            assert!(sent >= 0.8, "{share} at {rate}: {sent:.3}");
        }
    }
}

fn sample(calls: u64, throttled: u64) -> CommonSample {
    CommonSample { calls, throttled, seconds: 1.0, is_held: false }
}

#[test]
fn the_pace_of_a_worker_that_is_gone_is_where_the_next_one_begins() {
    let mut known = start(Some(400.0));
    known.learnt.per_second = Some(100.0);
    let pace = CommonPace::new(known, Some(97.0));
    assert_eq!((pace.per_second(), pace.limit()), (Some(97.0), Some(100.0)));
    let mut search = CommonPace::new(start(None), Some(160.0));
    assert_eq!(search.per_second(), Some(160.0));
    search.decide(sample(150, 0));
    assert_eq!(search.per_second(), Some(256.0));
}

#[test]
fn a_pace_that_is_not_used_does_not_grow_and_none_holds_at_the_ceiling() {
    let mut search = CommonPace::new(start(None), None);
    (0..10).for_each(|_| search.decide(sample(3, 0)));
    assert_eq!(search.per_second(), Some(10.0));
    let mut fixed = CommonPace::new(start(Some(50.0)), None);
    fixed.decide(sample(50, 0));
    assert_eq!((fixed.per_second(), fixed.limit()), (None, None));
    // As many as the service took of them.
    fixed.decide(sample(50, 25));
    assert_eq!((fixed.per_second(), fixed.limit()), (Some(24.25), Some(25.0)));
}
