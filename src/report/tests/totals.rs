//! The sums of a report: tasks, counts, calls, times and failure groups.

use super::*;
use crate::report::{FailureGroup, Grouping, MAX_GROUPS};
use crate::store::StoreError;
use crate::task::TaskId;
use proptest::prelude::*;

#[test]
fn every_outcome_is_counted_once() {
    let report = every_outcome().report();
    assert_eq!(Outcome::ALL.map(|outcome| report.tasks[outcome]), [1, 1, 1, 1, 1, 1]);
    assert_eq!(report.input.selected, 6);
    assert_eq!((report.input.rows, report.input.duplicates), (7, 1));
    assert_eq!(report.counts, Counts { total: 10, failed: 1, succeeded: 9 });
}

#[test]
fn counts_that_could_not_be_believed_are_not_summed() {
    let mut run = TestRun::with_tasks(2);
    run.begin();
    run.settle(0, counted(1, 2), Outcome::Partial);
    run.settle(1, Reply { in_doubt: true, ..counted(5, 5) }, Outcome::Ambiguous);
    run.end(None);
    assert_eq!(run.report().counts, Counts { total: 3, failed: 1, succeeded: 2 });
}

#[test]
fn calls_count_every_exchange() {
    let mut run = every_outcome();
    run.begin();
    run.send(5);
    run.kill();
    let calls = run.report().calls;
    assert_eq!((calls.attempts, calls.retries, calls.throttled), (7, 1, 1));
    assert_eq!(Vec::from_iter(calls.by_status), [(200, 3), (429, 1), (500, 1)]);
    assert_eq!(calls.without_answer, 2);
}

#[test]
fn a_task_that_was_on_the_wire_when_its_process_died_is_ambiguous() {
    let mut run = TestRun::with_tasks(2);
    run.begin();
    run.send(1);
    run.kill();
    let report = run.report();
    assert_eq!(report.tasks[Outcome::Ambiguous], 1);
    let group = &report.failures[0];
    assert_eq!(group.kind, Some(FailureKind::Reset));
    assert_eq!(group.error_msg, "no answer was recorded");
    assert!(group.retryable);
}

#[test]
fn a_run_works_while_a_process_does_but_lasts_from_its_first_to_its_last() {
    let run = TestRun::resumed();
    let report = run.report();
    assert_eq!(report.run.duration, Duration::from_secs(3_602));
    assert_eq!(report.pace.rate_average, Some(10.0));
    assert_eq!(report.pace.rate_peak_1s, 10);
    assert_eq!(report.pace.paused, Duration::from_secs(3));
    assert_eq!(report.run.finished_at, Some(NOON.plus_micros(3_602_000_000)));
}

/// Sends tasks one after the other, with this many milliseconds between them, under a limit of 10/s.
fn average_of(gaps: &[i64]) -> Option<f64> {
    let mut run = TestRun::with_tasks(gaps.len() + 1);
    run.begin();
    run.send(0);
    for (task, gap) in (1..).zip(gaps) {
        run.pass(*gap);
        run.send(task);
    }
    run.report().pace.rate_average
}

#[test]
fn an_average_is_not_above_a_limit_that_held() {
    assert_eq!(average_of(&[0, 100, 100, 100]), Some(10.0));
    assert_eq!(average_of(&[1]), Some(10.0));
    assert_eq!(average_of(&[200, 200]), Some(5.0));
    // A process may take the run up at a higher rate of its own.
    assert_eq!(average_of(&[50; 40]), Some(20.0));
}

#[test]
fn a_process_that_was_killed_worked_until_the_last_that_is_known_of_it() {
    let mut run = TestRun::with_tasks(3);
    run.begin();
    run.settle(0, counted(0, 1), Outcome::Succeeded);
    run.hold(60_000);
    run.pass(300);
    run.call(1, throttled());
    run.kill();
    let report = run.report();
    assert_eq!(report.run.duration, Duration::from_millis(417));
    assert_eq!(report.pace.paused, Duration::from_millis(317));
}

#[test]
fn latencies_are_those_of_the_attempts_that_ended() {
    let latency = every_outcome().report().latency.unwrap();
    assert_eq!(latency.min, Duration::from_millis(17));
    assert_eq!(latency.p50, Duration::from_millis(17));
    assert_eq!(latency.max, Duration::from_millis(17));
    assert_eq!(TestRun::with_tasks(1).report().latency, None);
}

/// Lets every task fail in its own way and returns the causes with their numbers.
fn causes(replies: impl IntoIterator<Item = Reply>) -> Vec<FailureGroup> {
    let replies: Vec<Reply> = replies.into_iter().collect();
    let mut run = TestRun::with_tasks(replies.len());
    run.begin();
    let outcomes = replies.into_iter().enumerate();
    outcomes.for_each(|(task, reply)| run.settle(task, reply, Outcome::Failed));
    run.end(None);
    run.report().failures
}

fn sizes(groups: &[FailureGroup]) -> Vec<(&str, u64)> {
    groups.iter().map(|group| (group.error_msg.as_str(), group.count)).collect()
}

