//! `ctl`: a run under way is asked and changed from another process.

use crate::support::program::Running;
use crate::support::program::Scene;
use crate::support::program::TOKEN;
use crate::support::reply::Reply;
use crate::support::server::Server;
use rustix::process::Signal;
use serde_json::Value;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// A run of a thousand tasks at 20/s, under way.
fn begun() -> (Server, Scene, Running) {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let running = start(&server, &scene, &["stop", "tasks.txt", "--rate", "20/s"]);
    (server, scene, running)
}

fn start(server: &Server, scene: &Scene, call: &[&str]) -> Running {
    let ids: Vec<String> = (0..1_000).map(|number| format!("gate-{number:04}")).collect();
    scene.write("tasks.txt", ids.join("\n"));
    let before = server.count();
    let running = scene.start(call);
    server.wait_for(before + 2);
    running
}

fn status(scene: &Scene) -> Value {
    let ended = scene.call(&["ctl", "latest", "status", "--json"]).expect(0);
    serde_json::from_str(&ended.stdout).unwrap()
}

fn socket(scene: &Scene) -> PathBuf {
    let runs = std::fs::read_dir(scene.state().join("runs")).unwrap();
    let mut paths = runs.map(|entry| entry.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|ending| ending == "sock")).unwrap()
}

/// Returns what operators changed, as the report has it.
fn changes(scene: &Scene) -> Vec<(String, Option<String>)> {
    let ended = scene.call(&["report", "--json"]).expect(0);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let changes = report["changes"].as_array().unwrap().iter();
    let changes = changes.inspect(|change| assert!(change["by"].as_str().unwrap().len() > 8));
    changes.map(|change| (text(&change["change"]).unwrap(), text(&change["value"]))).collect()
}

#[test]
fn a_run_is_asked_where_it_stands() {
    let (_server, scene, running) = begun();
    let told = status(&scene);
    assert_eq!(told["state"], "running");
    assert_eq!(told["selected"], 1_000);
    assert_eq!((&told["rate_limit"], &told["concurrency"]), (&"20/s".into(), &16.into()));
    let ended = scene.call(&["ctl", "status"]).expect(0);
    ended.prints("of 1,000 tasks settled").prints("limits    20/s, 16 at a time");
    running.signal(Signal::INT);
    running.ended().expect(130);
}

#[test]
fn a_paused_run_sends_nothing_until_it_is_resumed() {
    let (server, scene, mut running) = begun();
    scene.call(&["ctl", "latest", "pause"]).expect(0).prints("paused");
    running.wait_until_it_says("paused by process");
    while status(&scene)["on_wire"] != 0 {}
    let sent = server.count();
    scene.call(&["ctl", "latest", "pause"]).expect(0).prints("nothing changed");
    // Each of these takes longer than a sending would.
    for _ in 0..5 {
        assert_eq!(status(&scene)["state"], "paused");
    }
    assert_eq!(server.count(), sent);
    scene.call(&["ctl", "latest", "resume"]).expect(0).prints("going on");
    server.wait_for(sent + 3);
    scene.call(&["ctl", "latest", "drain"]).expect(0);
    running.ended().expect(3);
    assert_eq!(
        changes(&scene),
        [("paused".into(), None), ("resumed".into(), None), ("drained".into(), None)]
    );
}

#[test]
fn an_interrupt_ends_a_paused_run() {
    let (_server, scene, running) = begun();
    scene.call(&["ctl", "pause"]).expect(0);
    running.signal(Signal::INT);
    running.ended().expect(130);
}

#[test]
fn rate_and_concurrency_are_changed_and_stand_in_the_report() {
    let (server, scene, mut running) = begun();
    scene.call(&["ctl", "latest", "concurrency", "2"]).expect(0).prints("2 at a time");
    scene.call(&["ctl", "latest", "rate", "none"]).expect(0).prints("no rate limit");
    running.wait_until_it_says("no rate limit any more");
    let ended = running.ended().expect(0);
    assert_eq!(server.count(), 1_000);
    let ended = ended.prints("limit 20/s at first").prints("changes             2   by hand");
    drop(ended);
    let rate = ("rate".to_owned(), Some("none".to_owned()));
    assert_eq!(changes(&scene), [("concurrency".into(), Some("2".into())), rate]);
}

