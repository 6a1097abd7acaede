//! Shards: machines that know nothing of each other carry out one plan, and their runs make one
//! report.

use crate::support::documents::{report, results};
use crate::support::program::{Ended, Scene};
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;

/// Rows with every outcome, a duplicate and another column.
fn rows(count: usize) -> Vec<String> {
    let mut rows: Vec<String> =
        (0..count).map(|number| format!("camera-{number:03},site {}", number % 5)).collect();
    rows.push("camera-003,again".into());
    rows
}

fn table(rows: &[String]) -> String {
    format!("id,site\n{}\n", rows.join("\n"))
}

fn number_of(request: &Request) -> usize {
    request.id.rsplit('-').next().unwrap().parse().unwrap()
}

/// A service whose answer depends on the task alone.
fn answer(request: &Request) -> Reply {
    let id = &*request.id;
    // Causes of different frequency: others would be ordered by the time of the first failure.
    match number_of(request) % 20 {
        0..3 => Reply::trusted(id, 0, 2),
        3 | 13 => Reply::trusted(id, 1, 1),
        4 | 14 | 7 => Reply::service(404, "VIAS.00010008", &format!("no such task: {id}")),
        5 => Reply::service(400, "VIAS.00010005", "no stream"),
        6 if request.attempt == 1 => Reply::service(503, "VIAS.00010009", "busy"),
        _ => Reply::trusted(id, 0, 1),
    }
}

const QUICK: [&str; 5] = ["--rate", "none", "--max-failures", "100%", "-q"];

/// A machine with a state of its own, which has carried out its shard.
struct Machine {
    scene: Scene,
    file: String,
}

impl Machine {
    fn run(server: &Server, input: &str, flags: &[&str]) -> Self {
        let scene = Scene::with(server);
        scene.write("tasks.csv", input);
        let ended = scene.call(&[&["start", "tasks.csv"], &QUICK[..], flags].concat());
        assert!(matches!(ended.code, Some(0 | 1)), "{}", ended.stderr);
        Self::of(scene)
    }

    fn of(scene: Scene) -> Self {
        let file = scene.call(&["runs", "path"]).expect(0).stdout.trim().to_owned();
        Self { scene, file }
    }
}

fn shards(server: &Server, input: &str, of: usize) -> Vec<Machine> {
    let shard = |number| format!("{number}/{of}");
    (1..=of).map(|number| Machine::run(server, input, &["--shard", &shard(number)])).collect()
}

fn merge(machines: &[&Machine], flags: &[&str]) -> Ended {
    let files = machines.iter().map(|machine| &*machine.file);
    let call: Vec<&str> = ["report", "merge"].into_iter().chain(files).collect();
    machines[0].scene.call(&[&call[..], flags].concat())
}

/// Returns what rows say that does not depend on when they were sent.
fn lasting(csv: &str) -> Vec<Vec<(String, String)>> {
    let passing = ["started_at", "finished_at", "duration_ms", "request_id"];
    let mut kept = Vec::new();
    for row in results(csv) {
        for name in passing {
            assert!(row.contains_key(name), "{name}: {row:?}");
        }
        kept.push(row.into_iter().filter(|(name, _)| !passing.contains(&&**name)).collect());
    }
    kept
}

/// Returns the parts of report.json that do not depend on when calls were sent.
fn lasting_report(json: &str) -> Vec<Value> {
    let mut report = report(json);
    for group in report["failures"].as_array_mut().unwrap() {
        for passing in ["first_at", "last_at", "retry_command"] {
            group[passing] = Value::Null;
        }
    }
    let names = ["input", "settings", "tasks", "counts", "empty", "calls", "failures", "exit"];
    names.map(|name| report[name].take()).into()
}

#[test]
fn a_file_that_is_no_run_is_told_with_what_to_name() {
    let scene = Scene::new();
    scene.write("notes.txt", "notes");
    for file in ["latest", "notes.txt"] {
        scene.call(&["report", "merge", file]).expect(74).says("`batchctl runs path RUN`");
    }
}