#[test]
fn failures_of_one_cause_are_one_group_despite_ids_and_numbers() {
    let mut number = 0;
    let mut numbered = |message: &str| {
        number += 1;
        refused(&format!("{message} task-{number:04} since 12:00:{number:02}"))
    };
    let groups = causes([
        numbered("no licence for"),
        numbered("deleted:"),
        numbered("no licence for"),
        numbered("no licence for"),
        numbered("deleted:"),
    ]);
    assert_eq!(
        sizes(&groups),
        [("no licence for task-0001 since 12:00:01", 3), ("deleted: task-0002 since 12:00:02", 2)]
    );
    let examples: Vec<&str> = groups[0].examples.iter().map(TaskId::as_str).collect();
    assert_eq!(examples, ["task-0000", "task-0002", "task-0003"]);
    assert_eq!(groups[0].advice, "Wait until it is gone.");
    assert!(!groups[0].retryable);
}

#[test]
fn partial_tasks_are_grouped_by_the_error_of_their_first_sub_task() {
    let groups = causes([counted(1, 1), counted(2, 1), counted(3, 0)]);
    assert_eq!(sizes(&groups), [("some sub-tasks failed", 3)]);
    assert_eq!(groups[0].sub_task_error, "camera cam-1: no licence");
}

#[test]
fn groups_come_by_size_and_those_of_one_size_by_the_input_whichever_failed_first() {
    let replies = [refused("b"), throttled(), refused("a"), throttled()];
    let mut run = TestRun::with_tasks(replies.len());
    run.begin();
    let mut last_first: Vec<(usize, Reply)> = replies.into_iter().enumerate().collect();
    last_first.reverse();
    last_first.into_iter().for_each(|(task, reply)| run.settle(task, reply, Outcome::Failed));
    run.end(None);
    let groups = run.report().failures;
    let labels: Vec<String> = groups.iter().map(|group| group.label.to_string()).collect();
    assert_eq!(labels, ["F1", "F2", "F3"]);
    assert_eq!(groups[0].kind, Some(FailureKind::Throttled));
    assert_eq!([&groups[1].error_msg, &groups[2].error_msg], ["b", "a"]);
}

#[test]
fn a_group_has_its_share_and_the_times_of_its_first_and_last_task() {
    let groups = causes([refused("a 1"), throttled(), refused("a 2"), refused("a 3")]);
    let group = &groups[0];
    assert_eq!((group.share, group.count, group.settled), (0.75, 3, 3));
    let seconds = |at: Option<Timestamp>| at.unwrap().since(NOON).as_millis();
    assert_eq!((seconds(group.first_at), seconds(group.last_at)), (100, 400));
    assert_eq!((&*group.error_msg, &*group.message_template), ("a 1", "a …"));
    // Where all say the same, the number is a part of it.
    assert!(groups[1].message_template.contains("limit:10"), "{}", groups[1].message_template);
}

#[test]
fn every_failed_task_belongs_to_the_group_that_counts_it() {
    let word = |number: usize| -> String {
        number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'k')).collect()
    };
    let mut run = TestRun::with_tasks(MAX_GROUPS + 30);
    run.begin();
    (0..MAX_GROUPS + 20)
        .for_each(|task| run.settle(task, refused(&word(task % 1_010)), Outcome::Failed));
    run.settle(MAX_GROUPS + 20, counted(0, 1), Outcome::Succeeded);
    run.end(None);
    let (groups, reader) = (run.report().failures, run.reader());
    let grouping = Grouping::read(&reader).unwrap();
    assert_eq!((grouping.groups(), groups.len()), (groups.as_slice(), MAX_GROUPS + 1));
    let mut counted = vec![0; groups.len()];
    reader
        .for_each_task::<StoreError>(|task| {
            grouping.group_of(&task).into_iter().for_each(|label| counted[label.index()] += 1);
            Ok(())
        })
        .unwrap();
    let reported: Vec<u64> = groups.iter().map(|group| group.count).collect();
    assert_eq!(counted, reported);
}

#[test]
fn causes_beyond_the_most_are_one_group_at_the_end() {
    let word = |number: usize| -> String {
        number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'k')).collect()
    };
    let groups = causes((0..MAX_GROUPS + 5).map(|number| refused(&word(number))));
    assert_eq!(groups.len(), MAX_GROUPS + 1);
    let rest = groups.last().unwrap();
    assert_eq!((rest.kind, rest.count, rest.examples.len()), (None, 5, 3));
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        (0..3u64, 0..3u64).prop_map(|(failed, succeeded)| counted(failed, succeeded)),
        "[a-z0-9=\\-' \n]{0,8}".prop_map(|message| refused(&message)),
        Just(lost(FailureKind::Reset)),
        Just(throttled()),
    ]
}

/// The calls of a task, and perhaps its outcome.
fn story() -> impl Strategy<Value = (Vec<Reply>, Option<Outcome>)> {
    let outcome = prop::sample::select(Outcome::ALL[..5].to_vec());
    (prop::collection::vec(reply(), 0..3), prop::option::of(outcome))
}

