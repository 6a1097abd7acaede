//! Decides what happens to a task after an attempt: settle it, or send it again, and when.
//!
//! Never sleeps and draws no random number; it answers with a duration and the dispatcher
//! waits. A task is given up only for its own sake: what the service asks of everyone
//! (throttling) uses up no attempt of any task.

use crate::policy::classify::Verdict;
use crate::policy::outage::WitnessTrust;
use crate::task::Outcome;
use std::num::NonZeroU32;
use std::time::Duration;

/// The first wait between attempts; it doubles with each, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The first hold after a throttled answer that does not say how long.
const FIRST_HOLD: Duration = Duration::from_secs(1);
/// The longest wait between attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// What to do with a call that may have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDoubt {
    /// Send it again: start and stop name a state, so a second one changes nothing.
    Retry,
    /// Leave it, as `ambiguous`.
    Hold,
}

/// How often, and after which doubts, a task is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The most attempts of one task; throttled ones do not count.
    pub max_attempts: NonZeroU32,
    /// What to do with a call that may have been carried out.
    pub on_doubt: OnDoubt,
}

/// What a task has been through, this attempt included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttemptHistory {
    /// Attempts that count against the most there may be.
    pub charged: u32,
    /// Throttled answers so far.
    pub throttled: u32,
    /// How often the credentials were refused so far.
    pub refusals: u32,
    /// Whether any attempt was left in doubt.
    pub doubted: bool,
    /// What the task's word about the service is worth.
    pub trust: WitnessTrust,
}

impl AttemptHistory {
    /// Returns the standing after one more attempt that ended with `verdict`.
    #[must_use]
    pub fn after(self, verdict: Verdict) -> Self {
        match verdict {
            Verdict::Throttled { .. } => Self { throttled: self.throttled + 1, ..self },
            Verdict::InDoubt | Verdict::Panicked => {
                Self { charged: self.charged + 1, doubted: true, ..self }
            }
            // The credentials were refused, not this task.
            Verdict::Unauthorised => Self { refusals: self.refusals + 1, ..self },
            Verdict::Done(_) | Verdict::NeverLeft | Verdict::Refused | Verdict::Transient => {
                Self { charged: self.charged + 1, ..self }
            }
        }
    }

    /// Returns the standing after one more attempt that is held against nobody: the service was
    /// away, or the attempt probed whether it is. What it leaves in doubt stays in doubt.
    #[must_use]
    pub fn after_uncharged(self, verdict: Verdict) -> Self {
        Self { charged: self.charged, ..self.after(verdict) }
    }
}

/// What happens to a task next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It has its outcome.
    Settle(Outcome),
    /// It waits that long, without a slot, and is sent again.
    SendAgain {
        /// How long it waits.
        after: Duration,
    },
    /// The whole run sends nothing for that long, then this task goes again.
    HoldRun {
        /// How long the run waits.
        wait: Duration,
    },
    /// The whole run waits for other credentials, then this task goes again; or the run ends.
    Reauthorise,
}

impl RetryPolicy {
    /// Decides what follows an attempt, with `jitter` drawn evenly from 0 to 1.
    ///
    /// The wait before attempt n+1 is "full jitter": evenly between nothing and
    /// min(20 s, 500 ms · 2ⁿ⁻¹), as in "Exponential Backoff And Jitter" (AWS Architecture Blog).
    pub fn decide(&self, verdict: Verdict, history: AttemptHistory, jitter: f64) -> Decision {
        match verdict {
            Verdict::Done(outcome) => Decision::Settle(outcome),
            Verdict::Refused => Decision::Settle(unsuccessful(history)),
            Verdict::Unauthorised => Decision::Reauthorise,
            Verdict::Throttled { hold } => Decision::HoldRun { wait: held(hold, history, jitter) },
            // The same code on the same task would panic again.
            Verdict::Panicked => Decision::Settle(Outcome::Ambiguous),
            Verdict::InDoubt if self.on_doubt == OnDoubt::Hold => {
                Decision::Settle(Outcome::Ambiguous)
            }
            Verdict::InDoubt | Verdict::NeverLeft | Verdict::Transient => {
                self.again(history, jitter)
            }
        }
    }

    fn again(&self, history: AttemptHistory, jitter: f64) -> Decision {
        if history.charged >= self.max_attempts.get() {
            return Decision::Settle(unsuccessful(history));
        }
        let after = ceiling(FIRST_WAIT, history.charged).mul_f64(jitter);
        Decision::SendAgain { after }
    }
}

/// A refusal after a doubt does not undo the doubt: the first attempt may have been carried out.
fn unsuccessful(history: AttemptHistory) -> Outcome {
    if history.doubted { Outcome::Ambiguous } else { Outcome::Failed }
}

