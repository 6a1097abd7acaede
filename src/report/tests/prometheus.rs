//! The Prometheus text file: its metrics, the rules they keep, and when a job last succeeded.

use super::*;
use crate::report::{last_success, prometheus};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn a_report_becomes_gauges() {
    let report = every_outcome().report();
    insta::assert_snapshot!(prometheus(&report, Some(NOON)), @r#"
    # HELP batchctl_last_success_timestamp_seconds When the latest run ended in which every task got where it was sent, 0 if none did.
    # TYPE batchctl_last_success_timestamp_seconds gauge
    batchctl_last_success_timestamp_seconds{job="",command="stop"} 1720180800.000
    # HELP batchctl_last_run_start_timestamp_seconds When the run began, 0 if it did not.
    # TYPE batchctl_last_run_start_timestamp_seconds gauge
    batchctl_last_run_start_timestamp_seconds{job="",command="stop"} 1720180800.000
    # HELP batchctl_last_run_end_timestamp_seconds When the run ended, 0 if it is under way or was killed.
    # TYPE batchctl_last_run_end_timestamp_seconds gauge
    batchctl_last_run_end_timestamp_seconds{job="",command="stop"} 1720180800.600
    # HELP batchctl_last_run_duration_seconds How long the run took.
    # TYPE batchctl_last_run_duration_seconds gauge
    batchctl_last_run_duration_seconds{job="",command="stop"} 0.600
    # HELP batchctl_last_run_complete Whether every task of the run has its outcome.
    # TYPE batchctl_last_run_complete gauge
    batchctl_last_run_complete{job="",command="stop"} 0
    # HELP batchctl_last_run_exit_status The exit status of the run: 0 is success.
    # TYPE batchctl_last_run_exit_status gauge
    batchctl_last_run_exit_status{job="",command="stop"} 130
    # HELP batchctl_last_run_tasks Tasks of the run by their outcome.
    # TYPE batchctl_last_run_tasks gauge
    batchctl_last_run_tasks{job="",command="stop",outcome="succeeded"} 1
    batchctl_last_run_tasks{job="",command="stop",outcome="partial"} 1
    batchctl_last_run_tasks{job="",command="stop",outcome="failed"} 1
    batchctl_last_run_tasks{job="",command="stop",outcome="ambiguous"} 1
    batchctl_last_run_tasks{job="",command="stop",outcome="unchanged"} 1
    batchctl_last_run_tasks{job="",command="stop",outcome="not_attempted"} 1
    # HELP batchctl_last_run_failures Tasks of the run that were sent and are partial, failed or ambiguous, by kind.
    # TYPE batchctl_last_run_failures gauge
    batchctl_last_run_failures{job="",command="stop",kind="auth"} 0
    batchctl_last_run_failures{job="",command="stop",kind="body"} 0
    batchctl_last_run_failures{job="",command="stop",kind="connect"} 0
    batchctl_last_run_failures{job="",command="stop",kind="dns"} 0
    batchctl_last_run_failures{job="",command="stop",kind="not_reached"} 0
    batchctl_last_run_failures{job="",command="stop",kind="not_sent"} 0
    batchctl_last_run_failures{job="",command="stop",kind="refused"} 1
    batchctl_last_run_failures{job="",command="stop",kind="reset"} 0
    batchctl_last_run_failures{job="",command="stop",kind="service"} 1
    batchctl_last_run_failures{job="",command="stop",kind="throttled"} 0
    batchctl_last_run_failures{job="",command="stop",kind="timeout"} 1
    batchctl_last_run_failures{job="",command="stop",kind="tls"} 0
    # HELP batchctl_last_run_outstanding_tasks Tasks of the run, and of those it retries, that are not where they were sent.
    # TYPE batchctl_last_run_outstanding_tasks gauge
    batchctl_last_run_outstanding_tasks{job="",command="stop"} 4
    # HELP batchctl_last_run_sub_tasks Sub-tasks as the service counted them.
    # TYPE batchctl_last_run_sub_tasks gauge
    batchctl_last_run_sub_tasks{job="",command="stop",result="succeeded"} 9
    batchctl_last_run_sub_tasks{job="",command="stop",result="failed"} 1
    # F1, such as gate-south: some sub-tasks failed
    # F1: batchctl retry 20240705-120000-kfzq --group F1
    # F2, such as dock-1: This operation is not allowed.
    # F2: batchctl retry 20240705-120000-kfzq --group F2
    # F3, such as dock-2: no answer in 60 s
    # F3: batchctl retry 20240705-120000-kfzq --group F3
    # HELP batchctl_last_run_failure_group_tasks Tasks of the run in its ten largest groups of failures with the same cause.
    # TYPE batchctl_last_run_failure_group_tasks gauge
    batchctl_last_run_failure_group_tasks{job="",command="stop",group="F1",kind="service",http_status="200",error_code="",retryable="false"} 1
    batchctl_last_run_failure_group_tasks{job="",command="stop",group="F2",kind="refused",http_status="500",error_code="VIAS.00010012",retryable="false"} 1
    batchctl_last_run_failure_group_tasks{job="",command="stop",group="F3",kind="timeout",http_status="",error_code="",retryable="true"} 1
    # HELP batchctl_last_run_failure_group_ratio Which part of all failures the group is, between 0 and 1.
    # TYPE batchctl_last_run_failure_group_ratio gauge
    batchctl_last_run_failure_group_ratio{job="",command="stop",group="F1",kind="service",http_status="200",error_code="",retryable="false"} 0.3333
    batchctl_last_run_failure_group_ratio{job="",command="stop",group="F2",kind="refused",http_status="500",error_code="VIAS.00010012",retryable="false"} 0.3333
    batchctl_last_run_failure_group_ratio{job="",command="stop",group="F3",kind="timeout",http_status="",error_code="",retryable="true"} 0.3333
    # HELP batchctl_last_run_failure_group_first_timestamp_seconds When the first task of the group failed, 0 if that is not known.
    # TYPE batchctl_last_run_failure_group_first_timestamp_seconds gauge
    batchctl_last_run_failure_group_first_timestamp_seconds{job="",command="stop",group="F1",kind="service",http_status="200",error_code="",retryable="false"} 1720180800.200
    batchctl_last_run_failure_group_first_timestamp_seconds{job="",command="stop",group="F2",kind="refused",http_status="500",error_code="VIAS.00010012",retryable="false"} 1720180800.300
    batchctl_last_run_failure_group_first_timestamp_seconds{job="",command="stop",group="F3",kind="timeout",http_status="",error_code="",retryable="true"} 1720180800.500
    # HELP batchctl_last_run_failure_group_last_timestamp_seconds When the last task of the group failed, 0 if that is not known.
    # TYPE batchctl_last_run_failure_group_last_timestamp_seconds gauge
    batchctl_last_run_failure_group_last_timestamp_seconds{job="",command="stop",group="F1",kind="service",http_status="200",error_code="",retryable="false"} 1720180800.200
    batchctl_last_run_failure_group_last_timestamp_seconds{job="",command="stop",group="F2",kind="refused",http_status="500",error_code="VIAS.00010012",retryable="false"} 1720180800.300
    batchctl_last_run_failure_group_last_timestamp_seconds{job="",command="stop",group="F3",kind="timeout",http_status="",error_code="",retryable="true"} 1720180800.500
    # HELP batchctl_last_run_attempts Calls that the run sent.
    # TYPE batchctl_last_run_attempts gauge
    batchctl_last_run_attempts{job="",command="stop"} 6
    # HELP batchctl_last_run_retries Calls that were not the first of their task.
    # TYPE batchctl_last_run_retries gauge
    batchctl_last_run_retries{job="",command="stop"} 1
    # HELP batchctl_last_run_throttled Calls that the service throttled.
    # TYPE batchctl_last_run_throttled gauge
    batchctl_last_run_throttled{job="",command="stop"} 1
    # HELP batchctl_last_run_duplicate_rows Rows of the input like an earlier one.
    # TYPE batchctl_last_run_duplicate_rows gauge
    batchctl_last_run_duplicate_rows{job="",command="stop"} 1
    # HELP batchctl_last_run_paused_seconds How long the service held the run back.
    # TYPE batchctl_last_run_paused_seconds gauge
    batchctl_last_run_paused_seconds{job="",command="stop"} 1.500
    # HELP batchctl_last_run_call_latency_seconds How long calls took, by the share of them that took no longer.
    # TYPE batchctl_last_run_call_latency_seconds gauge
    batchctl_last_run_call_latency_seconds{job="",command="stop",percentile="50"} 0.017
    batchctl_last_run_call_latency_seconds{job="",command="stop",percentile="90"} 0.017
    batchctl_last_run_call_latency_seconds{job="",command="stop",percentile="99"} 0.017
    "#);
}

/// Keeps the rules of `promtool check metrics` and of the text format.
#[track_caller]
fn check(text: &str) {
    let (mut helped, mut types, mut series) = (BTreeSet::new(), BTreeMap::new(), BTreeSet::new());
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(!help.is_empty() && helped.insert(name), "{line}");
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(helped.contains(name) && types.insert(name, kind).is_none(), "{line}");
            continue;
        }
        if line.starts_with("# F") {
            continue;
        }
        let (identity, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = identity.split_once('{').unwrap();
        assert!(series.insert(identity), "{line} stands twice");
        assert!(labels.ends_with('}') && value.parse::<f64>().unwrap().is_finite(), "{line}");
        assert_eq!(types.keys().filter(|known| **known == name).count(), 1, "{line}");
        check_name(name, types[name]);
    }
    assert_eq!(helped, types.keys().copied().collect());
}

