//! The summary on the terminal.

use super::*;
use crate::report::{next_commands, summary};
use crate::text::Style;
use std::path::PathBuf;
use unicode_width::UnicodeWidthStr;

fn text(run: &TestRun) -> String {
    let text = summary(&run.report(), &[], Style::Plain);
    assert!(text.lines().all(|line| line.width() <= 80), "{text}");
    text
}

#[test]
fn a_run_in_which_everything_succeeded_is_short() {
    let mut run = TestRun::with_tasks(12);
    run.begin();
    (0..12).for_each(|task| run.settle(task, counted(0, 3), Outcome::Succeeded));
    run.end(None);
    insta::assert_snapshot!(text(&run), @"
    stop: 12 tasks in 1.2s, 10/s (limit 10/s)               run 20240705-120000-kfzq

      succeeded          12

      sub-tasks          36   all succeeded
      calls              12
      pace                    10 in the busiest second
      paused                  1.5s, held back by the service
      latency                 p50 17 ms, p99 17 ms, max 17 ms

    Next
      batchctl report 20240705-120000-kfzq -o results.csv   every task's outcome
    ");
}

#[test]
fn a_summary_shows_failure_groups_and_the_next_commands() {
    let mut run = TestRun::with_tasks(30);
    run.begin();
    (0..20).for_each(|task| run.settle(task, counted(0, 3), Outcome::Succeeded));
    (20..23).for_each(|task| run.settle(task, counted(1, 3), Outcome::Partial));
    (23..27).for_each(|task| run.settle(task, refused("This is not allowed."), Outcome::Failed));
    run.call(27, throttled());
    (27..30).for_each(|task| run.settle(task, lost(FailureKind::Timeout), Outcome::Ambiguous));
    run.end(None);
    insta::assert_snapshot!(text(&run), @"
    stop: 30 tasks in 3.1s, 10/s (limit 10/s)               run 20240705-120000-kfzq

      succeeded          20
      partial             3   some sub-tasks failed
      failed              4
      ambiguous           3   sent, nothing trustworthy came back

      sub-tasks          72   69 succeeded, 3 failed
      calls              31   1 retry, 1 throttled
      pace                    10 in the busiest second
      paused                  1.5s, held back by the service
      latency                 p50 17 ms, p99 17 ms, max 17 ms

    Failures
      F1  4   40%  refused  500  VIAS.00010012: This is not allowed.
          reason: The task is being deleted.
          advice: Wait until it is gone.
          e.g. task-0023, task-0024, task-0025
          2024-07-05 12:00:02 UTC; follow the advice, then send again
          batchctl retry 20240705-120000-kfzq --group F1
      F2  3   30%  service  200  some sub-tasks failed
          camera cam-1: no licence
          e.g. task-0020, task-0021, task-0022
          2024-07-05 12:00:02 UTC; remove the cause, then send again
          batchctl retry 20240705-120000-kfzq --group F2
      F3  3   30%  timeout       no answer in 60 s
          e.g. task-0027, task-0028, task-0029
          2024-07-05 12:00:02 to 12:00:03 UTC; sending again may help
          batchctl retry 20240705-120000-kfzq --group F3

    Next
      batchctl retry 20240705-120000-kfzq                   what did not succeed
      batchctl settle 20240705-120000-kfzq                  what is in doubt
      batchctl report 20240705-120000-kfzq -o results.csv   every task's outcome
      batchctl report 20240705-120000-kfzq --json           every cause of failure
    ");
}

#[test]
fn settle_and_wait_are_offered_unless_the_run_was_a_rehearsal() {
    let offered = |report: &Report| {
        let commands = next_commands(report, &[]).into_iter().map(|next| next.command);
        let words = commands.filter_map(|command| command.split(' ').nth(1).map(str::to_owned));
        words.collect::<Vec<_>>().join(" ")
    };
    let mut run = TestRun::with_tasks(2);
    run.begin();
    run.settle(0, lost(FailureKind::Timeout), Outcome::Ambiguous);
    run.settle(1, refused("Quota reached"), Outcome::Failed);
    run.end(None);
    let mut report = run.report();
    assert_eq!(offered(&report), "retry settle report report");
    report.failures[0].kind = Some(FailureKind::NotReached);
    assert_eq!(offered(&report), "retry settle wait report report");
    report.settings.sandbox = true;
    assert_eq!(offered(&report), "retry report report");
    report.settings.sandbox = false;
    // Excluded tasks are not called again, so nothing is left to retry.
    let tasks = std::mem::take(&mut report.tasks);
    report.tasks[Outcome::NotAttempted] = 2;
    assert_eq!(offered(&report), "wait report report");
    report.tasks = tasks;
    report.run.complete = false;
    assert_eq!(offered(&report), "resume report report");
}

#[test]
fn a_run_that_was_stopped_early_says_why() {
    let mut run = TestRun::with_tasks(40);
    run.begin();
    (0..11).for_each(|task| run.settle(task, refused("Quota reached"), Outcome::Failed));
    run.end(Some(StopReason::TooManyFailures));
    insta::assert_snapshot!(text(&run), @"
    stop: 11 of 40 tasks in 1.1s, 10/s (limit 10/s)         run 20240705-120000-kfzq
    Stopped early: 11 tasks failed, more than `--max-failures 25%` tolerates

      failed             11
      not attempted      29   the run ended before their turn

      calls              11
      pace                    10 in the busiest second
      paused                  1.5s, held back by the service
      latency                 p50 17 ms, p99 17 ms, max 17 ms

    Failures
      F1  11  100%  refused  500  VIAS.00010012: Quota reached
          reason: The task is being deleted.
          advice: Wait until it is gone.
          e.g. task-0000, task-0001, task-0002
          2024-07-05 12:00:00 to 12:00:01 UTC; follow the advice, then send again
          batchctl retry 20240705-120000-kfzq --group F1

    Next
      batchctl resume 20240705-120000-kfzq                  once the causes are gone
      batchctl report 20240705-120000-kfzq -o results.csv   every task's outcome
      batchctl report 20240705-120000-kfzq --json           every cause of failure
    ");
}

#[test]
fn an_interrupted_run_says_how_much_is_left() {
    let mut run = TestRun::with_tasks(1_200);
    run.begin();
    (0..5).for_each(|task| run.settle(task, counted(0, 2), Outcome::Succeeded));
    run.end(Some(StopReason::Interrupted));
    insta::assert_snapshot!(text(&run), @"
    stop: 5 of 1,200 tasks in 0.5s, 10/s (limit 10/s)       run 20240705-120000-kfzq
    Interrupted: by SIGINT

      succeeded           5
      not attempted   1,195   the run ended before their turn

      sub-tasks          10   all succeeded
      calls               5
      pace                    5 in the busiest second
      paused                  1.5s, held back by the service
      latency                 p50 17 ms, p99 17 ms, max 17 ms

    Next
      batchctl resume 20240705-120000-kfzq                  goes on with the rest
      batchctl report 20240705-120000-kfzq -o results.csv   every task's outcome
    ");
}

#[test]
fn a_killed_run_shows_tasks_in_doubt() {
    let mut run = TestRun::with_tasks(3);
    run.begin();
    run.settle(0, counted(0, 2), Outcome::Succeeded);
    run.send(1);
    run.kill();
    insta::assert_snapshot!(text(&run), @"
    stop: 2 of 3 tasks in 0.1s, 10/s (limit 10/s)           run 20240705-120000-kfzq
    Killed: the process ended without recording it

      succeeded           1
      ambiguous           1   sent, nothing trustworthy came back
      not attempted       1   the run ended before their turn

      sub-tasks           2   all succeeded
      calls               2
      pace                    2 in the busiest second
      latency                 p50 17 ms, p99 17 ms, max 17 ms

    Failures
      F1  1  100%  reset       no answer was recorded
          e.g. task-0001
          2024-07-05 12:00:00 UTC; sending again may help

    Next
      batchctl resume 20240705-120000-kfzq                  goes on with the rest
      batchctl report 20240705-120000-kfzq -o results.csv   every task's outcome
      batchctl report 20240705-120000-kfzq --json           every cause of failure
    ");
}

#[test]
fn a_running_run_says_so() {
    let mut run = TestRun::with_tasks(3);
    run.begin();
    run.settle(0, counted(0, 2), Outcome::Succeeded);
    let report = Report::read(&run.reader(), StillRunning::Yes).unwrap();
    insta::assert_snapshot!(summary(&report, &[], Style::Plain), @"
    stop: 1 of 3 tasks in 0s (limit 10/s)                   run 20240705-120000-kfzq
    Still running: this is what is known so far

      succeeded           1
      not attempted       2   not sent so far

      sub-tasks           2   all succeeded
      calls               1
      pace                    1 in the busiest second
      latency                 p50 17 ms, p99 17 ms, max 17 ms

    Next
      batchctl report 20240705-120000-kfzq -o results.csv   every task's outcome
    ");
}

#[test]
fn an_empty_run_says_so() {
    insta::assert_snapshot!(text(&TestRun::from_table("id\n")), @"stop: no task was selected                              run 20240705-120000-kfzq");
}

#[test]
fn documents_and_the_origin_of_a_run_are_named() {
    let run = TestRun::planned(&[("a.txt", "aaaa\n")], |run, _| {
        run.job = Some("nightly".into());
        run.reason = Some("maintenance \u{1b}[31m of the north gate".into());
        run.parent = Some("20240704-120000-abcd".parse().unwrap());
    });
    let documents = [PathBuf::from("out/results.csv"), PathBuf::from("report.json")];
    insta::assert_snapshot!(summary(&run.report(), &documents, Style::Plain), @r"
    stop: 0 of 1 task in 0s (limit 10/s)                    run 20240705-120000-kfzq
      job            nightly
      reason         maintenance \u{1b}[31m of the north gate
      follows        20240704-120000-abcd
    Planned: no process has begun it; nothing was sent

      not attempted       1   not sent so far

    Documents written
      out/results.csv
      report.json

    Next
      batchctl resume 20240705-120000-kfzq   carries it out
    ");
}

#[test]
fn colour_stresses_words_and_moves_nothing() {
    let report = every_outcome().report();
    let plain = summary(&report, &[], Style::Plain);
    let coloured = summary(&report, &[], Style::Coloured);
    let mut bare = coloured.clone();
    for code in ["0", "1", "31", "32", "33"] {
        bare = bare.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(bare, plain);
    assert!(coloured.contains("\u{1b}[31mfailed\u{1b}[0m"), "{coloured}");
}

#[test]
fn many_causes_are_cut_to_the_most_frequent() {
    let mut run = TestRun::with_tasks(12);
    run.begin();
    for (task, word) in ('a'..='l').enumerate() {
        run.settle(task, refused(&word.to_string()), Outcome::Failed);
    }
    run.end(None);
    let text = text(&run);
    assert!(text.contains("\n  and 2 more causes, 2 tasks in all\n"), "{text}");
}

#[test]
fn the_next_command_fits_what_would_help() {
    for kind in FailureKind::ALL {
        let mut run = TestRun::with_tasks(1);
        run.begin();
        run.settle(0, lost(kind), Outcome::Failed);
        run.end(None);
        let mut report = run.report();
        for retryable in [true, false] {
            report.failures[0].retryable = retryable;
            let shown = summary(&report, &[], Style::Plain);
            let purpose =
                if retryable { "what did not succeed" } else { "once the causes are gone" };
            assert!(shown.contains(purpose), "{kind:?}: {shown}");
            assert_eq!(shown.contains("sending again may help"), retryable, "{kind:?}: {shown}");
        }
    }
}
