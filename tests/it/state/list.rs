//! `list`: what the project has, as a table, CSV and JSON, and as an input again.

use crate::support::program::Scene;
use crate::support::program::TOKEN;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::service::Rehearsal;
use batchctl::sandbox::SandboxSettings;
use serde_json::Value;
use serde_json::json;
use std::time::Duration;

fn ids(csv: &str) -> Vec<&str> {
    csv.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect()
}

fn half_running(tasks: u32) -> Rehearsal {
    Rehearsal::at_once(SandboxSettings {
        tasks,
        running: 0.5,
        settle: Duration::ZERO,
        ..SandboxSettings::default()
    })
}

#[test]
fn every_task_is_listed_once_in_as_few_pages_as_there_can_be() {
    let rehearsal = half_running(1_000);
    let csv = rehearsal.scene.call(&["list"]).expect(0).stdout;
    assert!(csv.starts_with("id,name,tasks,state,counters,created\n"), "{csv}");
    let mut ids = ids(&csv);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1_000);
    assert_eq!(rehearsal.service.witness().tally().lists, 5);
}

#[test]
fn what_is_listed_is_an_input() {
    let rehearsal = half_running(100);
    let csv = rehearsal.scene.call(&["list", "--state", "running"]).expect(0).stdout;
    let running = ids(&csv).len();
    assert!((1..100).contains(&running), "{running}");
    let stop = ["stop", "-", "--json"];
    let ended = rehearsal.scene.call_with_input(&stop, csv.as_bytes()).expect(0);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["tasks"]["succeeded"], running);
    let left = rehearsal.scene.call(&["list", "--state", "running"]).expect(0).stdout;
    assert_eq!(left, "id,name,tasks,state,counters,created\n");
}

#[test]
fn a_list_of_nothing_says_why_and_keeps_its_output_for_programs() {
    let none = Rehearsal::at_once(SandboxSettings { tasks: 0, ..SandboxSettings::default() });
    let some = half_running(2);
    let narrow = ["--name", "zzz", "--state", "bad"];
    for (rehearsal, flags, why) in [
        (&none, &[][..], "the list of the service is empty\n"),
        (&some, &narrow[..2], "no task of the list is what `--name` asks for\n"),
        (&some, &narrow, "no task of the list is what `--state` and `--name` ask for\n"),
    ] {
        let call = [&["list"], flags].concat();
        let ended = rehearsal.scene.call(&call).expect(0);
        assert_eq!(ended.stdout, "id,name,tasks,state,counters,created\n");
        assert_eq!(ended.stderr, why);
        let json = rehearsal.scene.call(&[&call[..], &["--json"]].concat()).expect(0);
        assert_eq!((&*json.stdout, &*json.stderr), ("[]\n", ""));
    }
    assert_eq!(some.scene.call(&["list"]).expect(0).stderr, "");
}

#[test]
fn names_groups_and_states_narrow() {
    let rehearsal = half_running(100);
    let list = |flags: &[&str]| rehearsal.scene.call(&[&["list"], flags].concat()).expect(0).stdout;
    assert_eq!(ids(&list(&["--name", "* task-00004?"])).len(), 10);
    let gates = list(&["--group", "gate"]);
    assert!(ids(&gates).len() < 100 && !ids(&gates).is_empty());
    assert!(gates.lines().skip(1).all(|line| line.contains(",gate task-")), "{gates}");
    let both = list(&["--state", "RUNNING,stopped"]);
    assert_eq!(ids(&both).len(), 100);
    rehearsal.scene.call(&["list", "--state", "no such"]).expect(2).says("is not a state");
}

#[test]
fn json_has_everything_that_the_service_says() {
    let rehearsal = half_running(7);
    let ended = rehearsal.scene.call(&["list", "--json"]).expect(0);
    let list: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 7);
    assert_eq!(list[0]["others"]["priority"], 1);
    let none = rehearsal.scene.call(&["list", "--json", "--name", "nothing"]).expect(0);
    assert_eq!(none.stdout, "[]\n");
}

/// A service whose n-th page is what a script says.
fn paged(page: impl Fn(u32) -> Value + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        let number = request.path.split("page_num=").nth(1).unwrap();
        let number = number.split('&').next().unwrap().parse().unwrap();
        Reply::answer(200, page(number).to_string())
    })
}

fn entries(ids: std::ops::Range<u32>) -> Vec<Value> {
    let entry = |id: u32| json!({ "id": format!("task-{id}"), "num_task": 1 });
    ids.map(entry).collect()
}

