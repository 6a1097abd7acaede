//! A sandbox, a state directory, and the real binary between them.

use crate::ledger::Ledger;
use batchctl::sandbox::SandboxSettings;
use batchctl::sandbox::SandboxThread;
use batchctl::sandbox::Witness;
use batchctl::store::RunDirectory;
use batchctl::store::RunId;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// How long a thing that must happen may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(2);

/// Everything a test needs.
pub(crate) struct Rig {
    folder: TempDir,
    pub(crate) state: PathBuf,
    pub(crate) url: String,
    pub(crate) witness: Witness,
    _sandbox: SandboxThread,
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// One line of the access log.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) at_us: u64,
    pub(crate) id: String,
}

impl Rig {
    pub(crate) fn answering_in(least_ms: u64, most_ms: u64) -> Self {
        let latency = Duration::from_millis(least_ms)..=Duration::from_millis(most_ms);
        Self::with(SandboxSettings { latency, ..SandboxSettings::default() })
    }

    pub(crate) fn with(settings: SandboxSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let access_log = Some(folder.path().join("access.log"));
        let sandbox = SandboxThread::start(SandboxSettings { access_log, ..settings }).unwrap();
        Self {
            state: folder.path().join("state"),
            url: sandbox.url().into(),
            witness: sandbox.witness(),
            _sandbox: sandbox,
            folder,
        }
    }

    /// Returns a path that nothing else uses.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes an input of these ids.
    pub(crate) fn input<S: AsRef<str>>(&self, ids: &[S]) -> PathBuf {
        let path = self.path("tasks.csv");
        let mut text = String::from("id,name\n");
        for (line, id) in ids.iter().enumerate() {
            let _ = writeln!(text, "{},camera {line}", id.as_ref());
        }
        fs::write(&path, text).unwrap();
        path
    }

    /// Returns a command with nothing of this process's surroundings but its path.
    pub(crate) fn batchctl(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_batchctl"));
        command.args(args).arg("--state-dir").arg(&self.state);
        self.surround(&mut command);
        command
    }

    /// Returns a command that a shell begins with `before`, such as a trap.
    pub(crate) fn through_shell(&self, before: &str, args: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{before}; exec \"$@\"")).arg("sh");
        command.arg(env!("CARGO_BIN_EXE_batchctl")).args(args).arg("--state-dir").arg(&self.state);
        self.surround(&mut command);
        command
    }

    pub(crate) fn surround(&self, command: &mut Command) {
        command.env_clear().env("PATH", "/usr/bin:/bin").env("BATCHCTL_TOKEN", "token");
        command
            .env("BATCHCTL_PROGRESS", "none")
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    /// Returns the arguments of a start of an input, and more.
    pub(crate) fn start_args<'a>(&'a self, input: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        let input = input.to_str().unwrap();
        let mut args = vec!["start", input, "--endpoint", &self.url, "--project-id", "p1"];
        args.push("--yes");
        args.extend(more);
        args
    }

    pub(crate) fn start(&self, input: &Path, more: &[&str]) -> Process {
        Process::spawn(self.batchctl(&self.start_args(input, more)))
    }

    /// Starts a run and kills it when the service has seen so many requests of it.
    pub(crate) fn killed_after(&self, requests: u64, input: &Path, more: &[&str]) {
        let before = self.requests();
        let process = self.start(input, more);
        self.await_requests(before + requests);
        process.kill();
    }

    /// Carries out a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        Process::spawn(self.batchctl(args)).ended()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.witness.tally().requests
    }

    pub(crate) fn await_requests(&self, count: u64) {
        wait_until("requests", || self.requests() >= count);
    }

    /// Returns all requests so far, once those that a dead process sent have been read.
    pub(crate) fn log(&self) -> Vec<Request> {
        thread::sleep(Duration::from_millis(30));
        let mut read = Vec::new();
        wait_until("the log", || {
            read = read_log(&self.path("access.log"));
            u64::try_from(read.len()).unwrap() == self.requests()
        });
        read
    }

    /// Counts the requests of each id.
    pub(crate) fn requests_by_id(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in self.log() {
            *counts.entry(request.id).or_default() += 1;
        }
        counts
    }

    pub(crate) fn runs(&self) -> Vec<RunId> {
        RunDirectory::existing(&self.state).list().unwrap()
    }

    /// Returns the file of the latest run.
    pub(crate) fn file(&self) -> PathBuf {
        let runs = RunDirectory::existing(&self.state);
        runs.file(runs.list().unwrap().last().expect("there is a run"))
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::read(&self.file())
    }

    /// Returns the report of the latest run.
    pub(crate) fn report(&self) -> Value {
        let ended = self.run(&["runs", "show", "--json"]);
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
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

/// A process under test; killed if it is dropped.
pub(crate) struct Process {
    child: Option<Child>,
}

impl Process {
    pub(crate) fn spawn(mut command: Command) -> Self {
        Self { child: Some(command.spawn().unwrap()) }
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("taken only at the end")
    }

    pub(crate) fn pid(&mut self) -> u32 {
        self.child().id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child().try_wait().unwrap().is_none()
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        let child = self.child();
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a child has an id"), signal).unwrap();
    }

    pub(crate) fn close_stdout(&mut self) {
        drop(self.child().stdout.take());
    }

    pub(crate) fn close_stderr(&mut self) {
        drop(self.child().stderr.take());
    }

    /// Kills it, and returns what it said until then.
    pub(crate) fn kill(mut self) -> Ended {
        // One that has just ended cannot be killed any more.
        let _ = self.child().kill();
        self.ended()
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> Ended {
        let child = self.child.take().expect("taken only at the end");
        let output = child.wait_with_output().unwrap();
        let ended = Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until something holds; a test whose condition never comes true fails.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let mut waited = Duration::ZERO;
    while !holds() {
        assert!(waited < PATIENCE, "waited in vain for {what}");
        thread::sleep(STEP);
        waited += STEP;
    }
}

/// Returns ids that are called without trouble.
pub(crate) fn plain_ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("gate{number}")).collect()
}
