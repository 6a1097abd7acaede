//! `tasks`: the sub-tasks of batch tasks, whole or not at all.

use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use crate::support::service::Rehearsal;
use batchctl::sandbox::SandboxSettings;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const HEADING: &str = "id,name,state,batch_id,camera,algorithm,created\n";

/// A sandbox whose batch tasks have many sub-tasks, which change at once.
fn rehearsal(sub_tasks: std::ops::RangeInclusive<u16>) -> Rehearsal {
    let settle = Duration::ZERO;
    Rehearsal::at_once(SandboxSettings { tasks: 3, sub_tasks, settle, ..Default::default() })
}

fn ids(csv: &str) -> BTreeSet<String> {
    let listed: Vec<String> =
        csv.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect();
    let ids: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(ids.len(), listed.len(), "each is listed once");
    ids
}

fn partial_ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("gate{number}-partial")).collect()
}

/// Returns the sub-tasks that did not start, as the sandbox knows them.
fn failed_at(rehearsal: &Rehearsal, ids: &[String]) -> BTreeSet<String> {
    let witness = rehearsal.service.witness();
    ids.iter().flat_map(|id| witness.sub_tasks_in(id, "start_failed")).collect()
}

#[test]
fn the_failed_sub_tasks_of_a_run_are_exactly_those_of_the_service() {
    let rehearsal = rehearsal(3..=3_000);
    let partial = partial_ids(200);
    let input = rehearsal.input(&[&partial[..], &["gate".to_owned()]].concat());
    rehearsal.scene.call(&["start", input.to_str().unwrap()]).expect(1);
    let failed = failed_at(&rehearsal, &partial);
    let named = ["tasks", "--run", "latest", "--outcome", "partial,failed", "--state", "bad"];
    let csv = rehearsal.scene.call(&named).expect(0).stdout;
    assert!(csv.starts_with(HEADING), "{csv}");
    assert_eq!(ids(&csv), failed);
    let by_input = ["tasks", input.to_str().unwrap(), "--state", "START_FAILED"];
    assert_eq!(ids(&rehearsal.scene.call(&by_input).expect(0).stdout), failed);
}

#[test]
fn what_the_answer_of_a_call_said_spares_a_request() {
    let rehearsal = rehearsal(8..=8);
    rehearsal.scene.call(&["start", "--id", "gate-partial"]).expect(1);
    let pages = || rehearsal.service.witness().tally().sub_task_lists;
    rehearsal.scene.call(&["tasks", "--run", "latest"]).expect(0);
    assert_eq!(pages(), 1);
    // Without an answer only an empty page shows where the list ends.
    let ended = rehearsal.scene.call(&["tasks", "--id", "gate-partial"]).expect(0);
    assert_eq!((pages(), ids(&ended.stdout).len()), (3, 8));
}

#[test]
fn a_table_without_a_sub_task_says_why() {
    let rehearsal = rehearsal(8..=8);
    let (start, of_run) = (["start", "--id", "gate", "--id", "door"], ["tasks", "--run", "latest"]);
    rehearsal.scene.call(&start).expect(0);
    for (flags, why) in [
        (
            &[][..],
            "no batch task of the run is partial, failed or ambiguous; `--outcome succeeded` looks \
             into others\n",
        ),
        (&["--outcome", "failed,partial"], "no batch task of the run is failed or partial\n"),
        (
            &["--outcome", "succeeded", "--state", "bad,stopped"],
            "none of the 16 sub-tasks of 2 batch tasks is bad or stopped\n",
        ),
    ] {
        let ended = rehearsal.scene.call(&[&of_run[..], flags].concat()).expect(0);
        assert_eq!((&*ended.stdout, &*ended.stderr), (HEADING, why));
    }
    rehearsal.scene.write("none.csv", "id\n");
    let none = rehearsal.scene.call(&["tasks", "none.csv", "--if-empty", "ok"]).expect(0);
    assert_eq!(none.stderr, "there is no task in the input\n");
    let json = rehearsal.scene.call(&[&of_run[..], &["--json"]].concat()).expect(0);
    assert_eq!((&*json.stdout, &*json.stderr), ("[]\n", ""));
}

