//! `--on-end`: a command that is run at the end of a run, and changes nothing about it.

use crate::support::program::{Ended, Scene, TOKEN};
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use crate::support::service::Rehearsal;
use batchctl::sandbox::SandboxSettings;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Writes all variables of the command into a file.
const KEEP: &str = "env | sort >> kept.txt; echo end >> kept.txt";

fn mixed(request: &Request) -> Reply {
    match request.id.ends_with("bad") {
        true => Reply::service(400, "VIAS.00010001", "wrong"),
        false => Reply::trusted(&request.id, 0, 1),
    }
}

fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    scene.write("tasks.txt", "gate-1\ngate-2\ngate-bad\n");
    scene
}

fn stop(scene: &Scene, flags: &[&str]) -> Ended {
    scene.call(&[&["stop", "tasks.txt", "--rate", "none"], flags].concat())
}

#[track_caller]
fn check_kept(kept: &str, lines: &[&str]) {
    for line in lines {
        assert!(kept.lines().any(|kept| kept == *line), "`{line}` is not in {kept}");
    }
}

#[test]
fn the_command_finds_the_run_in_its_environment_and_no_secret() {
    let server = Server::start(mixed);
    let mut scene = scene(&server);
    scene.set("HUAWEICLOUD_SDK_SK", "canarySecretKey0123456789abcdef");
    let documents = ["-o", "results.csv", "-o", "report.json", "-o", "csv:-"];
    stop(&scene, &[&["--on-end", KEEP][..], &documents].concat()).expect(1);
    let kept = scene.read("kept.txt");
    let counts = ["SELECTED=3", "SUCCEEDED=2", "PARTIAL=0", "FAILED=1", "AMBIGUOUS=0"];
    let counts = counts.map(|count| format!("BATCHCTL_{count}"));
    check_kept(&kept, &counts.each_ref().map(String::as_str));
    let run = &scene.runs()[0];
    let run = run.strip_suffix(".db").unwrap_or(run);
    check_kept(&kept, &[&format!("BATCHCTL_RUN={run}"), "BATCHCTL_EXIT=1"]);
    check_kept(&kept, &["BATCHCTL_COMMAND=stop", "BATCHCTL_NOT_ATTEMPTED=0", "end"]);
    check_kept(&kept, &[&format!("BATCHCTL_STATE_DIR={}", scene.state().display())]);
    assert!(kept.contains("/results.csv\n") && kept.contains("/report.json\n"), "{kept}");
    for secret in [TOKEN, "canarySecretKey", "HUAWEICLOUD", "BATCHCTL_TOKEN"] {
        assert!(!kept.contains(secret), "{kept}");
    }
}

#[test]
fn a_run_that_cannot_begin_has_its_end_as_well() {
    let server = Server::obliging();
    let scene = scene(&server);
    scene.call(&["stop", "nowhere.txt", "--on-end", KEEP]).expect(65);
    check_kept(
        &scene.read("kept.txt"),
        &["BATCHCTL_RUN=", "BATCHCTL_EXIT=65", "BATCHCTL_FAILED=0"],
    );
}

#[test]
fn a_command_that_fails_is_warned_of_and_changes_nothing() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    let talks = "echo printed; echo no disk >&2; yes | head -c 1000000 >&2; exit 3";
    let ended = stop(&scene, &["--on-end", talks]).expect(1);
    let warning = "warning: the command of `--on-end` failed: exit status: 3: no disk y y";
    let ended = ended.says(warning);
    assert!(ended.stderr.len() < 3_000, "{}", ended.stderr);
    // What a token file holds is a secret in the command's mouth, too.
    let leaks = format!("echo 'got {TOKEN}' >&2; false");
    let ended = stop(&scene, &["--on-end", &leaks]).expect(1).says("got [token]");
    assert!(!ended.stderr.contains(TOKEN), "{}", ended.stderr);
    stop(&scene, &["--on-end", "kill -9 $$"]).expect(1).says("signal: 9");
}

#[test]
fn cron_hears_of_a_failed_command_only_after_a_bad_run() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    let cron = ["--cron", "--on-end", "exit 3"];
    stop(&scene, &cron).expect(1).says("the command of `--on-end` failed");
    let good = [&["stop", "--id", "gate-1", "--rate", "none"][..], &cron].concat();
    let ended = scene.call(&good).expect(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
}

