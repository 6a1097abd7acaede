//! One fault of the service or the network a row: its one right outcome, the number of sendings,
//! the exit status and what is said about it.
//!
//! Every row is a run of its own, through the real binary over real HTTP, so that no fault hides
//! behind another.

mod answers;
mod connections;
mod errors;
mod heads;

use crate::support::documents::results;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
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

/// Returns what became of the one task, how often it was sent, and how the run ended.
fn end_of(scene: &Scene, server: &Server, more: &[&str]) -> [String; 5] {
    let ended = scene.call(&[&RUN[..], more].concat());
    let rows = results(&scene.read("results.csv"));
    let cell = |name: &str| rows[0][name].clone();
    let (sent, exit) = (server.count(), ended.code.unwrap_or(-1));
    [cell("outcome"), cell("http_status"), cell("error_kind"), sent.to_string(), exit.to_string()]
}

/// Returns how VIAS as a file differs from VIAS as it is built in.
fn compare(fault: &Fault) -> Option<String> {
    let server = Server::start(fault.script);
    let built_in = end_of(&Scene::with(&server), &server, &[]);
    let server = Server::start(fault.script);
    let (scene, url) = (Scene::with(&server), server.url());
    scene.write("vias.toml", batchctl::service::VIAS.1);
    let by_file = end_of(&scene, &server, &["--service", "vias.toml", "--endpoint", &url]);
    (built_in != by_file).then(|| format!("{}:\n  {built_in:?}\n  {by_file:?}", fault.name))
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
