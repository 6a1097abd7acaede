//! Who may work on a run or a job, which run is meant, and which may go.

use crate::support::program::Running;
use crate::support::service::Rehearsal;
use crate::support::service::plain_ids;
use batchctl::sandbox::SandboxSettings;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A rehearsal with a run of a job under way that will not end by itself.
fn held(job: &str) -> (Rehearsal, Running, PathBuf) {
    let rehearsal =
        Rehearsal::with(SandboxSettings { slow: Duration::from_secs(600), ..Default::default() });
    let slow = rehearsal.input(&["one-slow"]);
    let process = rehearsal.start(&slow, &["--job", job]);
    rehearsal.service.await_requests(1);
    let other = rehearsal.scene.path("other.csv");
    fs::write(&other, "id\nother\n").unwrap();
    (rehearsal, process, other)
}

#[test]
fn a_run_that_a_process_works_on_is_left_to_it_and_the_process_named() {
    let (rehearsal, process, _) = held("nightly");
    let refused = rehearsal.run(&["resume"]);
    assert_eq!(refused.code, Some(75), "{refused:?}");
    let named = format!("is in use by process {} since 2", process.pid());
    assert!(refused.stderr.contains(&named), "{refused:?}");
    assert!(rehearsal.run(&["runs", "list"]).stdout.contains("running"));
    process.kill();
    assert!(rehearsal.run(&["runs", "list"]).stdout.contains("killed"));
}

#[test]
fn a_second_run_of_a_job_ends_at_once_and_names_the_first() {
    let (rehearsal, process, other) = held("nightly");
    let refused = rehearsal.start(&other, &["--job", "nightly"]).ended();
    assert_eq!(refused.code, Some(75), "{refused:?}");
    let named = format!("job nightly is being run by process {} since 2", process.pid());
    assert!(refused.stderr.contains(&named), "{refused:?}");
    assert!(refused.stderr.contains("--lock-wait"), "{refused:?}");
    assert_eq!((rehearsal.service.requests(), rehearsal.runs().len()), (1, 1));
    let free = rehearsal.start(&other, &["--job", "hourly"]).ended();
    assert_eq!(free.code, Some(0), "another job is free: {free:?}");
}

#[test]
fn a_second_run_of_a_job_may_be_skipped() {
    let (rehearsal, _process, other) = held("nightly");
    let skipped = rehearsal.start(&other, &["--job", "nightly", "--if-busy", "skip"]).ended();
    assert_eq!(skipped.code, Some(0), "{skipped:?}");
    assert!(skipped.stderr.contains("skipped"), "{skipped:?}");
    assert_eq!(rehearsal.service.requests(), 1);
}

#[test]
fn a_second_run_of_a_job_may_wait_and_a_kill_frees_the_lock() {
    let (rehearsal, process, other) = held("nightly");
    let mut waiting = rehearsal.start(&other, &["--job", "nightly", "--lock-wait", "10m"]);
    std::thread::sleep(Duration::from_millis(500));
    assert!(!waiting.has_ended());
    assert_eq!(rehearsal.service.requests(), 1);
    process.kill();
    let ended = waiting.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(rehearsal.service.requests(), 2);
}

#[test]
fn a_wait_for_a_job_ends() {
    let (rehearsal, _process, other) = held("nightly");
    let refused = rehearsal.start(&other, &["--job", "nightly", "--lock-wait", "300ms"]).ended();
    assert_eq!(refused.code, Some(75), "{refused:?}");
}

#[test]
fn a_job_is_taken_by_whoever_goes_on_with_its_run() {
    let rehearsal =
        Rehearsal::with(SandboxSettings { slow: Duration::from_secs(600), ..Default::default() });
    rehearsal.killed_after(1, &rehearsal.input(&["one-slow"]), &["--job", "nightly"]);
    let resumed = Running::spawn(rehearsal.scene.command(&["resume"]));
    rehearsal.service.await_requests(2);
    let refused = rehearsal.start(&rehearsal.input(&["gate2"]), &["--job", "nightly"]).ended();
    assert_eq!(refused.code, Some(75), "{refused:?}");
    drop(resumed);
}

#[test]
fn latest_is_the_latest_of_a_job_where_one_is_named() {
    let rehearsal = Rehearsal::answering_in(1..=5);
    for (id, job) in [("gate-a", "nightly"), ("gate-b", "hourly"), ("gate-c", "nightly")] {
        let more = ["--job", job, "--reason", "the maintenance of gate 7"];
        assert_eq!(rehearsal.start(&rehearsal.input(&[id]), &more).ended().code, Some(0));
    }
    let runs = rehearsal.runs();
    let path = |args: &[&str]| rehearsal.run(&[&["runs", "path"], args].concat()).stdout;
    assert!(path(&["--job", "hourly"]).contains(runs[1].as_str()));
    assert!(path(&["latest", "--job", "nightly"]).contains(runs[2].as_str()));
    assert!(path(&[]).contains(runs[2].as_str()));
    let unknown = rehearsal.run(&["report", "--job", "weekly"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    let shown = rehearsal.run(&["runs", "show", runs[0].as_str()]).stdout;
    assert!(shown.contains("nightly") && shown.contains("the maintenance of gate 7"), "{shown}");
}

#[test]
fn old_runs_are_pruned_by_count_age_and_size_and_a_run_in_use_stays() {
    let (rehearsal, _process, other) = held("nightly");
    for _ in 0..3 {
        assert_eq!(rehearsal.start(&other, &[]).ended().code, Some(0));
    }
    let count = || rehearsal.runs().len();
    let prune = |args: &[&str]| rehearsal.run(&[&["runs", "prune"], args].concat());
    assert_eq!(prune(&[]).code, Some(2), "it says nothing about what is old");
    assert!(prune(&["--keep", "1", "-n"]).stdout.contains("2 runs would be removed"));
    assert_eq!(count(), 4);
    assert!(prune(&["--older-than", "1h"]).stdout.contains("0 runs removed"));
    assert!(prune(&["--max-size", "1GiB"]).stdout.contains("0 runs removed"));
    assert!(prune(&["--keep", "2"]).stdout.contains("1 run removed"));
    assert_eq!(count(), 3);
    assert!(prune(&["--max-size", "1", "--unfinished"]).stdout.contains("2 runs removed"));
    assert_eq!(count(), 1, "the one in use stays");
    let left = fs::read_dir(rehearsal.state.join("runs")).unwrap().count();
    assert_eq!(left, 6, "the run, its log, the log's index, its mark, its lock and its socket");
}

#[test]
fn a_run_that_could_be_gone_on_with_is_pruned_only_if_that_is_wanted() {
    let rehearsal = Rehearsal::answering_in(20..=40);
    rehearsal.killed_after(5, &rehearsal.input(&plain_ids(40)), &["--rate", "none"]);
    assert!(rehearsal.run(&["runs", "prune", "--keep", "0"]).stdout.contains("0 runs removed"));
    let pruned = rehearsal.run(&["runs", "prune", "--keep", "0", "--unfinished"]);
    assert!(pruned.stdout.contains("1 run removed"), "{pruned:?}");
    assert_eq!(fs::read_dir(rehearsal.state.join("runs")).unwrap().count(), 0);
}
