//! Two runs of a job never overlap, on whatever machines.

use super::Stage;
use crate::support::service::wait_until;
use rustix::process::Signal;

#[test]
fn a_job_runs_once_at_a_time_and_its_workers_keep_it() {
    let Some(stage) = Stage::answering_in(5) else { return };
    let input = stage.rehearsal.input(&(0..200).map(|it| format!("gate{it}")).collect::<Vec<_>>());
    // The first run of all, which makes the tables, may have a job.
    let other = ["start", input.to_str().unwrap(), "-q", "--job", "other", "--rate", "none"];
    stage.call(&other).expect(0);
    let start = ["start", input.to_str().unwrap(), "-q", "--timeout", "1s", "--job", "nightly"];
    let slow = [&start[..], &["--rate", "20/s", "--lease", "2s"]].concat();
    let first = stage.rehearsal.scene.start(&slow);
    stage.await_settled(205);
    stage.call(&start).expect(75).says("job nightly is being run by process");
    stage.call(&other).expect(0);
    stage
        .call(&[&start[..], &["--if-busy", "skip"]].concat())
        .expect(0)
        .says("skipped: job nightly");
    // A worker that joins keeps the job as well as the first one did.
    let slow_run =
        stage.database.sql("SELECT id FROM batchctl.run WHERE job = 'nightly'").remove(0);
    let second = stage.rehearsal.scene.start(&["work", &slow_run, "-q"]);
    wait_until("a second worker", || {
        stage.database.number("SELECT max(workers) FROM batchctl.run") >= 2
    });
    first.kill();
    stage.call(&start).expect(75).says("job nightly is being run by process");
    stage.call(&["ctl", &slow_run, "rate", "none"]).expect(0);
    // Free as soon as the last worker has left, and at most a second later here.
    stage.call(&[&start[..], &["--lock-wait", "60s", "--rate", "none"]].concat()).expect(0);
    second.ended().expect(0);
    assert_eq!(stage.database.number("SELECT count(*) FROM batchctl.job"), 0);
}

#[test]
fn a_worker_that_wakes_when_another_run_has_its_job_does_not_go_on() {
    let Some(stage) = Stage::answering_in(5) else { return };
    let id = stage.plan(200, &["--job", "nightly", "--rate", "20/s", "--lease", "60s"]);
    let worker = stage.worker_on(&id);
    stage.await_settled(5);
    worker.signal(Signal::STOP);
    stage.database.sql(
        "UPDATE batchctl.job SET run = NULL, holder = 'process 7 on batch-a', epoch = epoch + 1, \
         lease_until = clock_timestamp() + interval '60 seconds'",
    );
    let before = stage.rehearsal.service.requests();
    worker.signal(Signal::CONT);
    worker.ended().expect(75).says("job nightly is being run by process 7 on batch-a");
    // What was on its way when it woke, and no more.
    assert!(stage.rehearsal.service.requests() <= before + 15);
    stage.call(&["work", &id, "-q"]).expect(75);
    assert_eq!(stage.database.sql("SELECT holder FROM batchctl.job"), ["process 7 on batch-a"]);
    // It goes on once the other one is over, and has the job again.
    stage.database.sql("DELETE FROM batchctl.job");
    stage.call(&["ctl", &id, "rate", "none"]).expect(0);
    stage.call(&["work", "-q"]).expect(0);
    assert_eq!(stage.database.number("SELECT sum(settled) FROM batchctl.chunk"), 200);
}

#[test]
fn the_workers_of_a_run_take_its_job_again_that_is_free() {
    let Some(stage) = Stage::answering_in(5) else { return };
    let id = stage.plan(200, &["--job", "nightly", "--rate", "20/s", "--lease", "60s"]);
    let worker = stage.worker_on(&id);
    stage.await_settled(5);
    // As after the other run that had it meanwhile has freed it.
    stage.database.sql("DELETE FROM batchctl.job");
    let has_it = "SELECT count(*) FROM batchctl.job WHERE run IS NOT NULL";
    wait_until("the job", || stage.database.number(has_it) == 1);
    let input = stage.rehearsal.input(&["gate-1"]);
    let start = ["start", input.to_str().unwrap(), "-q", "--job", "nightly"];
    stage.call(&start).expect(75).says("is being run by the workers of run ");
    stage.call(&["ctl", &id, "rate", "none"]).expect(0);
    worker.ended().expect(0);
    assert_eq!(stage.database.number("SELECT count(*) FROM batchctl.job"), 0);
}

#[test]
fn a_holder_that_may_be_gone_is_named_and_its_job_is_free_when_its_lease_is_over() {
    let Some(stage) = Stage::answering_in(0) else { return };
    stage.plan(5, &["--job", "nightly", "--rate", "none"]);
    let hold = |seconds: i32| {
        stage.database.sql(&format!(
            "INSERT INTO batchctl.job VALUES ('nightly', NULL, 'process 7 on batch-a', 3, \
             clock_timestamp() + {seconds} * interval '1 second')"
        ))
    };
    hold(5);
    stage.call(&["resume"]).expect(75).says("process 7 on batch-a, which was not heard of for 1");
    stage.call(&["work"]).expect(0).says("no run to work on");
    stage.database.sql("DELETE FROM batchctl.job");
    hold(-1);
    stage.call(&["work", "-q"]).expect(0);
    assert_eq!(stage.database.number("SELECT count(*) FROM batchctl.job"), 0);
}
