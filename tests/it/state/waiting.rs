//! `--wait` and `wait`: accepted is not arrived.

use super::cells;
use super::report;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use crate::support::service::Rehearsal;
use batchctl::sandbox::SandboxSettings;
use rustix::process::Signal;
use serde_json::Value;
use serde_json::json;
use std::time::Duration;

fn settling_in(millis: u64) -> Rehearsal {
    Rehearsal::at_once(SandboxSettings {
        tasks: 20,
        settle: Duration::from_millis(millis),
        ..SandboxSettings::default()
    })
}

#[test]
fn a_run_that_waits_ends_when_all_have_arrived() {
    let rehearsal = settling_in(500);
    let ids = ["--id", "task-000001", "--id", "task-000002"];
    let flags = ["start", "--wait", "--json", "-o", "results.csv"];
    let ended = rehearsal.scene.call(&[&flags[..], &ids].concat()).expect(0);
    let report = report(&ended);
    assert_eq!(report["arrivals"], json!({ "verified": 2, "unverified": 0 }));
    assert_eq!(report["tasks"]["succeeded"], 2);
    let told = cells(&rehearsal.scene, &["outcome", "state_before", "state_after"]);
    assert_eq!(told, ["succeeded stopped running", "succeeded stopped running"]);
    assert!(cells(&rehearsal.scene, &["verified_at"]).iter().all(|at| at.starts_with('2')));
    assert_eq!(rehearsal.service.witness().tally().actions, 2);
}