#[test]
fn details_say_why() {
    let rehearsal = rehearsal(4..=4);
    rehearsal.scene.call(&["start", "--id", "gate-failed"]).expect(1);
    let csv = rehearsal.scene.call(&["tasks", "--run", "latest", "--detail"]).expect(0).stdout;
    assert!(csv.starts_with(&HEADING.replace("created", "created,status,error_code,error_msg")));
    assert_eq!(csv.matches(",the video source is offline,VIAS.10010022,").count(), 4, "{csv}");
    assert_eq!(rehearsal.service.witness().tally().sub_task_details, 4);
    let json = rehearsal.scene.call(&["tasks", "--run", "latest", "--detail", "--json"]).expect(0);
    let rows: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(rows[3]["others"]["error"]["code"], "VIAS.10010022", "{rows:#}");
}

#[test]
fn batch_tasks_without_a_sub_task_are_told_of() {
    let rehearsal = rehearsal(1..=1);
    let ended = rehearsal.scene.call(&["tasks", "--id", "nobody"]).expect(0);
    assert_eq!(ended.stdout, HEADING);
    ended.says("1 batch task has no sub-task or does not exist, such as `nobody`");
}

#[test]
fn the_choice_is_checked_before_anything_is_asked() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.call(&["tasks"]).expect(2).says("there is no input");
    scene
        .call(&["tasks", "--run", "latest", "--id", "gate-1"])
        .expect(2)
        .says("contradict each other");
    scene.call(&["tasks", "--id", "gate-1", "--outcome", "failed"]).expect(2).says("--run");
    scene.call(&["tasks", "--id", "gate-1", "--state", "no such"]).expect(2).says("is not a state");
    scene.call(&["tasks", "--run", "latest"]).expect(2).says("no run");
    scene.write("tasks.csv", "id\n../x\n");
    scene.call(&["tasks", "tasks.csv"]).expect(65).says("tasks.csv:2");
    scene.write("tasks.csv", "id\n");
    scene.call(&["tasks", "tasks.csv"]).expect(65).says("--if-empty ok");
    assert_eq!(server.count(), 0);
}

fn number_of(request: &Request) -> u32 {
    let number = request.path.split("&page=").nth(1).unwrap();
    number.split('&').next().unwrap().parse().unwrap()
}

fn entries(ids: std::ops::Range<u32>) -> Vec<Value> {
    ids.map(|id| json!({ "id": format!("task-{id}"), "state": "RUNNING" })).collect()
}

