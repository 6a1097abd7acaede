//! States of other services: by a request for each id or by a list, as their files say.

use super::cells;
use super::report;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use crate::support::service::Service;
use batchctl::sandbox::SandboxSettings;
use batchctl::service::ServiceFile;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A sandbox that serves a file, and the program beside it.
struct Rehearsal {
    scene: Scene,
    service: Service,
    _folder: tempfile::TempDir,
}

impl Rehearsal {
    fn new(text: &str, settings: SandboxSettings) -> Self {
        let file = ServiceFile::read(text).unwrap_or_else(|problems| panic!("{problems:?}"));
        let settings = SandboxSettings {
            service: Some(Arc::new(file.service)),
            latency: Duration::ZERO..=Duration::ZERO,
            settle: Duration::ZERO,
            ..settings
        };
        Self::with(text, settings)
    }

    fn with(text: &str, settings: SandboxSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start(settings, folder.path());
        let mut scene = Scene::new();
        scene.set("BATCHCTL_TOKEN", "a-token-of-the-test");
        scene.write("service.toml", text);
        Self { scene, service, _folder: folder }
    }

    /// Returns how many requests of each kind there were since the last time.
    fn kinds(&self, seen: &mut usize) -> BTreeMap<String, usize> {
        let lines = self.service.lines();
        let mut kinds = BTreeMap::new();
        for line in &lines[*seen..] {
            *kinds.entry(line.split('\t').nth(3).unwrap().to_owned()).or_default() += 1;
        }
        *seen = lines.len();
        kinds
    }

    fn words<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let place = ["--endpoint", self.service.url(), "--rate", "none", "-o", "results.csv"];
        [words, &place].concat()
    }

    fn outcomes(&self) -> BTreeMap<String, usize> {
        let mut outcomes = BTreeMap::new();
        for row in cells(&self.scene, &["outcome", "state_before", "state_after"]) {
            *outcomes.entry(row).or_default() += 1;
        }
        outcomes
    }
}

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/services").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn count(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
    pairs.iter().map(|&(word, count)| (word.to_owned(), count)).collect()
}

#[test]
fn a_thousand_users_are_disabled_read_back_left_alone_and_enabled_again() {
    let settings = SandboxSettings { running: 1.0, ..SandboxSettings::default() };
    let keystone = Rehearsal::new(&shipped("keystone-users.toml"), settings);
    let ids: Vec<String> = (0..1_000).map(|number| format!("{number:032x}")).collect();
    keystone.scene.write("users.txt", ids.join("\n"));
    let mut seen = 0;
    let disable = ["do", "disable", "users.txt", "--service", "service.toml", "--skip-unchanged"];
    let dry = keystone.scene.call(&keystone.words(&[&disable[..], &["-n"]].concat()));
    dry.expect(0).prints("states      1,000 requests before the calls, one for each task");
    assert_eq!(keystone.kinds(&mut seen), count(&[("state", 1_000)]));
    let ended =
        keystone.scene.call(&keystone.words(&[&disable[..], &["--wait", "--json"]].concat()));
    let first = report(&ended.expect(0))["run"]["id"].as_str().unwrap().to_owned();
    assert_eq!(keystone.kinds(&mut seen), count(&[("disable", 1_000), ("state", 2_000)]));
    assert_eq!(keystone.outcomes(), count(&[("succeeded enabled disabled", 1_000)]));
    keystone.scene.call(&keystone.words(&disable)).expect(0);
    assert_eq!(keystone.kinds(&mut seen), count(&[("state", 1_000)]));
    assert_eq!(keystone.outcomes(), count(&[("unchanged disabled ", 1_000)]));
    // The file is not needed any more.
    std::fs::remove_file(keystone.scene.path("service.toml")).unwrap();
    keystone.scene.call(&keystone.words(&["revert", &first])).expect(0).prints("1,000");
    let revert = ["revert", &first, "-y", "--wait"];
    keystone.scene.call(&keystone.words(&revert)).expect(0);
    assert_eq!(keystone.kinds(&mut seen)["enable"], 1_000);
    let rows = cells(&keystone.scene, &["command", "outcome", "state_after"]);
    assert!(rows.iter().all(|row| row == "enable succeeded enabled"), "{:?}", rows[0]);
    // Somebody has touched them since: there is nothing to take back.
    keystone.scene.call(&keystone.words(&revert)).says("nothing to take back");
}

