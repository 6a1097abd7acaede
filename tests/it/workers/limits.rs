//! What holds for all workers because one of them was told: waits, orders, credentials, a long way.

use super::{Stage, check_seconds, configure, sent};
use crate::support::postgres::Postgres;
use crate::support::program::{Scene, TOKEN};
use crate::support::relay::Relay;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::service::wait_until;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

fn tasks(scene: &Scene, count: usize) {
    let ids: Vec<String> = (0..count).map(|number| format!("camera-{number:05}")).collect();
    scene.write("tasks.csv", format!("id\n{}\n", ids.join("\n")));
}

#[test]
fn a_wait_that_the_service_asks_one_worker_for_holds_all_of_them() {
    let Some(database) = Postgres::start() else { return };
    let is_told = AtomicBool::new(false);
    let server = Server::start(move |request| {
        let is_late = request.id.as_str() >= "camera-00060";
        if is_late && !is_told.swap(true, Ordering::SeqCst) {
            return Reply::gateway(429, "APIGW.0308", "busy").with_header("Retry-After", "2");
        }
        Reply::trusted(&request.id, 0, 1)
    });
    let mut scene = Scene::with(&server);
    configure(&mut scene, &database, &server.url());
    tasks(&scene, 200);
    let start = ["start", "tasks.csv", "--detach", "--rate", "100/s", "--timeout", "1s"];
    scene.call(&start).expect(0);
    let workers: Vec<_> = (0..3).map(|_| scene.start(&["work", "-q", "-j", "8"])).collect();
    for worker in workers {
        worker.ended().expect(0);
    }
    let requests = server.requests();
    let told = requests.iter().position(|it| it.id.as_str() >= "camera-00060").unwrap();
    let told = requests[told].micros;
    // Slots that were granted before lie 200 ms ahead at most; twice that for a busy machine.
    let held = told + 400_000..told + 1_900_000;
    let meanwhile = requests.iter().filter(|it| held.contains(&it.micros)).count();
    assert_eq!(meanwhile, 0, "calls while the service wanted none");
    assert_eq!(requests.len(), 201);
}

#[test]
fn a_rate_that_is_set_after_none_holds_for_all_workers_within_a_second() {
    let Some(stage) = Stage::answering_in(20) else { return };
    let id = stage.plan(2_000, &["--rate", "none", "--lease", "10s"]);
    let workers: Vec<_> = (0..3).map(|_| stage.worker()).collect();
    stage.await_settled(100);
    stage.call(&["ctl", "rate", "20/s"]).expect(0);
    thread::sleep(Duration::from_secs(1));
    let before = stage.rehearsal.service.requests();
    thread::sleep(Duration::from_secs(2));
    stage.call(&["ctl", "drain"]).expect(0);
    for worker in workers {
        worker.ended().expect(3);
    }
    let sent = sent(&stage.rehearsal.scene, &id);
    let before = usize::try_from(before).unwrap();
    assert!(sent.len() > before, "it goes on");
    check_seconds(&sent[before..], 22);
}

#[test]
fn a_worker_whose_credentials_are_refused_leaves_with_77_and_its_chunks_are_free_at_once() {
    let Some(database) = Postgres::start() else { return };
    let server = Server::start(|request| match request.headers.get("x-auth-token") {
        Some(token) if token == TOKEN => {
            Reply::trusted(&request.id, 0, 1).after(Duration::from_millis(5))
        }
        _ => Reply::gateway(401, "APIGW.0301", "Incorrect IAM authentication information"),
    });
    let mut scene = Scene::with(&server);
    configure(&mut scene, &database, &server.url());
    tasks(&scene, 300);
    let start = ["start", "tasks.csv", "--detach", "--rate", "100/s", "--lease", "10m"];
    scene.call(&start).expect(0);
    scene.set("BATCHCTL_TOKEN", "an-old-token");
    let refused = scene.start(&["work", "-q", "-j", "8"]);
    server.wait_for(1);
    scene.set("BATCHCTL_TOKEN", TOKEN);
    let trusted = scene.start(&["work", "-q", "-j", "8"]);
    refused.ended().expect(77);
    trusted.ended().expect(0);
    // A lease of ten minutes would be over later than this test.
    assert_eq!(database.number("SELECT count(*) FROM batchctl.takeover"), 0);
    assert_eq!(database.number("SELECT sum(succeeded) FROM batchctl.chunk"), 300);
}

