//! A rehearsal stays one and a real run stays real, whatever variables and flags say later.

use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use rustix::process::Signal;

/// A run against a real service that was cut short, with one task sent of two.
fn cut_short() -> (Server, Scene, String) {
    let server = Server::start(|request| match request.attempt {
        1 if request.id == "gate-1" => Reply::silence(),
        _ => Reply::trusted(&request.id, 0, 1),
    });
    let mut scene = Scene::with(&server);
    let call = ["stop", "--id", "gate-1", "--id", "gate-2", "-j", "1", "--drain-timeout", "0s"];
    let running = scene.start(&call);
    server.wait_for(1);
    running.signal(Signal::INT);
    running.ended().expect(130);
    // What takes the run up gets the address from the run, and the token for it from a flag.
    scene.unset("BATCHCTL_PROJECT_ID");
    let id = scene.call(&["runs", "list", "--json"]).expect(0).stdout;
    let runs: serde_json::Value = serde_json::from_str(&id).unwrap();
    let id = runs[0]["id"].as_str().unwrap().to_owned();
    (server, scene, id)
}

/// Returns the files of all runs, without what a process leaves beside them.
fn runs(scene: &Scene) -> Vec<String> {
    scene.runs().into_iter().filter(|name| name.ends_with(".db")).collect()
}

#[test]
fn a_variable_that_is_off_does_not_turn_a_real_run_into_a_rehearsal() {
    for off in ["false", "0", "no", "off", ""] {
        let (server, mut scene, _) = cut_short();
        let sent = server.count();
        scene.set("BATCHCTL_SANDBOX", off);
        scene.call(&["resume"]).expect(0);
        assert_eq!(server.count(), sent + 2, "{off:?}");
    }
}

#[test]
fn a_real_run_is_not_taken_up_in_the_sandbox() {
    let (server, mut scene, id) = cut_short();
    let before = (server.count(), runs(&scene));
    let verbs = [&["resume"][..], &["retry"], &["revert", "-y"], &["wait"], &["settle"]];
    for verb in verbs {
        let ended = scene.call(&[verb, &["--sandbox"]].concat()).expect(2);
        ended.says(&format!("run {id} called a real service")).says("leave `--sandbox` out");
    }
    scene.set("BATCHCTL_SANDBOX", "true");
    for verb in verbs {
        scene.call(verb).expect(2).says("BATCHCTL_SANDBOX=false");
    }
    assert_eq!((server.count(), runs(&scene)), before);
}

#[test]
fn a_rehearsal_is_not_taken_up_at_a_real_service() {
    let server = Server::obliging();
    let mut scene = Scene::new();
    scene.call(&["stop", "--id", "gate-failed", "--sandbox"]).expect(1);
    for (flag, value) in [("--endpoint", server.url()), ("--region", "cn-north-4".to_owned())] {
        for verb in ["retry", "revert", "wait", "settle"] {
            let ended = scene.call(&[verb, flag, &value]).expect(2);
            ended.says("is a rehearsal in the sandbox").says(&format!("leave `{flag}` out"));
        }
    }
    // The variable is there for real runs.
    scene.set("BATCHCTL_ENDPOINT", &server.url());
    scene.set("BATCHCTL_TOKEN", "token");
    scene.call(&["retry"]).expect(1);
    assert_eq!(server.count(), 0);
}

#[test]
fn no_password_is_sent_where_the_sandbox_is_asked_for() {
    let server = Server::obliging();
    let mut scene = Scene::new();
    scene.set("BATCHCTL_IAM_PASSWORD", "hunter2-hunter2");
    let user = ["auth", "login", "--iam-user", "night", "--iam-domain", "acme"];
    let url = server.url();
    let there = ["--endpoint", &url, "--iam-endpoint", &url, "--project-id", "project-1"];
    let call = [&user[..], &there].concat();
    let nothing = "there is nothing to log in to: the sandbox takes any token";
    scene.call(&[&call[..], &["--sandbox"]].concat()).expect(2).says(nothing);
    scene.set("BATCHCTL_SANDBOX", "yes");
    scene.call(&call).expect(2).says(nothing);
    assert_eq!(server.count(), 0);
}

#[test]
fn switches_that_are_off_contradict_nothing() {
    for (variable, flag) in [("BATCHCTL_CRON", "--json"), ("BATCHCTL_JSON", "--cron")] {
        let mut scene = Scene::new();
        scene.set(variable, "false");
        scene.call(&["stop", "--id", "gate-1", "--sandbox", flag]).expect(0);
        scene.set(variable, "true");
        let ended = scene.call(&["stop", "--id", "gate-1", "--sandbox", flag]).expect(2);
        ended.says("`--cron` and `--json` contradict each other");
    }
}

#[test]
fn a_command_that_refuses_the_sandbox_does_not_name_it() {
    let scene = Scene::new();
    let missing = "the endpoint is missing\nhint: name it with `--region NAME` or `--endpoint URL`";
    let ended = scene.call(&["auth", "login"]).expect(2);
    assert_eq!(ended.stderr, format!("error: {missing}\n"));
    let check = scene.call(&["auth", "check"]).expect(2);
    assert_eq!(check.stderr, format!("error: {missing}, or try it with `--sandbox`\n"));
}
