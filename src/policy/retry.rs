//! Decides what follows an attempt: settle the task, or send it again, and when.
//!
//! Never sleeps and draws no random number: it answers with a duration and the dispatcher waits.
//! Only a task's own failures are charged to it; throttling affects all tasks and charges none
//! ("charge" is explained in `docs/GLOSSARY.md`).

use crate::policy::finding::Verdict;
use crate::policy::outage::WitnessTrust;
use crate::task::{Command, Outcome, Repetition};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::time::Duration;

/// The first wait between attempts; it doubles with each, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The first wait of a throttled call whose answer names no duration. The pace controller spares
/// the service; the wait only keeps a call that is throttled by chance from coming back at once.
const FIRST_THROTTLED_WAIT: Duration = Duration::from_millis(100);
/// By how much a hold is at most longer than the service asks for.
const MAX_JITTER: Duration = Duration::from_secs(30);
/// The longest wait between two attempts of a task that the service did not ask for.
pub const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// The policy for calls that may have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDoubt {
    /// Send it again: start and stop are idempotent, so a second call changes nothing.
    Retry,
    /// Leave it, as `ambiguous`.
    Hold,
}

/// The rules by which a task is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The maximum number of attempts charged to one task; throttled ones are free.
    pub max_attempts: NonZeroU32,
    /// The policy for calls that may have been carried out.
    pub on_doubt: OnDoubt,
}

/// The summary of a task's attempts so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttemptHistory {
    /// Attempts that count towards the maximum.
    pub charged: u32,
    /// Throttled answers.
    pub throttled: u32,
    /// Answers that refused the credentials.
    pub refusals: u32,
    /// Whether any attempt was left in doubt.
    pub doubted: bool,
    /// Whether a run before left it in doubt.
    pub doubted_before: bool,
    /// Whether the task's failures count as evidence about the service.
    pub trust: WitnessTrust,
}

impl AttemptHistory {
    /// Returns the history after one more attempt that ended with `verdict`.
    #[must_use]
    pub fn after(self, verdict: Verdict) -> Self {
        match verdict {
            Verdict::Throttled { .. } => Self { throttled: self.throttled + 1, ..self },
            Verdict::InDoubt | Verdict::Panicked => {
                Self { charged: self.charged + 1, doubted: true, ..self }
            }
            // The credentials were refused, not this task.
            Verdict::Unauthorised => Self { refusals: self.refusals + 1, ..self },
            // The call did not get past the proxy.
            Verdict::ProxyRefused => self,
            Verdict::Done(_) | Verdict::NeverLeft | Verdict::Refused | Verdict::Transient => {
                Self { charged: self.charged + 1, ..self }
            }
        }
    }

    /// Returns the history after one more attempt that is not charged, because the service was
    /// away or the attempt probed it. A doubt remains a doubt.
    #[must_use]
    pub fn after_uncharged(self, verdict: Verdict) -> Self {
        Self { charged: self.charged, ..self.after(verdict) }
    }
}

/// The next step of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The task has its outcome.
    Settle(Outcome),
    /// The task waits, without a slot, and is sent again.
    SendAgain {
        /// The wait.
        after: Duration,
    },
    /// Only the task waits, without a slot; it is sent again before others and needs no retry
    /// budget, because the pace follows from throttled calls already.
    Wait {
        /// The wait.
        after: Duration,
    },
    /// The whole run sends nothing for a while, then this task is sent again.
    HoldRun {
        /// The duration of the hold.
        wait: Duration,
    },
    /// The whole run waits for new credentials, then this task is sent again; or the run ends.
    Reauthorise,
    /// The run ends and the task stays unsettled, because no call can reach the service.
    StopRun,
}

impl RetryPolicy {
    /// Returns the rules for a task with this command: one whose second call may change more is
    /// never repeated after a doubt.
    #[must_use]
    pub fn for_command(self, command: Command) -> Self {
        let on_doubt = match command.repetition() {
            Repetition::Harmless => self.on_doubt,
            Repetition::Harmful => OnDoubt::Hold,
        };
        Self { on_doubt, ..self }
    }

