//! Decisions on the answers of a trial.

use super::*;

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn trial(kind: TrialKind) -> Trial {
    let now = Instant::now();
    Trial { begun: now, after: now, from: 400.0, kind, seen: Seen::default() }
}

fn counts(calls: f64, throttled: f64, rate: f64) -> TrialCounts {
    TrialCounts {
        calls,
        throttled,
        lasted: Duration::from_millis(200),
        rate,
        chance: 0.0,
        decisive: DECISIVE,
        is_scattered: true,
        in_a_row: 1.0,
        conviction: 0.0,
        irregularity: 0.0,
        is_steady: true,
    }
}

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
    let test = trial(AT_300);
    assert_eq!(test.judge(counts(30.0, 0.0, 300.0)), TrialFinding::Near { limit: 315.0 });
    let found = test.judge(counts(32.0, 8.0, 300.0));
    assert_eq!(found, TrialFinding::Chance { share: 0.25 });
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
