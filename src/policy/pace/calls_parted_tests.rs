//! Evidence for a limit on calls at a time.

use super::*;

/// Returns what these calls show where others were throttled before them.
fn found_in(calls: &[(usize, bool)]) -> Option<(usize, Proof)> {
    limit_in(calls, f64::INFINITY)
}

/// Calls at these levels, of which those at the limit or above it are throttled.
fn limited(levels: impl Iterator<Item = usize>, limit: usize) -> Vec<(usize, bool)> {
    levels.map(|level| (level, level >= limit)).collect()
}

#[test]
fn a_limit_tells_throttled_calls_from_served_ones() {
    let levels = (0..60).map(|call| [17, 18, 19, 20][call % 4]);
    assert_eq!(found_in(&limited(levels, 20)), Some((20, Proof::Alone)));
}

#[test]
fn one_call_in_ten_may_contradict_because_calls_overtake_one_another() {
    let levels = (0..60).map(|call| [17, 18, 19, 20][call % 4]);
    let mut calls = limited(levels, 20);
    calls.push((18, true));
    assert_eq!(found_in(&calls), Some((20, Proof::Alone)));
    calls.extend([(17, true), (18, true), (19, true)]);
    assert_eq!(found_in(&calls), None);
}

#[test]
fn a_call_may_find_the_limit_and_be_served_because_an_answer_is_on_its_way() {
    let mut calls = limited((0..60).map(|call| [17, 18, 19, 20][call % 4]), 20);
    calls.extend([(20, false); 7]);
    assert_eq!(found_in(&calls), Some((20, Proof::Alone)));
    calls.extend([(20, false); 7]);
    assert_eq!(found_in(&calls), None);
}

#[test]
fn a_few_calls_on_the_wire_part_calls_by_the_rate_too() {
    let mut calls = limited((0..60).map(|call| [1, 2, 1, 3][call % 4]), 3);
    assert_eq!(found_in(&calls), Some((3, Proof::Alone)));
    calls.extend([(3, false); 2]);
    assert_eq!(found_in(&calls), None);
}

#[test]
fn throttling_at_every_level_is_no_limit_on_calls_at_a_time() {
    let by_rate: Vec<_> = (0..200).map(|call| (5 + call % 3, call % 4 == 0)).collect();
    assert_eq!(found_in(&by_rate), None);
}

#[test]
fn a_window_that_ends_is_no_limit_on_calls_at_a_time() {
    let served = (0..300).map(|call| (call.min(8), false));
    let throttled = (0..40).map(|_| (8, true));
    assert_eq!(found_in(&served.chain(throttled).collect::<Vec<_>>()), None);
}

/// Calls of which one in 15 that find 20 or more on the wire is throttled, and none below.
fn at_the_edge(occasions: usize) -> Vec<(usize, bool)> {
    let between = (0..300).map(|call| (14 + call % 6, false));
    let edge = (0..14).map(|_| (20, false)).chain([(20, true)]);
    (0..occasions)
        .flat_map(|_| between.clone().chain(edge.clone()))
        .chain(between.clone())
        .collect()
}

#[test]
fn calls_that_are_throttled_at_one_number_alone_call_for_a_trial_on_the_third_occasion() {
    assert_eq!(found_in(&at_the_edge(2)), None);
    assert_eq!(found_in(&at_the_edge(3)), Some((20, Proof::ForTrial)));
}

#[test]
fn a_pace_that_was_far_too_high_once_is_no_limit_on_calls_at_a_time() {
    let served = (0..1_000).map(|call| (5 + call % 3, false));
    let overshot = (0..12).map(|call| (9 + call % 3, call % 2 == 0));
    let calls: Vec<_> = served.clone().chain(overshot).chain(served).collect();
    assert_eq!(found_in(&calls), None);
}

#[test]
fn the_evidence_is_the_logarithm_of_the_likelihood_ratio() {
    let parted =
        Parted { limit: 20, above: 4.0, throttled_above: 3.0, below: 6.0, throttled_below: 1.0 };
    // Each cell: its count, over what chance alone lets one expect.
    let cells = [(3.0, 1.6), (1.0, 2.4), (1.0, 2.4), (5.0, 3.6)];
    let expected: f64 =
        cells.iter().map(|&(count, chance): &(f64, f64)| count * (count / chance).ln()).sum();
    assert!((parted.evidence() - expected).abs() < 1e-9, "{}", parted.evidence());
    let pure = Parted { throttled_above: 4.0, throttled_below: 0.0, ..parted };
    let expected = 4.0 * 2.5_f64.ln() + 6.0 * (10.0_f64 / 6.0).ln();
    assert!((pure.evidence() - expected).abs() < 1e-9, "{}", pure.evidence());
}

