//! What an operator orders holds for all workers; what all of them have in common ends all of them.

use super::{Stage, configure};
use crate::support::documents::report;
use crate::support::postgres::Postgres;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::service::wait_until;

#[test]
fn orders_reach_all_workers_and_a_drained_run_can_be_resumed() {
    let Some(stage) = Stage::answering_in(5) else { return };
    let id = stage.plan(400, &["--rate", "40/s"]);
    let workers: Vec<_> = (0..2).map(|_| stage.worker()).collect();
    stage.await_settled(10);
    stage.call(&["ctl", "pause"]).expect(0).prints("paused");
    stage.call(&["ctl", "pause"]).expect(0).prints("like that before");
    wait_until("silence", || {
        let before = stage.rehearsal.service.requests();
        std::thread::sleep(std::time::Duration::from_millis(600));
        stage.rehearsal.service.requests() == before
    });
    assert_eq!(stage.status()["state"], "paused");
    stage.call(&["ctl", "rate", "80/s"]).expect(0);
    stage.call(&["ctl", "concurrency", "2"]).expect(0);
    stage.call(&["ctl", "resume"]).expect(0).prints("going on");
    stage.await_settled(60);
    let shown = stage.call(&["ctl", &id, "status"]).expect(0).stdout;
    assert!(shown.contains("limits    80/s over all workers, 2 at a time each"), "{shown}");
    assert!(shown.contains("worker 1 ") && shown.contains("worker 2 "), "{shown}");
    stage.call(&["ctl", "drain"]).expect(0);
    for worker in workers {
        worker.ended().expect(3);
    }
    stage.call(&["work"]).expect(0).says("no run to work on");
    stage.call(&["runs", "list"]).expect(0).prints("interrupted");
    stage.call(&["resume", "-q", "--rate", "none"]).expect(0);
    assert_eq!(stage.check(400), 0);
    let report = report(&stage.call(&["report", "--json"]).expect(0).stdout);
    let changes = report["changes"].as_array().unwrap();
    let changes: Vec<&str> = changes.iter().filter_map(|it| it["change"].as_str()).collect();
    assert_eq!(changes, ["paused", "rate", "concurrency", "resumed", "drained", "rate"]);
    stage.call(&["ctl", "pause"]).expect(2).says("it is finished");
}

#[test]
fn all_workers_together_stop_after_the_failures_that_are_tolerated() {
    let Some(database) = Postgres::start() else { return };
    let server = Server::start(|request| Reply::service(400, "VIAS.00010005", &request.id));
    let mut scene = Scene::with(&server);
    configure(&mut scene, &database, &server.url());
    let ids: Vec<String> = (0..600).map(|number| format!("camera-{number:05}")).collect();
    scene.write("tasks.csv", format!("id\n{}\n", ids.join("\n")));
    let start = ["start", "tasks.csv", "--detach", "--rate", "none", "--max-failures", "40"];
    scene.call(&start).expect(0);
    let workers: Vec<_> = (0..3).map(|_| scene.start(&["work", "-q", "-j", "8"])).collect();
    for worker in workers {
        worker.ended().expect(3);
    }
    let failed = database.number("SELECT sum(failed) FROM batchctl.chunk");
    assert!((41..=64).contains(&failed), "{failed} failed");
    assert_eq!(database.number("SELECT failed FROM batchctl.run"), failed);
    scene.call(&["resume", "-q", "--max-failures", "100%"]).expect(1);
    assert_eq!(database.number("SELECT sum(failed) FROM batchctl.chunk"), 600);
}

#[test]
fn the_time_of_a_run_goes_on_in_a_pause_and_counts_anew_when_it_is_resumed() {
    let Some(stage) = Stage::answering_in(5) else { return };
    let id = stage.plan(400, &["--rate", "20/s", "--max-duration", "3s"]);
    stage.call(&["ctl", "rate", "30/s"]).expect(0);
    stage.call(&["ctl", "concurrency", "3"]).expect(0);
    stage.call(&["ctl", "pause"]).expect(0).prints("paused");
    let workers = [stage.worker_on(&id), stage.worker_on(&id)];
    let deadline = "SELECT coalesce(extract(epoch FROM deadline), 0)::bigint FROM batchctl.run";
    wait_until("a worker", || stage.database.number(deadline) > 0);
    let set = stage.database.number(deadline);
    for worker in workers {
        worker.ended().expect(3);
    }
    assert_eq!(stage.database.number(deadline), set, "nobody has time of its own");
    assert_eq!(stage.database.sql("SELECT stopping FROM batchctl.run"), ["out_of_time"]);
    assert_eq!(stage.rehearsal.service.requests(), 0);
    stage.call(&["ctl", &id, "resume"]).expect(75).says("coming to its end");
    stage.call(&["work"]).expect(0).says("no run to work on");
    let resume = ["resume", "-q", "--rate", "20/s", "--max-duration", "10m"];
    let resumed = stage.rehearsal.scene.start(&resume);
    stage.await_settled(10);
    stage.call(&["ctl", "rate", "none"]).expect(0);
    resumed.ended().expect(0);
    assert_eq!(stage.check(400), 0);
    assert!(stage.database.number(deadline) > set);
    let report = report(&stage.call(&["report", "--json"]).expect(0).stdout);
    let changes = report["changes"].as_array().unwrap();
    let changes: Vec<&str> = changes.iter().filter_map(|it| it["change"].as_str()).collect();
    assert_eq!(changes, ["rate", "concurrency", "paused", "rate", "rate"]);
}

#[test]
fn a_worker_that_follows_takes_the_next_run() {
    let Some(stage) = Stage::answering_in(0) else { return };
    stage.plan(20, &["--rate", "none"]);
    let worker = stage.rehearsal.scene.start(&["work", "--follow", "-q"]);
    stage.await_settled(20);
    stage.plan(30, &["--rate", "none"]);
    stage.await_settled(50);
    worker.kill();
    stage.call(&["runs", "list"]).expect(0).prints("30 succeeded");
}
