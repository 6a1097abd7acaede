//! Runs the transcripts of a page and compares their output with the page.

use super::page::Page;
use super::page::Step;
use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process_group;
use std::fs;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::time::Duration;

/// Ends the output of each command; no program prints it.
const SEPARATOR: &str = "\u{1e}\n";
/// How often the shell of a page is looked at: three minutes long, which only a page takes that
/// hangs.
const MOST_LOOKS: u32 = 9_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Returns the commands of a page whose output is not the expected one, with that output.
pub(super) fn differences(page: &Page) -> Vec<String> {
    let steps = page.transcripts();
    let output = run(&steps);
    let mut outputs = output.split(SEPARATOR);
    let mut failures = Vec::new();
    for step in &steps {
        let printed: Vec<&str> = outputs.next().unwrap_or("(not run)").trim_end().lines().collect();
        let shown = step.expected.iter().rposition(|line| !line.is_empty()).map_or(0, |at| at + 1);
        if !matches(&step.expected[..shown], &printed) {
            let place = format!("{}:{}", page.name, step.line);
            let printed = printed.join("\n");
            failures.push(format!("{place}: `{}` printed:\n{printed}\n", step.command));
        }
    }
    failures
}

/// Runs the commands in one shell, and returns the output of both streams.
fn run(steps: &[Step]) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let (home, work) = (scratch.path().join("home"), scratch.path().join("work"));
    fs::create_dir(&home).unwrap();
    copy_examples(&work.join("examples"));
    let script = scratch.path().join("script");
    fs::write(&script, script_of(steps)).unwrap();
    let output = scratch.path().join("output");
    let stream = File::create(&output).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_batchctl"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let mut shell = Command::new("/bin/sh");
    shell.arg(&script).current_dir(&work).env_clear();
    shell.env("PATH", path).env("HOME", &home).env("TZ", "UTC");
    // Where `tests/coverage` counts lines.
    let counts = "LLVM_PROFILE_FILE";
    shell.envs(std::env::var_os(counts).map(|path| (counts, path)));
    // A file and not a pipe: what runs in the background would hold a pipe open.
    shell.stdin(File::open("/dev/null").unwrap()).stdout(stream.try_clone().unwrap());
    shell.stderr(stream).process_group(0);
    let mut shell = shell.spawn().unwrap();
    let group = Pid::from_raw(i32::try_from(shell.id()).unwrap()).unwrap();
    wait_for(&mut shell);
    // A sandbox in the background outlives the shell; without any there is no group left.
    let _ = kill_process_group(group, Signal::KILL);
    String::from_utf8_lossy(&fs::read(output).unwrap()).into_owned()
}

/// Waits until the shell has ended, or until it can only hang.
fn wait_for(shell: &mut Child) {
    for _ in 0..MOST_LOOKS {
        if shell.try_wait().unwrap().is_some() {
            return;
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Writes the separator behind each command, and keeps `$?` for the next one.
fn script_of(steps: &[Step]) -> String {
    let separated =
        |step: &Step| format!("{}\nlast=$?; printf '\\036\\n'; (exit $last)\n", step.command);
    steps.iter().map(separated).collect()
}

fn copy_examples(to: &Path) {
    copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"), to);
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Returns whether lines match expected ones, in which `…` stands for any text or any lines.
fn matches(expected: &[impl AsRef<str>], printed: &[&str]) -> bool {
    let Some((first, rest)) = expected.split_first() else { return printed.is_empty() };
    if first.as_ref().trim() == "…" {
        return (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]));
    }
    let Some((line, others)) = printed.split_first() else { return false };
    line_matches(first.as_ref().trim_end(), line.trim_end()) && matches(rest, others)
}

fn line_matches(pattern: &str, line: &str) -> bool {
    let Some((before, after)) = pattern.split_once('…') else { return pattern == line };
    let Some(rest) = line.strip_prefix(before) else { return false };
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.into_iter().any(|at| line_matches(after, &rest[at..]))
}

#[test]
fn ellipses_match_text_and_lines_and_nothing_else() {
    let check = |expected: &[&str], printed: &[&str], result: bool| {
        assert_eq!(matches(expected, printed), result, "{expected:?} {printed:?}");
    };
    check(&["run …, 3 tasks"], &["run 2024, 3 tasks"], true);
    check(&["run …, 3 tasks"], &["run 2024, 4 tasks"], false);
    check(&["…a…b"], &["a ab"], true);
    check(&["…a…b"], &["a ba"], false);
    check(&["one", "…", "four"], &["one", "two", "three", "four"], true);
    check(&["one", "…", "four"], &["one", "four"], true);
    check(&["one", "…", "four"], &["one", "four", "five"], false);
    check(&["one"], &["one", "two"], false);
    check(&[], &["one"], false);
    check(&["one"], &[], false);
}

#[test]
fn the_status_of_a_command_is_there_for_the_next_one() {
    let step = |command: &str| Step { line: 1, command: command.into(), expected: vec![] };
    let output = run(&[step("sh -c 'exit 3'"), step("echo $?"), step("batchctl --version")]);
    let expected =
        format!("{SEPARATOR}3\n{SEPARATOR}batchctl {}\n{SEPARATOR}", env!("CARGO_PKG_VERSION"));
    assert_eq!(output, expected);
}
