//! The events document: live, whole lines, and one story over all processes of a run.

use crate::support::batchctl::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use rustix::process::Signal;
use serde_json::Value;
use std::time::Duration;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn named<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

#[test]
fn events_are_told_one_a_line_to_the_end_of_the_run() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.csv", "id\ngate-1\ngate-2\n");
    scene.write("events.ndjson", "{\"of\":\"an old run\"}\n");
    scene.call(&["stop", "tasks.csv", "--rate", "none", "-o", "events.ndjson"]).expect(0);
    let lines = lines(&scene.read("events.ndjson"));
    assert_eq!(lines[0]["event"], "run_started");
    assert_eq!(lines.last().unwrap()["event"], "run_ended");
    assert_eq!(named(&lines, "attempt_ended").len(), 2);
    let settled = named(&lines, "task_settled");
    assert_eq!(settled.len(), 2);
    assert!(settled.iter().all(|it| it["outcome"] == "succeeded" && it["http_status"] == 200));
}

#[test]
fn standard_output_carries_events_alone() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let ended = scene.call(&["stop", "--id", "gate-1", "-o", "ndjson:-"]).expect(0);
    assert_eq!(named(&lines(&ended.stdout), "run_ended").len(), 1);
    ended.says("stop: 1 task");
}

#[test]
fn a_run_that_is_resumed_goes_on_with_its_events() {
    let server = Server::start(|request| match &*request.id {
        "gate-2" => Reply::trusted(&request.id, 0, 1).after(Duration::from_millis(300)),
        _ => Reply::trusted(&request.id, 0, 1),
    });
    let scene = Scene::with(&server);
    scene.write("tasks.csv", "id\ngate-1\ngate-2\ngate-3\n");
    let call = ["stop", "tasks.csv", "-j", "1", "--rate", "none", "-o", "events.ndjson"];
    let running = scene.start(&call);
    server.wait_for(2);
    running.signal(Signal::INT);
    running.ended().expect(130);
    scene.write("events.ndjson", scene.read("events.ndjson") + "{\"torn");
    scene.call(&["resume", "-o", "events.ndjson"]).expect(0);
    let lines = lines(&scene.read("events.ndjson"));
    assert_eq!(named(&lines, "run_started").len(), 2);
    assert_eq!(named(&lines, "run_ended").len(), 2);
    let mut ids: Vec<_> =
        named(&lines, "task_settled").iter().map(|line| line["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["gate-1", "gate-2", "gate-3"]);
}

#[test]
fn events_that_cannot_be_written_do_not_stop_the_run() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    std::os::unix::fs::symlink("/dev/full", scene.path("link")).unwrap();
    scene.call(&["stop", "--id", "gate-1", "-o", "ndjson:link"]).expect(74);
    assert_eq!(server.count(), 0, "what is no file is refused before anything is sent");
    let script = "\"$0\" stop --id gate-1 -o ndjson:- -o results.csv > /dev/full";
    scene.start_in_shell(script).ended().expect(74).says("cannot write to standard output");
    assert!(scene.read("results.csv").contains("gate-1,stop,succeeded"));
}

#[test]
fn events_of_a_run_that_is_over_are_refused() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.call(&["stop", "--id", "gate-1"]).expect(0);
    scene.call(&["report", "-o", "events.ndjson"]).expect(2).says("-o results.csv");
}
