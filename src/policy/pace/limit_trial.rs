//! Decides from the answers of a short while whether a limit throttles calls, or chance does.
//!
//! First the throttled share is measured at the pace at which it began. Then the pace is lowered to
//! what was accepted: below a limit nothing is throttled any more, while chance goes on as before.
//! Wald's sequential test of the two shares ends as soon as either is a hundred times more likely.

use crate::policy::pace::throttled_order::MOST_OF_ORDER;
use std::time::{Duration, Instant};

/// How many throttled calls a measurement needs.
const ENOUGH: f64 = 6.0;
/// How many it needs at least, however high the share is: fewer do not show the limit.
const FEWEST: f64 = 2.0;
/// How long a share is measured that is high, and how long any is.
const MEASURED_WITHIN: Duration = Duration::from_millis(150);
const LONGEST_MEASUREMENT: Duration = Duration::from_millis(900);
/// A share that is tolerated at any pace.
const TOLERABLE: f64 = 0.015;
/// Shares below which a measurement needs twice as many throttled calls.
const SMALL: f64 = 0.06;
/// A share beyond which the service accepts nothing to speak of.
const NOTHING_ACCEPTED: f64 = 0.9;
/// How many throttled calls in a row show that, and how unlikely the row must be by the share that is
/// tested, as a logarithm, where the calls that showed it lay scattered.
const ROW: f64 = 4.0;
const NO_ROW_OF_CHANCE: f64 = 6.0;
/// Which part of what was accepted shows whether calls are throttled below a limit.
const OF_GIVEN: f64 = 0.95;
/// Shares above which the first step down only halves the pace.
const LARGE: f64 = 0.25;
/// Shares above which the first of the calls that were throttled show too few of them, if calls overtake others.
const BADLY_MEASURED: f64 = 0.1;
/// The logarithm of the likelihood ratio that decides.
pub(super) const DECISIVE: f64 = 4.0;
/// The same against all limits, whatever was measured, and how many of them are compared.
const AGAINST_ANY_LIMIT: f64 = 2.0;
/// The same of a small share whose calls lie scattered: short windows throttle so, too, just above their limit.
const AGAINST_ANY_LIMIT_IF_SCATTERED: f64 = 1.0;
const LIMITS: u32 = 50;
/// How likely a limit's order must be, as a logarithm, to end a test.
const ORDERLY: f64 = 6.0;
/// How likely it must be for a large share to be tested below what was accepted at once.
const ORDERLY_AT_FIRST: f64 = 1.5;
/// Up to which pace, in calls a second: faster ones decide soon, and a window throttles evenly for a
/// moment where the pace has just outgrown it.
const FASTEST_EVEN: f64 = 500.0;
/// The share that is throttled now and then below a limit.
const LEAST_STRAY: f64 = 0.005;
/// How often the pace is lowered in one trial before it goes below what was measured in any case.
const MAX_STEPS: u32 = 6;

/// A measurement of the throttled share, or a test of what was measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trial {
    pub(super) begun: Instant,
    /// Only calls that were sent later count.
    pub(super) after: Instant,
    /// The pace before the trial.
    pub(super) from: f64,
    pub(super) kind: TrialKind,
    /// What the trials before it have shown.
    pub(super) seen: Seen,
    /// Whether it is one of those that test anew what was put down to chance.
    pub(super) is_doubt: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum TrialKind {
    /// At the pace at which calls began to be throttled.
    Measurement,
    /// At a lower pace: is it the limit `given`, or the share `chance`?
    Test { given: f64, chance: f64, step: u32 },
}

/// What the answers to the calls of a trial were.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrialCounts {
    pub(super) calls: f64,
    pub(super) throttled: f64,
    pub(super) lasted: Duration,
    /// The pace of the trial.
    pub(super) rate: f64,
    /// The share that is known to be throttled by chance.
    pub(super) chance: f64,
    /// How sure a verdict of chance must be, as the logarithm of a likelihood ratio.
    pub(super) decisive: f64,
    /// Whether the pace is below the limit that is known, if one is.
    pub(super) is_below_known: bool,
    /// Whether the throttled calls lie scattered among the others, and how many follow one another
    /// on average.
    pub(super) is_scattered: bool,
    pub(super) in_a_row: f64,
    /// How much more likely chance is by earlier tests, as a logarithm.
    pub(super) conviction: f64,
    /// How much more likely their order is by chance than under a limit, as a logarithm.
    pub(super) irregularity: f64,
    /// Whether the pace has not been raised lately: a window remembers what was sent before.
    pub(super) is_steady: bool,
}

/// What the answers were at several paces, the latest of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    observed: [Option<Observed>; 4],
}

/// What the answers were at one pace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observed {
    pub(super) calls: f64,
    pub(super) throttled: f64,
    pub(super) rate: f64,
    /// How much more likely their order is by chance than under a limit, as a logarithm.
    pub(super) irregularity: f64,
    /// Whether the throttled calls lie scattered among the others.
    pub(super) is_scattered: bool,
}

