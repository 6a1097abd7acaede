//! JUnit XML: its cases, its sums, and that it is well-formed whatever the texts hold.

use super::*;
use crate::report::{RowFilter, write_junit};
use proptest::prelude::*;
use roxmltree::Document;

fn junit(run: &TestRun, only: &[Outcome]) -> String {
    let only: Vec<RowFilter> = only.iter().copied().map(RowFilter::Outcome).collect();
    let mut text = Vec::new();
    write_junit(&run.reader(), &run.report(), &only, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn every_task_is_a_case() {
    insta::assert_snapshot!(junit(&every_outcome(), &[]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="batchctl" tests="6" failures="2" errors="1" skipped="2" time="0.600">
      <testsuite name="stop" timestamp="2024-07-05T12:00:00" tests="6" failures="2" errors="1" skipped="2" time="0.600">
        <properties>
          <property name="run" value="20240705-120000-kfzq"/>
          <property name="command" value="stop"/>
          <property name="endpoint" value="https://vias.cn-north-4.myhuaweicloud.com"/>
          <property name="project_id" value="0123456789abcdef0123456789abcdef"/>
          <property name="duration_seconds" value="0.600"/>
          <property name="exit_status" value="130"/>
        </properties>
        <testcase name="gate-north" classname="batchctl.stop" time="0.100" file="cameras.csv" line="2"/>
        <testcase name="gate-south" classname="batchctl.stop" time="0.100" file="cameras.csv" line="3">
          <failure message="some sub-tasks failed" type="service">outcome: partial
    http status: 200
    attempts: 1
    request id: request-2
    sub-task: camera cam-1: no licence
    sub-task: camera 9: off</failure>
        </testcase>
        <testcase name="dock-1" classname="batchctl.stop" time="0.100" file="cameras.csv" line="4">
          <failure message="VIAS.00010012: This operation is not allowed." type="refused">outcome: failed
    http status: 500
    reason: The task is being deleted.
    advice: Wait until it is gone.
    attempts: 1
    request id: request-3</failure>
        </testcase>
        <testcase name="dock-2" classname="batchctl.stop" time="0.200" file="cameras.csv" line="5">
          <error message="no answer in 60 s" type="timeout">outcome: ambiguous
    attempts: 2</error>
        </testcase>
        <testcase name="ramp-1" classname="batchctl.stop" time="0.100" file="cameras.csv" line="6">
          <skipped message="already in that state, no call was made"/>
        </testcase>
        <testcase name="ramp-2" classname="batchctl.stop" time="0.000" file="cameras.csv" line="7">
          <skipped message="the run ended before its turn"/>
        </testcase>
        <system-out>F1 1 33% service some sub-tasks failed; sub-task: camera cam-1: no licence; e.g. gate-south; 2024-07-05 12:00:00 UTC; remove the cause, then send again; batchctl retry 20240705-120000-kfzq --group F1
    F2 1 33% refused VIAS.00010012: This operation is not allowed.; reason: The task is being deleted.; advice: Wait until it is gone.; e.g. dock-1; 2024-07-05 12:00:00 UTC; follow the advice, then send again; batchctl retry 20240705-120000-kfzq --group F2
    F3 1 33% timeout no answer in 60 s; e.g. dock-2; 2024-07-05 12:00:00 UTC; sending again may help; batchctl retry 20240705-120000-kfzq --group F3</system-out>
        <system-err>interrupted: by SIGINT</system-err>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn outcomes_that_are_not_asked_for_are_no_cases() {
    insta::assert_snapshot!(junit(&every_outcome(), &[Outcome::Ambiguous]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="batchctl" tests="1" failures="0" errors="1" skipped="0" time="0.200">
      <testsuite name="stop" timestamp="2024-07-05T12:00:00" tests="1" failures="0" errors="1" skipped="0" time="0.200">
        <properties>
          <property name="run" value="20240705-120000-kfzq"/>
          <property name="command" value="stop"/>
          <property name="endpoint" value="https://vias.cn-north-4.myhuaweicloud.com"/>
          <property name="project_id" value="0123456789abcdef0123456789abcdef"/>
          <property name="duration_seconds" value="0.600"/>
          <property name="exit_status" value="130"/>
        </properties>
        <testcase name="dock-2" classname="batchctl.stop" time="0.200" file="cameras.csv" line="5">
          <error message="no answer in 60 s" type="timeout">outcome: ambiguous
    attempts: 2</error>
        </testcase>
        <system-out>F1 1 33% service some sub-tasks failed; sub-task: camera cam-1: no licence; e.g. gate-south; 2024-07-05 12:00:00 UTC; remove the cause, then send again; batchctl retry 20240705-120000-kfzq --group F1
    F2 1 33% refused VIAS.00010012: This operation is not allowed.; reason: The task is being deleted.; advice: Wait until it is gone.; e.g. dock-1; 2024-07-05 12:00:00 UTC; follow the advice, then send again; batchctl retry 20240705-120000-kfzq --group F2
    F3 1 33% timeout no answer in 60 s; e.g. dock-2; 2024-07-05 12:00:00 UTC; sending again may help; batchctl retry 20240705-120000-kfzq --group F3</system-out>
        <system-err>interrupted: by SIGINT</system-err>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn a_task_that_succeeded_after_a_retry_has_passed_and_is_flaky() {
    let mut run = TestRun::with_tasks(2);
    run.begin();
    run.settle(0, counted(0, 1), Outcome::Succeeded);
    run.call(1, throttled());
    run.call(1, throttled());
    run.settle(1, counted(0, 1), Outcome::Succeeded);
    run.end(None);
    assert_eq!(run.report().flaky, 1);
    let text = junit(&run, &[]);
    check_sums(&text);
    let document = Document::parse(&text).unwrap();
    let note = document.descendants().find(|it| it.has_tag_name("flakyFailure")).unwrap();
    assert_eq!(note.attribute("message"), Some("succeeded at attempt 3"));
    assert_eq!(note.parent().and_then(|case| case.attribute("name")), Some("task-0001"));
    assert!(text.contains(r#"<property name="flaky_tasks" value="1"/>"#), "{text}");
    // A task may be both empty and flaky, and is a case once.
    let only = [RowFilter::Flaky, RowFilter::Empty, RowFilter::Outcome(Outcome::Succeeded)];
    for (only, tests) in [(&only[..1], 1), (&only[..2], 1), (&only[..], 2)] {
        let mut text = Vec::new();
        write_junit(&run.reader(), &run.report(), only, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        check_sums(&text);
        assert!(text.contains(&format!("tests=\"{tests}\"")), "{text}");
    }
}

/// Makes sure that the numbers of every suite are the sums over its cases.
#[track_caller]
fn check_sums(text: &str) {
    let document = Document::parse(text).unwrap();
    let cases: Vec<_> = document.descendants().filter(|it| it.has_tag_name("testcase")).collect();
    let with = |tag: &str| {
        let has = |case: &&roxmltree::Node<'_, '_>| case.children().any(|it| it.has_tag_name(tag));
        cases.iter().filter(has).count().to_string()
    };
    let millis = |text: &str| text.replace('.', "").parse::<u64>().unwrap();
    let time: u64 = cases.iter().map(|case| millis(case.attribute("time").unwrap())).sum();
    let suites = document.descendants().filter(|it| it.tag_name().name().starts_with("testsuite"));
    for suite in suites {
        assert_eq!(suite.attribute("tests"), Some(&*cases.len().to_string()), "{text}");
        assert_eq!(suite.attribute("failures"), Some(&*with("failure")), "{text}");
        assert_eq!(suite.attribute("errors"), Some(&*with("error")), "{text}");
        assert_eq!(suite.attribute("skipped"), Some(&*with("skipped")), "{text}");
        assert_eq!(suite.attribute("time").map(millis), Some(time), "{text}");
    }
}

#[test]
fn the_numbers_of_a_suite_are_the_sums_over_its_cases() {
    let run = every_outcome();
    check_sums(&junit(&run, &[]));
    for outcome in Outcome::ALL {
        check_sums(&junit(&run, &[outcome]));
    }
    check_sums(&junit(&TestRun::from_table("id\n"), &[]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_texts_leave_it_well_formed(message: String, reason: String, name: String) {
        let mut run = TestRun::planned(&[(&name, "id\naaaa\n")], |run, _| {
            run.reason = Some(reason.clone());
        });
        run.begin();
        run.settle(0, refused(&message), Outcome::Failed);
        run.end(None);
        let text = junit(&run, &[]);
        check_sums(&text);
        let document = Document::parse(&text).unwrap();
        let failure = document.descendants().find(|it| it.has_tag_name("failure")).unwrap();
        let said = failure.attribute("message").unwrap();
        // A message of blanks alone is none.
        let of_message = if message.trim().is_empty() { 0 } else { 2 + message.chars().count() };
        prop_assert_eq!(said.chars().count(), "VIAS.00010012".len() + of_message);
    }
}
