//! `--dump`: the exchanges of tasks that did not succeed, for the vendor's support.

use crate::support::program::Scene;
use crate::support::program::TOKEN;
use crate::support::reply::Reply;
use crate::support::server::Request;
use crate::support::server::Server;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::MetadataExt;

fn moody(request: &Request) -> Reply {
    let id = &*request.id;
    let reply = match (id, request.attempt) {
        ("flaky", 1) | ("garbled", _) => Reply::answer(503, "busy"),
        ("partial", _) => Reply::counted(id, 3, 1, 2),
        ("refused", _) => Reply::service(400, "VIAS.1", &format!("you sent {TOKEN}")),
        ("long", _) => Reply::answer(400, "x".repeat(200_000)),
        ("silent", _) => Reply::silence(),
        ("torn", _) => Reply::cut(r#"{"total_count": 1"#),
        _ => Reply::trusted(id, 0, 1),
    };
    match id {
        "silent" => reply,
        _ => reply.with_header("server", &format!("gw {TOKEN}")).with_header("set-cookie", "a=1"),
    }
}

fn scene(ids: &[&str]) -> (Server, Scene) {
    let server = Server::start(moody);
    let scene = Scene::with(&server);
    scene.write("tasks.csv", format!("id\n{}\n", ids.join("\n")));
    (server, scene)
}

fn lines(scene: &Scene) -> Vec<Value> {
    scene.read("dump").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["id"].as_str().unwrap()).collect()
}

const CALL: [&str; 10] = [
    "stop",
    "tasks.csv",
    "--rate",
    "none",
    "--max-attempts",
    "2",
    "--timeout",
    "1s",
    "--dump",
    "dump",
];

#[test]
fn the_exchanges_of_tasks_that_did_not_succeed_are_kept_without_secrets() {
    let (server, scene) = scene(&["plain", "flaky", "partial", "refused", "torn", "silent"]);
    scene.call(&CALL).expect(1);
    let text = scene.read("dump");
    assert!(!text.contains(TOKEN), "{text}");
    let found = lines(&scene);
    let mut sorted = ids(&found);
    sorted.sort_unstable();
    assert_eq!(sorted, ["partial", "refused", "silent", "silent", "torn", "torn"]);
    let one = |id: &str| found.iter().find(|line| line["id"] == id).unwrap();
    let refused = one("refused");
    assert_eq!(
        (&refused["outcome"], &refused["response"]["status"]),
        (&"failed".into(), &400.into())
    );
    let target = &refused["request"]["target"];
    assert_eq!(refused["request"]["method"], "PUT");
    assert!(target.as_str().unwrap().starts_with(&server.url()), "{target}");
    assert!(refused["response"]["body"].as_str().unwrap().contains("you sent [token]"));
    let header = |of: &str, name: &str| {
        let all = refused[of]["headers"].as_array().unwrap();
        let found = all.iter().find(|header| header["name"] == name);
        found.unwrap_or_else(|| panic!("{name}: {all:?}"))["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(header("request", "x-auth-token"), "[hidden]");
    assert!(header("request", "user-agent").starts_with("batchctl/"));
    assert_eq!(header("response", "server"), "gw [token]");
    assert_eq!(header("response", "set-cookie"), "[hidden]");
    let silent = one("silent");
    assert_eq!((&silent["outcome"], &silent["response"]), (&"ambiguous".into(), &Value::Null));
    assert_eq!(silent["trouble"], "the call was given up before an answer came");
    assert!(one("torn")["trouble"].is_string() && one("torn")["response"]["body"].is_string());
    assert_eq!(fs::metadata(scene.path("dump")).unwrap().mode() & 0o777, 0o600);
    let schema = scene.call(&["schema", "dump"]).expect(0).stdout;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    for line in &found {
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator.iter_errors(line).map(|it| it.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

#[test]
fn bodies_and_the_dump_are_bounded() {
    let (_server, scene) = scene(&["long", "refused", "partial"]);
    scene.call(&CALL).expect(1);
    let found = lines(&scene);
    let long = found.iter().find(|line| line["id"] == "long").unwrap();
    assert_eq!(long["response"]["body_bytes"], 200_000);
    assert!(long["response"]["body"].as_str().unwrap().len() <= (64 << 10) + '…'.len_utf8());
    let full = scene.call(&[&CALL[..], &["--dump-limit", "1kB"]].concat()).expect(1);
    full.says("warning: the dump is full: ").says("left out");
    assert!(fs::metadata(scene.path("dump")).unwrap().len() <= 1_000);
}

#[test]
fn a_resumed_run_appends_and_a_new_one_begins_anew() {
    let (_server, scene) = scene(&["refused", "plain", "partial"]);
    let call = ["--canary", "1"];
    scene.call(&[&CALL[..], &call].concat()).expect(3);
    assert_eq!(ids(&lines(&scene)), ["refused"]);
    scene.call(&["resume", "--dump", "dump"]).expect(1);
    assert_eq!(ids(&lines(&scene)), ["refused", "partial"]);
    scene.call(&CALL).expect(1);
    let found = lines(&scene);
    let mut sorted = ids(&found);
    sorted.sort_unstable();
    assert_eq!(sorted, ["partial", "refused"]);
}

#[test]
fn exchanges_of_tasks_without_an_outcome_are_kept_at_the_end() {
    let (_server, scene) = scene(&["garbled"]);
    let call = ["--max-duration", "300ms", "--max-attempts", "9"];
    scene.call(&[&CALL[..4], &call, &["--dump", "dump"]].concat()).expect(3);
    let found = lines(&scene);
    assert!(!found.is_empty() && found[0]["outcome"].is_null(), "{found:?}");
}

#[test]
fn a_dump_is_not_written_where_it_must_not() {
    let (server, scene) = scene(&["refused"]);
    let call = |path: &str| scene.call(&["stop", "tasks.csv", "--dump", path, "-o", "r.csv"]);
    call("tasks.csv").expect(2).says("is an input; the dump would overwrite it");
    call("r.csv").expect(2).says("is a document; the dump would overwrite it");
    call("/dev/null").expect(2).says("no regular file");
    call("nowhere/dump").expect(74).says("nowhere/dump");
    scene.call(&["stop", "tasks.csv", "--dump-limit", "1MB"]).expect(2).says("there is none");
    assert_eq!(server.count(), 0);
    assert_eq!(scene.runs(), [""; 0]);
}
