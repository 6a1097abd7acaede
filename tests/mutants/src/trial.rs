//! Runs the tests with one change after the other.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A test that takes longer comes last.
const LONG: f64 = 0.5;
/// How long tests may take in any case, in seconds, however short they are without a change.
const LEAST_LIMIT: f64 = 3.0;
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

    /// Returns the names of tests in the order in which they are tried for a module: first its own
    /// tests, then those of each module around it, last the long ones.
    fn stages(&self, module: &str) -> Vec<Vec<&Test>> {
        let around = std::iter::successors(Some(module), |of| of.rsplit_once("::").map(|of| of.0));
        let (mut stages, mut long, mut inner) = (Vec::new(), Vec::new(), None);
        for of in around {
            let is_of = |test: &&Test, of: &str| test.name.starts_with(&format!("{of}::"));
            let is_new = |test: &&Test| {
                is_of(test, of) && !inner.is_some_and(|inner: &str| is_of(test, inner))
            };
            let (short, other): (Vec<&Test>, Vec<&Test>) =
                self.tests.iter().filter(is_new).partition(|test| test.seconds < LONG);
            stages.push(short);
            long.extend(other);
            inner = Some(of);
        }
        if !self.is_quick {
            stages.push(long);
        }
        stages
    }

    /// Tries a change of a module.
    pub(crate) fn attempt(&self, change: usize, module: &str) -> Finding {
        let stages = self.stages(module);
        for stage in stages.into_iter().filter(|stage| !stage.is_empty()) {
            let names: Vec<&str> = stage.iter().map(|test| &*test.name).collect();
            let seconds: f64 = stage.iter().map(|test| test.seconds).sum();
            let limit = Duration::from_secs_f64(LEAST_LIMIT + 10.0 * seconds);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_around_a_module_come_from_the_inside_out_and_long_ones_last() {
        let test = |(name, seconds): (&str, f64)| Test { name: name.into(), seconds };
        let names = [("a::b::c::own", 0.1), ("a::b::c::long", 0.5), ("a::b::near", 0.1)];
        let others = [("a::far", 0.1), ("a::bc::far", 0.1), ("d::e", 0.1)];
        let tests = names.into_iter().chain(others).map(test).collect();
        let mut tests = Tests { binary: PathBuf::new(), tests, is_quick: true };
        let found = |tests: &Tests| {
            let names = |stage: Vec<&Test>| stage.iter().map(|test| test.name.clone()).collect();
            tests.stages("a::b::c").into_iter().map(names).collect::<Vec<Vec<String>>>()
        };
        let quick: [&[&str]; 3] = [&["a::b::c::own"], &["a::b::near"], &["a::far", "a::bc::far"]];
        assert_eq!(found(&tests), quick);
        tests.is_quick = false;
        assert_eq!(found(&tests).last().unwrap(), &["a::b::c::long"]);
    }
}
