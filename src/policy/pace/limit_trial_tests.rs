//! Decisions on the answers of a trial.

use super::*;

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn trial(kind: TrialKind) -> Trial {
    let now = Instant::now();
    Trial { begun: now, after: now, from: 400.0, kind, seen: Seen::default(), is_doubt: false }
}

fn counts(calls: f64, throttled: f64, rate: f64) -> TrialCounts {
    TrialCounts {
        calls,
        throttled,
        lasted: Duration::from_millis(200),
        rate,
        chance: 0.0,
        decisive: DECISIVE,
        is_below_known: true,
        is_scattered: true,
        in_a_row: 1.0,
        conviction: 0.0,
        irregularity: 0.0,
        is_steady: true,
    }
}

/// A measurement of a quarter above the limits of these tests.
const MEASURED: [(f64, f64, f64); 1] = [(100.0, 25.0, 400.0)];

const AT_300: TrialKind = TrialKind::Test { given: 315.0, chance: 0.25, step: 1 };

#[test]
fn a_measured_share_is_tested_below_what_was_accepted() {
    let found = trial(TrialKind::Measurement).judge(counts(24.0, 6.0, 400.0));
    assert_eq!(found, TrialFinding::TestAt { rate: 285.0, given: 300.0, chance: 0.25, step: 1 });
}

#[test]
fn too_few_answers_decide_nothing_and_hardly_any_throttled_is_tolerated() {
    let measurement = trial(TrialKind::Measurement);
    assert_eq!(measurement.judge(counts(0.0, 0.0, 400.0)), TrialFinding::Open);
    assert_eq!(measurement.judge(counts(100.0, 2.0, 400.0)), TrialFinding::Open);
    let tolerated = measurement.judge(counts(500.0, 5.0, 400.0));
    assert_eq!(tolerated, TrialFinding::Tolerable { share: 0.01 });
}

#[test]
fn below_a_limit_nothing_is_throttled_and_by_chance_as_many_as_before() {
    let mut test = trial(AT_300);
    test.seen = seen(&MEASURED, 0.0);
    assert_eq!(test.judge(counts(30.0, 0.0, 300.0)), TrialFinding::Near { limit: 315.0 });
    let found = test.judge(counts(32.0, 8.0, 300.0));
    assert_eq!(found, TrialFinding::Chance { share: 0.25 });
}

#[test]
fn chance_is_found_below_a_limit_that_is_known_and_above_it_a_lower_pace_is_tested() {
    let mut test = trial(AT_300);
    test.seen = seen(&MEASURED, 0.0);
    let found = test.judge(TrialCounts { is_below_known: false, ..counts(32.0, 8.0, 300.0) });
    let (rate, given) = (OF_GIVEN * 225.0, 225.0);
    assert_eq!(found, TrialFinding::TestAt { rate, given, chance: 0.25, step: 2 });
}

#[test]
fn a_limits_order_counts_against_chance_and_a_clear_one_ends_the_test() {
    let ordered = |calls, throttled, irregularity| {
        let counts = TrialCounts { irregularity, ..counts(calls, throttled, 300.0) };
        trial(AT_300).judge(counts)
    };
    let lower = TrialFinding::TestAt { rate: 213.75, given: 225.0, chance: 0.25, step: 2 };
    assert_eq!(ordered(32.0, 8.0, -6.0), TrialFinding::Open);
    assert_eq!(ordered(32.0, 8.0, -6.1), lower);
    assert_eq!(ordered(10.0, 3.0, -6.0), TrialFinding::Open);
    let lower = TrialFinding::TestAt { rate: 216.3, given: 210.0, chance: 0.3, step: 2 };
    assert_eq!(ordered(10.0, 3.0, -6.1), lower);
    // What the share and the order say together has to decide, where a limit explains the shares nearly as well.
    let ratio = likelihood_ratio(counts(32.0, 8.0, 300.0), 315.0, 0.25);
    let decides_at = |decisive: f64| {
        let mut test = trial(AT_300);
        test.seen = seen(&[(28.0, 7.0, 400.0)], 0.0);
        let counts = TrialCounts { decisive, irregularity: -0.5, ..counts(32.0, 8.0, 300.0) };
        let against = test.seen.with(counts.observed()).against_any_limit(0.0);
        assert!((1.5..AGAINST_ANY_LIMIT).contains(&against), "{against}");
        test.judge(counts)
    };
    assert_eq!(decides_at(ratio - 0.51), TrialFinding::Chance { share: 0.25 });
    assert_eq!(decides_at(ratio - 0.49), TrialFinding::Open);
}

