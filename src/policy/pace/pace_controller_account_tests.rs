//! What throttled calls cost at a low limit: longer rests and rarer single calls.

use super::super::phase::Rest;
use super::super::windows::FilledWindow;
use super::*;

/// A controller that knows a limit, after so many calls of which the last ones were throttled.
fn spent(opening: Opening, limit: f64, calls: u64, throttled: u64) -> PaceController {
    let (mut controller, at) = controller(opening, limit);
    for call in 1..=calls {
        controller.history.count_sent(at(call));
        if call > calls - throttled {
            controller.history.count_throttled(at(call), at(call));
        }
    }
    (controller.limit, controller.is_exact, controller.confirmed) = (Some(limit), true, 2);
    controller
}

#[test]
fn a_look_at_a_low_limit_waits_until_the_throttled_calls_are_a_small_share_of_all() {
    let ceiling = Opening::AtCeiling;
    for (opening, limit, calls, throttled, lasts) in [
        (ceiling, 20.0, 100, 3, (4.0 / 0.015 - 100.0) / 20.0),
        (Opening::Doubling, 20.0, 100, 3, (4.0 / 0.0085 - 100.0) / 20.0),
        (ceiling, 20.0, 1_000, 3, 0.0),
        // The lower the limit, the longer, up to half a minute.
        (ceiling, 20.0, 100, 20, 30.0),
        (ceiling, 25.0, 100, 20, 3.0 * 2.68 * 2.68),
        (ceiling, 50.0, 100, 20, 3.0 * 1.34 * 1.34),
        (ceiling, 66.9, 100, 20, 3.0 * (67.0_f64 / 66.9).powi(2)),
        (ceiling, 67.0, 100, 20, 0.0),
        // A search affords less, so that its looks wait at twice as high a limit.
        (Opening::Doubling, 100.0, 250, 3, (4.0 / 0.01 - 250.0) / 100.0),
        (Opening::Doubling, 67.0, 100, 20, 2.0),
        (Opening::Doubling, 147.3, 100, 20, 2.0),
        (Opening::Doubling, 147.5, 100, 20, 0.0),
    ] {
        close(spent(opening, limit, calls, throttled).in_debt_for(), lasts);
    }
    // They wait for as long as the last one has cost, and for less where it took a whole window.
    for (cost, lasts, after_window) in [(1, 2.0, 2.0), (2, 2.5, 2.5), (3, 3.75, 3.0), (4, 4.0, 3.0)]
    {
        let mut search = spent(Opening::Doubling, 100.0, 100, 20);
        search.cost = cost;
        close(search.in_debt_for(), lasts);
        let begun = search.begun;
        search.windows.fill(Some(FilledWindow { calls: 100.0, first: begun, fell: begun }));
        close(search.in_debt_for(), after_window);
    }
    let mut rough = spent(ceiling, 20.0, 100, 3);
    rough.confirmed = 1;
    close(rough.in_debt_for(), 0.0);
}

#[test]
fn a_rest_pays_for_all_that_was_throttled_before_whatever_the_last_look_cost() {
    let mut controller = spent(Opening::AtCeiling, 20.0, 100, 3);
    let begun = controller.begun;
    let rest = Rest { since: begun, until: begun, lowered: 0, may_slide: false };
    (controller.phase, controller.cost) = (Phase::Resting(rest), 1);
    controller.pay();
    let Phase::Resting(Rest { until, .. }) = controller.phase else { panic!() };
    assert_eq!(until, after(begun, controller.in_debt_for()));
    // Windows are looked at whole seconds after the last call that was throttled.
    controller.windows.closed(0.0, true);
    controller.pay();
    let Phase::Resting(Rest { until, .. }) = controller.phase else { panic!() };
    let last = controller.history.last_throttled().unwrap();
    assert_eq!(until, controller.windows.look_after(last, 9.0));
}

#[test]
fn a_call_that_is_throttled_at_rest_ends_a_long_one_because_the_limit_is_in_doubt() {
    let mut controller = spent(Opening::AtCeiling, 20.0, 100, 3);
    let begun = controller.begun;
    let at = |millis: u64| begun + Duration::from_millis(millis);
    for (until, now, ends) in
        [(20_000, 1_000, 3_000), (2_000, 1_000, 2_000), (20_000, 9_000, 9_000)]
    {
        let rest = Rest { since: begun, until: at(until), lowered: 0, may_slide: false };
        controller.limit = Some(20.0);
        controller.throttled_at_rest(rest, at(now), at(now));
        let Phase::Resting(Rest { until, lowered, .. }) = controller.phase else { panic!() };
        assert_eq!((until, lowered), (at(ends), 1));
    }
}

#[test]
fn single_calls_at_the_end_of_a_window_wait_for_as_long_as_some_accepted_ones_take() {
    let found = |accepted: u64, throttled: &[u64], begun: u64| {
        let (mut controller, at) = controller(Opening::AtCeiling, 100.0);
        let gap = if accepted > 80 { 5 } else { 10 };
        let first = 1_500 - gap * accepted;
        let mut sent: Vec<u64> = (first..1_500)
            .step_by(usize::try_from(gap).unwrap())
            .chain(throttled.iter().copied())
            .collect();
        sent.sort_unstable();
        sent.iter().for_each(|&millis| controller.history.count_sent(at(millis)));
        for &millis in throttled {
            controller.history.count_throttled(at(millis), at(millis));
        }
        controller.begun = at(begun);
        controller.exhaust(at(1_600));
        1.0 / controller.per_second()
    };
    let row: &[u64] = &[1_500, 1_510, 1_520];
    close(found(150, row, 0), 10.0 / 150.0);
    close(found(50, row, 0), 0.1);
    close(found(25, row, 0), 0.16);
    close(found(10, row, 0), 0.2);
    // One that was throttled before belongs to a shorter window, or to chance.
    close(found(50, &[1_255, 1_500, 1_510], 0), 0.04);
    close(found(50, &[690, 1_500, 1_510], 0), 0.1);
    // A run that has just begun does not know how long a window is.
    close(found(50, row, 1_351), 0.04);
    close(found(50, row, 1_350), 0.1);
}

#[test]
fn four_in_a_row_end_a_window_where_ten_were_accepted_before_them() {
    let exhausts = |met: Met, accepted: u64, throttled: &[u64]| {
        let (mut controller, at) = controller(Opening::AtCeiling, 26.0);
        let first = 2_000 - 38 * accepted;
        let mut sent: Vec<u64> =
            (first..2_000).step_by(38).chain(throttled.iter().copied()).collect();
        sent.sort_unstable();
        sent.iter().for_each(|&millis| controller.history.count_sent(at(millis)));
        for &millis in throttled {
            controller.history.count_throttled(at(millis), at(millis));
        }
        controller.cut_at = at(2_200);
        let listening = Listening { since: at(2_000), until: at(2_300), accepted: 20.0, met };
        controller.end_listening(listening, at(2_300));
        matches!(controller.phase, Phase::Exhausted { .. })
    };
    let row: &[u64] = &[2_000, 2_038, 2_076, 2_114];
    assert!(exhausts(Met::AtCeiling, 10, row));
    assert!(!exhausts(Met::AtCeiling, 9, row));
    assert!(!exhausts(Met::AtCeiling, 10, &row[..3]));
    assert!(!exhausts(Met::Growing, 10, row));
    assert!(!exhausts(Met::AtCeiling, 20, &[&[1_500], row].concat()));
}
