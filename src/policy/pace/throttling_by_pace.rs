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
/// The largest share that is put down to chance: several clients of one limit see larger ones.
const MOST_BY_CHANCE: f64 = 0.75;
/// The largest share that single throttled calls have under a limit: each follows an accepted one.
const MOST_UNDER_LIMIT: f64 = 0.5;
/// The largest share that a limit throttles at a pace far above it.
const MOST: f64 = 0.97;
/// The logarithm of the likelihood ratio that decides, and how many limits are compared.
const DECISIVE: f64 = 7.5;
const LIMITS: u32 = 50;
/// How many standard deviations more of a part may be throttled than the share by chance.
const FITS: f64 = 4.0;
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
    /// How many calls in a row were accepted, at most.
    longest_accepted: f64,
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

/// Throttling that no limit explains: its share, and the highest pace at which no more than that was seen.
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
        let groups = history.groups(self.begun, to);
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
            groups: groups.count(),
            longest_accepted: groups.longest_accepted(),
            irregularity,
        });
        if self.parts.len() > PARTS {
            self.parts.pop_front();
        }
        true
    }

    /// Forgets all parts, because what followed from them has turned out to be wrong.
    pub(super) fn forget(&mut self) {
        self.parts.clear();
    }

    /// Returns the share that is throttled by chance, where that is much more likely than any limit.
    pub(super) fn unexplained(&self) -> Option<Unexplained> {
        let sum = |of: fn(&Part) -> f64| self.parts.iter().map(of).sum::<f64>();
        let (accepted, throttled, groups) =
            (sum(|part| part.accepted), sum(|part| part.throttled), sum(|part| part.groups));
        let of_groups = groups / (accepted + groups).max(1.0);
        let share = throttled / (accepted + throttled);
        if of_groups < LEAST || share > MOST_BY_CHANCE {
            return None;
        }
        let pace = self.parts.iter().map(|part| part.pace).fold(0.0, f64::max);
        let against = |limit: f64| {
            let mut saved = limit * SAVED;
            let one = |part: &Part| part.against(limit, &mut saved, share, of_groups);
            self.parts.iter().map(one).sum::<f64>()
        };
        let limits = (0..=LIMITS).map(|part| against(pace * f64::from(part) / f64::from(LIMITS)));
        let by_order = sum(|part| part.irregularity).min(MOST_OF_ORDER);
        (limits.fold(f64::INFINITY, f64::min) + by_order > DECISIVE).then(|| {
            let in_a_row = throttled / groups.max(1.0);
            let fitting = self.parts.iter().filter(|part| part.fits(share, in_a_row));
            let pace = fitting.map(|part| part.highest.max(part.pace)).fold(0.0, f64::max);
            Unexplained { share, pace }
        })
    }
}

impl Part {
    /// Returns whether no more were throttled than chance explains that throttles this share, so many calls in a
    /// row: a binomial count is seldom so many standard deviations above its mean.
    fn fits(&self, share: f64, in_a_row: f64) -> bool {
        let calls = self.accepted + self.throttled;
        let deviation = (calls * share * (1.0 - share) * in_a_row).sqrt();
        self.throttled <= calls * share + FITS * deviation
    }