#[test]
fn scattered_calls_are_chance_unless_a_limit_explains_all_paces_nearly_as_well() {
    let test = |irregularity: f64| {
        let mut test = trial(AT_300);
        test.seen = seen(&[(16.0, 4.0, 400.0)], irregularity);
        (test.seen.with(counts(32.0, 8.0, 300.0).observed()), test)
    };
    let (all, _) = test(0.0);
    let needed = AGAINST_ANY_LIMIT_IF_SCATTERED - all.against_any_limit(0.0);
    for (more, is_chance) in [(0.01, true), (0.0, false), (-0.01, false)] {
        let (_, test) = test(needed + more);
        let found = test.judge(counts(32.0, 8.0, 300.0));
        assert_eq!(matches!(found, TrialFinding::Chance { .. }), is_chance, "{more}");
    }
    // Above a quarter, twice as much is needed.
    let large = |more: f64| {
        let mut test = trial(TrialKind::Test { given: 315.0, chance: 0.3, step: 1 });
        let counts = counts(40.0, 12.0, 300.0);
        let all = seen(&[(20.0, 6.0, 400.0)], 0.0).with(counts.observed());
        let needed = AGAINST_ANY_LIMIT - all.against_any_limit(0.0);
        test.seen = seen(&[(20.0, 6.0, 400.0)], needed + more);
        matches!(test.judge(counts), TrialFinding::Chance { .. })
    };
    assert!(large(0.01) && !large(0.0));
}

#[test]
fn the_order_counts_for_nothing_where_no_limit_explains_the_shares_at_several_paces() {
    let mut test = trial(AT_300);
    let judged =
        |test: &Trial| test.judge(TrialCounts { irregularity: -20.0, ..counts(32.0, 8.0, 300.0) });
    // A limit of 225 a second throttles a quarter of 300, but 0.44 of 400, and none of 200.
    test.seen = seen(&[(100.0, 25.0, 400.0), (100.0, 25.0, 200.0)], 0.0);
    assert_eq!(judged(&test), TrialFinding::Chance { share: 0.25 });
    test.seen = seen(&[(100.0, 25.0, 300.0)], 0.0);
    assert!(matches!(judged(&test), TrialFinding::TestAt { .. }));
}

#[test]
fn a_pace_at_which_nothing_is_throttled_for_long_is_below_the_limit_whatever_was_measured() {
    let test = trial(TrialKind::Test { given: 200.0, chance: 0.25, step: 3 });
    let lasted = |millis| {
        let lasted = Duration::from_millis(millis);
        test.judge(TrialCounts { lasted, ..counts(60.0, 0.0, 300.0) })
    };
    assert_eq!(lasted(900), TrialFinding::Open);
    assert_eq!(lasted(901), TrialFinding::Near { limit: 300.0 });
}

#[test]
fn what_earlier_tests_have_found_is_not_refuted_by_a_few_accepted_calls() {
    let found_thrice = |calls| TrialCounts { conviction: 6.0, ..counts(calls, 0.0, 300.0) };
    let test = trial(AT_300);
    assert_eq!(test.judge(found_thrice(30.0)), TrialFinding::Open);
    assert_eq!(test.judge(found_thrice(60.0)), TrialFinding::Near { limit: 315.0 });
    let slowly = TrialCounts { lasted: Duration::from_secs(1), ..found_thrice(30.0) };
    assert!(matches!(test.judge(slowly), TrialFinding::Near { .. }));
}

#[test]
fn throttled_calls_in_a_row_are_not_put_down_to_chance() {
    let in_a_row = TrialCounts { is_scattered: false, in_a_row: 4.0, ..counts(32.0, 8.0, 300.0) };
    assert!(!matches!(trial(AT_300).judge(in_a_row), TrialFinding::Chance { .. }));
    let after_a_rise = TrialCounts { is_steady: false, ..counts(32.0, 8.0, 300.0) };
    assert_eq!(trial(AT_300).judge(after_a_rise), TrialFinding::Open);
}

#[test]
fn where_nothing_is_accepted_the_service_is_exhausted() {
    let found = trial(TrialKind::Measurement).judge(counts(6.0, 6.0, 400.0));
    assert_eq!(found, TrialFinding::Exhausted);
}