#[test]
fn a_resumed_run_has_one_end() {
    let server = Server::obliging();
    let mut scene = scene(&server);
    scene.set("BATCHCTL_ON_END", KEEP);
    let running = scene.start(&["stop", "tasks.txt", "--rate", "1/h"]);
    server.wait_for(1);
    running.kill();
    assert!(!scene.path("kept.txt").exists());
    scene.call(&["resume", "--rate", "none"]).expect(0);
    let kept = scene.read("kept.txt");
    assert_eq!(kept.lines().filter(|line| *line == "end").count(), 1, "{kept}");
    check_kept(&kept, &["BATCHCTL_SELECTED=3", "BATCHCTL_SUCCEEDED=3"]);
}

#[test]
fn a_look_at_a_run_has_its_end_as_well() {
    let rehearsal = Rehearsal::at_once(SandboxSettings { tasks: 3, ..SandboxSettings::default() });
    let scene = &rehearsal.scene;
    scene.call(&["start", "--id", "task-000001", "--on-end", KEEP]).expect(0);
    let look = ["--on-end", KEEP, "-o", "results.csv"];
    scene.call(&[&["wait"][..], &look].concat()).expect(0);
    scene.call(&[&["settle"][..], &look].concat()).expect(0);
    let kept = scene.read("kept.txt");
    let count = |line: &str| kept.lines().filter(|kept| *kept == line).count();
    let run = format!("BATCHCTL_RUN={}", rehearsal.runs()[0]);
    for line in ["end", &run, "BATCHCTL_EXIT=0", "BATCHCTL_SUCCEEDED=1"] {
        assert_eq!(count(line), 3, "{line}: {kept}");
    }
    assert_eq!(kept.matches("/results.csv\n").count(), 2, "{kept}");
}

#[test]
fn a_dry_run_has_no_end_and_says_so_where_it_was_typed() {
    let server = Server::obliging();
    let mut scene = scene(&server);
    let said = "nothing is carried out, so `--on-end` has no effect";
    stop(&scene, &["--on-end", KEEP, "-n"]).expect(0).says(said);
    scene.set("BATCHCTL_ON_END", KEEP);
    let ended = stop(&scene, &["-n"]).expect(0);
    assert!(!ended.stderr.contains("on-end"), "{}", ended.stderr);
    assert!(!scene.path("kept.txt").exists());
}

#[test]
fn a_config_file_that_others_can_write_runs_nothing() {
    let server = Server::obliging();
    let scene = scene(&server);
    scene.configure(&format!("on_end = '{KEEP}'\n"));
    stop(&scene, &[]).expect(0);
    assert!(scene.path("kept.txt").exists());
    let before = server.count();
    fs::remove_file(scene.path("kept.txt")).unwrap();
    let config = scene.path(".config/batchctl/config.toml");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o666)).unwrap();
    stop(&scene, &["--cron"]).expect(77).says("which decides about `on_end`");
    assert_eq!(server.count(), before);
    assert!(!scene.path("kept.txt").exists());
}

#[test]
fn a_run_that_the_command_starts_has_no_command_of_the_config_file() {
    let server = Server::obliging();
    let scene = scene(&server);
    let binary = env!("CARGO_BIN_EXE_batchctl");
    let again = format!("echo end >> kept.txt; {binary} stop --id gate-1 --sandbox 2>> said.txt");
    scene.configure(&format!("on_end = '{again}'\n"));
    stop(&scene, &[]).expect(0);
    assert_eq!(scene.read("kept.txt"), "end\n");
    assert!(!scene.read("said.txt").contains("there is no variable"), "{}", scene.read("said.txt"));
}

#[test]
fn the_command_is_no_part_of_what_a_run_records() {
    let server = Server::obliging();
    let scene = scene(&server);
    stop(&scene, &["--on-end", "true secret-of-the-hook"]).expect(0);
    let show = scene.call(&["runs", "show"]).expect(0);
    assert!(!show.stdout.contains("secret-of-the-hook"), "{}", show.stdout);
    for (path, content) in scene.all_files() {
        let text = String::from_utf8_lossy(&content).into_owned();
        assert!(!text.contains("secret-of-the-hook"), "{}", path.display());
    }
}
