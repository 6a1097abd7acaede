//! `--drill`: the sub-tasks behind tasks that did not succeed, kept with the run.

use crate::support::browser::Browser;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use crate::support::service::Rehearsal;
use batchctl::sandbox::SandboxSettings;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

fn rehearsal(sub_tasks: std::ops::RangeInclusive<u16>) -> Rehearsal {
    let settle = Duration::ZERO;
    Rehearsal::at_once(SandboxSettings { tasks: 3, sub_tasks, settle, ..Default::default() })
}

fn ids(count: usize, kind: &str) -> Vec<String> {
    (0..count).map(|number| format!("gate{number}-{kind}")).collect()
}

/// Returns the sub-tasks that did not start, as the sandbox knows them.
fn failed_at(rehearsal: &Rehearsal, ids: &[String]) -> BTreeSet<String> {
    let witness = rehearsal.service.witness();
    ids.iter().flat_map(|id| witness.sub_tasks_in(id, "start_failed")).collect()
}

fn named(drill: &Value) -> BTreeSet<String> {
    let tasks = drill["tasks"].as_array().unwrap().iter();
    let sub_tasks = tasks.flat_map(|task| task["sub_tasks"].as_array().unwrap());
    let listed: Vec<String> = sub_tasks.map(|it| it["id"].as_str().unwrap().to_owned()).collect();
    let ids: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(ids.len(), listed.len(), "each is named once");
    ids
}

fn drill(scene: &Scene) -> Value {
    let report: Value = serde_json::from_str(&scene.read("report.json")).unwrap();
    report["drill"].clone()
}

#[test]
fn a_drill_names_exactly_the_sub_tasks_that_failed_and_the_run_keeps_them() {
    let rehearsal = rehearsal(3..=9);
    let partial = [ids(20, "partial"), ids(2, "failed")].concat();
    let good = ids(10, "good");
    let input = rehearsal.input(&[&partial[..], &good[..]].concat());
    let input = input.to_str().unwrap();
    let documents = ["-o", "report.json", "-o", "report.md", "-o", "report.html"];
    let start = [&["start", input, "--drill"], &documents[..]].concat();
    let ended = rehearsal.scene.call(&start).expect(1);
    ended.prints("looked into        22").prints("gate0-partial").prints("VIAS.10010022");
    let failed = failed_at(&rehearsal, &partial);
    let drill = drill(&rehearsal.scene);
    assert_eq!(named(&drill), failed);
    assert_eq!((&drill["whole"], &drill["finished"]), (&json!(true), &json!(true)));
    // One list for each task, and one request for the error of each sub-task.
    let tally = rehearsal.service.witness().tally();
    assert_eq!((tally.sub_task_lists, tally.sub_task_details), (22, failed.len() as u64));
    let first = failed.first().unwrap();
    assert!(rehearsal.scene.read("report.md").contains("VIAS.10010022"));
    assert!(rehearsal.scene.read("report.html").contains(first));
    // Nothing is asked again, and no byte differs.
    for document in ["report.json", "report.md", "report.html"] {
        let before = rehearsal.scene.read(document);
        rehearsal.scene.call(&["report", "-o", document]);
        assert_eq!(rehearsal.scene.read(document), before);
    }
    assert_eq!(rehearsal.service.witness().tally().sub_task_lists, 22);
}

#[test]
fn groups_of_failures_show_the_errors_of_their_sub_tasks() {
    let rehearsal = rehearsal(4..=4);
    let start = ["start", "--id", "gate1-failed", "--id", "gate2-refused", "--drill", "--json"];
    let ended = rehearsal.scene.call(&start).expect(1);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let errors = |group: usize| report["failures"][group]["sub_task_errors"][0].clone();
    assert_eq!(
        (&errors(0)["error_code"], &errors(0)["count"]),
        (&json!("VIAS.10010022"), &json!(4))
    );
    assert_eq!((&errors(1)["error_msg"], &errors(1)["count"]), (&json!("stopped"), &json!(4)));
}

#[test]
fn a_stop_names_what_still_runs() {
    let rehearsal = rehearsal(4..=4);
    rehearsal.scene.call(&["start", "--id", "gate1-partial"]).expect(1);
    let stop = ["stop", "--id", "gate1-partial", "--drill", "-o", "report.json"];
    rehearsal.scene.call(&stop).expect(1);
    let drill = drill(&rehearsal.scene);
    let not_down = |it: &Value| it["state"] != "stopped";
    assert!(drill["tasks"][0]["sub_tasks"].as_array().unwrap().iter().all(not_down), "{drill:#}");
    assert!(drill["named"].as_u64().unwrap() > 0, "{drill:#}");
}