#[test]
fn a_measurement_ends_with_enough_throttled_calls_or_enough_of_all() {
    let check = |calls, throttled, millis, is_open: bool| {
        let lasted = Duration::from_millis(millis);
        let found = measured(TrialCounts { lasted, ..counts(calls, throttled, 400.0) });
        assert_eq!(found == TrialFinding::Open, is_open, "{calls} {throttled} {millis}: {found:?}");
    };
    // A high share is clear soon.
    check(8.0, 2.0, 150, false);
    check(7.0, 2.0, 150, true);
    check(8.0, 2.0, 149, true);
    // One throttled call shows none.
    check(8.0, 1.0, 150, true);
    check(20.0, 2.0, 150, true);
    // Six throttled calls are enough, and twelve of a small share.
    check(24.0, 5.0, 0, true);
    check(24.0, 6.0, 0, false);
    check(100.0, 6.0, 0, false);
    check(200.0, 11.0, 0, true);
    check(201.0, 12.0, 0, false);
    // 400 calls are enough whatever they show, and twenty after a while.
    check(399.0, 5.0, 0, true);
    check(400.0, 5.0, 0, false);
    check(20.0, 1.0, 901, false);
    check(19.0, 1.0, 901, true);
    check(20.0, 1.0, 900, true);
}

#[test]
fn what_was_measured_is_tolerated_tested_or_the_end() {
    let measured = |calls, throttled| {
        let lasted = Duration::from_secs(1);
        measured(TrialCounts { lasted, ..counts(calls, throttled, 400.0) })
    };
    assert_eq!(measured(400.0, 0.0), TrialFinding::Tolerable { share: 1.0 / 401.0 });
    assert_eq!(measured(400.0, 6.0), TrialFinding::Tolerable { share: 0.015 });
    let given = 400.0 * (1.0 - 7.0 / 400.0);
    let tested = TrialFinding::TestAt { rate: 0.95 * given, given, chance: 7.0 / 400.0, step: 1 };
    assert_eq!(measured(400.0, 7.0), tested);
    assert!(matches!(measured(20.0, 18.0), TrialFinding::TestAt { rate: 200.0, .. }));
    assert_eq!(measured(20.0, 19.0), TrialFinding::Exhausted);
}

#[test]
fn a_large_share_that_is_throttled_evenly_is_tested_below_what_was_accepted() {
    let lasted = Duration::from_secs(1);
    for (irregularity, is_scattered, rate, tested) in [
        (-1.6, true, 400.0, 95.0),
        (-1.5, true, 400.0, 200.0),
        (-1.6, false, 400.0, 200.0),
        (-1.6, true, FASTEST_EVEN, 0.95 * FASTEST_EVEN / 4.0),
        (-1.6, true, 502.0, 251.0),
    ] {
        let counts = TrialCounts { lasted, irregularity, ..counts(40.0, 30.0, rate) };
        let found = measured(TrialCounts { is_scattered, ..counts });
        let TrialFinding::TestAt { rate: lower, .. } = found else { panic!("{found:?}") };
        assert_eq!(lower, tested, "{irregularity} {is_scattered} {rate}");
    }
}

#[test]
fn the_first_steps_after_a_large_share_at_most_halve_the_pace() {
    for (given, chance, step, rate) in [
        (300.0, 0.25, 1, 285.0),
        (200.0, 0.26, 1, 206.0),
        (100.0, 0.26, 1, 200.0),
        (100.0, 0.26, MAX_STEPS - 1, 200.0),
        (100.0, 0.26, MAX_STEPS, 95.0),
    ] {
        let expected = TrialFinding::TestAt { rate, given, chance, step };
        assert_eq!(next_test(400.0, given, chance, step), expected);
    }
}

#[test]
fn a_share_that_is_throttled_by_chance_is_no_part_of_the_limit() {
    let accepted =
        |chance, share| TrialCounts { chance, ..counts(20.0, 5.0, 400.0) }.accepted_but(share);
    assert_eq!((accepted(0.0, 0.25), accepted(0.5, 0.75)), (300.0, 200.0));
    assert_eq!(accepted(0.5, 0.25), 400.0, "never more than was sent");
    assert_eq!(counts(20.0, 5.0, 400.0).accepted(), 300.0);
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
}

