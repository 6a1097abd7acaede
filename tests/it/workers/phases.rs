//! What one worker does for all: survey, canary, waves, wait, drill; and that others take it over.

use super::Stage;
use crate::support::documents::report;
use crate::support::service::wait_until;
use batchctl::sandbox::{SandboxSettings, generated_id};
use std::time::Duration;

/// A project with so many tasks, of which this share runs.
fn stage(tasks: u32, running: f64) -> Option<Stage> {
    Stage::with(SandboxSettings {
        tasks,
        running,
        settle: Duration::from_millis(100),
        latency: Duration::from_millis(2)..=Duration::from_millis(2),
        ..SandboxSettings::default()
    })
}

fn ids(count: u32) -> Vec<String> {
    (1..=count).map(generated_id).collect()
}

#[test]
fn one_worker_surveys_and_waits_for_all_and_another_takes_both_over() {
    let Some(stage) = stage(1_000, 0.5) else { return };
    let id = stage.plan_ids(
        &ids(1_000),
        // Five pages of the list: the survey takes some seconds, and so does each look of the wait.
        &["--skip-unchanged", "--wait", "--rate", "3/s", "--lease", "2s"],
    );
    let owner = "SELECT coalesce(phase_owner, 0) FROM batchctl.run";
    let first = stage.worker();
    wait_until("a survey", || stage.database.number(owner) == 1);
    wait_until("a page", || stage.rehearsal.service.witness().tally().lists >= 1);
    let others = [stage.worker(), stage.worker()];
    first.kill();
    wait_until("another surveyor", || stage.database.number(owner) >= 2);
    wait_until("calls", || stage.rehearsal.service.witness().tally().actions >= 1);
    stage.call(&["ctl", "rate", "none"]).expect(0);
    wait_until("a wait", || {
        stage.database.number("SELECT phase FROM batchctl.run") == 3
            && stage.database.number(owner) > 0
    });
    let waiting = stage.database.number(owner);
    assert!(waiting >= 2);
    // The tasks that have not arrived are looked for again and again.
    for worker in others {
        worker.ended().expect(0);
    }
    assert_eq!(stage.database.number("SELECT phase FROM batchctl.run"), 4);
    let report = report(&stage.call(&["report", &id, "--json"]).expect(0).stdout);
    let (unchanged, succeeded) = (
        report["tasks"]["unchanged"].as_u64().unwrap(),
        report["tasks"]["succeeded"].as_u64().unwrap(),
    );
    assert_eq!(unchanged + succeeded, 1_000);
    assert!(unchanged > 300 && succeeded > 300, "{unchanged} {succeeded}");
    assert_eq!(report["arrivals"]["verified"], succeeded);
    assert_eq!(stage.rehearsal.service.witness().tally().actions, succeeded);
    let counts = "SELECT sum(unchanged) FROM batchctl.chunk";
    assert_eq!(stage.database.number(counts), unchanged);
    stage.call(&["work"]).expect(0).says("no run to work on");
}

#[test]
fn a_worker_that_is_killed_while_it_waits_is_replaced_and_the_rest_can_be_waited_for_later() {
    let Some(stage) = Stage::with(SandboxSettings {
        tasks: 100,
        settle: Duration::from_secs(8),
        latency: Duration::ZERO..=Duration::ZERO,
        ..SandboxSettings::default()
    }) else {
        return;
    };
    stage.plan_ids(&ids(40), &["--wait", "--rate", "none", "--lease", "2s"]);
    let phase = "SELECT phase FROM batchctl.run";
    let first = stage.worker();
    wait_until("a wait", || stage.database.number(phase) == 3);
    first.kill();
    // Nobody else was there; the run is found again, by one that is asked for it or for any.
    stage.call(&["work", "-q"]).expect(0);
    assert_eq!(stage.database.number(phase), 4);
    let waited = report(&stage.call(&["report", "--json"]).expect(0).stdout);
    assert_eq!(waited["arrivals"]["verified"], 40);
    assert_eq!(stage.rehearsal.service.witness().tally().actions, 40);
}

