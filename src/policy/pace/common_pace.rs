//! Finds the pace that the service gives to several workers together, from sums of their calls.
//!
//! The law of [`PaceController`](crate::policy::PaceController) in whole seconds: rest just below the
//! limit that is known, look a little above it, grow ever faster where that is accepted, fall to what
//! was accepted. It sees neither single calls nor their order, so it has no notion of windows.
//! `docs/design/pace.md` has the reasons and the figures. Never waits, and knows no clock.

use crate::policy::pace::pace_start::{Opening, PaceStart, RateBounds};

/// Where a search begins, and by which factor it grows.
const SEARCH_START: f64 = 10.0;
const SEARCH_GROWTH: f64 = 1.6;
/// Where the pace rests, as a share of the limit.
const RESTING: f64 = 0.97;
/// The first step of a look above the limit, and the largest one.
const FIRST_STEP: f64 = 0.02;
const LARGEST_STEP: f64 = 0.64;
/// How long the pace rests at least and at most, in seconds.
const SHORTEST_REST: f64 = 3.0;
const LONGEST_REST: f64 = 30.0;
/// How much is counted before the pace follows: seconds, and calls unless that takes too long.
const ENOUGH_SECONDS: f64 = 1.0;
const ENOUGH_CALLS: f64 = 40.0;
const TOO_LONG: f64 = 5.0;
/// How many throttled calls end a look at once.
const END_OF_LOOK: f64 = 3.0;
/// The share of throttled calls that a look may cost.
const COST: f64 = 0.01;
/// The share of throttled calls that is put down to no limit.
const TOLERABLE: f64 = 0.015;
/// The share from which on nothing is accepted.
const NOTHING_ACCEPTED: f64 = 0.8;
/// The pace of calls that ask whether any is accepted again.
const ASKING: f64 = 2.0;
/// What is left of a pace that exhausted the service again.
const AFTER_EXHAUSTION: f64 = 0.8;
/// From how many seconds on an exhaustion is the end of a long window.
const LONG_EXHAUSTION: f64 = 4.0;
/// Which share of the pace must be used, so that it grows.
const USED: f64 = 0.7;
/// After how many samples with the same share, at falling paces, calls are throttled by chance.
const CHANCE_AFTER: usize = 3;
/// How far these shares may differ.
const SAME_SHARE: f64 = 1.7;

/// What all workers counted since the last time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CommonSample {
    /// The calls that ended.
    pub calls: u64,
    /// Those of them that were throttled.
    pub throttled: u64,
    /// The time, in seconds.
    pub seconds: f64,
    /// Whether the service asked for a wait meanwhile.
    pub is_held: bool,
}

/// Several samples.
#[derive(Debug, Clone, Copy, Default)]
struct Gathered {
    calls: f64,
    throttled: f64,
    seconds: f64,
    is_held: bool,
}

impl Gathered {
    fn add(&mut self, calls: f64, throttled: f64, sample: CommonSample) {
        self.calls += calls;
        self.throttled += throttled;
        self.seconds += sample.seconds;
        self.is_held |= sample.is_held;
    }

    fn is_enough(self, is_clear: bool) -> bool {
        let is_long = self.seconds >= ENOUGH_SECONDS - 0.01;
        is_long && (is_clear || self.calls >= ENOUGH_CALLS || self.seconds >= TOO_LONG)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// No limit is known.
    Open,
    /// Just below the limit, for so many seconds now.
    Resting(f64),
    /// Above the limit by this share of it.
    Looking(f64),
    /// Single calls ask whether any is accepted, for so many seconds now; then this pace is tried.
    Asking(f64, f64),
}

/// Raises and lowers the pace of all workers, once a second.
#[derive(Debug, Clone)]
pub struct CommonPace {
    bounds: RateBounds,
    opening: Opening,
    rate: f64,
    limit: Option<f64>,
    phase: Phase,
    /// What was counted since the last decision.
    gathered: Gathered,
    /// For how many seconds calls of an earlier pace are still counted.
    skipped: f64,
    /// The pace that was accepted last.
    accepted: f64,
    /// The calls since the last look began, and the throttled ones.
    calls: f64,
    throttled: f64,
    /// What was accepted since the last exhaustion ended, and for how long.
    cycle: Option<(f64, f64)>,
    /// Paces that were throttled one after the other, with their shares.
    falls: Vec<(f64, f64)>,
    /// The share that is throttled by chance.
    chance: f64,
}

impl CommonPace {
    /// Returns a pace that begins at its ceiling, at the limit that is known, or with a search: at the
    /// pace that is in force, if one is.
    pub fn new(start: PaceStart, in_force: Option<f64>) -> Self {
        let most = start.bounds.most;
        let limit = start.learnt.per_second.filter(|limit| limit.is_finite() && *limit < most);
        let (phase, rate) = match (limit, start.opening) {
            (Some(limit), _) => (Phase::Resting(0.0), RESTING * limit),
            (None, Opening::AtCeiling) => (Phase::Open, most),
            (None, Opening::Doubling) => (Phase::Open, in_force.unwrap_or(SEARCH_START)),
        };
        let bounds = start.bounds;
        Self {
            bounds,
            opening: start.opening,
            rate: within(bounds, rate),
            limit,
            phase,
            gathered: Gathered::default(),
            skipped: 0.0,
            accepted: 0.0,
            calls: 0.0,
            throttled: 0.0,
            cycle: None,
            falls: Vec::new(),
            chance: 0.0,
        }
    }

