//! What must not be sent: tasks that a file of `--exclude` names, and more tasks than
//! `--max-tasks` allows, whatever begins the run or takes it up.

use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use crate::support::service::Rehearsal;
use batchctl::sandbox::SandboxSettings;
use serde_json::{Value, json};
use std::time::Duration;

const TABLE: &str = "id,until,reason\n\
                     gate-2,,under repair\n\
                     gate-3,2000-01-01,over\n\
                     gate-4,2999-12-31,\n\
                     other,,\n";

/// Four tasks, two of which are excluded.
fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    scene.write("tasks.csv", "id,command\ngate-1,stop\ngate-2,stop\ngate-3,stop\ngate-4,stop\n");
    scene.write("except.csv", TABLE);
    scene
}

/// Returns the ids that were called, in order of their names.
fn called(server: &Server) -> Vec<String> {
    let mut ids: Vec<String> = server.requests().into_iter().map(|request| request.id).collect();
    ids.sort();
    ids
}

fn report(scene: &Scene) -> Value {
    let ended = scene.call(&["report", "--json"]);
    serde_json::from_str(&ended.stdout).unwrap()
}

#[test]
fn start_stop_and_run_leave_out_excluded_tasks_and_name_them() {
    for command in ["start", "stop", "run"] {
        let server = Server::obliging();
        let scene = scene(&server);
        let call = [command, "tasks.csv", "--exclude", "except.csv", "--rate", "none"];
        scene.call(&call).expect(0).prints("excluded            2   gate-2, gate-4");
        assert_eq!(called(&server), ["gate-1", "gate-3"], "{command}");
        let report = report(&scene);
        let excluded = json!([
            { "id": "gate-2", "reason": "under repair", "until": null, "file": "except.csv", "line": 2, "later": false },
            { "id": "gate-4", "reason": null, "until": "2999-12-31", "file": "except.csv", "line": 4, "later": false },
        ]);
        assert_eq!(report["input"]["excluded"], excluded);
        assert_eq!(report["input"]["excluded_count"], 2);
        assert_eq!(
            (&report["tasks"]["selected"], &report["input"]["rows"]),
            (&json!(2), &json!(4))
        );
    }
}

