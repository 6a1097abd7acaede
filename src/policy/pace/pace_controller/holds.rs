//! What the holds have shown that a service asks for.

use super::phase::Phase;
use super::spell::Spell;
use std::time::Instant;

/// How many holds in a row that meet a pace at rest are followed by a test, and how often that doubles.
const TESTED_AFTER: u32 = 3;
const MOST_REFUTED: u32 = 4;
/// How many holds are put down to chance before that is tested again.
const STRAYS: u32 = 20;
/// How many of them show whether it was wrong. Throttling by chance does not follow the pace: such a spell
/// accepts as many calls as earlier ones on average, and is now longer and now shorter.
const SPELLS_OF_PROBATION: f64 = 4.0;
const LEAST_OF_BEFORE: f64 = 0.4;
const EVEN: f64 = 1.5;

/// What calls on the wire have shown of the limiter when the first of them was throttled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    /// Some were accepted.
    Bucket,
    /// None was.
    Window,
}

/// What the holds of a run have shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holds {
    /// When the present spell began, and what had been accepted by then.
    pub(super) begun: (Instant, f64),
    /// The present hold.
    pub(super) present: Option<Hold>,
    /// The first spell of a series, to which others are compared, and the pace at its end.
    pub(super) first: Option<(Spell, f64)>,
    pub(super) shown: Shown,
    /// How many spells the series has, and how many calls were accepted in them.
    pub(super) spells: (f64, f64),
    /// How many holds in a row met a pace that rested.
    pub(super) at_rest: u32,
    /// Calls and seconds of the spells that followed the first of these, each with its hold.
    pub(super) since_rest: (f64, f64),
    /// What was accepted a second over these, holds included: no more than any limit.
    pub(super) sustained: f64,
    /// Whether the pace rests to decide between a limit and chance.
    pub(super) is_test: bool,
    /// How many holds are still put down to chance.
    pub(super) strays: u32,
    /// What is still to be seen of that.
    probation: Option<Probation>,
    /// How often it was refuted.
    refuted: u32,
}

/// What was known before holds were put down to chance: if they are not, fewer calls are accepted in a spell
/// at the higher pace.
#[derive(Debug, Clone, Copy)]
struct Probation {
    first: (Spell, f64),
    limit: f64,
    /// How many calls were accepted in a spell.
    before: f64,
    /// How many spells there were since, and how many calls were accepted in them, in all, at least and at
    /// most.
    spells: f64,
    calls: f64,
    least: f64,
    most: f64,
}

impl Probation {
    fn new(first: (Spell, f64), limit: f64, before: f64) -> Self {
        let (spells, calls, least, most) = (0.0, 0.0, f64::INFINITY, 0.0);
        Self { first, limit, before, spells, calls, least, most }
    }

    fn count(&mut self, calls: f64) {
        self.spells += 1.0;
        self.calls += calls;
        (self.least, self.most) = (self.least.min(calls), self.most.max(calls));
    }

    /// Returns whether the spells show a limit: fewer calls are accepted at the higher pace, or always as
    /// many.
    fn is_refuted(&self) -> bool {
        let is_fewer = self.calls < LEAST_OF_BEFORE * self.spells * self.before;
        is_fewer || self.most <= EVEN * self.least
    }
}

/// What was known when a hold began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    /// What the pace was about.
    pub(super) phase: Phase,
    /// The spell that it ended.
    pub(super) spell: Spell,
    /// What had been accepted a second for a while.
    pub(super) proven: Option<f64>,
}

impl Holds {
    pub(super) fn none(now: Instant) -> Self {
        Self {
            begun: (now, 0.0),
            present: None,
            first: None,
            shown: Shown::Nothing,
            spells: (0.0, 0.0),
            at_rest: 0,
            since_rest: (0.0, 0.0),
            sustained: 0.0,
            is_test: false,
            strays: 0,
            probation: None,
            refuted: 0,
        }
    }

    /// Returns whether a limit was met that asks for holds.
    pub(super) fn are_met(&self) -> bool {
        self.first.is_some()
    }

    /// Returns whether the service asks for holds, whether a limit is the reason or chance.
    pub(super) fn are_asked_for(&self) -> bool {
        self.are_met() || self.strays > 0
    }

    /// Forgets the limit, because it is no longer the same.
    pub(super) fn forget(&mut self) {
        (self.first, self.at_rest) = (None, 0);
        (self.sustained, self.spells) = (0.0, (0.0, 0.0));
    }

    /// Returns whether so many holds in a row met a pace at rest that a test decides between a limit and
    /// chance: more of them after each test that was wrong.
    pub(super) fn is_test_due(&self) -> bool {
        self.at_rest == TESTED_AFTER << self.refuted.min(MOST_REFUTED)
    }

    /// Takes note that no limit explains them: the next ones leave the pace as it is, unless they come
    /// sooner there than below this limit.
    pub(super) fn put_down_to_chance(&mut self, limit: f64) {
        if let Some(first) = self.first {
            let before = self.spells.1 / self.spells.0.max(1.0);
            self.forget();
            self.strays = STRAYS;
            self.probation = Some(Probation::new(first, limit, before));
        }
    }

    /// Takes note of a hold that was put down to chance, after so many accepted calls. Returns the limit
    /// that was known before if that was wrong.
    pub(super) fn stray(&mut self, calls: f64) -> Option<f64> {
        self.strays -= 1;
        let mut probation = self.probation.take()?;
        probation.count(calls);
        if probation.spells < SPELLS_OF_PROBATION {
            self.probation = Some(probation);
            return None;
        }
        if !probation.is_refuted() {
            self.refuted = 0;
            return None;
        }
        (self.first, self.strays) = (Some(probation.first), 0);
        self.refuted += 1;
        Some(probation.limit)
    }

    /// Takes note of a hold, and of how long it lasted in seconds with the spell before it.
    pub(super) fn count(&mut self, hold: &Hold, lasted: f64) {
        let is_rest = matches!(hold.phase, Phase::Resting(_));
        self.at_rest = if is_rest { self.at_rest + 1 } else { 0 };
        self.spells = (self.spells.0 + 1.0, self.spells.1 + hold.spell.calls);
        self.since_rest = match self.at_rest {
            0 | 1 => (0.0, 0.0),
            _ => (self.since_rest.0 + hold.spell.calls, self.since_rest.1 + lasted),
        };
    }
}

#[cfg(test)]
#[path = "holds_tests.rs"]
mod tests;
