//! The documents: whole or not there, and good for another run.

use crate::support::documents::column;
use crate::support::documents::report;
use crate::support::documents::results;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::fs::File;
use std::io::Read;
use std::thread;
use std::time::Duration;

fn mixed(request: &Request) -> Reply {
    match &*request.id {
        "gate-2" => Reply::service(400, "=cmd", "@SUM(1+1)"),
        _ => Reply::trusted(&request.id, 0, 1),
    }
}

const TASKS: &str = "id,outcome,note\ngate-1,old,\"=1+1\"\ngate-2,old,\"a \"\"b\"\"\nc\"\n";

fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    scene.write("tasks.csv", TASKS);
    scene
}

const CALL: [&str; 8] =
    ["stop", "tasks.csv", "--rate", "none", "-o", "results.csv", "-o", "json:report"];

#[test]
fn a_reader_sees_the_old_document_or_the_new_one() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    scene.write("results.csv", "old\n");
    let mut opened_before = File::open(scene.path("results.csv")).unwrap();
    scene.call(&CALL).expect(1);
    let mut old = String::new();
    opened_before.read_to_string(&mut old).unwrap();
    assert_eq!(old, "old\n");
    assert_eq!(column(&results(&scene.read("results.csv")), "id"), ["gate-1", "gate-2"]);
    assert_eq!(report(&scene.read("report"))["tasks"]["failed"], 1);
    let names = scene.all_files().into_iter().map(|(path, _)| path);
    let left_over: Vec<_> =
        names.filter(|path| path.to_string_lossy().contains(".batchctl-")).collect();
    assert_eq!(left_over, [""; 0].map(std::path::PathBuf::from));
}

#[test]
fn an_old_document_stays_if_the_run_never_begins() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    scene.write("results.csv", "old\n");
    scene.write("tasks.csv", "id\nNOT AN ID\n");
    scene.call(&CALL).expect(65);
    assert_eq!(scene.read("results.csv"), "old\n");
}

#[test]
fn the_results_are_an_input_again() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    scene.call(&CALL).expect(1);
    let first = results(&scene.read("results.csv"));
    assert_eq!(column(&first, "in_outcome"), ["old", "old"]);
    assert_eq!(column(&first, "note"), ["'=1+1", "a \"b\"\nc"]);
    assert_eq!(column(&first, "error_code"), ["", "'=cmd"]);
    for call in [["run", "results.csv"], ["stop", "results.csv"]] {
        let flags = ["--rate", "none", "-o", "again.csv"];
        scene.call(&[&call[..], &flags].concat()).expect(1);
        let again = results(&scene.read("again.csv"));
        assert_eq!(column(&again, "id"), ["gate-1", "gate-2"]);
        assert_eq!(column(&again, "command"), ["stop", "stop"]);
        // Byte for byte: the guard is taken off on reading and put back on writing.
        assert_eq!(column(&again, "note"), ["'=1+1", "a \"b\"\nc"]);
    }
}

#[test]
fn a_pipe_is_not_replaced_by_a_document() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    let pipe = scene.path("pipe.csv");
    let mode = Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
    let call = ["stop", "tasks.csv", "-o", "pipe.csv"];
    scene.call(&call).expect(74).says("no regular file");
    assert_eq!(server.count(), 0);
    assert!(!pipe.metadata().unwrap().is_file());
}

#[test]
fn a_document_that_cannot_be_written_keeps_no_other_from_being() {
    let scene = Scene::new();
    scene.call(&["stop", "--id", "gate-1", "--sandbox", "--rate", "none"]).expect(0);
    let flags = ["report", "-o", "nowhere/a.csv", "-o", "b.csv", "-o", "nowhere/c.json"];
    let ended = scene.call(&flags).expect(74).says("nowhere/a.csv").says("nowhere/c.json");
    assert!(ended.stdout.contains("succeeded") && ended.stdout.contains("b.csv"));
    assert!(!ended.stdout.contains("nowhere"), "{}", ended.stdout);
    assert_eq!(results(&scene.read("b.csv")).len(), 1);
}

