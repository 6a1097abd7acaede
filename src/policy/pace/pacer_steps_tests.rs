//! Each gate of the pacer, in exact instants.

use super::super::*;

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn clock() -> impl Fn(u64) -> Instant {
    // Long ago enough that a window before it is an instant, too.
    let start = Instant::now() + Duration::from_secs(3_600);
    move |micros| start + Duration::from_micros(micros)
}

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

/// A pacer that has sent one at the beginning.
fn after_one(text: &str, at: &impl Fn(u64) -> Instant) -> Pacer {
    let mut pacer = Pacer::new(Some(rate(text)), at(0));
    assert_eq!(pacer.admit(at(0)), Admission::Now);
    assert_eq!(pacer.release(at(0)), Admission::Now);
    pacer
}

#[test]
fn a_pace_limits_an_unlimited_run_and_is_no_rate() {
    let at = clock();
    let mut pacer = Pacer::new(None, at(0));
    assert_eq!((pacer.is_limited(), pacer.rate()), (false, None));
    pacer.set_pace(Some((10.0, PaceWindow::None)), at(0));
    assert_eq!((pacer.is_limited(), pacer.rate()), (true, None));
    assert_eq!(pacer.admit(at(0)), Admission::Now);
    assert_eq!(pacer.admit(at(1)), Admission::NotBefore(at(100_000)));
    pacer.set_pace(None, at(1));
    assert_eq!((pacer.is_limited(), pacer.admit(at(1))), (false, Admission::Now));
    pacer.set_rate(Some(rate("5/s")), at(1));
    assert_eq!((pacer.is_limited(), pacer.rate()), (true, Some(rate("5/s"))));
}

#[test]
fn a_pace_spaces_exactly_where_it_is_below_the_rate() {
    let at = clock();
    for (pace, due) in [
        (None, 10_050),
        (Some(50.0), 20_000),
        (Some(99.0), 10_101),
        // The rate itself, and its margin.
        (Some(100.0), 10_050),
        (Some(200.0), 10_050),
    ] {
        let mut pacer = after_one("100/s", &at);
        pacer.set_pace(pace.map(|pace| (pace, PaceWindow::None)), at(0));
        let Admission::NotBefore(found) = pacer.admit(at(1)) else { panic!("{pace:?}") };
        assert_eq!((found - at(0)).as_micros(), due, "{pace:?}");
    }
}

#[test]
fn a_raised_pace_makes_up_for_nothing() {
    let at = clock();
    let mut pacer = after_one("100/s", &at);
    pacer.set_pace(Some((10.0, PaceWindow::None)), at(0));
    // Fifty milliseconds were not used; the next one comes a period after the change.
    pacer.set_pace(Some((50.0, PaceWindow::None)), at(50_000));
    assert_eq!(pacer.admit(at(50_000)), Admission::Now);
    assert_eq!(pacer.admit(at(50_000)), Admission::NotBefore(at(70_000)));
    // Soon after the last one the period counts from it.
    pacer.set_pace(Some((25.0, PaceWindow::None)), at(60_000));
    assert_eq!(pacer.admit(at(60_000)), Admission::NotBefore(at(90_000)));
}

#[test]
fn a_pace_with_a_window_admits_no_more_than_a_second_holds() {
    let at = clock();
    let mut pacer = Pacer::new(Some(rate("100/s")), at(0));
    pacer.set_pace(Some((2.0, PaceWindow::LastSecond)), at(0));
    for (sent, due) in [(0, 0), (500_000, 500_000)] {
        assert_eq!(pacer.admit(at(sent)), Admission::Now);
        assert_eq!(pacer.release(at(due)), Admission::Now);
    }
    // The first one leaves the window after exactly a second.
    assert_eq!(pacer.admit(at(600_000)), Admission::NotBefore(at(975_000)));
    pacer.recall(at(700_000));
    assert_eq!(pacer.admit(at(1_000_000)), Admission::NotBefore(at(1_475_000)));
    pacer.set_pace(None, at(1_000_000));
    assert_eq!(pacer.admit(at(1_000_000)), Admission::Now);
}

#[test]
fn as_many_are_admitted_as_the_tighter_window_holds() {
    let at = clock();
    let mut pacer = Pacer::new(Some(rate("5/s")), at(0));
    pacer.set_pace(Some((3.0, PaceWindow::LastSecond)), at(0));
    let ask = |second: u64| pacer.admit(at(1_000_000 * second));
    let now = Admission::Now;
    let full = Admission::AfterRelease;
    assert_eq!([0, 1, 2, 3, 4].map(ask), [now, now, now, full, full]);
}

#[test]
fn a_limit_keeps_what_its_windows_may_need() {
    let at = clock();
    // How many of those sent at these times are kept once the last is remembered.
    let kept = |kept: usize, times: &[u64]| {
        let mut limit = RateLimit::new(rate("2/s"), at(0));
        limit.kept = kept;
        times.iter().for_each(|&time| limit.remember(at(time)));
        limit.sent.len()
    };
    let window = 1_005_000;
    assert_eq!(kept(2, &[0, 1, window]), 2);
    assert_eq!(kept(2, &[0, 1, window - 1]), 3);
    assert_eq!(kept(3, &[0, 1, 9 * window]), 3);
    assert_eq!(kept(2, &[0, 1, 2, 9 * window]), 2);
    assert_eq!(kept(1, &[0, 1, 9 * window]), 1);
}

