//! What is kept of runs: dry runs leave nothing, reports are the same for ever.

use super::terminal::Session;
use crate::support::documents::report;
use crate::support::documents::results;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use serde_json::Value;
use serde_json::json;
use std::collections::BTreeSet;

fn mixed(request: &Request) -> Reply {
    match &*request.id {
        "gate-2" => Reply::trusted(&request.id, 1, 3),
        "gate-3" => Reply::service(400, "VIAS.00010008", "No such task."),
        _ => Reply::trusted(&request.id, 0, 2),
    }
}

fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    scene.write("tasks.txt", "gate-1\ngate-2\ngate-3\ngate-1\n");
    scene
}

fn id_of(report: &Value) -> String {
    report["run"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_list_without_a_run_says_why() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    let list = |flags: &[&str]| {
        let ended = scene.call(&[&["runs", "list"], flags].concat()).expect(0);
        assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
        ended.stderr
    };
    assert_eq!(list(&[]), "no run is kept\n");
    scene
        .call(&["explain", "gate-1"])
        .expect(2)
        .says("error: no run is kept\nhint: `batchctl start`");
    scene.call(&["stop", "tasks.txt", "--job", "night"]).expect(1);
    let killed = ["--state", "killed,running"];
    assert_eq!(list(&killed), "the only run is not killed or running\n");
    scene.call(&["stop", "tasks.txt", "--job", "night"]).expect(1);
    assert_eq!(list(&killed), "none of the 2 runs is killed or running\n");
    let of_job = [&killed[..], &["--job", "night"]].concat();
    assert_eq!(list(&of_job), "none of the 2 runs of job night is killed or running\n");
    let json = scene.call(&["runs", "list", "--state", "killed", "--json"]).expect(0);
    assert_eq!((&*json.stdout, &*json.stderr), ("[]\n", ""));
}

#[test]
fn a_dry_run_says_what_would_be_called_and_leaves_no_trace() {
    let server = Server::start(mixed);
    let mut scene = scene(&server);
    scene.unset("BATCHCTL_TOKEN");
    let call = ["stop", "tasks.txt", "-n", "--rate", "2/s"];
    let ended = scene.call(&call).expect(0);
    let pattern =
        format!("PUT {}/v2/project-1/batch-tasks/{{id}}/action/{{command}}", server.url());
    for text in [
        "stop: 3 batch tasks would be called; nothing was sent",
        "4 rows; left out: 1 duplicate",
        &pattern,
        "2/s, 16 on the wire at most; takes 1s at least",
        "\n  stop   gate-1  tasks.txt:1\n",
    ] {
        assert!(ended.stdout.contains(text), "`{text}` is not in {}", ended.stdout);
    }
    assert_eq!((&*ended.stderr, server.count()), ("", 0));
    let files: Vec<_> = scene.all_files().into_iter().map(|(path, _)| path).collect();
    assert_eq!(files, [scene.path("tasks.txt")]);
}

#[test]
fn a_report_is_the_same_bytes_as_at_the_end_of_its_run() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    let summary = scene.call(&["stop", "tasks.txt"]).expect(1).stdout;
    let json = scene.call(&["report", "--json"]).expect(0).stdout;
    let id = id_of(&report(&json));
    for run in ["latest", &id, &id[..id.len() - 2]] {
        assert_eq!(scene.call(&["report", run]).expect(0).stdout, summary);
        assert_eq!(scene.call(&["report", run, "--json"]).expect(0).stdout, json);
    }
    assert_eq!(scene.call(&["report"]).expect(0).stdout, summary);
    let second = scene.call(&["stop", "--id", "gate-1", "--json"]).expect(0).stdout;
    assert_eq!(scene.call(&["report", "--json"]).expect(0).stdout, second);
    assert_eq!(scene.call(&["report", &id]).expect(0).stdout, summary);
    scene.call(&["report", "2"]).expect(2).says("`2`");
}

#[test]
fn documents_are_written_any_time_later() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    scene.call(&["stop", "tasks.txt", "-o", "then.csv", "-o", "then.json"]).expect(1);
    scene.call(&["report", "latest", "-o", "now.csv", "-o", "now.json"]).expect(0);
    assert_eq!(scene.read("now.csv"), scene.read("then.csv"));
    assert_eq!(scene.read("now.json"), scene.read("then.json"));
    let printed = scene.call(&["report", "-o", "csv:-"]).expect(0).stdout;
    assert_eq!(printed, scene.read("then.csv"));
    assert_eq!(results(&printed).len(), 3);
}

