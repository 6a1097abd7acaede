//! What whole runs come to where a service throttles at once, whatever its calls take.
//!
//! The other figures are for calls of 20 ms and throttled answers that take as long. Here hardly a call is on
//! the wire when one is throttled, or very many are that were accepted.

use super::runs::{Runs, Seeds};
use super::simulation::{Limiter, Run, Wire, simulate};

/// How many seconds calls take, and throttled answers.
const AT_ONCE: (f64, f64) = (0.002, 0.002);
const TENTH: (f64, f64) = (0.1, 0.003);
const SLOW: (f64, f64) = (0.3, 0.005);

const SECONDS: f64 = 30.0;

const KINDS: [Limiter; 7] = [
    Limiter::Bucket(0.05),
    Limiter::Bucket(0.1),
    Limiter::Bucket(1.0),
    Limiter::Fixed(1.0),
    Limiter::Sliding(1.0),
    Limiter::Weighted,
    Limiter::SlidingAll(1.0),
];

fn wire(refusal: f64) -> Wire {
    Wire { refusal, ..Wire::NONE }
}

/// Returns the shares of the limit that half a minute was served, and after ten seconds, and the share of
/// calls that was throttled; each with its bound.
fn shares(
    limiter: Limiter,
    limit: f64,
    ceiling: Option<u32>,
    (latency, refusal): (f64, f64),
    bounds: [f64; 3],
) -> Runs<3> {
    let level = |_: f64| limit;
    let wire = wire(refusal);
    let run = Run { limiter, limit: &level, ceiling, latency, wire, seconds: SECONDS, clients: 1 };
    Seeds::wanted().carry_out(16, bounds, |seed| {
        let client = &simulate(&run, seed)[0];
        let (served, throttled) = (client.served.len() as f64, client.throttled.len() as f64);
        let late = client.served.iter().filter(|&&at| at >= 10.0).count() as f64;
        // A slow call has not been served yet when the first ones could have been.
        let whole = served / (limit * (SECONDS - latency));
        [whole, late / (limit * (SECONDS - 10.0)), throttled / (served + throttled)]
    })
}

/// Returns the least share of a limit that is demanded below a rate, which weighted windows just below it and
/// slow calls to windows that count throttled ones do not reach.
fn least(limiter: Limiter, factor: f64, latency: f64) -> f64 {
    match limiter {
        Limiter::Weighted if factor < 2.0 => 0.93,
        Limiter::SlidingAll(_) if latency > TENTH.0 => 0.88,
        _ => 0.95,
    }
}

#[test]
fn a_service_that_throttles_at_once_is_followed_below_a_rate() {
    let mut missed = Vec::new();
    for (kind, latency) in
        KINDS.into_iter().flat_map(|kind| [AT_ONCE, TENTH, SLOW].map(|latency| (kind, latency)))
    {
        for (limit, factor) in [(200.0, 1.3), (200.0, 4.0), (600.0, 1.3), (600.0, 4.0)] {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let ceiling = Some((factor * limit) as u32);
            let bounds = [least(kind, factor, latency.0), f64::NEG_INFINITY, 0.015];
            let runs = shares(kind, limit, ceiling, latency, bounds);
            if runs.mean(0) < bounds[0] || runs.mean(2) > bounds[2] {
                missed.push(format!(
                    "{kind:?} {limit} {ceiling:?} {latency:?}: {:.3} {:.2} %",
                    runs.mean(0),
                    100.0 * runs.mean(2)
                ));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn a_service_that_throttles_at_once_is_searched_without_a_rate() {
    let mut missed = Vec::new();
    for (kind, latency) in
        KINDS.into_iter().flat_map(|kind| [AT_ONCE, TENTH, SLOW].map(|latency| (kind, latency)))
    {
        for limit in [200.0, 600.0] {
            let bounds = [0.9, 0.97, 0.01];
            let runs = shares(kind, limit, None, latency, bounds);
            let [whole, late, throttled] = [0, 1, 2].map(|figure| runs.mean(figure));
            if whole < bounds[0] || late < bounds[1] || throttled >= bounds[2] {
                let percent = 100.0 * throttled;
                missed.push(format!(
                    "{kind:?} {limit} {latency:?}: {whole:.3} {late:.3} {percent:.2} %"
                ));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn no_limit_on_calls_at_a_time_is_found_at_a_service_that_has_none() {
    for (kind, latency) in
        KINDS.into_iter().flat_map(|kind| [TENTH, SLOW].map(|latency| (kind, latency)))
    {
        let level = |_: f64| 200.0;
        let (ceiling, wire) = (Some(800), wire(latency.1));
        let run = Run {
            limiter: kind,
            limit: &level,
            ceiling,
            latency: latency.0,
            wire,
            seconds: SECONDS,
            clients: 1,
        };
        for seed in Seeds::wanted().of(16) {
            let known = simulate(&run, seed)[0].controller.limit();
            assert_eq!(known.at_a_time, None, "{kind:?} {latency:?} {seed}");
            assert!(known.per_second.is_some_and(|limit| limit < 230.0), "{kind:?} {known:?}");
        }
    }
}

#[test]
fn a_limit_that_halves_or_doubles_is_used_within_three_seconds_though_calls_are_throttled_at_once()
{
    let mut missed = Vec::new();
    let kinds =
        [Limiter::Bucket(0.1), Limiter::Bucket(1.0), Limiter::Fixed(1.0), Limiter::Sliding(1.0)];
    for (kind, (latency, refusal)) in
        kinds.into_iter().flat_map(|kind| [AT_ONCE, TENTH].map(|latency| (kind, latency)))
    {
        for (from, to) in [(600.0, 300.0), (300.0, 600.0), (200.0, 100.0)] {
            for ceiling in [Some(1_000), None] {
                let runs = Seeds::wanted().carry_out(48, [0.95], |seed| {
                    let changes = 12.0 + 0.41 * seed as f64;
                    let level = |at: f64| if at < changes { from } else { to };
                    let (wire, seconds) = (wire(refusal), changes + 5.1);
                    let run = Run {
                        limiter: kind,
                        limit: &level,
                        ceiling,
                        latency,
                        wire,
                        seconds,
                        clients: 1,
                    };
                    let late = changes + 3.0..changes + 5.0;
                    let served = &simulate(&run, seed)[0].served;
                    [served.iter().filter(|at| late.contains(at)).count() as f64 / (2.0 * to)]
                });
                if runs.mean(0) < 0.95 {
                    missed.push(format!(
                        "{kind:?} {latency} {from} {to} {ceiling:?} {:.3}",
                        runs.mean(0)
                    ));
                }
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
