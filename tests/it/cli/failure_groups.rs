//! Failures by cause: few groups of very many, the same in every format, each to be retried alone.

use crate::support::documents::column;
use crate::support::documents::report;
use crate::support::documents::results;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use serde_json::Value;
use std::collections::BTreeSet;

/// How many tasks fail.
const TASKS: usize = 10_000;
/// Fails fast and goes on: every task fails on purpose.
const EAGER: [&str; 8] =
    ["--rate", "none", "-j", "64", "--max-attempts", "1", "--max-failures", "10001"];

fn number_of(request: &Request) -> usize {
    request.id.rsplit('-').next().unwrap().parse().unwrap()
}

/// Seven causes, the first the most frequent, whose messages all differ.
fn seven_causes(request: &Request) -> Reply {
    let (id, number) = (&*request.id, number_of(request));
    let (minute, hex) = (number % 60, number * 2_654_435_761);
    let at = format!("2024-07-05T12:{minute:02}:07.{number:06}Z");
    match number % 28 {
        0..7 => Reply::service(500, "VIAS.00010012", &format!("task {id} may not stop at {at}")),
        7..13 => {
            let message = format!("quota of {number} channels is used up by \"Gate {number} N\"");
            Reply::service(500, "VIAS.00010012", &message)
        }
        13..18 => {
            let uuid = format!("{number:08x}-0000-4000-8000-{hex:012x}");
            Reply::service(404, "VIAS.00010008", &format!("no such task: {uuid}"))
        }
        18..22 => {
            let address = format!("10.0.{}.{}:{}", number % 200, minute, 1_000 + number);
            Reply::service(400, "VIAS.00010005", &format!("`{address}` is no stream of {id}"))
        }
        22..25 => Reply::service(403, "VIAS.00010006", &format!("handle {hex:#x} is locked")),
        25..27 => Reply::trusted(id, 1 + (number % 5) as u64, 0),
        _ => {
            let message = format!("node fe80::{:x}:dead timed out after {number} ms", number % 999);
            Reply::service(500, "VIAS.00010009", &message)
        }
    }
}

fn ids() -> String {
    (0..TASKS).map(|number| format!("cam-{number:05}\n")).collect()
}

fn groups(scene: &Scene) -> Vec<Value> {
    let json = scene.call(&["report", "--json"]).expect(0).stdout;
    report(&json)["failures"].as_array().unwrap().clone()
}

