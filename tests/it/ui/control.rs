//! What a page with `--control` can do, and who else cannot.

use crate::support::browser::Browser;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use crate::ui::follow::listed;
use crate::ui::{Served, Visitor};

/// Refuses the first call of some ids, and carries every other out.
fn bad_at_first(request: &Request) -> Reply {
    match request.id.starts_with("bad") && request.attempt == 1 {
        true => Reply::service(404, "VIAS.00010008", "no such task"),
        false => Reply::trusted(&request.id, 0, 2),
    }
}

#[test]
fn a_run_is_paused_and_changed_and_a_group_is_retried() {
    let server = Server::start(bad_at_first);
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-1\nbad-1\ngate-2\n");
    let served = Served::start(&scene, &["--control"]);
    let visitor = Visitor::enter(&served);
    let mut list = visitor.follow("/events");
    let run = scene.start(&["start", "tasks.txt", "--rate", "1/h", "--max-failures", "100%"]);
    let id = listed(&mut list, "running")["id"].as_str().unwrap().to_owned();
    let mut events = visitor.follow(&format!("/runs/{id}/events?as=rows"));
    assert_eq!(events.next().unwrap().0, "control");

    let paused = visitor.order(&id, r#"{"order":"pause"}"#);
    assert_eq!(paused.status, 200, "{paused:?}");
    assert!(paused.body.contains("paused, nothing new is sent"), "{paused:?}");
    while !events.next().is_some_and(|(name, words)| {
        name == "standing" && words.as_str().unwrap().starts_with("paused: ")
    }) {}
    for (words, expected) in [
        (r#"{"order":"rate","limit":"none"}"#, "no rate limit from now on"),
        (r#"{"order":"concurrency","most":2}"#, "2 at a time from now on"),
        (r#"{"order":"resume"}"#, "going on"),
    ] {
        let done = visitor.order(&id, words);
        assert!(done.status == 200 && done.body.contains(expected), "{done:?}");
    }
    run.ended().expect(1);
    let late = visitor.order(&id, r#"{"order":"drain"}"#);
    assert_eq!(late.status, 409);
    assert!(late.body.contains("is not running: it is finished"), "{late:?}");

    let unknown = visitor.order(&id, r#"{"order":"retry","group":"F9"}"#);
    assert_eq!(unknown.status, 409, "{unknown:?}");
    let retried = visitor.order(&id, r#"{"order":"retry","group":"F1"}"#);
    assert_eq!(retried.status, 200, "{retried:?}");
    // The new run is in the list, and what it calls goes well.
    while !list.next().is_some_and(|(_, runs)| {
        let is_new =
            |run: &serde_json::Value| run["id"] != id.as_str() && run["state"] == "finished";
        runs.as_array().unwrap().iter().any(is_new)
    }) {}
    let report = scene.call(&["report", "--json"]).expect(0).stdout;
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        (&report["tasks"]["succeeded"], &report["input"]["selected"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn orders_of_anybody_else_change_nothing() {
    let server = Server::start(bad_at_first);
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-1\nbad-1\n");
    scene.call(&["start", "tasks.txt"]).expect(1);
    let served = Served::start(&scene, &["--control"]);
    let visitor = Visitor::enter(&served);
    let entry = listed(&mut visitor.follow("/events"), "finished");
    let path = format!("/runs/{}/orders", entry["id"].as_str().unwrap());
    let before = server.count();
    let (own, retry) = (served.host(), r#"{"order":"retry","group":"F1"}"#);
    let (host, cookie) = (("host", own.as_str()), ("cookie", visitor.cookie()));
    let origin = format!("http://{own}");
    let (origin, json) = (("origin", origin.as_str()), ("content-type", "application/json"));
    let site = ("sec-fetch-site", "same-site");
    let long = format!("{{\"order\":\"{}\"}}", "x".repeat(10_000));
    for (status, headers, body) in [
        (421, vec![("host", "evil.example"), cookie, origin, json], retry),
        (403, vec![host, cookie, json], retry),
        (403, vec![host, cookie, ("origin", "null"), json], retry),
        (403, vec![host, cookie, ("origin", "http://127.0.0.1:1"), json], retry),
        (403, vec![host, cookie, origin, site, json], retry),
        (401, vec![host, origin, json], retry),
        (415, vec![host, cookie, origin], retry),
        (415, vec![host, cookie, origin, ("content-type", "text/plain")], retry),
        (400, vec![host, cookie, origin, json], "{}"),
        (400, vec![host, cookie, origin, json], r#"{"order":"retry","group":"F1 --yes"}"#),
        (400, vec![host, cookie, origin, json], r#"{"order":"rate","limit":"-1"}"#),
        (400, vec![host, cookie, origin, json], &long),
    ] {
        assert_eq!(served.post(&path, &headers, body).status, status, "{headers:?} {body:.80}");
    }
    assert_eq!(visitor.get(&path).status, 405);
    // A server without the flag takes no orders at all.
    let reading = Served::start(&scene, &[]);
    let reader = Visitor::enter(&reading);
    let refused = reader.order(entry["id"].as_str().unwrap(), retry);
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("`batchctl ui --control`"), "{refused:?}");
    assert_eq!(server.count(), before);
    scene.call(&["runs", "list", "--json"]).expect(0);
}

#[test]
fn a_person_confirms_each_order_in_the_browser() {
    let Some(browser) = Browser::find() else { return };
    let server = Server::start(bad_at_first);
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-1\nbad-1\ngate-2\n");
    let served = Served::start(&scene, &["--control"]);
    let mut visit = browser.visit(&served.url, &[]);
    visit.wait("location.search === '' && document.querySelector('output').textContent");
    let run = scene.start(&["start", "tasks.txt", "--rate", "1/h", "--max-failures", "100%"]);
    visit.wait("document.querySelector('.runs .running')");
    visit.evaluate("document.querySelector('.runs a').click()");
    let button = |label: &str| {
        format!(
            "[...document.querySelectorAll('.control button')].find((it) => it.textContent === '{label}')"
        )
    };
    let said = |words: &str| {
        format!("document.querySelector('.control [role=status]').textContent.includes('{words}')")
    };
    visit.wait(&button("Pause"));
    // The first answer to a question is No, and the question goes away.
    visit.evaluate(&format!("{}.click()", button("Pause")));
    visit.wait(
        "document.querySelector('.confirm').open && document.activeElement.textContent === 'No'",
    );
    visit.press("Enter");
    visit.wait("!document.querySelector('.confirm')");
    visit.evaluate(&format!("{}.click()", button("Pause")));
    visit.evaluate("document.querySelector('.confirm button').click()");
    visit.wait(&said("paused, nothing new is sent"));
    visit.wait("document.querySelector('#standing').textContent.startsWith('paused: ')");
    visit.evaluate("document.querySelector('[name=rate]').value = 'none'");
    visit.evaluate(&format!("{}.click()", button("Set rate")));
    visit.evaluate("document.querySelector('.confirm button').click()");
    visit.wait(&said("no rate limit from now on"));
    visit.evaluate(&format!("{}.click()", button("Resume")));
    visit.evaluate("document.querySelector('.confirm button').click()");
    run.ended().expect(1);
    visit.wait("document.body.dataset.live === 'end' && document.querySelector('[aria-label=\"Retry F1\"]')");
    visit.evaluate("document.querySelector('[aria-label=\"Retry F1\"]').click()");
    visit.evaluate("document.querySelector('.confirm button').click()");
    visit.wait(&said("again"));
    visit.evaluate("document.querySelector('nav a').click()");
    visit.wait("document.querySelectorAll('.runs .finished').length === 2");
}