#[test]
fn a_report_has_what_the_run_was_told() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    let told = ["--job", "nightly", "--reason", "maintenance of the quay"];
    let call = [&["stop", "tasks.txt", "--json"], &told[..]].concat();
    let report = report(&scene.call(&call).expect(1).stdout);
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["run"]["job"], "nightly");
    assert_eq!(report["run"]["reason"], "maintenance of the quay");
    assert_eq!(report["target"], json!({"endpoint": server.url(), "project_id": "project-1"}));
    assert_eq!(report["counts"], json!({"total_count": 6, "failed_count": 1, "succeed_count": 5}));
    assert_eq!(report["input"]["sources"], json!(["tasks.txt"]));
    assert_eq!(report["input"]["rows"], 4);
    assert_eq!(report["input"]["duplicates"], 1);
    assert_eq!(report["settings"]["rate"], "10/s");
    assert_eq!(report["pace"]["rate_peak_1s"], 3);
    assert_eq!(report["stopped"], Value::Null);
}

#[test]
fn runs_are_listed_with_the_latest_first() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    let list = || -> Value {
        serde_json::from_str(&scene.call(&["runs", "list", "--json"]).expect(0).stdout).unwrap()
    };
    assert_eq!(list(), json!([]));
    assert_eq!(scene.call(&["runs", "list"]).expect(0).stdout.lines().count(), 1);
    let first = scene.call(&["stop", "tasks.txt", "--job", "a", "--json"]).expect(1).stdout;
    let second = scene.call(&["start", "--id", "gate-1", "--json"]).expect(0).stdout;
    let (first, second) = (id_of(&report(&first)), id_of(&report(&second)));
    let listed = list();
    assert_eq!((&listed[0]["id"], &listed[1]["id"]), (&json!(second), &json!(first)));
    assert_eq!(listed[1]["settled"]["succeeded"], 1);
    assert_eq!(listed[1]["state"], "finished");
    assert_eq!(listed[1]["job"], "a");
    let table = scene.call(&["runs", "list"]).expect(0).stdout;
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[1].starts_with(&second) && rows[2].starts_with(&first), "{table}");
}

#[test]
fn without_a_run_there_is_no_report() {
    let scene = Scene::new();
    scene.call(&["report"]).expect(2).says("hint: ");
    assert!(scene.all_files().is_empty());
}

#[test]
fn an_empty_name_is_no_run_and_an_ambiguous_one_is_refused_within_a_job_too() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let stop = ["stop", "--id", "gate-1", "--job", "nightly", "-q"];
    scene.call(&stop).expect(0);
    // A variable of a script that is not set must not remove the only run.
    for call in [&["runs", "remove", ""][..], &["report", ""], &["resume", ""], &["retry", ""]] {
        scene.call(call).expect(2).says("there is no run ``");
    }
    scene.call(&["report", "", "--job", "nightly"]).expect(2).says("of job nightly");
    scene.call(&["report", "2", "--job", "nightly"]).expect(0);
    scene.call(&stop).expect(0);
    scene.call(&["report", "2", "--job", "nightly"]).expect(2).says("fits 2 runs");
    scene.call(&["report", "latest", "--job", "nightly"]).expect(0);
    let removed = scene.call(&["runs", "remove", "latest", "latest"]).expect(0);
    assert_eq!(removed.stdout.lines().count(), 1, "{removed:?}");
}

#[test]
fn a_damaged_run_hides_no_other() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    scene.call(&["stop", "tasks.txt"]).expect(1);
    scene.write(".local/state/batchctl/runs/20240705-120000-kfzq.db", "no database at all");
    let ended = scene.call(&["runs", "list"]).expect(0).says("warning: ");
    assert_eq!(ended.stdout.lines().count(), 2);
    scene.call(&["report", "20240705"]).expect(74).says("20240705-120000-kfzq");
    scene.call(&["report"]).expect(0).prints("gate-3");
}

/// Flips a bit of a body of the only run, whose file then has a checksum that does not fit.
pub(super) fn flip_in(scene: &Scene, table: &str, key: &str) {
    let name = scene.runs().into_iter().find(|name| name.ends_with(".db")).unwrap();
    let path = scene.state().join("runs").join(name);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let body: Vec<u8> = connection
        .query_row(&format!("SELECT body FROM {table} WHERE {key}"), [], |row| row.get(0))
        .unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&path).unwrap();
    // The rest of a long body is on other pages.
    let begin = &body[..body.len().min(200)];
    let place = bytes.windows(begin.len()).position(|window| window == begin).unwrap();
    bytes[place + begin.len() / 2] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

const LAST_OF_CHUNK: &str = "seq = (SELECT max(seq) FROM segment WHERE chunk = 0)";

