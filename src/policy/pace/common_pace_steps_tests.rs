//! Each step of the pace of several workers, in exact numbers.

use super::*;
use crate::task::ServiceLimit;

fn start(ceiling: Option<f64>) -> PaceStart {
    let opening = ceiling.map_or(Opening::Doubling, |_| Opening::AtCeiling);
    let bounds = RateBounds { least: 0.1, most: ceiling.unwrap_or(30_000.0) };
    PaceStart { bounds, opening, learnt: ServiceLimit::default() }
}

/// A pace of 100 a second in a phase, with a search behind it.
fn pace(phase: Phase, limit: Option<f64>) -> CommonPace {
    CommonPace { phase, limit, ..CommonPace::new(start(None), Some(100.0)) }
}

fn sample(calls: u64, throttled: u64, seconds: f64) -> CommonSample {
    CommonSample { calls, throttled, seconds, is_held: false }
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
}

#[test]
fn it_begins_below_the_known_limit_at_the_pace_in_force_or_with_a_search() {
    let begin = |ceiling: Option<f64>, per_second, in_force| {
        let learnt = ServiceLimit { per_second, ..ServiceLimit::default() };
        CommonPace::new(PaceStart { learnt, ..start(ceiling) }, in_force)
    };
    for (ceiling, learnt, in_force, rate, limit) in [
        (None, None, None, Some(10.0), None),
        (None, None, Some(25.0), Some(25.0), None),
        (None, None, Some(0.01), Some(0.1), None),
        (None, Some(200.0), Some(25.0), Some(194.0), Some(200.0)),
        (Some(100.0), None, Some(25.0), None, None),
        (Some(100.0), Some(100.0), None, None, None),
        (Some(100.0), Some(99.0), None, Some(0.97 * 99.0), Some(99.0)),
        (Some(100.0), Some(f64::NAN), None, None, None),
        (Some(f64::INFINITY), Some(f64::INFINITY), None, None, None),
    ] {
        let pace = begin(ceiling, learnt, in_force);
        assert_eq!((pace.per_second(), pace.limit()), (rate, limit), "{ceiling:?} {learnt:?}");
    }
}

#[test]
fn a_second_and_forty_calls_are_enough_or_five_seconds_or_a_clear_second() {
    for (calls, seconds, is_clear, is_enough) in [
        (5.0, 0.99, true, true),
        (5.0, 0.98, true, false),
        (39.0, 1.0, false, false),
        (40.0, 1.0, false, true),
        (40.0, 0.98, false, false),
        (39.0, 4.99, false, false),
        (39.0, 5.0, false, true),
    ] {
        let gathered = Gathered { calls, seconds, ..Gathered::default() };
        assert_eq!(gathered.is_enough(is_clear), is_enough, "{calls} {seconds} {is_clear}");
    }
}

#[test]
fn calls_of_an_earlier_pace_count_for_the_cost_and_not_for_the_pace() {
    let mut pace = pace(Phase::Resting(0.0), Some(100.0));
    (pace.skipped, pace.cycle) = (0.5, Some((10.0, 2.0)));
    for passed in [0.25, 0.5] {
        pace.decide(sample(10, 20, 0.25));
        assert_eq!((pace.gathered.calls, pace.skipped), (0.0, 0.5 - passed));
        assert_eq!(pace.phase, Phase::Resting(passed));
    }
    pace.decide(sample(10, 2, 0.25));
    assert_eq!((pace.gathered.calls, pace.gathered.throttled), (10.0, 2.0));
    assert_eq!((pace.gathered.seconds, pace.skipped), (0.25, 0.0));
    // More throttled ones than calls there were count as many.
    assert_eq!((pace.calls, pace.throttled, pace.cycle), (30.0, 22.0, Some((18.0, 2.75))));
    for is_held in [true, true, false] {
        pace.decide(CommonSample { is_held, ..sample(1, 0, 0.2) });
        assert!(pace.gathered.is_held);
    }
    assert_eq!(pace.gathered.calls, 13.0);
}

