//! Suggests flags that would have made a run faster or safer, from the run's own figures.
//!
//! Pure functions over a few figures. A hint names a flag and a value, and only if the figures show
//! that it would help; reports word the reasons.

use crate::task::Rate;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// The minimum number of throttled answers for which a lower rate is suggested.
const MIN_THROTTLED: u64 = 5;
/// How many seconds the window lasts, mostly, in which a service counts.
const USUAL_WINDOW: f64 = 1.0;
/// The minimum share of throttled answers for which a lower rate is suggested.
const THROTTLED_SHARE: f64 = 0.01;
/// The share of throttled answers above which the service gave hardly any, so that what it accepted
/// is no rate.
const MOSTLY_THROTTLED: f64 = 0.75;
/// The share of its rate from which on a run was limited by nothing else.
const REACHED: f64 = 0.9;
/// The share of its time in holds above which a run was limited by the service.
const HELD_SHARE: f64 = 0.1;
/// The factor on the mean number of calls on the wire, because latencies vary.
const HEADROOM: f64 = 1.25;
/// The mean share of used slots above which a run was limited by their number.
const FULL: f64 = 0.8;
/// The minimum number of time-outs for which a longer one is suggested.
const MIN_TIMED_OUT: u64 = 3;
/// The share of the time-out from which on the slowest answer shows that the time-out is too short.
/// If all answers are faster, the service was away instead.
const NEARLY_TIMED_OUT: f64 = 0.5;

/// The figures of a run from which hints follow.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFigures {
    /// The number of all attempts.
    pub attempts: u64,
    /// The number of throttled attempts.
    pub throttled: u64,
    /// The number of timed-out attempts.
    pub timed_out: u64,
    /// The time from the first sending to the last answer.
    pub elapsed: Duration,
    /// The part of that time in which the service held the run.
    pub held: Duration,
    /// The rate limit, if one was set.
    pub rate: Option<Rate>,
    /// The calls a second that the run has found the service to accept, if it has found that.
    pub service_limit: Option<f64>,
    /// Whether the run searched for its rate.
    pub finds_rate: bool,
    /// The maximum number of calls on the wire.
    pub concurrency: usize,
    /// The mean time until an answer.
    pub mean_latency: Duration,
    /// The time until the slowest answer that was not timed out.
    pub slowest: Duration,
    /// The time-out of an attempt.
    pub timeout: Duration,
}

/// A flag that would improve the next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TuningHint {
    /// The service throttled many calls: send at this rate.
    LowerRate(Rate),
    /// Answers take too long to reach the rate: allow this many calls on the wire.
    MoreConcurrency(usize),
    /// Calls timed out shortly before their answers: wait this long.
    LongerTimeout(Duration),
}

impl fmt::Display for TuningHint {
    /// Writes the flag and its value, such as `--rate 80/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LowerRate(rate) => write!(f, "--rate {rate}"),
            Self::MoreConcurrency(calls) => write!(f, "--concurrency {calls}"),
            Self::LongerTimeout(timeout) => write!(f, "--timeout {}s", timeout.as_secs()),
        }
    }
}

/// Returns all hints for a run, the most important first.
///
/// ```
/// use batchctl::policy::{RunFigures, tuning_hints};
/// use std::time::Duration;
///
/// let figures = RunFigures {
///     attempts: 4_000,
///     throttled: 400,
///     timed_out: 0,
///     elapsed: Duration::from_secs(40),
///     held: Duration::from_secs(12),
///     rate: "200/s".parse().ok(),
///     service_limit: None,
///     finds_rate: false,
///     concurrency: 16,
///     mean_latency: Duration::from_millis(30),
///     slowest: Duration::from_millis(90),
///     timeout: Duration::from_secs(60),
/// };
/// let flags: Vec<String> = tuning_hints(&figures).iter().map(ToString::to_string).collect();
/// assert_eq!(flags, ["--rate 90/s"]);
/// ```
pub fn tuning_hints(figures: &RunFigures) -> Vec<TuningHint> {
    // More calls on the wire do not help if the service wants fewer.
    let pace = lower_rate(figures).or_else(|| more_concurrency(figures));
    pace.into_iter().chain(longer_timeout(figures)).collect()
}