#[test]
fn a_drained_run_is_resumed_with_its_own_settings() {
    let (server, scene, running) = begun();
    scene.call(&["ctl", "latest", "rate", "1/h"]).expect(0);
    scene.call(&["ctl", "latest", "drain"]).expect(0).prints("draining");
    running.ended().expect(3).prints("asked to drain").prints("batchctl resume");
    assert!(
        std::fs::read_dir(scene.state().join("runs")).unwrap().all(|entry| {
            entry.unwrap().path().extension().is_none_or(|ending| ending != "sock")
        })
    );
    let sent = server.count();
    let running = scene.start(&["resume", "--rate", "none"]);
    running.ended().expect(0);
    assert_eq!(server.count(), 1_000);
    assert!(sent < 1_000);
}

#[test]
fn a_run_that_is_not_running_says_so_and_what_helps() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.call(&["ctl", "status"]).expect(2).says("error: no run is kept\n");
    scene.call(&["stop", "--id", "gate-1"]).expect(0);
    let ended = scene.call(&["ctl", "latest", "pause"]).expect(2);
    ended.says("is not running: it is finished").says("batchctl report");
}

#[test]
fn a_socket_left_behind_by_a_kill_is_known_and_replaced() {
    let (server, scene, running) = begun();
    running.signal(Signal::KILL);
    drop(running.ended());
    assert!(socket(&scene).exists());
    let ended = scene.call(&["ctl", "latest", "status"]).expect(2);
    ended.says("it was cut short").says("batchctl resume");
    let running = start(&server, &scene, &["resume"]);
    scene.call(&["ctl", "latest", "drain"]).expect(0);
    running.ended().expect(3);
}