#[test]
fn three_throttled_calls_end_a_look_at_once() {
    let after = |calls, throttled| {
        let mut pace = pace(Phase::Looking(0.02), Some(90.0));
        pace.decide(sample(calls, throttled, 0.25));
        (pace.phase, pace.limit, pace.rate, pace.skipped)
    };
    let goes_on = (Phase::Looking(0.02), Some(90.0), 100.0, 0.0);
    assert_eq!(after(25, 2), goes_on);
    assert_eq!(after(200, 3), goes_on);
    assert_eq!(after(199, 3), (Phase::Resting(0.0), Some(90.0), RESTING * 90.0, 1.0));
    // Elsewhere they are gathered.
    let mut resting = pace(Phase::Resting(0.0), Some(90.0));
    resting.decide(sample(25, 3, 0.25));
    assert_eq!((resting.rate, resting.gathered.throttled), (100.0, 3.0));
}

#[test]
fn an_asking_call_is_enough_and_no_call_says_nothing() {
    let mut asking = pace(Phase::Asking(0.0, 97.0), None);
    asking.decide(sample(0, 0, 0.25));
    assert_eq!((asking.phase, asking.gathered.seconds), (Phase::Asking(0.25, 97.0), 0.25));
    asking.decide(sample(1, 0, 0.25));
    assert_eq!(asking.phase, Phase::Resting(0.0));
    close(asking.rate, 97.0);
    close(asking.limit.unwrap(), 100.0);
    let mut open = pace(Phase::Open, None);
    open.decide(sample(0, 0, 1.0));
    assert_eq!((open.rate, open.chance, open.gathered.seconds), (100.0, 0.0, 0.0));
    // Few calls are clear where none was throttled and no limit is known.
    open.rate = 10.0;
    open.decide(sample(8, 0, 1.0));
    assert_eq!(open.rate, 16.0);
    let mut throttled = pace(Phase::Open, None);
    throttled.decide(sample(39, 1, 1.0));
    assert_eq!(throttled.gathered.calls, 39.0);
    let mut resting = pace(Phase::Resting(0.0), Some(100.0));
    resting.decide(sample(39, 0, 1.0));
    assert_eq!(resting.gathered.calls, 39.0);
}

#[test]
fn an_excess_is_two_calls_and_more_than_is_tolerated_or_usual() {
    for (chance, calls, throttled, is_excess) in [
        (0.0, 50.0, 1.0, false),
        (0.0, 100.0, 2.0, true),
        (0.0, 200.0, 3.0, false),
        (0.0, 199.0, 3.0, true),
        // Ten are usual, and three times the root of ten more.
        (0.1, 100.0, 19.0, false),
        (0.1, 100.0, 20.0, true),
    ] {
        let pace = CommonPace { chance, ..pace(Phase::Open, None) };
        let gathered = Gathered { calls, throttled, ..Gathered::default() };
        assert_eq!(pace.is_excess(gathered), is_excess, "{chance} {calls} {throttled}");
    }
}

#[test]
fn the_pace_falls_to_what_was_accepted_of_what_was_offered() {
    let search = CommonPace { accepted: 62.5, ..pace(Phase::Open, None) };
    let known = CommonPace { accepted: 62.5, ..pace(Phase::Resting(9.0), Some(103.0)) };
    let at_ceiling = CommonPace { opening: Opening::AtCeiling, ..search.clone() };
    let held = CommonSample { is_held: true, ..sample(60, 3, 1.0) };
    for (before, sample, limit) in [
        (&search, sample(100, 20, 1.0), 80.0),
        // A search does not fall below what was accepted on the way.
        (&search, sample(100, 50, 1.0), 62.5),
        (&known, sample(100, 50, 1.0), 50.0),
        (&at_ceiling, sample(100, 50, 1.0), 50.0),
        (&search, sample(60, 30, 1.0), 60.0),
        (&known, sample(200, 50, 1.0), 75.0),
        (&known, sample(120, 60, 2.0), 30.0),
        (&known, sample(100, 80, 1.0), 20.0),
        (&known, held, 90.0),
        (&known, CommonSample { throttled: 30, ..held }, 50.0),
    ] {
        let mut pace = before.clone();
        (pace.calls, pace.throttled) = (1_000.0, 10.0);
        pace.decide(sample);
        close(pace.limit.unwrap(), limit);
        close(pace.rate, RESTING * limit);
        assert_eq!((pace.phase, pace.skipped), (Phase::Resting(0.0), 1.0));
        // A search was no look, so its cost is forgotten.
        assert_eq!(pace.calls == 0.0, before.phase == Phase::Open, "{sample:?}");
        assert_eq!(pace.throttled == 0.0, before.phase == Phase::Open, "{sample:?}");
    }
    let mut unlimited = CommonPace { rate: f64::INFINITY, ..at_ceiling };
    unlimited.decide(held);
    close(unlimited.limit.unwrap(), 54.0);
}

