//! One fault of the service or the network a row: its one right outcome, the number of sendings,
//! the exit status and what is said about it.
//!
//! Every row is a run of its own, through the real binary over real HTTP, so that no fault hides
//! behind another.

mod answers;
mod connections;
mod errors;
mod heads;

use crate::support::documents;
use crate::support::documents::results;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use serde_json::Value;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What the service does to the one task of a run, and what must become of it.
struct Fault {
    name: &'static str,
    script: fn(&Request) -> Reply,
    /// Outcome, status, kind, number of sendings and exit status; `-` where there is none.
    must: &'static str,
    /// A part of the message in the results; empty where there must be none.
    message: &'static str,
}

impl Fault {
    const fn must(self, must: &'static str) -> Self {
        Self { must, ..self }
    }
}

const fn fault(
    name: &'static str,
    must: &'static str,
    message: &'static str,
    script: fn(&Request) -> Reply,
) -> Fault {
    Fault { name, script, must, message }
}

const DONE: &str = "succeeded 200 - 1 sent, exit 0";

/// An odd answer that is as good as any.
const fn fine(name: &'static str, script: fn(&Request) -> Reply) -> Fault {
    fault(name, DONE, "", script)
}

fn well(request: &Request) -> Reply {
    Reply::trusted(&request.id, 0, 3)
}

/// The body of a good answer.
fn good_body(request: &Request) -> String {
    let id = &request.id;
    format!(r#"{{"total_count":3,"failed_count":0,"succeed_count":3,"id":"{id}","error_list":[]}}"#)
}

/// A run of one task: short waits, so that a service that hangs costs little.
const RUN: [&str; 15] = [
    "stop",
    "--id",
    "gate-1",
    "--rate",
    "none",
    "--max-attempts",
    "2",
    "--timeout",
    "2s",
    "--throttle-timeout",
    "2s",
    "--outage-timeout",
    "2s",
    "-o",
    "results.csv",
];

/// Returns what is wrong with what became of a fault.
fn try_out(fault: &Fault) -> Option<String> {
    let server = Server::start(fault.script);
    let scene = Scene::with(&server);
    let ended = scene.call(&RUN);
    let rows = results(&scene.read("results.csv"));
    let [row] = &rows[..] else { return Some(format!("{} rows", rows.len())) };
    let cell = |column: &str| Some(&*row[column]).filter(|cell| !cell.is_empty()).unwrap_or("-");
    let (outcome, status, kind) = (cell("outcome"), cell("http_status"), cell("error_kind"));
    let (sent, exit) = (server.count(), ended.code.unwrap_or(-1));
    let found = format!("{outcome} {status} {kind} {sent} sent, exit {exit}");
    let says = &row["error_msg"];
    let is_said = says.contains(fault.message) && (fault.message.is_empty() == says.is_empty());
    (found != fault.must || !is_said).then(|| {
        let (name, must, message) = (fault.name, fault.must, fault.message);
        let text = ended.stderr.trim_end();
        format!("{name}:\n  must  {must}: {message}\n  found {found}: {says}\n  {text}")
    })
}

/// Tries every row, some at a time, and fails with all that are wrong.
#[track_caller]
fn check(faults: &[Fault]) {
    all_right(&faults.iter().collect::<Vec<_>>(), try_out);
}

#[track_caller]
fn all_right(faults: &[&Fault], is_wrong: impl Fn(&Fault) -> Option<String> + Sync) {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(found) = is_wrong(fault) {
                        wrong.lock().unwrap().push(found);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), faults.len(), wrong.join("\n"));
}

/// What a run came to: its sendings and its exit status, the rows of results.csv and report.json.
#[derive(Debug, PartialEq)]
struct End {
    sent: usize,
    exit: i32,
    rows: Vec<Vec<String>>,
    report: Value,
}

/// The columns of results.csv that are times.
const TIMES: [&str; 3] = ["started_at", "finished_at", "duration_ms"];
/// The fields of report.json that are times, follow from times alone, name the run, or say what was
/// typed.
const OF_THE_RUN: [&str; 14] = [
    "command_line",
    "id",
    "started_at",
    "finished_at",
    "duration_ms",
    "latency_ms",
    "rate_average",
    "rate_peak_1s",
    "rate_learnt",
    "set_by_service",
    "paused_ms",
    "first_at",
    "last_at",
    "retry_command",
];

/// Carries out a run, and returns what it came to, without what two runs cannot have in common.
fn end_of(scene: &Scene, server: &Server, more: &[&str]) -> End {
    let ended = scene.call(&[&RUN[..], &["-o", "report.json"], more].concat());
    let address = server.url();
    let plain = |name| scene.read(name).replace(&*address, "URL");
    let text = plain("results.csv");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect());
    let mut rows: Vec<Vec<String>> = rows.collect();
    let names = rows[0].clone();
    let is_time = |at: usize| TIMES.contains(&names[at].as_str());
    for row in &mut rows[1..] {
        row.iter_mut()
            .enumerate()
            .filter(|(at, _)| is_time(*at))
            .for_each(|(_, cell)| cell.clear());
    }
    let mut report = documents::report(&plain("report.json"));
    report.as_object_mut().unwrap().remove("service");
    without(&OF_THE_RUN, &mut report);
    End { sent: server.count(), exit: ended.code.unwrap_or(-1), rows, report }
}

/// Empties the fields with some names, however deep they are.
fn without(names: &[&str], value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| {
            if names.contains(&name.as_str()) {
                *value = Value::Null;
            } else {
                without(names, value);
            }
        }),
        Value::Array(values) => values.iter_mut().for_each(|value| without(names, value)),
        _ => {}
    }
}

/// Returns how VIAS as a file differs from VIAS as it is built in.
fn compare(fault: &Fault) -> Option<String> {
    let server = Server::start(fault.script);
    let built_in = end_of(&Scene::with(&server), &server, &[]);
    let server = Server::start(fault.script);
    let (scene, url) = (Scene::with(&server), server.url());
    scene.write("vias.toml", batchctl::service::VIAS.1);
    let by_file = end_of(&scene, &server, &["--service", "vias.toml", "--endpoint", &url]);
    if built_in == by_file {
        return None;
    }
    let lines = |end: &End| format!("{end:#?}").lines().map(str::to_owned).collect::<Vec<_>>();
    let (built_in, by_file) = (lines(&built_in), lines(&by_file));
    let only_in = |one: &[String], other: &[String]| {
        let lines = one.iter().filter(|line| !other.contains(line));
        lines.map(|line| format!("\n    {}", line.trim())).collect::<String>()
    };
    let (mine, its) = (only_in(&built_in, &by_file), only_in(&by_file, &built_in));
    Some(format!("{}:\n  built in:{mine}\n  by file:{its}", fault.name))
}

#[test]
fn the_file_of_vias_makes_of_every_fault_what_is_built_in() {
    let tables = [answers::FAULTS, connections::FAULTS, errors::FAULTS, heads::FAULTS];
    let faults: Vec<&Fault> = tables.iter().flat_map(|table| *table).collect();
    all_right(&faults, compare);
}

#[test]
fn there_are_a_hundred_faults_and_no_two_share_a_name() {
    let tables = [answers::FAULTS, connections::FAULTS, errors::FAULTS, heads::FAULTS];
    let mut names: Vec<&str> = tables.iter().flat_map(|table| *table).map(|row| row.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(all >= 100, "{all}");
}
