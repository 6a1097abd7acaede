//! The lines of an events document, and what hostile text becomes in them.

use super::*;
use crate::progress::test_events::{TestRun, service_failed};
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

fn output_of(write: impl FnOnce(&mut Events)) -> String {
    let (sender, written) = mpsc::channel();
    let mut events = Events::new(Box::new(Pipe(sender)), "20240705-120000-kfzq".into());
    write(&mut events);
    drop(events);
    String::from_utf8(written.iter().flatten().collect()).unwrap()
}

#[test]
fn every_event_is_a_line() {
    let mut run = TestRun::new(2, 0);
    run.call(1, Outcome::Succeeded);
    run.send(2, 1);
    run.pass(213);
    run.end(2, service_failed());
    run.wait(2, 500);
    run.pass(500);
    run.send(2, 2);
    run.end(2, service_failed());
    run.settle(2, Outcome::Failed);
    assert_snapshot!(output_of(|events| events.on_events(&run.events)), @r#"
    {"schema_version":1,"run":"20240705-120000-kfzq","at":"2024-07-05T12:00:00.000Z","event":"run_started","selected":2,"settled":0,"rate_limit":"10/s","finds_rate":false,"concurrency":16}
    {"schema_version":1,"run":"20240705-120000-kfzq","at":"2024-07-05T12:00:00.000Z","event":"attempt_started","seq":1,"id":"00000000000000000000000000000001","command":"stop","attempt":1}
    {"schema_version":1,"run":"20240705-120000-kfzq","at":"2024-07-05T12:00:00.000Z","event":"attempt_ended","seq":1,"id":"00000000000000000000000000000001","command":"stop","sent_at":"2024-07-05T12:00:00.000Z","duration_ms":213,"in_doubt":false,"request_id":null,"http_status":200,"total_count":null,"failed_count":null,"succeed_count":null,"error_kind":null,"error_code":null,"error_msg":null,"error_list":[],"detail":null,"params":[],"reason":null,"advice":null}
    {"schema_version":1,"run":"20240705-120000-kfzq","at":"2024-07-05T12:00:00.000Z","event":"task_settled","id":"00000000000000000000000000000001","command":"stop","outcome":"succeeded","seq":1,"attempts":1,"first_sent_at":"2024-07-05T12:00:00.000Z","duration_ms":0,"http_status":200,"total_count":null,"failed_count":null,"succeed_count":null,"error_kind":null,"error_code":null,"error_msg":null,"error_list":[],"detail":null,"params":[],"reason":null,"advice":null}
    {"schema_version":1,"run":"20240705-120000-kfzq","at":"2024-07-05T12:00:00.000Z","event":"attempt_started","seq":2,"id":"00000000000000000000000000000002","command":"stop","attempt":1}
    {"schema_version":1,"run":"20240705-120000-kfzq","at":"2024-07-05T12:00:00.213Z","event":"attempt_ended","seq":2,"id":"00000000000000000000000000000002","command":"stop","sent_at":"2024-07-05T12:00:00.000Z","duration_ms":213,"in_doubt":false,"request_id":null,"http_status":500,"total_count":null,"failed_count":null,"succeed_count":null,"error_kind":"service","error_code":"VIAS.00010009","error_msg":"Internal error.","error_list":[],"detail":null,"params":[],"reason":null,"advice":null}
    {"schema_version":1,"run":"20240705-120000-kfzq","at":"2024-07-05T12:00:00.213Z","event":"retry_scheduled","id":"00000000000000000000000000000002","command":"stop","due_at":"2024-07-05T12:00:00.713Z"}
    {"schema_version":1,"run":"20240705-120000-kfzq","at":"2024-07-05T12:00:00.713Z","event":"attempt_started","seq":3,"id":"00000000000000000000000000000002","command":"stop","attempt":2}
    {"schema_version":1,"run":"20240705-120000-kfzq","at":"2024-07-05T12:00:00.713Z","event":"attempt_ended","seq":3,"id":"00000000000000000000000000000002","command":"stop","sent_at":"2024-07-05T12:00:00.000Z","duration_ms":213,"in_doubt":false,"request_id":null,"http_status":500,"total_count":null,"failed_count":null,"succeed_count":null,"error_kind":"service","error_code":"VIAS.00010009","error_msg":"Internal error.","error_list":[],"detail":null,"params":[],"reason":null,"advice":null}
    {"schema_version":1,"run":"20240705-120000-kfzq","at":"2024-07-05T12:00:00.713Z","event":"task_settled","id":"00000000000000000000000000000002","command":"stop","outcome":"failed","seq":3,"attempts":2,"first_sent_at":"2024-07-05T12:00:00.000Z","duration_ms":713,"http_status":500,"total_count":null,"failed_count":null,"succeed_count":null,"error_kind":"service","error_code":"VIAS.00010009","error_msg":"Internal error.","error_list":[],"detail":null,"params":[],"reason":null,"advice":null}
    "#);
}

#[test]
fn what_was_missed_is_a_line_of_its_own() {
    let text = output_of(|events| {
        events.on_events(&TestRun::new(2, 0).events);
        events.missed(7);
    });
    assert_snapshot!(text.lines().last().unwrap(), @r#"
    {"schema_version":1,"run":"20240705-120000-kfzq","at":"2024-07-05T12:00:00.000Z","event":"events_missed","events":7}
    "#);
}

#[test]
fn hostile_text_cannot_end_its_line() {
    let hostile = "a\n{\"event\":\"run_ended\"}\u{2028}\u{1b}[31m\u{202e}\"";
    let mut run = TestRun::new(1, 0);
    run.send(1, 1);
    let failure = Some(Box::new(Failure::seen(FailureKind::Refused, hostile)));
    run.end(1, AttemptResult { failure, ..service_failed() });
    let text = output_of(|events| events.on_events(&run.events));
    assert_eq!(text.lines().count(), run.events.len());
    assert!(text.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~')));
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["error_msg"], hostile);
}
