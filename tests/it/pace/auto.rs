//! `--rate auto` finds the service's limit, and the next run begins there.

use crate::support::documents::report;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use batchctl::clock::Clock;
use batchctl::clock::Instant;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

const STOP: [&str; 6] = ["stop", "tasks.txt", "--rate", "auto", "-j", "64"];

fn scene_of(server: &Server, tasks: u32) -> Scene {
    let scene = Scene::with(server);
    let ids: Vec<String> = (0..tasks).map(|number| format!("gate-{number}")).collect();
    scene.write("tasks.txt", ids.join("\n"));
    scene
}

fn throttled() -> Reply {
    Reply::gateway(429, "APIGW.0308", "The throttling threshold has been reached")
}

/// Throttles the request with that number and no other.
fn throttling_once(number: usize) -> impl Fn(&Request) -> Reply {
    let requests = AtomicUsize::new(0);
    move |request| match requests.fetch_add(1, Ordering::Relaxed) + 1 {
        this if this == number => throttled(),
        _ => Reply::trusted(&request.id, 0, 1),
    }
}

/// Throttles what comes when so many were accepted in the last second.
fn accepting(limit: usize) -> impl Fn(&Request) -> Reply {
    let clock = Clock::start();
    let accepted: Mutex<VecDeque<Instant>> = Mutex::default();
    move |request| {
        let (now, mut accepted) = (clock.instant(), accepted.lock().unwrap());
        while accepted.front().is_some_and(|&first| now - first >= Duration::from_secs(1)) {
            accepted.pop_front();
        }
        if accepted.len() >= limit {
            return throttled();
        }
        accepted.push_back(now);
        Reply::trusted(&request.id, 0, 1)
    }
}

/// Works on so many requests at a time, each of which takes 100 to 120 ms, and throttles the others.
fn working_on(most: usize) -> impl Fn(&Request) -> Reply {
    let clock = Clock::start();
    let ends: Mutex<Vec<Instant>> = Mutex::default();
    move |request| {
        let (now, mut ends) = (clock.instant(), ends.lock().unwrap());
        ends.retain(|&end| end > now);
        if ends.len() >= most {
            return throttled();
        }
        let takes =
            Duration::from_millis(100 + request.id.bytes().map(u64::from).sum::<u64>() % 21);
        // On its way back an answer is no longer worked on.
        ends.push(now + takes);
        Reply::trusted(&request.id, 0, 1).after(takes)
    }
}

fn learnt(report: &Value) -> f64 {
    report["pace"]["rate_learnt"].as_f64().unwrap()
}

/// Returns the report of a run that has found a limit of 40 a second. A busy machine bunches calls, so that they
/// may look as if they were throttled by chance, and sends too few to meet a higher limit.
fn finding(scene: &Scene) -> Value {
    let call = [&STOP[..], &["--rate-min", "30/s", "--json"]].concat();
    let runs = (0..3).map(|_| report(&scene.call(&call).expect(0).stdout));
    let mut found = runs.filter(|report| report["pace"]["rate_learnt"].is_number());
    found.next().expect("one of three runs finds a limit")
}

#[test]
fn a_hidden_limit_is_found_and_reported() {
    let server = Server::start(accepting(40));
    let scene = scene_of(&server, 200);
    let report = finding(&scene);
    assert_eq!(report["tasks"]["succeeded"], 200);
    assert_eq!(report["settings"]["rate"], "auto");
    // A busy machine bunches calls, so that they are throttled below the limit.
    let found = learnt(&report);
    assert!((12.0..80.0).contains(&found), "{found}");
    assert!(report["calls"]["throttled"].as_u64().unwrap() > 0);
    let told = scene.call(&["report"]).expect(0);
    told.prints("(limit auto)").prints("  rate found").prints("the service throttles at about ");
}

