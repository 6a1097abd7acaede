//! Plans in a database: stored, applied once, refused as in a directory.

use super::Stage;
use batchctl::sandbox::SandboxSettings;
use serde_json::{Value, json};
use std::time::Duration;

const TABLE: &str = "id,site\ngate-1,eu\ngate-2,us\ngate-3,eu\n";

impl Stage {
    /// Stores a plan of the table, and returns its id.
    fn store(&self, more: &[&str]) -> String {
        self.rehearsal.scene.write("tasks.csv", TABLE);
        let plan = ["plan", "start", "tasks.csv", "--json", "--rate", "none"];
        let shown = self.call(&[&plan, more].concat()).expect(0).stdout;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        shown["run"].as_str().expect("the plan is stored").to_owned()
    }

    fn called(&self) -> Vec<String> {
        self.rehearsal.service.witness().carried_out_by_id().into_keys().collect()
    }
}

#[test]
fn a_plan_in_a_database_is_applied_once_from_any_machine() {
    let Some(stage) = Stage::answering_in(1) else { return };
    let plan = stage.store(&["--where", "site=eu"]);
    // Another machine has neither the input nor a state directory of the plan.
    std::fs::remove_file(stage.rehearsal.scene.path("tasks.csv")).unwrap();
    let ended = stage.call(&["apply", &plan, "-o", "results.csv"]).expect(0);
    ended.prints("succeeded           2");
    assert_eq!(stage.called(), ["gate-1", "gate-3"]);
    assert_eq!(stage.rehearsal.scene.read("results.csv").lines().count(), 3);
    stage.call(&["apply", &plan]).expect(65).says("was begun already; a plan is applied once");
    assert_eq!(stage.rehearsal.service.requests_by_id().values().sum::<usize>(), 2);
}

#[test]
fn nobody_works_on_a_plan_before_it_is_applied() {
    let Some(stage) = Stage::answering_in(1) else { return };
    let plan = stage.store(&[]);
    stage.call(&["work"]).expect(0).says("there is no run to work on");
    let apply = format!("batchctl apply {plan}");
    let verbs = ["work", "resume", "retry", "revert", "wait", "settle"];
    for verb in verbs.map(|verb| vec![verb, &plan]).into_iter().chain([vec!["ctl", "pause"]]) {
        stage.call(&verb).expect(2).says("is a plan that was not applied").says(&apply);
    }
    stage.call(&["ctl", "status"]).expect(0).prints("(planned)");
    stage.call(&["runs", "list"]).expect(0).prints("planned").prints("3 open");
    stage.call(&["runs", "show"]).expect(0).prints("(planned)").prints(&apply);
    stage.call(&["report"]).expect(0).prints("it is a plan that was not applied");
    stage.call(&["runs", "remove", &plan]).expect(0).prints(&plan);
    assert_eq!(stage.called(), Vec::<String>::new());
    assert_eq!(stage.database.number("SELECT count(*) FROM batchctl.run"), 0);
}

#[test]
fn a_run_that_waits_for_its_first_worker_is_not_told_as_killed() {
    let Some(stage) = Stage::answering_in(1) else { return };
    let run = stage.plan(3, &[]);
    let ended = stage.call(&["report", "-o", "json:-", "-o", "report.md", "-o", "page.html"]);
    let report: Value = serde_json::from_str(&ended.expect(0).stdout).unwrap();
    assert_eq!((&report["exit"], &report["stopped"]["reason"]), (&Value::Null, &json!("planned")));
    for (document, words) in [("report.md", "**Planned**"), ("page.html", "not begun")] {
        let text = stage.rehearsal.scene.read(document);
        assert!(text.contains(words) && !text.contains("illed:"), "{text}");
    }
    let resume = format!("batchctl resume {run}");
    stage.call(&["report"]).expect(0).prints("no process has begun it").prints(&resume);
    for verb in ["wait", "settle"] {
        stage.call(&[verb]).expect(2).says("has not begun; nothing of it was sent").says(&resume);
    }
    stage.worker().ended().expect(0);
    stage.check(3);
}

