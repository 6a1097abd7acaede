//! The examples of the library, run as their readers would run them.

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