/// Returns how long the run holds: never less than asked, and a tenth more at most, so that
/// several clients told the same do not come back at the same moment.
fn held(asked: Option<Duration>, history: AttemptHistory, jitter: f64) -> Duration {
    match asked {
        Some(wait) => wait.mul_f64(1.0 + jitter / 10.0),
        None => ceiling(FIRST_HOLD, history.throttled).mul_f64(0.5 + jitter / 2.0),
    }
}

/// Returns `first` doubled for each attempt after the first, within [`LONGEST_WAIT`].
fn ceiling(first: Duration, attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    first.saturating_mul(1 << doublings).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR: RetryPolicy =
        RetryPolicy { max_attempts: NonZeroU32::new(4).unwrap(), on_doubt: OnDoubt::Retry };

    fn history(charged: u32) -> AttemptHistory {
        AttemptHistory { charged, ..AttemptHistory::default() }
    }

    fn check(verdict: Verdict, history: AttemptHistory, expected: Decision) {
        assert_eq!(FOUR.decide(verdict, history, 1.0), expected, "{verdict:?} {history:?}");
    }

    fn wait(millis: u64) -> Decision {
        Decision::SendAgain { after: Duration::from_millis(millis) }
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        check(Verdict::Transient, history(1), wait(500));
        check(Verdict::Transient, history(2), wait(1_000));
        check(Verdict::NeverLeft, history(3), wait(2_000));
        assert_eq!(ceiling(FIRST_WAIT, 7), LONGEST_WAIT);
        assert_eq!(ceiling(FIRST_WAIT, u32::MAX), LONGEST_WAIT);
    }

    #[test]
    fn jitter_spreads_the_wait_from_nothing_to_the_ceiling() {
        let decide = |jitter| FOUR.decide(Verdict::Transient, history(2), jitter);
        assert_eq!(decide(0.0), wait(0));
        assert_eq!(decide(0.25), wait(250));
    }

    #[test]
    fn used_up_attempts_settle() {
        check(Verdict::Transient, history(4), Decision::Settle(Outcome::Failed));
        check(Verdict::NeverLeft, history(4), Decision::Settle(Outcome::Failed));
        let doubted = AttemptHistory { doubted: true, ..history(4) };
        check(Verdict::InDoubt, doubted, Decision::Settle(Outcome::Ambiguous));
        check(Verdict::Transient, doubted, Decision::Settle(Outcome::Ambiguous));
    }

    #[test]
    fn an_uncharged_attempt_uses_up_nothing_but_leaves_its_doubt() {
        let before = history(3);
        assert_eq!(before.after_uncharged(Verdict::NeverLeft), before);
        let doubted = before.after_uncharged(Verdict::InDoubt);
        assert_eq!(doubted, AttemptHistory { doubted: true, ..before });
        check(Verdict::InDoubt, doubted, wait(2_000));
    }

    #[test]
    fn a_refusal_after_a_doubt_leaves_the_doubt() {
        check(Verdict::Refused, history(1), Decision::Settle(Outcome::Failed));
        let doubted = AttemptHistory { doubted: true, ..history(2) };
        check(Verdict::Refused, doubted, Decision::Settle(Outcome::Ambiguous));
        check(Verdict::Done(Outcome::Succeeded), doubted, Decision::Settle(Outcome::Succeeded));
    }

    #[test]
    fn a_held_doubt_is_ambiguous_at_once() {
        let hold = RetryPolicy { on_doubt: OnDoubt::Hold, ..FOUR };
        let decided = hold.decide(Verdict::InDoubt, history(1), 0.5);
        assert_eq!(decided, Decision::Settle(Outcome::Ambiguous));
        assert_eq!(hold.decide(Verdict::Transient, history(1), 1.0), wait(500));
    }

    #[test]
    fn a_panic_is_ambiguous_at_once() {
        check(Verdict::Panicked, history(1), Decision::Settle(Outcome::Ambiguous));
    }

    #[test]
    fn throttling_holds_the_run_and_uses_up_no_attempt() {
        let mut history = AttemptHistory::default();
        for _ in 0..100 {
            history = history.after(Verdict::Throttled { hold: None });
        }
        assert_eq!(history.charged, 0);
        check(Verdict::Throttled { hold: None }, history, Decision::HoldRun { wait: LONGEST_WAIT });
    }

    #[test]
    fn the_run_never_goes_on_earlier_than_asked() {
        let asked = Verdict::Throttled { hold: Some(Duration::from_secs(20)) };
        let held = |jitter| FOUR.decide(asked, AttemptHistory::default(), jitter);
        assert_eq!(held(0.0), Decision::HoldRun { wait: Duration::from_secs(20) });
        assert_eq!(held(1.0), Decision::HoldRun { wait: Duration::from_secs(22) });
    }
}
