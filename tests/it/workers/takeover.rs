//! Workers that die, sleep or lose the database: no task is lost, and none is recorded twice.

use super::{Stage, check_seconds, sent};
use crate::support::documents::report;
use crate::support::service::wait_until;
use rustix::process::Signal;
use std::time::Duration;
use std::{env, thread};

const TAKEOVERS: &str = "SELECT count(*) FROM batchctl.takeover";

#[test]
fn the_tasks_of_a_worker_that_is_killed_are_taken_over_and_the_rate_is_kept() {
    let Some(stage) = Stage::answering_in(20) else { return };
    let id = stage.plan(600, &["--rate", "150/s", "--lease", "2s"]);
    let mut workers: Vec<_> = (0..3).map(|_| stage.worker()).collect();
    stage.await_settled(100);
    workers.remove(0).kill();
    for worker in workers {
        worker.ended().expect(0);
    }
    stage.check(600);
    assert!(stage.database.number(TAKEOVERS) >= 1);
    check_who_did_what(&stage);
    // Of the last calls of the one that was killed, at most eight, nobody knows more than when they were to leave.
    check_seconds(&sent(&stage.rehearsal.scene, &id), 152 + 8);
}

/// Checks that every document says who carried the run out, and what was taken over.
fn check_who_did_what(stage: &Stage) {
    let documents = ["-o", "r.md", "-o", "r.html", "-o", "r.prom"];
    let ended = stage.call(&[&["report", "--json"], &documents[..]].concat());
    let json = report(&ended.stdout);
    let workers = json["workers"].as_array().unwrap();
    let calls: u64 = workers.iter().filter_map(|it| it["calls"].as_u64()).sum();
    // The one that was killed told of its calls with its last sign of life, a quarter of a second before.
    assert_eq!(workers.len(), 3);
    assert!((500..=json["calls"]["attempts"].as_u64().unwrap()).contains(&calls), "{workers:?}");
    assert!(workers[0]["to"].is_null() || workers[1]["to"].is_null() || workers[2]["to"].is_null());
    let takeovers = json["takeovers"].as_array().unwrap();
    assert_eq!(takeovers.len() as u64, stage.database.number(TAKEOVERS));
    let in_doubt: u64 = takeovers.iter().filter_map(|it| it["in_doubt"].as_u64()).sum();
    assert_eq!(in_doubt, stage.status()["in_doubt"].as_u64().unwrap());
    let scene = &stage.rehearsal.scene;
    assert!(
        scene.read("r.md").contains("### Workers") && scene.read("r.md").contains("Taken over: ")
    );
    assert!(scene.read("r.html").contains("Taken over"));
    let prom = scene.read("r.prom");
    assert!(prom.contains("batchctl_last_run_workers{job=\"\",command=\"start\"} 3"), "{prom}");
    let text = stage.call(&["report"]).stdout;
    assert!(text.contains("Workers\n") && text.contains("gone without a word"), "{text}");
}

#[test]
fn a_run_ends_with_the_worker_that_goes_last_whichever_came_last() {
    let Some(stage) = Stage::answering_in(5) else { return };
    let id = stage.plan(300, &["--rate", "100/s"]);
    let first = stage.worker_on(&id);
    stage.await_settled(10);
    let second = stage.worker_on(&id);
    let workers = "SELECT count(*) FROM batchctl.worker";
    wait_until("another one", || stage.database.number(workers) == 2);
    second.signal(Signal::TERM);
    second.ended();
    first.ended().expect(0);
    let report = report(&stage.call(&["report", "--json"]).stdout);
    let last = report["workers"].as_array().unwrap().iter().filter_map(|it| it["to"].as_str());
    assert_eq!(report["run"]["finished_at"].as_str(), last.max());
}

#[test]
fn a_worker_that_was_stopped_for_longer_than_its_lease_records_nothing_of_its_old_chunks() {
    let Some(stage) = Stage::answering_in(20) else { return };
    stage.plan(400, &["--rate", "none", "--lease", "2s"]);
    let (sleeper, other) = (stage.worker(), stage.worker());
    stage.await_settled(50);
    sleeper.signal(Signal::STOP);
    wait_until("a takeover", || stage.database.number(TAKEOVERS) >= 1);
    sleeper.signal(Signal::CONT);
    sleeper.ended().expect(0);
    other.ended().expect(0);
    stage.check(400);
}

