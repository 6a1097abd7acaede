//! Runs the tests with one change after the other.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A test that takes longer comes last.
const LONG: f64 = 0.5;
/// The most memory that a changed program may take, in KiB: one that goes round for ever takes all.
const MOST_MEMORY: u32 = 4_000_000;

/// What the tests said to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    Caught,
    /// The tests did not come to an end.
    Endless,
    Missed,
}

struct Test {
    name: String,
    seconds: f64,
}

/// The tests, and how long each takes without a change.
pub(crate) struct Tests {
    binary: PathBuf,
    tests: Vec<Test>,
    /// Whether the long ones are left out.
    is_quick: bool,
}

impl Tests {
    fn command(&self, change: usize, names: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -v {MOST_MEMORY}; exec \"$0\" \"$@\"")])
            .arg(&self.binary);
        command.args(["--exact", "--test-threads=1"]).args(names).env("MUTANT", change.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Runs all tests of some modules without a change.
    pub(crate) fn measured(binary: PathBuf, modules: &[&str], is_quick: bool) -> Self {
        let mut command = Command::new(&binary);
        command.arg("--test-threads=1").args(modules.iter().map(|module| format!("{module}::")));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the tests start");
        let (mut tests, mut before) = (Vec::new(), Instant::now());
        for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
            let line = line.expect("the tests say text");
            let Some(line) = line.strip_prefix("test ") else { continue };
            if let Some((name, "ok")) = line.split_once(" ... ") {
                let seconds = before.elapsed().as_secs_f64();
                tests.push(Test { name: name.into(), seconds });
            }
            before = Instant::now();
        }
        assert!(child.wait().expect("the tests end").success(), "a test fails without any change");
        tests.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
        Self { binary, tests, is_quick }
    }

    /// Returns how many tests there are, and how long they take together.
    pub(crate) fn size(&self) -> (usize, f64) {
        (self.tests.len(), self.tests.iter().map(|test| test.seconds).sum())
    }

    /// Tries a change of a module: first with the module's own tests, last with the long ones.
    pub(crate) fn attempt(&self, change: usize, module: &str) -> Finding {
        let top = module.split("::").next().unwrap_or(module);
        let is_of = |test: &&Test, of: &str| test.name.starts_with(&format!("{of}::"));
        let (own, others): (Vec<&Test>, Vec<&Test>) = self
            .tests
            .iter()
            .filter(|test| is_of(test, top))
            .partition(|test| is_of(test, module) && test.seconds < LONG);
        let (short, long): (Vec<&Test>, Vec<&Test>) =
            others.into_iter().partition(|test| test.seconds < LONG);
        let stages = if self.is_quick { vec![own, short] } else { vec![own, short, long] };
        for stage in stages.into_iter().filter(|stage| !stage.is_empty()) {
            let names: Vec<&str> = stage.iter().map(|test| &*test.name).collect();
            let seconds: f64 = stage.iter().map(|test| test.seconds).sum();
            let limit = Duration::from_secs_f64(10.0 + 10.0 * seconds);
            let child = self.command(change, &names).spawn().expect("the tests start");
            match ended_within(child, limit) {
                None => return Finding::Endless,
                Some(false) => return Finding::Caught,
                Some(true) => {}
            }
        }
        Finding::Missed
    }
}

/// Returns whether a process succeeded; nothing if it had to be ended.
fn ended_within(mut child: Child, limit: Duration) -> Option<bool> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the process is ours") {
            return Some(status.success());
        }
        if start.elapsed() > limit {
            child.kill().expect("the process is ours");
            child.wait().expect("the process is ours");
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
