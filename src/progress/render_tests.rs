//! What is shown of a run, state by state and width by width.

use super::*;
use crate::event::{ArrivalCounts, AttemptResult, Event, EventKind, RunStarted};
use crate::progress::test_events::{NOON, TestRun, answered, service_failed};
use crate::task::{Failure, FailureKind};
use insta::assert_snapshot;
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

fn tally(run: &TestRun) -> Tally {
    let mut tally = Tally::default();
    tally.take(&run.events);
    tally
}

fn bar_of(run: &TestRun, width: u16) -> String {
    let lines = render_bar(&tally(run), run.now(), width, Style::Plain);
    for line in &lines {
        assert!(line.width() <= usize::from(width), "{line:?}");
    }
    lines.join("\n")
}

fn line_of(run: &TestRun) -> String {
    render_line(&tally(run), run.now())
}

fn beginning() -> TestRun {
    let mut run = TestRun::new(40_000, 0);
    for ordinal in 0..4 {
        run.pass(100);
        run.send(ordinal, 1);
    }
    run
}

/// 40 minutes into a run of an hour, with a few of everything.
fn middle() -> TestRun {
    let mut run = TestRun::new(40_000, 0);
    run.succeed(0..24_012);
    let others = [(Outcome::Partial, 210), (Outcome::Failed, 80), (Outcome::Ambiguous, 8)];
    let others = others.into_iter().flat_map(|(outcome, n)| (0..n).map(move |_| outcome));
    for (ordinal, outcome) in (24_012..).zip(others) {
        run.pass(100);
        run.call(ordinal, outcome);
    }
    for ordinal in 24_310..24_326 {
        run.pass(100);
        run.send(ordinal, 1);
    }
    run
}

fn waiting() -> TestRun {
    let mut run = middle();
    for ordinal in 24_310..24_313 {
        run.end(ordinal, service_failed());
        run.wait(ordinal, 20_000);
    }
    run
}

fn held() -> TestRun {
    let mut run = waiting();
    run.hold(42_000);
    run.pass(500);
    run
}

fn stopping() -> TestRun {
    let mut run = waiting();
    run.stop(StopReason::Interrupted, 13);
    run
}

fn done() -> TestRun {
    let mut run = TestRun::new(61, 0);
    run.succeed(0..61);
    run.finish(None);
    run
}

#[test]
fn nothing_is_shown_before_the_start() {
    assert!(render_bar(&Tally::default(), NOON, 80, Style::Plain).is_empty());
}

