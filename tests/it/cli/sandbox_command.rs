//! `batchctl sandbox`: prints its URL, serves as its flags say, and ends when it is told to.

use crate::support::documents::column;
use crate::support::documents::report;
use crate::support::documents::results;
use crate::support::program::Running;
use crate::support::program::Scene;
use rustix::process::Signal;
use serde_json::Value;
use std::io::BufRead;
use std::io::BufReader;

/// A sandbox of its own process, and a scene that calls it.
struct Rehearsal {
    scene: Scene,
    sandbox: Running,
}

impl Rehearsal {
    fn new(flags: &[&str]) -> Self {
        let mut scene = Scene::new();
        let mut sandbox = scene.start(&[&["sandbox", "--latency", "0ms"], flags].concat());
        let mut url = String::new();
        BufReader::new(sandbox.stdout()).read_line(&mut url).unwrap();
        scene.set("BATCHCTL_ENDPOINT", url.trim());
        scene.set("BATCHCTL_PROJECT_ID", "project-1");
        scene.set("BATCHCTL_TOKEN", "any");
        let ids: Vec<String> = (0..20).map(|number| format!("gate-{number:02}")).collect();
        scene.write("tasks.txt", ids.join("\n"));
        Self { scene, sandbox }
    }

    /// Stops twenty tasks and returns the report.
    fn stop_twenty(&self, flags: &[&str]) -> Value {
        let call = ["stop", "tasks.txt", "--rate", "none", "--json", "--max-failures", "100%"];
        report(&self.scene.call(&[&call, flags].concat()).stdout)
    }

    /// Ends the sandbox as an operator does.
    fn end(self) -> Scene {
        self.sandbox.signal(Signal::TERM);
        let ended = self.sandbox.ended().expect(0);
        assert_eq!(ended.stderr, "");
        self.scene
    }
}

/// Checks how twenty tasks end against a sandbox with these flags.
#[track_caller]
fn check(flags: &[&str], outcomes: &[&str]) {
    let rehearsal = Rehearsal::new(flags);
    let report = rehearsal.stop_twenty(&["--max-attempts", "1"]);
    let count = |outcome: &&str| report["tasks"][outcome].as_u64().unwrap();
    assert_eq!(outcomes.iter().map(count).sum::<u64>(), 20, "{flags:?}: {}", report["tasks"]);
    rehearsal.end();
}

#[test]
fn its_shares_decide_what_becomes_of_calls() {
    check(&[], &["succeeded"]);
    check(&["--drop", "100%"], &["ambiguous"]);
    // Where there is but one sub-task, a part of them is all of them.
    check(&["--partial", "100%"], &["partial", "failed"]);
    check(&["--fail", "100%"], &["failed", "ambiguous"]);
}

#[test]
fn the_same_seed_spoils_the_same_calls() {
    let outcomes = |seed: &str| {
        let rehearsal = Rehearsal::new(&["--fail", "30%", "--partial", "30%", "--seed", seed]);
        rehearsal.stop_twenty(&["--max-attempts", "1", "-o", "results.csv"]);
        let rows = results(&rehearsal.scene.read("results.csv"));
        rehearsal.end();
        column(&rows, "outcome").join(" ")
    };
    let seven = outcomes("7");
    assert_eq!(outcomes("7"), seven);
    assert_ne!(outcomes("8"), seven);
}

#[test]
fn its_limit_throttles() {
    let rehearsal = Rehearsal::new(&["--limit", "10/s", "--retry-after", "1s"]);
    let report = rehearsal.stop_twenty(&[]);
    assert_eq!(report["tasks"]["succeeded"], 20);
    assert!(report["calls"]["throttled"].as_u64().unwrap() > 0, "{report}");
    assert!(report["pace"]["paused_ms"].as_u64().unwrap() >= 1_000, "{report}");
    rehearsal.end();
}

#[test]
fn its_log_has_a_line_for_each_request() {
    let rehearsal = Rehearsal::new(&["--access-log", "access.log", "--tasks", "5"]);
    rehearsal.stop_twenty(&[]);
    let scene = rehearsal.end();
    let log = scene.read("access.log");
    let mut lines: Vec<&str> = log.lines().map(|line| line.split_once('\t').unwrap().1).collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 20);
    assert_eq!(lines[0], "PUT\tgate-00\tstop\t200");
}

#[test]
fn it_serves_nobody_but_this_machine() {
    let scene = Scene::new();
    scene.call(&["sandbox", "--listen", "0.0.0.0:0"]).expect(2).says("0.0.0.0:0");
    scene.call(&["sandbox", "--fail", "80%", "--drop", "80%"]).expect(2).says("error: ");
    scene.call(&["sandbox", "--latency", "9ms..1ms"]).expect(2).says("shorter");
    let listening = Rehearsal::new(&[]);
    let taken = listening.stop_twenty(&[])["target"]["endpoint"].clone();
    let address = taken.as_str().unwrap().trim_start_matches("http://");
    scene.call(&["sandbox", "--listen", address]).expect(74).says(address);
    listening.end();
}

#[test]
fn a_project_without_an_id_or_given_twice_is_refused() {
    let scene = Scene::new();
    let refused = |flags: &[&str]| scene.call(&[&["sandbox"], flags].concat()).expect(2);
    refused(&["--own-project", ":limit=1/s"]).says("the id of the project is missing");
    let twice = ["--own-project", "north", "--own-project", "north:limit=1/s"];
    refused(&twice).says("`--own-project` has `north` twice").says("give each project once");
    refused(&["--project", "a=1", "--project", "a=2"]).says("`--project` has `a` twice");
}
