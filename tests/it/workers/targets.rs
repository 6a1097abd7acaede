//! Several workers carry out a run of several targets: each target has a limit, credentials and an end of
//! its own, and all of them together are one run.

use crate::support::documents::{column, report, results};
use crate::support::postgres::Postgres;
use crate::support::program::{Running, Scene};
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use crate::support::service::wait_until;
use crate::targets::{START, TwoProjects, list, sandbox, table, target};
use batchctl::sandbox::generated_id;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

const RUNS: &str = "SELECT count(*) FROM batchctl.run";
const SETTLED: &str = "SELECT coalesce(sum(settled), 0) FROM batchctl.chunk";

/// Two targets of one service, and a database.
struct Stage<S> {
    database: Postgres,
    two: TwoProjects<S>,
}

impl<S> Stage<S> {
    fn of(mut two: TwoProjects<S>) -> Option<Self> {
        let database = Postgres::start()?;
        two.scene.set("BATCHCTL_STORE", &database.address("runs"));
        Some(Self { database, two })
    }

    /// Plans a run of so many tasks at each target, and leaves it to workers.
    fn plan(&self, counts: &[(&str, usize)], flags: &[&str]) -> String {
        self.two.scene.write("tasks.csv", list(counts));
        let more = ["--detach", "--timeout", "1s", "--lease", "2s"];
        let ended = self.two.call(&[&more[..], flags].concat()).expect(0);
        ended.stdout.trim().to_owned()
    }

    fn worker(&self, id: &str) -> Running {
        self.two.scene.start(&["work", id, "-q", "-j", "4"])
    }

    fn await_workers(&self, count: u64) {
        let alive = "SELECT count(*) FROM batchctl.worker WHERE gone IS NULL";
        wait_until("workers", || self.database.number(alive) == count);
    }

    fn await_settled(&self, count: u64) {
        wait_until("outcomes", || self.database.number(SETTLED) >= count);
    }

    fn status(&self, flags: &[&str]) -> Value {
        let status = [&["ctl", "status", "--json"], flags].concat();
        report(&self.two.scene.call(&status).expect(0).stdout)
    }
}

impl Stage<Server> {
    fn with(server: Server) -> Option<Self> {
        Self::of(TwoProjects::with(server))
    }

    /// Returns how often each task was called.
    fn calls(&self) -> BTreeMap<String, u64> {
        let mut calls = BTreeMap::new();
        for request in self.two.server.requests() {
            *calls.entry(request.path).or_default() += 1;
        }
        calls
    }
}

/// Two projects that can be listed, with the first tasks of each as input, and what else the table has.
fn with_lists(tasks: u32, more: &str, flags: &[&str]) -> (Running, String, TwoProjects<()>) {
    let scene = Scene::new();
    let own = ["--own-project", "north", "--own-project", "south", "--tasks", "10"];
    let (service, url) = sandbox(&scene, &[&own[..], flags].concat());
    let two = TwoProjects::of(scene, &url);
    let rows: Vec<String> = (1..=tasks).map(generated_id).collect();
    let rows: String = rows.iter().map(|id| format!("{id},north\n{id},south\n")).collect();
    two.scene.write("tasks.csv", format!("id,site\n{rows}{more}"));
    (service, url, two)
}

/// A service whose answer depends on the task alone.
fn answer(request: &Request) -> Reply {
    let id = &*request.id;
    match id.as_bytes().last() {
        Some(b'3') => Reply::trusted(id, 1, 1),
        Some(b'4') => Reply::service(404, "VIAS.00010008", "no such task"),
        _ => Reply::trusted(id, 0, 1),
    }
}

