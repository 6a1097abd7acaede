//! What would help against each kind of failure stands before the command that retries it.

use super::*;
use crate::report::{markdown, prometheus, summary, write_html, write_junit};
use crate::text::Style;

/// A run whose only task failed in this way.
fn failed(kind: FailureKind, http_status: Option<u16>, advice: &str) -> TestRun {
    let mut run = TestRun::with_tasks(1);
    let failure = Failure { advice: advice.into(), ..Failure::seen(kind, "no") };
    let reply = Reply { http_status, counts: None, failure: Some(failure), in_doubt: false };
    run.begin();
    run.settle(0, reply, Outcome::Failed);
    run.end(None);
    run
}

/// Returns the report in every format that people read.
fn formats(run: &TestRun) -> [(&'static str, String); 5] {
    let (reader, report) = (run.reader(), run.report());
    let (mut page, mut junit) = (Vec::new(), Vec::new());
    write_html(&reader, &report, &mut page).unwrap();
    write_junit(&reader, &report, &[], &mut junit).unwrap();
    [
        ("summary", summary(&report, &[], Style::Plain)),
        ("Markdown", markdown(&report)),
        ("page", String::from_utf8(page).unwrap()),
        ("JUnit", String::from_utf8(junit).unwrap()),
        ("Prometheus", prometheus(&report, None)),
    ]
}

#[test]
fn the_words_before_a_command_agree_with_it_for_every_kind_of_failure() {
    const AGAIN: &str = "sending again may help";
    const FIRST: &str = "remove the cause, then send again";
    for kind in FailureKind::ALL {
        let (status, expected) = match kind {
            FailureKind::Dns
            | FailureKind::Connect
            | FailureKind::Timeout
            | FailureKind::Reset
            | FailureKind::NotReached
            | FailureKind::NotSent => (None, AGAIN),
            FailureKind::Throttled => (Some(429), AGAIN),
            FailureKind::Body => (Some(200), AGAIN),
            FailureKind::Auth => (Some(401), "get valid credentials, then send again"),
            FailureKind::Tls => (None, FIRST),
            FailureKind::Refused => (Some(404), FIRST),
            FailureKind::Service => (Some(200), FIRST),
        };
        let run = failed(kind, status, "");
        let is_first = expected != AGAIN;
        for (format, text) in formats(&run) {
            let words = text.find(expected);
            let command = text.find("retry 20240705-120000-kfzq --group F1");
            assert!(words.is_some() && words < command, "{kind} in {format}: {text}");
            let other = if is_first { AGAIN } else { "then send again" };
            assert!(!text.contains(other), "{kind} in {format}: {text}");
        }
        // A bare `retry` repeats what cannot succeed as it is, unless something is done first.
        let text = summary(&run.report(), &[], Style::Plain);
        assert_eq!(text.contains("once the causes are gone"), is_first, "{kind}: {text}");
        assert_eq!(text.contains("what did not succeed"), !is_first, "{kind}: {text}");
    }
}

#[test]
fn advice_of_the_service_is_what_helps() {
    let run = failed(FailureKind::Refused, Some(400), "Buy a licence.");
    for (format, text) in formats(&run) {
        let follow = text.find("follow the advice, then send again");
        assert!(follow.is_some(), "{format}: {text}");
        assert!(format == "Prometheus" || text.contains("Buy a licence."), "{format}: {text}");
    }
}

#[test]
fn a_run_that_would_only_stop_again_says_what_must_come_first() {
    for reason in StopReason::ALL {
        let mut run = TestRun::with_tasks(2);
        run.begin();
        run.settle(0, refused("no"), Outcome::Failed);
        run.end(Some(reason));
        let text = summary(&run.report(), &[], Style::Plain);
        let line = text.lines().find(|line| line.contains("batchctl resume ")).unwrap();
        let is_plain = line.ends_with("goes on with the rest");
        let was_wanted = matches!(
            reason,
            StopReason::Interrupted
                | StopReason::Terminated
                | StopReason::OutOfTime
                | StopReason::Drained
        );
        assert_eq!(is_plain, was_wanted, "{reason:?}: {line}");
    }
}