#[test]
fn ten_thousand_failures_of_seven_causes_are_seven_groups() {
    let server = Server::start(seven_causes);
    let scene = Scene::with(&server);
    scene.write("tasks.txt", ids());
    let stop = [&["stop", "tasks.txt"], EAGER.as_slice()].concat();
    let summary = scene.call(&stop).expect(1).stdout;

    let groups = groups(&scene);
    let labels: Vec<&str> = groups.iter().map(|group| group["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["F1", "F2", "F3", "F4", "F5", "F6", "F7"]);
    let counts: Vec<u64> = groups.iter().map(|group| group["count"].as_u64().unwrap()).collect();
    assert_eq!(counts.iter().sum::<u64>(), TASKS as u64);
    assert!(counts.is_sorted_by(|one, other| one > other), "{counts:?}");
    let shares: f64 = groups.iter().map(|group| group["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 0.001, "{shares}");
    let retryable: Vec<bool> =
        groups.iter().map(|group| group["retryable"].as_bool().unwrap()).collect();
    assert_eq!(retryable, [false, false, false, false, false, false, true]);
    let templates: Vec<&str> =
        groups.iter().map(|group| group["message_template"].as_str().unwrap()).collect();
    assert_eq!(
        templates[..5],
        [
            "task … may not stop at …",
            "quota of … channels is used up by \"…\"",
            "no such task: …",
            "`…` is no stream of …",
            "handle … is locked",
        ]
    );
    for (group, label) in groups.iter().zip(labels) {
        assert_eq!(group["examples"].as_array().unwrap().len(), 3);
        assert!(group["first_at"].as_str() < group["last_at"].as_str(), "{group}");
        let command = group["retry_command"].as_str().unwrap();
        assert!(command.ends_with(&format!("--group {label}")), "{command}");
        assert!(summary.contains(command), "{summary}");
    }
}

#[test]
fn a_retry_of_a_group_takes_its_tasks_and_no_other() {
    let server = Server::start(seven_causes);
    let scene = Scene::with(&server);
    let ids: String = (0..84).map(|number| format!("cam-{number:05}\n")).collect();
    scene.write("tasks.txt", ids);
    scene.call(&[&["stop", "tasks.txt"], EAGER.as_slice()].concat()).expect(1);
    let wanted = groups(&scene)[1].clone();
    let run = wanted["retry_command"].as_str().unwrap().split(' ').nth(2).unwrap().to_owned();

    let call = ["retry", &run, "--group", "f2", "-o", "again.csv", "--reason", "the quota grew"];
    scene.call(&call).expect(1);
    let taken: Vec<usize> = results(&scene.read("again.csv"))
        .iter()
        .map(|row| row["id"].rsplit('-').next().unwrap().parse().unwrap())
        .collect();
    let expected: Vec<usize> = (0..84).filter(|number| (7..13).contains(&(number % 28))).collect();
    assert_eq!(taken, expected);
    assert_eq!(wanted["count"], taken.len());

    let preview = ["retry", &run, "--group", "F6,F7", "-n"];
    let previewed = scene.call(&preview).expect(0);
    let previewed = previewed.prints("stop: 9 batch tasks would be called");
    let previewed = previewed.says("F6: 6 tasks, service 200: all sub-tasks failed\n");
    previewed.says("F7: 3 tasks, service 500 VIAS.00010009: node … timed out after … ms\n");
    let narrowed = ["retry", &run, "--group", "F2", "--status", "404", "-n"];
    scene.call(&narrowed).expect(0).prints("stop: 0 batch tasks would be called");
}

/// Seven causes among 84 tasks, and then eight that succeed.
fn mostly_failing(request: &Request) -> Reply {
    match number_of(request) {
        0..84 => seven_causes(request),
        _ => Reply::trusted(&request.id, 0, 1),
    }
}

/// A run of the tasks that most fail of, with the documents that are asked for.
fn run_with(scene: &Scene, documents: &[&str]) {
    let rows: String = (0..92).map(|number| format!("cam-{number:05},=1+{number}\n")).collect();
    scene.write("tasks.csv", format!("id,note\n{rows}"));
    let outputs = documents.iter().flat_map(|&document| ["-o", document]);
    let call: Vec<&str> = ["stop", "tasks.csv"].into_iter().chain(EAGER).chain(outputs).collect();
    scene.call(&call).expect(1);
}

#[test]
fn results_name_the_groups_of_the_report_that_a_retry_takes() {
    let server = Server::start(mostly_failing);
    let scene = Scene::with(&server);
    run_with(&scene, &["results.csv"]);
    let rows = results(&scene.read("results.csv"));
    let labels = column(&rows, "failure_group");
    for group in groups(&scene) {
        let count = labels.iter().filter(|&&label| group["label"] == label).count();
        assert_eq!(group["count"], count, "{group}");
    }
    assert_eq!(labels[84..], [""; 8]);
    assert!(labels[..84].iter().all(|label| !label.is_empty()), "{labels:?}");

    scene.call(&["retry", "latest", "--group", "F3", "-o", "again.csv"]).expect(1);
    let again = results(&scene.read("again.csv"));
    let of_group = rows.iter().filter(|row| row["failure_group"] == "F3");
    assert_eq!(column(&again, "id"), of_group.map(|row| row["id"].as_str()).collect::<Vec<_>>());
    // In the new run it is the only cause.
    assert_eq!(column(&again, "failure_group"), ["F1"; 15]);
}

#[test]
fn results_with_groups_are_an_input_again() {
    let server = Server::start(mostly_failing);
    let scene = Scene::with(&server);
    run_with(&scene, &["results.csv"]);
    let excel = scene.call(&["report", "-o", "csv:-", "--csv-dialect", "excel"]).expect(0).stdout;
    scene.write("excel.csv", excel);
    let first_text = scene.read("results.csv");
    let first_header = first_text.lines().next().unwrap();
    let first = results(&first_text);
    for input in ["results.csv", "excel.csv"] {
        scene.call(&[&["stop", input, "-o", "again.csv"], &EAGER[..]].concat()).expect(1);
        let text = scene.read("again.csv");
        let header = text.lines().next().unwrap();
        // Our columns of the first run are replaced, and those of the input stay.
        assert_eq!(header, first_header);
        let again = results(&text);
        assert_eq!(column(&again, "failure_group"), column(&first, "failure_group"), "{input}");
        assert_eq!(column(&again, "note"), column(&first, "note"), "{input}");
    }
}

#[test]
fn metrics_name_the_groups_of_the_report() {
    let server = Server::start(mostly_failing);
    let scene = Scene::with(&server);
    run_with(&scene, &["batchctl.prom"]);
    let metrics = scene.read("batchctl.prom");
    let groups = groups(&scene);
    let sizes = "batchctl_last_run_failure_group_tasks{";
    assert_eq!(metrics.lines().filter(|line| line.starts_with(sizes)).count(), groups.len());
    for group in groups {
        let text = |name: &str| group[name].as_str().unwrap_or_default().to_owned();
        let own = format!(
            "group=\"{}\",kind=\"{}\",http_status=\"{}\",error_code=\"{}\",retryable=\"{}\"}} {}\n",
            text("label"),
            text("kind"),
            group["http_status"],
            text("error_code"),
            group["retryable"],
            group["count"],
        );
        let line = format!("{sizes}job=\"\",command=\"stop\",{own}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
}

#[test]
fn a_group_that_the_run_does_not_have_is_an_error_with_those_it_has() {
    let server = Server::start(seven_causes);
    let scene = Scene::with(&server);
    scene.call(&[&["stop", "--id", "cam-00001"], EAGER.as_slice()].concat()).expect(1);
    let before: BTreeSet<String> = scene.runs().into_iter().collect();
    scene
        .call(&["retry", "--group", "F2"])
        .expect(2)
        .says("has no group of failures `F2`: there is only `F1`")
        .says("hint: `batchctl report ");
    scene.call(&["retry", "--group", "timeouts"]).expect(2).says("such as `F2`");
    assert_eq!(scene.runs().into_iter().collect::<BTreeSet<_>>(), before);
}

/// The six fields of the service's error, each with a word of its own.
fn explained(_: &Request) -> Reply {
    let body = serde_json::json!({
        "error_code": "VIAS.00010002", "error_msg": "An internal error occurs.",
        "detail": "Request method 'GET' not supported", "params": ["northern", "southern"],
        "reason": "the lens is dirty", "advice": "clean the lens",
    });
    Reply::answer(400, body.to_string())
}

#[test]
fn every_field_of_an_error_is_in_every_document() {
    let server = Server::start(explained);
    let scene = Scene::with(&server);
    scene.call(&["stop", "--id", "cam-1", "-o", "events.ndjson"]).expect(1);
    // Read back later, as a report of last month is.
    let documents = ["results.csv", "report.json", "report.md", "junit.xml", "page.html"];
    let outputs = documents.iter().flat_map(|&document| ["-o", document]);
    let call: Vec<&str> = std::iter::once("report").chain(outputs).collect();
    let summary = scene.call(&call).expect(0).stdout;
    let texts = documents.map(|document| (document, scene.read(document)));
    let events = ("events.ndjson", scene.read("events.ndjson"));
    // One word a line is enough, because the summary wraps its texts.
    for (document, text) in texts.into_iter().chain([events, ("summary", summary)]) {
        for word in ["VIAS.00010002", "internal", "GET", "northern", "southern", "lens", "clean"] {
            assert!(text.contains(word), "{word} in {document}: {text}");
        }
    }
    let group = &groups(&scene)[0];
    assert_eq!(group["detail"], "Request method 'GET' not supported");
    assert_eq!(group["params"], serde_json::json!(["northern", "southern"]));
    let junit = scene.read("junit.xml");
    let output = junit.split("<system-out>").nth(1).unwrap();
    for word in ["GET", "northern; southern", "dirty", "clean the lens"] {
        assert!(output.contains(word), "{word}: {output}");
    }
}

#[test]
fn where_the_detail_alone_says_what_is_wrong_it_is_shown_as_the_message() {
    let server = Server::start(|_: &Request| {
        Reply::answer(400, r#"{"error_code":"VIAS.00010005","detail":"no stream there"}"#)
    });
    let scene = Scene::with(&server);
    let stop = ["stop", "--id", "cam-1", "-o", "junit.xml", "-o", "report.md"];
    scene.call(&stop).expect(1).prints("VIAS.00010005: no stream there");
    assert!(scene.read("junit.xml").contains("message=\"VIAS.00010005: no stream there\""));
    assert!(scene.read("report.md").contains("`VIAS.00010005` `no stream there`"));
}