    /// Returns the pace in force, in sendings a second, if it is below the ceiling.
    pub fn per_second(&self) -> Option<f64> {
        (self.rate < self.bounds.most).then_some(self.rate)
    }

    /// Returns the limit of the service, if it is known.
    pub fn limit(&self) -> Option<f64> {
        self.limit
    }

    /// Takes note of what all workers counted, and decides on the pace.
    pub fn decide(&mut self, sample: CommonSample) {
        let calls = sample.calls as f64;
        let throttled = sample.throttled.min(sample.calls) as f64;
        self.calls += calls;
        self.throttled += throttled;
        if let Some((accepted, seconds)) = &mut self.cycle {
            (*accepted, *seconds) = (*accepted + calls - throttled, *seconds + sample.seconds);
        }
        if let Phase::Asking(seconds, _) | Phase::Resting(seconds) = &mut self.phase {
            *seconds += sample.seconds;
        }
        if self.skipped > 0.0 {
            self.skipped -= sample.seconds;
            return;
        }
        self.gathered.add(calls, throttled, sample);
        let gathered = self.gathered;
        if matches!(self.phase, Phase::Looking(_))
            && gathered.throttled >= END_OF_LOOK
            && self.is_excess(gathered)
        {
            // Where the limit is, is known: there is nothing to measure.
            let limit = self.limit.unwrap_or(self.rate);
            return self.rest_below(limit);
        }
        let is_clear = gathered.throttled == 0.0 && matches!(self.phase, Phase::Open);
        if gathered.is_enough(is_clear)
            || matches!(self.phase, Phase::Asking(..)) && gathered.calls > 0.0
        {
            self.gathered = Gathered::default();
            self.follow(gathered);
        }
    }

    fn follow(&mut self, gathered: Gathered) {
        let Gathered { calls, throttled, seconds, is_held } = gathered;
        if calls == 0.0 {
            return;
        }
        let sent = calls / seconds;
        // A wait that the service asked for says nothing of how many it accepts in a second.
        let offered =
            if is_held && self.rate.is_finite() { self.rate } else { sent.min(self.rate) };
        let share = throttled / calls;
        match self.phase {
            Phase::Asking(seconds, pace) => self.ask(share, seconds, pace),
            _ if self.is_excess(gathered) => self.fall(offered, share, is_held),
            Phase::Open | Phase::Resting(_) | Phase::Looking(_) => {
                self.falls.clear();
                let usual = share.min(TOLERABLE.max(1.5 * self.chance));
                self.chance += 0.1 * (usual - self.chance);
                self.grow(sent, is_held);
            }
        }
    }

    /// Returns whether more calls were throttled than by chance.
    fn is_excess(&self, Gathered { calls, throttled, .. }: Gathered) -> bool {
        let usual = self.chance * calls;
        let most = (TOLERABLE * calls).max(usual + 3.0 * usual.sqrt());
        throttled >= 2.0 && throttled > most
    }

    fn fall(&mut self, offered: f64, share: f64, is_held: bool) {
        if share > NOTHING_ACCEPTED {
            return self.exhaust(offered);
        }
        if self.is_chance(offered, share) {
            return;
        }
        let mut given = offered * (1.0 - share);
        if is_held {
            given = given.min(0.9 * offered);
        }
        // What was accepted while the pace grew is accepted again.
        let is_search = self.limit.is_none() && self.opening == Opening::Doubling;
        let least = if is_search { self.accepted } else { 0.0 };
        if self.phase == Phase::Open {
            // No look has cost these.
            (self.calls, self.throttled) = (0.0, 0.0);
        }
        self.rest_below(given.max(least).min(offered));
    }