#[test]
fn the_ratio_compares_chance_with_the_excess_over_the_limit() {
    let ratio = |known, (calls, throttled), given, chance| {
        let counts = TrialCounts { chance: known, ..counts(calls, throttled, 400.0) };
        likelihood_ratio(counts, given, chance)
    };
    let expected = |chance: f64, limited: f64| {
        (chance / limited).ln() + 9.0 * ((1.0 - chance) / (1.0 - limited)).ln()
    };
    let few = (10.0, 1.0);
    close(ratio(0.0, (40.0, 10.0), 300.0, 0.25), 0.0);
    close(ratio(0.0, few, 320.0, 0.25), expected(0.25, 0.2));
    // Below the limit a call is throttled now and then.
    close(ratio(0.0, few, 500.0, 0.25), expected(0.25, 0.01));
    close(ratio(0.0, few, 400.0, 0.03), expected(0.03, 0.007_5));
    close(ratio(0.0, few, 400.0, 0.001), expected(0.015, 0.005));
    // What is known to be throttled by chance is throttled under a limit, too.
    close(ratio(0.2, few, 400.0, 0.25), expected(0.25, 0.2));
    close(ratio(0.3, few, 400.0, 0.25), expected(0.25, 0.225));
    close(ratio(0.0, few, 0.0, 1.0), 0.0);
}

fn seen(of: &[(f64, f64, f64)], irregularity: f64) -> Seen {
    of.iter().fold(Seen::default(), |seen, &(calls, throttled, rate)| {
        seen.with(Observed { calls, throttled, rate, irregularity, is_scattered: false })
    })
}

const THREE_PACES: [(f64, f64, f64); 3] =
    [(40.0, 10.0, 400.0), (40.0, 10.0, 300.0), (40.0, 10.0, 200.0)];

#[test]
fn the_latest_four_paces_are_compared_with_the_limit_that_fits_best() {
    close(seen(&THREE_PACES[..1], 0.0).against_any_limit(0.0), 0.010_483_478_431_407);
    close(seen(&THREE_PACES[..2], 0.0).against_any_limit(0.0), 2.266_102_136_886_687);
    close(seen(&THREE_PACES[..2], 0.0).against_any_limit(0.2), 0.305_763_357_446_367);
    close(seen(&THREE_PACES, 0.0).against_any_limit(0.0), 12.818_984_146_717_895);
    close(seen(&THREE_PACES, 0.0).against_any_limit(0.1), 5.959_362_751_809_593);
    let by_limit = [(40.0, 20.0, 400.0), (40.0, 10.0, 300.0), (40.0, 0.0, 200.0)];
    close(seen(&by_limit, 0.0).against_any_limit(0.0), -16.840_638_335_569_004);
    let five = [&[(40.0, 40.0, 100.0)], &THREE_PACES[..], &THREE_PACES[..1]].concat();
    let five = seen(&five, 0.5);
    assert!(!five.is_large(), "the first pace is forgotten");
    assert_eq!(five.irregularity(), 2.0);
    assert!(seen(&[(40.0, 11.0, 400.0)], 0.0).is_large());
    let orders = [2.0, -2.0].map(|order| seen(&THREE_PACES, order).irregularity());
    assert_eq!(orders, [MOST_OF_ORDER, -MOST_OF_ORDER]);
}

/// Returns what a test finds of these calls, with other things that are known.
fn tested(
    (given, chance): (f64, f64),
    (calls, throttled, rate): (f64, f64, f64),
    change: impl FnOnce(&mut Trial, &mut TrialCounts),
) -> TrialFinding {
    let mut trial = trial(TrialKind::Test { given, chance, step: 2 });
    let mut counts = counts(calls, throttled, rate);
    change(&mut trial, &mut counts);
    trial.judge(counts)
}

fn in_rows(_: &mut Trial, counts: &mut TrialCounts) {
    (counts.is_scattered, counts.in_a_row) = (false, 4.0);
}

fn long(_: &mut Trial, counts: &mut TrialCounts) {
    counts.lasted = Duration::from_millis(901);
}

