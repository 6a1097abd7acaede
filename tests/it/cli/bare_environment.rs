//! Where there is next to nothing around the program: no home, no path, no terminal, no streams.

use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use std::process::Command;

/// Runs a shell script with an empty environment; the program is `$0`.
fn script(scene: &Scene, script: &str) -> Option<i32> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_batchctl")]).env_clear();
    shell.current_dir(scene.path("")).status().unwrap().code()
}

const STOP: &str = "exec \"$0\" stop --id gate-1 --sandbox --state-dir state";

#[test]
fn a_run_needs_no_variable_at_all() {
    let scene = Scene::new();
    assert_eq!(script(&scene, &format!("{STOP} >out 2>err")), Some(0));
    assert!(scene.read("out").contains("succeeded"));
}

#[test]
fn closed_streams_end_up_in_no_file_of_the_run() {
    let scene = Scene::new();
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        assert_eq!(
            script(&scene, &format!("{STOP} --progress lines {closed}")),
            Some(0),
            "{closed}"
        );
    }
    let listed = scene.call(&["runs", "list", "--state-dir", "state", "--json"]).expect(0);
    let runs: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(runs.as_array().unwrap().len(), 4);
    for run in runs.as_array().unwrap() {
        assert_eq!((&run["state"], &run["settled"]["succeeded"]), (&"finished".into(), &1.into()));
    }
}

#[test]
fn without_a_path_a_token_command_is_told_of_and_nothing_is_sent() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let mut command = scene.command(&["stop", "--id", "gate-1", "--token-command", "cat token"]);
    let output = command.env("PATH", "/nowhere").output().unwrap();
    assert_eq!((output.status.code(), server.count()), (Some(77), 0));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the token command"), "{said}");
}

#[test]
fn a_state_directory_that_cannot_be_made_is_told_with_what_helps() {
    let scene = Scene::new();
    scene.write("file", "");
    for directory in ["file/state", "/proc/state"] {
        let call = ["stop", "--id", "gate-1", "--sandbox", "--state-dir", directory];
        scene.call(&call).expect(74).says(directory).says("`--state-dir DIR`");
    }
    let without_home = "\"$0\" runs list 2>err; echo $? >status";
    assert_eq!(script(&scene, without_home), Some(0));
    assert_eq!(scene.read("status"), "2\n");
    assert!(scene.read("err").contains("HOME is not set"));
}

#[test]
fn a_home_that_is_no_directory_has_no_config_file() {
    let scene = Scene::new();
    assert_eq!(script(&scene, &format!("export HOME=/dev/null; {STOP} >out 2>err")), Some(0));
    assert_eq!(script(&scene, "HOME=/dev/null \"$0\" service list >out 2>err"), Some(0));
    let named = "HOME=/dev/null \"$0\" config show --profile night 2>err; echo $? >status";
    assert_eq!(script(&scene, named), Some(0));
    assert_eq!(scene.read("status"), "2\n");
    assert!(scene.read("err").contains("there is no profile `night`"), "{}", scene.read("err"));
}

#[test]
fn help_that_cannot_be_written_is_an_error() {
    let scene = Scene::new();
    for call in ["--help", "--version", "start --help"] {
        assert_eq!(script(&scene, &format!("\"$0\" {call} >/dev/full 2>err")), Some(74), "{call}");
        assert!(scene.read("err").contains("cannot write to standard output"), "{call}");
        let gone = format!("(\"$0\" {call}; echo $? >status) | true");
        assert_eq!(script(&scene, &gone), Some(0));
        assert_eq!(scene.read("status"), "0\n", "{call}");
    }
}

#[test]
fn without_a_home_a_config_file_has_no_place() {
    let scene = Scene::new();
    assert_eq!(script(&scene, "\"$0\" config path 2>err"), Some(2));
    assert!(scene.read("err").contains("XDG_CONFIG_HOME"));
    assert_eq!(script(&scene, "XDG_CONFIG_HOME=/etc \"$0\" config path >out"), Some(0));
    assert_eq!(scene.read("out"), "/etc/batchctl/config.toml\n");
}

#[test]
fn each_v_tells_more_and_a_third_is_taken_for_the_second() {
    let server = Server::start(|request| match &*request.id {
        "gate-bad" => Reply::service(400, "VIAS.00010001", "no"),
        id => Reply::trusted(id, 0, 1),
    });
    let scene = Scene::with(&server);
    let told = |flags: &[&str]| {
        let call = ["stop", "--id", "gate-bad", "--id", "gate-good", "--progress", "none"];
        let said = scene.call(&[&call[..], flags].concat()).expect(1).stderr;
        (said.contains("gate-bad"), said.contains("gate-good"))
    };
    assert_eq!(told(&[]), (false, false));
    assert_eq!(told(&["-v"]), (true, false));
    assert_eq!(told(&["-vv"]), (true, true));
    assert_eq!(told(&["-vvv"]), (true, true));
}