#[test]
fn it_takes_three_throttled_calls_and_three_served_ones_after_the_first() {
    let with = |before, throttled, after| {
        let served = |calls| (0..calls).map(|call| (17 + call % 3, false));
        let refused = (0..throttled).map(|_| (20, true));
        limit_in(&served(before).chain(refused).chain(served(after)).collect::<Vec<_>>(), 0.0)
    };
    assert_eq!(with(24, 3, 3), Some((20, Proof::Alone)));
    assert_eq!(with(24, 3, 2), None);
    assert_eq!(with(500, 2, 500), None);
    assert_eq!(with(500, 0, 500), None);
    // Three of 23 are somewhat less than decisive, and three of 24 somewhat more.
    assert_eq!(with(17, 3, 3), None);
    assert_eq!(with(18, 3, 3), Some((20, Proof::Alone)));
}

#[test]
fn a_limit_of_one_cannot_be_told_from_a_rate() {
    let calls = |limit| limited((0..60).map(|call| call % (limit + 1)), limit);
    assert_eq!(found_in(&calls(1)), None);
    assert_eq!(found_in(&calls(2)), Some((2, Proof::Alone)));
}

#[test]
fn calls_that_are_throttled_close_together_are_one_occasion() {
    let apart = |gap: usize| (0..50).map(|call| (20, call % gap == 0)).collect::<Vec<_>>();
    assert_eq!(occasions(&apart(10), 20), 1);
    assert_eq!(occasions(&apart(11), 20), 5);
    assert_eq!(occasions(&apart(11), 21), 0);
}

#[test]
fn the_limit_is_a_number_at_which_a_call_was_throttled() {
    let calls: Vec<_> = (0..60).map(|call| [(10, false), (20, true)][call % 2]).collect();
    assert_eq!(found_in(&calls), Some((20, Proof::Alone)));
}

#[test]
fn a_limit_is_clear_with_most_calls_above_it_throttled_and_hardly_one_below() {
    use Proof::{Alone, ForTrial};
    let check = |limit, (throttled_above, above), throttled_below, proof, is_clear: bool| {
        let parted = Parted { limit, above, throttled_above, below: 2_000.0, throttled_below };
        assert!(parted.evidence() > DECISIVE, "{parted:?}");
        assert_eq!(parted.is_clear(proof), is_clear, "{parted:?} {proof:?}");
    };
    check(20, (9.0, 9.0), 1.0, Alone, true);
    check(20, (8.0, 8.0), 1.0, Alone, false);
    for (limit, proof, least) in
        [(5, Alone, 60.0), (4, Alone, 90.0), (2, ForTrial, 60.0), (5, ForTrial, 5.0)]
    {
        check(limit, (least, 100.0), 0.0, proof, true);
        check(limit, (least - 1.0, 100.0), 0.0, proof, false);
    }
    check(1, (100.0, 100.0), 0.0, Alone, false);
}

#[test]
fn a_row_where_most_are_on_the_wire_shows_a_limit_only_if_no_call_was_throttled_before() {
    // The pace rises until a window ends, and then the wire empties.
    let rising = (0..80).map(|level| (level, false));
    let emptying = (0..20).map(|call| (60 - call, false));
    let calls: Vec<_> = rising.chain([(80, true); 6]).chain(emptying).collect();
    assert_eq!(limit_in(&calls, 6.0), Some((80, Proof::Alone)));
    assert_eq!(limit_in(&calls, 7.0), None);
}

#[test]
fn a_bucket_that_accepts_calls_between_throttled_ones_shows_no_limit() {
    let saved = (0..20).map(|level| (level, false));
    let refilled =
        (20..30).flat_map(|level| [(level, true), (level, true), (level, true), (level, false)]);
    let emptying = (0..20).map(|call| (20 - call, false));
    let calls: Vec<_> = saved.chain(refilled).chain(emptying).collect();
    assert_eq!(limit_in(&calls, 30.0), None);
}

#[test]
fn what_lies_between_two_occasions_is_no_proof_by_itself() {
    let occasion = || [(20, true), (19, false)].into_iter().cycle().take(9);
    let apart = |gap| {
        let calls: Vec<_> = occasion().chain([(10, false); 40].into_iter().take(gap)).collect();
        calls.repeat(2)
    };
    // Nine calls with five throttled twice are enough, and with ten more between them they are, too.
    assert_eq!(found_in(&apart(0)), Some((20, Proof::Alone)));
    let once: Vec<_> = occasion().chain([(10, false); 40]).collect();
    assert_eq!(found_in(&once), None);
}