#[test]
fn the_next_run_begins_with_what_was_learnt_whatever_its_rate() {
    let server = Server::start(accepting(40));
    let scene = scene_of(&server, 200);
    let first = finding(&scene);
    let before = server.count();
    let fixed = ["stop", "tasks.txt", "--rate", "400/s", "-j", "64", "--limit", "60"];
    scene.call(&fixed).expect(0);
    // A busy machine makes it longer, and at 400 a second it would be a tenth of a second.
    let requests = server.requests();
    let took = (requests[before + 40].micros - requests[before].micros) as f64 / 1e6;
    assert!(took >= 30.0 / learnt(&first), "{took} s at {}/s", learnt(&first));
}

#[test]
fn a_resumed_run_goes_on_with_what_it_had_learnt_itself() {
    let server = Server::start(throttling_once(20));
    let scene = scene_of(&server, 240);
    let flags = ["--rate-min", "100/s", "--max-duration", "2s", "--json"];
    let first = report(&scene.call(&[&STOP[..], &flags].concat()).expect(3).stdout);
    std::fs::remove_file(scene.state().join("rates.json")).unwrap();
    let flags = ["resume", "--max-duration", "60s", "--rate-max", "400/s", "--json"];
    let second = report(&scene.call(&flags).expect(0).stdout);
    assert_eq!(learnt(&second), learnt(&first));
    assert_eq!(second["settings"]["rate"], "auto");
}

#[test]
fn a_rehearsal_teaches_nothing_about_a_service() {
    let scene = scene_of(&Server::obliging(), 30);
    let flags = ["--sandbox", "--rate-min", "100/s"];
    scene.call(&[&STOP[..], &flags].concat()).expect(0);
    assert!(!scene.state().join("rates.json").exists());
}

#[test]
fn a_dry_run_tells_between_what_the_rate_is_searched() {
    let scene = scene_of(&Server::obliging(), 30);
    let ended = scene.call(&[&STOP[..], &["-n", "--rate-max", "600/m"]].concat()).expect(0);
    ended.prints(
        "  pace        auto, from 1/s to 600/m, 64 on the wire at most; takes 2.9s at least\n",
    );
}

#[test]
fn flags_that_would_have_no_effect_are_refused() {
    let mut scene = scene_of(&Server::obliging(), 3);
    let check = |scene: &Scene, flags: &[&str], code: i32, told: &str| {
        scene.call(&[&["stop", "tasks.txt", "-n"], flags].concat()).expect(code).says(told);
    };
    check(&scene, &["--rate", "none", "--ramp", "30s"], 2, "or `--ramp 0s`");
    check(&scene, &["--rate", "none", "--ramp", "0s"], 0, "");
    check(&scene, &["--rate-max", "50/s"], 2, "hint: use `--rate auto`, or leave `--rate-max` out");
    check(&scene, &["--rate-min", "5/s", "--rate", "9/s"], 2, "`--rate-min` bounds what");
    let crossed = ["--rate", "auto", "--rate-min", "50/s", "--rate-max", "600/m"];
    check(&scene, &crossed, 2, "`--rate-min 50/s` is above `--rate-max 600/m`");
    check(&scene, &["--rate", "fast"], 2, "or `auto` or `none`");
    scene.set("BATCHCTL_RATE_MAX", "50/s");
    check(&scene, &[], 0, "");
}

#[test]
fn a_limit_on_calls_at_a_time_is_shown_and_remembered() {
    let server = Server::start(working_on(6));
    let scene = scene_of(&server, 240);
    let call = ["stop", "tasks.txt", "--rate", "400/s", "-j", "64"];
    let text = scene.call(&call).expect(0);
    text.prints("  service                 works on ").prints(" calls at a time");
    let first = report(&scene.call(&["report", "--json"]).expect(0).stdout);
    let most = first["pace"]["at_a_time_set_by_service"].as_u64().unwrap();
    // Answers take their way, so that the client counts some calls more than the service.
    assert!((5..=12).contains(&most), "{first}");
    let rates = scene.read(".local/state/batchctl/rates.json");
    assert!(rates.contains(&format!("\"at_a_time\": {most}")), "{rates}");
    let second = report(&scene.call(&[&call[..], &["--json"]].concat()).expect(0).stdout);
    let throttled = |report: &Value| report["calls"]["throttled"].as_u64().unwrap();
    assert!(throttled(&second) < throttled(&first), "{second}");
}