#[test]
fn the_socket_is_for_its_owner_alone_and_holds_no_secret() {
    let (_server, scene, running) = begun();
    let mode = std::fs::metadata(socket(&scene)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let told = status(&scene).to_string();
    assert!(!told.contains(TOKEN), "{told}");
    running.signal(Signal::INT);
    running.ended().expect(130);
}

/// Says something over the socket, and returns what is answered until it is closed.
fn say(scene: &Scene, words: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket(scene)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // It may be closed before all of it was taken.
    let _ = stream.write_all(words);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn nonsense_on_the_socket_is_refused_and_does_not_disturb_the_run() {
    let (_server, scene, running) = begun();
    assert!(say(&scene, b"garbage\n").contains("that is no JSON"));
    assert!(say(&scene, b"\xff\xfe\x00\n").contains("that is no JSON"));
    assert!(say(&scene, b"{\"version\":9,\"order\":\"pause\"}\n").contains("version 1"));
    say(&scene, &vec![b'x'; 100_000]);
    assert_eq!(say(&scene, b""), "");
    // Who connects and says nothing is in nobody's way.
    let _silent = UnixStream::connect(socket(&scene)).unwrap();
    let two = b"{\"version\":1,\"order\":\"pause\"}\n{\"version\":1,\"order\":\"resume\"}\n";
    assert_eq!(say(&scene, two).lines().count(), 2);
    scene.call(&["ctl", "drain"]).expect(0);
    running.ended().expect(3);
}

#[test]
fn several_operators_at_once_are_all_answered() {
    let (_server, scene, running) = begun();
    thread::scope(|scope| {
        for number in 2..8 {
            let scene = &scene;
            scope.spawn(move || {
                let most = number.to_string();
                scene.call(&["ctl", "latest", "concurrency", &most]).expect(0);
            });
        }
    });
    assert!((2..8).contains(&status(&scene)["concurrency"].as_u64().unwrap()));
    scene.call(&["ctl", "drain"]).expect(0);
    running.ended().expect(3);
    assert_eq!(changes(&scene).len(), 7);
}

#[test]
fn silent_clients_make_room_the_oldest_first() {
    let (_server, scene, running) = begun();
    let connect = || UnixStream::connect(socket(&scene)).unwrap();
    let mut silent: Vec<UnixStream> = (0..40).map(|_| connect()).collect();
    // `ctl` itself gives up after two seconds.
    for _ in 0..3 {
        assert_eq!(status(&scene)["state"], "running");
    }
    // Those that drip without ever asking are silent as well.
    let mut dripping: Vec<UnixStream> = (0..16).map(|_| connect()).collect();
    for stream in &mut dripping {
        let _ = stream.write_all(b"{\"version\":1,");
    }
    assert_eq!(status(&scene)["state"], "running");
    silent[0].set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert_eq!(silent[0].read(&mut [0]).unwrap(), 0, "the oldest was sent away");
    scene.call(&["ctl", "drain"]).expect(0);
    running.ended().expect(3);
}

#[test]
fn changes_are_bounded_and_numbers_as_well() {
    let (_server, scene, running) = begun();
    let orders: String = (0..1_000)
        .map(|number| {
            format!("{{\"version\":1,\"order\":\"concurrency\",\"most\":{}}}\n", number % 7 + 1)
        })
        .collect();
    let answers = say(&scene, orders.as_bytes());
    assert!(answers.contains("a run takes 10 changes a second"), "{answers}");
    let changed = answers.matches("\"changed\"").count();
    assert!(changed >= 10, "{answers}");
    scene.call(&["ctl", "latest", "concurrency", "65536"]).expect(2).says("at most 65535");
    scene.call(&["stop", "--id", "gate-1", "-n", "-j", "18446744073709551615"]).expect(2);
    // A drain is never refused.
    scene.call(&["ctl", "drain"]).expect(0);
    running.ended().expect(3);
    assert_eq!(changes(&scene).len(), changed + 1);
}

#[test]
fn a_run_that_stops_is_not_changed_any_more() {
    let server = Server::start(|_| Reply::silence());
    let scene = Scene::with(&server);
    let call = ["stop", "--id", "gate-1", "--id", "gate-2", "-j", "1", "--drain-timeout", "1h"];
    let mut running = scene.start(&call);
    server.wait_for(1);
    running.signal(Signal::INT);
    running.wait_until_it_says("stopping");
    scene.call(&["ctl", "resume"]).expect(75).says("coming to its end");
    running.signal(Signal::INT);
    running.ended().expect(130);
}

#[test]
fn a_state_directory_with_a_long_path_has_its_socket_all_the_same() {
    let server = Server::obliging();
    let mut scene = Scene::with(&server);
    let deep = scene.path(&"x".repeat(120)).join("y".repeat(120));
    scene.set("BATCHCTL_STATE_DIR", deep.to_str().unwrap());
    let running = start(&server, &scene, &["stop", "tasks.txt", "--rate", "20/s"]);
    assert_eq!(status(&scene)["state"], "running");
    scene.call(&["ctl", "drain"]).expect(0);
    running.ended().expect(3);
}

#[test]
fn what_is_no_value_is_refused_before_anybody_is_asked() {
    let scene = Scene::new();
    scene.call(&["ctl", "latest", "rate", "fast"]).expect(2).says("10/s");
    scene.call(&["ctl", "latest", "concurrency", "0"]).expect(2);
    scene.call(&["ctl", "latest", "explode"]).expect(2);
}

#[test]
fn a_run_that_is_taken_up_at_another_rate_says_so() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-1\ngate-2\ngate-3\n");
    scene.call(&["stop", "tasks.txt", "--rate", "1/h", "--max-duration", "1ms"]).expect(3);
    let changes = || {
        let report = scene.call(&["report", "--json"]);
        let report: Value = serde_json::from_str(&report.stdout).unwrap();
        let changes = report["changes"].as_array().unwrap().clone();
        changes.iter().map(|it| format!("{} {}", it["change"], it["value"])).collect::<Vec<_>>()
    };
    let again = ["resume", "--max-duration", "1ms"];
    // The same rate is no change, and neither is one that was changed to before.
    scene.call(&again).expect(3);
    assert_eq!(changes(), [""; 0]);
    let fast = ["resume", "--rate", "2/h", "-j", "3", "--max-duration", "1ms"];
    scene.call(&fast).expect(3);
    scene.call(&fast).expect(3);
    assert_eq!(changes(), ["\"rate\" \"2/h\"", "\"concurrency\" \"3\""]);
    let ended = scene.call(&["resume", "--rate", "none", "-j", "3", "--max-duration", "1h"]);
    ended.expect(0).prints("(limit 1/h at first)");
    assert_eq!(changes().len(), 3);
}

#[test]
fn a_drain_whose_answer_came_too_late_was_done_all_the_same() {
    let (_server, scene, running) = begun();
    let path = socket(&scene);
    scene.call(&["ctl", "drain"]).expect(0);
    running.ended().expect(3);
    // Stands for a run that is over before its answer has left.
    let listener = UnixListener::bind(path).unwrap();
    let answers = thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 512]).unwrap();
        }
    });
    scene.call(&["ctl", "drain"]).expect(0).prints("draining");
    scene.call(&["ctl", "pause"]).expect(2).says("is not running: it was cut short");
    answers.join().unwrap();
}
