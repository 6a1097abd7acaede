//! One rate and one pace for all workers, and for all runs of a rate group.

use super::{Stage, check_seconds, configure, sent};
use crate::support::documents::report;
use crate::support::postgres::Postgres;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::service::wait_until;
use batchctl::sandbox::{SandboxLimit, SandboxSettings, generated_id};
use std::thread;
use std::time::Duration;

const OWNER: &str =
    "SELECT coalesce(split_part(max(pace_owner), '/', 2)::int, 0) FROM batchctl.rate";

/// A service that accepts so many calls a second, and counts those that it throttles as well.
fn stage(limit: u32) -> Option<Stage> {
    let limit = Some(SandboxLimit { count: limit, window: Duration::from_secs(1) });
    let latency = Duration::from_millis(10)..=Duration::from_millis(10);
    Stage::with(SandboxSettings { limit, latency, ..SandboxSettings::default() })
}

#[test]
fn the_rate_that_a_service_gives_is_found_for_all_workers_by_one_and_by_another_if_it_dies() {
    let Some(stage) = stage(80) else { return };
    let id = stage.plan(700, &["--rate", "auto", "--rate-max", "400/s", "--lease", "2s"]);
    let mut workers: Vec<_> = (0..3).map(|_| stage.worker_on(&id)).collect();
    wait_until("one who decides", || stage.database.number(OWNER) > 0);
    stage.await_settled(60);
    let first = stage.database.number(OWNER);
    let host = "SELECT process FROM batchctl.worker WHERE no = ";
    let process = stage.database.number(&format!("{host}{first}"));
    let place = workers.iter().position(|it| u64::from(it.pid()) == process).unwrap();
    workers.remove(place).kill();
    wait_until("another one", || stage.database.number(OWNER) != first);
    stage.await_settled(400);
    stage.call(&["ctl", "status"]).expect(0).prints("auto up to 400/s");
    let status = stage.status();
    assert_eq!(status["finds_rate"], true);
    for worker in workers {
        worker.ended().expect(0);
    }
    let report = report(&stage.call(&["report", "--json"]).expect(0).stdout);
    assert_eq!(report["tasks"]["succeeded"], 700);
    // A look above the limit may be under way at the end, and then none is known.
    let learnt = report["pace"]["rate_learnt"].as_f64().unwrap_or(80.0);
    // How exactly it is known depends on how busy the machine is: `policy` tests that in virtual time.
    assert!((0.0..400.0).contains(&learnt), "{learnt}");
    // At the highest rate that is allowed four of five calls are throttled: 2,800.
    let throttled = stage.database.number("SELECT sum(throttled) FROM batchctl.worker");
    assert!(throttled < 700, "{throttled} were throttled");
}

#[test]
fn a_rate_above_what_the_service_gives_is_lowered_for_all_workers() {
    let Some(stage) = stage(60) else { return };
    stage.plan(500, &["--rate", "150/s"]);
    let workers: Vec<_> = (0..3).map(|_| stage.worker()).collect();
    wait_until("a lower pace", || stage.database.number("SELECT pace_ns FROM batchctl.rate") > 0);
    stage.await_settled(400);
    // Another rate of the operator holds at once, and the limit stays known.
    stage.call(&["ctl", "rate", "none"]).expect(0);
    for worker in workers {
        worker.ended().expect(0);
    }
    let throttled = stage.database.number("SELECT sum(throttled) FROM batchctl.worker");
    // At the rate of the operator it would be three of five calls: 750.
    assert!(throttled < 500, "{throttled} were throttled");
    let report = report(&stage.call(&["report", "--json"]).expect(0).stdout);
    assert_eq!(report["tasks"]["succeeded"], 500);
}

#[test]
fn runs_of_one_group_keep_one_rate_together() {
    let Some(stage) = Stage::answering_in(5) else { return };
    let group = ["--rate", "40/s", "--rate-group", "city"];
    let ids = [stage.plan(80, &group), stage.plan(80, &group)];
    // A third one has a rate of its own.
    let alone = stage.plan(20, &["--rate", "1/s"]);
    let workers: Vec<_> = ids.iter().map(|id| stage.worker_on(id)).collect();
    for worker in workers {
        worker.ended().expect(0);
    }
    let mut both: Vec<u64> = ids.iter().flat_map(|id| sent(&stage.rehearsal.scene, id)).collect();
    both.sort_unstable();
    assert_eq!(both.len(), 160);
    check_seconds(&both, 43);
    let timelines = "SELECT count(DISTINCT timeline) FROM batchctl.rate";
    assert_eq!(stage.database.number(timelines), 2);
    // A run that is taken up can leave its group, and join it.
    stage.call(&["resume", &alone, "-q", "--rate", "none"]).expect(0);
    stage.call(&["start", "--id", "gate-1", "-q", "--shard", "1/2"]).expect(2).says("`--shard`");
}

#[test]
fn a_quota_that_the_service_tells_of_holds_for_all_workers_together() {
    let Some(database) = Postgres::start() else { return };
    // Fifty in ten seconds are left, whenever it is asked.
    let server = Server::start(|request| {
        let reply = Reply::trusted(&request.id, 0, 1).after(Duration::from_millis(20));
        reply.with_header("RateLimit-Remaining", "50").with_header("RateLimit-Reset", "10")
    });
    let mut scene = Scene::with(&server);
    configure(&mut scene, &database, &server.url());
    let ids: Vec<String> = (0..3_000).map(|number| format!("camera-{number:05}")).collect();
    scene.write("tasks.csv", format!("id\n{}\n", ids.join("\n")));
    let start = ["start", "tasks.csv", "--detach", "--rate", "none", "--timeout", "1s"];
    let id = scene.call(&start).expect(0).stdout.trim().to_owned();
    let workers: Vec<_> = (0..3).map(|_| scene.start(&["work", "-q", "-j", "4"])).collect();
    let quota = "SELECT quota_ns FROM batchctl.rate";
    wait_until("a quota", || database.number(quota) > 0);
    assert_eq!(database.number(quota), 200_000_000);
    // All workers have used what was granted before.
    let told = "SELECT count(*) FROM batchctl.worker WHERE calls > 0";
    wait_until("calls of all", || database.number(told) == 3);
    thread::sleep(Duration::from_secs(1));
    let before = server.count();
    thread::sleep(Duration::from_secs(3));
    scene.call(&["ctl", "drain"]).expect(0);
    for worker in workers {
        worker.ended().expect(3);
    }
    let sent = sent(&scene, &id);
    assert!(sent.len() > before, "it goes on");
    // Five a second of all together, and not of each.
    check_seconds(&sent[before..], 7);
}

#[test]
fn waits_and_reverts_read_lists_in_the_slots_of_the_group() {
    let latency = Duration::ZERO..=Duration::ZERO;
    let settle = Duration::from_millis(100);
    let settings = SandboxSettings { tasks: 20, settle, latency, ..SandboxSettings::default() };
    let Some(stage) = Stage::with(settings) else { return };
    let ids: Vec<String> = (1..=10).map(generated_id).collect();
    let group = ["--rate", "40/s", "--rate-group", "city", "--skip-unchanged"];
    stage.plan_ids(&ids, &group);
    stage.worker().ended().expect(0);
    let used = "SELECT tat_ns FROM batchctl.rate WHERE scope = 'group:city'";
    for command in [&["wait", "-q"][..], &["revert"]] {
        let before = stage.database.number(used);
        stage.call(command);
        assert!(stage.database.number(used) > before, "{command:?} takes no slot");
    }
}
