//! A plan that is stored is carried out exactly, or not at all.

use super::terminal::Session;
use crate::support::program::Scene;
use crate::support::server::Server;
use crate::support::service::Rehearsal;
use batchctl::sandbox::SandboxSettings;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const TABLE: &str = "id,command,site\n\
                     gate-1,stop,eu\n\
                     gate-2,stop,us\n\
                     gate-3,stop,eu\n";

fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    scene.write("tasks.csv", TABLE);
    scene
}

/// Plans and returns the id of the plan.
fn plan(scene: &Scene, call: &[&str]) -> String {
    let ended = scene.call(&[&["plan"][..], call, &["--json"]].concat()).expect(0);
    let plan: Value = serde_json::from_str(&ended.stdout).unwrap();
    plan["run"].as_str().expect("the plan is stored").to_owned()
}

fn report(scene: &Scene) -> Value {
    serde_json::from_str(&scene.call(&["report", "--json"]).stdout).unwrap()
}

#[test]
fn a_plan_is_stored_and_applied_whatever_becomes_of_its_input() {
    for command in ["start", "stop", "run"] {
        let server = Server::obliging();
        let scene = scene(&server);
        let call = ["plan", command, "tasks.csv", "--rate", "none", "--where", "site=eu"];
        let ended = scene.call(&[&call[..], &["-o", "plan.csv"]].concat()).expect(0);
        ended.prints("2 batch tasks would be called; nothing was sent").says("stored as plan ");
        assert!(scene.read("plan.csv").contains("gate-3"));
        assert_eq!((server.count(), scene.runs().len()), (0, 1), "{command}");
        let run = scene.runs()[0].trim_end_matches(".sqlite").to_owned();
        let run = run.split('.').next().unwrap();
        scene.write("tasks.csv", "broken");
        let ended = scene.call(&["apply", run, "-o", "results.csv"]).expect(0);
        ended.prints("succeeded           2");
        let mut called: Vec<String> =
            server.requests().into_iter().map(|request| request.id).collect();
        called.sort();
        assert_eq!(called, ["gate-1", "gate-3"], "{command}");
        assert_eq!(scene.read("results.csv").lines().count(), 3);
        let report = report(&scene);
        assert_eq!(
            (&report["run"]["command"], &report["run"]["complete"]),
            (&json!(command), &json!(true))
        );
        scene.call(&["apply", run]).expect(65).says("was begun already; a plan is applied once");
        assert_eq!(server.count(), 2);
    }
}

#[test]
fn a_plan_that_was_not_applied_is_shown_as_one_and_is_not_resumed() {
    let server = Server::obliging();
    let scene = scene(&server);
    let run = plan(&scene, &["stop", "tasks.csv"]);
    scene.call(&["runs", "list"]).expect(0).prints("planned").prints("3 open");
    let apply = format!("batchctl apply {run}");
    scene.call(&["runs", "show"]).expect(0).prints("(planned)").prints(&apply);
    let ended = scene.call(&["report"]);
    assert!(ended.stdout.contains(&apply), "{}", ended.stdout);
    ended.expect(0).prints("Planned: it is a plan that was not applied; nothing was sent");
    let report = report(&scene);
    assert_eq!((&report["exit"], &report["stopped"]["reason"]), (&Value::Null, &json!("planned")));
    for verb in ["resume", "retry", "revert", "wait", "settle"] {
        let ended = scene.call(&[verb]).expect(2);
        ended.says("is a plan that was not applied; nothing of it was sent").says(&apply);
    }
    scene.call(&["runs", "prune", "--keep", "0"]).expect(0).prints("0 runs removed");
    scene.call(&["runs", "remove", &run]).expect(0).prints(&run);
    assert_eq!((server.count(), scene.runs().len()), (0, 0));
}