#[test]
fn two_workers_come_to_what_one_process_comes_to_in_a_directory() {
    let two = TwoProjects::with(Server::start(answer));
    let counts = [("north", 60), ("south", 40)];
    two.scene.write("tasks.csv", list(&counts));
    let all = ["--max-failures", "100%", "-q"];
    let documents = ["--rate", "none", "-o", "one.csv", "-o", "one.json"];
    two.call(&[&all[..], &documents].concat()).expect(1);
    let Some(stage) = Stage::of(two) else { return };
    let id = stage.plan(&counts, &[&all[..], &["--rate", "30/s"]].concat());
    let workers = [stage.worker(&id), stage.worker(&id)];
    for worker in workers {
        worker.ended().expect(1);
    }
    let scene = &stage.two.scene;
    scene.call(&["report", "-o", "other.csv", "-o", "other.json"]).expect(0);
    let [one, other] = ["one.csv", "other.csv"].map(|name| results(&scene.read(name)));
    for name in ["id", "target", "outcome", "http_status", "error_code", "failure_group", "site"] {
        assert_eq!(column(&one, name), column(&other, name), "{name}");
    }
    let [one, other] = ["one.json", "other.json"].map(|name| report(&scene.read(name)));
    assert_eq!(one["tasks"], other["tasks"]);
    assert_eq!(one["input"], other["input"]);
    for name in ["north", "south"] {
        assert_eq!(target(&one, name)["tasks"], target(&other, name)["tasks"]);
        assert_eq!(target(&other, name)["complete"], true);
    }
    // Each process is one worker, though it was at both targets.
    let workers = other["workers"].as_array().unwrap();
    let calls: u64 = workers.iter().filter_map(|worker| worker["calls"].as_u64()).sum();
    assert_eq!((workers.len(), calls), (2, 100));
    for request in stage.two.server.requests() {
        let name = request.id.split('-').next().unwrap();
        assert_eq!(request.headers["x-auth-token"], format!("token-of-{name}"));
    }
    assert!(!stage.database.dump().contains("token-of-"), "a token is in the database");
    check_commands_of_runs(&stage, &id);
}

/// Checks that one run is listed, shown, followed and removed.
fn check_commands_of_runs(stage: &Stage<Server>, id: &str) {
    let scene = &stage.two.scene;
    let listed = scene.call(&["runs", "list", "--json"]).expect(0);
    let listed = listed.stdout.matches(id).count();
    assert_eq!(listed, 1);
    scene.call(&["runs", "show"]).expect(0).prints("target    south: http");
    scene.call(&["explain", "south-004"]).expect(0).prints("at south in run");
    scene.call(&["resume", id]).expect(1).says("is finished");
    scene.call(&["work"]).expect(0).says("there is no run to work on");
    let retried = scene.call(&["retry", "--rate", "none", "--max-failures", "100%", "--json"]);
    assert_eq!(report(&retried.expect(1).stdout)["tasks"]["selected"], 20);
    for _ in 0..2 {
        scene.call(&["runs", "remove", "latest"]).expect(0);
    }
    for table in ["run", "chunk", "segment", "worker", "rate"] {
        let left = stage.database.number(&format!("SELECT count(*) FROM batchctl.{table}"));
        assert_eq!(left, 0, "{table}");
    }
}

#[test]
fn the_tasks_of_a_killed_worker_are_taken_over_at_every_target() {
    let Some(stage) = Stage::with(Server::obliging()) else { return };
    let id = stage.plan(&[("north", 120), ("south", 120)], &["--rate", "40/s"]);
    let (first, second) = (stage.worker(&id), stage.worker(&id));
    stage.await_workers(4);
    stage.await_settled(60);
    first.kill();
    second.ended().expect(0);
    let status = stage.status(&[]);
    assert_eq!(status["settled"]["succeeded"], 240, "{status}");
    assert_eq!(stage.database.number(SETTLED), 240);
    let calls = stage.calls();
    assert_eq!(calls.len(), 240, "no task is lost");
    let repeated: u64 = calls.values().map(|calls| calls - 1).sum();
    assert!(repeated <= status["in_doubt"].as_u64().unwrap(), "{repeated}: {status}");
    let ended = stage.two.scene.call(&["report", "--json"]).expect(0);
    let takeovers = report(&ended.stdout)["takeovers"].as_array().unwrap().clone();
    let of = |name: &str| takeovers.iter().filter(|it| it["target"] == name).count();
    assert!(of("north") > 0 && of("south") > 0, "{takeovers:?}");
}

