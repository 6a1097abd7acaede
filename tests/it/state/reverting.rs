//! `revert`: exactly what a run changed is taken back, and nothing that somebody has touched since.

use super::report;
use crate::support::service::Rehearsal;
use batchctl::sandbox::SandboxSettings;
use batchctl::task::Command;
use serde_json::Value;
use std::time::Duration;

/// A project of ten tasks of which some run, and a run that has started all of them.
fn started(flags: &[&str]) -> (Rehearsal, Value) {
    let rehearsal = Rehearsal::at_once(SandboxSettings {
        tasks: 10,
        running: 0.5,
        settle: Duration::ZERO,
        ..SandboxSettings::default()
    });
    let ids: Vec<String> = (1..=10).map(batchctl::sandbox::generated_id).collect();
    rehearsal.scene.write("tasks.txt", ids.join("\n"));
    let call = ["start", "tasks.txt", "--json", "--reason", "by mistake"];
    let report = report(&rehearsal.scene.call(&[&call, flags].concat()).expect(0));
    (rehearsal, report)
}

#[test]
fn exactly_what_was_changed_is_taken_back() {
    let (rehearsal, first) = started(&["--skip-unchanged"]);
    let changed = first["tasks"]["succeeded"].as_u64().unwrap();
    assert!((1..10).contains(&changed), "{changed}");
    let plan = rehearsal.scene.call(&["revert"]).expect(0);
    plan.prints("stop: ").prints("nothing was sent").says("-y` carries it out");
    assert_eq!(rehearsal.service.witness().tally().actions, changed);
    let second = report(&rehearsal.scene.call(&["revert", "-y", "--json"]).expect(0));
    assert_eq!(second["run"]["parent"], first["run"]["id"]);
    assert_eq!(second["run"]["command"], "stop");
    assert_eq!(second["tasks"]["selected"], changed);
    assert_eq!(second["tasks"]["succeeded"], changed);
    let id = first["run"]["id"].as_str().unwrap();
    // All of them have been touched since: by this.
    let again = rehearsal.scene.call(&["revert", id, "-y"]).expect(0);
    again.says("touched since").says("there is nothing to take back");
    assert_eq!(rehearsal.service.witness().tally().actions, 2 * changed);
    // Documents are written as in every other ending.
    rehearsal.scene.write("all.csv", "of yesterday");
    let documents = ["-o", "all.csv", "--json"];
    let call = [&["revert", id][..], &documents].concat();
    let preview = report(&rehearsal.scene.call(&call).expect(0));
    assert_eq!(preview["input"]["selected"], 0);
    assert_eq!(rehearsal.scene.read("all.csv"), "id,command,state_before,why\n");
    let empty = report(&rehearsal.scene.call(&[&call[..], &["-y"]].concat()).expect(0));
    assert_eq!((&empty["tasks"]["selected"], &empty["exit"]["code"]), (&0.into(), &0.into()));
    assert!(rehearsal.scene.read("all.csv").starts_with("id,command,outcome"));
    assert_eq!(rehearsal.scene.read("all.csv").lines().count(), 1);
    let call = ["retry", "latest", "-y", "-o", "all.json"];
    rehearsal.scene.call(&call).expect(0).says("nothing to retry");
    assert!(rehearsal.scene.read("all.json").contains("\"selected\": 0"));
    assert_eq!(rehearsal.service.witness().tally().actions, 2 * changed);
}

#[test]
fn what_somebody_has_touched_since_is_listed_and_not_called() {
    let (rehearsal, first) = started(&["--skip-unchanged", "-o", "results.csv"]);
    let rows = super::cells(&rehearsal.scene, &["outcome", "id"]);
    let touched = rows.iter().find_map(|row| row.strip_prefix("succeeded ")).unwrap();
    rehearsal.scene.call(&["stop", "--id", touched]).expect(0);
    let id = first["run"]["id"].as_str().unwrap();
    let ended = rehearsal.scene.call(&["revert", id, "-y"]).expect(0);
    ended.says(&format!("not called: {touched} is stopped, touched since"));
    assert_eq!(rehearsal.service.witness().carried_out(touched, Command::STOP), 1);
}

#[test]
fn a_run_that_did_not_look_cannot_be_taken_back() {
    let (rehearsal, _) = started(&[]);
    let ended = rehearsal.scene.call(&["revert", "-y"]).expect(0);
    ended.says("not called: 10 tasks were not at rest before, or the run did not look");
    assert_eq!(rehearsal.service.witness().tally().actions, 10);
}

#[test]
fn what_was_taken_back_is_done_no_more() {
    let (rehearsal, first) = started(&["--skip-unchanged"]);
    rehearsal.scene.call(&["revert", "-y"]).expect(0);
    let flags = ["start", "tasks.txt", "--after", "latest", "--json"];
    let again = report(&rehearsal.scene.call(&flags).expect(0));
    assert_eq!(again["tasks"]["selected"], first["tasks"]["succeeded"]);
}

#[test]
fn credentials_are_got_once_for_the_look_and_the_calls() {
    let (rehearsal, _) = started(&["--skip-unchanged"]);
    let mut scene = rehearsal.scene;
    scene.unset("BATCHCTL_TOKEN");
    scene.set("BATCHCTL_TOKEN_COMMAND", "echo asked >> asked; echo token");
    scene.call(&["revert", "-y"]).expect(0);
    assert_eq!(scene.read("asked"), "asked\n");
}

#[test]
fn a_document_that_cannot_be_written_is_told_before_anything_is_read() {
    let (rehearsal, _) = started(&["--skip-unchanged"]);
    let requests = rehearsal.service.requests();
    for flags in [["-o", "nowhere/results.csv"], ["--log-file", "nowhere/run.log"]] {
        let ended = rehearsal.scene.call(&[&["revert", "-y"][..], &flags].concat()).expect(74);
        ended.says("nowhere/");
    }
    assert_eq!(rehearsal.service.requests(), requests);
}
