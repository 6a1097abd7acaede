//! How a run begins small, keeps its pace and ends in time, through the real binary.

use crate::support::documents::report;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use batchctl::clock::Clock;
use std::time::Duration;

/// The arguments of a run of ten tasks, one at a time.
const TEN: [&str; 7] = ["stop", "tasks.txt", "--rate", "none", "-j", "1", "--json"];

fn scene_of_ten(server: &Server) -> Scene {
    let scene = Scene::with(server);
    let ids: Vec<String> = (0..10).map(|number| format!("gate-{number}")).collect();
    scene.write("tasks.txt", ids.join("\n"));
    scene
}

fn refuse_the_second(request: &Request) -> Reply {
    match &*request.id {
        "gate-1" => Reply::service(400, "VIAS.00010001", "no"),
        _ => Reply::trusted(&request.id, 0, 1),
    }
}

#[test]
fn a_canary_that_fails_stops_the_run_with_3_and_says_why() {
    let server = Server::start(refuse_the_second);
    let scene = scene_of_ten(&server);
    let ended = scene.call(&[&TEN[..], &["--canary", "3"]].concat()).expect(3);
    let report = report(&ended.stdout);
    assert_eq!(report["stopped"]["reason"], "canary_failed");
    assert_eq!(report["tasks"]["not_attempted"], 8);
    let detail = report["stopped"]["detail"].as_str().unwrap();
    assert!(detail.contains("`--canary 3`"), "{detail}");
    assert_eq!(server.ids(), ["gate-0", "gate-1"]);
}

#[test]
fn a_dry_run_tells_the_canary() {
    let scene = scene_of_ten(&Server::obliging());
    let ended = scene.call(&["stop", "tasks.txt", "-n", "--canary", "3"]).expect(0);
    ended.prints("  canary      the first 3 tasks must succeed before the rest is sent\n");
}

#[test]
fn a_ramp_sends_slowly_at_first() {
    let server = Server::obliging();
    let scene = scene_of_ten(&server);
    scene.call(&["stop", "tasks.txt", "--rate", "20/s", "--ramp", "2s"]).expect(0);
    let requests = server.requests();
    // The tenth follows after 9/20 s at the full rate, and after 1.34 s on the straight line. A busy machine
    // may let the first be late.
    assert!(requests[9].micros - requests[0].micros > 700_000, "{requests:?}");
}

#[test]
fn a_quota_that_is_used_up_holds_the_run_until_its_window_ends() {
    let server = Server::start(|request| {
        let reply = Reply::trusted(&request.id, 0, 1);
        match &*request.id {
            "gate-0" => reply
                .with_header("X-RateLimit-Remaining", "0")
                .with_header("X-RateLimit-Reset", "1"),
            _ => reply,
        }
    });
    let scene = scene_of_ten(&server);
    let ended = scene.call(&TEN).expect(0);
    let requests = server.requests();
    assert!(requests[1].micros - requests[0].micros > 900_000, "{requests:?}");
    let paused = report(&ended.stdout)["pace"]["paused_ms"].as_u64().unwrap();
    assert!(paused >= 900, "{paused}");
}

#[test]
fn a_time_of_day_that_is_to_come_is_kept_with_the_run_and_lets_it_go_on() {
    let server = Server::obliging();
    let scene = scene_of_ten(&server);
    let ended = scene.call(&[&TEN[..], &["--finish-by", "06:00"]].concat()).expect(0);
    assert_eq!(report(&ended.stdout)["settings"]["finish_by"], "06:00");
}

#[test]
fn a_run_ends_at_its_time_of_day_where_it_is() {
    let slow =
        |request: &Request| Reply::trusted(&request.id, 0, 1).after(Duration::from_millis(600));
    let server = Server::start(slow);
    let mut scene = scene_of_ten(&server);
    let now = Clock::start().now().as_micros().rem_euclid(86_400_000_000);
    // A zone in which it is three seconds before six.
    let ahead = (6 * 3_600 - 3 - now / 1_000_000).rem_euclid(86_400);
    let (hours, minutes, seconds) = (ahead / 3_600, ahead / 60 % 60, ahead % 60);
    scene.set("TZ", &format!("HERE-{hours:02}:{minutes:02}:{seconds:02}"));
    let ended = scene.call(&[&TEN[..], &["--finish-by", "06:00"]].concat()).expect(3);
    let report = report(&ended.stdout);
    assert_eq!(report["stopped"]["detail"], "it is past `--finish-by 06:00`");
    assert!(report["tasks"]["not_attempted"].as_u64().unwrap() >= 4, "{report}");
}

#[test]
fn the_earlier_of_two_ends_counts() {
    let slow =
        |request: &Request| Reply::trusted(&request.id, 0, 1).after(Duration::from_millis(400));
    let server = Server::start(slow);
    let scene = scene_of_ten(&server);
    let flags = ["--finish-by", "06:00", "--max-duration", "200ms"];
    let ended = scene.call(&[&TEN[..], &flags].concat()).expect(3);
    let report = report(&ended.stdout);
    assert_eq!(report["stopped"]["reason"], "out_of_time");
    assert_eq!(report["tasks"]["not_attempted"], 9);
}

#[test]
fn a_dry_run_tells_the_time_of_day_and_what_is_none_is_refused() {
    let scene = scene_of_ten(&Server::obliging());
    let ended = scene.call(&["stop", "tasks.txt", "-n", "--finish-by", "6:00"]).expect(0);
    ended.prints("  ends        at 06:00, whatever is left\n");
    let refused = scene.call(&["stop", "tasks.txt", "-n", "--finish-by", "24:00"]).expect(2);
    refused.says("from `00:00` to `23:59`");
}

#[test]
fn a_run_that_was_slower_than_its_rate_is_told_how_many_calls_it_needs() {
    let server = Server::start(|request| {
        Reply::trusted(&request.id, 0, 1).after(Duration::from_millis(100))
    });
    let scene = scene_of_ten(&server);
    let ended = scene.call(&["stop", "tasks.txt", "--rate", "100/s", "-j", "1"]).expect(0);
    ended.prints("\nHints\n  --concurrency ").prints("answers took too long for the rate");
}
