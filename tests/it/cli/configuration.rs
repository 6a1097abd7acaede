//! Where a flag's value comes from: flag, then variable, then config file, then default.

use crate::support::program::Scene;
use crate::support::server::Server;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

/// Returns the line of the dry run that says how fast it would be.
fn pace(scene: &Scene, flags: &[&str]) -> String {
    line(scene, flags, "  pace ")
}

/// Returns the line of the dry run that says where calls would go.
fn calls(scene: &Scene, flags: &[&str]) -> String {
    line(scene, flags, "  calls ")
}

#[track_caller]
fn line(scene: &Scene, flags: &[&str], label: &str) -> String {
    let ended = scene.call(&[&["stop", "--id", "gate-1", "-n"], flags].concat()).expect(0);
    let line = ended.stdout.lines().find(|line| line.starts_with(label));
    line.unwrap().trim_start_matches(label).trim().to_owned()
}

#[track_caller]
fn check_pace(scene: &Scene, flags: &[&str], expected: &str) {
    let found = pace(scene, &[&["--sandbox"], flags].concat());
    assert!(found.starts_with(&format!("{expected}, ")), "{found}");
}

#[test]
fn a_flag_beats_a_variable_beats_the_file_beats_the_default() {
    let mut scene = Scene::new();
    check_pace(&scene, &[], "10/s");
    scene.configure("rate = '5/s'");
    check_pace(&scene, &[], "5/s");
    scene.set("BATCHCTL_RATE", "6/s");
    check_pace(&scene, &[], "6/s");
    check_pace(&scene, &["--rate", "7/s"], "7/s");
}

#[test]
fn a_profile_beats_what_the_file_has_for_all() {
    let mut scene = Scene::new();
    scene.configure("rate = '5/s'\n[profile.night]\nrate = '50/s'\n[profile.default]\nrate = 4\n");
    check_pace(&scene, &[], "4/s");
    check_pace(&scene, &["--profile", "night"], "50/s");
    scene.set("BATCHCTL_PROFILE", "night");
    check_pace(&scene, &[], "50/s");
    let call = ["stop", "--id", "gate-1", "-n", "--sandbox", "--profile", "day"];
    scene.call(&call).expect(2).says("no profile `day`").says("`[profile.day]`");
}

#[test]
fn the_config_directory_can_be_elsewhere() {
    let mut scene = Scene::new();
    scene.write("elsewhere/batchctl/config.toml", "rate = '3/s'");
    let elsewhere = scene.path("elsewhere");
    scene.set("XDG_CONFIG_HOME", elsewhere.to_str().unwrap());
    check_pace(&scene, &[], "3/s");
}

/// Checks what is said of a config file that is wrong.
#[track_caller]
fn check_refused(config: &str, expected: &[&str]) {
    let scene = Scene::new();
    scene.configure(config);
    let mut ended = scene.call(&["stop", "--id", "gate-1", "--sandbox"]).expect(2);
    for text in expected {
        ended = ended.says(text);
    }
    assert_eq!((&*ended.stdout, scene.runs().len()), ("", 0));
}

#[test]
fn what_is_wrong_with_a_config_file_is_told_with_what_helps() {
    check_refused("rat = 5", &["config.toml:1: there is no key `rat`", "did you mean `rate`"]);
    check_refused("colour = 'x'", &["there is no key `colour`", "hint: "]);
    check_refused(
        "rate = 'fast'",
        &["invalid value 'fast'", "hint: ", "`rate` in ", "config.toml:1"],
    );
    check_refused("yes = 'perhaps'", &["invalid value 'perhaps'", "`yes` in ", "config.toml:1"]);
    check_refused("rate = ['1/s', '2/s']", &["config.toml:1: ", "invalid value for `rate`"]);
    check_refused("yes = true\nrate = ", &["config.toml:2:8: ", "hint: the file is TOML"]);
    check_refused("[profile.night]\nrat = 5", &["config.toml:2: there is no key `rat`"]);
}

