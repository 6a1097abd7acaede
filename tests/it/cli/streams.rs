//! What goes to standard output and what to standard error. Streams whose readers go are tested
//! in `tests/crash/signals.rs`.

use crate::support::documents::report;
use crate::support::documents::results;
use crate::support::program::Ended;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use rustix::process::Signal;

const TASKS: usize = 1_000;

fn mixed(request: &Request) -> Reply {
    match request.id.ends_with('7') {
        true => Reply::service(400, "VIAS.00010001", "no \u{1b}[31mred\u{1b}[0m \r\n text"),
        false => Reply::trusted(&request.id, 0, 2),
    }
}

fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    let ids: Vec<String> = (0..TASKS).map(|number| format!("task-{number:04}")).collect();
    scene.write("tasks.txt", ids.join("\n"));
    scene
}

fn call(scene: &Scene, flags: &[&str]) -> Ended {
    scene.call(&[&["stop", "tasks.txt", "--rate", "none"], flags].concat()).expect(1)
}

#[test]
fn the_result_is_on_standard_output_and_the_talk_on_standard_error() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    let ended = call(&scene, &[]);
    assert!(ended.stdout.starts_with("stop: 1,000 tasks in "), "{}", ended.stdout);
    assert!(ended.stderr.lines().all(|line| line.starts_with("20")), "{}", ended.stderr);
    assert!(!format!("{}{}", ended.stdout, ended.stderr).contains('\u{1b}'));
    let wide = ended.stdout.lines().filter(|line| line.chars().count() > 80).collect::<Vec<_>>();
    assert_eq!(wide, [""; 0]);
}

#[test]
fn json_is_the_only_thing_on_standard_output() {
    let server = Server::start(mixed);
    let ended = call(&scene(&server), &["--json"]);
    assert_eq!(report(&ended.stdout)["tasks"]["failed"], 100);
}

#[test]
fn a_document_on_standard_output_moves_the_summary_to_standard_error() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    let ended = call(&scene, &["-o", "csv:-"]);
    assert_eq!(results(&ended.stdout).len(), TASKS);
    let ended = ended.says("stop: 1,000 tasks in ");
    assert!(!ended.stderr.contains('\u{1b}'));
    let ended = call(&scene, &["-o", "json:-", "-q"]);
    assert_eq!(report(&ended.stdout)["tasks"]["selected"], TASKS);
    assert_eq!(ended.stderr, "");
}

#[test]
fn quiet_says_nothing_but_errors() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    let ended = call(&scene, &["--quiet", "-o", "results.csv"]);
    assert_eq!((&*ended.stdout, &*ended.stderr), ("", ""));
    assert_eq!(results(&scene.read("results.csv")).len(), TASKS);
    scene.call(&["stop", "nowhere.csv", "--quiet"]).expect(65).says("nowhere.csv");
}

#[test]
fn a_run_that_stops_by_itself_is_an_error_that_quiet_does_not_hide() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    let limit = ["-j", "1", "--max-failures", "5"];
    let call = [&["stop", "tasks.txt", "--rate", "none", "--quiet"][..], &limit].concat();
    let told =
        "error: the run stopped early: 6 tasks failed, more than `--max-failures 5` tolerates";
    for call in [&call[..], &[&call[..], &["--cron"]].concat()] {
        let ended = scene.call(call).expect(3);
        assert_eq!(ended.stdout, "");
        ended.says(told).says("hint: `batchctl resume 20");
    }
    let json = scene.call(&[&call[..], &["--json"]].concat()).expect(3);
    assert_eq!((&*json.stderr, &report(&json.stdout)["exit"]["code"]), ("", &3.into()));
}

#[test]
fn progress_is_told_as_often_as_the_work_is_a_tenth_further() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    let lines = |ended: Ended| ended.stderr.lines().count();
    assert!(lines(call(&scene, &[])) <= 14);
    assert_eq!(lines(call(&scene, &["--progress", "none"])), 0);
    assert!(lines(call(&scene, &["--progress", "lines", "--quiet"])) >= 2);
}

#[test]
fn the_log_tells_each_task_that_did_not_succeed_or_each_attempt() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    let told =
        |ended: &Ended, text| ended.stderr.lines().filter(|line| line.contains(text)).count();
    let ended = call(&scene, &["-v", "--progress", "none"]);
    assert_eq!(told(&ended, "task-"), TASKS / 10);
    assert!(!ended.stderr.contains('\u{1b}'));
    let ended = call(&scene, &["-vv", "--progress", "none", "--log-format", "json"]);
    for line in ended.stderr.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).unwrap().is_object(), "{line}");
    }
    assert!(told(&ended, "task-") >= TASKS);
}

#[test]
fn colour_is_there_if_it_is_asked_for() {
    let server = Server::start(mixed);
    let mut scene = scene(&server);
    assert!(call(&scene, &["--color", "always"]).stdout.contains("\u{1b}["));
    scene.set("NO_COLOR", "1");
    assert!(call(&scene, &["--color", "always"]).stdout.contains("\u{1b}["));
    assert!(!call(&scene, &["--color", "never"]).stdout.contains('\u{1b}'));
    assert!(!call(&scene, &[]).stdout.contains('\u{1b}'));
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_74_and_the_run_is_kept() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    let ended = scene
        .start_in_shell("exec \"$0\" stop tasks.txt --rate none --json -q > /dev/full")
        .ended()
        .expect(74);
    ended.says("error: ");
    let told = scene.call(&["report", "--json"]).expect(0);
    assert_eq!(report(&told.stdout)["run"]["complete"], true);
}

#[test]
fn a_stopped_run_still_prints_valid_json() {
    let server = Server::start(|_| Reply::silence());
    let scene = scene(&server);
    let mut running = scene.start(&["stop", "tasks.txt", "--json", "--rate", "none"]);
    server.wait_for(1);
    running.signal(Signal::TERM);
    running.wait_until_it_says("stopping");
    running.signal(Signal::TERM);
    let report = report(&running.ended().expect(143).stdout);
    assert_eq!(report["stopped"]["reason"], "terminated");
    assert_eq!(report["tasks"]["selected"], TASKS);
}

#[test]
fn a_pipe_that_nobody_ends_is_named_while_it_is_awaited_unless_all_is_to_be_quiet() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    for pipe in ["pipe", "quiet"] {
        rustix::fs::mkfifoat(rustix::fs::CWD, scene.path(pipe), mode).unwrap();
    }
    let quiet = scene.start(&["stop", "quiet", "-q"]);
    let mut waiting = scene.start(&["stop", "pipe"]);
    waiting.wait_until_it_says("waiting for the end of `pipe`: nothing is sent before it");
    assert_eq!(server.count(), 0);
    for (pipe, id) in [("pipe", "gate-1\n"), ("quiet", "gate-2\n")] {
        scene.write(pipe, id);
    }
    waiting.ended().expect(0);
    assert_eq!(quiet.ended().expect(0).stderr, "");
    let mut ids = server.ids();
    ids.sort_unstable();
    assert_eq!(ids, ["gate-1", "gate-2"]);
}
