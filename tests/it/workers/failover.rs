//! Databases that lose their sessions, their primary, or their network: nothing is repeated.

use super::{Stage, configure};
use crate::support::postgres::Postgres;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::service::wait_until;
use std::time::Duration;
use std::{env, thread};

const CUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE application_name = 'batchctl'";

/// Returns how often sessions are cut: a hundred times in `tests/full`.
fn cuts() -> u32 {
    env::var("BATCHCTL_TEST_CUTS").map_or(25, |count| count.parse().unwrap())
}

#[test]
fn sessions_that_are_cut_again_and_again_repeat_nothing_and_count_each_failure_once() {
    let Some(database) = Postgres::start() else { return };
    let server = Server::start(|request| {
        Reply::service(400, "VIAS.00010005", &request.id).after(Duration::from_millis(5))
    });
    let mut scene = Scene::with(&server);
    configure(&mut scene, &database, &server.url());
    let tasks = 40 * cuts() as usize;
    let ids: Vec<String> = (0..tasks).map(|number| format!("camera-{number:05}")).collect();
    scene.write("tasks.csv", format!("id\n{}\n", ids.join("\n")));
    let start = ["start", "tasks.csv", "--detach", "--rate", "200/s", "--timeout", "5s"];
    scene.call(&[&start[..], &["--max-failures", "100%", "--lease", "60s"]].concat()).expect(0);
    let workers: Vec<_> = (0..3).map(|_| scene.start(&["work", "-q", "-j", "8"])).collect();
    // Whoever does not reach the database when it begins says so, and ends.
    wait_until("all workers", || {
        database.number("SELECT count(*) FROM batchctl.worker WHERE calls > 0") == 3
    });
    for _ in 0..cuts() {
        thread::sleep(Duration::from_millis(100));
        database.number(CUT);
    }
    // It only saves time: on a busy machine the cuts take so long that the run is over by now.
    let hurried = scene.call(&["ctl", "rate", "none"]);
    assert!(matches!(hurried.code, Some(0 | 2)), "{}", hurried.stderr);
    for worker in workers {
        worker.ended().expect(1);
    }
    assert_eq!(server.count(), tasks, "each task was called once");
    let failed = "SELECT sum(failed) FROM batchctl.";
    assert_eq!(database.number(&format!("{failed}chunk")), tasks as u64);
    assert_eq!(database.number(&format!("{failed}worker")), tasks as u64);
    assert_eq!(database.number(&format!("{failed}run")), tasks as u64);
}

#[test]
fn workers_go_on_at_a_standby_that_is_promoted_when_the_primary_dies() {
    let Some(mut stage) = Stage::answering_in(5) else { return };
    let standby = stage.database.follower();
    stage.plan(600, &["--rate", "150/s", "--lease", "60s"]);
    // As libpq writes it; neither the order nor the attribute matters.
    let (one, two) = (stage.database.port(), standby.port());
    let both = format!(
        "postgres://batch@127.0.0.1:{two},127.0.0.1:{one}/runs?target_session_attrs=read-write"
    );
    let work = ["work", "-q", "-j", "8", "--store", &both];
    let workers: Vec<_> = (0..3).map(|_| stage.rehearsal.scene.start(&work)).collect();
    stage.await_settled(100);
    stage.database.crash();
    standby.promote();
    stage.database = standby;
    stage.rehearsal.scene.set("BATCHCTL_STORE", &both);
    for worker in workers {
        worker.ended().expect(0);
    }
    assert_eq!(stage.check(600), 0);
}
