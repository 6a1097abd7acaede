//! A sandbox in this process, and the real program beside it.

use super::program::{Ended, Running, Scene};
use batchctl::clock::Clock;
use batchctl::sandbox::{SandboxSettings, SandboxThread, Witness};
use batchctl::store::{RunDirectory, RunId};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How long something that must happen may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(2);

/// A simulated service that keeps an access log.
pub(crate) struct Service {
    sandbox: SandboxThread,
    log: PathBuf,
}

/// One line of the access log.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) at_us: u64,
    pub(crate) id: String,
}

impl Service {
    /// Starts a service whose access log is in a folder; it ends when this is dropped.
    pub(crate) fn start(settings: SandboxSettings, folder: &Path) -> Self {
        let log = folder.join("access.log");
        let settings = SandboxSettings { access_log: Some(log.clone()), ..settings };
        Self { sandbox: SandboxThread::start(settings).unwrap(), log }
    }

    pub(crate) fn url(&self) -> &str {
        self.sandbox.url()
    }

    pub(crate) fn witness(&self) -> Witness {
        self.sandbox.witness()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.witness().tally().requests
    }

    pub(crate) fn await_requests(&self, count: u64) {
        wait_until("requests", || self.requests() >= count);
    }

    /// Returns all requests so far, once those that a dead process sent have been read.
    pub(crate) fn log(&self) -> Vec<Request> {
        // What a killed process had written is still on its way through the loopback interface.
        thread::sleep(Duration::from_millis(30));
        let mut read = Vec::new();
        wait_until("the log", || {
            read = read_log(&self.log);
            u64::try_from(read.len()).unwrap() == self.requests()
        });
        read
    }

    /// Returns the lines of the access log so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.log();
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Counts the requests of each id.
    pub(crate) fn requests_by_id(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in self.log() {
            *counts.entry(request.id).or_default() += 1;
        }
        counts
    }
}

fn read_log(path: &Path) -> Vec<Request> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(Request::parse).collect()
}

impl Request {
    fn parse(line: &str) -> Self {
        let fields: Vec<&str> = line.split('\t').collect();
        Self { at_us: fields[0].parse().unwrap(), id: fields[2].into() }
    }
}

/// The program, and the simulated service that it calls.
pub(crate) struct Rehearsal {
    pub(crate) scene: Scene,
    pub(crate) service: Service,
    /// Where runs are kept.
    pub(crate) state: PathBuf,
}

impl Rehearsal {
    /// A service with these settings, and an empty home from which it is called.
    pub(crate) fn with(settings: SandboxSettings) -> Self {
        let mut scene = Scene::new();
        let service = Service::start(settings, &scene.path(""));
        let state = scene.path("state");
        scene.set("BATCHCTL_TOKEN", "token");
        scene.set("BATCHCTL_PROGRESS", "none");
        scene.set("BATCHCTL_STATE_DIR", state.to_str().unwrap());
        Self { scene, service, state }
    }

    /// A service whose answers take these times, in milliseconds.
    pub(crate) fn answering_in(millis: RangeInclusive<u64>) -> Self {
        let (least, most) = millis.into_inner();
        let latency = Duration::from_millis(least)..=Duration::from_millis(most);
        Self::with(SandboxSettings { latency, ..SandboxSettings::default() })
    }

    /// A service that answers at once; every command calls it, without a rate limit.
    pub(crate) fn at_once(settings: SandboxSettings) -> Self {
        let latency = Duration::ZERO..=Duration::ZERO;
        let mut rehearsal = Self::with(SandboxSettings { latency, ..settings });
        rehearsal.scene.set("BATCHCTL_ENDPOINT", rehearsal.service.url());
        rehearsal.scene.set("BATCHCTL_PROJECT_ID", "project-1");
        rehearsal.scene.set("BATCHCTL_RATE", "none");
        rehearsal
    }

    /// Writes an input of these ids.
    pub(crate) fn input<S: AsRef<str>>(&self, ids: &[S]) -> PathBuf {
        let mut text = String::from("id,name\n");
        for (line, id) in ids.iter().enumerate() {
            let _ = writeln!(text, "{},camera {line}", id.as_ref());
        }
        self.scene.write("tasks.csv", text);
        self.scene.path("tasks.csv")
    }

    /// Starts a run of an input.
    pub(crate) fn start(&self, input: &Path, more: &[&str]) -> Running {
        self.scene.start(&self.start_arguments(input, more))
    }

    /// Returns the arguments that start a run of an input. Only they name the service: what takes
    /// a run up again has to know it from the run.
    pub(crate) fn start_arguments<'a>(&'a self, input: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        let input = input.to_str().unwrap();
        let service = ["--endpoint", self.service.url(), "--project-id", "project-1"];
        [&["start", input, "--yes"], &service[..], more].concat()
    }

    /// Starts a run and kills it when the service has read so many requests of it.
    pub(crate) fn killed_after(&self, requests: u64, input: &Path, more: &[&str]) {
        let before = self.service.requests();
        let running = self.start(input, more);
        self.service.await_requests(before + requests);
        running.kill();
    }

    /// Carries out a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.scene.start(arguments).ended()
    }

    pub(crate) fn runs(&self) -> Vec<RunId> {
        RunDirectory::existing(&self.state).list().unwrap()
    }

    /// Returns the file of the latest run.
    pub(crate) fn file(&self) -> PathBuf {
        let runs = RunDirectory::existing(&self.state);
        runs.file(runs.list().unwrap().last().expect("there is a run"))
    }

    /// Returns the report of the latest run.
    pub(crate) fn report(&self) -> Value {
        let ended = self.run(&["runs", "show", "--json"]);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
    }
}

/// Waits until something holds; a test whose condition never comes true fails.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    // A step takes longer than it sleeps, on a busy machine by far.
    let clock = Clock::start();
    let begun = clock.now();
    while !holds() {
        assert!(clock.now().since(begun) < PATIENCE, "waited in vain for {what}");
        thread::sleep(STEP);
    }
}

/// Returns ids that are called without trouble.
pub(crate) fn plain_ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("gate{number}")).collect()
}