#[test]
fn a_database_that_crashes_and_sessions_that_are_cut_repeat_nothing() {
    let Some(mut stage) = Stage::answering_in(5) else { return };
    stage.plan(1_500, &["--rate", "none", "--lease", "60s"]);
    let workers: Vec<_> = (0..3).map(|_| stage.worker()).collect();
    stage.await_settled(200);
    stage.database.crash();
    stage.database.begin();
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE application_name = 'batchctl'";
    for more in 1..=10 {
        stage.database.number(cut);
        stage.await_settled(200 + more * 20);
    }
    for worker in workers {
        worker.ended().expect(0);
    }
    assert_eq!(stage.check(1_500), 0);
}

#[test]
fn a_worker_that_is_asked_to_end_gives_its_tasks_back_at_once() {
    let Some(stage) = Stage::answering_in(20) else { return };
    // Slow until one has ended, so that it cannot come to the end of the run before.
    stage.plan(300, &["--rate", "50/s"]);
    let talking = ["work", "-j", "8", "--progress", "lines"];
    let (one, other) = (stage.worker(), stage.rehearsal.scene.start(&talking));
    stage.await_settled(40);
    one.signal(Signal::TERM);
    one.ended().expect(143);
    stage.call(&["ctl", "rate", "none"]).expect(0);
    // Its own tasks are fewer.
    other.ended().expect(0).says("300 of 300 tasks settled, 100%");
    assert_eq!(stage.check(300), 0);
    let report = report(&stage.call(&["report", "--json"]).stdout);
    assert_eq!(report["tasks"]["succeeded"], 300);
    // The lease is far longer than the run was.
    assert_eq!(stage.database.number(TAKEOVERS), 0);
}

#[test]
fn calls_that_a_worker_gave_up_are_told_of_as_in_doubt() {
    let Some(stage) = Stage::answering_in(700) else { return };
    stage.plan(16, &["--rate", "none", "--lease", "60s"]);
    let mut worker = stage.worker();
    wait_until("calls on the wire", || stage.rehearsal.service.requests() == 8);
    worker.signal(Signal::INT);
    worker.wait_until_it_says("SIGINT: nothing new is sent");
    worker.signal(Signal::INT);
    worker.ended().expect(130);
    assert_eq!(stage.status()["workers"][0]["in_flight"], 0);
    stage.worker().ended().expect(0);
    assert_eq!(stage.check(16), 8);
    // By a worker that said that it went.
    assert_eq!(stage.database.number(TAKEOVERS), 1);
    let text = stage.call(&["report"]).stdout;
    assert!(text.contains("taken over"), "{text}");
}

#[test]
fn without_the_database_a_worker_ends_with_74_and_another_one_goes_on() {
    let Some(mut stage) = Stage::answering_in(10) else { return };
    stage.plan(600, &["--rate", "100/s", "--lease", "2s"]);
    let arguments = ["work", "-q", "-j", "8", "--store-timeout", "1s"];
    let worker = stage.rehearsal.scene.start(&arguments);
    stage.await_settled(40);
    stage.database.crash();
    worker.ended().expect(74);
    stage.database.begin();
    stage.worker().ended().expect(0);
    stage.check(600);
}

/// When a planner is killed: at some times of its work, or at random in `tests/full`.
fn delays() -> Vec<Duration> {
    let count = env::var("BATCHCTL_TEST_PLANNERS").ok().map(|count| count.parse::<u32>().unwrap());
    let millis: Vec<u64> = match count {
        Some(count) => (0..count).map(|_| fastrand::u64(..500)).collect(),
        None => vec![0, 20, 60, 120, 200, 400],
    };
    millis.into_iter().map(Duration::from_millis).collect()
}

#[test]
fn a_planner_that_is_killed_leaves_no_run_or_the_whole_run() {
    let Some(stage) = Stage::answering_in(0) else { return };
    let ids: Vec<String> = (0..30_000).map(|number| format!("camera-{number:05}")).collect();
    let input = stage.rehearsal.input(&ids);
    for after in delays() {
        let arguments = ["start", input.to_str().unwrap(), "--detach"];
        let planner = stage.rehearsal.scene.start(&arguments);
        thread::sleep(after);
        planner.kill();
    }
    let whole = stage.rehearsal.scene.call(&["runs", "list", "--json"]);
    if whole.code != Some(0) {
        return;
    }
    let planned = "SELECT count(*) FROM batchctl.run WHERE tasks <> \
                   (SELECT sum(c.tasks) FROM batchctl.chunk c WHERE c.run = run.no)";
    assert_eq!(stage.database.number(planned), 0);
}
