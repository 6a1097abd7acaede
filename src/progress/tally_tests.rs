//! The counts of a tally, after short runs.

use super::*;
use crate::progress::test_events::{NOON, TestRun, noon_plus, service_failed};

fn tally(run: &TestRun) -> Tally {
    let mut tally = Tally::default();
    tally.take(&run.events);
    tally
}

/// Compares what is on the wire, what waits, what is done, and the attempts.
fn check(run: &TestRun, on_wire: u64, waiting: u64, done: u64, attempts: u64) {
    let tally = tally(run);
    let counted = (tally.on_wire(), tally.waiting(), tally.done(), tally.attempts());
    assert_eq!(counted, (on_wire, waiting, done, attempts));
}

fn check_eta(run: &TestRun, seconds: Option<u64>) {
    let eta = tally(run).eta(run.now());
    assert_eq!(eta.map(|eta| eta.as_secs()), seconds);
}

#[test]
fn nothing_is_known_before_the_start() {
    let tally = Tally::default();
    assert!(!tally.has_started());
    assert_eq!((tally.selected(), tally.done(), tally.rate(NOON)), (0, 0, 0.0));
    assert_eq!((tally.eta(NOON), tally.elapsed(NOON)), (None, Duration::ZERO));
}

#[test]
fn a_task_is_on_the_wire_then_waits_then_is_done() {
    let mut run = TestRun::new(10, 0);
    check(&run, 0, 0, 0, 0);
    run.send(1, 1);
    check(&run, 1, 0, 0, 1);
    run.end(1, service_failed());
    run.wait(1, 500);
    check(&run, 0, 1, 0, 1);
    run.pass(500);
    run.send(1, 2);
    check(&run, 1, 0, 0, 2);
    run.end(1, service_failed());
    run.settle(1, Outcome::Failed);
    check(&run, 0, 0, 1, 2);
    assert_eq!(tally(&run).outcomes()[Outcome::Failed], 1);
}

#[test]
fn a_task_sent_again_by_another_process_was_not_waiting_here() {
    let mut run = TestRun::new(10, 0);
    run.send(1, 3);
    check(&run, 1, 0, 0, 1);
}

#[test]
fn what_is_begun_ahead_is_not_on_the_wire() {
    let set_out = RunStarted {
        selected: 10,
        settled: 0,
        rate_limit: None,
        finds_rate: false,
        looks_at: None,
        concurrency: 2,
    };
    let mut run = TestRun::starting(set_out);
    (1..=5).for_each(|ordinal| run.send(ordinal, 1));
    check(&run, 2, 0, 0, 5);
    (3..=5).for_each(|ordinal| run.withdraw(ordinal));
    check(&run, 2, 0, 0, 2);
}

#[test]
fn a_withdrawn_attempt_was_never_made() {
    let mut run = TestRun::new(10, 0);
    run.send(1, 1);
    run.withdraw(1);
    check(&run, 0, 0, 0, 0);
}

#[test]
fn a_resumed_run_counts_what_was_settled_before() {
    let mut run = TestRun::new(10, 4);
    run.call(5, Outcome::Succeeded);
    let tally = tally(&run);
    assert_eq!((tally.done(), tally.settled_before(), tally.percent()), (5, 4, 50));
    assert_eq!(tally.outcomes().selected(), 1);
}

#[test]
fn what_other_workers_settle_counts_and_is_never_counted_twice() {
    let mut run = TestRun::new(10, 1);
    run.call(1, Outcome::Succeeded);
    let mut tally = tally(&run);
    tally.settled_by_all(6, NOON);
    assert_eq!((tally.done(), tally.settled_before(), tally.percent()), (6, 1, 60));
    // The number is older than what this worker has settled since, or newer.
    run.call(2, Outcome::Failed);
    tally.take(&run.events[run.events.len() - 1..]);
    tally.settled_by_all(7, NOON);
    assert_eq!(tally.done(), 7);
    tally.settled_by_all(10, NOON);
    assert_eq!((tally.done(), tally.outcomes().selected()), (10, 2));
}

