//! `delete`: asked for by number, sent once, and looked for in the list when in doubt.

use super::{cells, report};
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use crate::support::service::Rehearsal;
use batchctl::sandbox::SandboxSettings;
use serde_json::json;
use std::time::Duration;

fn rehearsal() -> Rehearsal {
    let settle = Duration::ZERO;
    Rehearsal::at_once(SandboxSettings { tasks: 5, settle, ..Default::default() })
}

fn listed(scene: &Scene) -> usize {
    scene.call(&["list"]).expect(0).stdout.lines().count() - 1
}

#[test]
fn a_deletion_is_confirmed_by_its_number_and_sends_nothing_otherwise() {
    let rehearsal = rehearsal();
    let scene = &rehearsal.scene;
    let input = rehearsal.input(&["task-000001", "task-000002"]);
    let delete = ["delete", input.to_str().unwrap()];
    scene.call(&delete).expect(2).says("`--confirm 2` says that it is meant");
    scene.call(&[&delete[..], &["--yes"]].concat()).expect(2).says("`--confirm 2`");
    let wrong = [&delete[..], &["--confirm", "3"]].concat();
    scene.call(&wrong).expect(2).says("2 tasks are selected, and `--confirm` says 3");
    assert_eq!((rehearsal.service.requests(), rehearsal.runs().len()), (0, 0));
    let preview = scene.call(&[&delete[..], &["-n"]].concat()).expect(0);
    preview.prints("delete: 2 batch tasks would be called").prints("DELETE http");
    let right = [&delete[..], &["--confirm", "2", "-o", "results.csv"]].concat();
    scene.call(&right).expect(0).prints("succeeded           2");
    let outcomes = cells(scene, &["id", "command", "outcome"]);
    assert_eq!(outcomes, ["task-000001 delete succeeded", "task-000002 delete succeeded"]);
    assert_eq!(listed(scene), 3);
    // Without a doubt it is as the service says: they do not exist.
    scene.call(&right).expect(1).prints("VIAS.00010008");
}

#[test]
fn a_deletion_waits_until_its_task_is_gone_and_leaves_alone_what_is() {
    let rehearsal = rehearsal();
    let scene = &rehearsal.scene;
    let delete = ["delete", "--id", "task-000001", "--confirm", "1", "--json"];
    let waited = report(&scene.call(&[&delete[..], &["--wait"]].concat()).expect(0));
    assert_eq!(waited["arrivals"], json!({ "verified": 1, "unverified": 0 }));
    let before = rehearsal.service.witness().tally().carried_out;
    let again = report(&scene.call(&[&delete[..], &["--skip-unchanged"]].concat()).expect(0));
    assert_eq!(again["tasks"]["unchanged"], 1);
    assert_eq!(rehearsal.service.witness().tally().carried_out, before);
}

#[test]
fn the_deletion_of_a_batch_without_sub_tasks_is_waited_for_as_any_other() {
    let listed = json!({ "id": "gate-1", "num_task": 0, "batch_task_status_info": {} });
    let server = Server::start(move |request| match request.path.contains("/batch-tasks/") {
        true => Reply::counted(&request.id, 0, 0, 0),
        // It is in the list once more, and then gone.
        false => {
            let tasks = if request.attempt == 1 { vec![&listed] } else { Vec::new() };
            let page = json!({ "count": tasks.len(), "batch_task_list": tasks });
            Reply::answer(200, page.to_string())
        }
    });
    let scene = Scene::with(&server);
    let delete = ["delete", "--id", "gate-1", "--confirm", "1", "--wait", "--json"];
    let waited = report(&scene.call(&delete).expect(0));
    assert_eq!(waited["arrivals"], json!({ "verified": 1, "unverified": 0 }));
    assert_eq!(waited["empty"], 0);
    assert_eq!(server.count(), 3);
}

#[test]
fn a_stored_plan_and_a_row_delete_only_when_confirmed() {
    let rehearsal = rehearsal();
    let scene = &rehearsal.scene;
    scene.call(&["plan", "delete", "--id", "task-000001"]).expect(0).prints("DELETE http");
    scene.call(&["apply"]).expect(2).says("`--confirm 1`");
    scene.call(&["apply", "--confirm", "2"]).expect(2);
    assert_eq!(listed(scene), 5);
    scene.call(&["apply", "--confirm", "1"]).expect(0);
    assert_eq!(listed(scene), 4);
    scene.write("plan.csv", "id,command\ntask-000002,stop\ntask-000003,delete\n");
    scene.call(&["run", "plan.csv"]).expect(2).says("with deletions");
    scene.call(&["run", "plan.csv", "--confirm", "2"]).expect(0);
    assert_eq!(listed(scene), 3);
}