#[test]
fn a_target_that_is_down_ends_for_itself_and_the_others_end_well() {
    let scene = Scene::new();
    let (_north, north_url) = sandbox(&scene, &[]);
    let (south, south_url) = sandbox(&scene, &[]);
    let two = TwoProjects::of(scene, &north_url);
    let tables = [
        table("north", &north_url, "rate = '40/s'"),
        table("south", &south_url, "rate = '20/s'\noutage_timeout = '1s'"),
    ];
    two.scene.configure(&tables.concat());
    two.scene.write("tasks.csv", list(&[("north", 120), ("south", 60)]));
    let Some(stage) = Stage::of(two) else { return };
    let mut run = stage.two.scene.start(&START);
    run.wait_until_it_says("south: 6 of 60");
    south.signal(Signal::KILL);
    run.ended().expect(3);
    let scene = &stage.two.scene;
    let first = report(&scene.call(&["report", "--json"]).stdout);
    assert_eq!(target(&first, "north")["tasks"]["succeeded"], 120);
    assert_eq!(target(&first, "south")["stopped"]["reason"], "outage");
    let port = south_url.rsplit(':').next().unwrap();
    let (_south, _) = sandbox(scene, &["--listen", &format!("127.0.0.1:{port}")]);
    // A worker that comes is at what is left, and at no other target.
    scene.call(&["work", "-q"]).expect(0);
    let second = report(&scene.call(&["report", "--json"]).expect(0).stdout);
    assert_eq!(second["tasks"]["succeeded"], 180);
    let joined = "SELECT count(*) FROM batchctl.worker w JOIN batchctl.run r ON r.no = w.run \
                  WHERE position('.' IN r.id) = 0";
    assert_eq!(stage.database.number(joined), 1);
}

#[test]
fn a_target_whose_credentials_are_refused_is_left_to_other_workers() {
    let Some(stage) = Stage::with(Server::obliging()) else { return };
    let id = stage.plan(&[("north", 10), ("south", 10)], &["--rate", "none"]);
    let scene = &stage.two.scene;
    fs::remove_file(scene.path("token-south")).unwrap();
    scene.call(&["work", &id, "-q"]).expect(77).says("south");
    let status = stage.status(&[]);
    assert_eq!(status["targets"]["north"]["settled"]["succeeded"], 10, "{status}");
    assert_eq!(status["targets"]["south"]["settled"]["succeeded"], 0, "{status}");
    scene.write("token-south", "token-of-south");
    scene.call(&["work", &id, "-q"]).expect(0);
    assert_eq!(stage.database.number(SETTLED), 20);
}

#[test]
fn orders_are_for_all_targets_or_for_one_and_resume_goes_on() {
    let Some(stage) = Stage::with(Server::obliging()) else { return };
    let id = stage.plan(&[("north", 100), ("south", 100)], &["--rate", "1/s"]);
    let workers = [stage.worker(&id), stage.worker(&id)];
    stage.await_workers(4);
    let ctl = |order: &[&str]| stage.two.scene.call(&[&["ctl"], order].concat());
    ctl(&["pause"]).expect(0);
    assert_eq!(stage.status(&[])["state"], "paused");
    ctl(&["rate", "5/s"]).expect(75).says("name one with `--target`: north, south");
    ctl(&["rate", "5/s", "--target", "east"]).expect(2).says("its targets are north, south");
    ctl(&["rate", "7/s", "--target", "south"]).expect(0).prints("7/s from now on");
    ctl(&["resume", "--target", "south"]).expect(0);
    let status = stage.status(&[]);
    assert_eq!(status["targets"]["south"]["rate_limit"], "7/s");
    assert_eq!(status["targets"]["north"]["rate_limit"], "1/s");
    assert_eq!(status["targets"]["south"]["state"], "sending");
    assert_eq!(status["targets"]["north"]["state"], "paused");
    assert_eq!(stage.status(&["--target", "south"])["selected"], 100);
    let text = ctl(&["status"]).expect(0);
    text.prints("target    north (paused): ").prints("target    south (sending): ");
    ctl(&["drain"]).expect(0);
    for worker in workers {
        worker.ended().expect(3);
    }
    let left = 200 - stage.database.number(SETTLED);
    let ended = stage.two.scene.call(&["resume", "--rate", "none", "-q", "-o", "r.json"]);
    ended.expect(0);
    let report = report(&stage.two.scene.read("r.json"));
    assert_eq!(report["tasks"]["succeeded"], 200);
    assert_eq!(stage.two.server.requests().len(), 200, "{left} were left");
    // Each change once: those for all are one at each target.
    let changes = report["changes"].as_array().unwrap();
    assert_eq!(changes.iter().filter(|it| it["change"] == "drained").count(), 2, "{changes:?}");
}

