//! Runs that nobody watches: silence, digests, pings, splay and a log file.

use crate::support::program::Ended;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use crate::support::service::Rehearsal;
use batchctl::sandbox::{SandboxSettings, generated_id};
use serde_json::Value;
use std::fs;
use std::time::Duration;

/// Refuses every fifth task, each with a message of its own.
fn mixed(request: &Request) -> Reply {
    match request.id.ends_with(['4', '9']) {
        true => Reply::service(400, "VIAS.00010001", &format!("wrong in {}", request.id)),
        false => Reply::trusted(&request.id, 0, 1),
    }
}

fn scene(server: &Server, tasks: usize) -> Scene {
    let scene = Scene::with(server);
    let ids: Vec<String> = (0..tasks).map(|number| format!("task-{number:04}")).collect();
    scene.write("tasks.txt", ids.join("\n"));
    scene
}

fn silent(ended: &Ended) {
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
}

const STOP: [&str; 5] = ["stop", "tasks.txt", "--rate", "none", "--cron"];

#[test]
fn a_run_that_succeeded_says_nothing_to_cron() {
    let server = Server::obliging();
    let scene = scene(&server, 20);
    silent(&scene.call(&STOP).expect(0));
    silent(&scene.call(&[&STOP[..], &["--after", "latest"]].concat()).expect(0));
    assert_eq!(server.count(), 20);
}

#[test]
fn one_that_did_not_sends_a_digest_of_sixty_lines_at_most() {
    let server = Server::start(mixed);
    let scene = scene(&server, 400);
    let ended = scene.call(&STOP).expect(1).says("stop: 400 tasks in ").says("batchctl retry");
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.lines().count() <= 60, "{}", ended.stderr);
}

#[test]
fn bad_input_is_told_to_cron_in_sixty_lines_at_most() {
    let scene = scene(&Server::obliging(), 1);
    scene.write("tasks.txt", "1.2E+15\n".repeat(500));
    let ended = scene.call(&STOP).expect(65).says("tasks.txt:1:2");
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.lines().count() <= 60, "{}", ended.stderr);
}

#[test]
fn cron_wants_no_json_report_on_standard_output() {
    let scene = scene(&Server::obliging(), 1);
    scene.call(&[&STOP[..], &["--json"]].concat()).expect(2).says("--cron");
}

/// Runs with a monitor that answers each call with the next of these statuses; returns the paths
/// that it was called with.
fn pinged(flags: &[&str], script: fn(&Request) -> Reply, status: i32) -> (Vec<String>, Ended) {
    let monitor = Server::start(script);
    let server = Server::start(mixed);
    let mut scene = scene(&server, 4);
    scene.set("BATCHCTL_PING", &format!("{}/uuid-1", monitor.url()));
    let ended = scene.call(flags).expect(status);
    let requests = monitor.requests();
    assert!(requests.iter().all(|request| !request.headers.contains_key("x-auth-token")));
    (requests.into_iter().map(|request| request.path).collect(), ended)
}

fn check_pings(flags: &[&str], status: i32, expected: &[&str]) {
    let (paths, _) = pinged(flags, |_| Reply::answer(200, "OK"), status);
    assert_eq!(paths, expected, "{flags:?}");
}

#[test]
fn a_monitor_is_told_of_the_beginning_and_the_end() {
    check_pings(&STOP, 0, &["/uuid-1/start", "/uuid-1"]);
    check_pings(&["stop", "nowhere.txt", "--cron"], 65, &["/uuid-1/start", "/uuid-1/65"]);
    check_pings(&["stop", "--id", "task-0009", "--cron"], 1, &["/uuid-1/start", "/uuid-1/1"]);
}

#[test]
fn a_monitor_hears_nothing_of_a_dry_run() {
    check_pings(&["stop", "tasks.txt", "-n"], 0, &[]);
}

#[test]
fn a_monitor_that_fails_is_asked_three_times_and_changes_nothing() {
    let broken: fn(&Request) -> Reply = |_| Reply::answer(500, "");
    let (paths, ended) = pinged(&["stop", "tasks.txt", "--rate", "none"], broken, 0);
    assert_eq!(paths, ["/uuid-1/start"; 3].into_iter().chain(["/uuid-1"; 3]).collect::<Vec<_>>());
    let ended = ended.says("warning: 127.0.0.1 was not pinged: it answered 500");
    assert!(!ended.stderr.contains("uuid-1"), "{}", ended.stderr);
    let (_, ended) = pinged(&STOP, broken, 0);
    silent(&ended);
}

#[test]
fn a_revert_is_announced_delayed_and_silent_as_every_run_is() {
    let rehearsal = Rehearsal::at_once(SandboxSettings {
        tasks: 3,
        settle: Duration::ZERO,
        ..SandboxSettings::default()
    });
    let monitor = Server::start(|_| Reply::answer(200, "OK"));
    let scene = &rehearsal.scene;
    let ids: Vec<String> = (1..=3).map(generated_id).collect();
    scene.write("tasks.txt", ids.join("\n"));
    scene.call(&["start", "tasks.txt", "--skip-unchanged"]).expect(0);
    let ping = format!("{}/uuid-1", monitor.url());
    let revert = ["revert", "--ping", &ping, "--splay", "10ms"];
    // What only shows the plan is no run.
    let plan = scene.call(&revert).expect(0).prints("nothing was sent");
    assert!(!plan.stderr.contains("waiting"), "{}", plan.stderr);
    assert_eq!(monitor.count(), 0);
    scene
        .call(&[&revert[..], &["-y", "--reason", "by mistake"]].concat())
        .expect(0)
        .says("waiting ");
    let paths: Vec<String> = monitor.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/uuid-1/start", "/uuid-1"]);
    scene.call(&["start", "tasks.txt", "--skip-unchanged"]).expect(0);
    silent(&scene.call(&["revert", "-y", "--cron"]).expect(0));
}

