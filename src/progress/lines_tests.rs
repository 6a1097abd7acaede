//! Which lines a run without a terminal writes, and when.

use super::*;
use crate::event::{StopReason, WaitCause};
use crate::progress::test_events::{TestRun, noon_plus};
use crate::task::Outcome;
use insta::assert_snapshot;
use std::io;
use std::sync::{Arc, Mutex};

/// A writer whose text can be read while it is in use.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

fn lines() -> (Page, Lines) {
    let page = Page::default();
    (page.clone(), Lines::new(Box::new(page)))
}

/// Passes a run on event by event, as a slow run would.
fn output_of(run: &TestRun) -> String {
    let (page, mut lines) = lines();
    run.events.iter().for_each(|event| lines.on_events(std::slice::from_ref(event)));
    page.text()
}

#[test]
fn the_first_line_tells_how_fast_the_run_may_go() {
    let check = |limit: Option<&str>, finds_rate, expected: &str| {
        let rate_limit = limit.map(|limit| limit.parse().unwrap());
        let set_out = RunStarted {
            selected: 4,
            settled: 0,
            rate_limit,
            finds_rate,
            looks_at: None,
            concurrency: 16,
        };
        assert_eq!(start(&set_out), format!("starting with 4 tasks, {expected}, 16 at a time"));
    };
    check(Some("10/s"), false, "at 10/s");
    check(Some("1000/s"), true, "finding a rate up to 1000/s");
    check(None, false, "no rate limit");
    let (rate_limit, looks_at) = ("10/s".parse().ok(), Some(3));
    let set_out = RunStarted {
        selected: 4,
        settled: 2,
        rate_limit,
        finds_rate: false,
        looks_at,
        concurrency: 1,
    };
    assert_eq!(start(&set_out), "looking at the states of 3 of 4 tasks, at 10/s");
}

