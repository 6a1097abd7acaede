//! The Prometheus text file: its metrics, the rules they keep, and when a job last succeeded.

use super::*;
use crate::report::{last_success, prometheus};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn a_report_becomes_gauges() {
    let report = every_outcome().report();
    insta::assert_snapshot!("prometheus", prometheus(&report, Some(NOON)));
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
fn the_labels_of_a_group_are_bounded() {
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
            "# F1: follow the advice, then send again: batchctl retry 20240705-120000-kfzq --group F1",
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