/// Suggests the limit that the run has found, else the rate at which calls were accepted over the
/// whole run, waits included.
fn lower_rate(figures: &RunFigures) -> Option<TuningHint> {
    // Without attempts the share is not a number; the minimum number below rejects that case.
    let share = figures.throttled as f64 / figures.attempts as f64;
    // A search for the rate is throttled now and then, and lowers its rate by itself.
    let is_meaningful = (THROTTLED_SHARE..=MOSTLY_THROTTLED).contains(&share);
    if figures.finds_rate || figures.throttled < MIN_THROTTLED || !is_meaningful {
        return None;
    }
    let accepted = figures.attempts.saturating_sub(figures.throttled);
    // A run that ends within the service's window has seen a part of that window alone.
    let sustained = accepted as f64 / figures.elapsed.as_secs_f64().max(USUAL_WINDOW);
    let advised = round_rate(figures.service_limit.unwrap_or(sustained))?;
    let is_lower = figures.rate.is_none_or(|rate| advised.per_second() < rate.per_second());
    is_lower.then_some(TuningHint::LowerRate(advised))
}

/// Rounds down to a whole number a second, or else a minute or an hour.
fn round_rate(per_second: f64) -> Option<Rate> {
    [1, 60, 3_600].into_iter().find_map(|seconds| {
        // Less than one in this window rounds to zero, and the next longer window is tried.
        let limit = NonZeroU32::new((per_second * seconds as f64) as u32)?;
        Some(Rate { limit, window: Duration::from_secs(seconds) })
    })
}

/// Suggests the number of slots by Little's law: calls on the wire = rate × latency.
fn more_concurrency(figures: &RunFigures) -> Option<TuningHint> {
    if figures.finds_rate {
        return room_to_search(figures);
    }
    let wanted = figures.rate?.per_second();
    let elapsed = figures.elapsed.as_secs_f64();
    let reached = figures.attempts as f64 / elapsed;
    // More slots cannot raise the rate of a run that the service held.
    let was_held = figures.held.as_secs_f64() > elapsed * HELD_SHARE;
    let needed = wanted * figures.mean_latency.as_secs_f64();
    if was_held || reached >= wanted * REACHED || needed <= figures.concurrency as f64 {
        return None;
    }
    Some(TuningHint::MoreConcurrency((needed * HEADROOM).ceil() as usize))
}

/// Suggests twice the slots if nearly all were in use and the service throttled nothing: a search
/// cannot find a rate beyond its slots.
fn room_to_search(figures: &RunFigures) -> Option<TuningHint> {
    let calls = figures.attempts as f64;
    let on_wire = calls * figures.mean_latency.as_secs_f64() / figures.elapsed.as_secs_f64();
    let was_full = on_wire >= figures.concurrency as f64 * FULL;
    (was_full && figures.throttled == 0)
        .then_some(TuningHint::MoreConcurrency(figures.concurrency.saturating_mul(2)))
}

