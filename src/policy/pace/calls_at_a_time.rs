//! A bound on the calls on the wire, for a service that limits how many it works on at a time.
//!
//! No pace uses such a limit well: calls take now longer and now shorter, so an even pace meets a full
//! service far below what it accepts. By Little's law the level is a number of calls, not a rate. As
//! in Netflix's concurrency-limits the bound falls where calls are throttled and rises while none are;
//! it falls to what was accepted, and it rises by looks, as the pace does.
//!
//! Invariants: there is no bound without evidence; calls throttled far below it are not put down to it.

use crate::policy::pace::call_history::CallHistory;
use std::time::{Duration, Instant};

/// The least bound: a smaller one cannot be told from a rate.
const SMALLEST: usize = 2;
/// How many of the latest calls are looked at for evidence.
const CALLS_OF_EVIDENCE: usize = 2_000;
/// How long after one search there is another: it looks at each of these calls many times.
const SEARCH_AGAIN: Duration = Duration::from_millis(20);
/// The logarithm of the likelihood ratio from which on the number on the wire is the reason.
const DECISIVE: f64 = 9.0;
/// How many calls it takes, throttled and served after the first of these.
const ENOUGH: usize = 3;
/// The share of throttled calls that may have found fewer: calls overtake one another on their way.
const TOLERATED: f64 = 0.1;
/// The share of the calls at the limit and above it that are throttled: an answer takes its way, so that
/// the service works on fewer than are on the wire.
const MOST_OF: f64 = 0.6;
/// The same of a small limit: a few calls on the wire part calls by the rate, too.
const NEARLY_ALL: f64 = 0.95;
const SMALL: usize = 5;
/// How many calls above the bound must be accepted before it rises.
const CALLS_OF_LOOK: u32 = 3;
/// How many calls below the bound must be throttled before it falls: a single one may have overtaken
/// the end of another.
const CALLS_OF_FALL: u32 = 2;
/// How long the bound rests between looks.
const SHORTEST_REST: f64 = 1.0;
const LONGEST_REST: f64 = 10.0;
/// The share of throttled calls that looking above the bound may cost.
const COST_OF_LOOKING: f64 = 0.005;
/// How long no bound is tried after one that did not help.
const DISTRUST: Duration = Duration::from_secs(30);

/// The bound, if the service has such a limit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CallsAtATime {
    bound: Option<Bound>,
    distrusted_until: Option<Instant>,
    searched: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Bound {
    most: usize,
    /// The last bound above which calls were throttled.
    confirmed: usize,
    /// How many calls were throttled below the bound since it last changed.
    below: u32,
    look: Look,
}

impl Bound {
    fn new(most: usize, now: Instant) -> Self {
        let until = now + Duration::from_secs_f64(SHORTEST_REST);
        Self { most, confirmed: most, below: 0, look: Look::Rest { until } }
    }
}

#[derive(Debug, Clone, Copy)]
enum Look {
    Rest { until: Instant },
    Above { step: usize, sent: u32, last: Instant },
}

impl CallsAtATime {
    /// Begins with what an earlier run met.
    pub(super) fn learnt(most: Option<u32>, now: Instant) -> Self {
        let most = most.and_then(|most| usize::try_from(most).ok());
        let bound = most.map(|most| Bound::new(most.max(SMALLEST), now));
        Self { bound, ..Self::default() }
    }

    /// Returns how many calls may be on the wire; nothing where the service sets no such limit.
    pub(super) fn most(&self) -> Option<usize> {
        let bound = self.bound?;
        match bound.look {
            Look::Rest { .. } => Some(bound.most),
            Look::Above { step, .. } => Some(bound.most + step),
        }
    }

    /// Returns what the service accepts.
    pub(super) fn known(&self) -> Option<u32> {
        self.bound.and_then(|bound| u32::try_from(bound.most).ok())
    }

    /// Returns when a look is due.
    pub(super) fn next_look(&self) -> Option<Instant> {
        match self.bound?.look {
            Look::Rest { until } => Some(until),
            Look::Above { .. } => None,
        }
    }

    /// Takes note of a sending with so many calls on the wire.
    pub(super) fn sent(&mut self, on_the_wire: usize, now: Instant) {
        let Some(bound) = &mut self.bound else { return };
        if let Look::Above { sent, last, .. } = &mut bound.look
            && on_the_wire >= bound.most
            && *sent < CALLS_OF_LOOK
        {
            (*sent, *last) = (*sent + 1, now);
        }
    }

    /// Begins a look if one is due, and raises the bound after one that cost nothing.
    pub(super) fn decide(&mut self, horizon: Instant, now: Instant) {
        let Some(bound) = &mut self.bound else { return };
        match bound.look {
            Look::Rest { until } if now >= until => {
                bound.below = 0;
                bound.look = Look::Above { step: 1, sent: 0, last: now };
            }
            Look::Above { step, sent, last } if sent >= CALLS_OF_LOOK && last < horizon => {
                bound.most += step;
                let step = (2 * step).min(bound.most);
                bound.look = Look::Above { step, sent: 0, last: now };
            }
            Look::Rest { .. } | Look::Above { .. } => {}
        }
    }

