//! What a service accepted from the end of one hold to the call that brought the next one.

use crate::policy::pace::call_history::{CallHistory, before, seconds};
use std::time::Instant;

/// How many of the last spans of a spell are known: each is longer by that factor than the one before.
const SPANS: usize = 24;
const SHORTEST_SPAN: f64 = 0.03;
const SPANS_GROW: f64 = 1.26;
/// How many limits are tried, as shares of the pace.
const TRIED: u32 = 200;
/// A service that had saved nothing throttles what is a little above its limit.
const OF_PACE: f64 = 0.98;
/// A window that takes as much as an earlier one in so many seconds is one of a second.
const SHORT_WINDOW: f64 = 0.5;
/// The share of what was accepted in a spell that is too short to show a window.
const OF_SHORT_SPELL: f64 = 0.9;
/// So little is no call.
const NO_CALL: f64 = 0.01;

/// The time between two holds. It ends with the throttled call that brought the second one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spell {
    /// How long it lasted in seconds, and how many calls were accepted in it and in its last second.
    pub(super) lasted: f64,
    pub(super) calls: f64,
    in_second: f64,
    /// How many calls were accepted in each of its last spans, the shortest first.
    spans: [(f64, f64); SPANS],
}

impl Spell {
    /// Returns the spell that began at an instant by which so many calls had been accepted in all.
    pub(super) fn of(history: &CallHistory, begun: (Instant, f64), sent: Instant) -> Self {
        let end = before(sent, 1e-6);
        let lasted = seconds(begun.0, sent);
        let accepted_in = |span: f64| history.accepted_between(before(sent, span + 1e-6), end);
        let mut span = SHORTEST_SPAN;
        let spans = std::array::from_fn(|_| {
            let known = span.min(lasted);
            span *= SPANS_GROW;
            (known, accepted_in(known))
        });
        let calls = history.accepted_until(end) - begun.1;
        Self { lasted, calls, in_second: accepted_in(lasted.min(1.0)), spans }
    }

    /// Returns how many calls the service had saved at least, if that is its limit: what was accepted
    /// in any time is at most that, and the limit for the time (Cruz 1991, a calculus for network delay).
    pub(super) fn saved(&self, limit: f64) -> f64 {
        let whole = self.calls - limit * self.lasted;
        self.spans.iter().map(|(span, calls)| calls - limit * span).fold(whole.max(0.0), f64::max)
    }

    /// Returns the highest limit at which a bucket had saved as much before this spell as before an earlier
    /// one, or `None` if there is none: then it was not as full.
    pub(super) fn limit_of_bucket(&self, earlier: &Self, pace: f64) -> Option<f64> {
        let limit = |step: u32| f64::from(step) / f64::from(TRIED) * pace;
        let has_less =
            |step: &u32| self.saved(limit(*step)) < earlier.saved(limit(*step)) - NO_CALL;
        let Some(less) = (1..=TRIED).rev().find(has_less) else { return Some(OF_PACE * pace) };
        let same = (1..less).rev().find(|step| !has_less(step))?;
        Some(limit(same) + 0.5 * limit(1))
    }

    /// Returns the limit of a window that was as large in an earlier spell.
    pub(super) fn limit_of_window(&self, earlier: &Self, pace: f64) -> f64 {
        let limit = match self.time_of(earlier.in_second) {
            Some(SHORT_WINDOW..) => self.in_second.min(earlier.in_second),
            Some(span) => earlier.in_second / span,
            None => OF_SHORT_SPELL * self.mean(),
        };
        limit.min(OF_PACE * pace)
    }

    /// Returns what was accepted a second.
    pub(super) fn mean(&self) -> f64 {
        self.in_second / self.lasted.clamp(NO_CALL, 1.0)
    }

    /// Returns what was accepted in the last second, if it lasted as long.
    pub(super) fn last_second(&self) -> f64 {
        self.in_second
    }

    /// Returns in how many seconds the last so many calls were accepted.
    fn time_of(&self, calls: f64) -> Option<f64> {
        let next = self.spans.iter().position(|&(_, accepted)| accepted >= calls)?;
        let (span, accepted) = self.spans[next];
        let (shorter, fewer) = next.checked_sub(1).map_or((0.0, 0.0), |last| self.spans[last]);
        Some(shorter + (span - shorter) * (calls - fewer) / (accepted - fewer).max(NO_CALL))
    }
}

#[cfg(test)]
mod tests {
    use super::Spell;
    use crate::policy::pace::call_history::{CallHistory, after};
    use std::time::{Duration, Instant};

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
    fn origin() -> Instant {
        Instant::now()
    }

