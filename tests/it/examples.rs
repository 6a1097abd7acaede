//! The examples of the library, run as their readers would run them.

mod files;

use crate::support::program::Scene;
use std::process::Command;

/// Runs an example through cargo, and returns what it prints.
fn run(example: &str) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--locked", "--offline", "--example", example]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_run_from_the_library_tells_what_it_came_to() {
    let printed = run("run_from_library");
    assert!(printed.starts_with("stop: 3 tasks in "), "{printed}");
    for text in ["  succeeded           1\n", "  partial             1 ", "VIAS.00010012"] {
        assert!(printed.contains(text), "`{text}` is not in {printed}");
    }
}

#[test]
fn a_watcher_of_ones_own_sees_what_happens() {
    let printed = run("watcher");
    let mut lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.pop(), Some("3 tasks settled in 3 attempts"));
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["start gate-1: succeeded", "start gate-2: succeeded", "start gate-3: succeeded"]
    );
}

/// Returns the flags in a file's calls of the program, each behind its command.
fn flags_in(example: &str) -> Vec<(String, String)> {
    let path = format!("{}/examples/{example}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap().replace("\\\n", " ");
    let is_flag = |word: &&str| word.starts_with("--") && word.len() > 2;
    let mut found = Vec::new();
    for call in text.split("batchctl ").skip(1) {
        let line = call.lines().next().unwrap();
        let Some(command) = line.split_whitespace().next() else { continue };
        let flags = line.split_whitespace().filter(is_flag);
        found.extend(flags.map(|flag| (command.to_owned(), flag.to_owned())));
    }
    found
}

#[test]
fn examples_for_schedulers_use_flags_that_exist() {
    let examples = ["crontab", "batchctl.service", "nightly.sh", "indexed-job.yaml"];
    let workers = ["worker-deployment.yaml", "batchctl-worker@.service"];
    for example in examples.into_iter().chain(["slurm-array.sh"]).chain(workers) {
        let flags = flags_in(example);
        assert!(flags.len() >= 2, "{example}: {flags:?}");
        for (command, flag) in flags {
            let words: &[&str] = match &*command {
                "runs" => &["runs", "prune"],
                "report" => &["report", "merge"],
                command => &[command],
            };
            let help = Scene::new().call(&[words, &["--help"]].concat()).expect(0);
            assert!(help.stdout.contains(&flag), "{example}: {command} {flag}");
        }
    }
}

/// Runs the script for every night against the sandbox.
fn check_nightly(ids: &str, status: i32, runs: usize) {
    let mut scene = Scene::new();
    scene.set("BATCHCTL_SANDBOX", "true");
    scene.set("BATCHCTL_RATE", "none");
    scene.write("cameras.txt", ids);
    let script = format!("{}/examples/nightly.sh", env!("CARGO_MANIFEST_DIR"));
    let program = scene.command(&[]).get_program().to_owned();
    let directory = std::path::Path::new(&program).parent().unwrap().display().to_string();
    scene.set("PATH", &format!("{directory}:/usr/bin:/bin"));
    let ended = scene.start_in_shell(&format!("sh {script} cameras.txt")).ended();
    assert_eq!(ended.expect(status).stdout, "");
    assert_eq!(scene.runs().iter().filter(|name| name.ends_with(".db")).count(), runs);
}

#[test]
fn the_script_for_every_night_tries_once_more_what_did_not_succeed() {
    check_nightly("gate-1\ngate-2\n", 0, 1);
    check_nightly("gate-1\ngate-2-partial\n", 1, 2);
}