/// What follows from a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum TrialFinding {
    /// More answers are needed.
    Open,
    /// Hardly anything is throttled, whatever the reason.
    Tolerable { share: f64 },
    /// This share is throttled whatever the pace.
    Chance { share: f64 },
    /// A lower pace is to be tested.
    TestAt { rate: f64, given: f64, chance: f64, step: u32 },
    /// The limit is about this: nothing was throttled below it.
    Near { limit: f64 },
    /// The limit is this: the pace of the trial is just above it.
    At { limit: f64 },
    /// Nothing is accepted any more.
    Exhausted,
}

impl Trial {
    /// Decides what follows from the answers so far.
    pub(super) fn judge(&self, counts: TrialCounts) -> TrialFinding {
        if counts.calls < 1.0 {
            return TrialFinding::Open;
        }
        match self.kind {
            TrialKind::Measurement => measured(counts),
            TrialKind::Test { given, chance, step } => self.tested(counts, given, chance, step),
        }
    }

    fn tested(&self, counts: TrialCounts, given: f64, chance: f64, step: u32) -> TrialFinding {
        let share = counts.share();
        let ratio = likelihood_ratio(counts, given, chance);
        let irregularity = self.seen.irregularity().max(0.0);
        let acquits = -DECISIVE - counts.conviction - irregularity;
        if ratio > DECISIVE && counts.throttled >= 3.0 && share > 0.45 * chance {
            let is_lower = counts.rate < 0.97 * self.from;
            let seen = self.seen.with(counts.observed());
            let against = seen.against_any_limit(counts.chance);
            // Where one of several servers behind a gateway refuses, its calls come in rows. A row
            // counts as one call, and nothing but what was seen at several paces counts.
            let needed = match (counts.is_scattered, seen.is_large()) {
                (true, false) => AGAINST_ANY_LIMIT_IF_SCATTERED,
                (true, true) => AGAINST_ANY_LIMIT,
                (false, _) => AGAINST_ANY_LIMIT * (1.0 + counts.in_a_row),
            };
            let is_clear = against + seen.irregularity() > needed;
            // A limit's order counts against chance, as that of chance does against a limit: unless
            // no limit explains what was seen at several paces.
            let order = if against > AGAINST_ANY_LIMIT { 0.0 } else { seen.order().min(0.0) };
            let is_chance = is_lower && counts.is_steady;
            let is_likely = is_chance && ratio + order > counts.decisive && is_clear;
            if is_likely && counts.is_below_known {
                return TrialFinding::Chance { share: f64::midpoint(chance, share) };
            }
            if is_likely {
                // A bucket had saved some calls when its limit was measured, which then seemed higher.
                return next_test(counts.rate, counts.accepted(), share.max(0.01), step + 1);
            }
            if order < -ORDERLY {
                return next_test(counts.rate, counts.accepted(), share.max(0.01), step + 1);
            }
            if counts.throttled < 3.0 * ENOUGH
                && !(is_lower && counts.is_steady && !counts.is_scattered)
            {
                return TrialFinding::Open;
            }
        }
        if share > NOTHING_ACCEPTED && counts.throttled >= self.seen.longest_row(chance) {
            return TrialFinding::Exhausted;
        }
        let is_long = counts.lasted > LONGEST_MEASUREMENT && counts.calls > 20.0;
        // Where nothing is throttled for long, the limit is not below the pace, whatever was measured.
        let below = likelihood_ratio(counts, given.max(counts.rate), chance);
        let is_acquitted = (ratio < acquits && counts.rate < given)
            || (is_long && below < -counts.conviction - irregularity);
        if counts.throttled == 0.0 && is_acquitted {
            return TrialFinding::Near { limit: given.max(counts.rate) };
        }
        let is_undecided = counts.throttled >= ENOUGH && ratio < 1.0;
        if !is_undecided && counts.throttled < 2.0 * ENOUGH && ratio >= acquits {
            return TrialFinding::Open;
        }
        let limit = counts.accepted();
        if share < SMALL && chance > 0.15 {
            return TrialFinding::At { limit };
        }
        next_test(counts.rate, limit, share.max(0.01), step + 1)
    }
}

impl Seen {
    pub(super) fn with(self, observed: Observed) -> Self {
        let [first, second, third, _] = self.observed;
        Self { observed: [Some(observed), first, second, third] }
    }

    /// Returns how much more likely the order of all these calls is by chance, as a logarithm.
    fn order(self) -> f64 {
        self.observed.into_iter().flatten().map(|seen| seen.irregularity).sum()
    }

    /// Returns the same, as far as it counts beside other evidence.
    fn irregularity(self) -> f64 {
        self.order().clamp(-MOST_OF_ORDER, MOST_OF_ORDER)
    }

    /// Returns how many throttled calls in a row show that nothing is accepted, where this share may be
    /// throttled by chance. Half by chance throttles each row of four once in sixteen times.
    fn longest_row(self, chance: f64) -> f64 {
        match self.observed[0] {
            Some(seen) if seen.is_scattered => {
                (NO_ROW_OF_CHANCE / -chance.min(NOTHING_ACCEPTED).ln()).max(ROW)
            }
            Some(_) | None => ROW,
        }
    }