#[test]
fn a_wait_can_be_ended_for_all_and_taken_up_again() {
    let Some(stage) = Stage::with(SandboxSettings {
        tasks: 100,
        settle: Duration::from_secs(12),
        latency: Duration::ZERO..=Duration::ZERO,
        ..SandboxSettings::default()
    }) else {
        return;
    };
    stage.plan_ids(&ids(20), &["--wait", "--rate", "none", "--lease", "2s"]);
    let workers = [stage.worker(), stage.worker()];
    wait_until("a wait", || {
        stage.database.number("SELECT phase * coalesce(phase_owner, 0) FROM batchctl.run") >= 3
    });
    stage.call(&["ctl", "pause"]).expect(2).says("it is finished");
    stage.call(&["ctl", "drain"]).expect(0);
    for worker in workers {
        worker.ended().expect(3);
    }
    stage.call(&["work"]).expect(0).says("no run to work on");
    stage.call(&["resume", "-q"]).expect(0);
    assert_eq!(stage.database.number("SELECT phase FROM batchctl.run"), 4);
    let waited = report(&stage.call(&["report", "--json"]).expect(0).stdout);
    assert_eq!(waited["arrivals"]["verified"], 20);
}

#[test]
fn only_one_worker_sends_the_canary_and_all_stop_if_it_fails() {
    let Some(stage) = Stage::answering_in(5) else { return };
    stage.plan(300, &["--canary", "5", "--rate", "100/s"]);
    let workers = [stage.worker(), stage.worker(), stage.worker()];
    for worker in workers {
        worker.ended().expect(0);
    }
    assert_eq!(stage.check(300), 0);
    let several = "SELECT count(*) FROM batchctl.worker WHERE calls > 0";
    assert!(stage.database.number(several) >= 2);

    let mut ids = vec!["gate-refused".to_owned()];
    ids.extend((0..100).map(|number| format!("door-{number}")));
    let id = stage.plan_ids(&ids, &["--canary", "2", "--rate", "100/s", "--max-failures", "100%"]);
    let before = stage.rehearsal.service.requests();
    let workers = [stage.worker_on(&id), stage.worker_on(&id)];
    for worker in workers {
        worker.ended().expect(3);
    }
    assert!(stage.rehearsal.service.requests() - before <= 2);
    let stopping = "SELECT stopping FROM batchctl.run ORDER BY no DESC LIMIT 1";
    assert_eq!(stage.database.sql(stopping), ["canary_failed"]);
    stage.call(&["ctl", "status"]).expect(0).prints("stopped: canary failed");
}

#[test]
fn a_canary_that_is_taken_over_goes_on_where_it_was() {
    let Some(stage) = Stage::answering_in(5) else { return };
    stage.plan(200, &["--canary", "30", "--rate", "10/s", "--lease", "2s"]);
    let first = stage.worker();
    stage.await_settled(20);
    first.kill();
    let second = stage.worker();
    let phase = "SELECT phase FROM batchctl.run";
    wait_until("the end of the canary", || stage.database.number(phase) == 2);
    let settled = stage.database.number("SELECT sum(settled) FROM batchctl.chunk");
    assert!((28..=40).contains(&settled), "{settled} of the canary of 30");
    stage.call(&["ctl", "rate", "none"]).expect(0);
    second.ended().expect(0);
    stage.check(200);
}

#[test]
fn waves_are_sent_by_one_worker_and_the_last_one_by_all() {
    let Some(stage) = Stage::answering_in(5) else { return };
    stage.plan(
        400,
        &["--waves", "5,10%,100%", "--wave-pause", "1s", "--rate", "200/s", "--lease", "2s"],
    );
    let sent = "SELECT coalesce(sum(calls), 0) FROM batchctl.worker";
    let first = stage.worker();
    stage.await_settled(5);
    first.kill();
    let workers = [stage.worker(), stage.worker()];
    wait_until("the second wave", || stage.database.number(sent) > 5);
    for worker in workers {
        worker.ended().expect(0);
    }
    stage.check(400);
    // All that was sent before the last wave: by the first worker, and by the one that took over.
    let senders = "SELECT count(*) FROM batchctl.worker WHERE calls > 0";
    assert!(stage.database.number(senders) >= 2);
}

#[test]
fn unknown_tasks_are_told_before_anything_is_sent_and_the_run_is_gone() {
    let Some(stage) = stage(10, 0.0) else { return };
    let input = stage.rehearsal.input(&["task-000001", "stranger-1"]);
    let input = input.to_str().unwrap();
    let start = ["start", input, "--skip-unchanged", "--rate", "none"];
    stage.call(&start).expect(65).says("the project does not know 1 task");
    assert_eq!(stage.database.number("SELECT count(*) FROM batchctl.run"), 0);
    // One that was left to workers is stopped: otherwise each would look again.
    stage.call(&[&start[..], &["--detach"]].concat()).expect(0);
    stage.call(&["work"]).expect(65).says("nothing was sent");
    stage.call(&["ctl", "status"]).expect(0).prints("stopped: unknown tasks");
    stage.call(&["work"]).expect(0).says("no run to work on");
    assert_eq!(stage.rehearsal.service.witness().tally().actions, 0);
    stage.call(&["resume", "-q", "--on-unknown", "skip"]).expect(1);
    assert_eq!(stage.rehearsal.service.witness().tally().actions, 1);
}

