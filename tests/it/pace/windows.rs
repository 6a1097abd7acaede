//! Windows of minutes and hours, and waits that the service asks for, as the service sees them.
//!
//! Only the shortest times are asserted: a busy machine may make every one of them longer. Where one begins
//! with an arrival, which may be late, half of it is enough.

use crate::support::documents::report;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

fn scene_of(server: &Server, tasks: u32) -> Scene {
    let scene = Scene::with(server);
    let ids: Vec<String> = (0..tasks).map(|number| format!("gate-{number}")).collect();
    scene.write("tasks.txt", ids.join("\n"));
    scene
}

/// Sends six tasks at that limit of four a second, and checks that they are spread.
fn check_spread(rate: &str) {
    let server = Server::obliging();
    scene_of(&server, 6).call(&["stop", "tasks.txt", "--rate", rate]).expect(0);
    let requests = server.requests();
    // Each follows a quarter of a second after the one before. A busy machine may let the first be late, and
    // without the spread there would be no time between them.
    let took = requests[5].micros - requests[0].micros;
    assert!(took > 600_000, "{rate}: {took} µs");
}

#[test]
fn a_limit_of_a_minute_is_spread_over_it() {
    check_spread("240/m");
}

#[test]
fn a_limit_of_an_hour_is_spread_over_it() {
    check_spread("14400/h");
}

#[test]
fn an_hour_that_is_used_up_stays_so_when_the_run_is_resumed() {
    let server = Server::obliging();
    let scene = scene_of(&server, 5);
    let flags = ["--rate", "1/h", "--max-duration", "500ms", "--json"];
    let ended = scene.call(&[&["stop", "tasks.txt"], &flags[..]].concat()).expect(3);
    assert_eq!(report(&ended.stdout)["tasks"]["succeeded"], 1);
    let again = scene.call(&["resume", "--json"]).expect(3);
    assert_eq!(report(&again.stdout)["tasks"]["succeeded"], 1);
    assert_eq!(server.count(), 1, "nobody was called in the same hour");
}

/// Asks once for two seconds of silence, and answers the three calls beside that one when it comes again:
/// only its own slot is free until then.
fn throttling() -> impl Fn(&Request) -> Reply {
    let came_again = Arc::new(AtomicBool::new(false));
    move |request| {
        let reply = Reply::trusted(&request.id, 0, 1);
        match (&*request.id, request.attempt) {
            ("gate-9", 1) => {
                let message = "The throttling threshold has been reached";
                Reply::gateway(429, "APIGW.0308", message).with_header("retry-after", "2")
            }
            ("gate-9", _) => {
                came_again.store(true, Ordering::Relaxed);
                reply
            }
            ("gate-6" | "gate-7" | "gate-8", _) => reply.once(&came_again),
            _ => reply,
        }
    }
}

#[test]
fn a_wait_that_the_service_asks_for_holds_every_call_and_its_own_task_goes_first() {
    let server = Server::start(throttling());
    let scene = scene_of(&server, 40);
    let call = ["stop", "tasks.txt", "--rate", "none", "-j", "4", "--json"];
    let ended = scene.call(&call).expect(0);
    let requests = server.requests();
    let asked = requests.iter().position(|request| request.id == "gate-9").unwrap();
    let again = requests.iter().rposition(|request| request.id == "gate-9").unwrap();
    // What was on its way already arrives; nothing follows before the task that has to wait.
    let between: Vec<_> = requests[asked + 1..again].iter().map(|request| &request.id).collect();
    assert!(between.len() <= 3, "{between:?}");
    let silence = requests[again].micros - requests[asked].micros;
    assert!(silence >= 2_000_000, "{silence} µs");
    let paused = report(&ended.stdout)["pace"]["paused_ms"].as_u64().unwrap();
    assert!(paused >= 2_000, "{paused}");
}

#[test]
fn a_wait_that_is_longer_than_the_run_may_last_ends_it_at_once_and_it_can_be_resumed() {
    let server = Server::start(|request: &Request| {
        let reply = Reply::trusted(&request.id, 0, 1);
        match (&*request.id, request.attempt) {
            ("gate-2", 1) => {
                Reply::gateway(429, "APIGW.0308", "too many").with_header("retry-after", "3600")
            }
            _ => reply,
        }
    });
    let scene = scene_of(&server, 6);
    let flags = ["--rate", "none", "-j", "1", "--json"];
    let ended = scene.call(&[&["stop", "tasks.txt"], &flags[..]].concat()).expect(3);
    let stopped = report(&ended.stdout);
    assert_eq!(stopped["stopped"]["reason"], "throttled");
    let detail = stopped["stopped"]["detail"].as_str().unwrap();
    assert!(detail.contains("`--throttle-timeout"), "{detail}");
    let resumed = report(&scene.call(&["resume", "--json"]).expect(0).stdout);
    assert_eq!(resumed["tasks"]["succeeded"], 6);
}

#[test]
fn a_fraction_of_a_second_is_rounded_up() {
    let server = Server::start(|request: &Request| match (&*request.id, request.attempt) {
        ("gate-0", 1) => {
            Reply::gateway(429, "APIGW.0308", "too many").with_header("retry-after", "0.5")
        }
        _ => Reply::trusted(&request.id, 0, 1),
    });
    let scene = scene_of(&server, 2);
    scene.call(&["stop", "tasks.txt", "--rate", "none", "-j", "1"]).expect(0);
    let requests = server.requests();
    let waited = requests[1].micros - requests[0].micros;
    assert!(waited >= 1_000_000, "{waited} µs");
}
