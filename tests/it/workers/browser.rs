//! The runs of a database in a browser: the list, a run with its workers, and orders to all of them.

use super::Stage;
use crate::support::postgres::Postgres;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::service::wait_until;
use crate::ui::follow::{data, listed};
use crate::ui::{Events, Served, Visitor};
use serde_json::Value;

/// Waits for an event of this name whose content is as wanted, and returns that.
fn await_event(events: &mut Events, name: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    loop {
        let (found, content) = events.next().expect("the run goes on");
        if found == name && is_it(&content) {
            return content;
        }
    }
}

#[test]
fn a_page_follows_the_workers_of_a_run_and_orders_all_of_them() {
    let Some(stage) = Stage::answering_in(5) else { return };
    let id = stage.plan(300, &["--rate", "20/s", "--lease", "2s"]);
    let served = Served::start(&stage.rehearsal.scene, &["--control"]);
    let visitor = Visitor::enter(&served);
    let mut list = visitor.follow("/events");
    assert_eq!(listed(&mut list, "planned")["id"], id.as_str());
    let mut workers: Vec<_> = (0..2).map(|_| stage.worker()).collect();
    listed(&mut list, "running");
    let page = visitor.get(&format!("/runs/{id}")).body;
    assert!(page.contains("data-live=\"rows\""), "{page}");

    let mut events = visitor.follow(&format!("/runs/{id}/events?as=rows"));
    let words = |content: &Value| content.as_str().unwrap().to_owned();
    await_event(&mut events, "standing", |content| words(content).contains("2 workers, "));
    await_event(&mut events, "head", |content| content["settled"].as_u64().unwrap() >= 10);
    workers.remove(0).kill();
    await_event(&mut events, "standing", |content| words(content).contains("1 worker, "));
    // On a busy machine the whole page may come after some seconds. A run that is paused waits for it.
    let taken_over = "SELECT count(*) FROM batchctl.takeover";
    wait_until("the takeover", || stage.database.number(taken_over) > 0);
    let paused = visitor.order(&id, r#"{"order":"pause"}"#);
    assert!(paused.status == 200 && paused.body.contains("paused, nothing new"), "{paused:?}");
    await_event(&mut events, "standing", |content| words(content).starts_with("paused: "));
    await_event(&mut events, "head", |content| {
        content["html"].as_str().unwrap().contains("Taken over")
    });
    for (order, expected) in [
        (r#"{"order":"rate","limit":"none"}"#, "no rate limit from now on"),
        (r#"{"order":"concurrency","most":4}"#, "4 at a time from now on"),
        (r#"{"order":"resume"}"#, "going on"),
        (r#"{"order":"resume"}"#, "like that before"),
    ] {
        let done = visitor.order(&id, order);
        assert!(done.status == 200 && done.body.contains(expected), "{done:?}");
    }
    while events.next().is_some() {}
    for worker in workers {
        worker.ended().expect(0);
    }
    stage.check(300);
    listed(&mut list, "finished");
    let late = visitor.order(&id, r#"{"order":"drain"}"#);
    assert!(late.status == 409 && late.body.contains("it is finished"), "{late:?}");

    // The page is the one that a report writes, and what is removed is gone.
    let page = visitor.get(&format!("/runs/{id}")).body;
    assert!(page.contains("data-live=\"end\""));
    stage.call(&["report", "-o", "page.html"]).expect(0);
    assert_eq!(data(&page), data(&stage.rehearsal.scene.read("page.html")));
    stage.call(&["runs", "remove", &id]).expect(0);
    while list.next().expect("the list goes on").1 != Value::Array(Vec::new()) {}
    assert_eq!(visitor.get(&format!("/runs/{id}")).status, 404);
}

#[test]
fn a_group_of_failures_is_retried_in_the_database_of_its_run() {
    let Some(database) = Postgres::start() else { return };
    let server =
        Server::start(|request| match request.id.starts_with("bad") && request.attempt == 1 {
            true => Reply::service(404, "VIAS.00010008", "no such task"),
            false => Reply::trusted(&request.id, 0, 2),
        });
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-1\nbad-1\ngate-2\n");
    let store = database.address("runs");
    let start = ["start", "tasks.txt", "--rate", "none", "--max-failures", "100%", "--store"];
    scene.call(&[&start[..], &[&*store]].concat()).expect(1);
    let served = Served::start(&scene, &["--control", "--store", &store]);
    let visitor = Visitor::enter(&served);
    let mut list = visitor.follow("/events");
    let id = listed(&mut list, "finished")["id"].as_str().unwrap().to_owned();
    let retried = visitor.order(&id, r#"{"order":"retry","group":"F1"}"#);
    assert_eq!(retried.status, 200, "{retried:?}");
    let is_new = |run: &Value| run["id"] != id.as_str() && run["state"] == "finished";
    while !list.next().is_some_and(|(_, runs)| runs.as_array().unwrap().iter().any(is_new)) {}
    assert_eq!(database.number("SELECT tasks FROM batchctl.run ORDER BY no DESC LIMIT 1"), 1);
    assert_eq!(scene.runs(), [""; 0], "a run is in the directory");
    let of_one = visitor.order(&id, r#"{"order":"pause","target":"north"}"#);
    assert!(of_one.status == 409 && of_one.body.contains("targets"), "{of_one:?}");
}

#[test]
fn pages_go_on_when_a_database_that_was_away_comes_back() {
    let Some(mut database) = Postgres::start() else { return };
    let server = Server::start(|request| Reply::trusted(&request.id, 0, 2));
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-1\n");
    let store = database.address("runs");
    scene.call(&["start", "tasks.txt", "--store", &store]).expect(0);
    let served = Served::start(&scene, &["--store", &store]);
    let visitor = Visitor::enter(&served);
    let mut list = visitor.follow("/events");
    let id = listed(&mut list, "finished")["id"].as_str().unwrap().to_owned();
    let mut page = visitor.follow(&format!("/runs/{id}/events?as=end"));
    database.crash();
    let said = await_event(&mut list, "trouble", |_| true);
    assert!(said.as_str().unwrap().contains("database"), "{said}");
    await_event(&mut page, "trouble", |_| true);
    database.begin();
    // The whole list: nobody knows what has happened meanwhile.
    let all = await_event(&mut list, "all", |_| true);
    assert_eq!(all[0]["id"], id.as_str());
    await_event(&mut page, "back", |_| true);
    scene.call(&["runs", "remove", &id, "--store", &store]).expect(0);
    while list.next().expect("the list goes on").1 != Value::Array(Vec::new()) {}
    await_event(&mut page, "gone", |_| true);
}