#[test]
fn the_merge_of_all_shards_equals_one_run() {
    let input = table(&rows(60));
    let whole = Machine::run(&Server::start(answer), &input, &[]);
    let server = Server::start(answer);
    let shards = shards(&server, &input, 4);
    // No task is called twice, whatever the shards know of each other.
    let mut ids: Vec<String> = server.requests().into_iter().map(|request| request.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 60);
    let all: Vec<&Machine> = [2, 0, 3, 1].map(|index| &shards[index]).into();
    let documents = ["-o", "all.csv", "-o", "all.json", "-o", "all.html", "-o", "all.xml"];
    let more = ["-o", "all.md", "-o", "all.prom"];
    let merged = merge(&all, &[&documents[..], &more[..]].concat()).expect(0);
    merged.prints("start: 60 tasks in ").prints("4 shards merged").prints("Shards\n  1/4  2");
    whole.scene.call(&["report", "-o", "one.csv", "-o", "one.json", "-o", "one.xml"]).expect(0);
    let scene = &shards[2].scene;
    let rows = lasting(&scene.read("all.csv")).into_iter();
    let rows: Vec<_> = rows.zip(lasting(&whole.scene.read("one.csv"))).collect();
    assert_eq!(rows.len(), 60);
    for (merged, one) in rows {
        assert_eq!(merged, one);
    }
    let (merged, one) = (scene.read("all.json"), whole.scene.read("one.json"));
    assert_eq!(lasting_report(&merged), lasting_report(&one));
    let cases = |text: String| text.matches("<testcase").count();
    assert_eq!(cases(scene.read("all.xml")), cases(whole.scene.read("one.xml")));
    let listed = report(&merged)["shards"].as_array().unwrap().clone();
    let tasks: u64 = listed.iter().map(|shard| shard["settled"].as_u64().unwrap()).sum();
    assert_eq!((listed.len(), tasks), (4, 60));
    for (document, text) in [("all.html", "4/4"), ("all.md", "### Shards"), ("all.prom", "# TYPE ")]
    {
        assert!(scene.read(document).contains(text), "{document}");
    }
    assert!(!scene.read("all.md").contains("batchctl retry"), "the runs are on other machines");
}

#[test]
fn the_order_of_the_input_does_not_matter() {
    let (forth, mut back) = (rows(40), rows(40));
    back.reverse();
    let server = Server::start(answer);
    let first = Machine::run(&server, &table(&forth), &["--shard", "1/2"]);
    let second = Machine::run(&server, &table(&back), &["--shard", "2/2"]);
    let merged = merge(&[&second, &first], &["--json"]).expect(0).stdout;
    assert_eq!(report(&merged)["tasks"]["selected"], 40);
    assert_eq!(report(&merged)["tasks"]["not_attempted"], 0);
}

#[test]
fn what_is_not_every_shard_of_one_plan_is_refused_by_name() {
    let input = table(&rows(30));
    let server = Server::start(answer);
    let good = shards(&server, &input, 3);
    let (one, two, three) = (&good[0], &good[1], &good[2]);
    let refused = |machines: &[&Machine], error: &str| {
        let ended = merge(machines, &["-o", "all.csv"]).expect(65).says(error);
        assert!(!machines[0].scene.path("all.csv").exists(), "{}", ended.stderr);
        ended
    };
    refused(&[one, three], "a shard is missing of 3: 2/3").says("batchctl runs path");
    refused(&[two], "shards are missing of 3: 1/3, 3/3");
    refused(&[one, two, one], "is shard 1/3, and so is").says(&one.file);
    let other = Machine::run(&server, &table(&rows(31)), &["--shard", "3/3"]);
    refused(&[one, two, &other], "is shard 3/3 of another plan than").says(&other.file);
    let of_four = Machine::run(&server, &input, &["--shard", "3/4"]);
    refused(&[one, two, &of_four], "there are 4 shards, not 3");
    let columns = input.replace("id,site", "id,place");
    let columns = Machine::run(&server, &columns, &["--shard", "3/3"]);
    refused(&[one, two, &columns], "its inputs have other columns");
    let whole = Machine::run(&server, &input, &[]);
    refused(&[one, two, &whole], "which is no shard").says("--shard K/N");
    let retried = Machine::run(&server, &input, &["--shard", "3/3"]);
    retried.scene.call(&[&["retry"], &QUICK[..]].concat());
    let retried = Machine::of(retried.scene);
    refused(&[one, two, &retried], "which is no shard");
}

