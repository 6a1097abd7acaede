//! Runs of several targets: each with a limit, credentials and an end of its own.

use crate::support::documents::{column, report, results};
use crate::support::program::{Ended, Running, Scene};
use crate::support::reply::Reply;
use crate::support::server::Server;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};

/// A sandbox of its own process, and its URL.
fn sandbox(scene: &Scene, flags: &[&str]) -> (Running, String) {
    let mut sandbox = scene.start(&[&["sandbox", "--latency", "0ms"], flags].concat());
    let mut url = String::new();
    BufReader::new(sandbox.stdout()).read_line(&mut url).unwrap();
    (sandbox, url.trim().to_owned())
}

/// The table of a target in the config file.
fn table(name: &str, url: &str, more: &str) -> String {
    format!(
        "[target.{name}]\nendpoint = '{url}'\nproject_id = '{name}'\n\
         token_file = 'token-{name}'\n{more}\n"
    )
}

/// A list in which each id begins with its target.
fn list(counts: &[(&str, usize)]) -> String {
    let rows = |(name, count): &(&str, usize)| {
        (0..*count).map(|number| format!("{name}-{number:03},{name}\n")).collect::<String>()
    };
    // In turns, so that no target's rows stand together.
    let text: String = counts.iter().map(rows).collect();
    let mut rows: Vec<&str> = text.lines().collect();
    rows.sort_by_key(|row| row.split_once('-').map(|(_, rest)| rest.to_owned()));
    format!("id,site\n{}\n", rows.join("\n"))
}

fn target<'a>(report: &'a Value, name: &str) -> &'a Value {
    let targets = report["targets"].as_array().unwrap();
    targets.iter().find(|target| target["name"] == name).unwrap()
}

const START: [&str; 4] = ["start", "tasks.csv", "--target-column", "site"];

/// How many requests of each target the log of a sandbox has.
fn requests(scene: &Scene, log: &str, target: &str) -> usize {
    let log = fs::read_to_string(scene.path(log)).unwrap_or_default();
    log.lines().filter(|line| line.contains(&format!(" {target}-"))).count()
}

#[test]
fn a_target_that_dies_or_is_refused_ends_for_itself_and_resume_completes_it_alone() {
    let scene = Scene::new();
    // A little above the rates, because a busy machine delivers calls less evenly than they left.
    let rules = ["north:limit=48/s", "south:limit=6/s,token-dies-after=8"];
    let flags = ["--own-project", rules[0], "--own-project", rules[1], "--access-log", "log"];
    let (_sandbox, url) = sandbox(&scene, &flags);
    let (west, west_url) = sandbox(&scene, &["--access-log", "log-west"]);
    for name in ["north", "south", "west"] {
        scene.write(&format!("token-{name}"), format!("token-of-{name}"));
    }
    let tables = [
        table("north", &url, "rate = '40/s'"),
        table("south", &url, "rate = '5/s'"),
        table("west", &west_url, "rate = '10/s'\noutage_timeout = '1s'"),
    ];
    scene.configure(&tables.concat());
    scene.write("tasks.csv", list(&[("north", 100), ("south", 15), ("west", 40)]));
    let mut run = scene.start(&[&START[..], &["-o", "report.json"]].concat());
    run.wait_until_it_says("west: 4 of 40");
    west.signal(Signal::KILL);
    let ended = run.ended();
    // The refused one must be mended before a resume can go on, so its status is the run's.
    ended.expect(77).prints("Targets").prints("north  100 tasks: 100 succeeded");
    let first = report(&scene.read("report.json"));
    assert_eq!(target(&first, "north")["complete"], true);
    assert_eq!(target(&first, "south")["exit"]["code"], 77);
    assert_eq!(target(&first, "south")["tasks"]["succeeded"], 8);
    assert_eq!(target(&first, "west")["exit"]["code"], 3);
    assert_eq!(target(&first, "west")["stopped"]["reason"], "outage");
    assert_eq!(first["calls"]["throttled"], 0, "a limit was exceeded at the server");
    for outcome in ["selected", "succeeded", "not_attempted"] {
        let of = |name| target(&first, name)["tasks"][outcome].as_u64().unwrap();
        let sum = of("north") + of("south") + of("west");
        assert_eq!(first["tasks"][outcome].as_u64().unwrap(), sum, "{outcome}");
    }
    let called_before = requests(&scene, "log", "north");
    scene.write("token-south", "another-token-of-south");
    let port = west_url.rsplit(':').next().unwrap();
    let again = format!("127.0.0.1:{port}");
    let (_west, _) = sandbox(&scene, &["--listen", &again, "--access-log", "log-west"]);
    let flags = ["--json", "--rate", "none", "-o", "results.csv"];
    let second = report(&scene.call(&[&["resume"], &flags[..]].concat()).expect(0).stdout);
    assert_eq!(second["tasks"]["succeeded"], 155);
    assert_eq!(requests(&scene, "log", "north"), called_before, "a finished target was called");
    let rows = results(&scene.read("results.csv"));
    let targets = column(&rows, "target");
    assert_eq!(targets, column(&rows, "site"));
    let input = scene.read("tasks.csv");
    let ids: Vec<&str> = input.lines().skip(1).map(|row| row.split_once(',').unwrap().0).collect();
    assert_eq!(column(&rows, "id"), ids, "the rows are not in the order of the input");
    scene.call(&["resume"]).expect(0).says("is finished");
}