    fn rest_below(&mut self, limit: f64) {
        self.limit = Some(limit);
        self.phase = Phase::Resting(0.0);
        self.set_rate(RESTING * limit);
        self.skipped = ENOUGH_SECONDS;
    }

    /// Returns whether the share of throttled calls is the same at whatever pace; then the pace comes
    /// back that was the first to be throttled.
    fn is_chance(&mut self, offered: f64, share: f64) -> bool {
        self.falls.push((offered, share));
        if self.falls.len() < CHANCE_AFTER {
            return false;
        }
        let mean = self.falls.iter().map(|(_, share)| share).sum::<f64>() / self.falls.len() as f64;
        let is_same = |share: f64| share < SAME_SHARE * mean && mean < SAME_SHARE * share;
        if !self.falls.iter().all(|&(_, share)| is_same(share)) {
            self.falls.remove(0);
            return false;
        }
        let (first, _) = self.falls[0];
        self.falls.clear();
        self.chance = mean;
        (self.limit, self.phase, self.skipped) = (None, Phase::Open, ENOUGH_SECONDS);
        self.set_rate(if self.opening == Opening::AtCeiling { self.bounds.most } else { first });
        true
    }

    /// Asks with single calls, because none is accepted.
    fn exhaust(&mut self, offered: f64) {
        let before = if self.accepted > 0.0 { self.accepted.min(offered) } else { offered / 2.0 };
        let again = self.limit.is_some() && matches!(self.phase, Phase::Resting(_));
        let pace = if again { AFTER_EXHAUSTION * before } else { RESTING * before };
        self.accepted = pace;
        self.phase = Phase::Asking(0.0, pace);
        self.set_rate(ASKING.min(pace));
        self.skipped = ENOUGH_SECONDS;
    }

    fn ask(&mut self, share: f64, seconds: f64, pace: f64) {
        if share > 0.5 {
            return;
        }
        let cycle = self.cycle.replace((0.0, 0.0));
        let pace = match cycle {
            // A window of minutes is used up by its pace in a part of it.
            Some((accepted, span)) if seconds > LONG_EXHAUSTION && span > 0.0 => accepted / span,
            _ => pace,
        };
        self.rest_below(pace / RESTING);
        self.skipped = 0.0;
    }

    fn grow(&mut self, sent: f64, is_held: bool) {
        let is_used = sent >= USED * self.rate && !is_held;
        match self.phase {
            Phase::Open if is_used && self.rate < self.bounds.most => {
                self.accepted = self.rate;
                self.set_rate(SEARCH_GROWTH * self.rate);
            }
            Phase::Resting(seconds) => {
                self.accepted = self.rate.min(sent.max(self.accepted));
                let is_paid = self.throttled <= COST * self.calls + self.chance * self.calls;
                if is_used && seconds >= SHORTEST_REST && (is_paid || seconds >= LONGEST_REST) {
                    (self.calls, self.throttled) = (0.0, 0.0);
                    self.look(FIRST_STEP);
                }
            }
            Phase::Looking(_) if !is_used => {
                let limit = self.limit.unwrap_or(self.rate);
                self.rest_below(limit);
            }
            Phase::Looking(step) => {
                self.accepted = self.rate;
                self.limit = Some(self.rate);
                self.look((2.0 * step).min(LARGEST_STEP));
            }
            Phase::Open | Phase::Asking(..) => {}
        }
    }

    fn look(&mut self, step: f64) {
        let limit = self.limit.unwrap_or(self.rate);
        self.phase = Phase::Looking(step);
        self.set_rate((1.0 + step) * limit);
        if self.rate >= self.bounds.most {
            (self.phase, self.limit) = (Phase::Open, None);
        }
    }

    fn set_rate(&mut self, rate: f64) {
        self.rate = within(self.bounds, rate);
    }
}

fn within(bounds: RateBounds, rate: f64) -> f64 {
    rate.max(bounds.least).min(bounds.most)
}

#[cfg(test)]
#[path = "common_pace_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "common_pace_steps_tests.rs"]
mod steps;
