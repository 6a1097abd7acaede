//! The service goes away, or fails now and then, through the real binary.

use crate::support::documents::{column, report, results};
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

const AWAY: &str = "the service is away, one call at a time asks for it";

fn scene_of(server: &Server, tasks: u32) -> Scene {
    let scene = Scene::with(server);
    let ids: Vec<String> = (0..tasks).map(|number| format!("gate-{number}")).collect();
    scene.write("tasks.txt", ids.join("\n"));
    scene
}

fn done(request: &Request) -> Reply {
    Reply::trusted(&request.id, 0, 1)
}

#[test]
fn a_service_that_refuses_connections_and_then_answers_503_costs_no_task() {
    let server = Server::start(done);
    let scene = scene_of(&server, 200);
    let flags = ["--rate", "100/s", "--json", "--progress", "lines"];
    let mut running = scene.start(&[&["stop", "tasks.txt"], &flags[..]].concat());
    server.wait_for(60);
    let sent_before = server.count();
    let address = server.end();
    let is_back = Arc::new(AtomicBool::new(false));
    let back = Arc::clone(&is_back);
    let server = Server::start_again(address, move |request| match back.load(Ordering::Relaxed) {
        true => done(request),
        false => Reply::answer(503, "away"),
    });
    running.wait_until_it_says(AWAY);
    is_back.store(true, Ordering::Relaxed);
    let ended = running.ended().expect(0);
    let report = report(&ended.stdout);
    assert_eq!(report["tasks"]["succeeded"], 200);
    assert!(report["pace"]["paused_ms"].as_u64().unwrap() >= 4_900, "{}", report["pace"]);
    // What opens the breaker, what was on the wire then, and no more.
    let all = sent_before + server.count();
    assert!(all <= 200 + 25 + 2 * 16, "{all} requests");
}

#[test]
fn an_outage_that_lasts_too_long_ends_the_run_with_3_and_it_can_be_resumed() {
    let server = Server::start(done);
    let scene = scene_of(&server, 60);
    let address = server.end();
    let flags = ["--rate", "none", "--outage-timeout", "1s", "--json"];
    let ended = scene.call(&[&["stop", "tasks.txt"], &flags[..]].concat()).expect(3);
    let stopped = report(&ended.stdout);
    assert_eq!(stopped["stopped"]["reason"], "outage");
    assert!(ended.stderr.contains("; last seen: tcp connect error: "), "{}", ended.stderr);
    let detail = stopped["stopped"]["detail"].as_str().unwrap();
    assert!(detail.contains("--outage-timeout"), "{detail}");
    // No byte left, so no task has failed, and the cause is told once.
    assert_eq!(stopped["tasks"]["not_attempted"], 60, "{}", stopped["tasks"]);
    assert_eq!(stopped["failures"], serde_json::json!([]));
    assert!(detail.contains("; last seen: tcp connect error: "), "{detail}");
    let summary = scene.call(&["report", "-o", "results.csv"]).expect(0).stdout;
    assert_eq!(summary.matches("tcp connect error").count(), 1, "{summary}");
    assert!(summary.contains("stop: 0 of 60 tasks"), "{summary}");
    let rows = results(&scene.read("results.csv"));
    assert_eq!(column(&rows, "outcome"), ["not_attempted"; 60]);
    let tried = rows.iter().filter(|row| row["error_kind"] == "connect");
    assert!(tried.clone().count() > 0 && tried.clone().all(|row| row["attempts"] != "0"));
    let server = Server::start_again(address, done);
    let ended = scene.call(&["resume", "--json"]).expect(0);
    assert_eq!(report(&ended.stdout)["tasks"]["succeeded"], 60);
    assert_eq!(server.count(), 60);
}

#[test]
fn what_was_answered_in_an_outage_was_sent() {
    let server = Server::start(|_: &Request| Reply::answer(503, "away"));
    let scene = scene_of(&server, 60);
    let flags = ["--rate", "none", "--outage-timeout", "1s", "--json"];
    let ended = scene.call(&[&["stop", "tasks.txt"], &flags[..]].concat()).expect(3);
    let tasks = &report(&ended.stdout)["tasks"];
    let (failed, skipped) = (tasks["failed"].as_u64(), tasks["not_attempted"].as_u64());
    assert!(failed > Some(0) && skipped > Some(0), "{tasks}");
    assert_eq!(failed.unwrap() + skipped.unwrap(), 60, "{tasks}");
}

/// Fails every tenth call or so, and the same ones in each test.
fn failing_at_random(request: &Request) -> Reply {
    let number: u64 = request.id["gate-".len()..].parse().unwrap();
    let mut dice = fastrand::Rng::with_seed(number * 100 + u64::from(request.attempt));
    match dice.u8(0..10) {
        0 => Reply::service(500, "VIAS.00010009", "an internal error"),
        _ => done(request),
    }
}

#[test]
fn one_call_in_ten_that_fails_at_random_costs_an_eighth_more_calls_and_hardly_a_task() {
    let server = Server::start(failing_at_random);
    let scene = scene_of(&server, 1_000);
    let ended = scene.call(&["stop", "tasks.txt", "--rate", "none", "-j", "64", "--json"]);
    let report = report(&ended.stdout);
    assert!(report["tasks"]["succeeded"].as_u64().unwrap() >= 999, "{}", report["tasks"]);
    assert!((1_050..=1_120).contains(&server.count()), "{} requests", server.count());
    assert!(report["calls"]["by_status"]["500"].as_u64().unwrap() > 50);
}
