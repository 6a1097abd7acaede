//! The states of tasks in several targets: each is read by its own client.

use super::{START, TwoProjects, sandbox, target};
use crate::support::documents::report;
use crate::support::program::{Running, Scene};
use batchctl::sandbox::generated_id;
use std::fs;

/// Two projects of ten batch tasks with the same ids, and a list of the first five of each.
fn ten_each(flags: &[&str]) -> (Running, TwoProjects<()>) {
    let scene = Scene::new();
    let own = ["--own-project", "north", "--own-project", "south", "--tasks", "10"];
    let flags = [&["--settle", "0s", "--access-log", "log"], &own[..], flags].concat();
    let (sandbox, url) = sandbox(&scene, &flags);
    let two = TwoProjects::of(scene, &url);
    let row = |number: u32| {
        let id = generated_id(number);
        format!("{id},north\n{id},south\n")
    };
    let rows: String = (1..=5).map(row).collect();
    two.scene.write("tasks.csv", format!("id,site\n{rows}"));
    (sandbox, two)
}

/// How many calls the sandbox was sent.
fn calls(two: &TwoProjects<()>) -> usize {
    let log = fs::read_to_string(two.scene.path("log")).unwrap();
    log.lines().filter(|line| line.contains("\tPUT\t") || line.contains("\tDELETE\t")).count()
}

#[test]
fn what_runs_already_is_left_alone_in_each_target() {
    let (_sandbox, two) = ten_each(&[]);
    let one = ["start", "--targets", "south", "--id"];
    two.scene.call(&[&one[..], &[&generated_id(1), "-q"]].concat()).expect(0);
    let ended = two.call(&["--skip-unchanged", "--wait", "--rate", "none", "--json"]).expect(0);
    let report = report(&ended.stdout);
    assert_eq!(target(&report, "north")["tasks"]["succeeded"], 5);
    assert_eq!(target(&report, "south")["tasks"]["succeeded"], 4);
    assert_eq!(target(&report, "south")["tasks"]["unchanged"], 1);
    assert_eq!(report["arrivals"]["verified"], 9, "{}", report["arrivals"]);
}

#[test]
fn an_unknown_task_in_one_target_keeps_the_run_from_all() {
    let (_sandbox, two) = ten_each(&[]);
    let rows = two.scene.read("tasks.csv");
    two.scene.write("tasks.csv", format!("{rows}nobody-knows-me,south\n"));
    let ended = two.call(&["--skip-unchanged", "--rate", "none"]).expect(65);
    ended.says("does not know 1 task of the input").says("nobody-knows-me");
    assert_eq!(calls(&two), 0);
    assert_eq!(two.scene.runs(), [""; 0]);
    let flags = ["--skip-unchanged", "--on-unknown", "skip", "--rate", "none", "--json"];
    let report = report(&two.call(&flags).expect(1).stdout);
    assert_eq!(report["tasks"]["succeeded"], 10);
}

#[test]
fn the_tasks_of_all_targets_are_waited_for_side_by_side() {
    let (_sandbox, two) = ten_each(&["--stuck", "0%"]);
    two.call(&["--rate", "none", "-q"]).expect(0);
    let waited = report(&two.scene.call(&["wait", "--json"]).expect(0).stdout);
    assert_eq!(waited["arrivals"]["verified"], 10, "{}", waited["arrivals"]);
    // All of them were seen, so that no credentials are needed any more.
    for name in ["token-north", "token-south"] {
        fs::remove_file(two.scene.path(name)).unwrap();
    }
    two.scene.call(&["wait"]).expect(0);
}

#[test]
fn a_drill_looks_into_the_tasks_of_each_target() {
    let (_sandbox, two) = ten_each(&["--sub-tasks", "3..9"]);
    two.scene.write("tasks.csv", "id,site\na-partial,north\nb-partial,south\nc-partial,south\n");
    let flags = ["--drill", "--rate", "none", "--max-failures", "100%", "-o", "report.json"];
    two.call(&flags).expect(1).prints("looked into         3");
    let report = report(&two.scene.read("report.json"));
    let tasks = report["drill"]["tasks"].as_array().unwrap();
    let ids: Vec<&str> = tasks.iter().map(|task| task["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a-partial", "b-partial", "c-partial"]);
    assert!(tasks.iter().all(|task| task["not_there"].as_u64().unwrap() > 0), "{tasks:?}");
}

#[test]
fn a_deletion_in_several_targets_is_confirmed_by_its_number() {
    let (_sandbox, two) = ten_each(&[]);
    let delete = ["delete", "tasks.csv", "--target-column", "site", "--rate", "none"];
    let call = |flags: &[&str]| two.scene.call(&[&delete[..], flags].concat());
    call(&[]).expect(2).says("`--confirm 10` says that it is meant");
    call(&["--confirm", "5"]).expect(2).says("10 tasks are selected");
    assert_eq!(calls(&two), 0);
    let deleted = report(&call(&["--confirm", "10", "--wait", "--json"]).expect(0).stdout);
    assert_eq!(deleted["tasks"]["succeeded"], 10);
    // What is gone is where the command leads.
    let again = ["--confirm", "10", "--skip-unchanged", "--json"];
    assert_eq!(report(&call(&again).expect(0).stdout)["tasks"]["unchanged"], 10);
    two.scene.call(&["wait"]).expect(0);
    assert_eq!(two.scene.call(&START).expect(1).code, Some(1));
}
