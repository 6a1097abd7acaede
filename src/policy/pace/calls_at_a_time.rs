//! A bound on the calls on the wire, for a service that limits how many it works on at a time.
//!
//! No pace uses such a limit well: calls take now longer and now shorter, so an even pace meets a full
//! service far below what it accepts. By Little's law the level is a number of calls, not a rate. As
//! in Netflix's concurrency-limits the bound falls where calls are throttled and rises while none are;
//! it falls to what was accepted, and it rises by looks, as the pace does.
//!
//! Invariants: there is no bound without evidence; calls throttled far below it are not put down to it.

use crate::policy::pace::call_history::{CallHistory, after, seconds};
use crate::policy::pace::calls_parted::{Proof, SMALLEST, limit_in};
use std::time::{Duration, Instant};

/// How many of the latest calls are looked at for evidence.
const CALLS_OF_EVIDENCE: usize = 2_000;
/// How long after one search there is another: it looks at each of these calls many times.
const SEARCH_AGAIN: Duration = Duration::from_millis(20);
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
/// How long no bound is tried after one that did not help; each time twice as long.
const DISTRUST: Duration = Duration::from_secs(30);
const LONGEST_DISTRUST: Duration = Duration::from_secs(600);
/// How many served calls after a throttled one are waited for, because they are evidence, too.
const SERVED_SINCE: u32 = 40;
/// By what factor a bound on trial must be accepted more than the pace before it.
const GAIN: f64 = 1.02;
/// How many calls on trial may be throttled below the bound.
const THROTTLED_ON_TRIAL: u32 = 3;
/// How long a bound fills up, in seconds, before what is accepted is counted, and for how long.
const FILLS_WITHIN: f64 = 0.3;
const SHORTEST_TRIAL: f64 = 1.0;
const LONGEST_TRIAL: f64 = 4.0;
const CALLS_OF_TRIAL: f64 = 30.0;

/// The bound, if the service has such a limit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CallsAtATime {
    bound: Option<Bound>,
    distrusted_until: Option<Instant>,
    /// How often a bound did not help.
    refuted: u32,
    searched: Option<Instant>,
    /// How many calls were served since the last that was throttled.
    served_since: u32,
}

#[derive(Debug, Clone, Copy)]
struct Bound {
    most: usize,
    /// The last bound above which calls were throttled.
    confirmed: usize,
    /// How many calls were throttled below the bound since it last changed.
    below: u32,
    look: Look,
    trial: Option<BoundTrial>,
}

/// What a bound must be better than, where a pace is known.
#[derive(Debug, Clone, Copy)]
struct BoundTrial {
    pace: f64,
    since: Instant,
    throttled: u32,
}

/// What follows for the pace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum BoundChange {
    /// There is a bound, perhaps on trial.
    Found { on_trial: bool },
    /// It is better than the pace before it.
    Confirmed,
    /// The number of calls at a time is not the reason; this pace was better.
    Refuted { pace: Option<f64> },
}

impl Bound {
    fn new(most: usize, trial: Option<BoundTrial>, now: Instant) -> Self {
        let until = now + Duration::from_secs_f64(SHORTEST_REST);
        Self { most, confirmed: most, below: 0, look: Look::Rest { until }, trial }
    }
}

impl BoundTrial {
    /// Returns from when to when accepted calls are counted.
    fn counted(&self) -> (Instant, Instant) {
        let lasts = (CALLS_OF_TRIAL / self.pace).clamp(SHORTEST_TRIAL, LONGEST_TRIAL);
        let begun = after(self.since, FILLS_WITHIN);
        (begun, after(begun, lasts))
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
        let bound = most.map(|most| Bound::new(most.max(SMALLEST), None, now));
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
        let bound = self.bound.filter(|bound| bound.trial.is_none())?;
        u32::try_from(bound.most).ok()
    }

    /// Returns the pace that a bound on trial takes the place of.
    pub(super) fn pace_before(&self) -> Option<f64> {
        Some(self.bound?.trial?.pace)
    }

