//! Whole runs over HTTP by the real program: three workers beside one.

use super::postgres::Postgres;
use super::{Figure, Must, Trouble, timed};
use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The program.
const PROGRAM: &str = env!("CARGO_BIN_EXE_batchctl");
/// How long the service takes for an answer, and how many calls a worker has on the wire.
const LATENCY: &str = "20ms";
const CONCURRENCY: &str = "8";
/// How many times as fast three workers are at least.
const LEAST: f64 = 2.5;

/// A service that ends with this value.
struct Service {
    child: Child,
    url: String,
}

impl Service {
    fn start(home: &Path) -> Result<Self, Trouble> {
        let mut command = Command::new(PROGRAM);
        command.args(["sandbox", "--latency", LATENCY]).env("HOME", home);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut url = String::new();
        if let Some(said) = child.stdout.take() {
            BufReader::new(said).read_line(&mut url)?;
        }
        Ok(Self { child, url: url.trim().to_owned() })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn measure(server: &Postgres, calls: u64) -> Result<Vec<Figure>, Trouble> {
    let home = tempfile::tempdir()?;
    let service = Service::start(home.path())?;
    let mut ids = String::new();
    for number in 0..calls {
        writeln!(ids, "camera-{number:07}")?;
    }
    fs::write(home.path().join("tasks.txt"), ids)?;
    let one = run(server, &service, home.path(), 1)?;
    let three = run(server, &service, home.path(), 3)?;
    let each = |span: Duration| calls as f64 / span.as_secs_f64();
    Ok(vec![
        Figure::new("whole run, one worker with 8 calls at a time", each(one), "calls/s"),
        Figure::new("whole run, three workers", each(three), "calls/s"),
        Figure::new("three workers beside one", one.as_secs_f64() / three.as_secs_f64(), "times")
            .must(Must::AtLeast(LEAST)),
    ])
}

/// Plans a run, and returns how long its workers take.
fn run(
    server: &Postgres,
    service: &Service,
    home: &Path,
    workers: usize,
) -> Result<Duration, Trouble> {
    let command = |words: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(words).env("HOME", home).current_dir(home).stdin(Stdio::null());
        command.env("BATCHCTL_STORE", server.address("runs"));
        command.env("BATCHCTL_ENDPOINT", &service.url);
        command.env("BATCHCTL_PROJECT_ID", "project").env("BATCHCTL_TOKEN", "a-token");
        command.stdout(Stdio::null());
        command
    };
    let plan = ["start", "tasks.txt", "--rate", "none", "--timeout", "5s", "--detach", "-q"];
    if !command(&plan).status()?.success() {
        return Err("the run was not planned".into());
    }
    let work = || command(&["work", "-q", "-j", CONCURRENCY]).spawn();
    let (ended, took) = timed(|| {
        let running = (0..workers).map(|_| work()).collect::<Result<Vec<_>, _>>()?;
        running.into_iter().map(|mut worker| worker.wait()).collect::<Result<Vec<_>, _>>()
    });
    if ended?.iter().any(|status| !status.success()) {
        return Err("a worker did not end well".into());
    }
    Ok(took)
}
