//! `--skip-unchanged`: what is there already is left alone, and what is unknown told before.

use super::cells;
use super::report;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::service::Rehearsal;
use batchctl::sandbox::SandboxSettings;
use serde_json::json;
use std::time::Duration;

fn rehearsal(tasks: u32, running: f64) -> Rehearsal {
    Rehearsal::at_once(SandboxSettings {
        tasks,
        running,
        settle: Duration::ZERO,
        ..SandboxSettings::default()
    })
}

/// Writes an input of generated tasks.
fn input(rehearsal: &Rehearsal, numbers: std::ops::RangeInclusive<u32>) {
    let ids: Vec<String> = numbers.map(batchctl::sandbox::generated_id).collect();
    rehearsal.scene.write("tasks.txt", ids.join("\n"));
}

#[test]
fn ten_thousand_running_tasks_cost_fifty_pages_and_no_call() {
    let rehearsal = rehearsal(10_000, 1.0);
    input(&rehearsal, 1..=10_000);
    let ended =
        rehearsal.scene.call(&["start", "tasks.txt", "--skip-unchanged", "--json"]).expect(0);
    let tally = rehearsal.service.witness().tally();
    assert_eq!((tally.lists, tally.actions), (50, 0));
    let report = report(&ended);
    assert_eq!(report["tasks"]["unchanged"], 10_000);
    assert_eq!(report["calls"]["attempts"], 0);
    assert_eq!(report["calls"]["pages"], 50);
}

#[test]
fn what_is_not_there_is_called_and_both_are_told() {
    let rehearsal = rehearsal(100, 0.5);
    input(&rehearsal, 1..=100);
    let call = ["stop", "tasks.txt", "--skip-unchanged", "--json", "-o", "results.csv"];
    let report = report(&rehearsal.scene.call(&call).expect(0));
    let succeeded = report["tasks"]["succeeded"].as_u64().unwrap();
    assert_eq!(report["tasks"]["unchanged"], 100 - succeeded);
    assert_eq!(rehearsal.service.witness().tally().actions, succeeded);
    let columns = ["outcome", "state_before", "attempts", "started_at"];
    for told in cells(&rehearsal.scene, &columns) {
        let unchanged = told == "unchanged stopped 0 ";
        assert!(unchanged || told.starts_with("succeeded running 1 2"), "{told}");
    }
}

#[test]
fn a_small_list_is_looked_for_no_further_than_needed() {
    let rehearsal = rehearsal(2_000, 1.0);
    // The oldest are listed first.
    input(&rehearsal, 1_990..=2_000);
    rehearsal.scene.call(&["start", "tasks.txt", "--skip-unchanged"]).expect(0);
    assert_eq!(rehearsal.service.witness().tally().lists, 1);
}

#[test]
fn unknown_tasks_are_told_before_anything_is_sent() {
    let rehearsal = rehearsal(10, 0.0);
    rehearsal.scene.write("tasks.txt", "task-000001\nstranger-1\nstranger-2\n");
    let call = ["start", "tasks.txt", "--skip-unchanged"];
    let ended = rehearsal.scene.call(&call).expect(65);
    let ended = ended.says("the project does not know 2 tasks of the input; nothing was sent");
    ended.says("such as `stranger-1`, `stranger-2`").says("hint: ");
    assert_eq!(rehearsal.service.witness().tally().actions, 0);
    assert_eq!(rehearsal.scene.runs(), Vec::<String>::new());
}

#[test]
fn unknown_tasks_can_be_left_out_or_sent() {
    let rehearsal = rehearsal(10, 0.0);
    rehearsal.scene.write("tasks.txt", "task-000001\nstranger-1\n");
    let call = |choice| {
        let call = ["start", "tasks.txt", "--skip-unchanged", "--json", "--on-unknown", choice];
        rehearsal.scene.call(&call)
    };
    let skipped = report(&call("skip").expect(1));
    assert_eq!(skipped["tasks"]["succeeded"], 1);
    assert_eq!(skipped["tasks"]["failed"], 1);
    assert_eq!(skipped["failures"][0]["kind"], "not_sent");
    assert_eq!(skipped["failures"][0]["retryable"], false);
    assert_eq!(rehearsal.service.witness().tally().actions, 1);
    let sent = report(&call("send").expect(0));
    assert_eq!((&sent["tasks"]["succeeded"], &sent["tasks"]["unchanged"]), (&json!(1), &json!(1)));
}

/// A service whose list is answered by a script and whose actions all succeed.
fn listing(list: impl Fn() -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request| match request.method.as_str() {
        "GET" => list(),
        _ => Reply::trusted(&request.id, 0, 1),
    })
}

fn calls(server: &Server) -> usize {
    server.requests().iter().filter(|request| request.method == "PUT").count()
}

#[test]
fn a_list_that_cannot_be_read_blocks_nothing() {
    for list in [
        || Reply::service(500, "VIAS.00010012", "This operation is not allowed."),
        || Reply::answer(200, "<html>"),
        || Reply::answer(200, r#"{"count":9,"batch_task_list":[{"id":"gate-1"},{}]}"#),
    ] {
        let server = listing(list);
        let scene = Scene::with(&server);
        scene.write("tasks.txt", "gate-1\ngate-2\n");
        let flags = ["--skip-unchanged", "--rate", "none", "--max-attempts", "1"];
        let ended = scene.call(&[&["start", "tasks.txt"], &flags[..]].concat()).expect(0);
        ended.says("not read");
        assert_eq!(calls(&server), 2);
    }
}

#[test]
fn states_that_nobody_knows_are_sent() {
    let server = listing(|| {
        let entry = json!({ "id": "gate-1", "batch_task_status_info": { "hibernating": 3 } });
        Reply::answer(200, json!({ "count": 1, "batch_task_list": [entry] }).to_string())
    });
    let scene = Scene::with(&server);
    scene.call(&["stop", "--id", "gate-1", "--skip-unchanged"]).expect(0);
    assert_eq!(calls(&server), 1);
}

#[test]
fn a_dry_run_is_a_plan_against_the_live_state() {
    let rehearsal = rehearsal(50, 0.0);
    rehearsal.scene.call(&["start", "--id", "task-000003", "--id", "task-000004"]).expect(0);
    rehearsal.scene.call(&["start", "--id", "gate-failed"]).expect(1);
    rehearsal
        .scene
        .write("tasks.txt", "task-000003\ntask-000004\ntask-000005\ngate-failed\nother\n");
    let before = (rehearsal.service.witness().tally().actions, rehearsal.scene.runs());
    let ended = rehearsal.scene.call(&["start", "tasks.txt", "--skip-unchanged", "-n"]).expect(65);
    let ended = ended.says("the project does not know 1 task of the input; nothing was sent");
    let ended = ended.prints("3 batch tasks would be called; nothing was sent");
    let ended = ended.prints("  will change      1\n").prints("  already there    2\n");
    let ended = ended.prints("  unknown          1   such as other\n");
    let ended = ended.prints("  in trouble       1   such as gate-failed\n");
    ended.prints("start  task-000005").prints("start  gate-failed");
    assert_eq!((rehearsal.service.witness().tally().actions, rehearsal.scene.runs()), before);
}
