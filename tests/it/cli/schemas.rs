//! The documents of the real program keep to the schemas that it prints.

use crate::support::documents::results;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use crate::support::service::Rehearsal;
use batchctl::sandbox::SandboxSettings;
use serde_json::Value;

/// Returns a schema as it is printed.
fn schema(scene: &Scene, document: &str) -> Value {
    serde_json::from_str(&scene.call(&["schema", document]).expect(0).stdout).unwrap()
}

/// Makes a schema refuse every field that it does not name, so that none is forgotten in it.
fn strict(mut schema: Value) -> Value {
    if let Some(object) = schema.as_object_mut() {
        if object.contains_key("properties") && !object.contains_key("additionalProperties") {
            object.insert("additionalProperties".into(), false.into());
        }
        for value in object.values_mut() {
            *value = strict(value.take());
        }
    }
    if let Some(array) = schema.as_array_mut() {
        for value in array {
            *value = strict(value.take());
        }
    }
    schema
}

/// Makes sure that documents keep to a schema.
#[track_caller]
fn check(schema: &Value, documents: &[Value]) {
    let strict = strict(schema.clone());
    let validator =
        jsonschema::draft202012::options().should_validate_formats(true).build(&strict).unwrap();
    assert!(!documents.is_empty());
    for document in documents {
        let errors: Vec<String> = validator
            .iter_errors(document)
            .map(|it| format!("{}: {it}", it.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
    }
}

/// A service with every kind of answer.
fn mixed(request: &Request) -> Reply {
    match (&*request.id, request.attempt) {
        ("gate-2", _) => Reply::counted(&request.id, 3, 1, 2),
        ("gate-3", _) => Reply::service(400, "=cmd", "@SUM(1+1)\n\u{1b}"),
        ("gate-4", _) => Reply::answer(200, "nonsense"),
        ("gate-5", 1) => {
            Reply::gateway(429, "APIGW.0308", "too many").with_header("retry-after", "1")
        }
        ("gate-6", _) => Reply::reset(),
        _ => Reply::trusted(&request.id, 0, 1),
    }
}

fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    let rows: Vec<String> =
        (1..=7).map(|number| format!("gate-{number},\"=1+{number}\"\n")).collect();
    scene.write("tasks.csv", format!("id,note\n{}", rows.concat()));
    scene
}

const CALL: [&str; 14] = [
    "stop",
    "tasks.csv",
    "--rate",
    "none",
    "--job",
    "nightly",
    "--max-attempts",
    "2",
    "-o",
    "report.json",
    "-o",
    "results.csv",
    "-o",
    "events.ndjson",
];

fn rows(text: &str) -> Vec<Value> {
    results(text).into_iter().map(|row| serde_json::to_value(row).unwrap()).collect()
}

#[test]
fn documents_keep_to_their_schemas() {
    let server = Server::start(mixed);
    let scene = scene(&server);
    scene.call(&CALL).expect(1);
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    check(&schema(&scene, "report"), &[json(&scene.read("report.json"))]);
    let events: Vec<Value> = scene.read("events.ndjson").lines().map(json).collect();
    assert!(events.iter().any(|event| event["event"] == "failure_group"));
    check(&schema(&scene, "events"), &events);
    check(&schema(&scene, "results"), &rows(&scene.read("results.csv")));
    let named = schema(&scene, "results")["properties"].as_object().unwrap().clone();
    let header = scene.read("results.csv");
    let header = header.lines().next().unwrap().split(',');
    assert_eq!(header.filter(|name| !named.contains_key(*name)).collect::<Vec<_>>(), ["note"]);
    let excel = scene.call(&["report", "-o", "csv:-", "--csv-dialect", "excel"]).expect(0);
    check(&schema(&scene, "results"), &rows(excel.stdout.trim_start_matches('\u{feff}')));
    scene.call(&["stop", "tasks.csv", "--limit", "2", "--rate", "none"]).expect(1);
    let first = scene.call(&["runs", "list", "--json", "--job", "nightly"]).expect(0);
    let first = json(&first.stdout)[0]["id"].as_str().unwrap().to_owned();
    let diff = scene.call(&["report", "diff", &first, "latest", "--json"]).expect(0);
    check(&schema(&scene, "diff"), &[json(&diff.stdout)]);
    assert_eq!(json(&diff.stdout)["tasks"]["gone"], 5);
    let ids = ["gate-1", "gate-2", "gate-3", "gate-4", "gate-5", "gate-6"];
    let explained = scene.call(&[&["explain", "--json"], &ids[..]].concat()).expect(0);
    check(&schema(&scene, "explain"), &[json(&explained.stdout)]);
}

#[test]
fn a_report_of_a_run_that_never_sent_anything_keeps_to_its_schema() {
    let scene = Scene::new();
    scene.write("tasks.csv", "id\ngate-1\n");
    let call =
        ["stop", "tasks.csv", "--sandbox", "--max-duration", "1ms", "--rate", "1/h", "--json"];
    let report = scene.call(&call);
    check(&schema(&scene, "report"), &[serde_json::from_str(&report.stdout).unwrap()]);
}

/// Finds the places of a schema that name a field and do not describe it.
fn undescribed(schema: &Value, at: &str, found: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        if field["description"].as_str().is_none_or(str::is_empty) {
            found.push(at.clone());
        }
        undescribed(field, &at, found);
        undescribed(&field["items"], &at, found);
    }
    for (index, one) in schema["oneOf"].as_array().into_iter().flatten().enumerate() {
        undescribed(one, &format!("{at}/{index}"), found);
    }
}

#[test]
fn every_field_is_described() {
    let scene = Scene::new();
    for document in ["report", "events", "results", "diff", "plan", "explain", "dump", "tasks"] {
        let mut found = Vec::new();
        let schema = schema(&scene, document);
        assert!(jsonschema::meta::is_valid(&schema), "{document}");
        undescribed(&schema, document, &mut found);
        assert_eq!(found, [""; 0]);
    }
}

#[test]
fn sub_tasks_keep_to_their_schema() {
    let rehearsal = Rehearsal::at_once(SandboxSettings::default());
    rehearsal.scene.call(&["start", "--id", "gate-partial"]).expect(1);
    for detail in [&[][..], &["--detail"]] {
        let call = [&["tasks", "--run", "latest", "--json"], detail].concat();
        let rows = rehearsal.scene.call(&call).expect(0).stdout;
        let rows: Value = serde_json::from_str(&rows).unwrap();
        assert!(!rows.as_array().unwrap().is_empty());
        check(&schema(&rehearsal.scene, "tasks"), &[rows]);
    }
}

#[test]
fn plans_keep_to_their_schema() {
    let rehearsal = Rehearsal::at_once(SandboxSettings::default());
    let scene = &rehearsal.scene;
    scene.write("tasks.txt", "gate-1\ngate-2\ngate-3\n");
    scene.write("except.csv", "id,reason\ngate-2,doors\n");
    let calls: [&[&str]; 4] = [
        &["stop", "tasks.txt", "-n", "--json"],
        &["stop", "tasks.txt", "-n", "--json", "--exclude", "except.csv"],
        &["start", "tasks.txt", "-n", "--json", "--skip-unchanged", "--on-unknown", "send"],
        &["plan", "stop", "tasks.txt", "--json", "--limit", "1"],
    ];
    for call in calls {
        let plan = serde_json::from_str(&scene.call(call).expect(0).stdout).unwrap();
        check(&schema(scene, "plan"), &[plan]);
    }
}