#[test]
fn one_ctrl_c_ends_all_targets_of_a_worker_and_nothing_is_sent_twice() {
    let Some(stage) = Stage::with(Server::obliging()) else { return };
    let id = stage.plan(&[("north", 60), ("south", 60)], &["--rate", "30/s"]);
    let run = stage.worker(&id);
    stage.await_settled(10);
    run.signal(Signal::INT);
    run.ended().expect(130);
    let chunks = "SELECT count(*) FROM batchctl.chunk WHERE state = 1";
    assert_eq!(stage.database.number(chunks), 0, "what is left is free at once");
    stage.two.scene.call(&["resume", "-q", "--rate", "none"]).expect(0);
    let calls = stage.calls();
    assert_eq!((calls.len(), calls.values().sum()), (120, 120));
}

#[test]
fn a_job_is_kept_until_its_last_target_has_ended() {
    let Some(stage) = Stage::with(Server::obliging()) else { return };
    let job = ["--job", "nightly"];
    let id = stage.plan(&[("north", 2), ("south", 60)], &[&job[..], &["--rate", "20/s"]].concat());
    let worker = stage.worker(&id);
    // Nobody is at the first target any more, which has the job.
    stage.await_workers(1);
    stage.two.call(&[&job[..], &["-q"]].concat()).expect(75).says("job nightly is being run");
    worker.ended().expect(0);
    assert_eq!(stage.database.number("SELECT count(*) FROM batchctl.job"), 0);
}

#[test]
fn a_plan_is_applied_at_all_targets_once() {
    let Some(stage) = Stage::with(Server::obliging()) else { return };
    let scene = &stage.two.scene;
    let plan = ["plan", "start", "tasks.csv", "--target-column", "site", "-q"];
    scene.call(&plan).expect(0);
    scene.call(&["work"]).expect(0).says("there is no run to work on");
    scene.call(&["ctl", "pause"]).expect(2).says("is a plan that was not applied");
    scene.call(&["runs", "list"]).expect(0).prints("planned");
    let report = scene.call(&["report", "-o", "md:-"]).expect(0);
    report.prints("**Planned**: `it is a plan that was not applied; nothing was sent`.");
    assert_eq!(stage.two.server.requests().len(), 0);
    scene.call(&["apply", "latest", "-q"]).expect(0);
    assert_eq!(stage.two.server.requests().len(), 10);
    scene.call(&["apply", "latest"]).expect(65).says("was begun already");
}

#[test]
fn an_unknown_task_of_one_target_keeps_the_run_from_all() {
    let (_sandbox, _, two) = with_lists(5, "nobody-knows-me,south\n", &["--access-log", "log"]);
    let Some(stage) = Stage::of(two) else { return };
    let flags = ["--skip-unchanged", "--rate", "none", "-q"];
    stage.two.call(&flags).expect(65).says("does not know 1 task of the input");
    let log = stage.two.scene.read("log");
    assert_eq!(log.lines().filter(|line| line.contains("\tPUT\t")).count(), 0);
    assert_eq!(stage.database.number(RUNS), 0);
    stage.two.call(&[&flags[..], &["--on-unknown", "skip"]].concat()).expect(1);
    assert_eq!(stage.database.number(SETTLED), 11);
}

#[test]
fn a_worker_goes_to_no_target_that_its_own_configuration_does_not_name() {
    let Some(stage) = Stage::with(Server::obliging()) else { return };
    let id = stage.plan(&[("north", 5), ("south", 5)], &[]);
    let url = stage.two.server.url();
    let other = Server::obliging();
    let scene = &stage.two.scene;
    scene.configure(&[table("north", &url, ""), table("south", &other.url(), "")].concat());
    let refused = scene.call(&["work", &id]).expect(2);
    refused.says("target `south`").says("the endpoint of the run is");
    scene.configure(&table("north", &url, ""));
    scene.call(&["work", &id]).expect(2).says("there is no target `south`");
    assert_eq!(stage.two.server.requests().len() + other.requests().len(), 0);
    scene.configure(&[table("north", &url, ""), table("south", &url, "")].concat());
    scene.call(&["work", &id, "-q"]).expect(0);
    let total = stage.two.call(&["--rate-total", "20/s"]).expect(2);
    total.says("`--rate-total` is for runs in a directory").says("`rate_group`");
}