#[test]
fn only_runs_that_cannot_be_resumed_are_removed_by_name() {
    let server = Server::obliging();
    let scene = scene(&server);
    scene.call(&["stop", "tasks.csv", "--rate", "1/h", "--max-duration", "1ms"]).expect(3);
    scene.call(&["runs", "remove", "latest"]).expect(2).says("can be resumed").says("--unfinished");
    scene.call(&["runs", "remove", "2"]).expect(2);
    scene.call(&["runs", "remove", "latest", "20000101"]).expect(2);
    assert!(!scene.runs().is_empty());
    scene.call(&["runs", "remove", "latest", "--unfinished"]).expect(0);
    assert_eq!(scene.runs(), Vec::<String>::new());
}

#[test]
fn the_flags_of_the_launch_are_stored_and_not_taken_by_apply() {
    let server = Server::obliging();
    let scene = scene(&server);
    let flags = ["--rate", "500/s", "--max-failures", "7", "--reason", "works", "--timeout", "9s"];
    plan(&scene, &[&["stop", "tasks.csv"][..], &flags].concat());
    for flag in [
        &["--rate", "none"][..],
        &["--max-failures", "1"],
        &["--limit", "1"],
        &["--where", "site=eu"],
        &["--exclude", "x.csv"],
        &["--skip-unchanged"],
    ] {
        scene.call(&[&["apply"][..], flag].concat()).expect(2).says(flag[0]);
    }
    assert_eq!(server.count(), 0);
    scene.configure("rate = '1/h'\nmax_failures = '1'\n");
    scene.call(&["apply"]).expect(0);
    let report = report(&scene);
    let settings = &report["settings"];
    assert_eq!(
        (&settings["max_failures"], &report["run"]["reason"]),
        (&json!("7"), &json!("works"))
    );
    assert_eq!(report["pace"]["rate_limit"], 500.0);
}

#[test]
fn a_plan_for_another_place_is_not_applied() {
    let server = Server::obliging();
    let other = Server::obliging();
    let mut scene = scene(&server);
    plan(&scene, &["stop", "tasks.csv"]);
    let ended = scene.call(&["apply", "--project-id", "other"]).expect(65);
    ended.says("the project is `other`, and the plan is for `project-1`; nothing was sent");
    scene.call(&["apply", "--endpoint", &other.url()]).expect(65).says("the endpoint is `");
    scene.set("BATCHCTL_ENDPOINT", &other.url());
    scene.call(&["apply"]).expect(65).says("the endpoint is `");
    assert_eq!((server.count(), other.count()), (0, 0));
    scene.set("BATCHCTL_ENDPOINT", &server.url());
    scene.call(&["apply"]).expect(0);
    assert_eq!(server.count(), 3);
}

#[test]
fn an_old_plan_and_a_run_that_is_none_are_not_applied() {
    let server = Server::obliging();
    let scene = scene(&server);
    plan(&scene, &["stop", "tasks.csv"]);
    scene.call(&["apply", "--max-age", "1ms"]).expect(65).says("ago, and `--max-age` allows ");
    assert_eq!(server.count(), 0);
    scene.call(&["stop", "tasks.csv", "--rate", "1/h", "--max-duration", "1ms"]).expect(3);
    let before = server.count();
    scene.call(&["apply"]).expect(65).says("was begun already").says("batchctl resume ");
    assert_eq!(server.count(), before);
}

#[test]
fn apply_reads_the_files_of_excluded_tasks_again() {
    let server = Server::obliging();
    let scene = scene(&server);
    scene.write("except.csv", "id\ngate-2\n");
    plan(&scene, &["stop", "tasks.csv", "--exclude", "except.csv", "--rate", "none"]);
    std::fs::remove_file(scene.path("except.csv")).unwrap();
    scene.call(&["apply"]).expect(65).says("except.csv");
    scene.write("except.csv", "id\ngate-2\ngate-3\n");
    scene.call(&["apply", "-o", "except.csv"]).expect(2).says("a file of excluded tasks");
    assert_eq!(server.count(), 0);
    scene.call(&["apply"]).expect(1).prints("then excluded       1   gate-3");
    assert_eq!((server.count(), server.requests()[0].id.as_str()), (1, "gate-1"));
}

