//! Runs of several targets: each with a limit, credentials and an end of its own.

use super::{START, TwoProjects, list, sandbox, sent_times, table, target};
use crate::support::documents::{column, report, results};
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use rustix::process::Signal;
use std::fs;

/// How many requests of each target the log of a sandbox has.
fn requests(scene: &Scene, log: &str, target: &str) -> usize {
    let log = fs::read_to_string(scene.path(log)).unwrap_or_default();
    log.lines().filter(|line| line.contains(&format!("\t{target}-"))).count()
}

/// The most calls that left within any second.
fn most_within_a_second(times: &[u64]) -> usize {
    let within = |first: usize| times[first..].partition_point(|at| at - times[first] < 1_000_000);
    (0..times.len()).map(within).max().unwrap_or_default()
}

#[test]
fn a_target_that_dies_or_is_refused_ends_for_itself_and_resume_completes_it_alone() {
    let scene = Scene::new();
    // The times of sending are judged exactly below. The server allows a fifth more, because a call
    // that is delayed on its way comes closer to those that were sent after it.
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
    for (times, limit) in sent_times(&scene).iter().zip([40, 5, 10]) {
        let peak = most_within_a_second(times);
        assert!(peak <= limit, "{peak} calls were sent within a second, and {limit} are allowed");
    }
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
    let times = sent_times(&two.scene);
    assert_eq!(times.iter().map(Vec::len).collect::<Vec<_>>(), [30, 30]);
    let mut all = times.concat();
    all.sort_unstable();
    assert_eq!(most_within_a_second(&all), 20);
}

#[test]
fn targets_of_one_rate_group_share_its_rate() {
    let two = TwoProjects::with(Server::obliging());
    let url = two.server.url();
    let in_group = "rate = '20/s'\nrate_group = 'fleet'";
    two.scene.configure(&[table("north", &url, in_group), table("south", &url, in_group)].concat());
    two.scene.write("tasks.csv", list(&[("north", 30), ("south", 30)]));
    two.call(&["--rate-total", "20/s"]).expect(2).says("exclude each other");
    two.call(&["-q"]).expect(0);
    let times = sent_times(&two.scene);
    assert_eq!(times.iter().map(Vec::len).collect::<Vec<_>>(), [30, 30]);
    let mut all = times.concat();
    all.sort_unstable();
    assert!(most_within_a_second(&all) <= 20, "{}", most_within_a_second(&all));
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
        (&["--shard", "1/2"], "`--shard` divides one list"),
        (&["--rate-group", "g"], "`--rate-group` is one for all targets"),
        (&["--targets", "north"], "contradict each other"),
    ] {
        two.call(flags).expect(2).says(message);
    }
    let of_list = ["start", "--id", "gate-1", "--rate-total", "5/s"];
    two.scene.call(&of_list).expect(2).says("there are none");
    two.scene.call(&["start", "--id", "gate-1", "--targets", "east"]).expect(2).says("`east`");
    two.scene.write("tasks.csv", "id,site\ngate-1,north\ngate-2,nord\n");
    two.call(&[]).expect(65).says("tasks.csv:3:1: there is no target `nord`");
    assert_eq!(two.server.requests().len(), 0);
    two.scene.write("tasks.csv", "id,site\ngate-1,north\n");
    two.call(&["-q"]).expect(0);
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
    two.scene
        .call(&["ctl", "rate", "5/s"])
        .expect(75)
        .says("name one with `--target`: north, south");
    two.scene
        .call(&["ctl", "rate", "5/s", "--target", "east"])
        .expect(2)
        .says("its targets are north, south");
    two.scene
        .call(&["ctl", "rate", "7/s", "--target", "south"])
        .expect(0)
        .prints("7/s from now on");
    two.scene.call(&["ctl", "resume", "--target", "south"]).expect(0);
    let status = report(&two.scene.call(&["ctl", "status", "--json"]).expect(0).stdout);
    assert_eq!(status["targets"]["south"]["rate_limit"], "7/s");
    assert_eq!(status["targets"]["north"]["rate_limit"], "1/s");
    assert_eq!(status["targets"]["south"]["state"], "running");
    assert_eq!(status["targets"]["north"]["state"], "paused");
    let south = two.scene.call(&["ctl", "status", "--target", "south"]).expect(0);
    assert!(!south.stdout.contains("north"), "{}", south.stdout);
    two.scene.call(&["ctl", "drain"]).expect(0);
    run.ended().expect(3);
}

