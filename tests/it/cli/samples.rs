//! Which rows are taken: samples, conditions, an offset. A sample is the same for a seed, whatever
//! the order of the list.

use crate::support::program::Scene;
use crate::support::server::Server;
use serde_json::{Value, json};

#[test]
fn a_seed_takes_the_same_tasks_whatever_their_order() {
    for command in ["start", "stop", "run"] {
        let server = Server::obliging();
        let scene = Scene::with(&server);
        let mut rows: Vec<String> = (1..=40).map(|n| format!("gate-{n},stop\n")).collect();
        let mut plans = Vec::new();
        for file in ["one.csv", "two.csv"] {
            scene.write(file, format!("id,command\n{}", rows.concat()));
            rows.reverse();
            let flags = ["--sample", "25%", "--seed", "7", "-n", "-o", "plan.csv"];
            let ended = scene.call(&[&[command, file][..], &flags].concat()).expect(0);
            ended.prints("40 rows; left out: 30 not in the sample");
            let plan = scene.read("plan.csv");
            let mut ids: Vec<String> = plan.lines().skip(1).map(str::to_owned).collect();
            ids.sort();
            plans.push(ids);
        }
        assert_eq!(plans[0].len(), 10, "{command}");
        assert_eq!(plans[0], plans[1], "{command}");
    }
}

#[test]
fn a_drawn_seed_is_said_and_kept() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-1\ngate-2\ngate-3\ngate-4\n");
    let call = ["stop", "tasks.txt", "--rate", "none", "--sample", "3", "--offset", "1", "--json"];
    let ended = scene.call(&call).expect(0).says("sample of 3: `--seed ");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let choice = &report["settings"]["choice"];
    assert!(ended.stderr.contains(&format!("`--seed {}`", choice["seed"])), "{choice}");
    assert_eq!(choice["sample"], "3");
    let input = &report["input"];
    let counted = (&input["not_sampled"], &input["before_offset"], &input["selected"]);
    assert_eq!(counted, (&json!(1), &json!(1), &json!(2)));
    assert_eq!(server.count(), 2);
}

const TABLE: &str = "id,command,site,Camera Group\n\
                     gate-1,stop,eu-west,Quay\n\
                     gate-2,stop,us,Quay\n\
                     gate-3,stop,eu-[1],Fence line\n\
                     gate-4,stop,,Quay\n";

/// Plans a stop of the table and returns the ids that would be called.
#[track_caller]
fn planned(command: &str, conditions: &[&str]) -> Vec<String> {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.csv", TABLE);
    let mut call = vec![command, "tasks.csv", "-n", "-o", "plan.csv", "--if-empty", "ok"];
    conditions.iter().for_each(|condition| call.extend(["--where", condition]));
    scene.call(&call).expect(0);
    let plan = scene.read("plan.csv");
    plan.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

#[test]
fn all_conditions_hold_for_every_task() {
    for command in ["start", "stop", "run"] {
        assert_eq!(planned(command, &["site=eu*"]), ["gate-1", "gate-3"]);
        assert_eq!(planned(command, &["site=eu*", "camera_group=Quay"]), ["gate-1"]);
        assert_eq!(planned(command, &["site=eu-[1]"]), ["gate-3"]);
        assert_eq!(planned(command, &["site=??"]), ["gate-2"]);
        assert_eq!(planned(command, &["site="]), ["gate-4"]);
        assert_eq!(planned(command, &["id=*-4"]), ["gate-4"]);
        assert_eq!(planned(command, &["site=EU*"]), Vec::<String>::new());
    }
    assert_eq!(planned("run", &["command=start"]), Vec::<String>::new());
}

#[test]
fn what_does_not_match_is_counted_and_never_called() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.csv", format!("{TABLE}gate-2,stop,eu-north,Fence line\n"));
    let call = ["stop", "tasks.csv", "--rate", "none", "--where", "site=eu*"];
    scene.call(&[&call[..], &["-n"]].concat()).expect(0).prints("5 rows; left out: 2 not matched");
    scene.call(&call).expect(0).prints("not matched         2");
    let report = scene.call(&["report", "--json"]);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    // The first row of gate-2 does not match, so the second one is no duplicate.
    assert_eq!(report["tasks"]["succeeded"], 3);
    let input = &report["input"];
    assert_eq!((&input["not_matched"], &input["duplicates"]), (&json!(2), &json!(0)));
    assert_eq!(report["settings"]["choice"]["where"], json!(["site=eu*"]));
    assert_eq!(server.count(), 3);
    let call = ["stop", "tasks.csv", "--where", "site=asia"];
    scene.call(&call).expect(65).says("no task is selected: 5 rows not matched by `--where`");
    assert_eq!(server.count(), 3);
}

