//! Who began a run and who changed it stand in its record, unless that is switched off.

use crate::support::documents::report;
use crate::support::program::Scene;
use crate::support::server::Server;
use serde_json::Value;

/// Returns what the report of the latest run says of who began it.
fn by(scene: &Scene) -> Value {
    report(&scene.call(&["report", "--json"]).expect(0).stdout)["run"]["by"].clone()
}

fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    let ids: String = (0..200).map(|number| format!("gate-{number:03}\n")).collect();
    scene.write("tasks.txt", ids);
    scene
}

#[test]
fn user_host_and_command_line_stand_in_the_run_and_with_each_change() {
    let server = Server::obliging();
    let scene = scene(&server);
    let secret = "http://127.0.0.1:9/uuid-secret";
    let running = scene.start(&["stop", "tasks.txt", "--rate", "20/s", "--ping", secret]);
    server.wait_for(1);
    scene.call(&["ctl", "pause"]).expect(0);
    scene.call(&["ctl", "resume"]).expect(0);
    scene.call(&["ctl", "drain"]).expect(0);
    running.ended().expect(3);
    let by = by(&scene);
    let (user, host) = (by["user"].as_str().unwrap(), by["host"].as_str().unwrap());
    assert!(!user.is_empty() && !host.is_empty());
    assert_eq!(by["command_line"], "batchctl stop tasks.txt --rate 20/s --ping …");
    let shown = scene.call(&["runs", "show"]).expect(0);
    let shown = shown.prints(&format!("by        {user} on {host}\n"));
    shown.prints("typed     batchctl stop tasks.txt --rate 20/s --ping …\n");
    let report = report(&scene.call(&["report", "--json"]).expect(0).stdout);
    let changes = report["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 3);
    for change in changes {
        let text = change["by"].as_str().unwrap();
        assert!(text.ends_with(&format!(" of {user}@{host}")), "{text}");
    }
    for (path, content) in scene.all_files() {
        assert!(!content.windows(11).any(|part| part == b"uuid-secret"), "{}", path.display());
    }
}

#[test]
fn a_run_that_follows_another_has_its_own_command_line() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.call(&["stop", "--id", "gate-1"]).expect(0);
    let first = by(&scene);
    scene.call(&["resume"]).expect(0);
    assert_eq!(by(&scene), first);
    scene.call(&["retry", "--outcome", "succeeded"]).expect(0);
    assert_eq!(by(&scene)["command_line"], "batchctl retry --outcome succeeded");
}

#[test]
fn it_is_left_out_where_that_is_asked_for() {
    let server = Server::obliging();
    for key in ["no_identity = true\n", "[profile.default]\nno_identity = true\n", ""] {
        let scene = scene(&server);
        scene.configure(key);
        let flag: &[&str] = if key.is_empty() { &["--no-identity"] } else { &[] };
        let before = server.count();
        let running = scene.start(&[&["stop", "tasks.txt", "--rate", "20/s"], flag].concat());
        server.wait_for(before + 1);
        scene.call(&["ctl", "drain"]).expect(0);
        running.ended().expect(3);
        assert_eq!(by(&scene), Value::Null);
        let shown = scene.call(&["runs", "show"]).expect(0).stdout;
        assert!(!shown.contains("\nby  ") && !shown.contains("\ntyped"), "{shown}");
        let report = report(&scene.call(&["report", "--json"]).expect(0).stdout);
        assert!(!report["changes"].to_string().contains(" of "), "{report}");
    }
}
