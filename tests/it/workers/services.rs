//! Runs at a service that a file describes, in a database: each call has its row's own values, none
//! in doubt is sent twice, and a worker goes only where its own file says.

use super::configure;
use crate::support::documents::{column, report, results};
use crate::support::postgres::Postgres;
use crate::support::program::{Running, Scene};
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use crate::support::service::Service;
use batchctl::sandbox::SandboxSettings;
use batchctl::service::ServiceFile;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SHOP: &str = r#"format = 1
endpoint = "URL"
auth = "bearer"
answer = [{ status = "200..299", means = "done" }]
[action.pay]
method = "POST"
path = "/things/{id}/payments"
body = '{"note":"{note}"}'
"#;

fn shop(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Option<Shop> {
    let database = Postgres::start()?;
    let server = Server::start(reply);
    let mut scene = Scene::new();
    configure(&mut scene, &database, "https://vias.example.com");
    scene.set("BATCHCTL_TOKEN", "canary-of-the-worker");
    scene.write("shop.toml", SHOP.replace("URL", &server.url()));
    scene.set("BATCHCTL_SERVICE", "./shop.toml");
    Some(Shop { database, server, scene })
}

struct Shop {
    database: Postgres,
    server: Server,
    scene: Scene,
}

impl Shop {
    fn plan(&self, tasks: usize) {
        let rows = (0..tasks).map(|id| format!("A~{id},note of {id}\n")).collect::<String>();
        self.scene.write("things.csv", format!("id,note\n{rows}"));
        let plan = ["do", "pay", "things.csv", "--detach", "--lease", "2s", "--timeout", "1s"];
        self.scene.call(&[&plan[..], &["--rate", "none"]].concat()).expect(0);
    }

    fn worker(&self) -> Running {
        self.scene.start(&["work", "-q", "-j", "4"])
    }
}

#[test]
fn several_workers_call_a_service_with_the_values_of_each_row_and_repeat_nothing_in_doubt() {
    let late = |_: &Request| Reply::answer(200, "{}").after(Duration::from_millis(20));
    let Some(shop) = shop(late) else { return };
    shop.plan(400);
    std::fs::remove_file(shop.scene.path("things.csv")).unwrap();
    let mut workers: Vec<_> = (0..3).map(|_| shop.worker()).collect();
    shop.server.wait_for(60);
    workers.remove(0).kill();
    let codes = workers.into_iter().map(|worker| worker.ended().code).collect::<Vec<_>>();
    let mut calls = BTreeMap::new();
    for request in shop.server.requests() {
        let id = request.path.trim_start_matches("/things/A~").trim_end_matches("/payments");
        assert_eq!(request.body, format!(r#"{{"note":"note of {id}"}}"#));
        *calls.entry(id.to_owned()).or_insert(0) += 1;
    }
    assert!(calls.values().all(|&count| count == 1), "{calls:?}");
    let ended = shop.scene.call(&["report", "--json", "-o", "results.csv"]);
    let report = report(&ended.stdout);
    assert_eq!(report["service"]["name"], "shop");
    let rows = results(&shop.scene.read("results.csv"));
    let outcomes = column(&rows, "outcome");
    let succeeded = outcomes.iter().filter(|outcome| **outcome == "succeeded").count();
    let ambiguous = outcomes.iter().filter(|outcome| **outcome == "ambiguous").count();
    assert_eq!((outcomes.len(), succeeded + ambiguous), (400, 400));
    // Whatever the killed worker had begun may have left, and nothing else is in doubt.
    let doubts = "SELECT coalesce(sum(in_doubt), 0) FROM batchctl.takeover";
    assert_eq!(shop.database.number(doubts), ambiguous as u64);
    assert!(calls.len() >= succeeded, "{}", calls.len());
    let expected = if ambiguous == 0 { 0 } else { 1 };
    assert_eq!(codes, [Some(expected), Some(expected)]);
    assert_eq!(shop.database.number("SELECT sum(settled) FROM batchctl.chunk"), 400);
}

#[test]
fn a_worker_goes_only_where_its_own_file_of_the_service_says() {
    let Some(mut shop) = shop(|_| Reply::answer(200, "{}")) else { return };
    let other = Server::start(|_| Reply::answer(200, "{}"));
    shop.plan(5);
    shop.scene.unset("BATCHCTL_SERVICE");
    shop.scene.call(&["work"]).expect(2).says("--service");
    shop.scene.write("other.toml", SHOP.replace("URL", &other.url()));
    shop.scene.call(&["work", "--service", "./other.toml"]).expect(2).says("--service");
    let typed = ["work", "--service", "./shop.toml", "--endpoint", &other.url()];
    shop.scene.call(&typed).expect(2).says("goes only where its own");
    let region = ["work", "--service", "./shop.toml", "--region", "elsewhere"];
    shop.scene.call(&region).expect(2).says("region");
    assert_eq!(shop.server.count() + other.count(), 0);
    shop.scene.call(&["work", "--service", "./shop.toml"]).expect(0);
    assert_eq!(shop.server.count(), 5);
}

#[test]
fn the_states_of_a_service_decide_in_a_database_too() {
    let Some(database) = Postgres::start() else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/services/nova-servers.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let settings = SandboxSettings {
        service: Some(Arc::new(ServiceFile::read(&text).unwrap().service)),
        latency: Duration::ZERO..=Duration::ZERO,
        settle: Duration::ZERO,
        drop: 0.1,
        seed: 5,
        ..SandboxSettings::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(settings, folder.path());
    let mut scene = Scene::new();
    configure(&mut scene, &database, "https://vias.example.com");
    scene.set("BATCHCTL_TOKEN", "token");
    scene.write("nova.toml", text.replace("https://nova.example.com", service.url()));
    scene.set("BATCHCTL_SERVICE", "./nova.toml");
    let id = |number: u32| format!("00000000-0000-4000-8000-{number:012x}");
    let ids: Vec<String> = (0..200).map(id).collect();
    scene.write("servers.txt", ids.join("\n"));
    let plan = ["do", "start", "servers.txt", "--detach", "--rate", "none", "--lease", "2s"];
    let more = ["--skip-unchanged", "--wait", "--max-failures", "100%", "--outage-timeout", "1h"];
    scene.call(&[&plan[..], &more, &["--timeout", "1s"]].concat()).expect(0);
    let workers = [0, 1].map(|_| scene.start(&["work", "-q", "-j", "4"]));
    workers.into_iter().for_each(|worker| drop(worker.ended().expect(0)));
    scene.call(&["report", "-o", "results.csv"]).expect(0);
    let rows = results(&scene.read("results.csv"));
    assert!(column(&rows, "outcome").iter().all(|outcome| *outcome == "succeeded"));
    assert!(column(&rows, "state_after").iter().all(|state| *state == "running"));
    let calls = || service.lines().iter().filter(|line| line.contains("\tstart\t")).count();
    assert_eq!(calls(), 200);
    scene.call(&["revert", "-y", "-q", "--wait", "-o", "results.csv"]).expect(0);
    let rows = results(&scene.read("results.csv"));
    assert_eq!(rows.len(), 200);
    assert!(column(&rows, "state_after").iter().all(|state| *state == "stopped"));
    scene
        .call(&[
            "do",
            "start",
            "servers.txt",
            "-y",
            "-q",
            "--rate",
            "none",
            "--max-failures",
            "100%",
            "--outage-timeout",
            "1h",
        ])
        .expect(1);
    scene.call(&["settle"]).expect(0).says("0 left in doubt");
    scene.call(&["wait", "-q"]).expect(0);
    scene.call(&["retry", "-q"]).expect(0);
}