/// Suggests twice the time-out if the slowest answers nearly reached it.
fn longer_timeout(figures: &RunFigures) -> Option<TuningHint> {
    let nearly = figures.slowest >= figures.timeout.mul_f64(NEARLY_TIMED_OUT);
    let advised = Duration::from_secs((figures.timeout.as_secs_f64() * 2.0).ceil() as u64);
    (figures.timed_out >= MIN_TIMED_OUT && nearly).then_some(TuningHint::LongerTimeout(advised))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of 100 seconds in which nothing went wrong.
    fn figures() -> RunFigures {
        RunFigures {
            attempts: 10_000,
            throttled: 0,
            timed_out: 0,
            elapsed: Duration::from_secs(100),
            held: Duration::ZERO,
            rate: "100/s".parse().ok(),
            service_limit: None,
            finds_rate: false,
            concurrency: 16,
            mean_latency: Duration::from_millis(50),
            slowest: Duration::from_secs(2),
            timeout: Duration::from_secs(60),
        }
    }

    fn check(figures: &RunFigures, expected: &[&str]) {
        let flags: Vec<String> = tuning_hints(figures).iter().map(ToString::to_string).collect();
        assert_eq!(flags, expected, "{figures:?}");
    }

    #[test]
    fn a_run_without_trouble_has_no_hints() {
        check(&figures(), &[]);
        check(&RunFigures { attempts: 0, elapsed: Duration::ZERO, ..figures() }, &[]);
        check(&RunFigures { rate: None, ..figures() }, &[]);
    }

    #[test]
    fn a_throttled_run_gets_the_rate_that_was_accepted() {
        let throttled = RunFigures { throttled: 2_000, ..figures() };
        check(&throttled, &["--rate 80/s"]);
        check(&RunFigures { rate: None, ..throttled.clone() }, &["--rate 80/s"]);
        let slow = RunFigures { attempts: 100, throttled: 50, ..figures() };
        check(&slow, &["--rate 30/m"]);
        let elapsed = Duration::from_secs(300);
        let slower = RunFigures { attempts: 8, throttled: 5, elapsed, ..figures() };
        check(&slower, &["--rate 36/h"]);
        let known = RunFigures { service_limit: Some(92.5), ..throttled.clone() };
        check(&known, &["--rate 92/s"]);
        check(&RunFigures { rate: "70/s".parse().ok(), ..throttled }, &[]);
    }

    #[test]
    fn a_run_that_is_shorter_than_a_second_does_not_hint_at_more_than_it_was_accepted() {
        let elapsed = Duration::from_millis(300);
        let short = RunFigures { attempts: 107, throttled: 7, elapsed, ..figures() };
        check(&RunFigures { rate: "400/s".parse().ok(), ..short }, &["--rate 100/s"]);
    }

    #[test]
    fn what_a_service_accepted_that_throttled_nearly_everything_is_no_rate() {
        check(&RunFigures { attempts: 30, throttled: 24, ..figures() }, &[]);
    }

    #[test]
    fn a_few_throttled_answers_are_no_reason_for_a_lower_rate() {
        check(&RunFigures { throttled: 99, ..figures() }, &[]);
        check(&RunFigures { attempts: 100, throttled: 4, ..figures() }, &[]);
    }

    #[test]
    fn slow_answers_that_limit_the_rate_need_more_calls_on_the_wire() {
        let slow =
            RunFigures { attempts: 3_200, mean_latency: Duration::from_millis(500), ..figures() };
        check(&slow, &["--concurrency 63"]);
        check(&RunFigures { held: Duration::from_secs(30), ..slow.clone() }, &[]);
        check(&RunFigures { concurrency: 50, ..slow }, &[]);
        let reached = RunFigures { mean_latency: Duration::from_millis(500), ..figures() };
        check(&reached, &[]);
    }

    #[test]
    fn a_search_gets_no_rate_but_more_slots_if_all_were_in_use() {
        let search = RunFigures { rate: None, finds_rate: true, ..figures() };
        check(&RunFigures { throttled: 2_000, ..search.clone() }, &[]);
        // 100/s at 130 ms each keep 13 of 16 slots busy.
        let full = RunFigures { mean_latency: Duration::from_millis(130), ..search.clone() };
        check(&full, &["--concurrency 32"]);
        check(&RunFigures { throttled: 1, ..full.clone() }, &[]);
        check(&RunFigures { mean_latency: Duration::from_millis(120), ..full }, &[]);
        check(&RunFigures { attempts: 0, elapsed: Duration::ZERO, ..search }, &[]);
    }

    #[test]
    fn answers_just_below_the_time_out_need_a_longer_one() {
        let large = RunFigures { timed_out: 3, slowest: Duration::from_secs(45), ..figures() };
        check(&large, &["--timeout 120s"]);
        check(&RunFigures { timed_out: 2, ..large.clone() }, &[]);
        // All answers were fast: the service was away, and a longer time-out would not have helped.
        check(&RunFigures { slowest: Duration::from_secs(2), ..large }, &[]);
    }

    #[test]
    fn the_most_important_hint_comes_first() {
        let all = RunFigures {
            attempts: 3_200,
            throttled: 40,
            timed_out: 10,
            mean_latency: Duration::from_secs(1),
            slowest: Duration::from_secs(59),
            ..figures()
        };
        check(&all, &["--rate 31/s", "--timeout 120s"]);
    }

    #[test]
    fn a_figure_at_its_bound_decides_as_the_bound_says() {
        check(&RunFigures { throttled: 100, ..figures() }, &["--rate 99/s"]);
        let as_accepted = RunFigures { throttled: 2_000, rate: "80/s".parse().ok(), ..figures() };
        check(&as_accepted, &[]);
        check(&RunFigures { attempts: 1_000, throttled: 750, ..figures() }, &["--rate 2/s"]);
        check(&RunFigures { attempts: 1_000, throttled: 751, ..figures() }, &[]);
        let search = RunFigures { rate: None, finds_rate: true, concurrency: 10, ..figures() };
        let mean_latency = Duration::from_millis(80);
        check(&RunFigures { mean_latency, ..search }, &["--concurrency 20"]);
        let slow =
            RunFigures { attempts: 3_200, mean_latency: Duration::from_millis(500), ..figures() };
        check(&RunFigures { held: Duration::from_secs(10), ..slow.clone() }, &["--concurrency 63"]);
        check(&RunFigures { attempts: 9_000, ..slow.clone() }, &[]);
        check(&RunFigures { attempts: 8_999, ..slow.clone() }, &["--concurrency 63"]);
        check(&RunFigures { mean_latency: Duration::from_millis(160), ..slow }, &[]);
        let slowest = Duration::from_secs(30);
        check(&RunFigures { timed_out: 3, slowest, ..figures() }, &["--timeout 120s"]);
    }
}