#[test]
fn what_other_workers_settle_does_not_count_before_this_one_begins() {
    let mut tally = Tally::default();
    tally.settled_by_all(6, NOON);
    assert_eq!((tally.done(), tally.selected()), (0, 0));
}

#[test]
fn another_start_begins_the_count_anew() {
    let mut run = TestRun::new(10, 0);
    run.send(1, 1);
    run.call(2, Outcome::Succeeded);
    run.events.extend(TestRun::new(10, 1).events);
    check(&run, 0, 0, 1, 0);
}

#[test]
fn a_hundred_per_cent_is_all_of_them() {
    let mut run = TestRun::new(1_000, 998);
    run.call(1, Outcome::Succeeded);
    assert_eq!(tally(&run).percent(), 99);
    run.call(2, Outcome::Partial);
    assert_eq!(tally(&run).percent(), 100);
    assert_eq!(tally(&TestRun::new(0, 0)).percent(), 100);
}

#[test]
fn a_hold_keeps_its_beginning_when_it_is_prolonged() {
    let mut run = TestRun::new(10, 0);
    run.hold(5_000);
    run.pass(1_000);
    run.hold(9_000);
    let reason = HoldReason::Throttled;
    let expected = Hold { since: NOON, until: noon_plus(10_000), reason };
    assert_eq!(tally(&run).hold(), Some(expected));
    run.emit(EventKind::RunContinued);
    assert_eq!(tally(&run).hold(), None);
}

#[test]
fn time_stands_still_after_the_end() {
    let mut run = TestRun::new(10, 0);
    run.pass(2_000);
    run.stop(StopReason::Interrupted, 0);
    assert_eq!(tally(&run).stopping(), Some(&StopReason::Interrupted));
    run.finish(Some(StopReason::Interrupted));
    assert_eq!(tally(&run).elapsed(noon_plus(60_000)), Duration::from_secs(2));
}

#[test]
fn the_rate_is_that_of_the_sendings() {
    let mut run = TestRun::new(1_000, 0);
    run.succeed(0..100);
    assert_eq!(tally(&run).rate(run.now()), 10.0);
    assert_eq!(tally(&run).rate(noon_plus(20_000)), 0.0);
}

#[test]
fn a_limit_that_holds_is_not_shown_as_broken() {
    let mut run = TestRun::new(1_000, 0);
    // The first commit took longer than that of the eleventh, which could be admitted before.
    run.send(0, 1);
    for ordinal in 1..11 {
        run.send(ordinal, 1);
        run.pass(98);
    }
    for (millis, expected) in [(300, 10.0), (1_000, 10.0), (2_000, 5.5)] {
        assert_eq!(tally(&run).rate(noon_plus(millis)), expected, "after {millis} ms");
    }
}

#[test]
fn the_time_left_follows_the_recent_rate() {
    let mut run = TestRun::new(40_000, 0);
    run.succeed(0..20);
    check_eta(&run, None);
    run.succeed(20..600);
    check_eta(&run, Some(3_939));
    run.succeed(600..1_200);
    check_eta(&run, Some(3_879));
}

#[test]
fn the_time_left_is_never_less_than_the_limit_allows() {
    let mut run = TestRun::new(10_000, 0);
    for ordinal in 0..1_000 {
        run.pass(10);
        run.call(ordinal, Outcome::Unchanged);
    }
    check_eta(&run, Some(899));
}

#[test]
fn the_rest_of_a_hold_is_part_of_the_time_left() {
    let mut run = TestRun::new(2_000, 0);
    run.succeed(0..1_000);
    check_eta(&run, Some(99));
    run.hold(60_000);
    check_eta(&run, Some(159));
    run.pass(50_000);
    check_eta(&run, Some(109));
}

#[test]
fn a_run_that_stops_or_is_done_has_no_time_left() {
    let mut run = TestRun::new(100, 0);
    run.succeed(0..99);
    check_eta(&run, Some(0));
    run.succeed(99..100);
    check_eta(&run, None);
    let mut stopped = TestRun::new(100, 0);
    stopped.succeed(0..50);
    stopped.stop(StopReason::OutOfTime, 0);
    check_eta(&stopped, None);
}
