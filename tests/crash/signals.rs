//! Signals, and streams whose readers go: what is said, what is sent, and how it ends.

use crate::ledger::Fate;
use crate::ledger::Ledger;
use crate::ledger::most_in_window;
use crate::ledger::ways;
use crate::support::program::Ended;
use crate::support::program::Running;
use crate::support::service::Rehearsal;
use crate::support::service::plain_ids;
use crate::support::service::wait_until;
use batchctl::sandbox::SandboxSettings;
use rustix::process::Signal;
use std::thread;
use std::time::Duration;

/// Sends a signal when calls are on the wire; returns how the process ended.
fn stopped_by(rehearsal: &Rehearsal, signal: Signal) -> Ended {
    let process = rehearsal.start(&rehearsal.input(&plain_ids(200)), &["--rate", "100/s"]);
    rehearsal.service.await_requests(20);
    process.signal(signal);
    process.ended()
}

fn check_drained(signal: Signal, name: &str, code: i32) {
    let rehearsal = Rehearsal::answering_in(50..=100);
    let ended = stopped_by(&rehearsal, signal);
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert!(ended.stderr.contains(&format!("{name}: nothing new is sent")), "{ended:?}");
    assert!(ended.stdout.contains("batchctl resume"), "{ended:?}");
    let ledger = Ledger::read(&rehearsal.file());
    assert_eq!(ledger.count(&Fate::InDoubt), 0, "{ledger:?}");
    let settled = ledger.settled("succeeded");
    assert_eq!(settled, rehearsal.service.log().len(), "what was sent is settled");
    assert_eq!(settled + ledger.count(&Fate::NeverSent), 200);
    assert_eq!(ledger.sessions, [true]);
    let resumed = rehearsal.run(&["resume"]);
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    assert!(rehearsal.service.requests_by_id().values().all(|&times| times == 1));
}

#[test]
fn sigterm_lets_what_is_on_the_wire_finish_and_leaves_nothing_in_doubt() {
    check_drained(Signal::TERM, "SIGTERM", 143);
}

#[test]
fn sigint_ends_with_its_own_status() {
    check_drained(Signal::INT, "SIGINT", 130);
}

#[test]
fn sighup_stops_a_run_like_sigterm() {
    check_drained(Signal::HUP, "SIGHUP", 143);
}

#[test]
fn sighup_is_ignored_where_it_was_when_the_process_started() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    let input = rehearsal.input(&plain_ids(100));
    let args = rehearsal.start_arguments(&input, &["--rate", "100/s"]);
    let process =
        Running::spawn(rehearsal.scene.in_shell("trap '' HUP; exec \"$0\" \"$@\"", &args));
    rehearsal.service.await_requests(10);
    process.signal(Signal::HUP);
    let ended = process.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(Ledger::read(&rehearsal.file()).settled("succeeded"), 100);
}

#[test]
fn a_second_signal_stops_at_once_and_leaves_what_is_on_the_wire_in_doubt() {
    let rehearsal =
        Rehearsal::with(SandboxSettings { slow: Duration::from_secs(600), ..Default::default() });
    let ids: Vec<String> = (0..40).map(|number| format!("gate{number}-slow")).collect();
    let mut process = rehearsal.start(&rehearsal.input(&ids), &["--rate", "none", "-j", "8"]);
    rehearsal.service.await_requests(8);
    process.signal(Signal::INT);
    thread::sleep(Duration::from_millis(200));
    assert!(!process.has_ended(), "it waits for what is on the wire");
    process.signal(Signal::INT);
    let ended = process.ended();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stderr.contains("SIGINT again: stopping at once"), "{ended:?}");
    let ledger = Ledger::read(&rehearsal.file());
    assert_eq!((ledger.count(&Fate::InDoubt), ledger.count(&Fate::NeverSent)), (8, 32));
    assert_eq!(rehearsal.report()["tasks"]["ambiguous"], 8);
}

#[test]
fn a_drain_that_takes_too_long_is_given_up() {
    let rehearsal =
        Rehearsal::with(SandboxSettings { slow: Duration::from_secs(600), ..Default::default() });
    let input = rehearsal.input(&["one-slow", "two-slow"]);
    let process = rehearsal.start(&input, &["--drain-timeout", "300ms"]);
    rehearsal.service.await_requests(2);
    process.signal(Signal::TERM);
    let ended = process.ended();
    assert_eq!(ended.code, Some(143), "{ended:?}");
    assert_eq!(Ledger::read(&rehearsal.file()).count(&Fate::InDoubt), 2);
}

