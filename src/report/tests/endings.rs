//! Whether a run is complete, what stopped it, and the status it ends with.

use super::*;
use crate::report::ExitStatus;
use crate::settings::RunSettings;
use crate::task::UnderWay;

/// A run of three tasks: one succeeded, one got this reply, and the third was not sent.
fn cut_short(reply: Reply, stopped: StopReason) -> TestRun {
    let mut run = TestRun::with_tasks(3);
    run.begin();
    run.settle(0, counted(0, 1), Outcome::Succeeded);
    run.settle(1, reply, Outcome::Failed);
    run.end(Some(stopped));
    run
}

fn check(report: &Report, exit: Option<ExitStatus>, reason: Option<&str>) {
    assert_eq!(report.exit, exit);
    assert_eq!(report.stopped.as_ref().map(|stopped| stopped.reason.as_str()), reason);
    let went_through = matches!(exit, Some(ExitStatus::Ok | ExitStatus::IncompleteSuccess));
    assert_eq!(report.run.complete, went_through);
}

#[test]
fn a_run_that_went_through_ends_by_its_outcomes() {
    let mut run = TestRun::with_tasks(1);
    run.begin();
    run.settle(0, counted(0, 1), Outcome::Succeeded);
    run.end(None);
    check(&run.report(), Some(ExitStatus::Ok), None);

    let mut run = TestRun::with_tasks(1);
    run.begin();
    run.settle(0, counted(1, 1), Outcome::Partial);
    run.end(None);
    check(&run.report(), Some(ExitStatus::IncompleteSuccess), None);
}

#[test]
fn every_reason_to_stop_has_its_status_and_says_why() {
    let expected = [
        (StopReason::Interrupted, ExitStatus::Interrupted, "by SIGINT"),
        (StopReason::Terminated, ExitStatus::Terminated, "by SIGTERM or SIGHUP"),
        (
            StopReason::TooManyFailures,
            ExitStatus::StoppedEarly,
            "1 task failed, more than `--max-failures 25%` tolerates",
        ),
        (
            StopReason::OutOfTime,
            ExitStatus::StoppedEarly,
            "the time of `--max-duration`, 5s, is over",
        ),
        (
            StopReason::CanaryFailed,
            ExitStatus::StoppedEarly,
            "not all tasks of `--canary` succeeded, so that the rest was not sent",
        ),
        (
            StopReason::Drained,
            ExitStatus::StoppedEarly,
            "it was asked to drain, so that the rest was not sent",
        ),
        (
            StopReason::NotAuthorised,
            ExitStatus::NotAuthorised,
            "the credentials were refused or could not be renewed",
        ),
    ];
    for (reason, exit, detail) in expected {
        let word = reason.as_str();
        let report = cut_short(refused("no"), reason).report();
        check(&report, Some(exit), Some(word));
        assert_eq!(report.stopped.unwrap().detail, detail);
    }
}

#[test]
fn refused_credentials_are_reported_in_the_words_of_the_service() {
    let failure = Failure {
        code: "APIGW.0301".into(),
        ..Failure::seen(FailureKind::Auth, "decrypt token fail")
    };
    let reply =
        Reply { http_status: Some(401), counts: None, failure: Some(failure), in_doubt: false };
    let report = cut_short(reply, StopReason::NotAuthorised).report();
    let detail = report.stopped.unwrap().detail;
    assert!(detail.ends_with(": APIGW.0301 decrypt token fail"), "{detail}");
}

#[test]
fn a_wish_to_stop_does_not_count_if_nothing_was_left_to_do() {
    let mut run = TestRun::with_tasks(1);
    run.begin();
    run.settle(0, counted(0, 1), Outcome::Succeeded);
    run.end(Some(StopReason::Interrupted));
    check(&run.report(), Some(ExitStatus::Ok), None);
}

#[test]
fn a_run_without_an_end_was_killed_unless_somebody_works_on_it() {
    let mut run = TestRun::with_tasks(2);
    run.begin();
    run.send(0);
    run.kill();
    check(&run.report(), Some(ExitStatus::Killed), Some("killed"));
    let running = Report::read(&run.reader(), StillRunning::Yes).unwrap();
    check(&running, None, None);
    assert_eq!(running.run.finished_at, None);
}

