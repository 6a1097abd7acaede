//! Workers that go from run to run.

use super::Stage;
use rustix::process::Signal;

#[test]
fn a_worker_that_follows_obeys_signals_in_its_second_run_as_in_its_first() {
    let Some(stage) = Stage::answering_in(5) else { return };
    let ids = |name: &str, count: u32| -> Vec<String> {
        (0..count).map(|number| format!("{name}-{number:03}")).collect()
    };
    let first = stage.plan_ids(&ids("first", 20), &["--rate", "none"]);
    let worker = stage.rehearsal.scene.start(&["work", "--follow", "-q", "-j", "8"]);
    stage.await_settled(20);
    let second = stage.plan_ids(&ids("second", 200), &["--rate", "100/s"]);
    stage.await_settled(40);
    worker.signal(Signal::TERM);
    worker.ended().expect(143);
    // What was on the wire has finished, and what was left is free at once.
    let held = "SELECT count(*) FROM batchctl.chunk WHERE state = 1";
    assert_eq!(stage.database.number(held), 0, "{first} {second}");
    stage.worker_on(&second).ended().expect(0);
    let calls = stage.rehearsal.service.requests_by_id();
    assert_eq!(calls.len(), 220);
    assert!(calls.values().all(|&count| count == 1), "{calls:?}");
}