#[test]
fn sigusr1_says_where_the_run_stands_and_stops_nothing() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    let process = rehearsal.start(&rehearsal.input(&plain_ids(60)), &["--rate", "50/s"]);
    rehearsal.service.await_requests(10);
    process.signal(Signal::USR1);
    let ended = process.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("of 60 tasks settled"), "{ended:?}");
}

#[test]
fn a_process_that_stood_still_sends_no_burst_and_gives_nothing_up() {
    let rehearsal = Rehearsal::answering_in(50..=400);
    let input = rehearsal.input(&plain_ids(120));
    let process = rehearsal.start(&input, &["--rate", "40/s", "--timeout", "2s"]);
    rehearsal.service.await_requests(50);
    process.signal(Signal::STOP);
    thread::sleep(Duration::from_secs(4));
    process.signal(Signal::CONT);
    let ended = process.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ledger = Ledger::read(&rehearsal.file());
    assert_eq!((ledger.settled("succeeded"), ledger.attempts.len()), (120, 120));
    let sent = ledger.attempts.iter().map(|attempt| attempt.sent_us).collect();
    let most = most_in_window(sent, 1_000_000);
    assert!(most <= 40, "{most} sendings in a second");
    // Nothing but what was just leaving is said to be sent before the process stood still, and left after.
    let ways = ways(&ledger, &rehearsal.service.log());
    let shortest = ways.iter().min().unwrap();
    let late = ways.iter().filter(|way| *way - shortest > 2_000_000).count();
    assert!(ways.len() == 120 && late <= 2, "{late} of {} calls left late", ways.len());
}

#[test]
fn a_closed_standard_output_ends_nothing() {
    // The results of 1,000 tasks are more than a pipe holds.
    for document in [&[][..], &["--json"], &["-o", "csv:-"]] {
        let rehearsal = Rehearsal::answering_in(0..=0);
        let more = [&["--rate", "none"], document].concat();
        let mut process = rehearsal.start(&rehearsal.input(&plain_ids(1_000)), &more);
        drop(process.stdout());
        let ended = process.ended().expect(0);
        assert!(!ended.stderr.contains("error:"), "{ended:?}");
        assert_eq!(Ledger::read(&rehearsal.file()).settled("succeeded"), 1_000);
    }
}

#[test]
fn a_closed_standard_error_ends_nothing() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    let more = ["--rate", "100/s", "--progress", "lines", "-vv"];
    let mut process = rehearsal.start(&rehearsal.input(&plain_ids(30)), &more);
    process.close_stderr();
    rehearsal.service.await_requests(10);
    process.signal(Signal::TERM);
    assert_eq!(process.ended().code, Some(143));
    assert_eq!(rehearsal.run(&["resume"]).code, Some(0));
    assert_eq!(Ledger::read(&rehearsal.file()).settled("succeeded"), 30);
}

#[test]
fn a_reader_that_takes_one_line_of_the_output_leaves_the_run_whole() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    let input = rehearsal.input(&plain_ids(30));
    let args = rehearsal.start_arguments(&input, &["--rate", "none", "-o", "csv:-"]);
    let shell = rehearsal.scene.in_shell("\"$0\" \"$@\" | head -1", &args);
    let ended = Running::spawn(shell).ended();
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    assert!(ended.stdout.starts_with("id,"), "{ended:?}");
    assert_eq!(Ledger::read(&rehearsal.file()).settled("succeeded"), 30);
}

#[test]
fn streams_that_were_closed_before_the_start_do_no_harm() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    let input = rehearsal.input(&plain_ids(30));
    let args = rehearsal.start_arguments(&input, &["--rate", "none", "--progress", "lines"]);
    let mut process =
        Running::spawn(rehearsal.scene.in_shell("exec <&- >&- 2>&-; exec \"$0\" \"$@\"", &args));
    wait_until("its end", || process.has_ended());
    assert_eq!(process.ended().code, Some(0));
    assert_eq!(Ledger::read(&rehearsal.file()).settled("succeeded"), 30);
    assert_eq!(rehearsal.report()["run"]["complete"], true);
}
