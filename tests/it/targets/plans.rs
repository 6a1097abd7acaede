//! Plans of several targets, and runs that follow one: each task stays with its target.

use super::{START, TwoProjects, sandbox, target};
use crate::support::documents::{column, report, results};
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use batchctl::sandbox::generated_id;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};

/// Returns the targets that the tasks of a plan are of.
fn targets_of(plan: &Value) -> Vec<&str> {
    let tasks = plan["tasks"].as_array().unwrap();
    tasks.iter().map(|task| task["target"].as_str().unwrap()).collect()
}

#[test]
fn the_plan_of_a_dry_run_names_the_target_of_each_task_and_is_an_input() {
    let two = TwoProjects::with(Server::obliging());
    let plan = report(&two.call(&["-n", "--json", "-o", "plan.csv"]).expect(0).stdout);
    assert_eq!(targets_of(&plan), [["north"; 6].as_slice(), &["south"; 4]].concat());
    assert_eq!(plan["input"]["selected"], 10);
    assert_eq!(target(&plan, "south")["input"]["selected"], 4);
    assert_eq!(plan["target"]["project_id"], "north, south");
    let rows = two.scene.read("plan.csv");
    assert!(rows.starts_with("id,command,state_before,why,target\n"), "{rows}");
    let again = ["run", "plan.csv", "--target-column", "target", "--rate", "none", "-q"];
    two.scene.call(&[&again[..], &["-o", "results.csv"]].concat()).expect(0);
    let results = results(&two.scene.read("results.csv"));
    assert_eq!(column(&results, "target"), targets_of(&plan));
    assert_eq!(two.server.count(), 10);
}

#[test]
fn a_retry_that_is_only_shown_names_the_targets() {
    let server = Server::start(|request| match &*request.id {
        "south-001" => Reply::service(400, "VIAS.00010005", "no stream"),
        id => Reply::trusted(id, 0, 1),
    });
    let two = TwoProjects::with(server);
    two.call(&["--rate", "none", "-q", "--max-failures", "100%"]).expect(1);
    let plan = report(&two.scene.call(&["retry", "-n", "--json"]).expect(0).stdout);
    assert_eq!(targets_of(&plan), ["south"]);
    assert_eq!(two.server.count(), 10);
}

#[test]
fn a_plan_is_applied_to_each_of_its_targets() {
    let two = TwoProjects::with(Server::obliging());
    let plan = ["plan", "start", "tasks.csv", "--target-column", "site", "--rate", "none"];
    let stored = two.scene.call(&plan).expect(0).says("`batchctl apply ");
    stored
        .prints("target north\nstart: 6 batch tasks")
        .prints("target south\nstart: 4 batch tasks");
    assert_eq!(two.server.count(), 0);
    two.scene.call(&["resume"]).expect(2).says("is a plan that was not applied");
    let config = two.scene.read(".config/batchctl/config.toml");
    two.scene.configure(&config.replace("project_id = 'south'", "project_id = 'east'"));
    two.scene.call(&["apply"]).expect(65).says("target `south`: the project is `east`");
    assert_eq!(two.server.count(), 0);
    two.scene.configure(&config);
    let applied = report(&two.scene.call(&["apply", "--json"]).expect(0).stdout);
    assert_eq!(applied["tasks"]["succeeded"], 10);
    two.scene.call(&["apply"]).expect(65).says("a plan is applied once");
}

/// Two projects of five batch tasks with the same ids, all of them stopped.
fn five_each() -> (crate::support::program::Running, TwoProjects<()>) {
    let scene = Scene::new();
    let own = ["--own-project", "north", "--own-project", "south", "--tasks", "5"];
    let (sandbox, url) = sandbox(&scene, &[&["--settle", "0s"], &own[..]].concat());
    let two = TwoProjects::of(scene, &url);
    let ids: Vec<String> = (1..=5).map(|number| generated_id(number) + "\n").collect();
    two.scene.write("ids.txt", ids.concat());
    (sandbox, two)
}

const AT_BOTH: [&str; 6] = ["start", "ids.txt", "--targets", "north,south", "--rate", "none"];

#[test]
fn a_plan_is_not_applied_when_a_task_of_one_target_has_changed() {
    let (_sandbox, two) = five_each();
    two.scene.call(&[&["plan"], &AT_BOTH[..], &["--skip-unchanged"]].concat()).expect(0);
    let id = generated_id(2);
    let by_hand = ["start", "--id", &id, "--targets", "south", "--state-dir", "elsewhere"];
    two.scene.call(&by_hand).expect(0);
    let refused = two.scene.call(&["apply"]).expect(65);
    refused.says(&format!("south: changed: start {id}: was ")).says("1 task has changed");
    let applied = two.scene.call(&["apply", "--accept-drift", "--json"]).expect(0);
    let report = report(&applied.stdout);
    assert_eq!(target(&report, "north")["tasks"]["succeeded"], 5);
    assert_eq!(target(&report, "south")["tasks"]["unchanged"], 1);
}

