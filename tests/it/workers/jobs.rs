//! Two runs of a job never overlap, on whatever machines.

use super::Stage;
use crate::support::service::wait_until;

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