    /// Decides what follows an attempt, with `jitter` drawn evenly from 0 to 1.
    ///
    /// The wait before attempt n+1 is "full jitter": evenly between nothing and
    /// min(20 s, 500 ms · 2ⁿ⁻¹), as in "Exponential Backoff And Jitter" (AWS Architecture Blog).
    pub fn decide(&self, verdict: Verdict, history: AttemptHistory, jitter: f64) -> Decision {
        match verdict {
            // The call in doubt may have been the one that changed it.
            Verdict::Done(Outcome::Unchanged) if history.doubted => {
                Decision::Settle(Outcome::Succeeded)
            }
            Verdict::Done(outcome) => Decision::Settle(outcome),
            Verdict::Refused => Decision::Settle(unsuccessful(history)),
            Verdict::Unauthorised => Decision::Reauthorise,
            Verdict::ProxyRefused => Decision::StopRun,
            Verdict::Throttled { hold } => match hold.filter(|hold| !hold.is_zero()) {
                Some(asked) => Decision::HoldRun { wait: held(asked, jitter) },
                // "Equal jitter" (AWS): at least half, because almost nothing would not help.
                None => {
                    let longest = ceiling(FIRST_THROTTLED_WAIT, history.throttled);
                    Decision::Wait { after: longest.mul_f64(0.5 + jitter / 2.0) }
                }
            },
            // Another attempt would panic again, because the same code meets the same task.
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
        // Only charged attempts lengthen the wait, so an outage does not.
        let after = ceiling(FIRST_WAIT, history.charged).mul_f64(jitter);
        Decision::SendAgain { after }
    }
}

/// Returns the outcome of a task without success. A refusal after a doubt does not undo the
/// doubt: the earlier attempt may have been carried out.
fn unsuccessful(history: AttemptHistory) -> Outcome {
    if history.doubted { Outcome::Ambiguous } else { Outcome::Failed }
}

/// Returns how long the run holds: never less than the service asks for, and at most a tenth more,
/// so that several clients with the same wait do not come back at the same moment.
fn held(asked: Duration, jitter: f64) -> Duration {
    asked.saturating_add((asked / 10).min(MAX_JITTER).mul_f64(jitter))
}

/// Returns `first` doubled for each attempt after the first, within [`LONGEST_WAIT`].
fn ceiling(first: Duration, attempt: u32) -> Duration {
    // Limited to 16, because a larger shift would overflow; the longest wait is reached long before.
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
    fn an_uncharged_attempt_keeps_its_doubt() {
        let before = history(3);
        assert_eq!(before.after_uncharged(Verdict::NeverLeft), before);
        let doubted = before.after_uncharged(Verdict::InDoubt);
        assert_eq!(doubted, AttemptHistory { doubted: true, ..before });
        check(Verdict::InDoubt, doubted, wait(2_000));
    }

    #[test]
    fn a_refusal_after_a_doubt_keeps_the_doubt() {
        check(Verdict::Refused, history(1), Decision::Settle(Outcome::Failed));
        let doubted = AttemptHistory { doubted: true, ..history(2) };
        check(Verdict::Refused, doubted, Decision::Settle(Outcome::Ambiguous));
        check(Verdict::Done(Outcome::Succeeded), doubted, Decision::Settle(Outcome::Succeeded));
    }

    #[test]
    fn what_is_unchanged_after_a_doubt_may_have_been_changed_by_it() {
        let unchanged = Verdict::Done(Outcome::Unchanged);
        check(unchanged, history(1), Decision::Settle(Outcome::Unchanged));
        let doubted = AttemptHistory { doubted: true, ..history(2) };
        check(unchanged, doubted, Decision::Settle(Outcome::Succeeded));
    }

    #[test]
    fn with_on_doubt_hold_a_doubt_is_ambiguous_at_once() {
        let hold = RetryPolicy { on_doubt: OnDoubt::Hold, ..FOUR };
        let decided = hold.decide(Verdict::InDoubt, history(1), 0.5);
        assert_eq!(decided, Decision::Settle(Outcome::Ambiguous));
        assert_eq!(hold.decide(Verdict::Transient, history(1), 1.0), wait(500));
    }

    #[test]
    fn a_command_that_must_not_be_repeated_is_held_whatever_the_policy_says() {
        let on_doubt = |name, repetition| {
            FOUR.for_command(Command::of_action(name, repetition).unwrap()).on_doubt
        };
        assert_eq!(on_doubt("pay", Repetition::Harmful), OnDoubt::Hold);
        assert_eq!(on_doubt("pay", Repetition::Harmless), OnDoubt::Retry);
        assert_eq!(FOUR.for_command(Command::DELETE).on_doubt, OnDoubt::Hold);
    }

    #[test]
    fn a_panic_is_ambiguous_at_once() {
        check(Verdict::Panicked, history(1), Decision::Settle(Outcome::Ambiguous));
    }

    #[test]
    fn throttling_holds_the_run_and_charges_no_attempt() {
        let mut history = AttemptHistory::default();
        for _ in 0..100 {
            history = history.after(Verdict::Throttled { hold: None });
        }
        assert_eq!(history.charged, 0);
        let waits = Decision::Wait { after: LONGEST_WAIT };
        check(Verdict::Throttled { hold: None }, history, waits);
        check(Verdict::Throttled { hold: Some(Duration::ZERO) }, history, waits);
    }

    #[test]
    fn a_hold_is_never_shorter_than_the_service_asks_for() {
        let asked = Verdict::Throttled { hold: Some(Duration::from_secs(20)) };
        let held = |jitter| FOUR.decide(asked, AttemptHistory::default(), jitter);
        assert_eq!(held(0.0), Decision::HoldRun { wait: Duration::from_secs(20) });
        assert_eq!(held(1.0), Decision::HoldRun { wait: Duration::from_secs(22) });
    }

    #[test]
    fn each_attempt_counts_where_it_belongs() {
        let before = AttemptHistory { charged: 3, throttled: 5, refusals: 7, ..history(0) };
        let check = |verdict, expected: AttemptHistory| {
            assert_eq!(before.after(verdict), expected, "{verdict:?}");
            let uncharged = AttemptHistory { charged: 3, ..expected };
            assert_eq!(before.after_uncharged(verdict), uncharged, "{verdict:?}");
        };
        let charged = AttemptHistory { charged: 4, ..before };
        check(Verdict::Done(Outcome::Succeeded), charged);
        check(Verdict::NeverLeft, charged);
        check(Verdict::Refused, charged);
        check(Verdict::Transient, charged);
        check(Verdict::InDoubt, AttemptHistory { doubted: true, ..charged });
        check(Verdict::Panicked, AttemptHistory { doubted: true, ..charged });
        check(Verdict::Throttled { hold: None }, AttemptHistory { throttled: 6, ..before });
        check(Verdict::Unauthorised, AttemptHistory { refusals: 8, ..before });
        check(Verdict::ProxyRefused, before);
    }

    #[test]
    fn refused_credentials_and_a_proxy_that_refuses_are_the_runs_business() {
        check(Verdict::Unauthorised, history(4), Decision::Reauthorise);
        check(Verdict::ProxyRefused, history(4), Decision::StopRun);
    }

    #[test]
    fn the_first_throttled_wait_is_short_and_at_least_half() {
        let throttled = |throttled, jitter| {
            let history = AttemptHistory { throttled, ..history(0) };
            FOUR.decide(Verdict::Throttled { hold: None }, history, jitter)
        };
        let wait = |millis| Decision::Wait { after: Duration::from_millis(millis) };
        assert_eq!((throttled(1, 0.0), throttled(1, 1.0)), (wait(50), wait(100)));
        assert_eq!((throttled(3, 0.5), throttled(3, 1.0)), (wait(300), wait(400)));
    }

    #[test]
    fn a_long_hold_is_exceeded_by_half_a_minute_at_most() {
        assert_eq!(held(Duration::from_secs(300), 1.0), Duration::from_secs(330));
        assert_eq!(held(Duration::from_secs(3_600), 1.0), Duration::from_secs(3_630));
        assert_eq!(held(Duration::from_secs(3_600), 0.5), Duration::from_secs(3_615));
    }
}
