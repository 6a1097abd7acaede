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

/// Ways on which a call takes up to a few milliseconds, and timers that are as late.
fn ways() -> impl Iterator<Item = Wire> {
    [(0.0, 0.001), (0.0005, 0.002), (0.002, 0.003)].into_iter().map(|(way, late)| Wire {
        out: way,
        back: (0.0, way),
        refusal: 0.005,
        late: (0.0, late),
        hold: 0.0,
    })
}

#[test]
fn late_timers_let_no_look_at_a_window_pass_that_takes_no_more() {
    let level = |_: f64| 300.0;
    let (mut outgrown, mut runs) = (0, 0);
    for (wire, seed) in ways().flat_map(|wire| (1..=12).map(move |seed| (wire, seed))) {
        let (limiter, ceiling, latency) = (Limiter::Fixed(1.0), Some(1_000), 0.02);
        let run = Run { limiter, limit: &level, ceiling, latency, wire, seconds: 30.0, clients: 1 };
        let throttled = &simulate(&run, seed)[0].throttled;
        let in_second =
            |second: u32| throttled.iter().filter(|&&at| at.floor() == f64::from(second)).count();
        outgrown += (6..30).filter(|&second| in_second(second) >= 10).count();
        runs += 1;
    }
    assert!(10 * outgrown <= runs, "{outgrown} times in {runs} runs");
}

#[test]
fn late_timers_let_no_search_for_a_fixed_window_throttle_one_percent() {
    let level = |_: f64| 300.0;
    for (wire, seed) in ways().flat_map(|wire| (1..=24).map(move |seed| (wire, seed))) {
        let (limiter, ceiling, latency) = (Limiter::Fixed(1.0), None, 0.02);
        let run = Run { limiter, limit: &level, ceiling, latency, wire, seconds: 30.0, clients: 1 };
        let client = &simulate(&run, seed)[0];
        let share = client.throttled.len() as f64 / client.sent.len() as f64;
        assert!(share < 0.01, "{wire:?}, {seed}: {share:.4}");
    }
}

#[test]
fn a_fixed_window_that_doubles_is_used_within_three_seconds_though_timers_are_late() {
    for (ceiling, least) in [(Some(1_000), 0.955), (None, 0.965)] {
        for wire in ways() {
            let used = |seed: u64| {
                // The limit doubles as a window ends.
                let changes = 12.0 - fastrand::Rng::with_seed(seed).f64();
                let level = |at: f64| if at < changes { 300.0 } else { 600.0 };
                let (limiter, latency, seconds) = (Limiter::Fixed(1.0), 0.02, changes + 5.1);
                let run =
                    Run { limiter, limit: &level, ceiling, latency, wire, seconds, clients: 1 };
                let served = &simulate(&run, seed)[0].served;
                let late = changes + 3.0..changes + 5.0;
                [served.iter().filter(|at| late.contains(at)).count() as f64 / 1_200.0]
            };
            let mean = Seeds::wanted().carry_out(192, [least], used).mean(0);
            assert!(mean >= least, "{ceiling:?}, {wire:?}: {mean:.3}");
        }
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