#[test]
fn an_empty_or_broken_input_stores_no_plan() {
    let server = Server::obliging();
    let scene = scene(&server);
    scene.write("broken.csv", "id\n?\n");
    scene.call(&["plan", "stop", "broken.csv"]).expect(65);
    scene.call(&["plan", "stop", "tasks.csv", "--where", "site=asia"]).expect(65);
    scene.call(&["plan", "stop", "tasks.csv", "--max-tasks", "2"]).expect(65);
    scene.call(&["plan", "stop", "tasks.csv", "-n"]).expect(2).says("sends nothing");
    scene.call(&["plan", "stop", "tasks.csv", "--yes"]).expect(2).says("batchctl apply");
    scene.call(&["plan", "stop", "tasks.csv", "-o", "no/such/plan.csv"]);
    assert_eq!((server.count(), scene.runs().len()), (0, 0));
}

#[test]
fn a_plan_takes_its_input_from_a_stream() {
    let server = Server::obliging();
    let scene = scene(&server);
    scene.call_with_input(&["plan", "stop", "-", "--rate", "none"], b"gate-7\ngate-8\n").expect(0);
    scene.call(&["apply"]).expect(0);
    assert_eq!(server.count(), 2);
}

#[test]
fn an_applied_plan_that_is_cut_short_is_resumed_like_any_run() {
    let server = Server::obliging();
    let scene = scene(&server);
    plan(&scene, &["stop", "tasks.csv", "--rate", "1/h", "--max-duration", "1ms"]);
    scene.call(&["apply"]).expect(3);
    scene.call(&["apply"]).expect(65).says("batchctl resume ");
    scene.call(&["resume", "--rate", "none", "--max-duration", "1h"]).expect(0);
    assert_eq!(server.count(), 3);
}

#[test]
fn a_shard_is_planned_and_applied_as_one() {
    let server = Server::obliging();
    let scene = scene(&server);
    scene.write("tasks.txt", (0..40).map(|n| format!("gate-{n}\n")).collect::<String>());
    for shard in ["1/2", "2/2"] {
        let run = plan(&scene, &["stop", "tasks.txt", "--rate", "none", "--shard", shard]);
        scene.call(&["apply", &run]).expect(0);
    }
    let mut ids = server.ids();
    ids.sort();
    ids.dedup();
    assert_eq!((server.count(), ids.len()), (40, 40));
}

/// A service whose tasks change at once, and a plan to start two of its stopped tasks.
fn rehearsal_with_plan() -> Rehearsal {
    let rehearsal = Rehearsal::at_once(SandboxSettings {
        tasks: 9,
        settle: Duration::ZERO,
        ..SandboxSettings::default()
    });
    let ids = ["--id", "task-000001", "--id", "task-000002"];
    rehearsal.scene.call(&[&["stop", "--rate", "none"][..], &ids].concat()).expect(0);
    plan(&rehearsal.scene, &[&["start", "--skip-unchanged", "--rate", "none"][..], &ids].concat());
    rehearsal
}

#[test]
fn a_plan_whose_tasks_are_as_they_were_is_applied() {
    let rehearsal = rehearsal_with_plan();
    let before = rehearsal.service.log().len();
    rehearsal.scene.call(&["apply"]).expect(0).prints("succeeded           2");
    assert!(rehearsal.service.log().len() > before);
}

#[test]
fn drift_is_shown_and_has_to_be_accepted() {
    let rehearsal = rehearsal_with_plan();
    let scene = &rehearsal.scene;
    let plan = scene.call(&["runs", "path"]).stdout;
    let id = plan.trim().rsplit('/').next().unwrap().split('.').next().unwrap().to_owned();
    scene.call(&["start", "--id", "task-000001", "--rate", "none"]).expect(0);
    let ended = scene.call(&["apply", &id]).expect(65);
    ended
        .says("changed: start task-000001: was stopped, is running")
        .says("1 task has changed since the plan; nothing was sent")
        .says("--accept-drift");
    let ended = scene.call(&["apply", &id, "--accept-drift"]).expect(0);
    ended.prints("succeeded           1").prints("unchanged           1");
}