    /// Returns whether a call that was throttled with so many accepted ones on the wire is explained
    /// by the limit; if so the bound follows.
    pub(super) fn explains(&mut self, level: usize, per_second: f64, now: Instant) -> bool {
        let Some(bound) = &mut self.bound else { return false };
        if 2 * level < bound.most {
            return false;
        }
        if level >= bound.most {
            bound.confirmed = bound.most;
        }
        bound.below += u32::from(level < bound.most);
        if bound.below >= CALLS_OF_FALL {
            (bound.most, bound.below) = (bound.most.min(level.max(SMALLEST)), 0);
        }
        if 2 * bound.most < bound.confirmed {
            // Fewer and fewer calls at a time did not help, so their number is not the reason.
            *self = Self { distrusted_until: now.checked_add(DISTRUST), ..Self::default() };
            return false;
        }
        let cost = 1.0 / (COST_OF_LOOKING * per_second.max(0.1));
        let rest = Duration::from_secs_f64(cost.clamp(SHORTEST_REST, LONGEST_REST));
        bound.look = Look::Rest { until: now + rest };
        true
    }

    /// Finds a limit in the latest calls: all that were throttled found the same number on the wire or
    /// more, and those that were served found fewer. Returns whether one was found.
    pub(super) fn search(&mut self, history: &CallHistory, now: Instant) -> bool {
        let is_distrusted = self.distrusted_until.is_some_and(|until| now < until);
        let has_just_searched = self.searched.is_some_and(|searched| now < searched + SEARCH_AGAIN);
        if self.bound.is_some() || is_distrusted || has_just_searched {
            return false;
        }
        self.searched = Some(now);
        let calls = history.levels(CALLS_OF_EVIDENCE, history.horizon(now));
        let Some(most) = limit_in(&calls) else { return false };
        self.bound = Some(Bound::new(most, now));
        true
    }
}

/// Returns the limit that tells throttled calls from served ones, if one does. Each call comes with
/// the number of accepted ones that it found on the wire, and whether it was throttled.
fn limit_in(calls: &[(usize, bool)]) -> Option<usize> {
    let first = calls.iter().position(|&(_, throttled)| throttled)?;
    let mut levels: Vec<usize> =
        calls.iter().filter(|&&(_, throttled)| throttled).map(|&(level, _)| level).collect();
    let served_later = calls[first..].len() - levels.len();
    if levels.len() < ENOUGH || served_later < ENOUGH {
        return None;
    }
    levels.sort_unstable();
    levels.dedup();
    let parted = |&limit: &usize| Parted::at(limit, calls);
    let best = levels.iter().map(parted).max_by(|a, b| a.evidence().total_cmp(&b.evidence()))?;
    best.is_clear().then_some(best.limit)
}

/// Calls parted by the number that they found on the wire.
#[derive(Debug, Clone, Copy)]
struct Parted {
    limit: usize,
    /// How many found as many as the limit or more, and how many of these were throttled.
    above: f64,
    throttled_above: f64,
    below: f64,
    throttled_below: f64,
}

impl Parted {
    fn at(limit: usize, calls: &[(usize, bool)]) -> Self {
        let mut parted =
            Self { limit, above: 0.0, throttled_above: 0.0, below: 0.0, throttled_below: 0.0 };
        for &(level, throttled) in calls {
            let throttled = f64::from(u8::from(throttled));
            if level >= limit {
                parted.above += 1.0;
                parted.throttled_above += throttled;
            } else {
                parted.below += 1.0;
                parted.throttled_below += throttled;
            }
        }
        parted
    }

    /// Returns how much more likely the answers are by the limit than by chance, as a logarithm.
    fn evidence(&self) -> f64 {
        let (calls, throttled) =
            (self.above + self.below, self.throttled_above + self.throttled_below);
        let cell = |count: f64, row: f64, column: f64| {
            if count > 0.0 { count * (count * calls / (row * column)).ln() } else { 0.0 }
        };
        cell(self.throttled_above, self.above, throttled)
            + cell(self.above - self.throttled_above, self.above, calls - throttled)
            + cell(self.throttled_below, self.below, throttled)
            + cell(self.below - self.throttled_below, self.below, calls - throttled)
    }

    fn is_clear(&self) -> bool {
        let throttled = self.throttled_above + self.throttled_below;
        let most_of = if self.limit < SMALL { NEARLY_ALL } else { MOST_OF };
        self.limit >= SMALLEST
            && self.throttled_below <= TOLERATED * throttled
            && self.throttled_above >= most_of * self.above
            && self.evidence() > DECISIVE
    }
}

#[cfg(test)]
#[path = "calls_at_a_time_tests.rs"]
mod tests;
