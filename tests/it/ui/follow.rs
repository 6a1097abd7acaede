//! What the pages show: the list, a run that has ended, and a run while it goes on.

use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::ui::{Events, Served, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>";

pub(super) fn some_fail(request: &crate::support::server::Request) -> Reply {
    match request.id.contains("bad") {
        true => Reply::service(404, "VIAS.00010008", HOSTILE),
        false => Reply::trusted(&request.id, 0, 2),
    }
}

/// Returns the JSON block of a page.
pub(crate) fn data(page: &str) -> &str {
    let after = page.split("id=\"data\">").nth(1).unwrap_or_else(|| panic!("{page}"));
    after.split("</script>").next().unwrap()
}

/// Waits for the list to show a run in this state, and returns its entry.
pub(crate) fn listed(events: &mut Events, state: &str) -> Value {
    loop {
        let (_, list) = events.next().expect("the list goes on");
        let found = list.as_array().unwrap().iter().find(|run| run["state"] == state);
        if let Some(found) = found {
            return found.clone();
        }
    }
}

#[test]
fn the_page_of_a_run_that_has_ended_is_the_one_that_report_writes() {
    let server = Server::start(some_fail);
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-1\nbad-1\ngate-2\n");
    let call = ["start", "tasks.txt", "--rate", "none", "--reason", HOSTILE, "-o", "page.html"];
    scene.call(&call).expect(1);
    let served = Served::start(&scene, &[]);
    let visitor = Visitor::enter(&served);

    let entry = listed(&mut visitor.follow("/events"), "finished");
    assert_eq!((&entry["selected"], &entry["outcomes"]["failed"]), (&3.into(), &1.into()));
    assert_eq!(entry["reason"], HOSTILE);
    let list = visitor.get("/").body;
    assert!(!list.contains("<img"), "{list}");

    let page = visitor.get(&format!("/runs/{}", entry["id"].as_str().unwrap()));
    assert_eq!(page.status, 200);
    assert!(page.body.contains("data-live=\"end\""));
    assert_eq!(data(&page.body), data(&scene.read("page.html")));
    assert!(!page.body.contains("<img"), "{}", page.body);
    let policy = page.head.split("content-security-policy: ").nth(1).unwrap();
    let policy = policy.split("\r\n").next().unwrap();
    for part in ["default-src 'none'", "script-src 'sha256-", "connect-src 'self'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
}

/// What a browser has of a run.
#[derive(Default)]
struct Followed {
    rows: BTreeMap<u64, Value>,
    texts: Vec<Value>,
    settled: u64,
    html: String,
}

impl Followed {
    /// Takes events until so many tasks are settled.
    fn until_settled(&mut self, events: &mut Events, tasks: u64) {
        while self.settled < tasks {
            let (name, content) = events.next().expect("the run goes on");
            self.take(&name, &content);
        }
    }

    fn take(&mut self, name: &str, content: &Value) {
        match name {
            "begin" => {
                self.rows.clear();
                self.texts.clear();
            }
            "rows" => {
                self.texts.extend(content["texts"].as_array().unwrap().iter().cloned());
                for row in content["rows"].as_array().unwrap() {
                    self.rows.insert(row[0].as_u64().unwrap(), row[1].clone());
                }
            }
            "head" => {
                self.settled = content["settled"].as_u64().unwrap();
                self.html = content["html"].as_str().unwrap().into();
            }
            "end" | "standing" => {}
            _ => panic!("{name}: {content}"),
        }
    }
}

#[test]
fn a_page_follows_its_run_to_the_end() {
    let server = Server::start(some_fail);
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-1\nbad-1\ngate-2\nbad-2\n");
    let served = Served::start(&scene, &[]);
    let visitor = Visitor::enter(&served);
    let mut list = visitor.follow("/events");
    assert_eq!(list.next().unwrap().1, Value::Array(Vec::new()));

    // One call now, and the next in an hour.
    let run = scene.start(&["start", "tasks.txt", "--rate", "1/h", "--max-failures", "100%"]);
    let id = listed(&mut list, "running")["id"].as_str().unwrap().to_owned();
    let page = visitor.get(&format!("/runs/{id}")).body;
    assert!(page.contains("data-live=\"rows\""), "{page}");
    let mut events = visitor.follow(&format!("/runs/{id}/events?as=rows"));
    let mut followed = Followed::default();
    followed.until_settled(&mut events, 1);
    assert_eq!(followed.rows.len(), 4);
    assert_eq!((&followed.rows[&0][0], &followed.rows[&0][2]), (&"gate-1".into(), &0.into()));
    assert!(followed.rows[&1][4].is_null(), "{}", followed.rows[&1]);

    scene.call(&["ctl", "rate", "none"]).expect(0);
    while let Some((name, content)) = events.next() {
        followed.take(&name, &content);
    }
    run.ended().expect(1);
    assert_eq!(followed.settled, 4);
    assert!(!followed.html.contains("<img"), "{}", followed.html);
    assert!(followed.html.contains("2 of 4 tasks succeeded"), "{}", followed.html);

    // What was followed is what is written.
    let page = visitor.get(&format!("/runs/{id}")).body;
    let written: Value = serde_json::from_str(data(&page)).unwrap();
    let written = written["rows"].as_array().unwrap();
    for (place, row) in written.iter().enumerate() {
        let followed = &followed.rows[&(place as u64)];
        assert_eq!(followed.as_array().unwrap()[..10], row.as_array().unwrap()[..10]);
    }
    assert!(followed.texts.contains(&HOSTILE.into()), "{:?}", followed.texts);
    assert_eq!(listed(&mut list, "finished")["id"], id.as_str());
}

#[test]
fn browsers_that_come_at_different_times_see_the_same() {
    let server = Server::start(some_fail);
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "bad-1\ngate-1\ngate-2\nbad-2\n");
    let served = Served::start(&scene, &[]);
    let visitor = Visitor::enter(&served);
    let run = scene.start(&["start", "tasks.txt", "--rate", "1/h", "--max-failures", "100%"]);
    let id = listed(&mut visitor.follow("/events"), "running")["id"].as_str().unwrap().to_owned();
    let open = || {
        visitor.get(&format!("/runs/{id}"));
        visitor.follow(&format!("/runs/{id}/events?as=rows"))
    };
    let (mut one, mut first) = (Followed::default(), open());
    one.until_settled(&mut first, 1);
    let (mut other, mut second) = (Followed::default(), open());
    other.until_settled(&mut second, 1);
    assert_eq!((&one.rows, &one.texts), (&other.rows, &other.texts));
    assert_eq!((one.rows.len(), &one.rows[&0][7]), (4, &1.into()));

    // The first browser goes, and comes back when more has happened.
    drop(first);
    scene.call(&["ctl", "rate", "none"]).expect(0);
    let (mut again, mut third) = (Followed::default(), open());
    for (followed, events) in [(&mut other, &mut second), (&mut again, &mut third)] {
        while let Some((name, content)) = events.next() {
            followed.take(&name, &content);
        }
    }
    run.ended().expect(1);
    assert_eq!((other.settled, again.settled), (4, 4));
    assert_eq!((&other.rows, &other.texts), (&again.rows, &again.texts));
}

#[test]
fn a_run_that_is_removed_is_gone_from_the_list() {
    let server = Server::start(some_fail);
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-1\n");
    scene.call(&["start", "tasks.txt"]).expect(0);
    let served = Served::start(&scene, &[]);
    let visitor = Visitor::enter(&served);
    let mut list = visitor.follow("/events");
    let id = listed(&mut list, "finished")["id"].as_str().unwrap().to_owned();
    let mut page = visitor.follow(&format!("/runs/{id}/events?as=end"));
    scene.call(&["runs", "remove", &id]).expect(0);
    // While it is removed, a look may find that a process is on it.
    while list.next().expect("the list goes on").1 != Value::Array(Vec::new()) {}
    let last = page.next().unwrap().0;
    assert!(last == "gone" || last == "end", "{last}");
    assert_eq!(visitor.get(&format!("/runs/{id}")).status, 404);
}