/// Two targets of one host, with a token each.
struct TwoProjects {
    scene: Scene,
    server: Server,
}

impl TwoProjects {
    fn with(server: Server) -> Self {
        let mut scene = Scene::new();
        let url = server.url();
        for name in ["north", "south"] {
            scene.write(&format!("token-{name}"), format!("token-of-{name}"));
        }
        scene.configure(&[table("north", &url, ""), table("south", &url, "")].concat());
        // Those of the machine belong to no target.
        scene.set("BATCHCTL_TOKEN", "token-of-the-machine");
        scene.set("BATCHCTL_PROJECT_ID", "project-of-the-machine");
        scene.write("tasks.csv", list(&[("north", 6), ("south", 4)]));
        Self { scene, server }
    }

    fn call(&self, flags: &[&str]) -> Ended {
        self.scene.call(&[&START[..], flags].concat())
    }
}

#[test]
fn targets_of_one_host_keep_their_tokens_apart() {
    let two = TwoProjects::with(Server::obliging());
    two.call(&["--rate", "none", "-q"]).expect(0);
    let requests = two.server.requests();
    assert_eq!(requests.len(), 10);
    for request in requests {
        let name = request.id.split('-').next().unwrap();
        assert_eq!(request.headers["x-auth-token"], format!("token-of-{name}"));
        assert!(request.path.starts_with(&format!("/v2/{name}/")), "{}", request.path);
    }
}

#[test]
fn results_are_an_input_again_and_keep_their_columns() {
    let two = TwoProjects::with(Server::obliging());
    two.call(&["--rate", "none", "-q", "-o", "first.csv"]).expect(0);
    let header = |name: &str| two.scene.read(name).lines().next().unwrap().to_owned();
    for (input, column, output) in
        [("first.csv", "target", "second.csv"), ("second.csv", "site", "third.csv")]
    {
        let flags = ["start", input, "--target-column", column, "--rate", "none", "-q"];
        two.scene.call(&[&flags[..], &["-o", output]].concat()).expect(0);
        assert_eq!(header(output), header("first.csv"));
    }
    assert!(header("first.csv").ends_with(",target,site"), "{}", header("first.csv"));
}

