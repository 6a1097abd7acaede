//! Accounts of tasks: the same tasks and attempts as every other reader sees.

use super::*;
use crate::reading::{AttemptRow, TaskHistory, TaskRow};
use crate::report::{Account, RunContext};
use crate::store::StoreError;

fn histories(run: &TestRun, id: Option<&str>) -> Vec<TaskHistory> {
    let mut found = Vec::new();
    let is_wanted = |other: &str| id.is_none_or(|id| id == other);
    run.reader()
        .for_each_history::<StoreError>(is_wanted, |history| {
            found.push(history);
            Ok(())
        })
        .unwrap();
    found
}

#[test]
fn histories_are_the_tasks_and_attempts_of_every_other_reader() {
    let mut killed = every_outcome();
    killed.begin();
    killed.send(5);
    killed.kill();
    let resumed = TestRun::resumed();
    for run in [every_outcome(), killed, resumed, TestRun::with_tasks(2_500)] {
        let (mut tasks, mut attempts): (Vec<TaskRow>, Vec<AttemptRow>) = Default::default();
        let (reader, histories) = (run.reader(), histories(&run, None));
        let take = |task| {
            tasks.push(task);
            Ok::<(), StoreError>(())
        };
        reader.for_each_task(take).unwrap();
        let take = |attempt| {
            attempts.push(attempt);
            Ok::<(), StoreError>(())
        };
        reader.for_each_attempt(take).unwrap();
        assert_eq!(histories.iter().map(|it| it.task.clone()).collect::<Vec<_>>(), tasks);
        let mut found: Vec<AttemptRow> = histories.into_iter().flat_map(|it| it.attempts).collect();
        found.sort_by_key(|attempt| attempt.seq);
        assert_eq!(found, attempts);
    }
    let last = histories(&TestRun::with_tasks(2_500), Some("task-2499"));
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].task.line, 2_501);
}

#[test]
fn a_wait_names_the_holds_within_it() {
    let mut run = TestRun::with_tasks(1);
    run.begin();
    run.call(0, throttled());
    run.hold(2_000);
    run.hold(3_000);
    run.pass(3_000);
    run.settle(0, counted(0, 1), Outcome::Succeeded);
    run.end(None);
    let context = RunContext::read(&run.reader(), StillRunning::No).unwrap();
    let history = &histories(&run, Some("task-0000"))[0];
    let expected = "\
stop task-0000 in run 20240705-120000-kfzq, cameras.csv:2
   1  2024-07-05T12:00:00.000Z  429 after 17 ms, throttled: APIGW.0308: policy user over \
ratelimit,limit:10,time:1 second
      request   request-1
      waited 3s: the service throttled the run
   2  2024-07-05T12:00:03.100Z  200 after 17 ms, 1 of 1 sub-task succeeded
      request   request-2
  succeeded: at attempt 2, so it is flaky\n\n";
    assert_eq!(Account::new(&context, history).to_string(), expected);
}

/// Returns why the one task of a run has its outcome.
fn why_of(reply: Reply, outcome: Outcome) -> String {
    let mut run = TestRun::with_tasks(1);
    run.begin();
    run.settle(0, reply, outcome);
    run.end(None);
    let context = RunContext::read(&run.reader(), StillRunning::No).unwrap();
    let history = &histories(&run, Some("task-0000"))[0];
    Account::new(&context, history).why()
}

#[test]
fn an_account_says_of_a_service_no_more_than_its_answer_does() {
    let without_counts = |http_status, failure| Reply {
        http_status,
        counts: None,
        failure: Some(failure),
        in_doubt: false,
    };
    let never_made = Failure::seen(FailureKind::NotSent, "a value would change the address");
    let why = why_of(without_counts(None, never_made), Outcome::Failed);
    assert_eq!(why, "no request could be made of it, so nothing was sent");
    // Another service may say in a 200 that it has failed for now.
    let failed = Failure::seen(FailureKind::Service, "try again");
    let why = why_of(without_counts(Some(200), failed), Outcome::Failed);
    assert_eq!(why, "the service failed in 1 attempt, which is all it had");
    assert_eq!(
        why_of(counted(2, 0), Outcome::Failed),
        "it was carried out, and no sub-task succeeded"
    );
    let there = Reply { http_status: Some(409), counts: None, failure: None, in_doubt: false };
    let why = why_of(there, Outcome::Unchanged);
    assert_eq!(why, "the service says that it was there already");
}

#[test]
fn each_way_to_fail_has_its_own_words() {
    let connection = "no connection was made in 1 attempt, which is all it had";
    let nothing = "nothing trustworthy came back in 1 attempt";
    for (kind, expected) in [
        (FailureKind::Refused, "the service refused this call, so it was not sent again"),
        (FailureKind::Auth, "the credentials were refused"),
        (FailureKind::Throttled, "the service throttled it, after 1 attempt"),
        (FailureKind::NotReached, "accepted, but the task never got where it was sent"),
        (FailureKind::NotSent, "no request could be made of it, so nothing was sent"),
        (FailureKind::Dns, connection),
        (FailureKind::Connect, connection),
        (FailureKind::Tls, connection),
        (FailureKind::Service, "the service failed in 1 attempt, which is all it had"),
        (FailureKind::Timeout, nothing),
        (FailureKind::Reset, nothing),
        (FailureKind::Body, nothing),
    ] {
        assert_eq!(why_of(lost(kind), Outcome::Failed), expected, "{kind:?}");
    }
}