#[test]
fn a_limit_takes_that_many_tasks_of_each_target() {
    let two = TwoProjects::with(Server::obliging());
    two.call(&["--rate", "none", "-q", "--offset", "1", "--limit", "2"]).expect(0);
    let mut ids = two.server.ids();
    ids.sort();
    assert_eq!(ids, ["north-001", "north-002", "south-001", "south-002"]);
    two.call(&["--sample", "1", "-n"]).expect(0).prints("5 not in the sample");
}

#[test]
fn every_target_can_be_rehearsed_in_a_sandbox_of_its_own() {
    let two = TwoProjects::with(Server::obliging());
    two.scene.write("tasks.csv", "id,site\ngate-1,north\ngate-2-throttled,south\n");
    let ended = two.call(&["--sandbox", "--rate", "none", "--json"]);
    let report = report(&ended.stdout);
    assert_eq!(report["tasks"]["selected"], 2);
    assert_eq!(target(&report, "north")["tasks"]["succeeded"], 1);
    assert_eq!(two.server.requests().len(), 0, "a rehearsal has called a service");
    two.scene.call(&["wait"]).expect(2).says("the sandbox of that run is gone");
}

#[test]
fn what_the_rate_was_found_to_be_is_kept_for_each_target() {
    let scene = Scene::new();
    let rules = ["north:limit=20/s", "south:limit=5/s"];
    let (_sandbox, url) = sandbox(&scene, &["--own-project", rules[0], "--own-project", rules[1]]);
    let two = TwoProjects::of(scene, &url);
    two.scene.write("tasks.csv", list(&[("north", 60), ("south", 15)]));
    two.call(&["--rate", "auto", "--max-failures", "100%", "-q"]).expect(0);
    let rates = report(&fs::read_to_string(two.scene.state().join("rates.json")).unwrap());
    let rates = rates["rates"].as_array().unwrap();
    let of = |project: &str| rates.iter().find(|rate| rate["project_id"] == project);
    let of = |project: &str| of(project).unwrap()["per_second"].as_f64().unwrap();
    assert!(of("south") < of("north"), "{} and {}", of("south"), of("north"));
}

#[test]
fn a_killed_run_of_targets_goes_on_where_it_was() {
    let two = TwoProjects::with(Server::obliging());
    two.scene.write("tasks.csv", list(&[("north", 40), ("south", 40)]));
    let run = two.scene.start(&[&START[..], &["--rate", "20/s"]].concat());
    two.server.wait_for(15);
    run.kill();
    let resumed = two.scene.call(&["resume", "--rate", "none", "--json"]).expect(0);
    let report = report(&resumed.stdout);
    assert_eq!(report["tasks"]["succeeded"], 80);
    for name in ["north", "south"] {
        assert_eq!(target(&report, name)["tasks"]["succeeded"], 40);
    }
    let repeated = two.server.requests().iter().filter(|request| request.attempt > 1).count();
    // What was on the wire or answered in the last commit is in doubt, and is sent once more.
    assert!(repeated <= 2 * 16, "{repeated} calls were repeated");
    assert_eq!(two.server.ids().len(), 80);
}

#[test]
fn the_files_of_all_targets_are_repaired() {
    let two = TwoProjects::with(Server::obliging());
    two.call(&["--rate", "none", "-q"]).expect(0);
    let second = two.scene.runs().into_iter().find(|name| name.ends_with(".2.db")).unwrap();
    let path = two.scene.state().join("runs").join(second);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let query = "SELECT max(seq), body FROM segment WHERE chunk = 0";
    let body: Vec<u8> = connection.query_row(query, [], |row| row.get(1)).unwrap();
    drop(connection);
    let mut bytes = fs::read(&path).unwrap();
    let place = bytes.windows(body.len()).position(|window| window == body).unwrap();
    bytes[place + body.len() / 2] ^= 4;
    fs::write(path, bytes).unwrap();
    two.scene.call(&["resume"]).expect(74).says("--repair");
    let repaired = two.scene.call(&["resume", "--repair", "-y", "--rate", "none", "--json"]);
    let report = report(&repaired.expect(0).says("repaired run").stdout);
    assert_eq!(report["tasks"]["succeeded"], 10);
    assert_eq!(target(&report, "north")["tasks"]["succeeded"], 6);
}
