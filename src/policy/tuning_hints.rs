//! Says after a run what would have made it better, from the run's own numbers.
//!
//! Pure functions over a few figures. An advice names a flag and a value, and only where the
//! figures show that it would help; what is shown of it is for others to word.

use crate::task::Rate;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// From how many throttled answers on, and from which share of all, a lower rate is advised.
const LEAST_THROTTLED: u64 = 5;
const THROTTLED_SHARE: f64 = 0.01;
/// A run that reached this share of its rate was not limited by anything else.
const REACHED: f64 = 0.9;
/// A run that was held back for more than this share of its time was limited by the service.
const HELD_SHARE: f64 = 0.1;
/// By how much more than what is needed at the mean the calls on the wire should be, for
/// latencies vary.
const HEADROOM: f64 = 1.25;
/// A run with this share of its calls on the wire, on average, was limited by their number.
const FULL: f64 = 0.8;
/// From how many time-outs on a longer one is advised.
const LEAST_TIMED_OUT: u64 = 3;
/// An answer that took this share of the time-out shows that it is too short, and not that the
/// service was away.
const NEARLY_TIMED_OUT: f64 = 0.5;

/// What a run came to, as far as advice needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFigures {
    /// Attempts of every kind.
    pub attempts: u64,
    /// How many of them were throttled.
    pub throttled: u64,
    /// How many of them timed out.
    pub timed_out: u64,
    /// From the first sending to the last answer.
    pub elapsed: Duration,
    /// For how long of it the run was held back by the service.
    pub held: Duration,
    /// The limit, if there was one that was set.
    pub rate: Option<Rate>,
    /// Whether the rate was found by what the service answered.
    pub finds_rate: bool,
    /// The most calls on the wire at a time.
    pub concurrency: usize,
    /// How long an answer took, on average.
    pub mean_latency: Duration,
    /// How long the slowest answer took that came in time.
    pub slowest: Duration,
    /// The most an attempt could take.
    pub timeout: Duration,
}

/// What would make the next run better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TuningHint {
    /// The service throttled a good deal: send at this rate.
    LowerRate(Rate),
    /// Answers take too long for the rate with so few calls on the wire: allow this many.
    MoreConcurrency(usize),
    /// Calls that were about to be answered timed out: wait this long.
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

/// Returns all that would have helped a run, the most important first.
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
    // More calls on the wire are of no use where the service wants fewer.
    let pace = lower_rate(figures).or_else(|| more_concurrency(figures));
    pace.into_iter().chain(longer_timeout(figures)).collect()
}

/// Advises the pace at which calls were accepted on the whole, waits included.
fn lower_rate(figures: &RunFigures) -> Option<TuningHint> {
    let share = figures.throttled as f64 / figures.attempts as f64;
    // A search is throttled now and then, and lowers its rate by itself.
    if figures.finds_rate || figures.throttled < LEAST_THROTTLED || share < THROTTLED_SHARE {
        return None;
    }
    let accepted = figures.attempts.saturating_sub(figures.throttled);
    let sustained = accepted as f64 / figures.elapsed.as_secs_f64();
    let advised = round_rate(sustained)?;
    let is_lower = figures.rate.is_none_or(|rate| advised.per_second() < rate.per_second());
    is_lower.then_some(TuningHint::LowerRate(advised))
}

/// Rounds down to a whole number a second, or else a minute or an hour.
fn round_rate(per_second: f64) -> Option<Rate> {
    [1, 60, 3_600].into_iter().find_map(|seconds| {
        let limit = NonZeroU32::new((per_second * seconds as f64) as u32)?;
        Some(Rate { limit, window: Duration::from_secs(seconds) })
    })
}

/// Advises what Little's law asks for: on the wire is the rate times the latency.
fn more_concurrency(figures: &RunFigures) -> Option<TuningHint> {
    if figures.finds_rate {
        return room_to_search(figures);
    }
    let wanted = figures.rate?.per_second();
    let elapsed = figures.elapsed.as_secs_f64();
    let reached = figures.attempts as f64 / elapsed;
    let was_held = figures.held.as_secs_f64() > elapsed * HELD_SHARE;
    let needed = wanted * figures.mean_latency.as_secs_f64();
    if was_held || reached >= wanted * REACHED || needed <= figures.concurrency as f64 {
        return None;
    }
    Some(TuningHint::MoreConcurrency((needed * HEADROOM).ceil() as usize))
}

