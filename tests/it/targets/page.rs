//! The HTML page of a run of several targets: an id and its target name a task.

use super::TwoProjects;
use crate::support::browser::Browser;
use crate::support::reply::Reply;
use crate::support::server::Server;

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