#[test]
fn a_document_has_a_filter_of_its_own_beside_the_common_one() {
    let scene = Scene::new();
    let ids = ["gate-1", "gate-failed", "gate-partial"].map(|id| ["--id", id]).concat();
    let call = [&["stop"][..], &ids, &["--sandbox", "-o", "all.csv"]].concat();
    let outputs = ["-o", "failed.csv:only=failed,ambiguous", "-o", "junit.xml:only=partial"];
    scene.call(&[&call[..], &outputs].concat()).expect(1);
    let ids = |name: &str| {
        let text = scene.read(name);
        let rows = text.lines().skip(1).map(|row| row.split(',').next().unwrap().to_owned());
        rows.collect::<Vec<_>>()
    };
    assert_eq!(ids("all.csv"), ["gate-1", "gate-failed", "gate-partial"]);
    assert_eq!(ids("failed.csv"), ["gate-failed"]);
    let junit = scene.read("junit.xml");
    assert!(
        junit.contains("name=\"gate-partial") && !junit.contains("name=\"gate-failed"),
        "{junit}"
    );
    let narrowed = ["report", "-o", "a.csv", "-o", "b.csv:only=succeeded", "--only", "partial"];
    scene.call(&narrowed).expect(0);
    assert_eq!((ids("a.csv"), ids("b.csv")), (vec!["gate-partial".into()], vec!["gate-1".into()]));
    for (value, what) in [
        ("a.csv:only=bad", "`bad` is not an outcome"),
        ("a.html:only=failed", "`a.html` is neither"),
        ("a.csv:only=", "is not an outcome"),
    ] {
        scene.call(&["report", "-o", value]).expect(2).says(what);
    }
}