#[test]
fn three_falls_with_the_same_share_are_chance() {
    let after = |opening: Opening, shares: [f64; 3]| {
        let mut pace = CommonPace { opening, ..pace(Phase::Resting(0.0), Some(103.0)) };
        let [first, second, third] = shares;
        assert!(!pace.is_chance(90.0, first) && !pace.is_chance(80.0, second));
        (pace.is_chance(70.0, third), pace)
    };
    for shares in [[0.2; 3], [0.2, 0.2, 0.1], [0.1, 0.1, 0.25]] {
        let (is_chance, pace) = after(Opening::Doubling, shares);
        assert!(is_chance, "{shares:?}");
        close(pace.chance, shares.iter().sum::<f64>() / 3.0);
        assert_eq!((pace.limit, pace.phase, pace.skipped), (None, Phase::Open, 1.0));
        assert_eq!((pace.rate, pace.falls.len()), (90.0, 0));
    }
    let (_, pace) = after(Opening::AtCeiling, [0.2; 3]);
    assert_eq!(pace.per_second(), None);
    // One is too high, or too low.
    for shares in [[0.1, 0.1, 0.28], [0.2, 0.2, 0.09], [6.5, 6.5, 17.0], [20.5, 20.5, 10.0]] {
        let (is_chance, pace) = after(Opening::Doubling, shares);
        assert!(!is_chance, "{shares:?}");
        assert_eq!(pace.falls, [(80.0, shares[1]), (70.0, shares[2])]);
    }
}

#[test]
fn where_nothing_is_accepted_single_calls_ask() {
    let resting = Phase::Resting(9.0);
    for (phase, limit, accepted, before) in [
        (Phase::Open, None, 0.0, RESTING * 50.0),
        (Phase::Open, None, 60.0, RESTING * 60.0),
        (Phase::Open, None, 120.0, RESTING * 100.0),
        (resting, None, 60.0, RESTING * 60.0),
        (Phase::Looking(0.02), Some(98.0), 60.0, RESTING * 60.0),
        (resting, Some(103.0), 60.0, AFTER_EXHAUSTION * 60.0),
        (resting, Some(103.0), 1.0, AFTER_EXHAUSTION),
    ] {
        let mut pace = CommonPace { accepted, ..pace(phase, limit) };
        pace.follow(Gathered { calls: 100.0, throttled: 81.0, seconds: 1.0, is_held: false });
        assert_eq!((pace.phase, pace.accepted), (Phase::Asking(0.0, before), before));
        assert_eq!((pace.rate, pace.skipped), (before.min(2.0), 1.0));
    }
}

#[test]
fn once_calls_are_accepted_again_a_long_window_has_the_pace_of_all_of_it() {
    for (share, seconds, cycle, pace_after) in [
        (0.5, 4.0, None, 50.0),
        (0.0, 4.0, Some((100.0, 20.0)), 50.0),
        (0.0, 4.1, Some((100.0, 20.0)), 5.0),
        (0.0, 4.1, Some((100.0, 0.0)), 50.0),
        (0.0, 4.1, None, 50.0),
    ] {
        let mut pace = CommonPace { cycle, ..pace(Phase::Asking(seconds, 50.0), None) };
        pace.ask(share, seconds, 50.0);
        close(pace.rate, pace_after);
        close(pace.limit.unwrap(), pace_after / RESTING);
        assert_eq!((pace.skipped, pace.cycle), (0.0, Some((0.0, 0.0))));
    }
    let mut pace = pace(Phase::Asking(9.0, 50.0), None);
    pace.ask(0.51, 9.0, 50.0);
    assert_eq!((pace.phase, pace.cycle), (Phase::Asking(9.0, 50.0), None));
}