#[test]
fn a_shard_that_was_cut_short_is_merged_as_it_is_and_resumed_on_its_machine() {
    let input = table(&rows(40));
    let server = Server::start(answer);
    let good = Machine::run(&server, &input, &["--shard", "1/2"]);
    let scene = Scene::with(&server);
    scene.write("tasks.csv", &input);
    let call = ["start", "tasks.csv", "--shard", "2/2", "--rate", "none", "--max-failures", "0"];
    scene.call(&call).expect(3);
    let cut = Machine::of(scene);
    merge(&[&good, &cut], &[]).expect(0).prints("Stopped early").prints(" settled\n");
    let json = merge(&[&good, &cut], &["--json"]).expect(0).stdout;
    assert_eq!(report(&json)["exit"]["code"], 3);
    assert_eq!(report(&json)["tasks"]["selected"], 40);
    cut.scene.call(&["resume", "--max-failures", "100%", "-q"]).expect(1);
    let json = merge(&[&good, &cut], &["--json"]).expect(0).stdout;
    assert_eq!(report(&json)["exit"]["code"], 1);
    assert_eq!(report(&json)["tasks"]["not_attempted"], 0);
}

#[test]
fn a_file_that_was_copied_without_its_log_is_named() {
    let server = Server::obliging();
    let input = table(&rows(40));
    let good = Machine::run(&server, &input, &["--shard", "1/2"]);
    let scene = Scene::with(&server);
    scene.write("tasks.csv", &input);
    let call = ["start", "tasks.csv", "--shard", "2/2", "--rate", "20/s", "-q"];
    let sent = server.count();
    let running = scene.start(&call);
    server.wait_for(sent + 3);
    running.signal(Signal::KILL);
    running.ended();
    let killed = Machine::of(scene);
    let quiet = merge(&[&good, &killed], &[]).expect(0);
    assert!(!quiet.stderr.contains("came alone"), "{}", quiet.stderr);
    let alone = killed.scene.path("alone.db").display().to_string();
    fs::copy(&killed.file, &alone).unwrap();
    let killed = Machine { scene: killed.scene, file: alone.clone() };
    // A second look, because the first one leaves files beside it.
    for _ in 0..2 {
        merge(&[&good, &killed], &[]).expect(0).says("came alone").says(&alone);
    }
}

#[test]
fn a_shard_without_a_task_is_a_run_of_its_own() {
    let server = Server::obliging();
    let machines = shards(&server, "id\ngate-1\n", 2);
    assert_eq!(server.requests().len(), 1);
    let machines: Vec<&Machine> = machines.iter().collect();
    let merged = merge(&machines, &["--json"]).expect(0).stdout;
    assert_eq!(report(&merged)["tasks"]["succeeded"], 1);
}

#[test]
fn a_damaged_file_or_none_is_no_report() {
    let server = Server::obliging();
    let machines = shards(&server, &table(&rows(20)), 2);
    let none = Machine { scene: Scene::new(), file: "/nowhere/run.db".into() };
    merge(&[&machines[0], &none], &[]).expect(74).says("/nowhere/run.db");
    let mut bytes = fs::read(&machines[1].file).unwrap();
    let at = bytes.windows(10).position(|part| part == b"camera-00").unwrap_or(bytes.len() / 2);
    bytes[at] ^= 1;
    fs::write(&machines[1].file, bytes).unwrap();
    merge(&[&machines[0], &machines[1]], &[]).expect(74).says(&machines[1].file);
}

