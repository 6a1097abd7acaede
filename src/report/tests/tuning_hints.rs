//! The tuning hints that follow from the figures of a run.

use super::*;
use crate::report::summary;
use crate::settings::RunSettings;
use crate::task::ServiceLimit;
use crate::text::Style;
use std::num::NonZeroUsize;

/// How the runs here are carried out: 10/s on one connection, a second for each answer.
fn full() -> RunSettings {
    let concurrency = NonZeroUsize::MIN;
    RunSettings { concurrency, timeout: Duration::from_secs(1), ..RunSettings::default() }
}

/// A run of ten tasks, a tenth of a second for each. The first `throttled` of them are throttled
/// once.
fn throttled_run(throttled_tasks: usize, settings: RunSettings) -> TestRun {
    let mut run = TestRun::planned(&[("a.txt", &ids(10))], |run, _| run.settings = settings);
    run.begin();
    (0..throttled_tasks).for_each(|task| run.call(task, throttled()));
    (0..10).for_each(|task| run.settle(task, counted(0, 1), Outcome::Succeeded));
    run.end(None);
    run
}

fn check(run: &TestRun, expected: &[&str]) {
    let hints: Vec<String> = run.report().tuning_hints.iter().map(ToString::to_string).collect();
    assert_eq!(hints, expected);
}

#[test]
fn a_run_that_was_throttled_a_lot_has_a_hint_for_a_lower_rate() {
    // Ten of twenty calls were accepted in two seconds.
    check(&throttled_run(10, full()), &["--rate 5/s"]);
    check(&throttled_run(0, full()), &[]);
}

#[test]
fn looks_at_the_states_before_and_after_the_calls_lower_no_hint() {
    let mut run = TestRun::planned(&[("a.txt", &ids(10))], |run, _| run.settings = full());
    run.begin();
    run.pass(20_000);
    (0..10).for_each(|task| run.call(task, throttled()));
    (0..10).for_each(|task| run.settle(task, counted(0, 1), Outcome::Succeeded));
    run.pass(20_000);
    run.end(None);
    check(&run, &["--rate 5/s"]);
}

#[test]
fn the_summary_names_the_flag_and_why() {
    let text = summary(&throttled_run(10, full()).report(), &[], Style::Plain);
    let hints = "\nHints\n  --rate 5/s   the service throttled: this is what it accepted\n\nNext\n";
    assert!(text.contains(hints), "{text}");
}

/// How a run is carried out whose rate is found.
fn auto() -> RunSettings {
    let stored = r#"{"rate":"auto","concurrency":16,"timeout_ms":1000}"#;
    serde_json::from_str(stored).unwrap()
}

#[test]
fn a_run_that_finds_its_rate_has_no_hint_for_one() {
    check(&throttled_run(10, auto()), &[]);
}

#[test]
fn the_rate_that_was_found_last_is_shown_rounded() {
    let mut run = TestRun::planned(&[("a.txt", &ids(1))], |run, _| run.settings = auto());
    run.begin();
    run.record(EventKind::RateLearnt(per_second(Some(40.0))));
    run.settle(0, counted(0, 1), Outcome::Succeeded);
    run.record(EventKind::RateLearnt(per_second(Some(97.123_456))));
    run.end(None);
    let text = summary(&run.report(), &[], Style::Plain);
    assert!(text.contains(" (limit auto) "), "{text}");
    assert!(text.contains("\n  rate found              the service throttles at about 97.1/s\n"));
    assert_eq!(run.report().pace.learnt.per_second, Some(97.123_456));
}

#[test]
fn a_rate_that_no_longer_holds_is_not_shown() {
    let mut run = TestRun::planned(&[("a.txt", &ids(1))], |run, _| run.settings = auto());
    run.begin();
    run.record(EventKind::RateLearnt(per_second(Some(40.0))));
    run.record(EventKind::RateLearnt(per_second(None)));
    run.settle(0, counted(0, 1), Outcome::Succeeded);
    run.end(None);
    assert_eq!(run.report().pace.learnt.per_second, None);
}

fn per_second(per_second: Option<f64>) -> ServiceLimit {
    ServiceLimit { per_second, at_a_time: None }
}

#[test]
fn a_limit_on_calls_at_a_time_is_shown() {
    let mut run = TestRun::planned(&[("a.txt", &ids(1))], |_, _| ());
    run.begin();
    run.record(EventKind::RateLearnt(ServiceLimit { per_second: None, at_a_time: Some(20) }));
    run.settle(0, counted(0, 1), Outcome::Succeeded);
    run.end(None);
    let text = summary(&run.report(), &[], Style::Plain);
    assert!(text.contains("\n  service                 works on 20 calls at a time\n"), "{text}");
    assert_eq!(run.report().pace.learnt.at_a_time, Some(20));
}