    /// Returns how much more likely these answers are by chance than under a limit, as a logarithm.
    ///
    /// A limit accepts no more than it is and what a bucket has saved, so that each call counts that is
    /// accepted beyond it. What is saved is taken in a row, because a bucket that throttles is empty, and a
    /// window throttles until it ends. Of throttled calls only groups count, because a window throttles all calls
    /// until it ends.
    fn against(&self, limit: f64, saved: &mut f64, share: f64, of_groups: f64) -> f64 {
        let calls = self.accepted + self.throttled;
        let beyond = self.accepted - limit * calls / self.pace;
        let taken = beyond.clamp(0.0, saved.min(self.longest_accepted));
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
    fn calls_that_are_throttled_before_a_bucket_is_empty_are_chance() {
        // A bucket of 38 that was full accepts as many of the first second, but in a row.
        let paces = [110.0, 28.0, 28.0];
        assert!(found(&paces, by_chance(0.35)).is_some());
        let mut call = 0;
        let bucket = |_: f64, pace: f64| {
            call += 1;
            if pace > 30.0 { call > 38 && call % 3 > 0 } else { call % 4 == 0 }
        };
        assert_eq!(found(&paces, bucket), None);
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

    fn part(pace: f64, accepted: f64, throttled: f64, groups: f64) -> Part {
        let longest_accepted = accepted;
        Part {
            pace,
            highest: pace,
            accepted,
            throttled,
            groups,
            longest_accepted,
            irregularity: 0.0,
        }
    }

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
    }

    #[test]
    fn a_limit_accepts_no_more_than_it_is_and_what_a_bucket_has_saved() {
        let part = part(20.0, 12.0, 8.0, 5.0);
        for (limit, saved, saved_after, expected) in [
            // As many were throttled as the limit does, so groups count.
            (8.0, 8.0, 4.0, ratio(5.0, 12.0, 0.3, 0.5)),
            // One was accepted beyond both.
            (8.0, 3.0, 0.0, ratio(11.0, 9.0, 0.4, 0.6)),
            // What the limit leaves unused is saved, and no more than it accepts in a second.
            (16.0, 3.0, 7.0, ratio(5.0, 12.0, 0.3, 0.2)),
            (16.0, 15.0, 16.0, ratio(5.0, 12.0, 0.3, 0.2)),
            (0.0, 0.0, 0.0, ratio(8.0, 12.0, 0.4, MOST)),
            (30.0, 30.0, 30.0, ratio(5.0, 12.0, 0.3, STRAY)),
        ] {
            let mut left = saved;
            close(part.against(limit, &mut left, 0.4, 0.3), expected);
            close(left, saved_after);
        }
        // What was saved is accepted in a row: of the four beyond the limit three were, so one is too many.
        for (longest_accepted, expected) in
            [(4.0, ratio(5.0, 12.0, 0.3, 0.5)), (3.0, ratio(11.0, 9.0, 0.4, 0.6))]
        {
            let part = Part { longest_accepted, ..part };
            close(part.against(8.0, &mut 8.0, 0.4, 0.3), expected);
        }
        close(ratio(2.0, 3.0, 0.5, 0.25), 2.0 * 2.0_f64.ln() + 3.0 * (2.0_f64 / 3.0).ln());
    }

    #[test]
    fn chance_has_to_be_decisively_likelier_than_the_limit_that_fits_best() {
        // What all limits leave to chance at these paces, as a logarithm.
        let by_answers = 6.287_252_053_023_602;
        let found = |irregularity: f64, highest: f64| {
            let mut by_pace = ThrottlingByPace::new(origin());
            for pace in [60.0, 40.0, 20.0, 10.0] {
                by_pace.parts.push_back(part(pace, 0.5 * pace, 0.5 * pace, 0.4 * pace));
            }
            by_pace.parts[2].irregularity = irregularity;
            by_pace.parts[3].highest = highest;
            by_pace.unexplained()
        };
        let missing = DECISIVE - by_answers;
        assert_eq!(found(missing - 1e-6, 10.0), None);
        let expected = |pace| Some(Unexplained { share: 0.5, pace });
        assert_eq!(found(missing + 1e-6, 10.0), expected(60.0));
        assert_eq!(found(missing + 1e-6, 61.0), expected(61.0));
    }

    #[test]
    fn the_highest_pace_is_one_at_which_no_more_were_throttled_than_chance_explains() {
        let found = |throttled: f64, groups: f64| {
            let mut by_pace = ThrottlingByPace::new(origin());
            for pace in [200.0, 60.0, 60.0, 60.0, 40.0, 40.0, 40.0, 20.0, 20.0, 20.0, 10.0, 10.0] {
                by_pace.parts.push_back(part(pace, 0.7 * pace, 0.3 * pace, 0.3 * pace));
            }
            by_pace.parts[0] = part(200.0, 200.0 - throttled, throttled, groups);
            by_pace.unexplained().unwrap().pace
        };
        // Of 580 calls all throttled ones are chance, so that their share and its deviation follow.
        let most = |throttled: f64, in_a_row: f64| {
            let share = (114.0 + throttled) / 580.0;
            200.0 * share + FITS * (200.0 * share * (1.0 - share) * in_a_row).sqrt()
        };
        assert!(most(101.0, 1.0) > 101.0 && most(102.0, 1.0) < 102.0);
        assert_eq!((found(101.0, 101.0), found(102.0, 102.0)), (200.0, 60.0));
        // Rows deviate more.
        assert_eq!(found(102.0, 51.0), 200.0);
    }

    #[test]
    fn a_share_of_groups_of_a_twentieth_may_be_chance() {
        let found = |groups: f64| {
            let mut by_pace = ThrottlingByPace::new(origin());
            for pace in [[80.0; 12], [40.0; 12]].concat() {
                by_pace.parts.push_back(part(pace, 0.95 * pace, 0.05 * pace, groups * pace));
            }
            by_pace.unexplained().map(|found| found.share)
        };
        assert_eq!((found(0.05), found(0.049)), (Some(0.05), None));
    }

    #[test]
    fn more_than_the_highest_share_of_chance_is_none_and_parts_are_forgotten() {
        let found = |share: f64| {
            let mut by_pace = ThrottlingByPace::new(origin());
            for pace in [[80.0; 12], [10.0; 12]].concat() {
                let throttled = share * pace;
                by_pace.parts.push_back(part(pace, pace - throttled, throttled, 0.3 * pace));
            }
            by_pace
        };
        assert!(found(MOST_BY_CHANCE - 0.01).unexplained().is_some());
        assert_eq!(found(MOST_BY_CHANCE + 0.01).unexplained(), None);
        let mut by_pace = found(0.5);
        by_pace.forget();
        assert_eq!(by_pace.unexplained(), None);
    }

    #[test]
    fn a_part_has_six_calls_in_a_second_or_what_came_in_four() {
        let start = origin();
        let at = |millis: u64| start + std::time::Duration::from_millis(millis);
        let looked = |calls: u64, millis: u64| {
            let (mut history, mut by_pace) =
                (CallHistory::new(start), ThrottlingByPace::new(start));
            (1..=calls).for_each(|call| history.count_sent(at(call)));
            let is_added = by_pace.look_at(&history, 20.0, at(millis));
            assert_eq!(is_added, by_pace.parts.len() == 1);
            (is_added, by_pace.begun == at(millis))
        };
        for (calls, millis, expected) in [
            (6, 1_000, (true, true)),
            (6, 999, (false, false)),
            (5, 1_000, (false, false)),
            (5, 3_999, (false, false)),
            (5, 4_000, (true, true)),
            (1, 4_000, (true, true)),
            // A part without calls, or with forgotten ones, has no pace, and the next one begins.
            (0, 4_000, (false, true)),
            (6, 5_900, (true, true)),
            (6, 5_901, (false, true)),
        ] {
            assert_eq!(looked(calls, millis), expected, "{calls} calls in {millis} ms");
        }
    }

    #[test]
    fn a_part_knows_its_own_pace_and_the_highest_that_held_and_24_are_kept() {
        let start = origin();
        let (mut history, mut by_pace) = (CallHistory::new(start), ThrottlingByPace::new(start));
        for call in 1..=300_u32 {
            let now = after(start, f64::from(call) / 10.0);
            history.count_sent(now);
            if call % 5 == 0 {
                history.count_throttled(now, now);
            }
            let pace = [f64::INFINITY, 30.0, 20.0, 25.0][(call % 4) as usize];
            let is_added = by_pace.look_at(&history, pace, now);
            assert_eq!(is_added, call % 10 == 0, "{call}");
            assert_eq!(by_pace.parts.len(), (call as usize / 10).min(24));
        }
        let last = by_pace.parts.back().unwrap();
        close(last.pace, 10.0);
        assert_eq!((last.accepted, last.throttled, last.groups), (8.0, 2.0, 2.0));
        assert_eq!((last.highest, by_pace.highest), (30.0, 0.0));
    }

    #[test]
    fn the_pace_of_a_part_is_that_of_its_time() {
        let start = origin();
        let (mut history, mut by_pace) = (CallHistory::new(start), ThrottlingByPace::new(start));
        (1..=12).for_each(|call| history.count_sent(after(start, f64::from(call) / 8.0)));
        assert!(by_pace.look_at(&history, 8.0, after(start, 1.5)));
        close(by_pace.parts[0].pace, 8.0);
    }
}