#[test]
fn a_finished_run_is_reported_again_to_cron_and_as_json() {
    let server = Server::start(mixed);
    let scene = scene(&server, 5);
    scene.call(&STOP).expect(1);
    let ended = scene.call(&["resume", "--json"]).expect(1).says("is finished");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["tasks"]["failed"], 1);
    let ended = scene.call(&["resume", "--cron"]).expect(1).says("stop: 5 tasks in ");
    assert_eq!(ended.stdout, "");
    scene.call(&["stop", "--id", "task-0001", "--cron"]).expect(0);
    silent(&scene.call(&["resume", "--cron"]).expect(0));
    assert_eq!(server.count(), 6);
}

#[test]
fn a_splay_is_the_same_each_time_and_is_told() {
    let server = Server::obliging();
    let scene = scene(&server, 1);
    let splayed = |job: &str| {
        let flags = ["stop", "tasks.txt", "--rate", "none", "--splay", "900ms", "--job", job];
        let ended = scene.call(&flags).expect(0).says("waiting ");
        ended.stderr.lines().next().unwrap().to_owned()
    };
    assert_eq!(splayed("nightly"), splayed("nightly"));
}

#[test]
fn a_log_file_is_json_lines_and_goes_on_in_the_next_run() {
    let server = Server::start(mixed);
    let scene = scene(&server, 10);
    let flags = [&STOP[..], &["--log-file", "batchctl.log"]].concat();
    scene.call(&flags).expect(1);
    scene.call(&flags).expect(1);
    let log = scene.read("batchctl.log");
    let attempts = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ids = attempts.filter(|line| line.to_string().contains("task-0003")).count();
    assert_eq!(ids % 2, 0);
    assert!(ids >= 2, "{log}");
}

#[test]
fn a_log_file_is_rotated_by_size() {
    let server = Server::obliging();
    let scene = scene(&server, 200);
    let flags = [&STOP[..], &["--log-file", "batchctl.log", "--log-file-size", "20kB"]].concat();
    scene.call(&flags).expect(0);
    for name in ["batchctl.log", "batchctl.log.1"] {
        let size = fs::metadata(scene.path(name)).unwrap().len();
        assert!((1..=20_000).contains(&size), "{name}: {size}");
    }
}

#[test]
fn a_log_file_that_cannot_be_opened_is_told_before_anything_is_sent() {
    let server = Server::obliging();
    let scene = scene(&server, 1);
    let flags = ["stop", "tasks.txt", "--log-file", "nowhere/batchctl.log"];
    scene.call(&flags).expect(74).says("nowhere/batchctl.log");
    assert_eq!((server.count(), scene.runs().len()), (0, 0));
}

#[test]
fn a_monitor_is_reached_through_the_proxy_that_the_service_is() {
    let proxy = Server::start(|_| Reply::answer(200, "OK"));
    let mut scene = Scene::new();
    scene.set("BATCHCTL_PROXY", &proxy.url());
    scene.set("BATCHCTL_PING", "http://hc.invalid/uuid-1");
    scene.call(&["stop", "--id", "gate-1", "--sandbox", "--cron"]).expect(0);
    let paths: Vec<String> = proxy.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["http://hc.invalid/uuid-1/start", "http://hc.invalid/uuid-1"]);
}

#[test]
fn a_redirect_of_a_monitor_is_not_followed() {
    let elsewhere = Server::start(|_| Reply::answer(200, "OK"));
    let target = elsewhere.url();
    for status in [301, 302, 303, 307, 308] {
        let to = target.clone();
        let monitor =
            Server::start(move |_| Reply::answer(status, "").with_header("Location", &to));
        let server = Server::obliging();
        let mut scene = scene(&server, 1);
        scene.set("BATCHCTL_PING", &format!("{}/uuid-1", monitor.url()));
        let ended = scene.call(&["stop", "tasks.txt"]).expect(0);
        let ended = ended.says(&format!("it answered {status}, a redirect, which is not followed"));
        assert!(!ended.stderr.contains("uuid-1"), "{}", ended.stderr);
        assert_eq!((monitor.count(), elsewhere.count()), (2, 0));
    }
}

#[test]
fn a_plan_that_cannot_be_done_in_its_time_is_named_before_it_begins() {
    let server = Server::obliging();
    let scene = scene(&server, 600);
    let flags = ["stop", "tasks.txt", "--rate", "2/s", "--max-duration", "1s"];
    let planned = scene.call(&[&flags[..], &["-n"]].concat()).expect(0);
    let warning = "warning: `--max-duration 1s` ends the run before it can be done: 600 tasks \
                   take 4m 59s at least at 2/s";
    planned.says(warning);
    scene.call(&flags).expect(3).says(warning);
    let fits = ["stop", "tasks.txt", "--rate", "none", "--max-duration", "1h", "-n"];
    assert!(!scene.call(&fits).expect(0).stderr.contains("warning"));
}
