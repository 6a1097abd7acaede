//! A dry run writes its whole plan where it is asked to, and nothing elsewhere.

use crate::support::program::Scene;
use crate::support::server::Server;
use crate::support::service::Rehearsal;
use batchctl::sandbox::{SandboxSettings, generated_id};
use serde_json::{Value, json};
use std::time::Duration;

/// A list of eight tasks, one of them twice, of which the first is done.
fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    let ids: Vec<String> = (1..=8).map(|number| format!("gate-{number}")).collect();
    scene.write("tasks.txt", format!("{}\ngate-8\n", ids.join("\n")));
    scene.call(&["stop", "--id", "gate-1"]).expect(0);
    scene
}

const PLAN: [&str; 5] = ["stop", "tasks.txt", "-n", "--after", "latest"];

#[test]
fn a_plan_is_written_as_csv_that_is_an_input_again() {
    let server = Server::obliging();
    let scene = scene(&server);
    let ended = scene.call(&[&PLAN[..], &["-o", "plan.csv"]].concat()).expect(0);
    ended.prints("7 batch tasks would be called; nothing was sent").prints("… and 2 more");
    let rows: String = (2..=8).map(|n| format!("gate-{n},stop,,will be called\n")).collect();
    assert_eq!(scene.read("plan.csv"), format!("id,command,state_before,why\n{rows}"));
    let to_output = scene.call(&[&PLAN[..], &["-o", "csv:-"]].concat()).expect(0);
    assert_eq!(to_output.stdout, scene.read("plan.csv"));
    to_output.says("7 batch tasks would be called");
    assert_eq!(server.count(), 1);
    scene.call(&["run", "plan.csv", "--rate", "none"]).expect(0);
    assert_eq!(server.count(), 8);
}

#[test]
fn a_plan_is_one_object_of_json() {
    let server = Server::obliging();
    let scene = scene(&server);
    let limit = ["--limit", "2"];
    let ended = scene.call(&[&PLAN[..], &["--json"], &limit].concat()).expect(0);
    let plan: Value = serde_json::from_str(&ended.stdout).unwrap();
    let input = json!({
        "rows": 9, "selected": 2, "duplicates": 1, "already_done": 1, "beyond_limit": 5,
        "excluded_count": 0, "excluded": [], "not_matched": 0, "not_sampled": 0, "before_offset": 0,
        "of_other_shards": 0,
    });
    assert_eq!((&plan["input"], &plan["states"]), (&input, &Value::Null));
    assert_eq!((&plan["dry_run"], &plan["command"]), (&json!(true), &json!("stop")));
    let task = json!({
        "id": "gate-2", "command": "stop", "source": "tasks.txt", "line": 2,
        "state_before": null, "why": "will be called",
    });
    assert_eq!((&plan["tasks"][0], plan["tasks"].as_array().unwrap().len()), (&task, 2));
    scene.call(&[&PLAN[..], &["-o", "plan.json"], &limit].concat()).expect(0);
    assert_eq!(scene.read("plan.json"), ended.stdout);
}

#[test]
fn v_shows_every_row_of_a_plan() {
    let server = Server::obliging();
    let scene = scene(&server);
    let ended = scene.call(&[&PLAN[..], &["-vv"]].concat()).expect(0).prints("gate-8");
    assert!(!ended.stdout.contains("more"), "{}", ended.stdout);
}

#[test]
fn what_a_dry_run_cannot_write_is_refused_and_what_was_not_typed_is_left_alone() {
    let server = Server::obliging();
    let mut scene = scene(&server);
    for flags in [
        &["-o", "page.html"][..],
        &["-o", "plan.csv", "-o", "events.ndjson"],
        &["-o", "failed.csv:only=failed"],
        &["-o", "plan.csv", "--only", "failed"],
        &["-o", "plan.csv", "--csv-dialect", "excel"],
    ] {
        scene.call(&[&PLAN[..], flags].concat()).expect(2).says("FILE.csv or FILE.json");
    }
    assert!(!scene.path("page.html").exists() && !scene.path("plan.csv").exists());
    scene.set("BATCHCTL_OUTPUT", "results.csv");
    scene.write("results.csv", "of yesterday\n");
    scene.call(&PLAN).expect(0);
    assert_eq!(scene.read("results.csv"), "of yesterday\n");
    let unwritable = [&PLAN[..], &["-o", "nowhere/plan.csv"]].concat();
    scene.call(&unwritable).expect(74).says("nowhere/plan.csv");
}

