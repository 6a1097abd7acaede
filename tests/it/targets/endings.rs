//! A target whose credentials fail, or that cannot be reached, ends for itself.

use super::{START, TwoProjects, list, sandbox, table, target};
use crate::support::documents::report;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

#[test]
fn a_target_without_credentials_ends_for_itself_and_resume_takes_it_up() {
    let two = TwoProjects::with(Server::obliging());
    fs::remove_file(two.scene.path("token-south")).unwrap();
    let ended = two.call(&["--rate", "none", "--json"]).expect(77);
    let first = report(&ended.says("target `south`: cannot read the token").stdout);
    assert_eq!(target(&first, "north")["exit"]["code"], 0);
    assert_eq!(target(&first, "south")["exit"]["code"], 77);
    assert_eq!(target(&first, "south")["tasks"]["not_attempted"], 4);
    assert_eq!(two.server.count(), 6);
    // Once more nothing is there for it, and no other target is left to go on with.
    two.scene.call(&["resume"]).expect(77).says("target `south`");
    two.scene.write("token-south", "token-of-south");
    let second = report(&two.scene.call(&["resume", "--json"]).expect(0).stdout);
    assert_eq!(second["tasks"]["succeeded"], 10);
    assert_eq!(two.server.count(), 10);
}

#[test]
fn without_any_credentials_nothing_is_kept() {
    let two = TwoProjects::with(Server::obliging());
    for name in ["token-north", "token-south"] {
        fs::remove_file(two.scene.path(name)).unwrap();
    }
    two.call(&[]).expect(77).says("target `north`: cannot read the token");
    assert_eq!(two.scene.runs(), [""; 0]);
    assert_eq!(two.server.count(), 0);
}

#[test]
fn a_hint_for_a_target_names_keys_of_its_table_because_flags_are_refused() {
    let two = TwoProjects::with(Server::obliging());
    let url = two.server.url();
    let of = |more: &str| format!("[target.north]\n{more}\n{}", table("south", &url, ""));
    let project = "project_id = 'north'";
    let place = format!("endpoint = '{url}'\n{project}");
    let user = format!("{place}\niam_endpoint = '{url}'\niam_user = 'u'");
    for (more, hint) in [
        (project, "put `region` or `endpoint` into"),
        (&format!("endpoint = '{url}'\ntoken_file = 'token-north'"), "put `project_id` into"),
        (&place, "put `token_file`, `token_command` or `iam_user` into"),
        (&format!("{place}\ntoken_file = 'none'"), "check `token_file` in"),
        (&user, "put `iam_domain` into"),
        (&format!("{user}\niam_domain = 'd'"), "put `iam_password_file` into"),
        (
            &format!("{user}\niam_domain = 'd'\niam_password_file = 'none'"),
            "check `iam_password_file` in",
        ),
    ] {
        two.scene.configure(&of(more));
        let hint = format!("hint: {hint} the table `[target.north]` of the config file");
        two.call(&["-q"]).says("error: target `north`: ").says(&hint);
    }
    let hint = "hint: put `project_id` into the table `[target.north]` of the config file, or try";
    two.scene.configure(&of(&format!("endpoint = '{url}'\ntoken_command = 'echo token'")));
    two.call(&["-q"]).says(hint);
}

#[test]
fn a_token_file_that_vanishes_ends_its_target_alone() {
    let file = Arc::new(Mutex::new(PathBuf::new()));
    let at_server = Arc::clone(&file);
    let two = TwoProjects::with(Server::start(move |request| {
        if request.id == "south-001" {
            let _ = fs::remove_file(&*at_server.lock().unwrap());
            return Reply::gateway(401, "APIGW.0307", "the token has expired");
        }
        Reply::trusted(&request.id, 0, 1)
    }));
    *file.lock().unwrap() = two.scene.path("token-south");
    let ended = two.call(&["--rate", "none", "-j", "1", "--json"]).expect(77);
    let report = report(&ended.says("target `south`: cannot read the token").stdout);
    assert_eq!(target(&report, "north")["tasks"]["succeeded"], 6);
    assert_eq!(target(&report, "south")["tasks"]["succeeded"], 1);
    assert_eq!(target(&report, "south")["tasks"]["not_attempted"], 2);
}

