//! What share of calls was throttled at each of the latest paces, and whether any limit explains that.
//!
//! A trial is short, and one in some dozens errs. Then the pace falls to limits that do not exist, one
//! after the other. What all paces together have shown puts that right: a limit throttles hardly a
//! call below it, and chance as many at any pace.

use crate::policy::pace::call_history::{CallHistory, seconds};
use crate::policy::pace::throttled_order::MOST_OF_ORDER;
use std::collections::VecDeque;
use std::time::Instant;

/// How long a part of the run is that has a pace, in seconds, how many calls it needs, and how long
/// they are waited for.
const PART: f64 = 1.0;
const CALLS_OF_PART: f64 = 6.0;
const LONGEST_PART: f64 = 4.0;
/// How long single calls are remembered, in seconds.
const REMEMBERED: f64 = 5.9;
/// How many parts are remembered.
const PARTS: usize = 24;
/// The share of calls that is throttled now and then below a limit.
const STRAY: f64 = 0.015;
/// The least share that is put down to chance.
const LEAST: f64 = 0.05;
/// The largest share that single throttled calls have under a limit: each follows an accepted one.
const MOST_UNDER_LIMIT: f64 = 0.5;
/// The largest share that a limit throttles at a pace far above it.
const MOST: f64 = 0.97;
/// The logarithm of the likelihood ratio that decides, and how many limits are compared.
const DECISIVE: f64 = 7.5;
const LIMITS: u32 = 50;
/// The calls of how many seconds a bucket has saved, at most.
const SAVED: f64 = 1.0;

#[derive(Debug, Clone, Copy)]
struct Part {
    pace: f64,
    /// The highest pace that held meanwhile.
    highest: f64,
    accepted: f64,
    throttled: f64,
    /// Calls that were throttled one after the other count once: the end of a window is no chance.
    groups: f64,
    /// How much more likely their order is by chance than under a limit, as a logarithm.
    irregularity: f64,
}

/// The latest parts of a run.
#[derive(Debug, Clone)]
pub(super) struct ThrottlingByPace {
    begun: Instant,
    /// The highest pace since the present part began.
    highest: f64,
    parts: VecDeque<Part>,
}

/// Throttling that no limit explains: its share, and the highest pace at which it was seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Unexplained {
    pub(super) share: f64,
    pub(super) pace: f64,
}

impl ThrottlingByPace {
    pub(super) fn new(now: Instant) -> Self {
        Self { begun: now, highest: 0.0, parts: VecDeque::new() }
    }

    /// Adds the calls since the last part, if they are enough; returns whether it did.
    pub(super) fn look_at(&mut self, history: &CallHistory, pace: f64, now: Instant) -> bool {
        self.highest = self.highest.max(if pace.is_finite() { pace } else { 0.0 });
        let to = history.horizon(now);
        let lasted = seconds(self.begun, to);
        if lasted < PART {
            return false;
        }
        let calls = history.sent_between(self.begun, to);
        if calls < CALLS_OF_PART && lasted < LONGEST_PART {
            return false;
        }
        let throttled = history.throttled_between(self.begun, to);
        let groups = history.groups(self.begun, to).count();
        let irregularity = history.irregularity(self.begun, to);
        self.begun = to;
        let highest = std::mem::replace(&mut self.highest, 0.0);
        if calls < 1.0 || lasted > REMEMBERED {
            return false;
        }
        self.parts.push_back(Part {
            pace: calls / lasted,
            highest,
            accepted: calls - throttled,
            throttled,
            groups,
            irregularity,
        });
        if self.parts.len() > PARTS {
            self.parts.pop_front();
        }
        true
    }

    /// Returns the share that is throttled by chance, where that is much more likely than any limit.
    pub(super) fn unexplained(&self) -> Option<Unexplained> {
        let sum = |of: fn(&Part) -> f64| self.parts.iter().map(of).sum::<f64>();
        let (accepted, throttled, groups) =
            (sum(|part| part.accepted), sum(|part| part.throttled), sum(|part| part.groups));
        let of_groups = groups / (accepted + groups).max(1.0);
        if of_groups < LEAST {
            return None;
        }
        let pace = self.parts.iter().map(|part| part.pace).fold(0.0, f64::max);
        let highest = self.parts.iter().map(|part| part.highest).fold(pace, f64::max);
        let share = throttled / (accepted + throttled);
        let against = |limit: f64| {
            let mut saved = limit * SAVED;
            let one = |part: &Part| part.against(limit, &mut saved, share, of_groups);
            self.parts.iter().map(one).sum::<f64>()
        };
        let limits = (0..=LIMITS).map(|part| against(pace * f64::from(part) / f64::from(LIMITS)));
        let by_order = sum(|part| part.irregularity).min(MOST_OF_ORDER);
        (limits.fold(f64::INFINITY, f64::min) + by_order > DECISIVE)
            .then_some(Unexplained { share, pace: highest })
    }
}