#[test]
fn chance_is_found_at_a_lower_pace_with_three_throttled_calls_and_enough_certainty() {
    let chance = |share| TrialFinding::Chance { share: f64::midpoint(0.25, share) };
    let open = TrialFinding::Open;
    // No limit throttles the same share at paces that are so different.
    let as_is = |trial: &mut Trial, _: &mut TrialCounts| {
        trial.seen = seen(&[(100.0, 25.0, 400.0), (100.0, 25.0, 200.0)], 0.0);
    };
    assert_eq!(tested((315.0, 0.25), (1.0, 0.0, 300.0), as_is), open);
    // It is lower than 97 % of the pace before.
    assert_eq!(tested((400.0, 0.25), (32.0, 8.0, 388.0), as_is), open);
    assert_eq!(tested((400.0, 0.25), (32.0, 8.0, 387.9), as_is), chance(0.25));
    assert_eq!(tested((315.0, 0.25), (12.0, 3.0, 300.0), as_is), chance(0.25));
    assert_eq!(tested((315.0, 0.25), (8.0, 2.0, 300.0), as_is), open);
    // Less than 45 % of the share is another one.
    assert_eq!(tested((315.0, 0.25), (80.0, 9.0, 300.0), as_is), open);
    assert_eq!(tested((315.0, 0.25), (79.0, 9.0, 300.0), as_is), chance(9.0 / 79.0));
    // The ratio has to be more than what decides.
    let ratio = likelihood_ratio(counts(32.0, 8.0, 300.0), 315.0, 0.25);
    let decisive = |decisive: f64| {
        tested((315.0, 0.25), (32.0, 8.0, 300.0), |trial, counts| {
            (trial.seen, counts.decisive) = (seen(&MEASURED, 0.0), decisive);
        })
    };
    assert_eq!((decisive(ratio), decisive(ratio - 0.01)), (open, chance(0.25)));
}

#[test]
fn calls_in_rows_are_chance_if_all_paces_together_say_so_as_often_as_a_row_is_long() {
    let with_rows = |more: f64| {
        tested((315.0, 0.25), (48.0, 12.0, 300.0), |trial, counts| {
            (trial.seen, counts.irregularity) = (seen(&THREE_PACES, 0.5), 0.5);
            let all = trial.seen.with(counts.observed());
            let likely = all.against_any_limit(0.0) + 2.0;
            assert!(likely > 12.0, "{likely}");
            (counts.is_scattered, counts.in_a_row) = (false, likely / 2.0 - 1.0 + more);
        })
    };
    assert_eq!(with_rows(-0.01), TrialFinding::Chance { share: 0.25 });
    let again = TrialFinding::TestAt { rate: 213.75, given: 225.0, chance: 0.25, step: 3 };
    assert_eq!((with_rows(0.0), with_rows(0.01)), (again, again));
}

#[test]
fn what_is_neither_chance_nor_a_limit_is_tested_again_with_enough_throttled_calls() {
    let again = |given| TrialFinding::TestAt { rate: 0.95 * given, given, chance: 0.25, step: 3 };
    let open = TrialFinding::Open;
    let as_is = |_: &mut Trial, _: &mut TrialCounts| {};
    // Eighteen at a pace that is hardly lower, and twelve in rows at a lower one.
    assert_eq!(tested((400.0, 0.25), (68.0, 17.0, 388.0), as_is), open);
    assert_eq!(tested((400.0, 0.25), (72.0, 18.0, 388.0), as_is), again(291.0));
    assert_eq!(tested((315.0, 0.25), (48.0, 12.0, 300.0), in_rows), again(225.0));
    assert_eq!(tested((315.0, 0.25), (44.0, 11.0, 300.0), in_rows), open);
    assert_eq!(tested((400.0, 0.25), (48.0, 12.0, 388.0), in_rows), open);
    assert_eq!(tested((315.0, 0.25), (40.0, 12.0, 300.0), as_is), open, "a large share");
    // Six if neither is likely, and twelve if chance is somewhat likely.
    assert_eq!(tested((300.0, 0.25), (20.0, 5.0, 400.0), as_is), open);
    assert_eq!(tested((300.0, 0.25), (24.0, 6.0, 400.0), as_is), again(300.0));
    assert_eq!(tested((340.0, 0.25), (44.0, 11.0, 400.0), as_is), open);
    assert_eq!(tested((340.0, 0.25), (48.0, 12.0, 400.0), as_is), again(300.0));
}

#[test]
fn a_pace_at_which_hardly_any_is_throttled_is_at_the_limit_if_the_share_was_large() {
    let as_is = |_: &mut Trial, _: &mut TrialCounts| {};
    let at = |limit| TrialFinding::At { limit };
    assert_eq!(tested((315.0, 0.25), (30.0, 0.0, 315.0), as_is), at(315.0));
    let limit = 400.0 * (1.0 - 11.0 / 200.0);
    assert_eq!(tested((376.0, 0.25), (200.0, 11.0, 400.0), as_is), at(limit));
    let given = 400.0 * (1.0 - 0.06);
    let again = TrialFinding::TestAt { rate: 0.95 * given, given, chance: 0.06, step: 3 };
    assert_eq!(tested((376.0, 0.25), (200.0, 12.0, 400.0), as_is), again);
    let given = 315.0;
    let again = TrialFinding::TestAt { rate: 0.95 * given, given, chance: 0.01, step: 3 };
    assert_eq!(tested((given, 0.15), (30.0, 0.0, given), as_is), again);
}