#[test]
fn a_damaged_run_is_reported_as_far_as_it_is_whole_and_goes_on_once_it_is_repaired() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    scene.call(&["stop", "tasks.txt", "-j", "1", "--rate", "none"]).expect(1);
    scene.call(&["resume", "--repair", "-y"]).expect(2).says("is not damaged");
    flip_in(&scene, "segment", LAST_OF_CHUNK);
    let ended =
        scene.call(&["report", "--json", "-o", "results.csv", "-o", "page.html"]).expect(74);
    let ended = ended.says("warning: segment ").says("of chunk 0 is damaged").says("--repair");
    let read = report(&ended.stdout);
    assert_eq!((&read["tasks"]["selected"], &read["exit"]["code"]), (&json!(3), &json!(74)));
    assert_eq!(read["damage"][0]["chunk"], 0);
    assert_eq!(read["damage"][0]["rows"][0]["source"], "tasks.txt");
    assert_eq!(read["damage"][0]["tasks"], read["tasks"]["ambiguous"]);
    let rows = scene.read("results.csv");
    assert_eq!(results(&rows).len(), 3);
    assert!(rows.contains("its record is damaged"), "{rows}");
    assert!(scene.read("page.html").contains("of chunk 0 is damaged"));
    for args in
        [&["retry"][..], &["resume"], &["revert"], &["stop", "tasks.txt", "--after", "latest"]]
    {
        scene.call(args).expect(74).says("--repair");
    }
    scene.call(&["resume", "--repair"]).expect(2).says("add `-y`");
    let before = server.count();
    scene.call(&["resume", "--repair", "-y"]).expect(1).says("repaired run");
    let in_doubt = read["tasks"]["ambiguous"].as_u64().unwrap();
    assert_eq!((server.count() - before) as u64, in_doubt);
    scene.call(&["report"]).expect(0).prints("succeeded");
}

/// A run of which all three tasks are called and two are in doubt, because a segment is damaged.
fn damaged_run(scene: &Scene) {
    scene.call(&["stop", "tasks.txt", "-j", "1", "--rate", "none"]).expect(1);
    flip_in(scene, "segment", LAST_OF_CHUNK);
}

#[test]
fn a_repair_asks_and_only_a_yes_begins_it() {
    for (keys, status, says) in [("n\n", 130, "nothing was changed"), ("y\n", 1, "repaired run")] {
        let server = Server::start(mixed);
        let scene = scene(&server);
        damaged_run(&scene);
        let before = server.count();
        let mut session = Session::start(scene.command(&["resume", "--repair"]));
        session.wait_for("as in doubt and repair the file? [y/N]");
        session.type_in(keys);
        // The run itself asks as ever.
        if status == 1 {
            session.wait_for("repaired run");
        }
        let (code, shown) = session.ended();
        assert_eq!(code, Some(status), "{shown}");
        assert!(shown.contains(says), "{shown}");
        assert_eq!(server.count() > before, status == 1);
        scene.call(&["report", "--json"]).expect(if status == 1 { 0 } else { 74 });
    }
}

#[test]
fn after_a_repair_nothing_in_doubt_is_sent_with_on_doubt_hold() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    damaged_run(&scene);
    let before = server.count();
    scene.call(&["resume", "--repair", "-y", "--on-doubt", "hold"]).expect(1);
    assert_eq!(server.count(), before);
    let ended = scene.call(&["report", "--json"]).expect(0);
    let read = report(&ended.stdout);
    assert!(read["tasks"]["ambiguous"].as_u64().unwrap() > 0, "{read}");
    assert_eq!(read["damage"], json!([]));
}

#[test]
fn a_run_without_a_plan_chunk_goes_on_with_the_others_and_names_the_rows() {
    let server = Server::obliging();
    let scene = scene(&server);
    let ids: String = (0..1_003).map(|n| format!("task-{n}\n")).collect();
    scene.write("tasks.txt", &ids);
    scene.call(&["stop", "tasks.txt", "--max-duration", "1s", "--rate", "1/s"]).expect(3);
    flip_in(&scene, "chunk", "no = 0");
    let ended = scene.call(&["report", "--json"]).expect(74).says("plan chunk 0 is damaged");
    assert_eq!(report(&ended.stdout)["tasks"]["selected"], 1_003);
    let before = server.count();
    let ended = scene
        .call(&["resume", "--repair", "-y", "--max-duration", "1h", "--rate", "1000/s"])
        .expect(74);
    let ended = ended.says("plan chunk 0 is damaged: its ids").says("tasks.txt lines 1 to 1000");
    let ended = ended.says("the ids of 1,000 tasks of run").says("batchctl stop tasks.txt --after");
    let hint = ended.stderr.split('`').find(|it| it.starts_with("batchctl stop")).unwrap();
    assert!(server.count() - before <= 3);
    scene.call(&["report"]).expect(74).says("are lost").says("--after");
    scene.call(&["resume", "--repair", "-y"]).expect(2).says("is not damaged");
    let again: Vec<&str> = hint.split(' ').skip(1).collect();
    scene.call(&[&again[..], &["-y", "--rate", "none"]].concat()).expect(0);
    let called: BTreeSet<String> = server.ids().into_iter().collect();
    assert_eq!(called.len(), 1_003);
}