/// Returns the state of the latest run, as the list of runs has it.
fn state(scene: &Scene) -> String {
    let listed: Value =
        serde_json::from_str(&scene.call(&["runs", "list", "--json"]).expect(0).stdout).unwrap();
    listed[0]["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_is_as_far_as_the_target_that_is_behind_and_ends_with_the_last_of_them() {
    // North is begun first. It ends early in one run, and last in the other.
    for (refused, other) in [("north", "south"), ("south", "north")] {
        let two = TwoProjects::with(Server::start(move |request| {
            if request.id.starts_with(refused) {
                return Reply::gateway(401, "APIGW.0307", "the token has expired");
            }
            Reply::trusted(&request.id, 0, 1)
        }));
        two.scene.write("tasks.csv", list(&[(refused, 3), (other, 6)]));
        let ended = two.call(&["--rate", "10/s", "--json"]).expect(77);
        let run = &report(&ended.stdout)["run"];
        assert_eq!(state(&two.scene), "interrupted", "{refused}");
        let shown = two.scene.call(&["runs", "show"]).expect(0).stdout;
        for (target, end) in [(refused, "stopped"), (other, "went through")] {
            let mut lines = shown.lines().filter(|line| line.starts_with("process"));
            let line = lines.find(|line| line.contains(&format!(" {target}: "))).unwrap();
            assert!(line.contains(end), "{line}");
            let time = line.rsplit_once("at ").unwrap().1.split(": ").next().unwrap();
            assert!(run["finished_at"].as_str().unwrap() >= time, "{run}: {line}");
        }
    }
}

/// A service whose IAM refuses every login.
fn refusing_logins() -> Server {
    Server::start(|request| match request.path.starts_with("/v3/") {
        true => Reply::answer(401, r#"{"error":{"code":401,"message":"wrong password"}}"#),
        false => Reply::trusted(&request.id, 0, 1),
    })
}

/// The table of a target that logs in at a URL.
fn login(url: &str, project: &str) -> String {
    format!(
        "[target.south]\nendpoint = '{url}'\n{project}\niam_user = 'u'\niam_domain = 'd'\n\
         iam_password_file = 'password'\niam_endpoint = '{url}'\niam_project = 'cn-south-1'\n"
    )
}

#[test]
fn a_login_that_is_refused_ends_its_target_alone() {
    for project in ["project_id = 'south'", ""] {
        let server = refusing_logins();
        let two = TwoProjects::with(server);
        let url = two.server.url();
        two.scene.write("password", "wrong");
        two.scene.configure(&[table("north", &url, ""), login(&url, project)].concat());
        let ended = two.call(&["--rate", "none", "--json"]).expect(77);
        let first = report(&ended.says("target `south`: ").stdout);
        assert_eq!(target(&first, "north")["tasks"]["succeeded"], 6, "{project}");
        assert_eq!(target(&first, "south")["tasks"]["not_attempted"], 4, "{project}");
        let logins = two.server.requests().iter().filter(|it| it.path.starts_with("/v3/")).count();
        assert_eq!(logins, 1, "a wrong password was sent again");
        // Mended by a token, it goes on.
        two.scene.configure(&[table("north", &url, ""), table("south", &url, "")].concat());
        let second = report(&two.scene.call(&["resume", "--json"]).expect(0).stdout);
        assert_eq!(second["tasks"]["succeeded"], 10, "{project}");
        assert!(two.server.requests().iter().any(|it| it.path.starts_with("/v2/south/")));
    }
}

#[test]
fn a_target_that_cannot_be_reached_ends_alone() {
    for gone in ["https://vias.nowhere.invalid", "http://127.0.0.1:9"] {
        let two = TwoProjects::with(Server::obliging());
        // Enough tasks to tell an outage from tasks that fail.
        two.scene.write("tasks.csv", list(&[("north", 6), ("south", 60)]));
        let south = table("south", gone, "outage_timeout = '1s'");
        two.scene.configure(&[table("north", &two.server.url(), ""), south].concat());
        let ended = two.call(&["--rate", "none", "--json"]).expect(3);
        let report = report(&ended.stdout);
        assert_eq!(target(&report, "north")["tasks"]["succeeded"], 6, "{gone}");
        assert_eq!(target(&report, "south")["tasks"]["succeeded"], 0, "{gone}");
        assert_eq!(target(&report, "south")["stopped"]["reason"], "outage", "{gone}");
    }
}

#[test]
fn a_look_at_the_tasks_leaves_out_a_target_without_credentials() {
    let scene = Scene::new();
    let flags = ["--settle", "0s", "--own-project", "north", "--own-project", "south"];
    let (_sandbox, url) = sandbox(&scene, &flags);
    let two = TwoProjects::of(scene, &url);
    two.scene.write("tasks.csv", "id,site\nnorth-drop,north\nsouth-drop,south\n");
    let doubts = ["--max-attempts", "1", "--max-failures", "100%", "-q"];
    two.scene.call(&[&START[..], &doubts].concat()).expect(1);
    fs::remove_file(two.scene.path("token-north")).unwrap();
    let settled = two.scene.call(&["settle", "--json"]).expect(77);
    settled.says("target `north`: cannot read the token").says("south: 1 task in doubt is where");
}