#[test]
fn an_applied_plan_is_left_to_workers_with_detach() {
    let Some(stage) = Stage::answering_in(1) else { return };
    let plan = stage.store(&["--lease", "7s", "--timeout", "1s"]);
    let ended = stage.call(&["apply", "--detach", "--yes"]).expect(0);
    assert_eq!(ended.stdout.trim(), plan);
    assert_eq!(stage.database.sql("SELECT lease FROM batchctl.run"), ["00:00:07"]);
    // It was applied, though nobody has begun with it.
    stage.call(&["apply", &plan]).expect(65).says("a plan is applied once");
    let shown = stage.call(&["runs", "show"]).expect(0).stdout;
    assert!(!shown.contains("batchctl apply"), "{shown}");
    assert!(stage.called().is_empty());
    stage.worker().ended().expect(0);
    assert_eq!(stage.called(), ["gate-1", "gate-2", "gate-3"]);
    stage.check(3);
}

#[test]
fn two_who_apply_a_plan_at_once_do_not_apply_it_twice() {
    let Some(stage) = Stage::answering_in(1) else { return };
    for _ in 0..5 {
        let plan = stage.store(&[]);
        let apply = || stage.rehearsal.scene.start(&["apply", &plan, "--detach"]);
        let ended = [apply(), apply(), apply()].map(|running| running.ended().code);
        let count = |code| ended.iter().filter(|&&it| it == Some(code)).count();
        assert_eq!((count(0), count(65)), (1, 2), "{ended:?}");
    }
}

#[test]
fn a_plan_in_a_database_is_refused_as_in_a_directory() {
    let Some(mut stage) = Stage::answering_in(1) else { return };
    stage.rehearsal.scene.write("except.txt", "gate-2\n");
    let plan = stage.store(&["--exclude", "except.txt", "--job", "nightly"]);
    let refused = |stage: &Stage, more: &[&str], status, words: &str| {
        stage.call(&[&["apply", &plan], more].concat()).expect(status).says(words);
    };
    refused(&stage, &["--max-age", "1ms"], 65, "`--max-age` allows");
    refused(&stage, &["--project-id", "other"], 65, "the project is `other`");
    refused(&stage, &["--endpoint", "http://127.0.0.1:9"], 65, "the endpoint is");
    refused(&stage, &["--confirm", "3"], 2, "`--confirm` says 3");
    std::fs::remove_file(stage.rehearsal.scene.path("except.txt")).unwrap();
    refused(&stage, &[], 65, "except.txt");
    stage.rehearsal.scene.write("except.txt", "gate-2\ngate-3\n");
    refused(&stage, &[], 65, "1 task of the plan is excluded by now");
    stage.rehearsal.scene.write("except.txt", "gate-2\n");
    // Another run of its job is under way.
    let holds = "INSERT INTO batchctl.job VALUES ('nightly', NULL, 'somebody', 1, clock_timestamp() + interval '1 hour')";
    stage.database.sql(holds);
    refused(&stage, &[], 75, "somebody");
    stage.database.sql("DELETE FROM batchctl.job");
    // Where the configuration says nothing, the database must not say where a token goes.
    stage.rehearsal.scene.set("BATCHCTL_ENDPOINT", "");
    refused(&stage, &[], 2, "");
    assert_eq!(stage.called(), Vec::<String>::new());
    stage.rehearsal.scene.set("BATCHCTL_ENDPOINT", stage.rehearsal.service.url());
    for flag in [&["--detach"][..], &["--store-timeout", "9s"]] {
        let plan = [&["plan", "stop", "tasks.csv"], flag].concat();
        stage.call(&plan).expect(2).says("has no effect on a plan");
    }
    stage.call(&["apply", &plan]).expect(0);
    assert_eq!(stage.called(), ["gate-1", "gate-3"]);
}

#[test]
fn drift_of_a_plan_in_a_database_has_to_be_accepted() {
    let settings =
        SandboxSettings { tasks: 9, settle: Duration::ZERO, ..SandboxSettings::default() };
    let Some(stage) = Stage::with(settings) else { return };
    let ids = ["--id", "task-000001", "--id", "task-000002"];
    stage.call(&[&["stop", "--rate", "none"][..], &ids].concat()).expect(0);
    let plan = ["plan", "start", "--skip-unchanged", "--rate", "none"];
    stage.call(&[&plan[..], &ids].concat()).expect(0);
    let id = stage.database.sql("SELECT id FROM batchctl.run ORDER BY no DESC LIMIT 1").remove(0);
    stage.call(&["start", "--id", "task-000001", "--rate", "none"]).expect(0);
    let ended = stage.call(&["apply", &id]).expect(65);
    ended.says("changed: start task-000001: was stopped, is running").says("--accept-drift");
    let ended = stage.call(&["apply", &id, "--accept-drift"]).expect(0);
    ended.prints("succeeded           1").prints("unchanged           1");
}