#[test]
fn a_pace_that_is_used_grows_and_looks_above_its_limit_once_the_last_look_is_paid() {
    let grown = |before: &CommonPace, sent, is_held| {
        let mut pace = before.clone();
        pace.grow(sent, is_held);
        (pace.rate, pace.phase)
    };
    let open = pace(Phase::Open, None);
    assert_eq!(grown(&open, 70.0, false), (160.0, Phase::Open));
    assert_eq!(grown(&open, 69.0, false), (100.0, Phase::Open));
    assert_eq!(grown(&open, 70.0, true), (100.0, Phase::Open));
    let mut at_ceiling = open;
    at_ceiling.bounds.most = at_ceiling.rate;
    at_ceiling.grow(70.0, false);
    assert_eq!((at_ceiling.rate, at_ceiling.accepted), (100.0, 0.0));
    let resting = |seconds, calls, throttled, chance| {
        let resting = pace(Phase::Resting(seconds), Some(103.0));
        CommonPace { calls, throttled, chance, ..resting }
    };
    let looks = (1.02 * 103.0, Phase::Looking(0.02));
    for (seconds, calls, throttled, chance, sent, is_look) in [
        (3.0, 300.0, 3.0, 0.0, 70.0, true),
        (2.9, 300.0, 3.0, 0.0, 70.0, false),
        (3.0, 300.0, 3.0, 0.0, 69.0, false),
        (3.0, 299.0, 3.0, 0.0, 70.0, false),
        (3.0, 300.0, 33.0, 0.1, 70.0, true),
        (3.0, 300.0, 34.0, 0.1, 70.0, false),
        (29.9, 300.0, 9.0, 0.0, 70.0, false),
        (30.0, 300.0, 9.0, 0.0, 70.0, true),
    ] {
        let expected = if is_look { looks } else { (100.0, Phase::Resting(seconds)) };
        let before = resting(seconds, calls, throttled, chance);
        assert_eq!(grown(&before, sent, false), expected, "{before:?}");
    }
    let mut paid = CommonPace { accepted: 80.0, ..resting(3.0, 300.0, 3.0, 0.0) };
    paid.grow(90.0, false);
    assert_eq!((paid.calls, paid.throttled, paid.accepted), (0.0, 0.0, 90.0));
    let accepted = |before, sent| {
        let mut pace = CommonPace { accepted: before, ..resting(1.0, 0.0, 0.0, 0.0) };
        pace.grow(sent, false);
        pace.accepted
    };
    assert_eq!((accepted(80.0, 20.0), accepted(80.0, 120.0)), (80.0, 100.0));
}

#[test]
fn a_look_that_is_accepted_doubles_and_one_that_is_not_used_ends() {
    let looking = |step| CommonPace { accepted: 1.0, ..pace(Phase::Looking(step), Some(90.0)) };
    let mut unused = looking(0.02);
    unused.grow(69.0, false);
    assert_eq!((unused.phase, unused.limit), (Phase::Resting(0.0), Some(90.0)));
    close(unused.rate, RESTING * 90.0);
    for (step, next) in [(0.02, 0.04), (0.32, 0.64), (0.5, 0.64)] {
        let mut pace = looking(step);
        pace.grow(70.0, false);
        assert_eq!((pace.phase, pace.limit), (Phase::Looking(next), Some(100.0)));
        assert_eq!(pace.accepted, 100.0);
        close(pace.rate, 100.0 * (1.0 + next));
    }
    // At the ceiling there is no limit to look for.
    for (most, phase, limit) in
        [(104.0, Phase::Open, None), (104.1, Phase::Looking(0.04), Some(100.0))]
    {
        let mut pace = looking(0.02);
        pace.bounds.most = most;
        pace.grow(70.0, false);
        assert_eq!((pace.phase, pace.limit, pace.rate), (phase, limit, 104.0));
    }
}

#[test]
fn the_share_of_chance_follows_what_is_usual_by_a_tenth() {
    let after = |chance, throttled| {
        let mut pace = CommonPace { chance, ..pace(Phase::Open, None) };
        pace.falls.push((100.0, 0.2));
        pace.follow(Gathered { calls: 100.0, throttled, seconds: 1.0, is_held: false });
        assert!(pace.falls.is_empty());
        pace.chance
    };
    close(after(0.0, 1.0), 0.001);
    close(after(0.1, 12.0), 0.102);
    close(after(0.1, 18.0), 0.105);
    close(after(0.1, 0.0), 0.09);
    let mut few = pace(Phase::Open, None);
    few.follow(Gathered { calls: 50.0, throttled: 1.0, seconds: 1.0, is_held: false });
    close(few.chance, 0.001_5);
}