#[test]
fn each_target_has_a_canary_a_look_and_a_wait_of_its_own() {
    let flags = ["--settle", "0s", "--access-log", "log"];
    let (_sandbox, _, two) = with_lists(10, "", &flags);
    let Some(stage) = Stage::of(two) else { return };
    let phases = ["--skip-unchanged", "--canary", "2", "--wait", "--drill"];
    let id = stage.two.call(&[&phases[..], &["--rate", "20/s", "--detach"]].concat()).expect(0);
    let id = id.stdout.trim();
    let workers = [stage.worker(id), stage.worker(id)];
    for worker in workers {
        worker.ended().expect(0);
    }
    let report = report(&stage.two.scene.call(&["report", "--json"]).expect(0).stdout);
    assert_eq!(report["tasks"]["succeeded"], 20);
    assert_eq!(report["arrivals"]["verified"], 20, "{}", report["arrivals"]);
    let ended = "SELECT count(*) FROM batchctl.run WHERE phase = 4";
    assert_eq!(stage.database.number(ended), 2);
    let log = stage.two.scene.read("log");
    assert_eq!(log.lines().filter(|line| line.contains("\tPUT\t")).count(), 20);
}

#[test]
fn targets_of_one_rate_group_share_its_rate_over_all_workers() {
    let Some(stage) = Stage::with(Server::obliging()) else { return };
    let url = stage.two.server.url();
    let in_group = "rate = '20/s'\nrate_group = 'fleet'";
    let tables = ["north", "south"].map(|name| table(name, &url, in_group));
    stage.two.scene.configure(&tables.concat());
    let id = stage.plan(&[("north", 30), ("south", 30)], &[]);
    let workers = [stage.worker(&id), stage.worker(&id)];
    for worker in workers {
        worker.ended().expect(0);
    }
    let sent = super::sent(&stage.two.scene, &id);
    assert_eq!(sent.len(), 60);
    super::check_seconds(&sent, 21);
}

#[test]
fn waits_and_reverts_read_the_lists_of_each_target_in_the_slots_of_its_own_group() {
    let (_sandbox, url, two) = with_lists(5, "", &["--settle", "0s"]);
    let tables = ["north", "south"]
        .map(|name| table(name, &url, &format!("rate = '40/s'\nrate_group = 'of-{name}'")));
    two.scene.configure(&tables.concat());
    let Some(stage) = Stage::of(two) else { return };
    stage.two.call(&["--skip-unchanged", "-q"]).expect(0);
    let used = || {
        ["north", "south"].map(|name| {
            let used = format!("SELECT tat_ns FROM batchctl.rate WHERE scope = 'group:of-{name}'");
            stage.database.number(&used)
        })
    };
    for command in [["wait", "-q"], ["revert", "-q"]] {
        let before = used();
        stage.two.scene.call(&command).expect(0);
        let after = used();
        assert!(before[0] < after[0] && before[1] < after[1], "{command:?}: {before:?} {after:?}");
    }
}

#[test]
fn damage_at_several_targets_is_repaired_at_once() {
    let Some(stage) = Stage::with(Server::obliging()) else { return };
    let id = stage.plan(&[("north", 60), ("south", 60)], &["--rate", "30/s"]);
    let worker = stage.worker(&id);
    stage.await_settled(30);
    stage.two.scene.call(&["ctl", "drain"]).expect(0);
    worker.ended().expect(3);
    stage.database.sql("UPDATE batchctl.segment SET crc = crc + 1 WHERE chunk = 0 AND seq = 0");
    stage.two.scene.call(&["work", &id]).expect(74);
    let repaired = stage.two.scene.call(&["resume", "--repair", "-y", "--rate", "none"]);
    repaired.expect(0).says("repaired run");
    assert_eq!(stage.database.number(SETTLED), 120);
    let report = report(&stage.two.scene.call(&["report", "--json"]).expect(0).stdout);
    assert_eq!(report["tasks"]["succeeded"], 120);
}
