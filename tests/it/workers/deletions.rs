//! Deletions of a run in a database: confirmed where they are planned, and sent once.

use super::Stage;
use crate::support::documents::{column, report, results};
use crate::support::postgres::Postgres;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use batchctl::sandbox::SandboxSettings;
use std::time::Duration;

#[test]
fn deletions_are_confirmed_when_they_are_planned_and_carried_out_by_all_workers() {
    let latency = Duration::from_millis(5);
    let settings = SandboxSettings { tasks: 40, latency: latency..=latency, ..Default::default() };
    let Some(stage) = Stage::with(settings) else { return };
    let ids: Vec<String> = (1..=40).map(|number| format!("task-{number:06}")).collect();
    let input = stage.rehearsal.input(&ids);
    let delete = ["delete", input.to_str().unwrap(), "--detach", "--rate", "none"];
    stage.call(&delete).expect(2).says("`--confirm 40`");
    stage.call(&[&delete[..], &["--confirm", "39"]].concat()).expect(2).says("40 tasks");
    assert_eq!(stage.rehearsal.service.requests(), 0);
    stage.call(&[&delete[..], &["--confirm", "40"]].concat()).expect(0);
    for worker in [stage.worker(), stage.worker()] {
        worker.ended().expect(0);
    }
    let calls = stage.rehearsal.service.requests_by_id();
    assert_eq!((calls.len(), calls.values().max()), (40, Some(&1)));
    let report = report(&stage.call(&["report", "--json"]).expect(0).stdout);
    assert_eq!(report["run"]["command"], "delete");
    assert_eq!(report["tasks"]["succeeded"], 40);
    assert_eq!(stage.call(&["list"]).expect(0).stdout.lines().count(), 1, "only the heading");
    stage.call(&["retry"]).expect(0).says("nothing to retry");
}

#[test]
fn a_deletion_of_a_worker_that_is_killed_is_not_sent_again() {
    let Some(database) = Postgres::start() else { return };
    let server = Server::start(|_| Reply::silence());
    let mut scene = Scene::with(&server);
    scene.set("BATCHCTL_STORE", &database.address("runs"));
    let delete = ["delete", "--id", "gate-1", "--confirm", "1", "--detach"];
    // Nothing is taken over before a call of its worker can have ended.
    scene.call(&[&delete[..], &["--lease", "2s", "--timeout", "1s"]].concat()).expect(0);
    let worker = scene.start(&["work", "-q"]);
    server.wait_for(1);
    worker.kill();
    scene.call(&["work", "-q"]).expect(1);
    scene.call(&["report", "-o", "results.csv"]).expect(0);
    assert_eq!(column(&results(&scene.read("results.csv")), "outcome"), ["ambiguous"]);
    assert_eq!(server.count(), 1);
}
