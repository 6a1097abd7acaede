//! Kills processes that look at states, before and after their calls, and goes on.

use crate::support::service::Rehearsal;
use batchctl::sandbox::SandboxSettings;
use batchctl::sandbox::generated_id;
use batchctl::task::Command;
use std::time::Duration;

fn rehearsal(running: f64) -> Rehearsal {
    Rehearsal::with(SandboxSettings {
        tasks: 2_000,
        running,
        latency: Duration::from_millis(20)..=Duration::from_millis(20),
        settle: Duration::from_millis(500),
        ..SandboxSettings::default()
    })
}

fn ids(count: u32) -> Vec<String> {
    (1..=count).map(generated_id).collect()
}

#[test]
fn a_run_that_is_killed_while_it_reads_states_has_changed_nothing() {
    for pages in 1..=9 {
        let rehearsal = rehearsal(1.0);
        let input = rehearsal.input(&ids(2_000));
        rehearsal.killed_after(pages, &input, &["--skip-unchanged", "--rate", "none"]);
        let report = rehearsal.report();
        assert_eq!(report["tasks"]["not_attempted"], 2_000, "after {pages} pages");
        assert_eq!(rehearsal.run(&["resume"]).code, Some(0), "after {pages} pages");
        assert_eq!(rehearsal.report()["tasks"]["unchanged"], 2_000, "after {pages} pages");
        assert_eq!(rehearsal.service.witness().tally().actions, 0);
    }
}

#[test]
fn a_run_that_is_killed_while_it_waits_goes_on_waiting_and_sends_nothing_again() {
    for pages in [1, 3] {
        let rehearsal = rehearsal(0.0);
        let input = rehearsal.input(&ids(300));
        // The youngest are listed last: all ten pages are read before the calls.
        let before = 10 + 300;
        rehearsal.killed_after(before + pages, &input, &["--wait", "--rate", "none"]);
        let killed = rehearsal.report();
        assert_eq!(killed["exit"]["name"], "killed", "{killed}");
        assert_eq!(killed["tasks"]["succeeded"], 300);
        assert_eq!(rehearsal.run(&["resume"]).code, Some(0));
        let report = rehearsal.report();
        assert_eq!(report["arrivals"]["verified"], 300);
        assert_eq!(report["tasks"]["succeeded"], 300);
        assert_eq!(rehearsal.service.witness().tally().actions, 300);
    }
}

#[test]
fn a_run_that_is_killed_among_its_calls_leaves_alone_what_is_there() {
    let rehearsal = rehearsal(0.5);
    let input = rehearsal.input(&ids(600));
    rehearsal.killed_after(150, &input, &["--skip-unchanged", "--rate", "400/s"]);
    assert_eq!(rehearsal.run(&["resume"]).code, Some(0));
    let report = rehearsal.report();
    let tasks = &report["tasks"];
    let count = |outcome: &str| tasks[outcome].as_u64().unwrap();
    assert_eq!(count("succeeded") + count("unchanged"), 600, "{tasks}");
    // Nothing is sent twice, but for what was in doubt and not yet there.
    let twice = ids(600)
        .iter()
        .filter(|id| rehearsal.service.witness().carried_out(id, Command::START) > 1)
        .count();
    assert!(twice <= 16, "{twice}");
    // One may have been killed between its record and its sending.
    assert!(
        rehearsal.service.witness().tally().carried_out
            <= report["calls"]["attempts"].as_u64().unwrap()
    );
}