/// Checks that nothing is printed of a list that may not be whole.
#[track_caller]
fn check_refused(page: impl Fn(u32) -> Value + Send + Sync + 'static, code: i32, words: &str) {
    let server =
        Server::start(move |request| Reply::answer(200, page(number_of(request)).to_string()));
    let call = ["tasks", "--id", "gate-1", "--rate", "none", "--max-attempts", "1"];
    let ended = Scene::with(&server).call(&call).expect(code).says(words);
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_list_that_may_not_be_whole_is_not_printed() {
    let counted = |tasks: Vec<Value>| json!({ "count": tasks.len(), "tasks": tasks });
    check_refused(move |_| counted(entries(0..1_000)), 1, "page 2 of the list came twice");
    let shifted = move |page| match page {
        1..=2 => counted(entries(page * 999..page * 999 + 1_000)),
        _ => counted(Vec::new()),
    };
    check_refused(shifted, 1, "the list became shorter while it was read");
    let short = |page| match page {
        1 => json!({ "count": 9, "tasks": entries(0..3) }),
        _ => json!({ "count": 9, "tasks": [] }),
    };
    check_refused(short, 1, "the list has 3 of the 9 tasks it says it has");
    // A page of fewer entries than it counts, where each page counts its own.
    let missing = |page| match page {
        1 => json!({ "count": 9, "tasks": entries(0..3) }),
        _ => json!({ "count": 0, "tasks": [] }),
    };
    check_refused(missing, 1, "the list became shorter while it was read");
    let nameless = |page| match page {
        1 => json!({ "count": 2, "tasks": [{}, { "id": "task-1" }] }),
        _ => json!({ "count": 0, "tasks": [] }),
    };
    check_refused(nameless, 1, "1 entries of the list have no id");
    check_refused(|_| json!({ "batch_task_list": [] }), 1, "no list of tasks is in");
}

#[test]
fn a_total_is_as_good_as_a_count_of_the_page() {
    let server = Server::start(|request| {
        let tasks = match number_of(request) {
            1 => entries(0..1_000),
            _ => entries(1_000..1_500),
        };
        Reply::answer(200, json!({ "count": 1_500, "tasks": tasks }).to_string())
    });
    let ended = Scene::with(&server).call(&["tasks", "--id", "gate-1"]).expect(0);
    assert_eq!((ids(&ended.stdout).len(), server.count()), (1_500, 2));
}

#[test]
fn refused_credentials_end_with_77() {
    let server = Server::start(|_| Reply::gateway(401, "APIGW.0301", "no"));
    let ended = Scene::with(&server).call(&["tasks", "--id", "gate-1"]).expect(77);
    ended.says("the sub-tasks of `gate-1`: the credentials were refused");
}

/// Writes what `tasks` names in trouble of the latest run.
fn name_bad(rehearsal: &Rehearsal) -> BTreeSet<String> {
    let bad = rehearsal.scene.call(&["tasks", "--run", "latest", "--state", "bad"]).expect(0);
    rehearsal.scene.write("cameras.csv", &bad.stdout);
    ids(&bad.stdout)
}

/// Returns 200 batch tasks of a list: the largest three, and others that are small, so that their
/// sub-tasks are called within seconds.
fn from_small_to_large(list: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(list.as_bytes());
    let rows = reader.records().map(Result::unwrap);
    let mut sizes: Vec<(u64, String)> =
        rows.map(|row| (row[2].parse().unwrap(), row[0].to_owned())).collect();
    sizes.sort();
    let large = sizes.split_off(sizes.len() - 3);
    assert!((sizes[0].0, large[2].0) == (3, 3_000), "{:?}, {large:?}", sizes[0]);
    sizes.truncate(197);
    sizes.into_iter().chain(large).map(|(_, id)| id).collect()
}

#[test]
fn failed_sub_tasks_are_started_by_themselves_and_nothing_else_is_touched() {
    let settle = Duration::ZERO;
    let rehearsal = Rehearsal::at_once(SandboxSettings {
        tasks: 20_000,
        running: 0.0,
        sub_tasks: 3..=3_000,
        partial: 1.0,
        settle,
        ..Default::default()
    });
    let list = rehearsal.scene.call(&["list"]).expect(0).stdout;
    let partial = from_small_to_large(&list);
    let input = rehearsal.input(&partial);
    rehearsal.scene.call(&["start", input.to_str().unwrap()]).expect(1);
    let failed = failed_at(&rehearsal, &partial);
    assert_eq!(name_bad(&rehearsal), failed);
    let before = rehearsal.service.witness().tally();
    let start = ["start", "--level", "task", "cameras.csv", "-o", "results.csv"];
    rehearsal.scene.call(&start).expect(0).prints("succeeded");
    let after = rehearsal.service.witness().tally();
    assert_eq!(after.actions, before.actions);
    assert_eq!(after.sub_tasks_carried_out, failed.len() as u64);
    assert_eq!(ids(&rehearsal.scene.read("results.csv")), failed);
    assert!(failed_at(&rehearsal, &partial).is_empty());
}

#[test]
fn a_run_of_sub_tasks_waits_for_them_and_leaves_alone_what_is_there() {
    let rehearsal = rehearsal(4..=4);
    rehearsal.scene.call(&["start", "--id", "gate-partial", "--id", "gate-failed"]).expect(1);
    let failed = name_bad(&rehearsal);
    let start = ["start", "--level", "task", "cameras.csv", "--wait", "--json"];
    let ended = rehearsal.scene.call(&start).expect(0);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["settings"]["level"], "task");
    assert_eq!(report["arrivals"]["verified"], failed.len());
    let again = ["start", "--level", "task", "cameras.csv", "--skip-unchanged", "--json"];
    let ended = rehearsal.scene.call(&again).expect(0);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["tasks"]["unchanged"], failed.len());
    rehearsal.scene.call(&["tasks", "--run", "latest"]).expect(2).says("acts on sub-tasks itself");
}

