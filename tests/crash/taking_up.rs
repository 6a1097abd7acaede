//! `resume`, `retry` and `--after`: what is gone on with, run again, and left out.

use crate::ledger::Fate;
use crate::ledger::Ledger;
use crate::support::program::Running;
use crate::support::service::Rehearsal;
use crate::support::service::plain_ids;
use std::fs;

/// Kills a run of so many tasks on its way, and returns the ids that were in doubt.
fn killed(rehearsal: &Rehearsal, tasks: usize) -> Vec<String> {
    rehearsal.killed_after(20, &rehearsal.input(&plain_ids(tasks)), &["--rate", "none"]);
    let fates = Ledger::read(&rehearsal.file()).fates.into_iter();
    fates.filter(|(_, fate)| *fate == Fate::InDoubt).map(|(id, _)| id).collect()
}

#[test]
fn a_run_goes_on_without_its_input() {
    let rehearsal = Rehearsal::answering_in(20..=40);
    killed(&rehearsal, 60);
    fs::remove_file(rehearsal.scene.path("tasks.csv")).unwrap();
    let ended = rehearsal.run(&["resume", "-o", "results.csv"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let results = fs::read_to_string(rehearsal.scene.path("results.csv")).unwrap();
    assert_eq!(results.lines().count(), 61, "{results}");
    assert!(results.lines().nth(1).unwrap().ends_with(",camera 0"), "{results}");
}

#[test]
fn a_run_goes_on_with_its_own_plan_whatever_became_of_the_input() {
    let rehearsal = Rehearsal::answering_in(20..=40);
    killed(&rehearsal, 60);
    rehearsal.input(&["another"]);
    assert_eq!(rehearsal.run(&["resume"]).code, Some(0));
    assert_eq!(Ledger::read(&rehearsal.file()).settled("succeeded"), 60);
    assert!(!rehearsal.service.requests_by_id().contains_key("another"));
}

#[test]
fn what_is_in_doubt_is_sent_again() {
    let rehearsal = Rehearsal::answering_in(50..=80);
    let doubted = killed(&rehearsal, 60);
    assert!(!doubted.is_empty());
    let before = rehearsal.service.requests_by_id();
    assert_eq!(rehearsal.run(&["resume"]).code, Some(0));
    let after = rehearsal.service.requests_by_id();
    for id in &doubted {
        assert_eq!(after[id], before.get(id).unwrap_or(&0) + 1, "{id}");
    }
}

#[test]
fn what_is_in_doubt_is_held_if_that_is_wanted() {
    let rehearsal = Rehearsal::answering_in(50..=80);
    let doubted = killed(&rehearsal, 60);
    let before = rehearsal.service.requests_by_id();
    let ended = rehearsal.run(&["resume", "--on-doubt", "hold"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let (ledger, after) = (Ledger::read(&rehearsal.file()), rehearsal.service.requests_by_id());
    assert_eq!(ledger.settled("ambiguous"), doubted.len());
    assert_eq!(ledger.settled("succeeded"), 60 - doubted.len());
    for id in &doubted {
        assert_eq!(ledger.fates[id], Fate::Settled("ambiguous".into()));
        assert_eq!(after.get(id), before.get(id), "{id}");
    }
}

#[test]
fn a_finished_run_is_not_gone_on_with_and_ends_as_it_did() {
    let rehearsal = Rehearsal::answering_in(1..=5);
    let input = rehearsal.input(&["gate1", "gate2-failed"]);
    assert_eq!(rehearsal.start(&input, &[]).ended().code, Some(1));
    let again = rehearsal.run(&["resume", "-o", "results.csv"]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("is finished: every task has its outcome"), "{again:?}");
    assert_eq!(rehearsal.service.requests(), 2);
    assert!(rehearsal.scene.path("results.csv").exists(), "documents are written all the same");
}

#[test]
fn a_run_goes_on_at_another_rate() {
    let rehearsal = Rehearsal::answering_in(1..=5);
    rehearsal.killed_after(20, &rehearsal.input(&plain_ids(60)), &["--rate", "40/s"]);
    let left = Ledger::read(&rehearsal.file()).count(&Fate::NeverSent);
    assert!(left > 0);
    assert_eq!(rehearsal.run(&["resume", "--rate", "1000/s"]).code, Some(0));
    let report = rehearsal.report();
    assert_eq!(report["tasks"]["succeeded"], 60, "{report}");
}

#[test]
fn a_run_goes_on_elsewhere_if_that_is_wanted() {
    let rehearsal = Rehearsal::answering_in(20..=40);
    killed(&rehearsal, 60);
    let other = Rehearsal::answering_in(1..=5);
    let ended = rehearsal.run(&["resume", "--endpoint", other.service.url()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(other.service.requests() > 0);
}

#[test]
fn a_run_that_was_planned_and_never_begun_is_gone_on_with_from_the_start() {
    let rehearsal = Rehearsal::answering_in(20..=40);
    rehearsal.killed_after(1, &rehearsal.input(&plain_ids(20)), &["--rate", "none"]);
    let connection = rusqlite::Connection::open(rehearsal.file()).unwrap();
    crate::journal::forget_all(&connection);
    drop(connection);
    // It remembers more of the run than is left of it here.
    fs::remove_file(rehearsal.file().with_extension("db-mark")).unwrap();
    assert_eq!(rehearsal.run(&["resume"]).code, Some(0));
    assert_eq!(Ledger::read(&rehearsal.file()).settled("succeeded"), 20);
}

/// Runs tasks that end in every way, and returns a command line that retries some of them.
fn mixed() -> Rehearsal {
    let rehearsal = Rehearsal::answering_in(1..=5);
    let ids = ["good", "a-partial", "b-failed", "c-refused", "d-missing", "e-drop"];
    let more = ["--rate", "none", "--max-attempts", "1", "--job", "nightly"];
    assert_eq!(rehearsal.start(&rehearsal.input(&ids), &more).ended().code, Some(1));
    rehearsal
}

fn check_retry(rehearsal: &Rehearsal, args: &[&str], expected: &[&str]) {
    let before = rehearsal.service.requests();
    let ended = rehearsal.run(&[&["retry", "--dry-run"], args].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(rehearsal.service.requests(), before);
    let named =
        |id: &&str| ended.stdout.lines().any(|line| line.split_whitespace().any(|w| w == *id));
    let all = ["good", "a-partial", "b-failed", "c-refused", "d-missing", "e-drop"];
    let found: Vec<&str> = all.into_iter().filter(named).collect();
    assert_eq!(found, expected, "{args:?}: {}", ended.stdout);
}

#[test]
fn a_retry_takes_what_did_not_succeed_and_can_be_narrowed() {
    let rehearsal = mixed();
    let all = ["a-partial", "b-failed", "c-refused", "d-missing", "e-drop"];
    check_retry(&rehearsal, &[], &all);
    check_retry(&rehearsal, &["--outcome", "partial"], &["a-partial"]);
    check_retry(&rehearsal, &["--outcome", "partial,ambiguous"], &["a-partial", "e-drop"]);
    check_retry(&rehearsal, &["--outcome", "succeeded"], &["good"]);
    check_retry(&rehearsal, &["--status", "400"], &["d-missing"]);
    check_retry(&rehearsal, &["--kind", "reset"], &["e-drop"]);
    check_retry(&rehearsal, &["--error-code", "VIAS.00010012"], &["c-refused"]);
    check_retry(&rehearsal, &["--outcome", "failed", "--status", "200"], &["b-failed"]);
}

#[test]
fn a_retry_is_a_new_run_that_knows_its_parent() {
    let rehearsal = mixed();
    let parent = rehearsal.runs()[0].clone();
    let ended = rehearsal.run(&["retry", "--outcome", "partial", "--yes"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let report = rehearsal.report();
    assert_eq!(report["run"]["parent"], parent.as_str(), "{report}");
    assert_eq!(report["run"]["job"], "nightly");
    assert_eq!(report["tasks"]["selected"], 1);
    // Five were outstanding; the one that was tried again is so still.
    assert_eq!(report["run"]["outstanding"], 5);
    assert!(ended.stdout.contains("outstanding         5"), "{ended:?}");
    assert_eq!(rehearsal.service.requests_by_id()["a-partial"], 2);
    assert_eq!(rehearsal.service.requests_by_id()["b-failed"], 1);
}

#[test]
fn a_retry_of_nothing_makes_no_run() {
    let rehearsal = Rehearsal::answering_in(1..=5);
    assert_eq!(rehearsal.start(&rehearsal.input(&["gate1"]), &[]).ended().code, Some(0));
    let ended = rehearsal.run(&["retry"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("nothing to retry"), "{ended:?}");
    assert_eq!(rehearsal.runs().len(), 1);
}

#[test]
fn an_edited_list_leaves_out_what_was_done_by_id_and_not_by_position() {
    let rehearsal = Rehearsal::answering_in(1..=5);
    assert_eq!(
        rehearsal.start(&rehearsal.input(&["gate-a", "gate-b-failed", "gate-c"]), &[]).ended().code,
        Some(1)
    );
    let edited = rehearsal.input(&["gate-new", "gate-c", "gate-b-failed", "gate-a", "late"]);
    let ended = rehearsal.start(&edited, &["--after", "latest"]).ended();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let requests = rehearsal.service.requests_by_id();
    let expected =
        [("gate-a", 1), ("gate-b-failed", 2), ("gate-c", 1), ("gate-new", 1), ("late", 1)];
    assert_eq!(requests, expected.map(|(id, times)| (id.to_owned(), times)).into());
    let report = rehearsal.report();
    assert_eq!(
        (&report["tasks"]["selected"], &report["input"]["already_done"]),
        (&3.into(), &2.into())
    );
    assert!(ended.stdout.contains("done already        2"), "{ended:?}");
}

#[test]
fn what_the_chain_has_done_is_left_out_too() {
    let rehearsal = Rehearsal::answering_in(1..=5);
    rehearsal.start(&rehearsal.input(&["gate-a"]), &[]).ended();
    rehearsal.start(&rehearsal.input(&["gate-a", "gate-b"]), &["--after", "latest"]).ended();
    let ended = rehearsal
        .start(&rehearsal.input(&["gate-a", "gate-b", "gate-c"]), &["--after", "latest"])
        .ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(rehearsal.service.requests_by_id().values().all(|&times| times == 1));
    assert_eq!(rehearsal.report()["tasks"]["selected"], 1);
}

#[test]
fn the_other_command_of_the_same_id_is_not_left_out() {
    let rehearsal = Rehearsal::answering_in(1..=5);
    let input = rehearsal.input(&["gate-a"]);
    rehearsal.start(&input, &[]).ended();
    let mut args = rehearsal.start_arguments(&input, &["--after", "latest"]);
    args[0] = "stop";
    assert_eq!(Running::spawn(rehearsal.scene.command(&args)).ended().code, Some(0));
    assert_eq!(rehearsal.service.requests_by_id()["gate-a"], 2);
}

#[test]
fn a_list_of_which_all_is_done_sends_nothing_and_is_no_error() {
    let rehearsal = Rehearsal::answering_in(1..=5);
    let input = rehearsal.input(&["gate-a", "gate-b"]);
    rehearsal.start(&input, &[]).ended();
    let ended = rehearsal.start(&input, &["--after", "latest"]).ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("nothing is left to do: 2 tasks done already"), "{ended:?}");
    assert_eq!((rehearsal.service.requests(), rehearsal.runs().len()), (2, 1));
}