#[test]
fn a_task_is_under_way_until_it_has_an_outcome_or_the_run_has_ended() {
    let mut run = TestRun::with_tasks(3);
    run.begin();
    run.settle(0, lost(FailureKind::Timeout), Outcome::Ambiguous);
    run.send(1);
    run.send(2);
    let seq = AttemptSeq(run.last_seq);
    let check = |run: &TestRun, running, so_far, on_the_wire, waiting| {
        let report = Report::read(&run.reader(), running).unwrap();
        assert_eq!(report.tasks[Outcome::Ambiguous], 3);
        assert_eq!(report.so_far[Outcome::Ambiguous], so_far);
        assert_eq!(report.under_way, UnderWay { on_the_wire, waiting });
        assert_eq!(report.so_far.selected() + report.under_way.tasks(), report.tasks.selected());
    };
    check(&run, StillRunning::Yes, 1, 2, 0);
    run.answer(2, seq, lost(FailureKind::Timeout));
    check(&run, StillRunning::Yes, 1, 1, 1);
    run.kill();
    check(&run, StillRunning::No, 3, 0, 0);
}

#[test]
fn a_run_that_was_killed_after_its_last_outcome_is_complete() {
    let mut run = TestRun::with_tasks(1);
    run.begin();
    run.settle(0, counted(0, 1), Outcome::Succeeded);
    run.kill();
    check(&run.report(), Some(ExitStatus::Ok), None);
}

#[test]
fn a_run_that_has_ended_reads_the_same_while_its_lock_is_still_held() {
    let run = every_outcome();
    assert_eq!(Report::read(&run.reader(), StillRunning::Yes).unwrap(), run.report());
}

#[test]
fn the_last_process_decides_how_a_resumed_run_ended() {
    let mut run = TestRun::with_tasks(2);
    run.begin();
    run.settle(0, counted(0, 1), Outcome::Succeeded);
    run.end(Some(StopReason::Interrupted));
    run.begin();
    run.settle(1, counted(0, 1), Outcome::Succeeded);
    run.end(None);
    check(&run.report(), Some(ExitStatus::Ok), None);
}

#[test]
fn a_run_of_nothing_is_complete_whether_or_not_it_began() {
    let mut run = TestRun::from_table("id\n");
    check(&run.report(), Some(ExitStatus::Ok), None);
    run.begin();
    run.end(None);
    check(&run.report(), Some(ExitStatus::Ok), None);
}

#[test]
fn a_run_that_ended_without_a_reason_is_not_complete() {
    let mut run = TestRun::with_tasks(1);
    run.begin();
    run.end(None);
    check(&run.report(), Some(ExitStatus::StoppedEarly), Some("unknown"));
}

#[test]
fn a_run_that_no_process_has_begun_waits_for_one() {
    let report = TestRun::with_tasks(1).report();
    check(&report, None, Some("planned"));
    assert_eq!(report.stopped.unwrap().detail, "no process has begun it; nothing was sent");
}

#[test]
fn a_run_that_is_out_of_time_names_the_limit_it_was_given() {
    let detail = |settings: &str| {
        let settings: RunSettings = serde_json::from_str(settings).unwrap();
        let adjust = |run: &mut NewRun, _: &mut InputOptions| run.settings = settings;
        let mut run = TestRun::planned(&[("a.txt", "aaaa\nbbbb\n")], adjust);
        run.begin();
        run.end(Some(StopReason::OutOfTime));
        run.report().stopped.unwrap().detail
    };
    assert_eq!(detail(r#"{"finish_by":"06:00"}"#), "it is past `--finish-by 06:00`");
    let both = detail(r#"{"finish_by":"06:00","max_duration_ms":5000}"#);
    assert_eq!(
        both,
        "the time of `--max-duration`, 5s, is over, or it is past `--finish-by 06:00`"
    );
}
