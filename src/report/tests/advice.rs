//! What would make the next run better, from the numbers of this one.

use super::*;
use crate::report::Style;
use crate::report::summary;

/// How the runs here are carried out: 10/s on one connection, a second for each answer.
const FULL: &str = r#"{"rate":"10/s","concurrency":1,"timeout_ms":1000}"#;

/// A run of ten tasks, a tenth of a second for each, the first so many of them throttled once.
fn throttled_run(throttled_tasks: usize, settings: &str) -> TestRun {
    let mut run = TestRun::planned(&[("a.txt", &ids(10))], |run, _| run.settings = settings.into());
    run.begin();
    (0..throttled_tasks).for_each(|task| run.call(task, throttled()));
    (0..10).for_each(|task| run.settle(task, counted(0, 1), Outcome::Succeeded));
    run.end(None);
    run
}

fn check(run: &TestRun, expected: &[&str]) {
    let advice: Vec<String> = run.report().advice.iter().map(ToString::to_string).collect();
    assert_eq!(advice, expected);
}

#[test]
fn a_run_that_was_throttled_a_lot_is_told_a_rate() {
    // Ten of twenty calls were accepted in two seconds.
    check(&throttled_run(10, FULL), &["--rate 5/s"]);
    check(&throttled_run(0, FULL), &[]);
}

#[test]
fn a_run_whose_settings_are_not_known_is_told_nothing() {
    check(&throttled_run(10, SETTINGS), &[]);
    check(&throttled_run(10, "{"), &[]);
}

#[test]
fn the_summary_names_the_flag_and_why() {
    let text = summary(&throttled_run(10, FULL).report(), &[], Style::Plain);
    let hints = "\nHints\n  --rate 5/s   the service throttled: this is what it accepted\n\nNext\n";
    assert!(text.contains(hints), "{text}");
}