#[test]
fn a_short_run_has_a_line_for_each_tenth() {
    let mut run = TestRun::new(40, 0);
    run.succeed(0..40);
    run.finish(None);
    assert_snapshot!(output_of(&run), @"
    2024-07-05T12:00:00.000Z starting with 40 tasks, at 10/s, 16 at a time
    2024-07-05T12:00:00.400Z 4 of 40 tasks settled, 10%, 4.0/s of 10/s: 4 ok
    2024-07-05T12:00:00.800Z 8 of 40 tasks settled, 20%, 8.0/s of 10/s: 8 ok
    2024-07-05T12:00:01.200Z 12 of 40 tasks settled, 30%, 9.0/s of 10/s: 12 ok
    2024-07-05T12:00:01.600Z 16 of 40 tasks settled, 40%, 10.0/s of 10/s: 16 ok
    2024-07-05T12:00:02.000Z 20 of 40 tasks settled, 50%, 9.5/s of 10/s: 20 ok
    2024-07-05T12:00:02.400Z 24 of 40 tasks settled, 60%, 10.0/s of 10/s: 24 ok
    2024-07-05T12:00:02.800Z 28 of 40 tasks settled, 70%, 10.0/s of 10/s: 28 ok
    2024-07-05T12:00:03.200Z 32 of 40 tasks settled, 80%, 9.7/s of 10/s, eta 1s: 32 ok
    2024-07-05T12:00:03.600Z 36 of 40 tasks settled, 90%, 10.0/s of 10/s, eta 1s: 36 ok
    2024-07-05T12:00:04.000Z 40 of 40 tasks settled, 100%: 40 ok; done in 4s
    ");
}

#[test]
fn a_long_run_has_a_line_each_half_minute() {
    let mut run = TestRun::new(40_000, 0);
    run.succeed(0..700);
    assert_snapshot!(output_of(&run), @"
    2024-07-05T12:00:00.000Z starting with 40,000 tasks, at 10/s, 16 at a time
    2024-07-05T12:00:30.000Z 299 of 40,000 tasks settled, 0%, 10.0/s of 10/s, eta 1h 07m: 299 ok, 1 on the wire
    2024-07-05T12:01:00.000Z 599 of 40,000 tasks settled, 1%, 10.0/s of 10/s, eta 1h 06m: 599 ok, 1 on the wire
    ");
}

#[test]
fn a_run_in_which_nothing_happens_has_lines_all_the_same() {
    let (page, mut lines) = lines();
    lines.tick(noon_plus(60_000));
    assert_eq!(page.text(), "");
    let mut run = TestRun::new(40_000, 0);
    run.send(1, 1);
    lines.on_events(&run.events);
    (1..=60).for_each(|second| lines.tick(noon_plus(second * 1_000)));
    assert_snapshot!(page.text(), @"
    2024-07-05T12:00:00.000Z starting with 40,000 tasks, at 10/s, 16 at a time
    2024-07-05T12:00:30.000Z 0 of 40,000 tasks settled, 0%, 0.0/s of 10/s: 1 on the wire
    2024-07-05T12:01:00.000Z 0 of 40,000 tasks settled, 0%, 0.0/s of 10/s: 1 on the wire
    ");
}

#[test]
fn a_turn_has_a_line_at_once() {
    let mut run = TestRun::new(40_000, 24_310);
    run.succeed(0..10);
    run.send(10, 1);
    run.hold(42_000);
    run.pass(42_000);
    run.emit(EventKind::RunContinued);
    run.stop(StopReason::TooManyFailures, 1);
    run.call(11, Outcome::Failed);
    run.finish(Some(StopReason::TooManyFailures));
    assert_snapshot!(output_of(&run), @"
    2024-07-05T12:00:00.000Z going on with 40,000 tasks, 24,310 settled before, at 10/s, 16 at a time
    2024-07-05T12:00:01.000Z the service asked for fewer calls: going on in 42s, at 12:00:43 UTC
    2024-07-05T12:00:43.000Z 24,320 of 40,000 tasks settled, 60%, 0.0/s of 10/s: 24,310 settled before, 10 ok, 1 on the wire
    2024-07-05T12:00:43.000Z stopping: too many tasks failed; 1 call on the wire may finish
    2024-07-05T12:00:43.000Z 24,321 of 40,000 tasks settled, 60%: 24,310 settled before, 10 ok, 1 failed, 1 without an answer; stopped after 43s: too many tasks failed
    ");
}

#[test]
fn a_service_that_slows_the_run_down_each_second_is_told_once_in_a_while() {
    let mut run = TestRun::new(40_000, 0);
    for _ in 0..40 {
        run.hold(500);
        run.pass(500);
        run.emit(EventKind::RunContinued);
        run.pass(500);
    }
    assert_eq!(output_of(&run).matches("Z the service asked for fewer calls").count(), 2);
}

#[test]
fn what_was_settled_before_is_no_news() {
    let mut run = TestRun::new(100, 50);
    run.succeed(0..5);
    assert_eq!(output_of(&run).lines().count(), 1);
}

#[test]
fn a_run_of_nothing_has_two_lines() {
    let mut run = TestRun::new(0, 0);
    run.finish(None);
    assert_snapshot!(output_of(&run), @"
    2024-07-05T12:00:00.000Z starting with 0 tasks, at 10/s, 16 at a time
    2024-07-05T12:00:00.000Z 0 of 0 tasks settled, 100%; done in 0s
    ");
}

#[test]
fn a_closed_stream_is_ignored() {
    let mut run = TestRun::new(10, 0);
    run.succeed(0..10);
    let mut lines = Lines::new(Box::new(Closed));
    lines.on_events(&run.events);
    lines.tick(noon_plus(60_000));
    lines.finish();
    assert_eq!(lines.tally.done(), 10);
}

#[test]
fn a_wait_for_store_has_a_line_at_once_and_one_at_its_end() {
    let (page, mut lines) = lines();
    let wait = StoreWait {
        cause: WaitCause::NoRoom,
        place: "/srv/runs".into(),
        since: noon_plus(0),
        until: noon_plus(60_000),
    };
    lines.on_events(&TestRun::new(4, 0).events);
    lines.on_store_wait(Some(&wait), noon_plus(0));
    lines.tick(noon_plus(1_000));
    lines.on_store_wait(None, noon_plus(2_000));
    assert_snapshot!(page.text(), @"
    2024-07-05T12:00:00.000Z starting with 4 tasks, at 10/s, 16 at a time
    2024-07-05T12:00:00.000Z no space is left in /srv/runs: nothing new is sent until there is; otherwise the run ends here at 12:01:00 UTC
    2024-07-05T12:00:02.000Z there is room for the run store again: going on
    ");
}