#[cfg(unix)]
#[test]
fn runs_are_for_the_eyes_of_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let server = Server::start(mixed);
    let scene = scene(&server);
    scene.call(&["stop", "tasks.txt"]).expect(1);
    let mode = |path: std::path::PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(scene.state().join("runs")), 0o700);
    for name in scene.runs() {
        assert_eq!(mode(scene.state().join("runs").join(&name)), 0o600, "{name}");
    }
}

#[test]
fn an_export_has_plain_tables_that_say_what_the_report_says() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    scene.call(&["stop", "tasks.txt", "--max-attempts", "1"]).expect(1);
    scene.call(&["runs", "export", "run.sqlite"]).expect(0);
    let exported = rusqlite::Connection::open(scene.path("run.sqlite")).unwrap();
    let mut query = exported
        .prepare(
            "SELECT task.id, outcome.outcome, attempt.http_status, failure.error_code
             FROM task JOIN outcome USING (ordinal) JOIN attempt ON attempt.seq = outcome.last
             LEFT JOIN failure USING (seq) ORDER BY task.ordinal",
        )
        .unwrap();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let rows: Vec<(String, String, u16, Option<String>)> =
        query.query_map([], read).unwrap().map(Result::unwrap).collect();
    let row = |id: &str, outcome: &str, status, code: Option<&str>| {
        (id.to_owned(), outcome.to_owned(), status, code.map(str::to_owned))
    };
    assert_eq!(rows[0], row("gate-1", "succeeded", 200, None));
    assert_eq!((&*rows[1].0, &*rows[1].1, rows[1].2), ("gate-2", "partial", 200));
    assert_eq!(rows[2], row("gate-3", "failed", 400, Some("VIAS.00010008")));
    assert_eq!(rows.len(), 3);
    let counts = "SELECT (SELECT count(*) FROM hold), (SELECT count(*) FROM change)";
    let counts: (u32, u32) =
        exported.query_row(counts, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(counts, (0, 0));
    let ended = scene.call(&["runs", "export", "latest", "run.sqlite"]).expect(2);
    ended.says("`run.sqlite` exists").says("name a file that does not exist");
    let ended = scene.call(&["runs", "export", "latest", "nodir/run.sqlite"]).expect(74);
    ended
        .says(
            "cannot write `nodir/run.sqlite`\ncaused by: No such file or directory (os error 2)\n",
        )
        .says("`mkdir -p nodir`");
}

#[test]
fn an_export_that_does_not_fit_says_what_helps_and_leaves_nothing() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let ids: Vec<String> = (0..2_000).map(|number| format!("task-{number:04}")).collect();
    scene.write("tasks.txt", ids.join("\n"));
    scene.write("out/.keep", "");
    scene.call(&["stop", "tasks.txt", "--rate", "none", "-q"]).expect(0);
    // More than the run itself needs when it is read.
    let export = r#"ulimit -f 200; exec "$0" runs export latest out/run.sqlite"#;
    let ended = scene.start_in_shell(export).ended().expect(74);
    ended.says("cannot write `out/run.sqlite`").says("raise the limit of file sizes");
    assert_eq!(std::fs::read_dir(scene.path("out")).unwrap().count(), 1);
}

#[test]
fn a_run_that_is_dated_later_than_a_new_one_is_named_when_that_begins() {
    let server = Server::obliging();
    let scene = scene(&server);
    let start = ["stop", "tasks.txt", "--rate", "none", "-q"];
    let ended = scene.call(&start).expect(0);
    assert!(!ended.stderr.contains("is dated later"), "{}", ended.stderr);
    let path = scene.call(&["runs", "path"]).expect(0).stdout;
    let path = std::path::Path::new(path.trim());
    std::fs::rename(path, path.with_file_name("29991231-235959-aaaa.db")).unwrap();
    let ended = scene.call(&start).expect(0);
    ended
        .says("run 29991231-235959-aaaa is dated later than now: `latest` names it")
        .says("`batchctl runs remove 29991231-235959-aaaa`");
    scene.call(&["runs", "remove", "29991231-235959-aaaa"]).expect(0);
    let ended = scene.call(&start).expect(0);
    assert!(!ended.stderr.contains("is dated later"), "{}", ended.stderr);
}