#[test]
fn a_plan_against_the_live_state_says_what_becomes_of_each_task() {
    let rehearsal = Rehearsal::at_once(SandboxSettings {
        tasks: 5,
        settle: Duration::ZERO,
        ..SandboxSettings::default()
    });
    let scene = &rehearsal.scene;
    scene.call(&["start", "--id", "task-000003"]).expect(0);
    scene.call(&["start", "--id", "gate-failed"]).expect(1);
    scene.write("tasks.txt", "task-000003\ntask-000004\ngate-failed\nother\n");
    let look = ["start", "tasks.txt", "--skip-unchanged", "-n", "-o", "plan.csv", "--json"];
    let ended = scene.call(&look).expect(65).says("the project does not know 1 task");
    let plan: Value = serde_json::from_str(&ended.stdout).unwrap();
    let states = json!({
        "will_change": 1, "already_there": 1, "unknown": 1, "in_trouble": 1, "not_read": 0,
    });
    assert_eq!(plan["states"], states);
    assert_eq!(
        scene.read("plan.csv"),
        "id,command,state_before,why\n\
         task-000003,start,running,already there\n\
         task-000004,start,stopped,will change\n\
         gate-failed,start,bad,in trouble\n\
         other,start,,unknown\n"
    );
}

#[test]
fn a_plan_against_the_live_state_obeys_the_same_flags_as_any_other() {
    let rehearsal = Rehearsal::at_once(SandboxSettings { tasks: 20, ..SandboxSettings::default() });
    let scene = &rehearsal.scene;
    scene.write("empty.txt", "# none\n");
    let look = ["start", "empty.txt", "--skip-unchanged", "-n"];
    let before = rehearsal.service.requests();
    scene.call(&look).expect(65).says("there is no task in the input");
    scene.call(&[&look[..], &["--if-empty", "ok"]].concat()).expect(0);
    assert_eq!(rehearsal.service.requests(), before);
    let list = |count: usize| {
        let ids: Vec<String> =
            (1..=count).map(|number| generated_id(u32::try_from(number).unwrap())).collect();
        scene.write("tasks.txt", ids.join("\n"));
    };
    list(10);
    let nightly = ["start", "tasks.txt", "--skip-unchanged", "--job", "nightly"];
    scene.call(&nightly).expect(0);
    list(2);
    let ended = scene.call(&[&nightly[..], &["-n"]].concat()).expect(3);
    ended.says("the input names 2 tasks").prints("already there");
}

#[test]
fn the_tasks_of_a_retry_and_of_a_revert_are_written_as_well() {
    let rehearsal = Rehearsal::at_once(SandboxSettings {
        tasks: 9,
        settle: Duration::ZERO,
        ..SandboxSettings::default()
    });
    let scene = &rehearsal.scene;
    let ids = ["gate-failed", "dock-failed", "task-000001"].map(|id| ["--id", id]).concat();
    let start = ["start", "--skip-unchanged", "--on-unknown", "send"];
    scene.call(&[&start[..], &ids].concat()).expect(1);
    scene.call(&["retry", "-n", "-o", "plan.csv"]).expect(0);
    let plan = scene.read("plan.csv");
    assert_eq!(plan.lines().skip(1).count(), 2, "{plan}");
    let ended = scene.call(&["revert", "--json"]).expect(0);
    let plan: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(plan["tasks"][0]["id"], "task-000001");
    assert_eq!(plan["tasks"][0]["command"], "stop");
}
