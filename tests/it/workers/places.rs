//! Where runs are kept: a database that cannot be used, and commands that work with either.

use super::{Stage, configure};
use crate::support::documents::{column, results};
use crate::support::postgres::Postgres;
use crate::support::program::{Scene, TOKEN};
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};

/// A service whose answer depends on the task alone.
fn answer(request: &Request) -> Reply {
    let id = &*request.id;
    match id.as_bytes().last() {
        Some(b'3') => Reply::trusted(id, 1, 1),
        Some(b'4') => Reply::service(404, "VIAS.00010008", "no such task"),
        Some(b'6') if request.attempt == 1 => Reply::service(503, "VIAS.00010009", "busy"),
        _ => Reply::trusted(id, 0, 1),
    }
}

#[test]
fn a_database_and_a_directory_keep_the_same() {
    let Some(database) = Postgres::start() else { return };
    let server = Server::start(answer);
    let mut scene = Scene::with(&server);
    let rows: Vec<String> = (0..100).map(|number| format!("camera-{number:03},north")).collect();
    scene.write("tasks.csv", format!("id,site\n{}\n", rows.join("\n")));
    let start = ["start", "tasks.csv", "-q", "--rate", "none", "--max-failures", "100%"];
    scene.call(&[&start, &["-o", "directory.csv"][..]].concat()).expect(1);
    configure(&mut scene, &database, &server.url());
    let documents = ["-o", "database.csv", "-o", "r.html", "-o", "r.md", "-o", "r.prom"];
    scene.call(&[&start, &documents[..]].concat()).expect(1);
    let (one, other) =
        (results(&scene.read("directory.csv")), results(&scene.read("database.csv")));
    let names = ["id", "command", "outcome", "http_status", "error_code", "failure_group", "site"];
    for name in names {
        assert_eq!(column(&one, name), column(&other, name), "{name}");
    }
    // The same at any later time, and what reads a run otherwise.
    scene.call(&["report", "-o", "later.csv"]).expect(0);
    assert_eq!(scene.read("later.csv"), scene.read("database.csv"));
    scene.call(&["runs", "show"]).expect(0).prints("database  runs on 127.0.0.1");
    scene.call(&["explain", "camera-004"]).expect(0).prints("no such task");
    scene.call(&["runs", "export", "run.sqlite"]).expect(0);
    let retried = scene.call(&["retry", "-q", "--max-failures", "100%"]);
    assert_eq!(retried.code, Some(1), "{}", retried.stderr);
    assert_eq!(database.number("SELECT tasks FROM batchctl.run ORDER BY no DESC LIMIT 1"), 20);
    scene.call(&["start", "tasks.csv", "-q", "--after", "latest", "--rate", "none"]);
    assert_eq!(database.number("SELECT tasks FROM batchctl.run ORDER BY no DESC LIMIT 1"), 20);
    scene.call(&["runs", "remove", "latest"]).expect(0);
    assert_eq!(database.number("SELECT count(*) FROM batchctl.run"), 2);
}

#[test]
fn neither_tokens_nor_passwords_get_into_the_database() {
    let Some(database) = Postgres::start() else { return };
    let server = Server::start(answer);
    let mut scene = Scene::with(&server);
    configure(&mut scene, &database, &server.url());
    let with_password = database.address("runs").replace("batch@", "batch:s3cret-word@");
    scene.set("BATCHCTL_STORE", &with_password);
    scene.write("tasks.csv", "id\ncamera-1\ncamera-4\n");
    let ended = scene.call(&["start", "tasks.csv", "-v", "--rate", "none"]).expect(1);
    let shown = scene.call(&["config", "show"]).expect(0);
    for text in [database.dump(), ended.stderr, ended.stdout, shown.stdout] {
        assert!(!text.contains(TOKEN) && !text.contains("s3cret-word"), "{text}");
    }
}