#[test]
fn a_run_that_begins_promises_nothing_yet() {
    assert_snapshot!(bar_of(&beginning(), 80), @"
    ⠼ [                             ]      0/40,000   0%   4.0/s of 10/s
      4 on the wire
    ");
    assert_snapshot!(line_of(&beginning()), @"0 of 40,000 tasks settled, 0%, 4.0/s of 10/s: 4 on the wire");
}

#[test]
fn a_run_under_way_tells_how_far_how_fast_and_how_well() {
    assert_snapshot!(bar_of(&middle(), 80), @"
    ⠦ [█████████████████▌           ] 24,310/40,000  60%  10.0/s of 10/s  eta 27m
      24,012 ok · 210 partial · 80 failed · 8 ambiguous · 16 on the wire
    ");
    assert_snapshot!(line_of(&middle()), @"24,310 of 40,000 tasks settled, 60%, 10.0/s of 10/s, eta 27m: 24,012 ok, 210 partial, 80 failed, 8 ambiguous, 16 on the wire");
}

#[test]
fn tasks_that_wait_are_counted() {
    assert_snapshot!(bar_of(&waiting(), 80), @"
    ⠦ [█████████████████▌           ] 24,310/40,000  60%  10.0/s of 10/s  eta 27m
      24,012 ok · 210 partial · 80 failed · 8 ambiguous · 13 on the wire · 3 waiting
    ");
    assert_snapshot!(line_of(&waiting()), @"24,310 of 40,000 tasks settled, 60%, 10.0/s of 10/s, eta 27m: 24,012 ok, 210 partial, 80 failed, 8 ambiguous, 13 on the wire, 3 waiting");
}

#[test]
fn a_run_that_is_held_says_why_and_until_when() {
    assert_snapshot!(bar_of(&held(), 80), @"
    ⠙ [█████████████████▌           ] 24,310/40,000  60%   9.4/s of 10/s  eta 28m
      24,012 ok · 210 partial · 80 failed · 8 ambiguous · 13 on the wire · 3 waiting
      the service asked for fewer calls: going on in 42s, at 12:41:14 UTC
    ");
    assert_snapshot!(line_of(&held()), @"24,310 of 40,000 tasks settled, 60%, 9.4/s of 10/s, eta 28m: 24,012 ok, 210 partial, 80 failed, 8 ambiguous, 13 on the wire, 3 waiting; the service asked for fewer calls: going on in 42s, at 12:41:14 UTC");
}

#[test]
fn a_service_that_is_away_is_told_with_how_that_was_seen() {
    let mut run = waiting();
    let refused = "tcp connect error: Connection refused (os error 111)";
    let failure = Some(Box::new(Failure::seen(FailureKind::Connect, refused)));
    run.end(24_310, AttemptResult { http_status: None, failure, ..answered() });
    let until = run.now().plus_micros(5_000_000);
    run.emit(EventKind::RunHeld { until, reason: HoldReason::Away });
    assert_snapshot!(bar_of(&run, 80), @"
    ⠦ [█████████████████▌           ] 24,310/40,000  60%  10.0/s of 10/s  eta 27m
      24,012 ok · 210 partial · 80 failed · 8 ambiguous · 12 on the wire · 3 waiting
      the service is away, one call at a time asks for it: going on in 5s, at
      12:40:37 UTC; last seen: tcp connect error: Connection refused (os error 111)
    ");
    run.end(24_311, AttemptResult { http_status: Some(503), ..service_failed() });
    let told = line_of(&run);
    assert!(told.ends_with("; last seen: HTTP 503: Internal error."), "{told}");
}

#[test]
fn a_hold_that_is_over_goes_on_now() {
    let mut run = beginning();
    run.hold(1_000);
    run.pass(1_500);
    assert_snapshot!(bar_of(&run, 80), @"
    ⠏ [                             ]      0/40,000   0%   0.0/s of 10/s
      4 on the wire
      the service asked for fewer calls: going on now
    ");
}

#[test]
fn a_run_that_stops_says_why_and_what_it_waits_for() {
    assert_snapshot!(bar_of(&stopping(), 80), @"
    ⠦ [█████████████████▌           ] 24,310/40,000  60%  10.0/s of 10/s
      24,012 ok · 210 partial · 80 failed · 8 ambiguous · 13 on the wire · 3 waiting
      stopping: interrupted; 13 calls on the wire may finish
    ");
    assert_snapshot!(line_of(&stopping()), @"24,310 of 40,000 tasks settled, 60%, 10.0/s of 10/s: 24,012 ok, 210 partial, 80 failed, 8 ambiguous, 13 on the wire, 3 waiting; stopping: interrupted; 13 calls on the wire may finish");
}

#[test]
fn a_run_that_is_done_says_how_long_it_took() {
    assert_snapshot!(bar_of(&done(), 80), @"
    ⠙ [██████████████████████████████] 61/61  100%  10.0/s of 10/s
      61 ok
      done in 6.1s
    ");
    assert_snapshot!(line_of(&done()), @"61 of 61 tasks settled, 100%: 61 ok; done in 6.1s");
}

#[test]
fn a_run_that_stopped_says_what_was_left_without_an_answer() {
    let mut run = stopping();
    run.pass(30_000);
    run.finish(Some(StopReason::Interrupted));
    assert_snapshot!(line_of(&run), @"24,310 of 40,000 tasks settled, 60%: 24,012 ok, 210 partial, 80 failed, 8 ambiguous, 13 without an answer, 3 waiting; stopped after 41m 02s: interrupted");
}

#[test]
fn a_resumed_run_tells_what_was_settled_before() {
    let mut run = TestRun::new(40_000, 24_310);
    run.succeed(0..100);
    assert_snapshot!(bar_of(&run, 80), @"
    ⠋ [█████████████████▋           ] 24,410/40,000  61%  10.0/s of 10/s  eta 26m
      24,310 settled before · 100 ok
    ");
    assert_snapshot!(line_of(&run), @"24,410 of 40,000 tasks settled, 61%, 10.0/s of 10/s, eta 26m: 24,310 settled before, 100 ok");
}

#[test]
fn a_rate_is_told_in_the_unit_of_its_limit() {
    let with = |limit: Option<&str>| {
        let rate_limit = limit.map(|limit| limit.parse().unwrap());
        let set_out = RunStarted {
            selected: 3_000,
            settled: 0,
            rate_limit,
            finds_rate: false,
            looks_at: None,
            concurrency: 16,
        };
        let mut run = TestRun::starting(set_out);
        run.succeed(0..1_500);
        rate(&tally(&run), run.now())
    };
    assert_eq!(with(None), "10.0/s");
    assert_eq!(with(Some("10/s")), "10.0/s of 10/s");
    assert_eq!(with(Some("2000/s")), " 10.0/s of 2000/s");
    assert_eq!(with(Some("600/m")), "600/m of 600/m");
}

#[test]
fn narrow_terminals_stay_readable() {
    assert_snapshot!(bar_of(&held(), 120), @"
    ⠙ [██████████████████▏           ] 24,310/40,000  60%   9.4/s of 10/s  eta 28m
      24,012 ok · 210 partial · 80 failed · 8 ambiguous · 13 on the wire · 3 waiting
      the service asked for fewer calls: going on in 42s, at 12:41:14 UTC
    ");
    assert_snapshot!(bar_of(&held(), 60), @"
    ⠙ [█████▍   ] 24,310/40,000  60%   9.4/s of 10/s  eta 28m
      24,012 ok · 210 partial · 80 failed · 8 ambiguous
      13 on the wire · 3 waiting
      the service asked for fewer calls: going on in 42s, at
      12:41:14 UTC
    ");
    assert_snapshot!(bar_of(&held(), 40), @"
    ⠙ [██████████████████▏           ] 60%
      24,310/40,000  9.4/s of 10/s  eta 28m
      24,012 ok · 210 partial · 80 failed
      8 ambiguous · 13 on the wire
      3 waiting
      the service asked for fewer calls:
      going on in 42s, at 12:41:14 UTC
    ");
    assert_snapshot!(bar_of(&held(), 16), @"
    ⠙ [████▊   ] 60%
      24,310/40,000
      9.4/s of 10/s
      eta 28m
      24,012 ok
      210 partial
      80 failed
      8 ambiguous
      13 on the wire
      3 waiting
      the service
      asked for
      fewer calls:
      going on in
      42s, at
      12:41:14 UTC
    ");
    assert_snapshot!(bar_of(&held(), 9), @"");
}

#[test]
fn colour_changes_no_word() {
    let run = held();
    let coloured = render_bar(&tally(&run), run.now(), 80, Style::Coloured).join("\n");
    assert!(coloured.contains("\u{1b}[32m24,012 ok\u{1b}[0m"));
    assert_eq!(console::strip_ansi_codes(&coloured), bar_of(&run, 80));
}

#[test]
fn the_bar_is_full_only_when_all_is_done() {
    let shown = |selected, settled| bar(&tally(&TestRun::new(selected, settled)), 10);
    assert_eq!(shown(1_000, 0), "          ");
    assert_eq!(shown(1_000, 456), "████▌     ");
    assert_eq!(shown(1_000, 999), "█████████▉");
    assert_eq!(shown(1_000, 1_000), "██████████");
    assert_eq!(shown(0, 0), "██████████");
}

#[test]
fn the_time_left_is_the_coarser_the_longer_it_is() {
    let check = |seconds: u64, expected: &str| {
        assert_eq!(coarse(Duration::from_secs(seconds)), expected, "{seconds} s");
    };
    check(0, "0s");
    check(59, "59s");
    check(61, "1m 05s");
    check(244, "4m 05s");
    check(598, "10m");
    check(1_569, "27m");
    check(3_541, "1h 00m");
    check(11_520, "3h 12m");
}

proptest! {
    #[test]
    fn no_line_exceeds_its_width(
        width in 0..200u16,
        selected in 0..u64::from(u32::MAX),
        settled in any::<u64>(),
        stopped in any::<bool>(),
    ) {
        let mut run = TestRun::new(selected, settled.min(selected));
        run.call(1, Outcome::Partial);
        run.send(2, 1);
        run.hold(300_000);
        if stopped {
            run.stop(StopReason::NotAuthorised, 1);
        }
        for style in [Style::Plain, Style::Coloured] {
            for line in render_bar(&tally(&run), run.now(), width, style) {
                let columns = console::measure_text_width(&line);
                prop_assert!(columns <= usize::from(width), "{line:?}");
            }
        }
    }
}

#[test]
fn a_run_that_is_paused_by_hand_says_so_and_promises_nothing() {
    let mut run = TestRun::new(100, 0);
    run.succeed(0..50);
    run.emit(EventKind::RunChanged { change: Change::Paused, by: Operator::Key });
    run.pass(60_000);
    let line = render_line(&tally(&run), run.now());
    assert!(line.ends_with("; paused by hand since 12:00:05 UTC"), "{line}");
    assert!(!line.contains("eta"), "{line}");
    run.emit(EventKind::RunChanged { change: Change::Resumed, by: Operator::Key });
    run.emit(EventKind::RunContinued);
    let line = render_line(&tally(&run), run.now());
    assert!(line.contains("eta") && !line.contains("paused"), "{line}");
}

#[test]
fn a_rate_that_was_changed_is_the_one_that_is_shown() {
    let mut run = TestRun::new(100, 0);
    run.succeed(0..50);
    let change = Change::Rate("30/m".parse().ok());
    run.emit(EventKind::RunChanged { change, by: Operator::Process(7) });
    let line = render_line(&tally(&run), run.now());
    assert!(line.contains("/m of 30/m"), "{line}");
}

#[test]
fn the_reading_of_states_is_shown_before_anything_is_sent() {
    let mut run = TestRun::new(4, 0);
    run.events.clear();
    assert_eq!(bar_of(&run, 80), "");
    for _ in 0..12 {
        run.emit(EventKind::PollStarted { leaves: NOON });
    }
    let bar = bar_of(&run, 80);
    assert!(bar.ends_with(" reading the states of the tasks: 12 requests"), "{bar}");
}

#[test]
fn what_is_settling_has_arrived_or_is_stuck_is_counted() {
    let mut run = TestRun::new(4, 0);
    run.events.insert(0, surveyed_event(SurveyCounts { unchanged: 1, ..Default::default() }));
    run.succeed(0..3);
    run.emit(EventKind::Verified(ArrivalCounts { arrived: 1, on_the_way: 1, stuck: 1 }));
    let line = line_of(&run);
    assert!(line.ends_with("3 ok, 1 unchanged, 1 arrived, 1 settling, 1 stuck"), "{line}");
    run.emit(EventKind::Verified(ArrivalCounts { arrived: 1, on_the_way: 0, stuck: 1 }));
    let line = line_of(&run);
    assert!(line.ends_with("3 ok, 1 unchanged, 2 arrived, 1 stuck"), "{line}");
}

fn surveyed_event(counts: SurveyCounts) -> Event {
    Event { at: NOON, kind: EventKind::Surveyed(counts) }
}

fn store_wait() -> StoreWait {
    let (since, until) = (NOON, NOON.plus_micros(60_000_000));
    StoreWait { cause: WaitCause::NoRoom, place: "/srv/\u{1b}[31mruns".into(), since, until }
}

#[test]
fn a_wait_of_the_store_is_told_beside_any_other_condition_and_promises_no_end() {
    let shown = |run: &TestRun| {
        let mut tally = tally(run);
        tally.wait_for_store(Some(&store_wait()), run.now());
        assert_eq!(tally.eta(run.now()), None);
        render_line(&tally, run.now()).split_once("; ").unwrap().1.to_owned()
    };
    assert_snapshot!(shown(&middle()), @r"no space is left in /srv/\u{1b}[31mruns: nothing new is sent until there is; otherwise the run ends here at 12:01:00 UTC");
    assert_snapshot!(shown(&stopping()), @r"stopping: interrupted; 13 calls on the wire may finish; no space is left in /srv/\u{1b}[31mruns: nothing new is sent until there is; otherwise the run ends here at 12:01:00 UTC");
    let mut tally = tally(&middle());
    tally.wait_for_store(Some(&store_wait()), middle().now());
    tally.wait_for_store(None, middle().now());
    assert_eq!(render_line(&tally, middle().now()), line_of(&middle()));
}