#[test]
fn a_test_ends_where_four_calls_and_nine_tenths_are_throttled() {
    let exhausted = TrialFinding::Exhausted;
    assert_eq!(tested((315.0, 0.25), (4.0, 4.0, 300.0), in_rows), exhausted);
    assert_eq!(tested((315.0, 0.25), (3.0, 3.0, 300.0), in_rows), TrialFinding::Open);
    assert_eq!(tested((315.0, 0.25), (10.0, 9.0, 300.0), in_rows), TrialFinding::Open);
}

#[test]
fn a_row_that_chance_explains_ends_no_test_if_the_calls_before_it_lay_scattered() {
    let found = |chance: f64, row: f64, scattered: bool| {
        tested((200.0, chance), (row, row, 190.0), |trial, counts| {
            in_rows(trial, counts);
            trial.seen = Seen::default().with(Observed {
                calls: 20.0,
                throttled: 20.0 * chance,
                rate: 400.0,
                irregularity: 0.0,
                is_scattered: scattered,
            });
        })
    };
    for (chance, row) in [(0.2, 4.0), (0.5, 9.0), (2.0 / 3.0, 15.0), (0.95, 57.0)] {
        assert_eq!(found(chance, row, true), TrialFinding::Exhausted, "{chance}");
        assert_ne!(found(chance, row - 1.0, true), TrialFinding::Exhausted, "{chance}");
        assert_eq!(found(chance, 4.0, false), TrialFinding::Exhausted, "{chance}");
    }
}

#[test]
fn a_limit_is_near_once_nothing_throttled_outweighs_what_spoke_for_chance() {
    let near = TrialFinding::Near { limit: 315.0 };
    // Each call that is accepted at 300 counts this much.
    let each = (0.99_f64 / 0.75).ln();
    let check = |conviction: f64, irregularity: f64, calls: f64, is_near: bool| {
        let found = tested((315.0, 0.25), (calls, 0.0, 300.0), |trial, counts| {
            counts.conviction = conviction;
            trial.seen = seen(&[(4.0, 1.0, 400.0)], irregularity);
        });
        let expected = if is_near { near } else { TrialFinding::Open };
        assert_eq!(found, expected, "{conviction} {irregularity} {calls}");
    };
    for (conviction, irregularity) in [(0.0, 0.0), (1.0, 3.0), (6.0, 0.0), (0.0, -3.0)] {
        let calls = ((DECISIVE + conviction + f64::max(irregularity, 0.0)) / each).floor();
        check(conviction, irregularity, calls, false);
        check(conviction, irregularity, calls + 1.0, true);
    }
    let ratio = likelihood_ratio(counts(30.0, 0.0, 300.0), 315.0, 0.25);
    check(-ratio - DECISIVE, 0.0, 30.0, false);
}

#[test]
fn after_a_while_less_is_enough_for_a_limit() {
    let near = |limit| TrialFinding::Near { limit };
    let check = |(conviction, irregularity): (f64, f64), calls, millis, expected| {
        let found = tested((315.0, 0.25), (calls, 0.0, 300.0), |trial, counts| {
            (counts.conviction, counts.lasted) = (conviction, Duration::from_millis(millis));
            trial.seen = seen(&[(4.0, 1.0, 400.0)], irregularity);
        });
        assert_eq!(found, expected, "{conviction} {irregularity} {calls} {millis}");
    };
    let open = TrialFinding::Open;
    check((3.0, 0.0), 20.0, 901, open);
    check((3.0, 0.0), 21.0, 900, open);
    check((3.0, 0.0), 21.0, 901, near(315.0));
    check((4.0, 3.0), 25.0, 901, open);
    check((4.0, 3.0), 26.0, 901, near(315.0));
    let ratio = likelihood_ratio(counts(30.0, 0.0, 300.0), 315.0, 0.25);
    check((-ratio, 0.0), 30.0, 901, open);
    // A pace above the limit at which nothing was throttled is the limit.
    assert_eq!(tested((315.0, 0.25), (30.0, 0.0, 320.0), long), near(320.0));
}

#[test]
fn a_share_above_a_tenth_is_badly_measured_where_calls_overtake_others() {
    assert!(!counts(20.0, 2.0, 400.0).is_badly_measured());
    assert!(counts(20.0, 2.1, 400.0).is_badly_measured());
}