#[track_caller]
fn check_name(name: &str, kind: &str) {
    let belongs = |c: char| c.is_ascii_lowercase() || c == '_';
    assert!(name.starts_with("batchctl_") && name.chars().all(belongs), "{name}");
    assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
    let reserved = ["_count", "_sum", "_bucket", "_info", "_milliseconds", "_ms", "_minutes"];
    assert!(!reserved.iter().any(|ending| name.ends_with(ending)), "{name}");
}

#[test]
fn the_rules_of_the_format_are_kept() {
    check(&prometheus(&every_outcome().report(), None));
    let running = Report::read(&TestRun::with_tasks(1).reader(), StillRunning::Yes).unwrap();
    check(&prometheus(&running, None));
    let odd = TestRun::planned(&[("a.txt", "aaaa\n")], |run, _| {
        run.job = Some("a\"b\\c\nd{}".into());
    });
    let text = prometheus(&odd.report(), None);
    check(&text);
    assert!(text.contains(r#"{job="a\"b\\c\nd{}",command="stop"} "#), "{text}");
}

/// Returns the series of the groups' sizes, of a run whose tasks all failed with these replies.
fn group_series(replies: Vec<Reply>) -> Vec<String> {
    let mut run = TestRun::with_tasks(replies.len());
    run.begin();
    let replies = replies.into_iter().enumerate();
    replies.for_each(|(task, reply)| run.settle(task, reply, Outcome::Failed));
    run.end(None);
    let text = prometheus(&run.report(), None);
    check(&text);
    let sizes =
        text.lines().filter(|line| line.starts_with("batchctl_last_run_failure_group_tasks"));
    sizes.map(str::to_owned).collect()
}

#[test]
fn only_the_ten_largest_groups_of_failures_have_series() {
    // The first word once, the second twice and so on.
    let words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    let words = words.iter().chain(&["eleven"]).enumerate();
    let replies = words.flat_map(|(number, word)| (0..=number).map(|_| refused(word))).collect();
    let series = group_series(replies);
    assert_eq!(series.len(), 10);
    for (number, line) in series.iter().enumerate() {
        assert!(line.contains(&format!(",group=\"F{}\",", number + 1)), "{line}");
        assert!(line.ends_with(&format!("}} {}", 11 - number)), "{line}");
    }
}

#[test]
fn a_group_is_told_by_what_is_bounded() {
    let mut reply = refused("a message with a \"name\"");
    reply.failure.as_mut().unwrap().code = format!("A\"{}", "ä".repeat(1_000));
    let series = group_series(vec![reply]);
    let code = format!("A\\\"{}", "ä".repeat(31));
    let own = format!(
        "group=\"F1\",kind=\"refused\",http_status=\"500\",error_code=\"{code}\",retryable=\"false\""
    );
    assert_eq!(
        series,
        [format!("batchctl_last_run_failure_group_tasks{{job=\"\",command=\"stop\",{own}}} 1")]
    );
}

#[test]
fn a_group_names_examples_in_comments_that_nothing_ends() {
    let mut run = TestRun::with_tasks(4);
    run.begin();
    for task in 0..4 {
        run.settle(task, refused("no\nbatchctl_evil 1\u{2028}# TYPE a b"), Outcome::Failed);
    }
    run.end(None);
    let text = prometheus(&run.report(), None);
    check(&text);
    let comments: Vec<&str> = text.lines().filter(|line| line.starts_with("# F")).collect();
    assert_eq!(
        comments,
        [
            r"# F1, such as task-0000, task-0001, task-0002: no\u{a}batchctl_evil 1\u{2028}# TYPE a b",
            "# F1: batchctl retry 20240705-120000-kfzq --group F1",
        ]
    );
    assert!(text.contains("\nbatchctl_last_run_failure_group_ratio{"), "{text}");
}

#[test]
fn a_run_without_failures_has_no_series_of_groups() {
    let mut run = TestRun::with_tasks(1);
    run.begin();
    run.settle(0, counted(0, 1), Outcome::Succeeded);
    run.end(None);
    assert!(!prometheus(&run.report(), None).contains("failure_group"));
}

/// Plans a run of the job in a directory and carries it out.
fn run_of_job(state: &std::path::Path, id: &str, reply: Reply, outcome: Outcome) -> Report {
    let runs = RunDirectory::open(state).unwrap();
    let mut run = TestRun::planned_in(&runs, &[("a.txt", "aaaa\n")], |run, _| {
        run.id = id.parse().unwrap();
        run.job = Some("nightly".into());
    });
    run.begin();
    run.settle(0, reply, outcome);
    run.end(None);
    run.report()
}

#[test]
fn the_last_success_survives_a_run_that_fails() {
    let state = tempfile::tempdir().unwrap();
    let runs = RunDirectory::open(state.path()).unwrap();
    let failed = |id| run_of_job(state.path(), id, refused("no"), Outcome::Failed);
    let first = failed("20240705-120000-aaaa");
    assert_eq!(last_success(&runs, &first).unwrap(), None);
    let good = run_of_job(state.path(), "20240705-120000-bbbb", counted(0, 1), Outcome::Succeeded);
    let ended = good.run.finished_at;
    assert!(ended.is_some());
    assert_eq!(last_success(&runs, &good).unwrap(), ended);
    let mut later = failed("20240705-120000-cccc");
    assert_eq!(last_success(&runs, &later).unwrap(), ended);
    assert_eq!(last_success(&runs, &first).unwrap(), None, "it came before the success");
    later.run.job = Some("weekly".into());
    assert_eq!(last_success(&runs, &later).unwrap(), None, "it is another job");
}