#[test]
fn each_shard_has_its_part_of_the_rate() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("tasks.txt", "gate-1\ngate-2\n");
    let dry = |flags: &[&str]| scene.call(&[&["start", "tasks.txt", "-n"], flags].concat());
    let limit = |shard: &str| {
        scene.call(&["start", "tasks.txt", "--rate", "10/s", "--shard", shard, "-q"]).expect(0);
        let json = scene.call(&["report", "--json"]).expect(0).stdout;
        let report = report(&json);
        assert_eq!(report["settings"]["rate"], "10/s");
        assert_eq!(report["settings"]["shard"], shard);
        report["pace"]["rate_limit"].as_f64().unwrap()
    };
    let limits = ["1/4", "2/4", "3/4", "4/4"].map(limit);
    assert_eq!(limits, [3.0, 3.0, 2.0, 2.0]);
    let refused = dry(&["--rate", "3/s", "--shard", "1/4"]).expect(2);
    refused.says("`--rate 3/s` cannot be divided among 4 shards").says("`--rate 180/m`");
    let auto = ["--rate", "auto", "--rate-max", "3/s", "--shard", "1/4"];
    dry(&auto).expect(2).says("`--rate-max 3/s` cannot be divided");
    dry(&["--shard", "1/2", "--rate-group", "city"]).expect(2).says("`--rate-group` shares it");
    dry(&["--shard", "1/2", "--after", "latest"]).expect(2).says("other shards do not know it");
    for wrong in ["0/4", "5/4", "4", "auto/0", "auto/x", "1/1001"] {
        dry(&["--shard", wrong]).expect(2).says("a shard is K/N, such as `2/4`");
    }
    dry(&["--shard", "1/2"]).expect(0).prints("of other shards");
}

#[test]
fn schedulers_say_which_shard_it_is() {
    let server = Server::obliging();
    let choose = |variables: &[(&str, &str)], flag: &str| {
        let mut scene = Scene::with(&server);
        for (name, value) in variables {
            scene.set(name, value);
        }
        scene.write("tasks.txt", "gate-1\ngate-2\ngate-3\n");
        let ended = scene.call(&["start", "tasks.txt", "-q", "--rate", "none", "--shard", flag]);
        let json = scene.call(&["report", "--json"]).stdout;
        let shard = serde_json::from_str::<Value>(&json).ok();
        (ended, shard.map(|report| report["settings"]["shard"].as_str().unwrap().to_owned()))
    };
    let chosen = |variables: &[(&str, &str)], flag: &str, expected: &str| {
        let (ended, shard) = choose(variables, flag);
        ended.expect(0);
        assert_eq!(shard.as_deref(), Some(expected));
    };
    let refused = |variables: &[(&str, &str)], flag: &str, error: &str| {
        let (ended, shard) = choose(variables, flag);
        ended.expect(2).says(error);
        assert_eq!(shard, None);
    };
    let slurm = |id, first, count| {
        [
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_MIN", first),
            ("SLURM_ARRAY_TASK_COUNT", count),
        ]
    };
    chosen(&[("JOB_COMPLETION_INDEX", "0")], "auto/4", "1/4");
    chosen(&[("JOB_COMPLETION_INDEX", "3")], "auto/4", "4/4");
    chosen(&slurm("7", "5", "4"), "auto", "3/4");
    refused(&[("JOB_COMPLETION_INDEX", "4")], "auto/4", "does not fit the job");
    refused(&[("JOB_COMPLETION_INDEX", "x")], "auto/4", "JOB_COMPLETION_INDEX is not a number");
    refused(&[("JOB_COMPLETION_INDEX", "1")], "auto", "Kubernetes does not tell");
    refused(&[], "auto/4", "finds no JOB_COMPLETION_INDEX");
    refused(&[], "auto", "finds no SLURM_ARRAY_TASK_ID");
    refused(&slurm("9", "1", "4"), "auto", "does not fit the job");
    refused(&slurm("1", "2", "4"), "auto", "does not fit the job");
}