    /// Returns when a look is due, or a verdict on a trial.
    pub(super) fn next_look(&self, answers_within: f64) -> Option<Instant> {
        let bound = self.bound?;
        match (bound.trial, bound.look) {
            (Some(trial), _) => Some(after(trial.counted().1, answers_within)),
            (None, Look::Rest { until }) => Some(until),
            (None, Look::Above { .. }) => None,
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

    /// Begins a look if one is due, raises the bound after one that cost nothing, and judges a trial.
    pub(super) fn decide(&mut self, history: &CallHistory, now: Instant) -> Option<BoundChange> {
        let bound = self.bound.as_mut()?;
        let horizon = history.horizon(now);
        if let Some(trial) = bound.trial {
            let (begun, end) = trial.counted();
            if horizon < end {
                return None;
            }
            if history.accepted_between(begun, end) < GAIN * trial.pace * seconds(begun, end) {
                return Some(self.refute(now));
            }
            bound.trial = None;
            return Some(BoundChange::Confirmed);
        }
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
        None
    }

    /// Returns whether a call that was throttled with so many accepted ones on the wire is explained
    /// by the limit; if so the bound follows. Calls that were sent before a trial say nothing about it.
    pub(super) fn explains(
        &mut self,
        (sent, level): (Instant, usize),
        per_second: f64,
        now: Instant,
    ) -> Result<bool, BoundChange> {
        self.served_since = 0;
        let Some(bound) = &mut self.bound else { return Ok(false) };
        if let Some(trial) = &mut bound.trial {
            trial.throttled += u32::from(sent >= trial.since && level < bound.most);
            if trial.throttled >= THROTTLED_ON_TRIAL {
                return Err(self.refute(now));
            }
            return Ok(true);
        }
        if 2 * level < bound.most {
            return Ok(false);
        }
        if level >= bound.most {
            bound.confirmed = bound.most;
        }
        bound.below += u32::from(level < bound.most);
        if bound.below >= CALLS_OF_FALL {
            let is_smallest = bound.most == SMALLEST;
            (bound.most, bound.below) = (bound.most.min(level.max(SMALLEST)), 0);
            // Fewer and fewer calls at a time did not help, so their number is not the reason.
            if is_smallest || 2 * bound.most < bound.confirmed {
                return Err(self.refute(now));
            }
        }
        let cost = 1.0 / (COST_OF_LOOKING * per_second.max(0.1));
        let rest = Duration::from_secs_f64(cost.clamp(SHORTEST_REST, LONGEST_REST));
        bound.look = Look::Rest { until: now + rest };
        Ok(true)
    }

    fn refute(&mut self, now: Instant) -> BoundChange {
        let pace = self.pace_before();
        let distrust = (DISTRUST * 2_u32.pow(self.refuted)).min(LONGEST_DISTRUST);
        let refuted = (self.refuted + 1).min(5);
        let distrusted_until = now.checked_add(distrust);
        *self = Self { distrusted_until, refuted, ..Self::default() };
        BoundChange::Refuted { pace }
    }

    /// Finds a limit in the latest calls: all that were throttled found the same number on the wire or
    /// more, and those that were served found fewer. Where a pace is known, less evidence is enough,
    /// because the bound is then tried.
    pub(super) fn search(
        &mut self,
        history: &CallHistory,
        pace: Option<f64>,
        now: Instant,
    ) -> Option<BoundChange> {
        let is_distrusted = self.distrusted_until.is_some_and(|until| now < until);
        let has_just_searched = self.searched.is_some_and(|searched| now < searched + SEARCH_AGAIN);
        if self.bound.is_some() || is_distrusted || has_just_searched {
            return None;
        }
        self.searched = Some(now);
        let calls = history.levels(CALLS_OF_EVIDENCE, history.horizon(now));
        let (most, proof) = limit_in(&calls, history.in_all().1)?;
        let trial = match (proof, pace) {
            (Proof::Alone, _) => None,
            (Proof::ForTrial, None) => return None,
            (Proof::ForTrial, Some(pace)) => Some(BoundTrial { pace, since: now, throttled: 0 }),
        };
        self.bound = Some(Bound::new(most, trial, now));
        Some(BoundChange::Found { on_trial: trial.is_some() })
    }

    /// Takes note of a served call, and returns whether a search is worth while.
    pub(super) fn served(&mut self) -> bool {
        self.served_since = self.served_since.saturating_add(1);
        self.bound.is_none() && self.served_since <= SERVED_SINCE
    }
}

#[cfg(test)]
#[path = "calls_at_a_time_tests.rs"]
mod tests;
