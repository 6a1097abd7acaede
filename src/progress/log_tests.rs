//! The lines of a log, as text and as JSON.

use super::*;
use crate::event::WaitCause;
use crate::progress::test_events::{NOON, TestRun, answered, service_failed};
use crate::task::{Failure, FailureKind};
use insta::assert_snapshot;
use std::io;
use std::sync::mpsc;

/// A writer that hands on what it is given.
struct Pipe(mpsc::Sender<Vec<u8>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn output_of(run: &TestRun, verbosity: Verbosity, format: LogFormat) -> String {
    let (sender, written) = mpsc::channel();
    let mut log = Log::new(Box::new(Pipe(sender)), verbosity, format);
    log.on_events(&run.events);
    drop(log);
    String::from_utf8(written.iter().flatten().collect()).unwrap()
}

fn unanswered() -> AttemptResult {
    AttemptResult {
        http_status: None,
        failure: Some(Box::new(Failure::seen(FailureKind::Timeout, "no answer within 60s"))),
        in_doubt: true,
        duration: Duration::from_secs(60),
        ..answered()
    }
}

/// One task that succeeds, one that fails twice, one in doubt, one that is withdrawn.
fn run() -> TestRun {
    let mut run = TestRun::new(10, 0);
    run.call(1, Outcome::Succeeded);
    run.send(2, 1);
    run.pass(213);
    run.end(2, service_failed());
    run.wait(2, 500);
    run.pass(500);
    run.send(2, 2);
    run.pass(213);
    run.end(2, service_failed());
    run.settle(2, Outcome::Failed);
    run.send(3, 1);
    run.pass(60_000);
    run.end(3, unanswered());
    run.settle(3, Outcome::Ambiguous);
    run.send(4, 1);
    run.withdraw(4);
    run
}

#[test]
fn tasks_that_are_not_good_have_a_line() {
    assert_snapshot!(output_of(&run(), Verbosity::Tasks, LogFormat::Text), @r#"
    2024-07-05T12:00:00.926Z stop 00000000000000000000000000000002 failed after 2 attempts: 500 VIAS.00010009 "Internal error." in 926 ms
    2024-07-05T12:01:00.926Z stop 00000000000000000000000000000003 ambiguous after 1 attempt: timeout "no answer within 60s" in 60,000 ms, in doubt
    "#);
}

#[test]
fn attempts_have_a_line_when_asked_for() {
    assert_snapshot!(output_of(&run(), Verbosity::Attempts, LogFormat::Text), @r#"
    2024-07-05T12:00:00.000Z stop 00000000000000000000000000000001 attempt 1: 200 in 213 ms
    2024-07-05T12:00:00.213Z stop 00000000000000000000000000000002 attempt 1: 500 VIAS.00010009 "Internal error." in 213 ms
    2024-07-05T12:00:00.926Z stop 00000000000000000000000000000002 attempt 2: 500 VIAS.00010009 "Internal error." in 213 ms
    2024-07-05T12:00:00.926Z stop 00000000000000000000000000000002 failed after 2 attempts: 500 VIAS.00010009 "Internal error." in 926 ms
    2024-07-05T12:01:00.926Z stop 00000000000000000000000000000003 attempt 1: timeout "no answer within 60s" in 60,000 ms, in doubt
    2024-07-05T12:01:00.926Z stop 00000000000000000000000000000003 ambiguous after 1 attempt: timeout "no answer within 60s" in 60,000 ms, in doubt
    "#);
}

#[test]
fn machines_read_the_same_members_in_each_line() {
    assert_snapshot!(output_of(&run(), Verbosity::Attempts, LogFormat::Json), @r#"
    {"at":"2024-07-05T12:00:00.000Z","event":"attempt_ended","id":"00000000000000000000000000000001","command":"stop","attempt":1,"http_status":200,"outcome":null,"error_kind":null,"error_code":null,"error_msg":null,"duration_ms":213,"change":null,"by":null}
    {"at":"2024-07-05T12:00:00.213Z","event":"attempt_ended","id":"00000000000000000000000000000002","command":"stop","attempt":1,"http_status":500,"outcome":null,"error_kind":"service","error_code":"VIAS.00010009","error_msg":"Internal error.","duration_ms":213,"change":null,"by":null}
    {"at":"2024-07-05T12:00:00.926Z","event":"attempt_ended","id":"00000000000000000000000000000002","command":"stop","attempt":2,"http_status":500,"outcome":null,"error_kind":"service","error_code":"VIAS.00010009","error_msg":"Internal error.","duration_ms":213,"change":null,"by":null}
    {"at":"2024-07-05T12:00:00.926Z","event":"task_settled","id":"00000000000000000000000000000002","command":"stop","attempt":2,"http_status":500,"outcome":"failed","error_kind":"service","error_code":"VIAS.00010009","error_msg":"Internal error.","duration_ms":926,"change":null,"by":null}
    {"at":"2024-07-05T12:01:00.926Z","event":"attempt_ended","id":"00000000000000000000000000000003","command":"stop","attempt":1,"http_status":null,"outcome":null,"error_kind":"timeout","error_code":null,"error_msg":"no answer within 60s","duration_ms":60000,"change":null,"by":null}
    {"at":"2024-07-05T12:01:00.926Z","event":"task_settled","id":"00000000000000000000000000000003","command":"stop","attempt":1,"http_status":null,"outcome":"ambiguous","error_kind":"timeout","error_code":null,"error_msg":"no answer within 60s","duration_ms":60000,"change":null,"by":null}
    "#);
}

#[test]
fn machines_read_what_operators_changed() {
    let mut run = TestRun::new(10, 0);
    let (change, by) = (Change::Rate("5/s".parse().ok()), Operator::Process(7));
    run.emit(EventKind::RunChanged { change, by });
    assert_snapshot!(output_of(&run, Verbosity::Tasks, LogFormat::Json), @r#"{"at":"2024-07-05T12:00:00.000Z","event":"run_changed","id":null,"command":null,"attempt":null,"http_status":null,"outcome":null,"error_kind":null,"error_code":null,"error_msg":null,"duration_ms":null,"change":"rate 5/s","by":"process 7"}"#);
}

#[test]
fn numbers_of_attempts_are_not_kept_for_ever() {
    let (sender, _written) = mpsc::channel();
    let mut log = Log::new(Box::new(Pipe(sender)), Verbosity::Tasks, LogFormat::Text);
    log.on_events(&run().events);
    assert!(log.numbers.is_empty());
}

/// The service's words, chosen to do harm.
fn hostile() -> TestRun {
    let failure = Failure {
        code: "APIG.\u{1b}[2J".into(),
        ..Failure::seen(
            FailureKind::Refused,
            "a \"b\"\nstop \u{202e}x\u{9b}31m 限流 \u{1f4a5}\u{7f}",
        )
    };
    let result =
        AttemptResult { http_status: Some(400), failure: Some(failure.into()), ..answered() };
    let mut run = TestRun::new(10, 0);
    run.send(1, 1);
    run.end(1, result);
    run.settle(1, Outcome::Failed);
    run
}

#[test]
fn foreign_text_stays_on_its_line() {
    assert_snapshot!(output_of(&hostile(), Verbosity::Tasks, LogFormat::Text), @r#"2024-07-05T12:00:00.000Z stop 00000000000000000000000000000001 failed after 1 attempt: 400 APIG.\u{1b}[2J "a \"b\"\u{a}stop \u{202e}x\u{9b}31m 限流 💥\u{7f}" in 0 ms"#);
}

#[test]
fn foreign_text_is_whole_and_ascii_in_json() {
    let line = output_of(&hostile(), Verbosity::Tasks, LogFormat::Json);
    assert!(line.trim_end().chars().all(|character| matches!(character, ' '..='~')), "{line}");
    let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(entry["error_msg"], "a \"b\"\nstop \u{202e}x\u{9b}31m 限流 \u{1f4a5}\u{7f}");
    assert_eq!(entry["error_code"], "APIG.\u{1b}[2J");
}

#[test]
fn a_closed_stream_is_ignored() {
    let (sender, written) = mpsc::channel();
    drop(written);
    let mut log = Log::new(Box::new(Pipe(sender)), Verbosity::Attempts, LogFormat::Text);
    log.on_events(&run().events);
}

#[test]
fn a_wait_for_store_has_a_line_of_json_and_none_of_text() {
    let until = NOON.plus_micros(60_000_000);
    let wait =
        StoreWait { cause: WaitCause::NoRoom, place: "/srv/runs".into(), since: NOON, until };
    let logged = |format| {
        let (sender, written) = mpsc::channel();
        let mut log = Log::new(Box::new(Pipe(sender)), Verbosity::Tasks, format);
        log.on_target_store_wait(&"north".into(), Some(&wait), NOON);
        log.on_store_wait(None, until);
        drop(log);
        String::from_utf8(written.iter().flatten().collect()).unwrap()
    };
    assert_eq!(logged(LogFormat::Text), "");
    assert_snapshot!(logged(LogFormat::Json), @r#"
    {"at":"2024-07-05T12:00:00.000Z","event":"store_waits","id":null,"command":null,"attempt":null,"http_status":null,"outcome":null,"error_kind":null,"error_code":null,"error_msg":"no space is left in /srv/runs: nothing new is sent until there is; otherwise the run ends here at 12:01:00 UTC","duration_ms":null,"change":null,"by":null,"target":"north"}
    {"at":"2024-07-05T12:01:00.000Z","event":"store_goes_on","id":null,"command":null,"attempt":null,"http_status":null,"outcome":null,"error_kind":null,"error_code":null,"error_msg":null,"duration_ms":null,"change":null,"by":null}
    "#);
}