#[test]
fn a_secret_in_the_file_is_refused_without_showing_it() {
    let scene = Scene::new();
    scene.configure("token = 'hunter2-hunter2'");
    let ended = scene.call(&["runs", "list"]).expect(2).says("config.toml:1: `token` is a secret");
    let ended = ended.says("`token_file = \"FILE\"`");
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
}

/// Returns the line of `config show --origin` for a key.
#[track_caller]
fn shown(scene: &Scene, flags: &[&str], key: &str) -> String {
    let ended = scene.call(&[&["config", "show", "--origin"], flags].concat()).expect(0);
    let line = ended.stdout.lines().find(|line| line.trim_start_matches("# ").starts_with(key));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    words.join(" ").replace(scene.path("").to_str().unwrap(), "~/")
}

#[test]
fn each_value_is_shown_with_where_it_came_from() {
    let mut scene = Scene::new();
    scene.configure("rate = '5/s'\n\n[profile.night]\nrate = '50/s'\nlisten = '127.0.0.1:1'");
    assert_eq!(shown(&scene, &[], "rate "), r#"rate = "5/s" # ~/.config/batchctl/config.toml:1"#);
    let of_night = r#"rate = "50/s" # ~/.config/batchctl/config.toml:4, profile night"#;
    assert_eq!(shown(&scene, &["--profile", "night"], "rate "), of_night);
    scene.set("BATCHCTL_RATE", "6/s");
    assert_eq!(shown(&scene, &[], "rate "), r#"rate = "6/s" # BATCHCTL_RATE"#);
    assert_eq!(shown(&scene, &["--rate", "7/s"], "rate "), r#"rate = "7/s" # flag"#);
    assert_eq!(shown(&scene, &[], "timeout "), r#"timeout = "60s" # default"#);
    assert_eq!(shown(&scene, &[], "region "), "# region = # not set");
    let state = r#"state_dir = "~/.local/state/batchctl" # default"#;
    assert_eq!(shown(&scene, &[], "state_dir "), state);
    let of_sandbox = shown(&scene, &["--profile", "night"], "listen ");
    assert!(of_sandbox.ends_with("config.toml:5, profile night"), "{of_sandbox}");
}

#[test]
fn what_is_shown_is_a_config_file_again_and_holds_no_secret() {
    let mut scene = Scene::new();
    scene.set("BATCHCTL_TOKEN", "hunter2-hunter2");
    scene.set("BATCHCTL_PING", "https://example.com/hunter2-uuid");
    scene.set("BATCHCTL_REASON", "the token hunter2-hunter2");
    let shown = scene.call(&["config", "show", "--origin", "--rate", "9/m"]).expect(0);
    let shown = shown.prints("# BATCHCTL_TOKEN is set").prints("# ping is set").stdout;
    assert!(!shown.contains("hunter2"), "{shown}");
    scene.unset("BATCHCTL_REASON");
    scene.configure(&shown);
    check_pace(&scene, &[], "9/m");
    let json = scene.call(&["config", "show", "--json"]).expect(0).stdout;
    assert!(!json.contains("hunter2"), "{json}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["settings"]["rate"]["value"], "9/m");
    assert_eq!(json["settings"]["rate"]["origin"], "file");
    assert_eq!(json["secrets"][0], "BATCHCTL_TOKEN");
}

#[test]
fn a_config_file_is_begun_once_and_changes_nothing() {
    let scene = Scene::new();
    let path = scene.call(&["config", "path"]).expect(0).stdout;
    let before = scene.call(&["config", "show"]).expect(0).stdout;
    scene.call(&["config", "init"]).expect(0).prints(&path);
    assert_eq!(scene.call(&["config", "show"]).expect(0).stdout, before);
    let written = scene.read(".config/batchctl/config.toml");
    assert!(written.contains("# The most sendings") && written.contains("# rate = \"10/s\"\n"));
    let ended = scene.call(&["config", "init"]).expect(2).says("is there already");
    assert_eq!(
        (ended.stdout, scene.read(".config/batchctl/config.toml")),
        (String::new(), written)
    );
}

#[test]
fn a_file_that_is_wrong_can_still_be_found() {
    let scene = Scene::new();
    scene.configure("rat = 1");
    scene.call(&["config", "path"]).expect(0).prints("config.toml");
    scene.call(&["config", "init"]).expect(2).says("is there already");
    scene.call(&["config", "show"]).expect(2).says("did you mean `rate`");
}

#[test]
fn a_file_that_others_may_change_is_warned_of() {
    let scene = Scene::new();
    scene.configure("rate = '5/s'");
    let path = scene.path(".config/batchctl/config.toml");
    let chmod = |mode| std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    chmod(0o600);
    assert_eq!(scene.call(&["config", "show"]).expect(0).stderr, "");
    chmod(0o620);
    scene.call(&["config", "show"]).expect(0).says("warning: others may change").says("chmod go-w");
}

#[test]
fn the_state_directory_of_a_profile_holds_for_all_commands() {
    let scene = Scene::new();
    scene.configure("[profile.night]\nstate_dir = 'night'");
    scene.call(&["stop", "--id", "gate-1", "--sandbox", "--profile", "night"]).expect(0);
    assert!(scene.path("night/runs").exists() && scene.runs().is_empty());
    scene.call(&["report", "--profile", "night"]).expect(0).prints("1 task");
    let listed = scene.call(&["--profile", "night", "runs", "list"]).expect(0).stdout;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    scene.call(&["report"]).expect(2);
}

#[test]
fn a_switch_is_turned_on_and_off_by_its_variable() {
    let server = Server::obliging();
    for (value, dry) in [("1", true), ("true", true), ("yes", true), ("on", true), ("TRUE", true)] {
        check_dry_run(&server, value, dry);
    }
    for (value, dry) in [("0", false), ("false", false), ("no", false), ("off", false), ("", false)]
    {
        check_dry_run(&server, value, dry);
    }
    let mut scene = Scene::with(&server);
    scene.set("BATCHCTL_DRY_RUN", "perhaps");
    let ended = scene.call(&["stop", "--id", "gate-1"]).expect(2);
    ended.says("'perhaps'").says("hint: the value is that of BATCHCTL_DRY_RUN");
}

#[track_caller]
fn check_dry_run(server: &Server, value: &str, dry: bool) {
    let mut scene = Scene::with(server);
    scene.set("BATCHCTL_DRY_RUN", value);
    let before = server.count();
    scene.call(&["stop", "--id", "gate-1"]).expect(0);
    assert_eq!(server.count() == before, dry, "BATCHCTL_DRY_RUN={value}");
}

#[test]
fn an_empty_variable_says_nothing() {
    let mut scene = Scene::new();
    for name in ["RATE", "QUIET", "STATE_DIR", "ENDPOINT", "VERBOSE", "OUTPUT"] {
        scene.set(&format!("BATCHCTL_{name}"), "");
    }
    scene.call(&["stop", "--id", "gate-1", "--sandbox"]).expect(0).prints("succeeded");
}

#[test]
fn of_endpoint_and_region_the_one_said_with_more_authority_holds() {
    let mut scene = Scene::new();
    scene.set("BATCHCTL_PROJECT_ID", "p-1");
    scene.configure("endpoint = 'https://file.example.com'");
    assert!(calls(&scene, &[]).starts_with("PUT https://file.example.com/v2/p-1/batch-tasks/"));
    let of_region = "PUT https://vias.cn-north-4.myhuaweicloud.com/v2/p-1/";
    assert!(calls(&scene, &["--region", "cn-north-4"]).starts_with(of_region));
    scene.set("BATCHCTL_REGION", "cn-north-4");
    assert!(calls(&scene, &[]).starts_with(of_region));
    let typed = calls(&scene, &["--endpoint", "https://typed.example.com/base/"]);
    assert!(typed.starts_with("PUT https://typed.example.com/base/v2/p-1/"), "{typed}");
    let both = ["--endpoint", "https://a.example.com", "--region", "x", "-n", "--id", "gate-1"];
    let ended = scene.call(&[&["stop"], &both[..]].concat()).expect(2);
    ended.says("`--endpoint` and `--region` contradict each other");
    let bad = ["stop", "--id", "gate-1", "-n", "--region", "evil.example.com/"];
    scene.call(&bad).expect(2).says("`cn-north-4`");
}

/// Returns the token that the service was sent.
#[track_caller]
fn token(scene: &Scene, server: &Server, flags: &[&str]) -> String {
    scene.call(&[&["stop", "--id", "gate-1"], flags].concat()).expect(0);
    server.requests().last().unwrap().headers["x-auth-token"].clone()
}

#[test]
fn of_the_tokens_the_one_said_with_more_authority_holds() {
    let server = Server::obliging();
    let mut scene = Scene::with(&server);
    scene.write("file", "of-file\r\n");
    scene.set("BATCHCTL_TOKEN", "of-variable");
    assert_eq!(token(&scene, &server, &[]), "of-variable");
    scene.configure("token_file = 'file'");
    assert_eq!(token(&scene, &server, &[]), "of-variable");
    scene.unset("BATCHCTL_TOKEN");
    assert_eq!(token(&scene, &server, &[]), "of-file");
    let command = ["--token-command", "echo of-command"];
    assert_eq!(token(&scene, &server, &command), "of-command");
    scene.set("BATCHCTL_TOKEN_COMMAND", "echo of-variable-command");
    assert_eq!(token(&scene, &server, &[]), "of-variable-command");
    assert_eq!(token(&scene, &server, &["--token-file", "file"]), "of-file");
    let both = [&["stop", "--id", "gate-1", "--token-file", "file"], &command[..]].concat();
    scene.call(&both).expect(2).says("`--token-file` and `--token-command` contradict each other");
}

#[test]
fn the_embedded_sandbox_is_never_sent_a_real_token() {
    let mut scene = Scene::new();
    scene.set("BATCHCTL_TOKEN_COMMAND", "touch called; echo token");
    scene.call(&["stop", "--id", "gate-1", "--sandbox"]).expect(0);
    assert!(!scene.path("called").exists());
}

#[test]
fn without_a_home_the_state_directory_must_be_named() {
    let scene = Scene::new();
    let without_home = |arguments: &[&str]| {
        let mut command = scene.command(arguments);
        command.env_remove("HOME").output().unwrap()
    };
    let output = without_home(&["stop", "--id", "gate-1", "--sandbox"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("`--state-dir DIR`"));
    let call = ["stop", "--id", "gate-1", "--sandbox", "--state-dir", "state"];
    assert_eq!(without_home(&call).status.code(), Some(0));
    assert!(scene.path("state/runs").is_dir());
}

#[test]
fn a_home_that_no_shell_put_in_is_refused_in_every_source() {
    let mut scene = Scene::new();
    let call = ["stop", "--id", "gate-1", "--sandbox"];
    scene.configure("state_dir = '~/state'");
    scene.call(&call).expect(2).says("`state_dir` of the config file begins with `~/`");
    scene.configure("");
    let marked = ["--output=csv:~/out.csv"];
    let ended = scene.call(&[&call[..], &marked].concat()).expect(2);
    ended.says("`--output` begins with `~/`, which only a shell replaces").says("`./~/`");
    scene.set("BATCHCTL_STATE_DIR", "~/state");
    scene.call(&call).expect(2).says("BATCHCTL_STATE_DIR begins with `~/`");
    assert!(!scene.path("~").exists());
    scene.set("BATCHCTL_STATE_DIR", "./~/state");
    scene.call(&call).expect(0);
    assert!(scene.path("~/state").exists());
}