impl Part {
    /// Returns how much more likely these answers are by chance than under a limit, as a logarithm.
    ///
    /// A limit accepts no more than it is and what a bucket has saved, so that each call counts that is
    /// accepted beyond it. Of throttled calls only groups count, because a window throttles all calls
    /// until it ends.
    fn against(&self, limit: f64, saved: &mut f64, share: f64, of_groups: f64) -> f64 {
        let calls = self.accepted + self.throttled;
        let beyond = self.accepted - limit * calls / self.pace;
        let taken = beyond.clamp(0.0, *saved);
        *saved = (*saved - beyond).clamp(0.0, limit * SAVED);
        let excess = (1.0 - limit / self.pace).max(STRAY);
        let throttled = self.throttled + taken;
        if throttled < excess * calls {
            let (excess, accepted) = (excess.min(MOST), self.accepted - taken);
            return ratio(throttled, accepted, share, excess);
        }
        ratio(self.groups, self.accepted, of_groups, excess.min(MOST_UNDER_LIMIT))
    }
}

fn ratio(throttled: f64, accepted: f64, chance: f64, limited: f64) -> f64 {
    throttled * (chance / limited).ln() + accepted * ((1.0 - chance) / (1.0 - limited)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::pace::call_history::after;

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
    fn origin() -> Instant {
        Instant::now()
    }

    /// What is found after seconds at these paces, of whose calls the service throttles some.
    fn found(paces: &[f64], mut throttles: impl FnMut(f64, f64) -> bool) -> Option<Unexplained> {
        let start = origin();
        let (mut history, mut by_pace) = (CallHistory::new(start), ThrottlingByPace::new(start));
        let (mut at, mut found) = (0.0, None);
        for (second, &pace) in paces.iter().enumerate() {
            while at < (second + 1) as f64 {
                let now = after(start, at);
                history.count_sent(now);
                if throttles(at, pace) {
                    history.count_throttled(now, now);
                }
                at += 1.0 / pace;
                if by_pace.look_at(&history, pace, now) {
                    found = by_pace.unexplained();
                }
            }
        }
        found
    }

    fn by_chance(share: f64) -> impl FnMut(f64, f64) -> bool {
        let mut random = fastrand::Rng::with_seed(1);
        move |_, _| random.f64() < share
    }

    #[test]
    fn a_share_that_is_throttled_at_falling_paces_is_chance_and_the_highest_pace_is_known() {
        let falling = [60.0, 60.0, 40.0, 25.0, 15.0, 15.0, 10.0, 10.0];
        for share in [0.3, 0.5] {
            let found = found(&falling, by_chance(share)).unwrap();
            assert_eq!(found.pace, 60.0);
            assert!((found.share - share).abs() < 0.15, "{found:?}");
        }
    }

    #[test]
    fn one_pace_tells_nothing_and_a_limit_explains_all_paces_above_it() {
        assert_eq!(found(&[20.0; 4], by_chance(0.5)), None);
        let mut tokens = 8.0_f64;
        let mut earlier = 0.0;
        let bucket = |at: f64, _: f64| {
            tokens = (tokens + 8.0 * (at - earlier)).min(8.0);
            earlier = at;
            let throttles = tokens < 1.0;
            tokens -= if throttles { 0.0 } else { 1.0 };
            throttles
        };
        assert_eq!(found(&[20.0, 20.0, 16.0, 14.0, 12.0, 10.0, 9.0, 8.5, 8.2], bucket), None);
    }

    #[test]
    fn rows_at_the_end_of_windows_and_a_share_below_a_twentieth_are_not_put_down_to_chance() {
        let window = |at: f64, pace: f64| pace * at.fract() >= 8.0;
        assert_eq!(found(&[20.0, 20.0, 16.0, 14.0, 12.0, 10.0, 9.0, 8.0, 8.0], window), None);
        assert_eq!(found(&[50.0, 40.0, 30.0, 20.0, 20.0, 20.0], by_chance(0.03)), None);
    }
}
