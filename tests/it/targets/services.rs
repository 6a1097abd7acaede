//! Targets of a service that a file describes: one file, and for each target an address, credentials
//! and an end of its own.

use super::target;
use crate::support::documents::{column, report, results};
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use crate::support::service::Service;
use batchctl::sandbox::SandboxSettings;
use batchctl::service::ServiceFile;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SHOP: &str = r#"format = 1
endpoint = "https://shop.example.com"
auth = "bearer"
answer = [
  { status = "200..299", means = "done" },
  { status = 401, means = "unauthorised" },
  { status = 422, means = "refused" },
]
[action.pay]
method = "POST"
path = "/shops/{project_id}/things/{id}/payments"
body = '{"note":"{note}"}'
"#;

fn table(name: &str, endpoint: &str, more: &str) -> String {
    format!("[target.{name}]\nendpoint = '{endpoint}'\ntoken_file = 'token-{name}'\n{more}\n")
}

struct TwoShops {
    scene: Scene,
    north: Server,
    south: Server,
}

impl TwoShops {
    fn new(north: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let (north, south) = (Server::start(north), Server::start(|_| Reply::answer(200, "{}")));
        let mut scene = Scene::new();
        scene.set("BATCHCTL_TOKEN", "token-of-the-machine");
        scene.set("BATCHCTL_PROJECT_ID", "project-of-the-machine");
        scene.write("shop.toml", SHOP);
        for name in ["north", "south"] {
            scene.write(&format!("token-{name}"), format!("token-of-{name}"));
        }
        let shops = Self { scene, north, south };
        shops.configure(&shops.north.url());
        let rows = (0..12).map(|id| format!("{id},{},note {id}\n", ["north", "south"][id % 2]));
        let rows = rows.collect::<String>();
        shops.scene.write("things.csv", format!("id,site,note\n{rows}"));
        shops
    }

    fn configure(&self, north: &str) {
        let tables = [
            table("north", north, "project_id = 'n1'"),
            table("south", &self.south.url(), "project_id = 's1'"),
        ];
        self.scene.configure(&tables.concat());
    }
}

const PAY: [&str; 9] = [
    "do",
    "pay",
    "things.csv",
    "--service",
    "shop.toml",
    "--target-column",
    "site",
    "--rate",
    "none",
];

