//! The HTML page of a run of several targets: an id and its target name a task.

use super::{START, TwoProjects, list};
use crate::support::browser::Browser;
use crate::support::documents::report;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::ui::Served;

/// The page of a run in which `gate-1` fails in the south alone.
fn page() -> TwoProjects<Server> {
    let two = TwoProjects::with(Server::start(|request| {
        match request.path.contains("/south/") && request.id == "gate-1" {
            true => Reply::service(400, "VIAS.00010005", "no stream"),
            false => Reply::trusted(&request.id, 0, 1),
        }
    }));
    two.scene.write("ids.txt", "gate-1\ngate-2\n");
    let start = ["start", "ids.txt", "--targets", "north,south", "--rate", "none", "-q"];
    let flags = ["--max-failures", "100%", "-o", "page.html"];
    two.scene.call(&[&start[..], &flags].concat()).expect(1);
    two
}

/// Returns the text of a fact in the dialog of a task.
fn fact<'a>(document: &'a str, name: &str) -> &'a str {
    let dialog = document.split("<dialog").nth(1).unwrap();
    let value = dialog.split(&format!("<dt>{name}</dt>")).nth(1).unwrap();
    value.split_once('>').unwrap().1.split_once('<').unwrap().0
}

#[test]
fn equal_ids_of_two_targets_have_an_address_each() {
    let Some(browser) = Browser::find() else { return };
    let two = page();
    let open = |fragment: &str| browser.document(&two.scene.path("page.html"), fragment);
    for (target, outcome) in [("north", "✓ succeeded"), ("south", "✕ failed")] {
        let document = open(&format!("task=gate-1&target={target}"));
        assert_eq!(fact(&document, "Target"), target);
        assert_eq!(fact(&document, "Outcome"), outcome);
    }
    assert_eq!(fact(&open("task=gate-1"), "Target"), "north");
    let south = open("q=south&sort=target");
    assert!(south.contains(">2 of 4 tasks</output>"), "{south}");
    assert_eq!(south.matches(">south</td>").count(), 2, "{south}");
}

#[test]
fn the_page_of_one_project_says_nothing_of_targets() {
    let two = page();
    assert!(two.scene.read("page.html").contains(r#""targets":["north","south"]"#));
    let url = two.server.url();
    let one = ["start", "--id", "gate-2", "--endpoint", &url, "-q", "-o", "one.html"];
    two.scene.call(&one).expect(0);
    assert!(!two.scene.read("one.html").contains(r#""targets":"#));
}

#[test]
fn a_page_that_takes_orders_gives_them_to_one_target() {
    let Some(browser) = Browser::find() else { return };
    let two = TwoProjects::with(Server::obliging());
    two.scene.write("tasks.csv", list(&[("north", 200), ("south", 200)]));
    let mut run = two.scene.start(&[&START[..], &["--rate", "1/s"]].concat());
    run.wait_until_it_says("south: starting with 200 tasks");
    let served = Served::start(&two.scene, &["--control"]);
    let mut visit = browser.visit(&served.url, &[]);
    visit.wait("location.search === '' && document.querySelector('.runs .running')");
    visit.evaluate("document.querySelector('.runs a').click()");
    visit.wait("document.querySelectorAll('.control [name=target] option').length === 3");
    visit.evaluate("document.querySelector('.control [name=target]').value = 'south'");
    visit.evaluate(
        "[...document.querySelectorAll('.control button')].find((it) => it.textContent === 'Pause').click()",
    );
    visit.wait("document.querySelector('.confirm').textContent.startsWith('Target south alone: ')");
    visit.evaluate("document.querySelector('.confirm button').click()");
    visit.wait(
        "document.querySelector('.control [role=status]').textContent.includes('paused, nothing new')",
    );
    let status = report(&two.scene.call(&["ctl", "status", "--json"]).expect(0).stdout);
    assert_eq!(status["targets"]["south"]["state"], "paused");
    assert_eq!(status["targets"]["north"]["state"], "running");
    two.scene.call(&["ctl", "drain"]).expect(0);
    run.ended().expect(3);
}
