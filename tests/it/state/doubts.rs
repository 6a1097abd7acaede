//! Calls in doubt are settled by looking: in a run, on resumption, and with `settle`.

use super::report;
use crate::support::program::Ended;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::service::{Rehearsal, wait_until};
use batchctl::sandbox::SandboxSettings;
use batchctl::task::Command;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::time::Duration;

fn rehearsal() -> Rehearsal {
    Rehearsal::at_once(SandboxSettings {
        tasks: 5,
        settle: Duration::from_millis(100),
        ..SandboxSettings::default()
    })
}

/// Starts a task whose call is carried out without an answer, and one that is never there.
fn leave_in_doubt(scene: &Scene, flags: &[&str]) -> Ended {
    let ids = ["start", "--id", "gate-drop", "--id", "gate-garbled", "--max-attempts", "1"];
    scene.call(&[&ids[..], flags].concat())
}

#[test]
fn a_doubt_is_settled_afterwards_and_what_the_call_came_to_is_kept() {
    let rehearsal = rehearsal();
    leave_in_doubt(&rehearsal.scene, &[]).expect(1).prints("ambiguous");
    let ended = rehearsal.scene.call(&["settle", "--json", "-o", "results.csv"]).expect(0);
    let ended = ended.says("2 tasks in doubt are where they were sent; 0 left in doubt");
    let report = report(&ended);
    assert_eq!(report["tasks"]["succeeded"], 2);
    assert_eq!(report["calls"]["by_status"]["none"], 1);
    assert_eq!(rehearsal.service.witness().carried_out("gate-drop", Command::START), 1);
    rehearsal.scene.call(&["settle"]).expect(0).says("no task is in doubt");
}

#[test]
fn a_doubt_that_is_not_there_stays() {
    let rehearsal = rehearsal();
    leave_in_doubt(&rehearsal.scene, &[]).expect(1);
    rehearsal.scene.call(&["stop", "--id", "gate-drop", "--max-attempts", "1"]).expect(1);
    let runs = rehearsal.scene.call(&["runs", "list", "--json"]).expect(0).stdout;
    let runs: Value = serde_json::from_str(&runs).unwrap();
    let first = runs.as_array().unwrap().last().unwrap()["id"].as_str().unwrap();
    let ended = rehearsal.scene.call(&["settle", first, "--json"]).expect(1);
    let report = report(&ended.says("1 task in doubt is where it was sent; 1 left in doubt"));
    assert_eq!(report["tasks"]["ambiguous"], 1);
}

#[test]
fn a_run_that_waits_settles_its_doubts_by_itself() {
    let rehearsal = rehearsal();
    let report = report(&leave_in_doubt(&rehearsal.scene, &["--wait", "--json"]).expect(0));
    assert_eq!(report["tasks"]["succeeded"], 2);
    assert_eq!(report["arrivals"]["verified"], 2);
}

#[test]
fn what_was_on_the_wire_when_a_run_was_killed_is_not_sent_again_if_it_is_there() {
    let rehearsal = rehearsal();
    let flags = ["start", "--id", "gate-silent", "--id", "task-000001", "--wait"];
    let running = rehearsal.scene.start(&flags);
    let witness = || rehearsal.service.witness();
    wait_until("the call", || witness().carried_out("gate-silent", Command::START) > 0);
    running.signal(Signal::KILL);
    drop(running.ended());
    let list = ["list", "--state", "running"];
    wait_until("the state", || rehearsal.scene.call(&list).stdout.contains("gate-silent"));
    let ended = rehearsal.scene.call(&["resume", "--json"]).expect(0);
    assert_eq!(report(&ended)["tasks"]["succeeded"], 2);
    assert_eq!(rehearsal.service.witness().carried_out("gate-silent", Command::START), 1);
}

#[test]
fn the_file_of_a_killed_run_that_came_alone_is_told_before_it_is_believed() {
    let server = Server::start(|request| match request.id.as_str() {
        "gate-2" => Reply::silence(),
        _ => Reply::trusted(&request.id, 0, 1),
    });
    let scene = Scene::with(&server);
    let running = scene.start(&["start", "-q", "-j", "1", "--id", "gate-1", "--id", "gate-2"]);
    server.wait_for(2);
    running.signal(Signal::KILL);
    running.ended();
    let whole = scene.call(&["report"]).expect(0);
    assert!(!whole.stderr.contains("came alone"), "{}", whole.stderr);
    let runs = scene.state().join("runs");
    let beside = fs::read_dir(runs).unwrap().map(|file| file.unwrap().path());
    for file in beside.filter(|file| file.extension().is_none_or(|end| end != "db")) {
        fs::remove_file(file).unwrap();
    }
    let alone = ["came alone", "bring the files whose names begin like its own"];
    let told = |ended: Ended| alone.iter().fold(ended, |ended, words| ended.says(words));
    // A second look, because the first one leaves files beside it.
    for _ in 0..2 {
        let report = told(scene.call(&["report"]).expect(0));
        assert!(!report.stdout.contains("nothing was sent"), "{}", report.stdout);
    }
    for again in ["retry", "resume"] {
        told(
            scene.call(&[again, "-q", "--max-duration", "1s", "--drain-timeout", "1ms"]).expect(3),
        );
    }
}