#[test]
fn doubts_are_settled_and_tasks_waited_for_afterwards_and_changes_taken_back() {
    let Some(stage) = stage(10, 0.5) else { return };
    let input = stage.rehearsal.input(&["task-000001", "gate-drop"]);
    let start = ["start", input.to_str().unwrap(), "--rate", "none", "--max-attempts", "1"];
    stage.call(&start).expect(1).prints("ambiguous");
    stage.call(&["settle"]).expect(0).says("1 task in doubt is where it was sent");
    stage.call(&["settle"]).expect(0).says("no task is in doubt");
    assert_eq!(stage.database.number("SELECT sum(ambiguous) FROM batchctl.chunk"), 0);
    stage.call(&["wait", "-q", "--json"]).expect(0);
    let waited = report(&stage.call(&["report", "--json"]).expect(0).stdout);
    assert_eq!(waited["arrivals"]["verified"], 2);
    stage.call(&["wait", "--project-id", "project-2"]).expect(2).says("nothing was sent");

    let input = stage.rehearsal.input(&ids(10));
    let start = ["start", input.to_str().unwrap(), "--rate", "none", "--skip-unchanged", "-q"];
    stage.call(&start).expect(0);
    let changed = stage.database.number(
        "SELECT sum(succeeded) FROM batchctl.chunk WHERE run = (SELECT max(no) FROM batchctl.run)",
    );
    let reverted = report(&stage.call(&["revert", "-y", "--json"]).expect(0).stdout);
    assert_eq!(reverted["tasks"]["succeeded"], changed);
    assert_eq!(stage.database.number("SELECT count(*) FROM batchctl.run"), 3);
    let prune = |args: &[&str]| stage.call(&[&["runs", "prune"], args].concat()).expect(0);
    prune(&["--max-size", "1GiB"]).prints("0 runs removed");
    let latest = stage.database.number(
        "SELECT (SELECT sum(pg_column_size(body)) FROM batchctl.chunk WHERE run = r.no)
             + (SELECT sum(pg_column_size(body)) FROM batchctl.segment WHERE run = r.no)
         FROM batchctl.run r ORDER BY no DESC LIMIT 1",
    );
    let (enough, less) = (latest.to_string(), (latest - 1).to_string());
    prune(&["--max-size", &less, "-n"]).prints("3 runs would be removed");
    prune(&["--max-size", &enough, "-n"]).prints("2 runs would be removed");
    prune(&["--keep", "1", "-n"]).prints("2 runs would be removed");
    prune(&["--max-size", &enough]).prints("2 runs removed");
    assert_eq!(stage.database.number("SELECT count(*) FROM batchctl.run"), 1);
}

#[test]
fn what_is_not_good_is_looked_into_by_one_worker_also_after_too_many_failures() {
    let Some(stage) = stage(10, 0.5) else { return };
    let ids = ["gate-failed", "door-failed", "lamp-failed", "task-000001"].map(str::to_owned);
    let id = stage.plan_ids(&ids, &["--drill", "--rate", "20/s", "--max-failures", "1"]);
    let workers = [stage.worker_on(&id), stage.worker_on(&id)];
    for worker in workers {
        worker.ended().expect(3);
    }
    let drilled = report(&stage.call(&["report", "--json"]).expect(0).stdout);
    assert!(!drilled["drill"]["tasks"].as_array().unwrap().is_empty(), "{drilled}");
    assert_eq!(stage.database.number("SELECT phase FROM batchctl.run"), 4);
}

#[test]
fn what_the_workers_of_a_run_agree_on_is_fixed() {
    let Some(stage) = Stage::answering_in(0) else { return };
    stage.plan(5, &["--canary", "2"]);
    stage.call(&["resume", "--canary", "3"]).expect(2).says("is fixed once a run is in a database");
    stage.call(&["resume", "--wait"]).expect(2).says("is fixed once a run is in a database");
    assert_eq!(stage.rehearsal.service.requests(), 0);
    stage.call(&["resume", "-q"]).expect(0);
}
