//! What whole runs come to where the service asks the run to wait with each throttled call.

use super::runs::Seeds;
use super::simulation::{Limiter, Run, Wire, simulate};

/// The kinds of limits, and what is used of each in the first half minute and after the first minute.
const KINDS: [(Limiter, f64, f64); 11] = [
    (Limiter::Bucket(0.01), 0.83, 0.92),
    (Limiter::Bucket(0.1), 0.88, 0.95),
    (Limiter::Bucket(0.5), 0.91, 0.95),
    (Limiter::Bucket(1.0), 0.94, 0.95),
    (Limiter::Bucket(3.0), 0.97, 0.95),
    (Limiter::Fixed(1.0), 0.75, 0.92),
    (Limiter::Sliding(1.0), 0.87, 0.95),
    (Limiter::SlidingAll(1.0), 0.87, 0.95),
    (Limiter::Weighted, 0.75, 0.92),
    (Limiter::Fixed(0.1), 0.7, 0.9),
    (Limiter::Sliding(0.1), 0.74, 0.91),
];

fn between(times: &[f64], begin: f64, end: f64) -> f64 {
    times.iter().filter(|&&at| at >= begin && at < end).count() as f64
}

/// What is used of a limit of 100 a second in the first half minute and between the first and the third
/// minute, and the share of the calls that was throttled.
fn used(limiter: Limiter, ceiling: Option<u32>, hold: f64, seed: u64) -> [f64; 3] {
    let level = |_: f64| 100.0;
    let wire = Wire { hold, ..Wire::NONE };
    let (latency, seconds) = (0.02, 180.0);
    let run = Run { limiter, limit: &level, ceiling, latency, wire, seconds, clients: 1 };
    let client = &simulate(&run, seed)[0];
    let (served, throttled) = (client.served.len() as f64, client.throttled.len() as f64);
    let first = between(&client.served, 0.0, 30.0) / 3_000.0;
    let later = between(&client.served, 60.0, seconds) / (100.0 * (seconds - 60.0));
    [first, later, throttled / (served + throttled)]
}

#[test]
fn a_limit_that_asks_for_a_second_is_found_in_few_holds_and_then_used() {
    let mut missed = Vec::new();
    for (limiter, first, later) in KINDS {
        for ceiling in [Some(130), Some(400), None] {
            let runs = Seeds::wanted()
                .carry_out(8, [first, later, 0.02], |seed| used(limiter, ceiling, 1.0, seed));
            let [early, late, throttled] = [0, 1, 2].map(|figure| runs.mean(figure));
            let told = format!("{limiter:?} {ceiling:?}: {early:.3} {late:.3} {throttled:.4}");
            if early < first || late < later || throttled > 0.02 {
                missed.push(told);
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn a_hold_that_is_shorter_than_the_window_does_not_lower_the_pace_again() {
    for limiter in [Limiter::Fixed(1.0), Limiter::Sliding(1.0), Limiter::SlidingAll(1.0)] {
        for ceiling in [Some(130), Some(400), None] {
            let runs = Seeds::wanted().carry_out(8, [0.78, 0.94], |seed| {
                let [first, later, _] = used(limiter, ceiling, 0.2, seed);
                [first, later]
            });
            let (early, late) = (runs.mean(0), runs.mean(1));
            assert!(early >= 0.78 && late >= 0.94, "{limiter:?} {ceiling:?}: {early:.3} {late:.3}");
        }
    }
}

#[test]
fn holds_by_chance_are_told_from_a_limit_and_leave_the_pace_as_it_is() {
    for (share, least) in [(0.005, 0.85), (0.02, 0.75), (0.1, 0.85), (0.3, 0.85)] {
        let (hold, seconds, level) = (1.0, 120.0, |_: f64| 100.0);
        let run = Run {
            limiter: Limiter::Chance(share),
            limit: &level,
            ceiling: Some(100),
            latency: 0.02,
            wire: Wire { hold, ..Wire::NONE },
            seconds,
            clients: 1,
        };
        // Each throttled call costs a hold, whatever the pace.
        let possible = seconds / (0.01 + share * hold);
        let of = |seed: u64| [simulate(&run, seed)[0].served.len() as f64 / possible];
        let mean = Seeds::wanted().carry_out(12, [least], of).mean(0);
        assert!(mean >= least, "{share}: {mean:.3}");
    }
}

#[test]
fn several_clients_that_wait_do_not_take_one_another_for_chance() {
    for (limiter, hold, least, most) in [
        (Limiter::Bucket(0.1), 0.2, 0.9, 0.03),
        (Limiter::Bucket(0.1), 1.0, 0.75, 0.02),
        (Limiter::Fixed(1.0), 1.0, 0.85, 0.02),
        (Limiter::Sliding(1.0), 1.0, 0.7, 0.02),
    ] {
        let level = |_: f64| 100.0;
        let wire = Wire { hold, ..Wire::NONE };
        let (ceiling, latency, seconds) = (Some(130), 0.02, 180.0);
        let run = Run { limiter, limit: &level, ceiling, latency, wire, seconds, clients: 3 };
        let of = |seed: u64| {
            let clients = simulate(&run, seed);
            let served: usize = clients.iter().map(|client| client.served.len()).sum();
            let throttled: usize = clients.iter().map(|client| client.throttled.len()).sum();
            [served as f64 / 18_000.0, throttled as f64 / (served + throttled) as f64]
        };
        let runs = Seeds::wanted().carry_out(8, [least, most], of);
        let (used, throttled) = (runs.mean(0), runs.mean(1));
        let told = format!("{limiter:?}, {hold} s: {used:.3}, {throttled:.4}");
        assert!(used >= least && throttled <= most, "{told}");
    }
}