/// Answers in every way: one succeeds only at its second attempt, one without a sub-task.
fn in_every_way(request: &Request) -> Reply {
    let id = &*request.id;
    match id {
        _ if request.path.contains("?") => Reply::answer(200, r#"{"total":0,"batch_tasks":[]}"#),
        "flaky" if request.attempt == 1 => Reply::answer(503, "busy"),
        "empty" => Reply::trusted(id, 0, 0),
        "partial" => Reply::trusted(id, 1, 1),
        "failed" => Reply::service(400, "VIAS.1", "no"),
        "ambiguous" => Reply::answer(200, "garbled"),
        _ => Reply::trusted(id, 0, 1),
    }
}

const IN_EVERY_WAY: &str = "id\nflaky\nempty\npartial\nfailed\nambiguous\nplain\n";

/// Each word of a filter, and the tasks that it finds.
const FOUND: [(&str, &[&str]); 9] = [
    ("succeeded", &["flaky", "empty", "plain"]),
    ("partial", &["partial"]),
    ("failed", &["failed"]),
    ("ambiguous", &["ambiguous"]),
    ("unchanged", &[]),
    ("not_attempted", &[]),
    ("empty", &["empty"]),
    ("flaky", &["flaky"]),
    ("flaky,empty,partial", &["flaky", "empty", "partial"]),
];

/// Returns the tasks in the results and in the JUnit document.
fn tasks_in(scene: &Scene) -> [Vec<String>; 2] {
    let rows = results(&scene.read("t.csv"));
    let junit = scene.read("t.xml");
    let cases = junit.split("<testcase name=\"").skip(1);
    let name = |case: &str| case.split('"').next().unwrap().to_owned();
    [column(&rows, "id").into_iter().map(str::to_owned).collect(), cases.map(name).collect()]
}

#[test]
fn every_word_of_a_filter_finds_its_tasks_in_every_document_with_rows() {
    let server = Server::start(in_every_way);
    let scene = Scene::with(&server);
    scene.write("tasks.csv", IN_EVERY_WAY);
    let call = ["stop", "tasks.csv", "--max-attempts", "2", "--rate", "none"];
    scene.call(&call).expect(1).prints("\n  flaky               1   succeeded after a retry\n");
    for (words, expected) in FOUND {
        let outputs = [format!("t.csv:only={words}"), format!("t.xml:only={words}")];
        scene.call(&["report", "-o", &outputs[0], "-o", &outputs[1]]).expect(0);
        assert_eq!(tasks_in(&scene), [expected, expected], "{words}");
        scene.call(&["report", "-o", "t.csv", "-o", "t.xml", "--only", words]).expect(0);
        assert_eq!(tasks_in(&scene), [expected, expected], "{words}");
    }
    for name in ["a.html", "a.json", "a.md", "a.prom", "a.ndjson"] {
        let narrowed = format!("{name}:only=flaky");
        scene.call(&["report", "-o", &narrowed]).expect(2).says("narrows results and JUnit");
    }
    let outputs = ["-o", "a.md", "-o", "a.prom", "-o", "a.html", "-o", "a.json"];
    scene.call(&[&["report"][..], &outputs].concat()).expect(0);
    assert!(scene.read("a.md").contains("- Flaky: 1 task succeeded after a retry\n"));
    let metric = "batchctl_last_run_flaky_tasks{job=\"\",command=\"stop\"} 1\n";
    assert!(scene.read("a.prom").contains(metric));
    assert!(scene.read("a.html").contains("succeeded after a retry"));
    assert_eq!(report(&scene.read("a.json"))["flaky"], 1);
    assert!(scene.read("t.xml").contains("<flakyFailure message=\"succeeded at attempt 2\""));
}

#[test]
fn every_command_that_writes_documents_obeys_their_filters() {
    let server = Server::start(in_every_way);
    let scene = Scene::with(&server);
    scene.write("tasks.csv", IN_EVERY_WAY);
    scene.write("plan.csv", IN_EVERY_WAY.replace('\n', ",stop\n").replace("id,stop", "id,command"));
    let flags = ["--max-attempts", "2", "--rate", "none", "-o", "t.csv:only=partial,failed"];
    let junit = ["-o", "t.xml:only=partial,failed"];
    let check = |command: &[&str]| {
        let _ = fs::remove_file(scene.path("t.csv"));
        scene.call(&[command, &flags, &junit].concat()).expect(1);
        assert_eq!(tasks_in(&scene), [["partial", "failed"], ["partial", "failed"]], "{command:?}");
    };
    check(&["start", "tasks.csv"]);
    check(&["stop", "tasks.csv"]);
    check(&["run", "plan.csv"]);
    check(&["resume"]);
    check(&["settle"]);
    check(&["wait", "--wait-timeout", "1s"]);
    check(&["retry", "--yes"]);
}

#[test]
fn tables_that_batchctl_wrote_do_not_grow_as_inputs() {
    let server = Server::start(in_every_way);
    let scene = Scene::with(&server);
    let others = "id,source,outcome,why\nplain,a,b,c\npartial,d,e,f\n";
    scene.write("tasks.csv", others);
    let stop = |input: &str, output: &str| {
        scene.call(&["stop", input, "--rate", "none", "-o", output]).expect(1);
        let text = scene.read(output);
        text.lines().next().unwrap().to_owned()
    };
    let first = stop("tasks.csv", "1.csv");
    assert!(first.ends_with(",error_advice,in_source,in_outcome,why"), "{first}");
    for dialect in ["plain", "excel"] {
        scene.call(&["report", "-o", "1.csv", "--csv-dialect", dialect]).expect(0);
        for round in 1..4 {
            let (input, output) = (format!("{round}.csv"), format!("{}.csv", round + 1));
            assert_eq!(stop(&input, &output), first, "{dialect}, round {round}");
        }
        let rows = results(&scene.read("4.csv"));
        assert_eq!(column(&rows, "in_source"), ["a", "d"]);
        assert_eq!(column(&rows, "in_outcome"), ["b", "e"]);
        assert_eq!(column(&rows, "why"), ["c", "f"]);
    }
    let own = first.strip_suffix(",in_source,in_outcome,why").unwrap();
    scene.call(&["stop", "tasks.csv", "-n", "-o", "plan.csv"]).expect(0);
    assert_eq!(stop("plan.csv", "p.csv"), own);
    scene.write("tasks.csv", "id\npartial\nother\n");
    stop("tasks.csv", "o.csv");
    let runs = scene.runs();
    let first_run = runs[0].trim_end_matches(".db");
    let diff = ["report", "diff", first_run, "latest", "-o", "d.csv"];
    scene.call(&diff).expect(0);
    assert_eq!(stop("d.csv", "q.csv"), own);
}

#[test]
fn nothing_is_left_of_documents_whose_writing_is_cut_short() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("out/results.csv", "old\n");
    let (nameless, mode) = (OFlags::TMPFILE | OFlags::RDWR, Mode::from_raw_mode(0o600));
    if rustix::fs::open(scene.path("out"), nameless, mode).is_err() {
        // Every file of this file system has a name.
        return;
    }
    let ids: Vec<String> = (0..5_000).map(|number| format!("task-{number:04}")).collect();
    scene.write("tasks.txt", ids.join("\n"));
    scene.call(&["stop", "tasks.txt", "--rate", "none", "-q"]).expect(0);
    let report = ["report", "-o", "out/results.csv", "-o", "out/report.html", "-o", "out/a.json"];
    let export = ["runs", "export", "latest", "out/run.sqlite"];
    for millis in (20..400).step_by(20) {
        let writing = [scene.start(&report), scene.start(&export)];
        // It chooses the moment of the end; any is good.
        thread::sleep(Duration::from_millis(millis));
        for running in writing {
            running.kill();
        }
        let _ = fs::remove_file(scene.path("out/run.sqlite"));
    }
    let written = ["results.csv", "report.html", "a.json"];
    let left = || {
        let entries = fs::read_dir(scene.path("out")).unwrap().map(Result::unwrap);
        // The file of an export has a name before anything is in it.
        let filled = entries.filter(|entry| entry.metadata().unwrap().len() > 0);
        let names = filled.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| !written.contains(&name.as_str())).collect::<Vec<_>>()
    };
    // Two steps put a whole file in the place of another, and a kill may come between them.
    let left_between = left();
    assert!(
        left_between.iter().all(|name| name.starts_with(".batchctl-unfinished-")),
        "{left_between:?}"
    );
    scene.call(&report).expect(0);
    assert_eq!(left(), [""; 0]);
}