#[test]
fn a_worker_far_from_the_database_sends_only_if_the_run_allows_for_its_way() {
    let Some(stage) = Stage::answering_in(5) else { return };
    let relay = Relay::to(stage.database.port());
    relay.delay(30);
    let far = format!("postgres://batch@127.0.0.1:{}/runs", relay.port());
    // Enough for a busy machine, on which a far worker takes many seconds to begin.
    let id = stage.plan(2_400, &["--rate", "60/s", "--lease", "10s"]);
    let work = ["work", &id, "-j", "8", "--store", &far];
    let mut useless = stage.rehearsal.scene.start(&work);
    useless.wait_until_it_says("a longer `--store-rtt`");
    assert_eq!(stage.rehearsal.service.requests(), 0);
    let near = stage.worker_on(&id);
    stage.await_settled(30);
    assert_eq!(stage.database.number("SELECT sum(calls) FROM batchctl.worker WHERE no = 1"), 0);
    let allowing = [&work[..], &["--store-rtt", "150ms", "-q"]].concat();
    let useful = stage.rehearsal.scene.start(&allowing);
    let calls = "SELECT coalesce(sum(calls), 0) FROM batchctl.worker WHERE no = 3";
    wait_until("calls of the far worker", || stage.database.number(calls) >= 5);
    assert_eq!(stage.database.number("SELECT trip_us FROM batchctl.run"), 150_000);
    let count = stage.rehearsal.service.log().len();
    stage.call(&["ctl", "rate", "none"]).expect(0);
    for worker in [useless, near, useful] {
        worker.ended().expect(0);
    }
    assert_eq!(stage.check(2_400), 0);
    let sent = sent(&stage.rehearsal.scene, &id);
    assert!(count > 64);
    check_seconds(&sent[..count], 62);
}

#[test]
fn a_worker_that_becomes_too_far_away_gives_its_tasks_to_the_others() {
    let Some(stage) = Stage::answering_in(5) else { return };
    let relay = Relay::to(stage.database.port());
    relay.delay(30);
    let far = format!("postgres://batch@127.0.0.1:{}/runs", relay.port());
    // A limit for a minute allows for a way of 900 ms, and one for a second for 15 ms.
    let id = stage.plan(400, &["--rate", "1200/m", "--lease", "10m"]);
    let work = ["work", &id, "-q", "-j", "8", "--store", &far];
    let distant = stage.rehearsal.scene.start(&work);
    stage.await_settled(5);
    stage.call(&["ctl", "rate", "60/s"]).expect(0);
    let held = "SELECT count(*) FROM batchctl.chunk WHERE state = 1";
    wait_until("chunks that are given back", || stage.database.number(held) == 0);
    let calls = "SELECT calls FROM batchctl.worker WHERE no = 1";
    let before = stage.database.number(calls);
    let near = stage.worker_on(&id);
    near.ended().expect(0);
    distant.ended().expect(0);
    assert_eq!(stage.check(400), 0);
    assert_eq!(stage.database.number("SELECT count(*) FROM batchctl.takeover"), 0);
    assert_eq!(stage.status()["in_doubt"], 0);
    let after = stage.database.number(calls);
    assert!(after < before + 8, "{before} calls, and {after} in the end");
}

#[test]
fn a_worker_too_far_away_leaves_the_canary_to_another_one() {
    let Some(stage) = Stage::answering_in(5) else { return };
    let relay = Relay::to(stage.database.port());
    relay.delay(30);
    let far = format!("postgres://batch@127.0.0.1:{}/runs", relay.port());
    let id = stage.plan(100, &["--rate", "60/s", "--canary", "5", "--lease", "10m"]);
    let mut distant = stage.rehearsal.scene.start(&["work", &id, "-j", "8", "--store", &far]);
    distant.wait_until_it_says("a longer `--store-rtt`");
    stage.worker_on(&id).ended().expect(0);
    distant.ended().expect(0);
    assert_eq!(stage.check(100), 0);
    assert_eq!(stage.database.number("SELECT calls FROM batchctl.worker WHERE no = 1"), 0);
}