#[test]
fn a_dry_run_names_excluded_tasks_and_its_plan_does_not_have_them() {
    let server = Server::obliging();
    let scene = scene(&server);
    let call = ["stop", "tasks.csv", "--exclude", "except.csv", "-n"];
    let ended = scene.call(&[&call[..], &["-o", "plan.csv"]].concat()).expect(0);
    ended
        .prints("4 rows; left out: 2 excluded")
        .prints("  gate-2  except.csv:2: under repair")
        .prints("  gate-4  except.csv:4, until 2999-12-31");
    let plan =
        "id,command,state_before,why\ngate-1,stop,,will be called\ngate-3,stop,,will be called\n";
    assert_eq!(scene.read("plan.csv"), plan);
    let ended = scene.call(&[&call[..], &["--json"]].concat()).expect(0);
    let plan: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(plan["input"]["excluded"][0]["id"], "gate-2");
    assert_eq!(plan["input"]["excluded"][1]["until"], "2999-12-31");
    assert_eq!(
        (&plan["input"]["excluded_count"], &plan["input"]["beyond_limit"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(server.count(), 0);
}

#[test]
fn a_run_of_excluded_tasks_alone_has_nothing_to_do() {
    let server = Server::obliging();
    let scene = scene(&server);
    let call = ["stop", "--id", "gate-2", "--exclude", "except.csv"];
    scene.call(&call).expect(0).says("nothing is left to do: 1 task excluded");
    assert_eq!(server.count(), 0);
}

#[test]
fn a_file_that_cannot_be_used_stops_everything() {
    let server = Server::obliging();
    let scene = scene(&server);
    scene.write("bad.csv", "id,until\ngate-1,\ngate-2,soon\n");
    scene.write("broken.txt", "gate-1\n?\n");
    scene.write("empty.csv", "");
    scene.write("blank.txt", " \n\n");
    scene.write("heading.txt", "id\n");
    scene.write("comments.list", "# gate-1\n");
    for (file, says) in [
        ("missing.csv", "cannot read `missing.csv`"),
        (".", "it is a directory"),
        ("bad.csv", "bad.csv:3: `soon` is neither a date nor a time"),
        ("broken.txt", "broken.txt:2:1: "),
        ("empty.csv", "`empty.csv` is empty: it names no task to exclude"),
        ("blank.txt", "`blank.txt` is empty"),
        ("heading.txt", "`heading.txt` is empty"),
        ("comments.list", "`comments.list` is empty"),
    ] {
        let flags = ["tasks.csv", "--exclude", "except.csv", "--exclude", file];
        for command in ["start", "stop", "run"] {
            scene.call(&[&[command][..], &flags].concat()).expect(65).says(says);
            scene.call(&[&[command, "-n"][..], &flags].concat()).expect(65).says(says);
        }
    }
    assert_eq!((server.count(), scene.runs().len()), (0, 0));
}

#[test]
fn a_table_without_rows_excludes_nothing_and_is_said() {
    let server = Server::obliging();
    let scene = scene(&server);
    scene.write("except.csv", "id,until,reason\n");
    scene.write("more.csv", "ID\n");
    let call = ["stop", "tasks.csv", "--exclude", "except.csv", "--exclude", "more.csv"];
    let ended = scene.call(&[&call[..], &["--rate", "none"]].concat()).expect(0);
    ended
        .says("warning: `except.csv` excludes no task: it has a header and no rows")
        .says("warning: `more.csv` excludes no task");
    assert_eq!(server.count(), 4);
    // A table of something else is no list of tasks.
    scene.write("except.csv", "camera,until\n");
    scene.call(&call).expect(65).says("except.csv");
    assert_eq!(server.count(), 4);
}

#[test]
fn a_run_that_is_taken_up_replaces_no_file_of_excluded_tasks() {
    let server = Server::start(refusing);
    let scene = scene(&server);
    let flags = ["--exclude", "except.csv", "--rate", "1/h", "--max-duration", "1ms"];
    scene.call(&[&["stop", "tasks.csv"][..], &flags].concat()).expect(3);
    let before = server.count();
    for command in ["resume", "retry", "revert"] {
        let call = [command, "-o", "except.csv"];
        scene.call(&call).expect(2).says("`except.csv` is a file of excluded tasks");
        let call = [command, "--dump", "except.csv"];
        scene.call(&call).expect(2).says("`except.csv` is a file of excluded tasks");
        let call = [command, "--log-file", "except.csv"];
        scene.call(&call).expect(2).says("`except.csv` is a file of excluded tasks");
    }
    assert_eq!((scene.read("except.csv").as_str(), server.count()), (TABLE, before));
}

#[test]
fn a_profile_names_files_as_well() {
    let server = Server::obliging();
    let scene = scene(&server);
    scene.write("more.txt", "gate-1\n");
    scene.configure("[profile.night]\nexclude = ['except.csv', 'more.txt']\n");
    scene.call(&["stop", "tasks.csv", "--profile", "night", "--rate", "none"]).expect(0);
    assert_eq!(called(&server), ["gate-3"]);
}

#[test]
fn no_document_replaces_a_file_of_excluded_tasks() {
    let server = Server::obliging();
    let scene = scene(&server);
    let call = ["stop", "tasks.csv", "--exclude", "except.csv", "-o", "except.csv"];
    scene.call(&call).expect(2).says("a file of excluded tasks");
    assert_eq!(scene.read("except.csv"), TABLE);
}

#[test]
fn resume_reads_the_files_again_and_saves_what_is_not_sent_yet() {
    let server = Server::obliging();
    let scene = scene(&server);
    scene.write("except.csv", "id\ngate-4\n");
    let flags = ["--exclude", "except.csv", "--rate", "1/h", "--max-duration", "1ms"];
    scene.call(&[&["stop", "tasks.csv"][..], &flags].concat()).expect(3);
    let sent = called(&server);
    assert!(!sent.contains(&"gate-3".to_owned()), "{sent:?}");
    scene.write("except.csv", "id\ngate-3\n");
    std::fs::create_dir(scene.path("elsewhere")).unwrap();
    let mut resume = scene.command(&["resume", "--rate", "none", "--max-duration", "1h"]);
    let output = resume.current_dir(scene.path("elsewhere")).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.contains("excluded before they were sent"), "{stdout}");
    assert!(stdout.contains("then excluded       1   gate-3"), "{stdout}");
    assert!(!stdout.contains("batchctl retry"), "{stdout}");
    let explained = scene.call(&["explain", "gate-3"]).expect(0);
    assert!(explained.stdout.contains("excluded tasks named it before it was sent"));
    assert_eq!(called(&server), ["gate-1", "gate-2"]);
    let report = report(&scene);
    let tasks = json!({
        "selected": 3, "succeeded": 2, "partial": 0, "failed": 0, "ambiguous": 0,
        "unchanged": 0, "not_attempted": 1,
    });
    assert_eq!((&report["tasks"], &report["run"]["complete"]), (&tasks, &json!(true)));
    let input = &report["input"];
    assert_eq!((&input["excluded_count"], &input["excluded_later_count"]), (&json!(1), &json!(1)));
    let named = |at: usize| (&input["excluded"][at]["id"], &input["excluded"][at]["later"]);
    assert_eq!(
        (named(0), named(1)),
        ((&json!("gate-4"), &json!(false)), (&json!("gate-3"), &json!(true)))
    );
    // Its outcome is recorded, so nothing sends it any more.
    scene.write("except.csv", "id\n");
    scene.call(&["resume"]).expect(1).says("is finished");
    scene.call(&["resume", "-o", "csv:except.csv"]).expect(2).says("a file of excluded tasks");
    assert_eq!(scene.read("except.csv"), "id\n");
    assert_eq!(server.count(), 2);
}

#[test]
fn resume_without_a_file_of_the_run_sends_nothing() {
    let server = Server::obliging();
    let scene = scene(&server);
    let flags = ["--exclude", "except.csv", "--rate", "1/h", "--max-duration", "1ms"];
    scene.write("more.txt", "gate-7\ngate-8\n");
    scene.call(&[&["stop", "tasks.csv", "more.txt"][..], &flags].concat()).expect(3);
    let before = server.count();
    std::fs::remove_file(scene.path("except.csv")).unwrap();
    let resume = ["resume", "--rate", "none", "--max-duration", "1h"];
    scene.call(&resume).expect(65).says("except.csv");
    assert_eq!(server.count(), before);
    // Another file comes on top of those of the run.
    scene.write("except.csv", TABLE);
    scene.write("also.txt", "gate-8\n");
    scene.call(&[&resume[..], &["--exclude", "also.txt"]].concat()).expect(1);
    assert_eq!(called(&server), ["gate-1", "gate-3", "gate-7"]);
}

fn refusing(request: &Request) -> Reply {
    Reply::service(400, "VIAS.00010001", &request.id)
}

#[test]
fn retry_obeys_the_files_of_its_run_and_its_own() {
    let server = Server::start(refusing);
    let scene = scene(&server);
    scene.write("except.csv", "id\ngate-4\n");
    let flags = ["--exclude", "except.csv", "--rate", "none"];
    scene.call(&[&["stop", "tasks.csv"][..], &flags].concat()).expect(1);
    assert_eq!(called(&server), ["gate-1", "gate-2", "gate-3"]);
    scene.write("except.csv", "id\ngate-2\n");
    scene.write("more.txt", "gate-3\n");
    let retry = ["retry", "--exclude", "more.txt"];
    scene.call(&[&retry[..], &["-n"]].concat()).expect(0).prints("left out: 2 excluded");
    scene.call(&retry).expect(1);
    assert_eq!(called(&server), ["gate-1", "gate-1", "gate-2", "gate-3"]);
    let report = report(&scene);
    assert_eq!(report["input"]["excluded_count"], 2);
    assert_eq!(report["input"]["excluded"][1]["id"], "gate-3");
    std::fs::remove_file(scene.path("except.csv")).unwrap();
    scene.call(&["retry"]).expect(65).says("except.csv");
    assert_eq!(server.count(), 4);
}

#[test]
fn revert_obeys_excluded_tasks() {
    let rehearsal = Rehearsal::at_once(SandboxSettings {
        tasks: 9,
        settle: Duration::ZERO,
        ..SandboxSettings::default()
    });
    let scene = &rehearsal.scene;
    let ids = ["task-000001", "task-000002"].map(|id| ["--id", id]).concat();
    scene.call(&[&["start", "--skip-unchanged"][..], &ids].concat()).expect(0);
    scene.write("except.csv", "id,reason\ntask-000002,in use\n");
    let revert = ["revert", "--exclude", "except.csv"];
    let ended = scene.call(&[&revert[..], &["--json"]].concat()).expect(0);
    let plan: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(plan["input"]["excluded"][0]["id"], "task-000002");
    assert_eq!(plan["tasks"].as_array().unwrap().len(), 1);
    let ended = scene.call(&[&revert[..], &["-y"]].concat()).expect(0);
    ended.says("not called: excluded task-000002").says("in use");
    let report = report(scene);
    assert_eq!(
        (&report["tasks"]["selected"], &report["input"]["excluded_count"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn more_tasks_than_are_allowed_are_not_sent() {
    for command in ["start", "stop", "run"] {
        let server = Server::obliging();
        let scene = scene(&server);
        let call = [command, "tasks.csv", "--rate", "none", "--max-tasks", "3"];
        let says = "4 tasks are selected, and `--max-tasks` allows 3; nothing was sent";
        scene.call(&call).expect(65).says(says).says("give `--max-tasks 4`");
        scene.call(&[&call[..], &["-n"]].concat()).expect(65).says(says);
        scene.configure("max_tasks = 3\n");
        scene.call(&call[..4]).expect(65).says(says);
        assert_eq!((server.count(), scene.runs().len()), (0, 0));
        // Counted is what would be called.
        scene.call(&[&call[..4], &["--exclude", "except.csv"]].concat()).expect(0);
        assert_eq!(server.count(), 2);
    }
}

#[test]
fn retry_and_revert_send_no_more_tasks_than_are_allowed() {
    let server = Server::start(refusing);
    let scene = scene(&server);
    scene.call(&["stop", "tasks.csv", "--rate", "none"]).expect(1);
    let says = "4 tasks are selected, and `--max-tasks` allows 3; nothing was sent";
    scene.call(&["retry", "--max-tasks", "3"]).expect(65).says(says);
    scene.call(&["retry", "--max-tasks", "3", "-n"]).expect(65).says(says);
    assert_eq!(server.count(), 4);
    let settle = Duration::ZERO;
    let rehearsal =
        Rehearsal::at_once(SandboxSettings { tasks: 9, settle, ..SandboxSettings::default() });
    let ids = ["task-000001", "task-000002"].map(|id| ["--id", id]).concat();
    rehearsal.scene.call(&[&["start", "--skip-unchanged"][..], &ids].concat()).expect(0);
    let says = "2 tasks are selected";
    rehearsal.scene.call(&["revert", "--max-tasks", "1"]).expect(65).says(says);
    rehearsal.scene.call(&["revert", "--max-tasks", "1", "-y"]).expect(65).says(says);
    let runs = rehearsal.scene.call(&["runs", "list", "--json"]).expect(0).stdout;
    let runs: Value = serde_json::from_str(&runs).unwrap();
    assert_eq!(runs.as_array().map(Vec::len), Some(1));
}