#[test]
fn each_target_of_a_service_has_an_address_a_project_and_a_token_of_its_own() {
    let shops = TwoShops::new(|_| Reply::answer(200, "{}"));
    let shown = shops.scene.call(&[&PAY[..], &["-n"]].concat()).expect(0);
    assert_eq!(shops.north.count() + shops.south.count(), 0);
    assert!(shown.stdout.contains(&shops.south.url()), "{}", shown.stdout);
    let ended = shops.scene.call(&[&PAY[..], &["--json", "-o", "results.csv"]].concat()).expect(0);
    let report = report(&ended.stdout);
    assert_eq!(report["service"]["name"], "shop");
    assert_eq!(target(&report, "north")["tasks"]["succeeded"], 6);
    for (server, name, rest) in [(&shops.north, "north", 0), (&shops.south, "south", 1)] {
        let requests = server.requests();
        assert_eq!(requests.len(), 6, "{name}");
        for request in requests {
            let project = format!("/shops/{}1/things/", &name[..1]);
            let id = request.path.strip_prefix(&project).unwrap();
            let id: usize = id.strip_suffix("/payments").unwrap().parse().unwrap();
            assert_eq!(id % 2, rest);
            assert_eq!(request.body, format!(r#"{{"note":"note {id}"}}"#));
            assert_eq!(request.headers["authorization"], format!("Bearer token-of-{name}"));
        }
    }
    let rows = results(&shops.scene.read("results.csv"));
    assert_eq!(column(&rows, "target").iter().filter(|name| **name == "south").count(), 6);
}

#[test]
fn a_target_that_is_refused_ends_for_itself_and_goes_on_where_its_table_says() {
    let mut shops = TwoShops::new(|_| Reply::answer(401, "{}"));
    shops.scene.call(&PAY).expect(77);
    assert_eq!(shops.south.count(), 6);
    let refused = shops.north.count();
    // The run's own copy of the file is what counts, and no other service is taken for it.
    shops.scene.write("shop.toml", SHOP.replace("POST", "PUT"));
    let other = ["resume", "--service", "shop.toml"];
    shops.scene.call(&other).expect(2).says("leave out `--service`");
    std::fs::remove_file(shops.scene.path("shop.toml")).unwrap();
    // A table that names another place is no reason to send its token there.
    let elsewhere = Server::start(|_| Reply::answer(200, "{}"));
    shops.configure(&elsewhere.url());
    shops.scene.call(&["resume"]).expect(77).says("north");
    assert_eq!((elsewhere.count(), shops.north.count()), (0, refused));
    shops.configure(&shops.north.url());
    let address = shops.north.end();
    shops.north = Server::start_again(address, |_| Reply::answer(200, "{}"));
    let ended = shops.scene.call(&["resume", "--json"]).expect(0);
    assert_eq!(report(&ended.stdout)["tasks"]["succeeded"], 12);
    assert_eq!((shops.north.count(), shops.south.count()), (6, 6));
}

#[test]
fn a_target_without_what_the_calls_need_is_named_and_nothing_is_sent() {
    let shops = TwoShops::new(|_| Reply::answer(200, "{}"));
    let tables = [
        table("north", &shops.north.url(), "project_id = 'n1'"),
        table("south", &shops.south.url(), ""),
    ];
    shops.scene.configure(&tables.concat());
    shops.scene.call(&PAY).expect(2).says("`project_id`").says("[target.south]");
    shops.scene.call(&[&PAY[..], &["--drill"]].concat()).expect(2);
    assert_eq!(shops.north.count() + shops.south.count(), 0);
}

#[test]
fn the_states_of_each_target_are_read_where_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/services/nova-servers.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let simulated = || SandboxSettings {
        service: Some(Arc::new(ServiceFile::read(&text).unwrap().service)),
        latency: Duration::ZERO..=Duration::ZERO,
        settle: Duration::ZERO,
        ..SandboxSettings::default()
    };
    let folders = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let services = folders.each_ref().map(|folder| Service::start(simulated(), folder.path()));
    let scene = Scene::new();
    scene.write("nova.toml", &text);
    let mut tables = String::new();
    for (name, service) in ["north", "south"].into_iter().zip(&services) {
        scene.write(&format!("token-{name}"), "token");
        tables += &table(name, service.url(), "");
    }
    scene.configure(&tables);
    let id = |number: u32| format!("00000000-0000-4000-8000-{number:012x}");
    scene.write("servers.txt", (0..20).map(id).collect::<Vec<_>>().join("\n"));
    let of_north = ["do", "start", "--id", &id(3), "--service", "nova.toml", "--targets", "north"];
    scene.call(&of_north).expect(0);
    let start = ["do", "start", "servers.txt", "--service", "nova.toml", "--rate", "none"];
    let more = ["--targets", "north,south", "--skip-unchanged", "--wait", "--json"];
    let ended = scene.call(&[&start[..], &more].concat()).expect(0);
    let first = report(&ended.stdout);
    assert_eq!(target(&first, "north")["tasks"]["unchanged"], 1);
    assert_eq!(target(&first, "south")["tasks"]["succeeded"], 20);
    let run = first["run"]["id"].as_str().unwrap();
    scene.call(&["wait", run, "-q"]).expect(0);
    let revert = ["revert", run, "-y", "--wait", "--json"];
    let reverted = scene.call(&revert).expect(0);
    let reverted = report(&reverted.stdout);
    assert_eq!(reverted["tasks"]["succeeded"], 39);
    let plan = ["plan", "do", "start", "servers.txt", "--service", "nova.toml", "--skip-unchanged"];
    scene.call(&[&plan[..], &["--targets", "north,south"]].concat()).expect(0);
    scene.call(&["apply", "-y"]).expect(0);
    let started = |service: &Service| {
        service.lines().iter().filter(|line| line.contains("\tstart\t")).count()
    };
    assert_eq!(services.each_ref().map(started), [39, 40]);
}