#[test]
fn a_database_that_cannot_be_used_is_named_and_nothing_is_sent() {
    let Some(database) = Postgres::start() else { return };
    let server = Server::start(answer);
    let scene = Scene::with(&server);
    scene.write("tasks.csv", "id\ncamera-1\n");
    let start = |store: &str| scene.call(&["start", "tasks.csv", "--store", store]);
    start("postgres://batch:s3cret@127.0.0.1/runs").expect(2).says("holds a password");
    start("postgres://batch@db.example.com/runs?sslmode=disable")
        .expect(2)
        .says("does not protect");
    start("postgres://batch@127.0.0.1").expect(2).says("names no database");
    for other in ["mysql://batch:s3cret@127.0.0.1/runs", "host=db dbname=runs password=s3cret"] {
        let ended = start(other).expect(2).says("another kind");
        assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
    }
    let named = |file: &str| start(&format!("postgres://batch@127.0.0.1/runs?sslrootcert={file}"));
    scene.write("empty.pem", "");
    for (file, fault) in [("nowhere.pem", "No such file"), ("empty.pem", "no certificate in")] {
        named(file).expect(2).says(file).says(fault);
    }
    named(".").expect(2).says("it is a directory");
    start("postgres://batch@127.0.0.1:1/runs").expect(74).says("cannot reach the database runs");
    start(&database.address("nowhere")).expect(74).says("nowhere");
    database.sql("CREATE SCHEMA batchctl");
    start(&database.address("runs")).expect(74).says("is not one of batchctl");
    database.sql("DROP SCHEMA batchctl");
    scene.call(&["runs", "list", "--store", &database.address("runs")]).expect(74).says("no runs");
    start(&database.address("runs")).expect(0);
    assert_eq!(server.requests().len(), 1);
    database.sql("UPDATE batchctl.about SET version = 99");
    start(&database.address("runs")).expect(74).says("have version 99; this batchctl knows ");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_worker_goes_only_where_its_own_configuration_says() {
    let Some(stage) = Stage::answering_in(0) else { return };
    stage.plan(5, &[]);
    stage.call(&["work", "--endpoint", "https://example.com"]).expect(2).says("nothing was sent");
    stage.call(&["work", "--project-id", "project-2"]).expect(2).says("nothing was sent");
    stage.call(&["resume", "--project-id", "project-2"]).expect(2).says("nothing was sent");
    assert_eq!(stage.rehearsal.service.requests(), 0);
    stage.call(&["work", "-q"]).expect(0);
}

#[test]
fn what_workers_do_not_keep_together_is_refused() {
    let Some(stage) = Stage::answering_in(0) else { return };
    let input = stage.rehearsal.input(&["camera-1"]);
    let input = input.to_str().unwrap();
    stage.call(&["start", input, "--shard", "1/2"]).expect(2).says("is for runs in a directory");
    stage.call(&["runs", "path"]).expect(2).says("is about runs in a directory");
    let work = ["work", "--store", "elsewhere"];
    stage.call(&work).expect(2).says("runs in a database");
    let lease = ["start", input, "--lease", "5s", "--store", "elsewhere"];
    stage.call(&lease).expect(2).says("runs in a database");
    assert_eq!(stage.rehearsal.service.requests(), 0);
}

#[test]
fn a_run_in_a_database_excludes_what_its_plan_excludes_and_nothing_more() {
    let Some(stage) = Stage::answering_in(1) else { return };
    let scene = &stage.rehearsal.scene;
    scene.write("night.txt", "camera-00003\n");
    let run = stage.plan(20, &["--exclude", "night.txt"]);
    scene.write("late.txt", "camera-00005\n");
    // It would be called all the same, because the plan is with the workers.
    let refused = stage.call(&["resume", &run, "--exclude", "late.txt"]).expect(2);
    assert!(refused.stderr.contains("retry --exclude FILE"), "{}", refused.stderr);
    assert!(stage.rehearsal.service.witness().carried_out_by_id().is_empty());
    // Workers of other machines do not have the file.
    std::fs::remove_file(scene.path("night.txt")).unwrap();
    stage.call(&["work", "-q"]).expect(0);
    let called = stage.rehearsal.service.witness().carried_out_by_id();
    assert_eq!((called.len(), called.get("camera-00003")), (19, None));
}