#[test]
fn a_drill_beyond_its_limit_is_not_shown_as_whole() {
    let rehearsal = rehearsal(6..=6);
    let input = rehearsal.input(&ids(4, "failed"));
    let start =
        ["start", input.to_str().unwrap(), "--drill", "--drill-limit", "8", "-o", "report.json"];
    let ended = rehearsal.scene.call(&start).expect(1);
    ended.prints("4 of them not named; 2 tasks left out: `--drill-limit 8`");
    let drill = drill(&rehearsal.scene);
    let counts = [&drill["named"], &drill["not_there"], &drill["left"], &drill["limit"]];
    assert_eq!(counts, [8, 12, 2, 8]);
    assert_eq!((&drill["whole"], &drill["finished"]), (&json!(false), &json!(true)));
    assert_eq!(drill["tasks"][0]["whole"], true);
    assert_eq!(drill["tasks"][1]["whole"], false);
}

/// A service whose batch tasks fail in part, and whose lists of sub-tasks a script writes.
fn listing(list: impl Fn(&str, u32) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |request| match request.path.split_once("/tasks?batch_id=") {
        Some((_, rest)) => {
            let (id, rest) = rest.split_once('&').unwrap();
            let page = rest.split("&page=").nth(1).unwrap().parse().unwrap();
            list(id, page)
        }
        None if request.path.contains("/tasks/") => detail(request),
        None => Reply::counted(&request.id, 3, 2, 1),
    })
}

fn detail(request: &Request) -> Reply {
    let id = request.path.rsplit('/').next().unwrap();
    let error = json!({ "code": "VIAS.1", "message": "no light" });
    Reply::answer(200, json!({ "id": id, "state": "START_FAILED", "error": error }).to_string())
}

fn page(states: &[&str]) -> Reply {
    let task = |(number, state)| json!({ "id": format!("cam{number}"), "state": state });
    let tasks: Vec<Value> = states.iter().enumerate().map(task).collect();
    Reply::answer(200, json!({ "count": tasks.len(), "tasks": tasks }).to_string())
}

#[test]
fn a_list_that_may_not_be_whole_is_not_shown() {
    let server = listing(|id, page_number| match (id, page_number) {
        ("gate-1", 1) => {
            let tasks = [json!({ "id": "cam1", "state": "START_FAILED" })];
            Reply::answer(200, json!({ "count": 3, "tasks": tasks }).to_string())
        }
        ("gate-1", _) => Reply::answer(200, json!({ "count": 3, "tasks": [] }).to_string()),
        _ => page(&["START_FAILED", "STARTING", "RUNNING"]),
    });
    let scene = Scene::with(&server);
    let start = ["start", "--id", "gate-1", "--id", "gate-2", "--drill", "-o", "report.json"];
    let ended = scene.call(&start).expect(1).prints("1 list could not be read");
    ended.prints("gate-1  not known: the list has 1 of the 3 tasks it says it has");
    let drill = drill(&scene);
    assert_eq!(drill["tasks"][0]["sub_tasks"], json!([]), "{drill:#}");
    assert_eq!(drill["tasks"][0]["listed"], 0);
    // A sub-task on its way is not in trouble.
    assert_eq!(
        (&drill["tasks"][1]["listed"], &drill["tasks"][1]["not_there"]),
        (&json!(3), &json!(1))
    );
    assert_eq!((&drill["whole"], &drill["unread"]), (&json!(false), &json!(1)));
}

#[test]
fn a_service_that_answers_no_list_is_not_asked_for_all_of_them() {
    let server = listing(|_, _| Reply::service(500, "VIAS.00010006", "no"));
    let scene = Scene::with(&server);
    let ids: Vec<String> = (0..9).map(|number| format!("gate-{number}")).collect();
    scene.write("tasks.txt", ids.join("\n"));
    let start = ["start", "tasks.txt", "--drill", "-o", "report.json", "--max-attempts", "1"];
    scene.call(&start).expect(1).prints("6 tasks left out: the list cannot be read");
    let drill = drill(&scene);
    assert_eq!((&drill["unread"], &drill["left"]), (&json!(3), &json!(6)), "{drill:#}");
}

