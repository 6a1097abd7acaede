//! The pages for those who hear them, use them by keyboard, see little, or have a small screen.

use crate::support::browser::Browser;
use crate::support::devtools::Visit;
use crate::support::program::{Running, Scene};
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use crate::ui::Served;
use serde_json::{Value, json};

/// What a reader of the screen must be able to name.
const NAMED: [&str; 12] = [
    "button",
    "columnheader",
    "combobox",
    "dialog",
    "figure",
    "image",
    "link",
    "navigation",
    "region",
    "search",
    "searchbox",
    "table",
];

/// All outcomes that a call can have.
fn mixed(request: &Request) -> Reply {
    match request.id.split('-').next() {
        Some("bad") => Reply::service(404, "VIAS.00010008", "no such task"),
        Some("half") => Reply::trusted(&request.id, 1, 2),
        _ => Reply::trusted(&request.id, 0, 2),
    }
}

/// A page that is looked at: what it is, and what a reader of the screen is told of it.
struct Looked<'a> {
    name: &'a str,
    nodes: Vec<Value>,
}

impl<'a> Looked<'a> {
    fn at(name: &'a str, visit: &mut Visit) -> Self {
        let tree = visit.call("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().unwrap().iter();
        let nodes: Vec<Value> = nodes.filter(|node| node["ignored"] == false).cloned().collect();
        let looked = Self { name, nodes };
        for role in NAMED {
            let all = looked.names(role);
            assert!(!all.contains(&String::new()), "{name}: a {role} has no name: {all:?}");
        }
        looked
    }

    fn names(&self, role: &str) -> Vec<String> {
        let of_role = self.nodes.iter().filter(|node| node["role"]["value"] == role);
        of_role.map(|node| node["name"]["value"].as_str().unwrap_or_default().into()).collect()
    }

    fn has(&self, role: &str, names: &[&str]) {
        let found = self.names(role);
        for name in names {
            assert!(
                found.iter().any(|it| it == name),
                "{}: no {role} {name}: {found:?}",
                self.name
            );
        }
    }
}

/// Checks colours in the light and in the dark, and the width of a phone.
fn check_looks(name: &str, visit: &mut Visit) {
    for scheme in ["light", "dark"] {
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        visit.call("Emulation.setEmulatedMedia", &media);
        let weak = visit.evaluate(include_str!("contrast.js"));
        assert_eq!(weak, "", "{name}, {scheme}");
    }
    let phone = json!({ "width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true });
    visit.call("Emulation.setDeviceMetricsOverride", &phone);
    visit.wait("innerWidth === 360");
    assert_eq!(visit.evaluate("document.documentElement.scrollWidth"), 360, "{name}");
    visit.call("Emulation.clearDeviceMetricsOverride", &json!({}));
}

/// Goes through a page by Tab: every stop is further down than the one before, and is seen.
fn check_tabs(name: &str, visit: &mut Visit, stops: usize) {
    visit.evaluate("document.activeElement.blur(); window.stops = []");
    for _ in 0..stops {
        visit.press("Tab");
        let stop = "(() => { const it = document.activeElement, before = window.stops.at(-1); window.stops.push(it); \
            if (before && !(before.compareDocumentPosition(it) & Node.DOCUMENT_POSITION_FOLLOWING)) return 'order'; \
            return getComputedStyle(it).outlineStyle === 'none' ? 'unseen' : ''; })()";
        let wrong = visit.evaluate(stop);
        let html = visit.evaluate("document.activeElement.outerHTML.slice(0, 200)");
        assert_eq!(wrong, "", "{name}: {html}");
    }
    let first = visit.evaluate("window.stops[0].className");
    assert_eq!(first, "skip", "{name}: the first stop leads past what is the same everywhere");
}

fn run_in_progress(scene: &Scene) -> Running {
    scene.write("tasks.txt", "gate-1\nbad-1\nhalf-1\ngate-2\n");
    scene.start(&["start", "tasks.txt", "--rate", "1/h", "--max-failures", "100%"])
}

fn open(visit: &mut Visit, following: &str) {
    visit.wait("document.querySelector('.runs a')");
    visit.evaluate("document.querySelector('.runs a').click()");
    visit.wait(&format!("document.body.dataset.live === '{following}'"));
    visit.wait("document.querySelector('output').textContent === '4 tasks'");
}

#[test]
fn every_page_can_be_heard_typed_and_seen() {
    let Some(browser) = Browser::find() else { return };
    let server = Server::start(mixed);
    let scene = Scene::with(&server);
    let run = run_in_progress(&scene);
    let served = Served::start(&scene, &["--control"]);
    let mut visit = browser.visit(&served.url, &[]);
    visit.wait("document.querySelector('.runs .running')");
    let list = Looked::at("list", &mut visit);
    list.has("columnheader", &["Run", "State", "What", "Job", "Planned (UTC)", "Tasks"]);
    list.has("searchbox", &["Search"]);
    list.has("combobox", &["State", "Job"]);
    assert_eq!(list.names("status").len(), 2, "how many are found, and whether they are followed");
    check_tabs("list", &mut visit, 6);
    check_looks("list", &mut visit);

    open(&mut visit, "rows");
    visit.wait("document.querySelector('.control button')");
    visit.wait("document.querySelector('#live').textContent.includes('1 of 4 tasks settled')");
    let live = Looked::at("live", &mut visit);
    live.has("button", &["Pause", "Resume", "Set rate", "Set concurrency", "Drain"]);
    live.has("textbox", &["Rate", "Concurrency"]);
    live.has("region", &["Control", "Outcomes", "Failures by cause", "Latest", "Tasks"]);
    live.has("columnheader", &["Task", "Outcome", "Message"]);
    check_tabs("live", &mut visit, 12);
    check_looks("live", &mut visit);

    visit.evaluate("document.querySelector('.control button').click()");
    visit.wait("document.querySelector('.confirm').open");
    let question = Looked::at("question", &mut visit);
    question.has("dialog", &["Send nothing new until the run is resumed?"]);
    question.has("button", &["Yes", "No"]);
    check_looks("question", &mut visit);
    visit.press("Enter");

    scene.call(&["ctl", "rate", "none"]).expect(0);
    run.ended().expect(1);
    visit.wait("document.body.dataset.live === 'end'");
    visit.wait("document.querySelector('.do button:last-child').textContent === 'Retry'");
    let ended = Looked::at("ended", &mut visit);
    ended.has("button", &["Retry F1", "Retry F2"]);
    check_tabs("ended", &mut visit, 12);
    check_looks("ended", &mut visit);
    visit.evaluate("document.querySelectorAll('tbody button')[1].click()");
    visit.wait("document.querySelector('#task').open");
    let task = Looked::at("task", &mut visit);
    task.has("dialog", &["bad-1"]);
    task.has("columnheader", &["No.", "Sent (UTC)", "What came of it"]);
    check_looks("task", &mut visit);
}