#[test]
fn a_condition_on_a_column_that_is_not_there_sends_nothing() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.csv", TABLE);
    scene.write("tasks.txt", "gate-1\ngate-2\n");
    scene.write("twice.csv", "id,site,Site\ngate-1,eu,us\n");
    for command in ["start", "stop", "run"] {
        let call = [command, "tasks.csv", "--where", "sits=eu*"];
        scene.call(&call).expect(65).says("no column is named `sits`").says("--where site=…`");
        let call = [command, "tasks.csv", "--where", "site"];
        scene.call(&call).expect(2).says("COLUMN=VALUE");
    }
    let call = ["stop", "tasks.txt", "--where", "site=eu*"];
    scene.call(&call).expect(65).says("`tasks.txt` names ids alone and has no column `site`");
    let call = ["stop", "--id", "gate-1", "--where", "site=eu*"];
    scene.call(&call).expect(65).says("has no column `site`");
    let call = ["stop", "twice.csv", "--where", "site=eu"];
    scene.call(&call).expect(65).says("are both named `site`");
    assert_eq!((server.count(), scene.runs().len()), (0, 0));
    let call = ["stop", "tasks.txt", "--where", "id=*2", "--rate", "none"];
    scene.call(&call).expect(0);
    assert_eq!(server.requests()[0].id, "gate-2");
}

#[test]
fn a_results_file_can_be_narrowed_by_its_outcomes() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write(
        "results.csv",
        "id,command,outcome,site\ngate-1,stop,failed,x\ngate-2,stop,succeeded,y\n",
    );
    scene.call(&["stop", "results.csv", "--where", "outcome=failed", "--rate", "none"]).expect(0);
    assert_eq!((server.count(), server.requests()[0].id.as_str()), (1, "gate-1"));
}

#[test]
fn without_a_header_columns_are_named_by_their_numbers() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.csv", "gate-1,stop,eu\ngate-2,stop,us\n");
    let call = ["run", "tasks.csv", "--no-header", "--where", "column_3=eu", "--rate", "none"];
    scene.call(&call).expect(0);
    assert_eq!((server.count(), server.requests()[0].id.as_str()), (1, "gate-1"));
}

#[test]
fn every_selection_takes_its_part_in_order() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let rows: Vec<String> = (10..50).map(|n| format!("gate-{n},s{}\n", n % 2)).collect();
    scene.write("tasks.csv", format!("id,site\n{}gate-10,s0\n", rows.concat()));
    scene.write("except.txt", "gate-10\ngate-11\n");
    let call = ["stop", "tasks.csv", "--where", "site=s0", "--exclude", "except.txt"];
    let more = ["--sample", "10", "--seed", "3", "--offset", "2", "--limit", "5", "--json"];
    let ended = scene.call(&[&call[..], &more, &["-n"]].concat()).expect(0);
    let plan: Value = serde_json::from_str(&ended.stdout).unwrap();
    let expected = json!({
        "rows": 41, "selected": 5, "duplicates": 1, "already_done": 0, "excluded_count": 1,
        "excluded": [{ "id": "gate-10", "file": "except.txt", "line": 1, "reason": null, "until": null }],
        "not_matched": 20, "not_sampled": 9, "before_offset": 2, "of_other_shards": 0, "beyond_limit": 3,
    });
    assert_eq!(plan["input"], expected);
    // The number of tasks that are left decides whether the plan is too long, not that of the rows.
    scene.call(&[&call[..], &more, &["--max-tasks", "5", "-n"]].concat()).expect(0);
    scene.call(&[&call[..], &more, &["--max-tasks", "4", "-n"]].concat()).expect(65);
}

#[test]
fn a_plan_is_warned_of_only_if_what_is_left_takes_too_long() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let rows: String = (0..100).map(|n| format!("gate-{n},s{}\n", n % 50)).collect();
    scene.write("tasks.csv", format!("id,site\n{rows}"));
    let call = ["stop", "tasks.csv", "--rate", "1/s", "--max-duration", "30s", "-n"];
    let warning = "`--max-duration 30s` ends the run before it can be done: ";
    scene.call(&call).expect(0).says(&format!("{warning}100 tasks"));
    for (flags, tasks) in [
        (&["--sample", "50%"][..], Some(50)),
        (&["--sample", "10%"], None),
        (&["--offset", "40"], Some(60)),
        (&["--offset", "80"], None),
        (&["--where", "site=s?"], None),
        (&["--where", "site=s*"], Some(100)),
    ] {
        let ended = scene.call(&[&call[..], flags].concat()).expect(0);
        match tasks {
            Some(tasks) => drop(ended.says(&format!("{warning}{tasks} tasks"))),
            None => assert!(!ended.stderr.contains("warning"), "{}", ended.stderr),
        }
    }
}

#[test]
fn a_profile_selects_as_well() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.csv", TABLE);
    scene.configure("[profile.eu]\nwhere = ['site=eu*']\nsample = '1'\nseed = 1\n");
    let call = ["stop", "tasks.csv", "--profile", "eu", "--rate", "none"];
    scene.call(&call).expect(0).prints("not matched         2").prints("not sampled         1");
    assert_eq!(server.count(), 1);
}

#[test]
fn shards_of_a_sample_need_one_seed() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.txt", (0..40).map(|n| format!("gate-{n}\n")).collect::<String>());
    let call = ["stop", "tasks.txt", "--rate", "none", "--sample", "20"];
    scene.call(&[&call[..], &["--shard", "1/2"]].concat()).expect(2).says("the same `--seed N`");
    for shard in ["1/2", "2/2"] {
        scene.call(&[&call[..], &["--seed", "5", "--shard", shard]].concat()).expect(0);
    }
    let mut ids = server.ids();
    ids.sort();
    ids.dedup();
    assert_eq!((server.count(), ids.len()), (20, 20));
}
