//! `--waves` and `--wave-pause`: growing parts of the tasks, one after the other.

use crate::support::documents::report;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use crate::support::service::wait_until;
use rustix::process::Signal;

fn scene(server: &Server, tasks: usize) -> Scene {
    let mut scene = Scene::with(server);
    scene.set("BATCHCTL_RATE", "none");
    scene.set("BATCHCTL_WAVES", "1,50%,100%");
    let ids: Vec<String> = (0..tasks).map(|number| format!("gate-{number}\n")).collect();
    scene.write("tasks.csv", format!("id\n{}", ids.concat()));
    scene
}

#[test]
fn every_wave_is_told_in_every_document() {
    let server = Server::obliging();
    let scene = scene(&server, 10);
    let documents = ["-o", "r.json", "-o", "r.md", "-o", "r.html", "-o", "e.ndjson"];
    let call = [&["stop", "tasks.csv"][..], &documents].concat();
    let ended = scene.call(&call).expect(0);
    ended
        .says("wave 1 of 3: until 1 task is sent")
        .prints("  wave                    3 of 3 (`--waves 1,50%,100%`)\n");
    let json = report(&scene.read("r.json"));
    assert_eq!((&json["wave"]["number"], &json["wave"]["of"]), (&3.into(), &3.into()));
    assert_eq!(json["settings"]["waves"], "1,50%,100%");
    assert!(scene.read("r.md").contains("- Wave: 3 of 3"));
    assert!(scene.read("r.html").contains("3 of 3"));
    let events = scene.read("e.ndjson");
    let begun = events.lines().filter(|line| line.contains(r#""event":"wave_started""#));
    assert_eq!(begun.count(), 3);
}

#[test]
fn a_failure_stops_the_run_before_the_next_wave_and_resume_goes_on() {
    let server = Server::start(|request: &Request| match &*request.id {
        "gate-2" => Reply::service(400, "VIAS.1", "no"),
        _ => Reply::trusted(&request.id, 0, 1),
    });
    let scene = scene(&server, 10);
    let ended = scene.call(&["stop", "tasks.csv"]).expect(3);
    ended.prints("not all tasks of wave 2 of 3 succeeded").prints("not attempted");
    assert_eq!(server.count(), 5);
    let ended = scene.call(&["resume"]).expect(1);
    ended.says("wave 3 of 3").prints("succeeded           9");
    assert_eq!(server.count(), 10);
}

#[test]
fn a_pause_is_shown_and_ends_at_once_when_the_run_is_stopped() {
    let server = Server::obliging();
    let scene = scene(&server, 4);
    let call = ["stop", "tasks.csv", "--wave-pause", "1h", "--yes"];
    let mut running = scene.start(&call);
    running.wait_until_it_says("pause after wave 1 of 3: going on in 1h");
    let status = scene.call(&["ctl", "latest", "status"]).expect(0);
    status.prints("wave 1 of 3").prints("pause after wave 1 of 3");
    running.signal(Signal::INT);
    running.ended().expect(130);
    assert_eq!(server.count(), 1);
    let told = scene.call(&["report"]).expect(0);
    told.prints("1 of 3 (`--waves 1,50%,100%`)");
}

#[test]
fn a_run_that_was_killed_in_a_pause_goes_on_with_the_pause() {
    let server = Server::obliging();
    let scene = scene(&server, 4);
    let mut running = scene.start(&["stop", "tasks.csv", "--wave-pause", "1h", "--yes"]);
    running.wait_until_it_says("pause after wave 1 of 3");
    running.kill();
    let mut resumed = scene.start(&["resume", "--yes"]);
    resumed.wait_until_it_says("pause between two waves: going on in ");
    scene.call(&["ctl", "latest", "drain"]).expect(0);
    resumed.ended().expect(3);
    assert_eq!(server.count(), 1);
}

#[test]
fn a_run_that_was_killed_in_a_wave_goes_on_in_it() {
    let server = Server::start(|request: &Request| match (&*request.id, request.attempt) {
        ("gate-1", 1) => Reply::silence(),
        _ => Reply::trusted(&request.id, 0, 1),
    });
    let scene = scene(&server, 10);
    let running = scene.start(&["stop", "tasks.csv", "--yes"]);
    server.wait_for(5);
    wait_until("the outcomes of three tasks", || {
        scene.call(&["runs", "list", "--json"]).stdout.contains("\"succeeded\": 4")
    });
    running.kill();
    scene.call(&["resume"]).expect(0).says("wave 2 of 3").says("wave 3 of 3");
    assert_eq!(server.count(), 11);
}

#[test]
fn tasks_that_need_no_call_are_no_part_of_a_wave() {
    let scene = Scene::new();
    let ids: Vec<String> = (1..=6).map(|number| format!("task-{number:06}\n")).collect();
    scene.write("tasks.csv", format!("id\n{}gate-1\ngate-2\n", ids.concat()));
    let call = ["stop", "tasks.csv", "--sandbox", "--skip-unchanged", "--on-unknown", "send"];
    let ended = scene.call(&[&call[..], &["--waves", "1,100%"]].concat()).expect(0);
    ended.says("wave 1 of 2: until 1 task").says("wave 2 of 2: until 2 tasks");
}

#[test]
fn a_list_of_waves_is_checked_before_anything_is_sent() {
    let server = Server::obliging();
    let scene = scene(&server, 4);
    for (waves, says) in [
        ("10%,5%,100%", "do not grow at `5%`"),
        ("10%,120%", "`120%` is not between 1% and 100%"),
        ("1,10%", "the last wave is not `100%`"),
        ("many", "`many` is no part of the tasks"),
    ] {
        let ended = scene.call(&["stop", "tasks.csv", "--waves", waves]).expect(2);
        ended.says(says).says("`1,10%,100%`");
    }
    let dry = scene.call(&["stop", "tasks.csv", "-n", "--wave-pause", "5m"]).expect(0);
    dry.prints(
        "waves       until 1, 2, 4 tasks are sent; each must succeed, with pauses of 5m 00s",
    );
    let mut without = scene;
    without.unset("BATCHCTL_WAVES");
    without.call(&["stop", "tasks.csv", "--wave-pause", "5m"]).expect(2).says("there are none");
    assert_eq!(server.count(), 0);
}