#[test]
fn any_object_accepts_a_sub_task_and_a_retry_calls_sub_tasks_again() {
    let server = Server::start(|request| match request.path.split('/').nth(4).unwrap() {
        "cam1" => Reply::answer(200, "{}"),
        "cam2" => Reply::answer(200, r#"{"id":"cam2","status_code":200,"status_msg":"OK"}"#),
        "cam3" => Reply::answer(200, r#"{"id":"cam1"}"#),
        "cam4" => Reply::answer(200, "<html>"),
        _ => Reply::service(400, "VIAS.00010007", "no such task"),
    });
    let scene = Scene::with(&server);
    scene.write("cameras.txt", "cam1\ncam2\ncam3\ncam4\ncam5\n");
    let stop = ["stop", "--level", "task", "cameras.txt", "--max-attempts", "1"];
    let preview = scene.call(&[&stop[..], &["-n"]].concat()).expect(0);
    preview.prints("5 sub-tasks would be called").prints("/tasks/{id}/action/{command}");
    scene.call(&[&stop[..], &["-o", "results.csv"]].concat()).expect(1);
    let outcomes = super::cells(&scene, &["id", "outcome"]);
    let expected =
        ["cam1 succeeded", "cam2 succeeded", "cam3 ambiguous", "cam4 ambiguous", "cam5 failed"];
    assert_eq!(outcomes, expected);
    scene.call(&["retry", "--max-attempts", "1"]).expect(1);
    let paths = server.requests().into_iter().map(|request| request.path);
    assert!(paths.clone().all(|path| path.contains("/tasks/cam")), "{:?}", server.requests());
    assert_eq!(paths.count(), 5 + 3);
}

#[test]
fn a_table_of_sub_tasks_is_noticed_where_batch_tasks_are_named_and_the_other_way_round() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let rows = "gate-1,cam,start_failed,gate-9,camera-1,motion,2024-07-05T12:00:00Z\n";
    scene.write("cameras.csv", format!("{HEADING}{rows}"));
    // As an editor or a run leaves it.
    scene.write("edited.csv", "camera;id;batch_id;state\ncamera-1;gate-1;gate-9;start_failed\n");
    scene.write("plan.csv", "id,command,state,batch_id,camera\ngate-1,stop,running,gate-9,c\n");
    scene.write("list.csv", "id,name,tasks,state,counters,created\ngate-1,g,1,bad,failed=1,\n");
    let named = "--level task";
    for call in [
        &["start", "cameras.csv"][..],
        &["stop", "edited.csv", "-n"],
        &["plan", "start", "cameras.csv"],
        &["run", "plan.csv"],
        &["tasks", "cameras.csv"],
        &["start", "list.csv", "--level", "task"],
        &["plan", "stop", "list.csv", "--level", "task"],
    ] {
        let ended = scene.call(call).expect(65);
        assert!(ended.stderr.contains(named), "{call:?}: {ended:?}");
    }
    assert_eq!(server.count(), 0);
    // Who types the column says what its ids are.
    scene.call(&["stop", "cameras.csv", "--id-column", "batch_id"]).expect(0);
    scene.call(&["stop", "cameras.csv", "--id-column", "id"]).expect(0);
    assert_eq!(server.ids(), ["gate-9", "gate-1"]);
    scene.call(&["stop", "cameras.csv", "--level", "task", "-n"]).expect(0);
    scene.call(&["stop", "list.csv", "-n"]).expect(0);
}
