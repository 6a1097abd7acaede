//! `explain`: what happened to one task, over all runs that are kept.

use crate::support::program::Scene;
use crate::support::program::TOKEN;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use serde_json::Value;
use std::fs;

/// A service whose answers depend on the id and on how often it was asked.
fn moody(request: &Request) -> Reply {
    let id = &*request.id;
    match (id, request.attempt) {
        ("flaky", 1) => Reply::answer(503, "busy"),
        ("throttled", 1) => {
            Reply::gateway(429, "APIGW.0308", "too many").with_header("retry-after", "1")
        }
        ("partial", _) => Reply::counted(id, 3, 1, 2),
        ("refused", _) => Reply::service(400, "VIAS.1", "no\u{1b}[31m, MIIF+secret/token=="),
        ("garbled", _) => Reply::answer(200, "nonsense"),
        ("empty", _) => Reply::trusted(id, 0, 0),
        _ => Reply::trusted(id, 0, 1),
    }
}

const INPUT: &str = "id\nplain\nflaky\nthrottled\npartial\nrefused\ngarbled\nempty\n";

fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    scene.write("tasks.csv", INPUT);
    let call = ["stop", "tasks.csv", "--rate", "none", "--max-attempts", "2", "--job", "nightly"];
    scene.call(&call).expect(1);
    scene
}

/// Returns the last line of an account.
fn end(scene: &Scene, id: &str) -> String {
    let said = scene.call(&["explain", id]).expect(0).stdout;
    said.trim_end().lines().last().unwrap().trim().to_owned()
}

#[test]
fn every_outcome_is_explained_in_words() {
    let server = Server::start(moody);
    let scene = scene(&server);
    for (id, expected) in [
        ("plain", "succeeded: at the first attempt"),
        ("flaky", "succeeded: at attempt 2, so it is flaky"),
        ("partial", "partial: it was carried out, and 1 of 3 sub-tasks failed"),
        ("refused", "failed: the service refused this call, so it was not sent again"),
        (
            "garbled",
            "ambiguous: sent 2 times, and nothing trustworthy came back: it may have been carried out",
        ),
        (
            "empty",
            "succeeded: at the first attempt; the service counted no sub-task in it, so it is empty",
        ),
    ] {
        assert_eq!(end(&scene, id), expected, "{id}");
    }
    let held = scene.call(&["explain", "throttled"]).expect(0);
    held.prints("429 after").prints("throttled: APIGW.0308: too many").prints("      waited 1");
    let refused = scene.call(&["explain", "refused"]).expect(0);
    let refused = refused.prints("      advice    the advice\n").prints("no\\u{1b}[31m, ");
    assert!(!refused.stdout.contains('\u{1b}') && !refused.stdout.contains(TOKEN));
}

#[test]
fn the_newest_run_is_last_and_runs_are_chosen() {
    let server = Server::start(moody);
    let scene = scene(&server);
    scene.call(&["start", "--id", "flaky"]).expect(0);
    let json = |flags: &[&str]| -> Vec<(String, String)> {
        let said = scene.call(&[&["explain", "flaky", "--json"], flags].concat()).expect(0).stdout;
        let said: Value = serde_json::from_str(&said).unwrap();
        let histories = said["histories"].as_array().unwrap().clone();
        let one = |it: &Value| {
            (it["command"].to_string(), it["attempts"].as_array().unwrap().len().to_string())
        };
        histories.iter().map(one).collect()
    };
    let (stopped, started) = (("\"stop\"".into(), "2".into()), ("\"start\"".into(), "2".into()));
    assert_eq!(json(&[]), [stopped.clone(), started.clone()]);
    let check = |flags: &[&str], expected: &(String, String)| {
        assert_eq!(json(flags), std::slice::from_ref(expected), "{flags:?}");
    };
    check(&["--last", "1"], &started);
    check(&["--run", "latest"], &started);
    check(&["--job", "nightly"], &stopped);
    check(&["--job", "nightly", "--run", "latest"], &stopped);
    scene.call(&["explain", "flaky", "--run", "latest", "--last", "2"]).expect(2).says("names one");
    scene.call(&["explain", "flaky", "--run", "2001"]).expect(2).says("there is no run `2001`");
}

#[test]
fn an_id_that_no_run_has_leads_to_the_nearest() {
    let server = Server::start(moody);
    let scene = scene(&server);
    for (id, hint) in [
        ("thro", "the latest of them has `throttled`"),
        ("patrial", "the latest of them has `partial`"),
        (
            "another",
            "hint: `batchctl runs list` shows the runs that are kept, and `batchctl report RUN",
        ),
    ] {
        let said = scene.call(&["explain", id]).expect(2);
        said.says(&format!("error: no task `{id}` is in the 1 run that")).says(hint);
    }
    // What is known is explained all the same.
    let said = scene.call(&["explain", "another", "plain", "one-more"]).expect(2);
    said.says("no task `another`, nor 1 other id").prints("succeeded: at the first attempt");
    let said = scene.call(&["explain", "another", "--json"]).expect(2).stdout;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["unknown"][0], "another");
    Scene::new().call(&["explain", "plain"]).expect(2).says("error: no run is kept");
}

#[test]
fn what_was_left_alone_and_what_never_had_its_turn_is_explained() {
    let scene = Scene::new();
    scene.write("tasks.csv", "id\ngate-1\ngate-2-failed\n");
    let few = ["stop", "tasks.csv", "--sandbox", "--canary", "1", "--rate", "none"];
    scene.write("tasks.csv", "id\ngate-2-failed\ngate-1\n");
    scene.call(&few).expect(3);
    assert_eq!(end(&scene, "gate-1"), "not_attempted: the run ended before its turn");
    assert_eq!(
        end(&scene, "gate-2-failed"),
        "failed: it was carried out, and no sub-task succeeded"
    );
    let alone = ["stop", "--id", "task-000001", "--sandbox", "--skip-unchanged"];
    scene.call(&alone).expect(0);
    let state = "unchanged: it was `stopped` before anything was sent, so no call was made";
    assert_eq!(end(&scene, "task-000001"), state);
}

#[test]
fn a_run_that_cannot_be_read_does_not_hide_the_others() {
    let server = Server::start(moody);
    let scene = scene(&server);
    fs::write(scene.path(".local/state/batchctl/runs/20990101-000000-aaaa.db"), "garbage").unwrap();
    let said = scene.call(&["explain", "plain"]).expect(0);
    said.says("warning: run 20990101-000000-aaaa is left out").prints("succeeded: at the first");
}

#[test]
fn a_run_under_way_is_explained_as_far_as_it_is_known() {
    let server = Server::start(|request: &Request| match &*request.id {
        "slow" => Reply::silence(),
        _ => Reply::trusted(&request.id, 0, 1),
    });
    let scene = Scene::with(&server);
    scene.write("tasks.csv", "id\nslow\nnext\n");
    let running = scene.start(&["stop", "tasks.csv", "-j", "1", "--yes"]);
    server.wait_for(1);
    assert!(end(&scene, "slow").ends_with("the run goes on, and this is what is known so far"));
    assert_eq!(end(&scene, "next"), "not_attempted: it was not sent so far");
    running.kill();
    assert!(end(&scene, "slow").ends_with("`resume` goes on"));
    assert_eq!(end(&scene, "next"), "not_attempted: the run ended before its turn");
}
