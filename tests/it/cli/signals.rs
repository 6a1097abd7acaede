//! Signals: the exit status and the words of each. What they leave in the run's file is tested
//! in `tests/crash/signals.rs`.

use crate::support::documents::column;
use crate::support::documents::results;
use crate::support::program::Ended;
use crate::support::program::Running;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use crate::support::service::wait_until;
use rustix::process::Signal;
use std::time::Duration;

const CALL: [&str; 10] = [
    "stop",
    "tasks.txt",
    "--rate",
    "none",
    "-j",
    "2",
    "-o",
    "results.csv",
    "--drain-timeout",
    "1h",
];

/// Starts a run of five tasks, of which two are on the wire when this returns.
fn begun(reply: fn(&Request) -> Reply) -> (Server, Scene, Running) {
    let server = Server::start(reply);
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-1\ngate-2\ngate-3\ngate-4\ngate-5\n");
    let running = scene.start(&CALL);
    server.wait_for(2);
    (server, scene, running)
}

fn late(request: &Request) -> Reply {
    Reply::trusted(&request.id, 0, 1).after(Duration::from_millis(300))
}

#[track_caller]
fn check_first(signal: Signal, code: i32) -> Ended {
    let (server, _scene, running) = begun(late);
    running.signal(signal);
    let ended = running.ended().expect(code);
    assert_eq!(server.count(), 2);
    ended
}

#[test]
fn the_first_signal_lets_the_calls_on_the_wire_finish() {
    check_first(Signal::INT, 130).says("stopping").prints("Interrupted: by SIGINT");
    check_first(Signal::TERM, 143).prints("SIGTERM");
    check_first(Signal::HUP, 143);
}

#[test]
fn a_signal_while_a_token_command_works_ends_the_run_before_it_begins() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    // The command says that it runs, and waits for the test.
    let command = "touch running; while [ -e running ]; do :; done; echo token";
    let running =
        scene.start(&["stop", "--id", "gate-1", "-o", "results.csv", "--token-command", command]);
    let file = scene.path("running");
    while !file.exists() {
        std::thread::yield_now();
    }
    running.signal(Signal::INT);
    std::fs::remove_file(file).unwrap();
    running.ended().expect(130);
    assert_eq!(server.count(), 0);
    assert_eq!(column(&results(&scene.read("results.csv")), "outcome"), ["not_attempted"]);
}

#[test]
fn a_request_for_the_progress_ends_no_command_that_has_none() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    // The shell's parent is the command itself, which has no run to tell of.
    let command = "kill -USR1 $PPID; echo token";
    scene.call(&["auth", "check", "--token-command", command]).expect(1).prints("source");
}

#[test]
fn a_signal_ends_a_report_that_takes_for_ever() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let ids: Vec<String> = (0..2_000).map(|number| format!("task-{number:04}")).collect();
    scene.write("tasks.txt", ids.join("\n"));
    // Nobody reads its standard output, and a pipe takes 64 KiB.
    let mut running = scene.start(&["stop", "tasks.txt", "--rate", "none", "-o", "csv:-"]);
    let finished = |scene: &Scene| {
        scene.call(&["runs", "list", "--state", "finished"]).stdout.contains(" stop ")
    };
    wait_until("the end of the run", || finished(&scene));
    // Between the end of the run and its report lies a moment in which signals still ask for the
    // run's end; on a disk that is slow it is a long one.
    while !running.has_ended() {
        running.signal(Signal::INT);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(running.ended().code, None);
    let again = scene.call(&["report", "-o", "csv:-"]).expect(0);
    assert_eq!(results(&again.stdout).len(), 2_000);
}