#[test]
fn five_hundred_servers_are_settled_by_their_states_and_none_in_doubt_is_sent_twice() {
    let settings = SandboxSettings { drop: 0.05, seed: 7, ..SandboxSettings::default() };
    let nova = Rehearsal::new(&shipped("nova-servers.toml"), settings);
    let id = |number: u32| format!("00000000-0000-4000-8000-{number:012x}");
    let ids: Vec<String> = (0..500).map(id).collect();
    nova.scene.write("servers.txt", ids.join("\n"));
    let start = ["do", "start", "servers.txt", "--service", "service.toml"];
    let all = ["--skip-unchanged", "--wait", "--max-failures", "100%", "--outage-timeout", "1h"];
    nova.scene.call(&nova.words(&[&start[..], &all].concat())).expect(0);
    let doubtful = nova.service.lines().iter().filter(|line| line.ends_with("\tdrop")).count();
    assert!(doubtful > 5, "{doubtful} of 500 calls got no answer");
    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    for line in nova.service.lines().iter().filter(|line| line.contains("\tstart\t")) {
        *calls.entry(line.split('\t').nth(2).unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(calls.len(), 500);
    assert!(calls.values().all(|&count| count == 1));
    assert_eq!(nova.outcomes(), count(&[("succeeded stopped running", 500)]));
    // Exactly what was changed is taken back, and some of that is in doubt again.
    nova.scene.call(&nova.words(&["revert", "latest", "-y", "--wait"])).expect(0);
    let rows = cells(&nova.scene, &["command", "outcome", "state_after"]);
    assert_eq!(rows.len(), 500);
    assert!(rows.iter().all(|row| row == "stop succeeded stopped"), "{rows:?}");
}

#[test]
fn wait_and_settle_look_after_the_run_and_say_when_the_file_has_changed() {
    let settings = SandboxSettings { drop: 0.2, seed: 3, ..SandboxSettings::default() };
    let nova = Rehearsal::new(&shipped("nova-servers.toml"), settings);
    let id = |number: u32| format!("00000000-0000-4000-8000-{number:012x}");
    let ids: Vec<String> = (0..50).map(id).collect();
    nova.scene.write("servers.txt", ids.join("\n"));
    let start = ["do", "start", "servers.txt", "--service", "service.toml"];
    let all = ["--max-failures", "100%", "--outage-timeout", "1h"];
    nova.scene.call(&nova.words(&[&start[..], &all].concat())).expect(1);
    let doubtful = nova.outcomes()["ambiguous  "];
    nova.scene.write("service.toml", "nonsense");
    let settle = nova.scene.call(&nova.words(&["settle"])).expect(0);
    settle.says(&format!("{doubtful} tasks in doubt are where they were sent; 0 left in doubt"));
    let changed = ["wait", "--service", "service.toml"];
    nova.scene.call(&nova.words(&changed)).expect(2).says("leave out `--service`");
    nova.scene.call(&nova.words(&["wait"])).expect(0);
    assert_eq!(nova.outcomes(), count(&[("succeeded  running", 50)]));
}

#[test]
fn an_id_that_the_service_does_not_know_is_told_before_anything_is_sent() {
    let nova = Rehearsal::new(&shipped("nova-servers.toml"), SandboxSettings::default());
    let gone = "9168b536-cd40-4630-b43f-b259807c6e8";
    // The endings of the sandbox do not fit the ids of Nova, so the file allows more here.
    let text = shipped("nova-servers.toml").replace("^[0-9a-f-]{36}$", "^[0-9a-z-]+$");
    drop(nova);
    let nova = Rehearsal::new(&text, SandboxSettings::default());
    nova.scene.write("servers.txt", format!("{gone}\n{gone}-missing\n"));
    let start = ["do", "start", "servers.txt", "--service", "service.toml", "--skip-unchanged"];
    let ended = nova.scene.call(&nova.words(&start)).expect(65);
    ended.says(&format!("{gone}-missing"));
    let mut seen = 0;
    assert_eq!(nova.kinds(&mut seen), count(&[("state", 2)]));
    let skip = nova.words(&[&start[..], &["--on-unknown", "skip"]].concat());
    nova.scene.call(&skip).expect(1);
    assert_eq!(nova.outcomes(), count(&[("failed  ", 1), ("succeeded stopped ", 1)]));
    let send = nova.words(&[&start[..], &["--on-unknown", "send"]].concat());
    nova.scene.call(&send).expect(1);
}

/// Lamps, whose list is asked for in pages as `page` says.
fn lamps(page: &str) -> String {
    format!(
        r#"format = 1
endpoint = "https://lamps.example.com/api"
auth = "bearer"
answer = [
  {{ status = "200..299", means = "done" }},
  {{ status = 404, means = "gone" }},
  {{ status = 409, means = "unchanged" }},
]
[action.on]
method = "PUT"
path = "/lamps/{{id}}/on"
leads_to = "on"
opposite = "off"
[action.off]
method = "PUT"
path = "/lamps/{{id}}/off"
leads_to = "off"
opposite = "on"
[action.scrap]
method = "DELETE"
path = "/lamps/{{id}}"
repeatable = true
leads_to = "gone"
[state]
words = {{ on = ["ON"], off = ["OFF"], changing = ["BUSY"] }}
[state.list]
path = "/lamps"
each = "/lamps"
id = "/id"
word = "/power"
name = "/label"
{page}
"#
    )
}

/// Lamps whose service is somewhere.
fn lamps_at(page: &str, url: &str) -> String {
    lamps(page).replace("https://lamps.example.com/api", url)
}

const PAGINGS: [&str; 7] = [
    "",
    r#"page = { by = "number", param = "page", size_param = "size", size = 40 }"#,
    r#"page = { by = "offset", param = "from", size_param = "size", size = 40 }"#,
    r#"page = { by = "cursor", param = "after", from = "last_id", size_param = "size", size = 40 }"#,
    r#"page = { by = "cursor", param = "mark", from = "/next", size_param = "size", size = 40 }"#,
    r#"page = { by = "next", from = "json /next", size_param = "size", size = 40 }"#,
    r#"page = { by = "next", from = "header Link", size_param = "size", size = 40 }"#,
];

#[test]
fn a_list_is_read_with_each_way_of_asking_for_its_pages() {
    for page in PAGINGS {
        let text = lamps(page);
        let settings = SandboxSettings { tasks: 100, running: 0.5, ..SandboxSettings::default() };
        let lamps = Rehearsal::new(&text, settings);
        let list = ["list", "--service", "service.toml", "--endpoint", lamps.service.url()];
        let all = lamps.scene.call(&list).expect(0).stdout;
        assert_eq!(all.lines().count(), 101, "{page}");
        let on = lamps.scene.call(&[&list[..], &["--state", "on"]].concat()).expect(0).stdout;
        let unknown = lamps.scene.call(&[&list[..], &["--state", "onn"]].concat()).expect(2);
        assert!(unknown.says("`onn` is not a state").stderr.contains("did you mean `on`?"));
        let on = on.lines().count() - 1;
        assert!((20..80).contains(&on), "{on}");
        lamps.scene.write("lamps.csv", all);
        let switch = ["do", "off", "lamps.csv", "--service", "service.toml", "--skip-unchanged"];
        lamps.scene.call(&lamps.words(&[&switch[..], &["--wait"]].concat())).expect(0);
        let expected = [("succeeded on off", on), ("unchanged off ", 100 - on)];
        assert_eq!(lamps.outcomes(), count(&expected), "{page}");
        lamps.scene.call(&lamps.words(&["revert", "latest", "-y", "--wait"])).expect(0);
        assert_eq!(lamps.outcomes(), count(&[("succeeded off on", on)]), "{page}");
    }
}

#[test]
fn a_page_is_read_up_to_eight_mib() {
    let text = "x".repeat(4 << 10);
    let list = |lamps: usize| {
        let lamp = |number| format!(r#"{{"id":"{number}","power":"ON","text":"{text}"}}"#);
        let page = (0..lamps).map(lamp).collect::<Vec<_>>().join(",");
        let body = format!(r#"{{"lamps":[{page}]}}"#);
        let server = Server::start(move |_: &Request| Reply::answer(200, body.as_str()));
        let mut scene = Scene::new();
        scene.set("BATCHCTL_TOKEN", "a-token-of-the-test");
        scene.write("service.toml", lamps_at("", &server.url()));
        scene.call(&["list", "--service", "service.toml"])
    };
    assert_eq!(list(1_000).expect(0).stdout.lines().count(), 1_001);
    list(3_000).expect(1).says("the answer is longer than 8 MiB");
}

#[test]
fn what_is_gone_is_where_a_removal_leads() {
    let settings = SandboxSettings { tasks: 20, drop: 0.3, seed: 1, ..SandboxSettings::default() };
    let lamps = Rehearsal::new(&lamps(PAGINGS[1]), settings);
    let list = ["list", "--service", "service.toml", "--endpoint", lamps.service.url()];
    let all = lamps.scene.call(&list).expect(0).stdout;
    lamps.scene.write("lamps.csv", all);
    let scrap = ["do", "scrap", "lamps.csv", "--service", "service.toml"];
    let way = ["--skip-unchanged", "--wait", "--max-failures", "100%", "--max-attempts", "1"];
    lamps.scene.call(&lamps.words(&[&scrap[..], &way].concat())).expect(0);
    let outcomes = cells(&lamps.scene, &["outcome"]);
    assert!(outcomes.iter().all(|outcome| outcome == "succeeded"), "{outcomes:?}");
    lamps.scene.call(&lamps.words(&[&scrap[..], &["--skip-unchanged"]].concat())).expect(0);
    let outcomes = cells(&lamps.scene, &["outcome"]);
    assert!(outcomes.iter().all(|outcome| outcome == "unchanged"), "{outcomes:?}");
    lamps.scene.call(&lamps.words(&["revert", "latest"])).expect(2).says("`opposite`");
}

#[test]
fn a_token_follows_no_link_to_another_host() {
    let other = Server::start(|_| Reply::answer(200, r#"{"lamps":[]}"#));
    let elsewhere = format!("{}/api/lamps?page=2", other.url());
    for next in [elsewhere.as_str(), "//evil.example/lamps", "https://127.0.0.1/lamps"] {
        let body = format!(r#"{{"lamps":[{{"id":"a","power":"OFF"}}],"next":"{next}"}}"#);
        let server = Server::start(move |request: &Request| match request.method.as_str() {
            "GET" => Reply::answer(200, body.as_str()),
            _ => Reply::answer(200, "{}"),
        });
        let mut scene = Scene::new();
        scene.set("BATCHCTL_TOKEN", "canary-of-the-test");
        scene.write("service.toml", lamps_at(PAGINGS[5], &server.url()));
        let list = ["list", "--service", "service.toml"];
        scene.call(&list).expect(1).says("the link to the next page leads elsewhere");
        // What was not seen is not known, and never keeps a call back.
        scene.write("lamps.txt", "b\n");
        let on = ["do", "on", "lamps.txt", "--service", "service.toml", "--skip-unchanged"];
        scene.call(&[&on[..], &["-o", "results.csv"]].concat()).expect(0);
        assert_eq!(cells(&scene, &["id", "outcome", "state_before"]), ["b succeeded "]);
        for (path, content) in scene.all_files() {
            let canary = b"canary-of-the-test";
            let found = content.windows(canary.len()).any(|part| part == canary);
            assert!(!found, "{}", path.display());
        }
    }
    assert_eq!(other.count(), 0);
}

#[test]
fn flags_that_need_states_name_the_key_that_is_missing() {
    let scene = Scene::new();
    scene.write("things.txt", "1\n");
    let text = lamps("");
    let without_state = text.split("[state]").next().unwrap().to_owned();
    let without_state = without_state.replace("leads_to", "# leads_to").replace("opposite", "# ");
    let without_goal = text.replace("leads_to = \"gone\"\n", "");
    let by_id = text.split("[state.list]").next().unwrap().to_owned()
        + "get = { path = \"/lamps/{id}\", word = \"/power\" }\n";
    let by_id = by_id
        .replace("[state]\n", "[state]\nget = { path = \"/lamps/{id}\", word = \"/power\" }\n");
    let by_id = by_id.rsplit_once("get = ").unwrap().0.to_owned();
    let of_site = by_id.replace("\"/lamps/{id}\", word", "\"/{site}/{id}\", word");
    for (text, words, expected) in [
        (&without_state, &["do", "on", "things.txt", "--wait"][..], "has no `[state]`"),
        (&without_state, &["do", "on", "things.txt", "--skip-unchanged"], "has no `[state]`"),
        (&without_state, &["list"], "has no `[state.list]`"),
        (&without_goal, &["do", "scrap", "things.txt", "--wait"], "`leads_to` in `[action.scrap]`"),
        (&by_id, &["list"], "has no `[state.list]`"),
        (&of_site, &["do", "on", "things.txt", "--wait"], "`site` cannot stand in the path"),
        (&text, &["do", "on", "things.txt", "--drill"], "no sub-tasks"),
        (&text, &["list", "--group", "a"], "`--group` is for VIAS"),
    ] {
        scene.write("service.toml", text);
        let words = [words, &["--service", "service.toml"]].concat();
        scene.call(&words).expect(2).says(expected);
    }
}

#[test]
fn a_dry_run_and_a_stored_plan_look_at_the_states() {
    let settings = SandboxSettings { tasks: 50, running: 0.5, ..SandboxSettings::default() };
    let lamps = Rehearsal::new(&lamps(PAGINGS[2]), settings);
    let list = ["list", "--service", "service.toml", "--endpoint", lamps.service.url()];
    lamps.scene.write("lamps.csv", lamps.scene.call(&list).expect(0).stdout);
    let place = ["--service", "service.toml", "--endpoint", lamps.service.url(), "--rate", "none"];
    let dry = ["do", "on", "lamps.csv", "-n", "--skip-unchanged", "-o", "plan.csv"];
    lamps.scene.call(&[&dry[..], &place].concat()).expect(0);
    let plan = lamps.scene.read("plan.csv");
    assert!(plan.contains(",off") && !plan.contains(",unknown"), "{plan}");
    let stored = ["plan", "do", "on", "lamps.csv", "--skip-unchanged"];
    lamps.scene.call(&[&stored[..], &place].concat()).expect(0);
    let run = lamps.scene.runs().into_iter().next().unwrap().replace(".db", "");
    let first = plan.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    let one = ["do", "on", "--id", &first];
    lamps.scene.call(&[&one[..], &place].concat()).expect(0);
    let apply = ["apply", &run, "--endpoint", lamps.service.url()];
    lamps.scene.call(&apply).expect(65).says("1 task has changed since the plan");
}