    /// Returns whether a large share was throttled at any of these paces: with few calls it is
    /// measured so badly that the limit may be far from what it seemed.
    fn is_large(self) -> bool {
        self.observed.into_iter().flatten().any(|seen| seen.throttled > LARGE * seen.calls)
    }

    /// Returns how much more likely the answers are by chance than under whatever limit fits best, as
    /// a logarithm.
    fn against_any_limit(self, known: f64) -> f64 {
        let all = || self.observed.into_iter().flatten();
        let share = all().map(|seen| seen.throttled).sum::<f64>()
            / all().map(|seen| seen.calls).sum::<f64>().max(1.0);
        let most = all().map(|seen| seen.rate).fold(0.0, f64::max);
        let limited = |limit: f64| {
            let at = |seen: Observed| seen.likelihood((1.0 - limit / seen.rate).max(known));
            all().map(at).sum::<f64>()
        };
        let best = (0..=LIMITS).map(|part| limited(most * f64::from(part) / f64::from(LIMITS)));
        let by_chance = all().map(|seen| seen.likelihood(share)).sum::<f64>();
        by_chance - best.fold(f64::NEG_INFINITY, f64::max)
    }
}

impl Observed {
    /// Returns how likely these answers are where this share is throttled, as a logarithm.
    fn likelihood(self, share: f64) -> f64 {
        let share = share.clamp(LEAST_STRAY, 0.97);
        self.throttled * share.ln() + (self.calls - self.throttled) * (1.0 - share).ln()
    }
}

impl TrialCounts {
    pub(super) fn observed(&self) -> Observed {
        Observed {
            calls: self.calls,
            throttled: self.throttled,
            rate: self.rate,
            irregularity: self.irregularity,
            is_scattered: self.is_scattered,
        }
    }

    /// Returns whether so large a share was throttled that calls which overtook others may have hidden much of it.
    pub(super) fn is_badly_measured(&self) -> bool {
        self.share() > BADLY_MEASURED
    }

    fn share(&self) -> f64 {
        self.throttled / self.calls
    }

    /// Returns the pace that a limit would accept, were this share throttled by it.
    fn accepted(&self) -> f64 {
        self.accepted_but(self.share())
    }

    fn accepted_but(&self, share: f64) -> f64 {
        self.rate * ((1.0 - share) / (1.0 - self.chance)).min(1.0)
    }
}

fn measured(counts: TrialCounts) -> TrialFinding {
    let share = counts.share();
    let is_clear = counts.calls >= 8.0
        && counts.throttled >= FEWEST
        && counts.lasted >= MEASURED_WITHIN
        && share > 0.1;
    let is_long = counts.lasted > LONGEST_MEASUREMENT && counts.calls >= 20.0;
    let enough = if share < SMALL { 2.0 * ENOUGH } else { ENOUGH };
    if counts.throttled < enough && !is_clear && counts.calls < 400.0 && !is_long {
        return TrialFinding::Open;
    }
    if share > NOTHING_ACCEPTED {
        return TrialFinding::Exhausted;
    }
    // The call that was throttled first began the measurement and is not among these.
    let share = share.max(1.0 / (counts.calls + 1.0));
    if share <= TOLERABLE {
        return TrialFinding::Tolerable { share };
    }
    let given = counts.accepted_but(share);
    let is_even = counts.is_scattered && counts.irregularity < -ORDERLY_AT_FIRST;
    if is_even && counts.rate <= FASTEST_EVEN {
        // A bucket throttles so, and even a large share of its calls is measured well.
        return TrialFinding::TestAt { rate: OF_GIVEN * given, given, chance: share, step: 1 };
    }
    next_test(counts.rate, given, share, 1)
}

fn next_test(rate: f64, given: f64, chance: f64, step: u32) -> TrialFinding {
    let lower = if chance <= LARGE || step >= MAX_STEPS {
        OF_GIVEN * given
    } else {
        // A large share is measured badly: the next measurement is a better one.
        (1.03 * given).max(rate / 2.0)
    };
    TrialFinding::TestAt { rate: lower, given, chance, step }
}

/// Returns how much more likely the answers are by chance than under the limit, as a logarithm.
fn likelihood_ratio(counts: TrialCounts, given: f64, chance: f64) -> f64 {
    let chance = chance.clamp(0.015, 0.97);
    // Under a limit the excess over it is throttled, and now and then a call below it.
    let excess = 1.0 - given / counts.rate;
    let stray = (chance / 4.0).clamp(LEAST_STRAY, 0.01);
    let known = counts.chance.min(0.9 * chance);
    let limited = excess.max(stray).max(known).clamp(0.003, 0.97);
    let served = counts.calls - counts.throttled;
    counts.throttled * (chance / limited).ln() + served * ((1.0 - chance) / (1.0 - limited)).ln()
}

#[cfg(test)]
#[path = "limit_trial_tests.rs"]
mod tests;