/// Adds up a column of numbers.
fn sum(results: &[csv::StringRecord], column: usize) -> u64 {
    results.iter().filter_map(|row| row[column].parse::<u64>().ok()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_report_always_adds_up_and_says_the_same_as_its_results(
        stories in prop::collection::vec(story(), 0..12),
        is_killed: bool,
    ) {
        let mut run = TestRun::with_tasks(stories.len());
        run.begin();
        for (task, (mut replies, outcome)) in stories.into_iter().enumerate() {
            let last = replies.pop();
            replies.into_iter().for_each(|reply| run.call(task, reply));
            match (last, outcome) {
                (Some(last), Some(outcome)) => run.settle(task, last, outcome),
                (Some(last), None) => run.call(task, last),
                (None, _) => {}
            }
        }
        if is_killed { run.kill() } else { run.end(None) }
        let report = run.report();
        prop_assert_eq!(report.tasks.selected(), report.input.selected);
        let failures: u64 = report.failures.iter().map(|group| group.count).sum();
        let bad = [Outcome::Partial, Outcome::Failed, Outcome::Ambiguous];
        prop_assert_eq!(failures, bad.map(|outcome| report.tasks[outcome]).iter().sum::<u64>());

        let results = run.results();
        let mut reader = csv::Reader::from_reader(results.as_bytes());
        let rows: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
        for outcome in Outcome::ALL {
            let count = rows.iter().filter(|row| &row[2] == outcome.as_str()).count();
            prop_assert_eq!(count as u64, report.tasks[outcome]);
        }
        prop_assert_eq!(sum(&rows, 4), report.counts.total);
        prop_assert_eq!(sum(&rows, 5), report.counts.failed);
        prop_assert_eq!(sum(&rows, 6), report.counts.succeeded);
        prop_assert_eq!(sum(&rows, 11), report.calls.attempts);
        for group in &report.failures {
            let label = group.label.to_string();
            prop_assert_eq!(rows.iter().filter(|row| row[20] == label).count() as u64, group.count);
        }
        let grouped = rows.iter().filter(|row| !row[20].is_empty()).count();
        prop_assert_eq!(grouped as u64, failures);
    }
}

#[test]
fn a_large_run_that_is_read_side_by_side_has_the_report_of_one_walk() {
    for is_killed in [false, true] {
        let mut run = TestRun::with_tasks(6_000);
        run.begin();
        run.call(0, throttled());
        run.settle(0, counted(0, 1), Outcome::Succeeded);
        run.settle(4_000, refused("This operation is not allowed."), Outcome::Failed);
        run.settle(5_999, counted(1, 1), Outcome::Partial);
        run.call(17, lost(FailureKind::Timeout));
        if is_killed {
            run.kill();
        } else {
            run.end(Some(StopReason::Interrupted));
        }
        let mut groups = Vec::new();
        let report = Report::read_with(&run.reader(), StillRunning::No, |task, context| {
            assert_eq!(context.worked().len(), 1);
            groups.extend(context.grouping().group_of(task).map(|label| (task.ordinal.0, label)));
        });
        let report = report.unwrap();
        assert_eq!(report, run.report());
        assert_eq!(
            (report.calls.attempts, report.failures.len()),
            (5, groups.len()),
            "{is_killed}"
        );
        assert_eq!(groups.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [17, 4_000, 5_999]);
    }
}

/// A refusal whose message says nothing, as the service sends it.
fn detailed(message: &str, detail: &str) -> Reply {
    let failure = Failure {
        code: "VIAS.00010002".into(),
        detail: detail.into(),
        params: vec!["a".into(), "b".into()],
        ..Failure::seen(FailureKind::Refused, message)
    };
    Reply { http_status: Some(400), counts: None, failure: Some(failure), in_doubt: false }
}

#[test]
fn failures_whose_details_differ_have_different_causes() {
    let mut run = TestRun::with_tasks(4);
    run.begin();
    let message = "An internal error occurs.";
    run.settle(0, detailed(message, "camera 17 is off"), Outcome::Failed);
    run.settle(1, detailed(message, "camera 18 is off"), Outcome::Failed);
    run.settle(2, detailed(message, "no licence"), Outcome::Failed);
    run.settle(3, detailed("", "no stream"), Outcome::Failed);
    run.end(None);
    let report = run.report();
    let details: Vec<(&str, u64)> =
        report.failures.iter().map(|it| (it.detail_template.as_str(), it.count)).collect();
    assert_eq!(details, [("camera … is off", 2), ("no licence", 1), ("no stream", 1)]);
    assert_eq!(report.failures[0].detail, "camera 17 is off");
    assert_eq!(report.failures[0].params, ["a", "b"]);
    // Where nothing else says what is wrong, the detail stands in the place of the message.
    assert_eq!(report.failures[2].said_template(), "no stream");
    assert_eq!(report.failures[2].further_detail(), "");
}