/// Advises twice as many where nearly all were on the wire all the time and the service had
/// nothing against it: a search never learns what it would bear beyond them.
fn room_to_search(figures: &RunFigures) -> Option<TuningHint> {
    let calls = figures.attempts as f64;
    let on_wire = calls * figures.mean_latency.as_secs_f64() / figures.elapsed.as_secs_f64();
    let was_full = on_wire >= figures.concurrency as f64 * FULL;
    (was_full && figures.throttled == 0)
        .then_some(TuningHint::MoreConcurrency(figures.concurrency.saturating_mul(2)))
}

/// Advises twice the time, where answers nearly took what they were given.
fn longer_timeout(figures: &RunFigures) -> Option<TuningHint> {
    let nearly = figures.slowest >= figures.timeout.mul_f64(NEARLY_TIMED_OUT);
    let advised = Duration::from_secs((figures.timeout.as_secs_f64() * 2.0).ceil() as u64);
    (figures.timed_out >= LEAST_TIMED_OUT && nearly).then_some(TuningHint::LongerTimeout(advised))
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
    fn a_run_without_trouble_needs_no_advice() {
        check(&figures(), &[]);
        check(&RunFigures { attempts: 0, elapsed: Duration::ZERO, ..figures() }, &[]);
        check(&RunFigures { rate: None, ..figures() }, &[]);
    }

    #[test]
    fn a_run_that_was_throttled_is_told_the_pace_that_was_accepted() {
        let throttled = RunFigures { throttled: 2_000, ..figures() };
        check(&throttled, &["--rate 80/s"]);
        check(&RunFigures { rate: None, ..throttled.clone() }, &["--rate 80/s"]);
        let slow = RunFigures { attempts: 100, throttled: 50, ..figures() };
        check(&slow, &["--rate 30/m"]);
        let slower = RunFigures { attempts: 6, throttled: 5, ..figures() };
        check(&slower, &["--rate 36/h"]);
        check(&RunFigures { rate: "70/s".parse().ok(), ..throttled }, &[]);
    }

    #[test]
    fn a_few_throttled_answers_are_what_finding_the_limit_costs() {
        check(&RunFigures { throttled: 99, ..figures() }, &[]);
        check(&RunFigures { attempts: 100, throttled: 4, ..figures() }, &[]);
    }

    #[test]
    fn a_rate_that_slow_answers_kept_from_being_reached_needs_more_calls_on_the_wire() {
        let slow =
            RunFigures { attempts: 3_200, mean_latency: Duration::from_millis(500), ..figures() };
        check(&slow, &["--concurrency 63"]);
        check(&RunFigures { held: Duration::from_secs(30), ..slow.clone() }, &[]);
        check(&RunFigures { concurrency: 50, ..slow }, &[]);
        let reached = RunFigures { mean_latency: Duration::from_millis(500), ..figures() };
        check(&reached, &[]);
    }

    #[test]
    fn a_search_is_told_no_rate_and_more_calls_on_the_wire_where_all_were_taken() {
        let search = RunFigures { rate: None, finds_rate: true, ..figures() };
        check(&RunFigures { throttled: 2_000, ..search.clone() }, &[]);
        // 100/s at 130 ms each are 13 of 16 on the wire.
        let full = RunFigures { mean_latency: Duration::from_millis(130), ..search.clone() };
        check(&full, &["--concurrency 32"]);
        check(&RunFigures { throttled: 1, ..full.clone() }, &[]);
        check(&RunFigures { mean_latency: Duration::from_millis(120), ..full }, &[]);
        check(&RunFigures { attempts: 0, elapsed: Duration::ZERO, ..search }, &[]);
    }

    #[test]
    fn time_outs_where_answers_nearly_came_too_late_need_more_time() {
        let large = RunFigures { timed_out: 3, slowest: Duration::from_secs(45), ..figures() };
        check(&large, &["--timeout 120s"]);
        check(&RunFigures { timed_out: 2, ..large.clone() }, &[]);
        // All other answers were quick: the service was away, and waiting would not have helped.
        check(&RunFigures { slowest: Duration::from_secs(2), ..large }, &[]);
    }

    #[test]
    fn several_advices_come_with_the_most_important_first() {
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
}
