//! What runs come to where calls and answers take their way, and timers are late.

use super::runs::Seeds;
use super::simulation::{Limiter, Run, Wire, simulate};
use std::ops::RangeInclusive;

/// Limits on calls at a time: how many, how many seconds a call takes, and a rate above the level.
const AT_A_TIME: [(usize, f64, u32); 5] =
    [(6, 0.11, 400), (6, 0.05, 400), (20, 0.1, 400), (20, 0.05, 600), (50, 0.1, 800)];
/// Those of which half a minute is enough, but 240 calls are not.
const MANY: usize = 50;

/// Returns the limit on calls at a time that each of some runs has found, and what it was served as a
/// share of what is possible from afar.
fn found(
    (most, latency, ceiling): (usize, f64, u32),
    seconds: f64,
    seeds: RangeInclusive<u64>,
) -> impl Iterator<Item = (Option<u32>, f64)> {
    seeds.map(move |seed| {
        let (limit, wire) = (most as f64 / latency, Wire::NEAR);
        let level = |_: f64| limit;
        let limiter = Limiter::Concurrent(most, 0.1);
        let ceiling = Some(ceiling);
        let run = Run { limiter, limit: &level, ceiling, latency, wire, seconds, clients: 1 };
        let client = &simulate(&run, seed)[0];
        let possible = limit * latency / (latency + wire.mean());
        (client.controller.limit().at_a_time, client.served.len() as f64 / (seconds * possible))
    })
}

#[test]
fn a_limit_on_calls_at_a_time_is_found_from_few_calls_though_they_take_their_way() {
    for kind in AT_A_TIME.into_iter().filter(|&(most, ..)| most < MANY) {
        let runs: Vec<_> = found(kind, 240.0 * kind.1 / kind.0 as f64, 1..=32).collect();
        let most = u32::try_from(kind.0).unwrap();
        let missed =
            runs.iter().filter(|(found, _)| found.is_none_or(|found| found < most)).count();
        assert!(missed <= 1, "{kind:?}: {missed} of {}: {runs:?}", runs.len());
    }
}

#[test]
fn a_limit_on_calls_at_a_time_is_used_though_calls_take_their_way() {
    for kind in AT_A_TIME {
        let runs: Vec<_> = found(kind, 30.0, Seeds::wanted().of(8)).collect();
        assert!(runs.iter().all(|&(_, used)| used >= 0.95), "{kind:?}: {runs:?}");
    }
}

/// Limits far below a rate: at such a rate a few calls show the limit badly.
const FAR_BELOW: [(Limiter, f64, u32); 4] = [
    (Limiter::Bucket(0.2), 200.0, 800),
    (Limiter::Bucket(0.5), 100.0, 400),
    (Limiter::Bucket(1.0), 100.0, 400),
    (Limiter::Weighted, 200.0, 800),
];

#[test]
fn no_run_takes_a_limit_far_below_its_rate_for_throttling_by_chance() {
    for ((limiter, limit, ceiling), wire) in
        FAR_BELOW.into_iter().flat_map(|kind| [(kind, Wire::NEAR), (kind, Wire::FAR)])
    {
        let level = |_: f64| limit;
        let (ceiling, latency, seconds) = (Some(ceiling), 0.02, 30.0);
        let run = Run { limiter, limit: &level, ceiling, latency, wire, seconds, clients: 1 };
        for seed in Seeds::wanted().of(8) {
            let client = &simulate(&run, seed)[0];
            let (served, throttled) = (client.served.len() as f64, client.throttled.len() as f64);
            let (used, share) = (served / (seconds * limit), throttled / (served + throttled));
            let told = format!("{limiter:?} {limit}, {wire:?}, {seed}: {used:.3}, {share:.4}");
            assert!(used >= 0.95 && share <= 0.025, "{told}");
        }
    }
}

#[test]
fn stray_calls_whose_answers_ask_for_a_hold_cost_little_more_than_the_holds() {
    let level = |_: f64| 20.0;
    let (limiter, wire) = (Limiter::Chance(0.005), Wire { hold: 2.0, ..Wire::NEAR });
    let (ceiling, latency, seconds) = (Some(20), 0.05, 120.0);
    let run = Run { limiter, limit: &level, ceiling, latency, wire, seconds, clients: 1 };
    let used = |seed: u64| {
        let client = &simulate(&run, seed)[0];
        let free = seconds - wire.hold * client.throttled.len() as f64;
        [client.served.len() as f64 / (free * 20.0)]
    };
    let mean = Seeds::wanted().carry_out(8, [0.88], used).mean(0);
    assert!(mean >= 0.88, "{mean:.3}");
}