#[test]
fn nothing_that_was_deleted_is_made_again() {
    let rehearsal = rehearsal();
    let scene = &rehearsal.scene;
    scene.call(&["delete", "--id", "task-000001", "--confirm", "1"]).expect(0);
    scene.call(&["revert", "latest"]).expect(2).says("cannot be made again");
    let repeat = ["delete", "--id", "task-000002", "--confirm", "1", "--on-doubt", "retry"];
    scene.call(&repeat).expect(2).says("batchctl settle");
}

/// A service that carries deletions out and answers none of the first ones.
fn silent_at_first(request: &Request) -> Reply {
    match (request.path.contains("/batch-tasks/"), request.attempt) {
        (false, _) => Reply::answer(200, r#"{"count":0,"batch_task_list":[]}"#),
        (true, 1) => Reply::reset(),
        (true, _) => Reply::service(400, "VIAS.00010008", "no such task"),
    }
}

#[test]
fn a_deletion_in_doubt_is_not_repeated_and_what_is_gone_then_was_deleted() {
    let server = Server::start(silent_at_first);
    let scene = Scene::with(&server);
    let delete = ["delete", "--id", "gate-1", "--confirm", "1", "-o", "results.csv"];
    scene.call(&delete).expect(1);
    assert_eq!((server.count(), cells(&scene, &["outcome"])), (1, vec!["ambiguous".into()]));
    scene.call(&["retry", "-y"]).expect(2).says("`--confirm 1`");
    scene.call(&["retry", "--confirm", "1", "-o", "results.csv"]).expect(0);
    assert_eq!((server.count(), cells(&scene, &["outcome"])), (2, vec!["succeeded".into()]));
}

#[test]
fn a_look_at_the_list_settles_a_deletion_in_doubt() {
    let server = Server::start(silent_at_first);
    let scene = Scene::with(&server);
    scene.call(&["delete", "--id", "gate-1", "--confirm", "1"]).expect(1);
    scene.call(&["settle"]).expect(0);
    let settled = report(&scene.call(&["report", "--json"]).expect(0));
    assert_eq!(settled["tasks"]["succeeded"], 1);
}

#[test]
fn a_deletion_that_was_on_the_wire_when_its_run_was_killed_is_not_sent_again() {
    let server = Server::start(|_| Reply::silence());
    let scene = Scene::with(&server);
    let running = scene.start(&["delete", "--id", "gate-1", "--confirm", "1"]);
    server.wait_for(1);
    running.kill();
    scene.call(&["resume", "-o", "results.csv"]).expect(1);
    assert_eq!((server.count(), cells(&scene, &["outcome"])), (1, vec!["ambiguous".into()]));
}

#[test]
fn every_document_says_that_it_was_deleted() {
    let server = Server::start(|request| match (&*request.id, request.attempt) {
        ("gate-2", 1) => {
            Reply::gateway(429, "APIGW.0308", "slowly").with_header("retry-after", "0")
        }
        ("gate-8", _) => Reply::service(400, "VIAS.00010005", "it is in use"),
        (id, _) => Reply::counted(id, 2, 0, 2),
    });
    let scene = Scene::with(&server);
    let ids: String = (1..=9).map(|number| format!("gate-{number}\n")).collect();
    scene.write("tasks.txt", ids);
    let documents = ["r.md", "r.xml", "r.prom", "r.html", "events.ndjson"];
    let outputs: Vec<&str> = documents.iter().flat_map(|document| ["-o", document]).collect();
    let flags = ["--canary", "1", "--waves", "3,100%", "--confirm", "9", "--max-failures", "100%"];
    let delete = [&["delete", "tasks.txt"], &flags[..], &outputs].concat();
    scene.call(&delete).expect(1).prints("delete: 9 tasks").prints("flaky               1");
    assert!(server.requests().iter().all(|request| request.method == "DELETE"));
    let says = |document: &str, text: &str| {
        let content = scene.read(document);
        assert!(content.contains(text), "{document}: {content}");
    };
    says("r.md", "delete");
    says("r.xml", "classname=\"batchctl.delete\"");
    says("r.prom", "batchctl_last_run_flaky_tasks{job=\"\",command=\"delete\"} 1");
    says("r.html", "delete: 8 of 9 tasks succeeded");
    says("events.ndjson", "\"command\":\"delete\"");
    let flaky = scene.call(&["explain", "gate-2"]).expect(0);
    flaky.prints("delete gate-2 in run").prints("at attempt 2, so it is flaky");
    scene.call(&["explain", "gate-8"]).expect(0).prints("it is in use");
}