#[test]
fn every_target_can_be_given_the_same_tasks() {
    let two = TwoProjects::with(Server::obliging());
    two.scene.write("ids.txt", "gate-1\ngate-2\ngate-1\n");
    let flags = ["--targets", "north,south", "--rate", "none", "--json"];
    let ended = two.scene.call(&[&["stop", "ids.txt"], &flags[..]].concat()).expect(0);
    let report = report(&ended.stdout);
    assert_eq!(report["tasks"]["succeeded"], 4);
    assert_eq!(report["input"]["duplicates"], 2);
    let called: Vec<String> =
        two.server.requests().into_iter().map(|request| request.path).collect();
    for project in ["north", "south"] {
        for id in ["gate-1", "gate-2"] {
            let path = format!("/v2/{project}/batch-tasks/{id}/action/stop");
            assert!(called.contains(&path), "{path}: {called:?}");
        }
    }
}

#[test]
fn the_rate_of_all_together_holds_as_well() {
    let two = TwoProjects::with(Server::obliging());
    two.scene.write("tasks.csv", list(&[("north", 30), ("south", 30)]));
    two.call(&["--rate", "none", "--rate-total", "20/s", "-q"]).expect(0);
    let times: Vec<u64> = two.server.requests().iter().map(|request| request.micros).collect();
    assert_eq!(times.len(), 60);
    for window in times.windows(22) {
        let span = window[21] - window[0];
        assert!(span >= 1_000_000, "22 requests within {span} us");
    }
}

#[test]
fn a_retry_calls_only_the_targets_that_failed() {
    let server = Server::start(|request| match &*request.id {
        "south-001" if request.attempt == 1 => Reply::service(400, "VIAS.00010005", "no stream"),
        id => Reply::trusted(id, 0, 1),
    });
    let two = TwoProjects::with(server);
    two.call(&["--rate", "none", "-q", "--max-failures", "100%"]).expect(1);
    let before = two.server.requests().len();
    let retried = two.scene.call(&["retry", "--group", "F1", "--json"]).expect(0);
    let report = report(&retried.stdout);
    assert_eq!(report["tasks"]["succeeded"], 1);
    assert_eq!(target(&report, "south")["tasks"]["selected"], 1);
    assert_eq!(report["run"]["outstanding"], 0);
    assert_eq!(two.server.requests().len(), before + 1);
    two.scene.call(&["retry"]).expect(0).says("nothing to retry");
}

#[test]
fn what_is_in_doubt_is_settled_with_the_credentials_of_its_target() {
    let scene = Scene::new();
    let (_sandbox, url) = sandbox(&scene, &["--own-project", "north", "--own-project", "south"]);
    for name in ["north", "south"] {
        scene.write(&format!("token-{name}"), format!("token-of-{name}"));
    }
    scene.configure(&[table("north", &url, ""), table("south", &url, "")].concat());
    scene.write("tasks.csv", "id,site\nnorth-1,north\nsouth-drop,south\n");
    let flags = ["--max-attempts", "1", "--max-failures", "100%"];
    scene.call(&[&START[..], &flags].concat()).expect(1).prints("batchctl settle");
    // Nothing is in doubt there, so its token is not needed.
    fs::remove_file(scene.path("token-north")).unwrap();
    let settled = scene.call(&["settle", "--json"]).expect(0);
    let report = report(&settled.says("south: 1 task in doubt is where it was sent").stdout);
    assert_eq!(report["tasks"]["succeeded"], 2);
    scene.call(&["settle"]).expect(0).says("no task is in doubt");
}