#[test]
fn what_a_run_has_changed_is_taken_back_in_each_target() {
    let (_sandbox, two) = five_each();
    let (first, second) = (generated_id(1), generated_id(2));
    let started = ["start", "--id", &first, "--targets", "south", "-q"];
    two.scene.call(&started).expect(0);
    let run = [&AT_BOTH[..], &["--skip-unchanged", "--json"]].concat();
    let run = report(&two.scene.call(&run).expect(0).stdout);
    let id = run["run"]["id"].as_str().unwrap();
    let touched = ["stop", "--id", &second, "--targets", "north", "-q"];
    two.scene.call(&touched).expect(0);
    let plan = report(&two.scene.call(&["revert", id, "--json"]).expect(0).stdout);
    assert_eq!(targets_of(&plan), [["north"; 4], ["south"; 4]].concat());
    let reverted = two.scene.call(&["revert", id, "-y", "--json"]).expect(0);
    let reverted = report(&reverted.says(&format!("north: not called: {second} is ")).stdout);
    assert_eq!(reverted["run"]["command"], "stop");
    for name in ["north", "south"] {
        assert_eq!(target(&reverted, name)["tasks"]["succeeded"], 4);
    }
}

#[test]
fn the_sub_tasks_of_failed_tasks_are_listed_for_each_target() {
    let (_sandbox, two) = five_each();
    two.scene.write("tasks.csv", "id,site\na-partial,north\nb-partial,south\ngood-one,south\n");
    two.call(&["--rate", "none", "-q", "--max-failures", "100%"]).expect(1);
    let listed = two.scene.call(&["tasks", "--run", "latest", "--state", "bad"]).expect(0);
    let rows = results(&listed.stdout);
    let failed: Vec<_> =
        column(&rows, "batch_id").into_iter().zip(column(&rows, "target")).collect();
    assert!(failed.contains(&("a-partial", "north")), "{failed:?}");
    assert!(failed.contains(&("b-partial", "south")), "{failed:?}");
    assert!(!failed.iter().any(|(id, _)| *id == "good-one"), "{failed:?}");
    // What was listed is an input again, and heals exactly these.
    two.scene.write("cameras.csv", &listed.stdout);
    let heal = ["start", "--level", "task", "cameras.csv", "--target-column", "target", "--json"];
    let healed = report(&two.scene.call(&heal).expect(0).stdout);
    assert_eq!(healed["tasks"]["succeeded"], rows.len());
    let again = two.scene.call(&["tasks", "--run", "latest"]);
    again.expect(2).says("acts on sub-tasks itself");
}

#[test]
fn what_a_run_of_targets_has_done_is_left_out_target_by_target() {
    let server = Server::start(|request| match (&*request.path, request.attempt) {
        (path, _) if path.contains("/south/") && request.id == "gate-2" => {
            Reply::service(400, "VIAS.00010005", "no stream")
        }
        _ => Reply::trusted(&request.id, 0, 1),
    });
    let two = TwoProjects::with(server);
    two.scene.write("ids.txt", "gate-1\ngate-2\n");
    let flags = ["--max-failures", "100%", "-q"];
    two.scene.call(&[&AT_BOTH[..], &flags].concat()).expect(1);
    let plan = [&AT_BOTH[..], &["--after", "latest", "-n", "--json"]].concat();
    let plan = report(&two.scene.call(&plan).expect(0).stdout);
    assert_eq!(targets_of(&plan), ["south"]);
    assert_eq!(plan["tasks"][0]["id"], "gate-2");
    // A run of one project follows the target that calls the same project.
    let url = two.server.url();
    let one = ["start", "ids.txt", "--endpoint", &url, "--after", "latest", "-n", "--json"];
    for (project, left) in [("south", 1), ("north", 0), ("another", 2)] {
        let call = [&one[..], &["--project-id", project, "--if-empty", "ok"]].concat();
        let plan = report(&two.scene.call(&call).expect(0).stdout);
        assert_eq!(plan["input"]["selected"], left, "{project}");
    }
}

#[test]
fn runs_of_targets_are_compared_target_by_target() {
    let is_mended = AtomicBool::new(false);
    let server = Server::start(move |request| {
        let is_one = request.path.contains("/south/") && request.id == "gate-1";
        match &*request.id {
            _ if is_one && !is_mended.swap(true, Ordering::SeqCst) => {
                Reply::service(400, "VIAS.00010005", "no stream")
            }
            id => Reply::trusted(id, 0, 1),
        }
    });
    let two = TwoProjects::with(server);
    two.scene.write("ids.txt", "gate-1\ngate-2\n");
    let flags = ["--max-failures", "100%", "--json"];
    let call = [&AT_BOTH[..], &flags].concat();
    let first = report(&two.scene.call(&call).expect(1).stdout);
    two.scene.call(&call).expect(0);
    let first = first["run"]["id"].as_str().unwrap();
    let diff = ["report", "diff", first, "latest", "-o", "diff.csv"];
    two.scene.call(&diff).expect(0).prints("gate-1  start  south  failed → succeeded");
    let csv = two.scene.read("diff.csv");
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(csv.lines().next().unwrap().ends_with(",target"), "{csv}");
    assert!(csv.lines().last().unwrap().ends_with(",south"), "{csv}");
}

#[test]
fn the_configuration_shows_what_each_target_sets() {
    let two = TwoProjects::with(Server::obliging());
    let shown = two.scene.call(&["config", "show"]).expect(0);
    let shown = shown.prints("[target.north]\n").prints("project_id = \"south\"");
    // What it prints is a config file again.
    two.scene.configure(&shown.stdout);
    two.call(&["-n"]).expect(0).prints("target south");
    let json = report(&two.scene.call(&["config", "show", "--json"]).expect(0).stdout);
    assert_eq!(json["targets"]["south"]["token_file"]["value"], "token-south");
    assert_eq!(two.scene.call(&START).expect(0).code, Some(0));
}
