//! The events document: live, whole lines, and one story over all processes of a run.

use crate::support::program::Scene;
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
    let [.., ended, reported] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(ended["event"], "run_ended");
    assert_eq!(reported["event"], "run_reported");
    assert_eq!(reported["exit"]["code"], 0);
    assert_eq!(reported["failure_groups"], 0);
    assert_eq!(named(&lines, "attempt_ended").len(), 2);
    let settled = named(&lines, "task_settled");
    assert_eq!(settled.len(), 2);
    assert!(settled.iter().all(|it| it["outcome"] == "succeeded" && it["http_status"] == 200));
}

#[test]
fn groups_of_failures_close_the_events_of_each_process() {
    let server = Server::start(|request| match &*request.id {
        "gate-1" => Reply::trusted(&request.id, 0, 1),
        "gate-2" => Reply::service(400, "VIAS.1", "no quota").after(Duration::from_millis(300)),
        _ => Reply::service(400, "VIAS.2", &format!("{} is not ready", request.id)),
    });
    let scene = Scene::with(&server);
    scene.write("tasks.csv", "id\ngate-1\ngate-2\ngate-3\ngate-4\n");
    let call = ["stop", "tasks.csv", "-j", "1", "--rate", "none", "-o", "events.ndjson"];
    let running = scene.start(&call);
    server.wait_for(2);
    running.signal(Signal::INT);
    running.ended().expect(130);
    let first = lines(&scene.read("events.ndjson"));
    let [.., ended, group, reported] = &first[..] else { panic!("{first:?}") };
    assert_eq!([&ended["event"], &group["event"]], ["run_ended", "failure_group"]);
    assert_eq!((&group["label"], &group["error_code"]), (&"F1".into(), &"VIAS.1".into()));
    assert_eq!((&reported["complete"], &reported["exit"]["code"]), (&false.into(), &130.into()));

    scene.call(&["resume", "-o", "events.ndjson", "-o", "report.json"]).expect(1);
    let all = lines(&scene.read("events.ndjson"));
    let [.., ended, largest, other, reported] = &all[..] else { panic!("{all:?}") };
    assert_eq!([&ended["event"], &reported["event"]], ["run_ended", "run_reported"]);
    assert_eq!(reported["failure_groups"], 2);
    assert_eq!((&reported["outstanding"], &reported["exit"]["code"]), (&3.into(), &1.into()));
    let report: Value = serde_json::from_str(&scene.read("report.json")).unwrap();
    for (line, of_report) in
        [largest, other].into_iter().zip(report["failures"].as_array().unwrap())
    {
        for (field, value) in of_report.as_object().unwrap() {
            assert_eq!(&line[field], value, "{field}");
        }
    }
    assert_eq!(largest["examples"], serde_json::json!(["gate-3", "gate-4"]));

    // There is nothing to go on with, and what it came to is told all the same.
    scene.call(&["resume", "-o", "events.ndjson"]).expect(1);
    let more = lines(&scene.read("events.ndjson"));
    assert_eq!(named(&more[all.len()..], "failure_group").len(), 2);
    assert_eq!(more.last().unwrap()["event"], "run_reported");
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
    scene.call(&["stop", "--id", "gate-1", "-o", "ndjson:link"]).expect(2);
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
    for command in ["report", "settle"] {
        scene.call(&[command, "-o", "events.ndjson"]).expect(2).says("-o results.csv");
    }
    assert!(!scene.path("events.ndjson").exists());
}