#[test]
fn every_document_names_the_targets() {
    let two = TwoProjects::with(Server::obliging());
    let files = ["r.md", "r.xml", "r.prom", "r.html", "events.ndjson"];
    let outputs: Vec<&str> = files.iter().flat_map(|file| ["-o", file]).collect();
    two.call(&[&["--rate", "none", "-q"], &outputs[..]].concat()).expect(0);
    let says = |file: &str, text: &str| {
        let content = two.scene.read(file);
        assert!(content.contains(text), "{file}: {content}");
    };
    says("r.md", "| `north` | 6 tasks: 6 succeeded");
    says("r.xml", "classname=\"batchctl.start.south\"");
    says("r.prom", "target=\"south\",outcome=\"succeeded\"} 4");
    says("r.html", "north: 6 tasks: 6 succeeded");
    says("events.ndjson", "\"target\":\"south\"");
    let shown = two.scene.call(&["runs", "show"]).expect(0);
    shown.prints("target    south: http").prints("project south");
    let explained = two.scene.call(&["explain", "south-001"]).expect(0);
    explained.prints("start south-001 at south in run");
    two.call(&["-n"]).expect(0).prints("target north\nstart: 6 batch tasks would be called");
    assert_eq!(two.server.requests().len(), 10, "a dry run has sent something");
}

#[test]
fn what_cannot_be_done_with_targets_is_refused() {
    let two = TwoProjects::with(Server::obliging());
    for (flags, message) in [
        (&["--token-file", "token-north"][..], "`--token-file` is one for all targets"),
        (&["--sandbox"], "`--sandbox` is one for all targets"),
        (&["--limit", "1"], "`--limit` is about one list"),
        (&["--skip-unchanged"], "`--skip-unchanged` reads the states of one project"),
        (&["--wait"], "`--wait` reads the states of one project"),
        (&["--drill"], "`--drill` reads the states of one project"),
        (&["--targets", "north"], "contradict each other"),
    ] {
        two.call(flags).expect(2).says(message);
    }
    let of_list = ["start", "--id", "gate-1", "--rate-total", "5/s"];
    two.scene.call(&of_list).expect(2).says("there are none");
    two.scene.call(&["start", "--id", "gate-1", "--targets", "east"]).expect(2).says("`east`");
    two.scene.write("tasks.csv", "id,site\ngate-1,north\ngate-2,nord\n");
    two.call(&[]).expect(65).says("tasks.csv:3:1: there is no target `nord`");
    let plan = ["plan", "start", "tasks.csv", "--target-column", "site"];
    two.scene.call(&plan).expect(2).says("does not know runs of several targets");
    assert_eq!(two.server.requests().len(), 0);
    two.scene.write("tasks.csv", "id,site\ngate-1,north\n");
    two.call(&["-q"]).expect(0);
    for command in [&["wait"][..], &["revert"], &["report", "diff", "latest", "latest"]] {
        two.scene.call(command).expect(2).says("targets");
    }
    let followed = ["start", "--id", "gate-1", "--after", "latest", "--region", "x"];
    two.scene.call(&followed).expect(2).says("targets");
    two.scene.call(&["runs", "remove", "latest"]).expect(0);
    assert_eq!(two.scene.runs(), [""; 0], "a part of the run is left");
}

#[test]
fn a_key_that_cannot_differ_between_targets_is_refused() {
    let scene = Scene::new();
    scene.configure("[target.north]\nproject_id = 'p'\njob = 'nightly'\n");
    let ended = scene.call(&["start", "--id", "gate-1", "--targets", "north"]).expect(2);
    ended.says("config.toml:3: `job` cannot differ between the targets of a run");
}

#[test]
fn ctl_tells_and_changes_all_targets() {
    let two = TwoProjects::with(Server::obliging());
    two.scene.write("tasks.csv", list(&[("north", 200), ("south", 200)]));
    let mut run = two.scene.start(&[&START[..], &["--rate", "1/s"]].concat());
    run.wait_until_it_says("south: starting with 200 tasks");
    two.scene.call(&["ctl", "pause"]).expect(0);
    let status = report(&two.scene.call(&["ctl", "status", "--json"]).expect(0).stdout);
    assert_eq!(status["selected"], 400);
    assert_eq!(status["state"], "paused");
    assert_eq!(status["targets"]["south"]["selected"], 200);
    two.scene.call(&["ctl", "rate", "5/s"]).expect(75).says("a rate and a concurrency of its own");
    two.scene.call(&["ctl", "drain"]).expect(0);
    run.ended().expect(3);
}