/// Checks that a list is refused with words about what is wrong, and that nothing is printed.
#[track_caller]
fn check_refused(page: impl Fn(u32) -> Value + Send + Sync + 'static, code: i32, words: &str) {
    let server = paged(page);
    let ended = Scene::with(&server).call(&["list", "--rate", "none"]).expect(code).says(words);
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_list_that_may_not_be_whole_is_not_printed() {
    let same = |_| json!({ "count": 1_000, "batch_task_list": entries(0..200) });
    check_refused(same, 1, "page 2 of the list came twice");
    let short = |number| match number {
        1 => json!({ "count": 9, "batch_task_list": entries(0..3) }),
        _ => json!({ "count": 9, "batch_task_list": [] }),
    };
    check_refused(short, 1, "the list has 3 of the 9 tasks it says it has");
    let shrinking = |number| match number {
        1 => json!({ "count": 300, "batch_task_list": entries(0..200) }),
        _ => json!({ "count": 299, "batch_task_list": entries(200..299) }),
    };
    check_refused(shrinking, 1, "the list became shorter while it was read");
    check_refused(|_| json!({ "tasks": [] }), 1, "no list of batch tasks is in `{\"tasks\":[]}`");
    check_refused(|_| json!({ "count": 1, "batch_task_list": [{}] }), 1, "have no id");
}

#[test]
fn more_than_was_claimed_is_listed() {
    let server = paged(|_| json!({ "count": 1, "batch_task_list": entries(0..3) }));
    let ended = Scene::with(&server).call(&["list"]).expect(0);
    assert_eq!(ids(&ended.stdout), ["task-0", "task-1", "task-2"]);
}

#[test]
fn hostile_texts_are_shown_and_cannot_be_called() {
    let id = "../../v3/admin";
    let server = paged(move |_| {
        let entry = json!({ "id": id, "batch_task_name": format!("=cmd|{TOKEN}"), "num_task": 1 });
        json!({ "count": 1, "batch_task_list": [entry] })
    });
    let scene = Scene::with(&server);
    let ended = scene.call(&["list"]).expect(0).says("1 task has an id that cannot be called");
    assert!(ended.stdout.contains("../../v3/admin,'=cmd|[token],1,unknown,,"), "{}", ended.stdout);
    let ended = scene.call_with_input(&["stop", "-", "--yes"], ended.stdout.as_bytes());
    ended.expect(65).says("the id contains");
    assert_eq!(server.count(), 1);
}

#[test]
fn no_text_of_a_page_shows_a_secret_not_even_the_part_before_a_cut() {
    // The name, an unknown state, and another field with its name; each is cut within the token.
    let server = paged(|_| {
        let cut = format!("{}{TOKEN}", "x".repeat(490));
        let entry = json!({
            "id": format!("a {TOKEN}"), "batch_task_name": cut,
            "batch_task_status_info": { TOKEN: 1, format!("é{cut}"): 1 },
            TOKEN: [{ TOKEN: format!("{}{TOKEN}", "x".repeat(3_990)) }],
        });
        json!({ "count": 1, "batch_task_list": [entry] })
    });
    let scene = Scene::with(&server);
    for flags in [&["list"][..], &["list", "--json"]] {
        let ended = scene.call(flags).expect(0).prints("[token]");
        let beginning = &TOKEN[..8];
        assert!(!ended.stdout.to_lowercase().contains(&beginning.to_lowercase()), "{ended:?}");
    }
}

/// Returns the most memory that a process has had at a time, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_page_out_of_proportion_is_refused_in_little_memory() {
    let entries = vec![r#"{"id":1}"#; 930_000].join(",");
    let text = format!("\"{}", TOKEN.repeat(400_000));
    let fields = vec![r#""a":[1,{}]"#; 700_000].join(",");
    let pages = [
        (format!(r#"{{"batch_task_list":[{entries}]}}"#), "more entries than the 200 that were"),
        (format!(r#"{{"batch_task_list":[{{"id":{text}"}}]}}"#), ""),
        (format!(r#"{{"batch_task_list":[{{"id":"a",{fields}}}]}}"#), "more than 200000 fields"),
        (text, "no list of batch tasks is in `\"[token]"),
    ];
    for (page, words) in pages {
        assert!((7 << 20..8 << 20).contains(&page.len()), "{}", page.len());
        let is_refused = !words.is_empty();
        // The program waits for the answer behind these pages until it was measured.
        let pages = if is_refused { 2 } else { 1 };
        let server = Server::start(move |request| match request.attempt <= pages {
            true => Reply::answer(200, page.clone()),
            false => Reply::silence(),
        });
        let scene = Scene::with(&server);
        if is_refused {
            scene.call(&["list", "--rate", "none", "--max-attempts", "1"]).expect(1).says(words);
        }
        let running = scene.start(&["list", "--rate", "none"]);
        server.wait_for(if is_refused { 3 } else { 2 });
        let peak = peak_kib(running.pid());
        let _ = running.kill();
        assert!(peak < 100 << 10, "{words}: {peak} KiB");
    }
}

#[test]
fn a_page_that_is_too_long_is_not_read_to_its_end() {
    let server = Server::start(|_| Reply::answer(200, vec![b' '; 9 << 20]));
    let flags = ["list", "--rate", "none", "--max-attempts", "1"];
    Scene::with(&server).call(&flags).expect(1).says("the page is longer than 8 MiB");
}

#[test]
fn refused_credentials_end_with_their_own_status() {
    let server =
        Server::start(|_| Reply::gateway(401, "APIGW.0301", "Incorrect IAM authentication"));
    Scene::with(&server).call(&["list"]).expect(77).says("Incorrect IAM authentication");
    assert_eq!(server.count(), 1);
}

#[test]
fn a_filter_that_is_refused_is_tried_in_capitals() {
    let server = Server::start(|request| {
        if request.path.contains("task_state=START_FAILED") {
            return Reply::answer(200, r#"{"count":0,"batch_task_list":[]}"#);
        }
        Reply::service(400, "VIAS.00010001", "invalid parameter: task_state")
    });
    Scene::with(&server).call(&["list", "--state", "start_failed"]).expect(0);
    assert_eq!(server.count(), 2);
}