    /// A spell in which these paces were kept to for so many seconds each, and all calls were accepted.
    fn spell(paces: &[(f64, f64)]) -> Spell {
        let begun = origin();
        let mut history = CallHistory::new(begun);
        let mut at = 0.0;
        for &(pace, lasts) in paces {
            let end = at + lasts;
            while at + 0.5 / pace < end {
                at += 1.0 / pace;
                history.count_sent(after(begun, at));
            }
        }
        // The call that is throttled is not one of those accepted.
        Spell::of(&history, (begun, 0.0), after(begun, at) + Duration::from_micros(2))
    }

    #[track_caller]
    fn near(found: f64, expected: f64, by: f64) {
        assert!((found - expected).abs() <= by, "{found}, not {expected}");
    }

    #[test]
    fn what_was_accepted_above_a_limit_had_been_saved_and_a_lower_pace_before_it_saves_no_more() {
        let spell = spell(&[(50.0, 2.0), (150.0, 0.4)]);
        near(spell.saved(100.0), 20.0, 1.0);
        near(spell.saved(150.0), 0.0, 1.0);
        near(spell.calls, 160.0, 0.0);
        near(spell.last_second(), 90.0, 1.0);
    }

    #[test]
    fn two_spells_show_what_a_bucket_gains_in_a_second() {
        // A bucket of 10 that gains 100 a second.
        let first = spell(&[(400.0, 0.033)]);
        let second = spell(&[(60.0, 1.0), (120.0, 0.5)]);
        near(second.limit_of_bucket(&first, 120.0).unwrap(), 100.0, 2.0);
        // The same where the pace stays.
        near(spell(&[(110.0, 1.0)]).limit_of_bucket(&first, 110.0).unwrap(), 100.0, 2.0);
        // What saves nothing throttles as soon as the pace is above the limit.
        let single = spell(&[(400.0, 0.002_5)]);
        near(
            spell(&[(60.0, 1.0), (101.0, 0.1)]).limit_of_bucket(&single, 101.0).unwrap(),
            99.5,
            1.5,
        );
        // Fewer calls than had been saved show no limit: the bucket was not full.
        assert_eq!(spell(&[(120.0, 0.05)]).limit_of_bucket(&first, 120.0), None);
    }

    #[test]
    fn a_limit_lies_in_the_middle_of_the_step_where_both_spells_agree() {
        let first = spell(&[(400.0, 0.033)]);
        // Steps of a call a second.
        let limit = spell(&[(60.0, 1.0), (120.0, 0.5)]).limit_of_bucket(&first, 200.0).unwrap();
        assert_eq!(limit.fract(), 0.5);
        let saved = |limit: f64| spell(&[(60.0, 1.0), (120.0, 0.5)]).saved(limit);
        assert!(saved(limit - 0.5) >= first.saved(limit - 0.5) - 0.01, "{limit}");
        assert!(saved(limit + 0.5) < first.saved(limit + 0.5) - 0.01, "{limit}");
    }

    #[test]
    fn the_time_of_some_calls_lies_between_two_spans() {
        let spell = spell(&[(100.0, 2.0)]);
        let spans: Vec<(f64, f64)> = spell.spans.into_iter().filter(|span| span.0 < 1.0).collect();
        for pair in spans.windows(2).filter(|pair| pair[0].1 + 1.0 < pair[1].1) {
            let ((shorter, fewer), (longer, more)) = (pair[0], pair[1]);
            let time = spell.time_of(fewer + 1.0).unwrap();
            near(time, shorter + (longer - shorter) / (more - fewer), 1e-9);
            near(spell.time_of(more).unwrap(), longer, 1e-9);
        }
        assert_eq!(spell.time_of(spell.calls + 1.0), None);
    }

    #[test]
    fn two_spells_show_what_a_window_takes_whatever_its_length() {
        // A second, of which the first spell fills one in 0.25 s.
        let first = spell(&[(400.0, 0.25)]);
        let limit = spell(&[(80.0, 0.5), (120.0, 0.5)]).limit_of_window(&first, 120.0);
        near(limit, 100.0, 1.0);
        // A tenth of a second.
        let first = spell(&[(400.0, 0.025)]);
        near(spell(&[(60.0, 0.5), (102.0, 0.3)]).limit_of_window(&first, 104.0), 102.0, 2.0);
        // A spell that is too short shows a little less than what was accepted, and none the whole pace.
        near(spell(&[(50.0, 0.1)]).limit_of_window(&first, 100.0), 45.0, 1.0);
        near(spell(&[(300.0, 1.0)]).limit_of_window(&spell(&[(400.0, 1.0)]), 250.0), 245.0, 0.1);
    }
}