#[test]
fn one_that_never_arrives_has_failed_apart_from_failed_calls() {
    let rehearsal = settling_in(100);
    let ids = ["--id", "task-000001", "--id", "gate-stuck", "--id", "gate-refused"];
    let flags = ["stop", "--wait", "--wait-timeout", "4s", "--json", "-o", "results.csv"];
    let report = report(&rehearsal.scene.call(&[&flags[..], &ids].concat()).expect(1));
    assert_eq!(report["tasks"]["succeeded"], 1);
    assert_eq!(report["tasks"]["failed"], 2);
    let mut kinds: Vec<&str> =
        (0..2).map(|n| report["failures"][n]["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["not_reached", "refused"]);
    let told = cells(&rehearsal.scene, &["outcome", "error_kind", "state_after", "http_status"]);
    let stuck = "failed not_reached changing 200";
    assert_eq!(told, ["succeeded  stopped 200", stuck, "failed refused  500"]);
    assert_eq!(report["exit"]["code"], 1);
}

#[test]
fn a_task_without_sub_tasks_is_named_and_not_waited_for() {
    let server = Server::start(|request: &Request| match request.id.as_str() {
        "gate-full" => Reply::counted(&request.id, 2, 0, 2),
        _ => Reply::counted(&request.id, 0, 0, 0),
    });
    let scene = Scene::with(&server);
    let empty = ["--id", "gate-1", "--id", "gate-2", "--id", "gate-3"];
    let summary = scene.call(&[&["start", "--wait"], &empty[..]].concat()).expect(0);
    summary.prints("  empty               3   succeeded without a sub-task: no state to reach\n");
    // The list is not read any more, because none of them has a state to reach.
    let sent = server.count();
    scene.call(&["wait"]).expect(0).prints("  empty               3   succeeded without");
    assert_eq!(server.count(), sent);

    let all = [&["start", "--json", "--id", "gate-full"], &empty[..]].concat();
    let told = report(&scene.call(&all).expect(0));
    assert_eq!((&told["empty"], &told["counts"]["total_count"]), (&json!(3), &json!(2)));
    let documents = ["results.csv", "junit.xml", "report.md", "batchctl.prom", "page.html"];
    let outputs = documents.iter().flat_map(|&document| ["-o", document]);
    let call: Vec<&str> = ["report", "--only", "empty"].into_iter().chain(outputs).collect();
    scene.call(&call).expect(0);
    let found = cells(&scene, &["id", "outcome", "total_count", "failed_count", "succeed_count"]);
    assert_eq!(found, ["1", "2", "3"].map(|number| format!("gate-{number} succeeded 0 0 0")));
    let junit = scene.read("junit.xml");
    assert!(junit.contains("<testsuites name=\"batchctl\" tests=\"3\""), "{junit}");
    assert!(junit.contains("<property name=\"empty_tasks\" value=\"3\"/>"), "{junit}");
    assert!(scene.read("report.md").contains("- Empty: 3 tasks succeeded without a sub-task\n"));
    let metric = "batchctl_last_run_empty_tasks{job=\"\",command=\"start\"} 3";
    assert!(scene.read("batchctl.prom").contains(metric));
    assert!(scene.read("page.html").contains("succeeded without a sub-task"));
}

#[test]
fn a_batch_that_is_emptied_while_it_is_waited_for_has_not_arrived() {
    let tasks = [
        json!({ "id": "gate-1", "num_task": 2, "batch_task_status_info": {} }),
        json!({ "id": "gate-2", "num_task": 2, "batch_task_status_info": { "running": 2 } }),
    ];
    let server = Server::start(move |request| match request.path.contains("/batch-tasks/") {
        true => Reply::counted(&request.id, 2, 0, 2),
        false => {
            let page = json!({ "count": tasks.len(), "batch_task_list": tasks });
            Reply::answer(200, page.to_string())
        }
    });
    let scene = Scene::with(&server);
    let start = ["start", "--wait", "--wait-timeout", "4s", "-o", "results.csv"];
    scene.call(&[&start[..], &["--id", "gate-1", "--id", "gate-2"]].concat()).expect(1);
    let seen = cells(&scene, &["id", "outcome", "error_kind", "state_after"]);
    assert_eq!(seen, ["gate-1 failed not_reached unknown", "gate-2 succeeded  running"]);
}

#[test]
fn a_comparison_knows_what_never_arrived() {
    let rehearsal = settling_in(100);
    let stop = ["stop", "--wait", "--wait-timeout", "4s", "--id", "gate-stuck"];
    rehearsal.scene.call(&[&stop[..], &["--id", "task-000001"]].concat()).expect(1);
    rehearsal.scene.call(&stop).expect(1);
    let runs = rehearsal.runs();
    let diff = ["report", "diff", runs[0].as_str(), "latest"];
    let still = "failed → failed   accepted, but it is `changing`";
    rehearsal.scene.call(&diff).expect(0).prints(still);
    let ended = rehearsal.scene.call(&[&diff[..], &["--json"]].concat()).expect(0);
    let change = &report(&ended)["changes"][0];
    assert_eq!(change["after"], "failed", "{change}");
    assert_eq!(change["error_kind"], "not_reached", "{change}");
}

#[test]
fn what_did_not_arrive_can_be_waited_for_again_and_retried() {
    let rehearsal = settling_in(6_000);
    let flags = ["start", "--id", "task-000001", "--wait", "--wait-timeout", "3s"];
    rehearsal.scene.call(&flags).expect(1).prints("not_reached");
    rehearsal.scene.call(&["retry", "--kind", "not_reached", "-n"]).expect(0).prints("task-000001");
    let ended = rehearsal.scene.call(&["wait", "--json", "--wait-timeout", "60s"]).expect(0);
    assert_eq!(report(&ended)["tasks"]["succeeded"], 1);
    assert_eq!(rehearsal.service.witness().tally().actions, 1);
}

#[test]
fn a_run_can_be_waited_for_afterwards() {
    let rehearsal = settling_in(200);
    rehearsal.scene.call(&["start", "--id", "task-000001", "--json"]).expect(0);
    let documents = ["-o", "results.csv", "-o", "events.ndjson"];
    let ended = rehearsal.scene.call(&[&["wait", "--json"], &documents[..]].concat()).expect(0);
    assert_eq!(report(&ended)["arrivals"]["verified"], 1);
    assert_eq!(cells(&rehearsal.scene, &["state_after"]), ["running"]);
    let events = rehearsal.scene.read("events.ndjson");
    let told = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told: Vec<String> = told.map(|line| line["event"].as_str().unwrap().to_owned()).collect();
    assert!(told.contains(&"verified".into()), "{told:?}");
    assert_eq!(told.last().unwrap(), "run_reported");
    // There is nothing to look for any more.
    let lists = rehearsal.service.witness().tally().lists;
    rehearsal.scene.call(&["wait"]).expect(0);
    assert_eq!(rehearsal.service.witness().tally().lists, lists);
}

#[test]
fn a_list_that_is_late_is_not_believed_at_first() {
    let rehearsal = Rehearsal::at_once(SandboxSettings {
        tasks: 1,
        settle: Duration::from_millis(100),
        stale: Duration::from_millis(2_000),
        ..SandboxSettings::default()
    });
    // For two seconds the list says that it is stopped, as it was before the start.
    rehearsal.scene.call(&["start", "--id", "task-000001"]).expect(0);
    let flags = ["stop", "--id", "task-000001", "--wait", "--json"];
    let report = report(&rehearsal.scene.call(&flags).expect(0));
    assert_eq!(report["arrivals"]["verified"], 1);
    assert!(report["run"]["duration_ms"].as_u64().unwrap() >= 3_000, "{report}");
}

/// A service whose tasks never get anywhere.
fn never_there(request: &Request) -> Reply {
    match request.method.as_str() {
        "GET" => {
            let entry = json!({ "id": "gate-1", "batch_task_status_info": { "starting": 1 } });
            Reply::answer(200, json!({ "count": 1, "batch_task_list": [entry] }).to_string())
        }
        _ => Reply::trusted(&request.id, 0, 1),
    }
}

#[test]
fn an_interrupted_wait_sends_nothing_again_and_can_go_on() {
    let server = Server::start(never_there);
    let scene = Scene::with(&server);
    let running = scene.start(&["start", "--id", "gate-1", "--wait", "--rate", "none"]);
    server.wait_for(3);
    running.signal(Signal::INT);
    running.ended().expect(130);
    scene.call(&["resume", "--wait", "--wait-timeout", "1s"]).expect(1).prints("not_reached");
    let calls = server.requests().iter().filter(|request| request.method == "PUT").count();
    assert_eq!(calls, 1);
    scene.call(&["resume"]).expect(1).says("is finished");
}

#[test]
fn a_look_at_a_run_that_was_cut_short_ends_with_3_however_it_ended() {
    let server = Server::start(|request| match (request.method.as_str(), request.id.as_str()) {
        ("GET", _) => never_there(request),
        (_, "gate-1") => Reply::trusted(&request.id, 0, 1),
        _ => Reply::silence(),
    });
    let scene = Scene::with(&server);
    let begin = ["start", "-q", "-j", "1", "--drain-timeout", "1ms"];
    let ids = ["--id", "gate-1", "--id", "gate-2", "--id", "gate-3"];
    for (signal, code) in [(Signal::KILL, None), (Signal::TERM, Some(143))] {
        let before = server.count();
        let running = scene.start(&[&begin[..], &ids].concat());
        server.wait_for(before + 2);
        running.signal(signal);
        assert_eq!(running.ended().code, code);
        for look in [&["settle"][..], &["wait", "-q", "--wait-timeout", "1s"]] {
            let hint = "no outcome yet: `batchctl resume 2";
            scene.call(look).expect(3).says(hint);
        }
    }
    // A run that has its outcomes ends by them.
    scene.call(&["start", "--id", "gate-1"]).expect(0);
    let again = scene.call(&["wait", "--wait-timeout", "1s", "--progress", "lines"]).expect(1);
    again.says(" looking at the states of 1 of 1 task, at 10/s\n");
}

#[test]
fn a_task_whose_state_cannot_be_read_is_ambiguous_in_the_end() {
    let server = Server::start(|request| match request.method.as_str() {
        "GET" => Reply::answer(200, "<html>"),
        _ => Reply::trusted(&request.id, 0, 1),
    });
    let scene = Scene::with(&server);
    let flags = ["--wait", "--wait-timeout", "1s", "--max-attempts", "1", "--rate", "none"];
    let ended = scene.call(&[&["start", "--id", "gate-1"], &flags[..]].concat()).expect(1);
    ended.prints("accepted, but its state could not be read").prints("ambiguous");
}

#[test]
fn a_wait_never_asks_for_two_pages_at_a_time() {
    let server = Server::start(|request| match request.method.as_str() {
        "GET" => {
            let number = if request.path.contains("page_num=1&") { 0 } else { 200 };
            let entry = |id: u32| json!({ "id": format!("task-{id}") });
            let entries: Vec<Value> = (number..number + 200).map(entry).collect();
            let page = json!({ "count": 400, "batch_task_list": entries });
            Reply::answer(200, page.to_string()).after(Duration::from_millis(300))
        }
        _ => Reply::trusted(&request.id, 0, 1),
    });
    let scene = Scene::with(&server);
    let flags = ["--wait", "--wait-timeout", "5s", "--rate", "none"];
    scene.call(&[&["start", "--id", "gate-1"], &flags[..]].concat()).expect(1);
    let requests = server.requests();
    let lists: Vec<&Request> = requests.iter().filter(|request| request.method == "GET").collect();
    let is_first = |request: &Request| request.path.contains("page_num=1&");
    // Page after page, and each begun only after the one before had its answer. Once the time is over,
    // the last look begins with the first page again.
    assert!(is_first(lists[0]) && lists.iter().any(|request| !is_first(request)));
    assert!(lists.windows(2).all(|pair| is_first(pair[0]) || is_first(pair[1])));
    assert!(lists.windows(2).all(|pair| pair[1].micros - pair[0].micros >= 300_000));
}

#[test]
fn the_tasks_of_a_rehearsal_cannot_be_looked_at_afterwards() {
    let scene = Scene::new();
    scene.call(&["start", "--id", "task-000001", "--sandbox"]).expect(0);
    for command in ["wait", "settle", "revert"] {
        scene.call(&[command]).expect(2).says("the sandbox of that run is gone");
    }
}