/// Two tasks, of which the list of the second is answered once and for all at its second request.
fn slow_second() -> Server {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    listing(move |id, _| match id {
        "gate-2" if asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 => {
            Reply::silence()
        }
        _ => page(&["START_FAILED", "RUNNING", "RUNNING"]),
    })
}

/// Starts a drill and returns when it waits for its second list.
fn begun(server: &Server) -> (Scene, crate::support::program::Running) {
    let scene = Scene::with(server);
    let running = scene.start(&["start", "--id", "gate-1", "--id", "gate-2", "--drill"]);
    // Two calls, a list of one and its detail, and the second list.
    server.wait_for(5);
    (scene, running)
}

/// Goes on with the latest run, and makes sure that only the second task is looked into.
fn check_goes_on(server: &Server, scene: &Scene, before: &str) {
    let report = scene.call(&["report", "--json"]);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(report["stopped"]["reason"], before);
    assert_eq!(
        (&report["drill"]["finished"], &report["drill"]["whole"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(report["drill"]["tasks"].as_array().unwrap().len(), 1);
    let asked = server.count();
    scene.call(&["resume", "-o", "report.json"]).expect(1);
    let paths: Vec<String> =
        server.requests().into_iter().skip(asked).map(|request| request.path).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
    assert!(paths[0].contains("batch_id=gate-2"), "{paths:?}");
    let drill = drill(scene);
    assert_eq!((&drill["whole"], &drill["named"]), (&json!(true), &json!(2)), "{drill:#}");
    scene.call(&["resume"]).expect(1);
    assert_eq!(server.count(), asked + 2);
}

#[test]
fn a_drill_that_was_killed_goes_on_with_the_rest() {
    let server = slow_second();
    let (scene, running) = begun(&server);
    running.kill();
    check_goes_on(&server, &scene, "killed");
}

#[test]
fn a_drill_that_was_interrupted_goes_on_with_the_rest() {
    let server = slow_second();
    let (scene, running) = begun(&server);
    running.signal(rustix::process::Signal::INT);
    running.ended().expect(130).prints("not finished");
    check_goes_on(&server, &scene, "interrupted");
}

#[test]
fn a_drill_that_has_nothing_to_look_into_asks_for_nothing() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.call(&["start", "--id", "gate-1", "--drill", "--cron"]).expect(0);
    assert_eq!(server.count(), 1);
    let report: Value = serde_json::from_str(&scene.call(&["report", "--json"]).stdout).unwrap();
    assert_eq!((&report["drill"]["whole"], &report["drill"]["named"]), (&json!(true), &json!(0)));
}

#[test]
fn a_drill_is_refused_where_it_has_nothing_to_do() {
    let server = Server::start(|_| Reply::answer(200, "{}"));
    let mut scene = Scene::with(&server);
    let level = ["stop", "--level", "task", "--id", "cam1"];
    scene.call(&[&level[..], &["--drill"]].concat()).expect(2).says("acts on sub-tasks themselves");
    scene.call(&["stop", "--id", "gate-1", "--drill-limit", "5"]).expect(2).says("add `--drill`");
    for limit in ["0", "10001", "some"] {
        scene.call(&["stop", "--id", "gate-1", "--drill", "--drill-limit", limit]).expect(2);
    }
    assert_eq!(server.count(), 0);
    // A variable asks for a drill of every run that can have one.
    scene.set("BATCHCTL_DRILL", "true");
    scene.call(&level).expect(0);
}

#[test]
fn a_row_of_the_page_unfolds_to_its_sub_tasks() {
    let Some(browser) = Browser::find() else { return };
    let server = listing(|_, _| page(&["START_FAILED", "RUNNING", "ABNORMAL"]));
    let scene = Scene::with(&server);
    scene.call(&["start", "--id", "gate-1", "--drill", "-o", "page.html"]).expect(1);
    let document = browser.document(&scene.path("page.html"), "task=gate-1");
    let dialog = document.split("<dialog").nth(1).unwrap();
    for text in ["Sub-tasks: 2 of 3 not there", ">cam0</td>", ">cam2</td>", "VIAS.1: no light"] {
        assert!(dialog.contains(text), "{text} is not in {dialog}");
    }
    let found = browser.document(&scene.path("page.html"), "q=cam2");
    assert!(found.contains(">1 task</output>"), "a camera is not found");
}