#[test]
fn what_a_plan_cannot_be_applied_for_is_answered_with_what_works_there() {
    let rehearsal = rehearsal_with_plan();
    let scene = &rehearsal.scene;
    let plan = scene.call(&["runs", "path"]).stdout;
    let id = plan.trim().rsplit('/').next().unwrap().split('.').next().unwrap().to_owned();
    let other = scene.call(&["apply", &id, "--confirm", "7"]).expect(2);
    other.says(&format!("hint: `batchctl report {id} -o csv:-` shows the tasks"));
    scene.call(&["delete", "--id", "task-000002", "--confirm", "1", "--wait"]).expect(0);
    let resume = format!("`batchctl resume {id} --on-unknown skip`");
    scene.call(&["apply", &id, "--accept-drift", "--yes"]).expect(65).says(&resume);
    scene.call(&["resume", &id, "--on-unknown", "skip", "--yes"]).expect(1);
}

#[test]
fn the_whole_plan_is_shown_with_its_reasons() {
    let rehearsal = rehearsal_with_plan();
    let ids = ["--id", "task-000001", "--id", "task-000003"];
    rehearsal.scene.call(&["start", "--id", "task-000003"]).expect(0);
    let call = ["stop", "--skip-unchanged", "-n", "-vv"];
    let ended = rehearsal.scene.call(&[&call[..], &ids].concat()).expect(0);
    ended
        .prints("  stop   task-000001  --id:1  already there, stopped")
        .prints("  stop   task-000003  --id:2  will change, running");
    let server = Server::obliging();
    let scene = scene(&server);
    let rows: String = (0..40).map(|n| format!("gate-{n}\n")).collect();
    scene.write("tasks.txt", rows);
    let ended = scene.call(&["stop", "tasks.txt", "-n", "-vv"]).expect(0);
    assert_eq!(ended.stdout.matches("  will be called").count(), 40);
}

/// Applies the plan of a rehearsal on a terminal after one of its tasks has changed.
fn apply_on_terminal(more: &[&str]) -> (Rehearsal, Session) {
    let rehearsal = rehearsal_with_plan();
    let scene = &rehearsal.scene;
    let file = scene.call(&["runs", "path"]).stdout;
    let id = file.trim().rsplit('/').next().unwrap().split('.').next().unwrap().to_owned();
    scene.call(&["start", "--id", "task-000001", "--rate", "none"]).expect(0);
    let session = Session::start(scene.command(&[&["apply", &id][..], more].concat()));
    (rehearsal, session)
}

#[test]
fn on_a_terminal_drift_is_asked_about() {
    let (rehearsal, mut session) = apply_on_terminal(&[]);
    let before = rehearsal.service.requests_by_id();
    session.wait_for("apply it to what is there now? [y/N]");
    session.type_in("n\n");
    let (code, shown) = session.ended();
    assert_eq!(code, Some(130), "{shown}");
    let calls = |counts: &BTreeMap<String, usize>| counts.get("task-000002").copied();
    assert_eq!(calls(&rehearsal.service.requests_by_id()), calls(&before));

    let (_rehearsal, mut session) = apply_on_terminal(&[]);
    session.wait_for("apply it to what is there now? [y/N]");
    session.type_in("y\n");
    session.wait_for("start 2 batch tasks with");
    session.type_in("y\n");
    let (code, shown) = session.ended();
    assert_eq!(code, Some(0), "{shown}");

    // `--yes` answers the question whether to begin, and not this one.
    let (_rehearsal, session) = apply_on_terminal(&["--yes"]);
    let (code, shown) = session.ended();
    assert_eq!(code, Some(65), "{shown}");
}