#[test]
fn one_that_had_left_later_counts_then_and_never_earlier() {
    let at = clock();
    for limit in [Some(rate("1/s")), None] {
        let mut pacer = Pacer::new(limit, at(0));
        pacer.left_by(at(5));
        assert_eq!(pacer.release(at(10)), Admission::Now);
        for (left, counts) in [(5, 10), (20, 20), (15, 20)] {
            pacer.left_by(at(left));
            let sent = pacer.limit.as_ref().map_or(&pacer.unlimited, |limit| &limit.sent);
            assert_eq!(sent.back(), Some(&at(counts)));
        }
    }
}

#[test]
fn the_earliest_release_is_behind_those_that_were_admitted_before() {
    let at = clock();
    let mut pacer = after_one("2/s", &at);
    assert_eq!(pacer.earliest_release(at(1)), at(1));
    assert_eq!(pacer.admit(at(502_500)), Admission::Now);
    assert_eq!(pacer.earliest_release(at(502_500)), at(502_500));
    assert_eq!(pacer.admit(at(1_005_000)), Admission::Now);
    assert_eq!(pacer.earliest_release(at(1_005_000)), at(1_005_000));
    assert_eq!(pacer.release(at(1_005_000)), Admission::Now);
    assert_eq!(pacer.earliest_release(at(1_005_000)), at(1_005_000));
    pacer.recall(at(1_006_000));
    assert_eq!(pacer.earliest_release(at(1_007_000)), at(2_010_000));
    assert_eq!(Pacer::new(None, at(0)).earliest_release(at(7)), at(7));
}

#[test]
fn only_the_first_sending_of_all_goes_again_after_it_was_withdrawn() {
    let at = clock();
    let mut pacer = Pacer::new(Some(rate("2/s")), at(0));
    assert_eq!(pacer.admit(at(0)), Admission::Now);
    pacer.withdraw();
    assert_eq!(pacer.admit(at(1)), Admission::Now);
    assert_eq!(pacer.release(at(1)), Admission::Now);
    // The next turn was used, whether it was sent or not.
    assert_eq!(pacer.admit(at(502_501)), Admission::Now);
    pacer.withdraw();
    assert!(matches!(pacer.admit(at(502_502)), Admission::NotBefore(_)));
    // Beside another one that was admitted it waits, too.
    let mut pacer = Pacer::new(Some(rate("2/s")), at(0));
    assert_eq!(pacer.admit(at(0)), Admission::Now);
    assert_eq!(pacer.admit(at(502_500)), Admission::Now);
    pacer.withdraw();
    assert!(matches!(pacer.admit(at(502_501)), Admission::NotBefore(_)));
}

#[test]
fn a_hold_delays_what_the_window_lets_through() {
    let at = clock();
    let mut pacer = after_one("1/s", &at);
    assert_eq!(pacer.release_due(at(1)), Some(at(1_005_000)));
    assert_eq!(pacer.release_due(at(1_004_999)), Some(at(1_005_000)));
    assert_eq!(pacer.release_due(at(1_005_000)), None);
    pacer.hold(at(1_500_000));
    assert_eq!(pacer.release_due(at(1_005_000)), Some(at(1_500_000)));
    assert_eq!(pacer.release_due(at(1_500_000)), None);
}

#[test]
fn what_a_hold_left_unused_is_not_caught_up() {
    let at = clock();
    let mut pacer = Pacer::new(Some(rate("100/s")), at(0));
    let mut send = |micros: u64| {
        let answer = pacer.admit(at(micros));
        if answer == Admission::Now {
            assert_eq!(pacer.release(at(micros)), Admission::Now);
        } else {
            pacer.hold(at(1_000_000));
        }
        answer
    };
    assert_eq!(send(0), Admission::Now);
    assert_ne!(send(1), Admission::Now);
    assert_eq!(send(500_000), Admission::NotBefore(at(1_000_000)));
    assert_eq!(send(1_000_000), Admission::Now);
    assert_eq!(send(1_000_000), Admission::NotBefore(at(1_010_050)));
}

#[test]
fn what_was_sent_counts_over_a_time_without_a_rate() {
    let at = clock();
    let mut pacer = after_one("1/s", &at);
    pacer.set_rate(None, at(1));
    pacer.set_rate(None, at(1));
    assert_eq!(pacer.release_due(at(1)), None);
    pacer.set_rate(Some(rate("1/s")), at(2));
    assert_eq!(pacer.release_due(at(2)), Some(at(1_005_000)));
    // Where the window has room, the next one has its turn after the last.
    let mut pacer = Pacer::new(None, at(0));
    pacer.recall(at(0));
    pacer.set_rate(Some(rate("2/s")), at(1));
    assert_eq!(pacer.admit(at(1)), Admission::NotBefore(at(502_500)));
}

#[test]
fn a_limit_keeps_as_many_as_the_highest_rate_so_far_needs() {
    let at = clock();
    let mut pacer = Pacer::new(Some(rate("1/s")), at(0));
    for (text, kept) in [("9999/s", KEPT), ("20000/s", 20_000), ("1/s", 20_000)] {
        pacer.set_rate(Some(rate(text)), at(0));
        assert_eq!(pacer.limit.as_ref().map(|limit| limit.kept), Some(kept), "{text}");
    }
}
