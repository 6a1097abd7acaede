//! The help: on one screen's width, with examples for every command.

use crate::support::batchctl::Scene;

const COMMANDS: &[&[&str]] = &[
    &[],
    &["start"],
    &["stop"],
    &["run"],
    &["list"],
    &["revert"],
    &["wait"],
    &["settle"],
    &["report"],
    &["ctl"],
    &["report", "diff"],
    &["schema"],
    &["runs"],
    &["runs", "list"],
    &["config"],
    &["config", "show"],
    &["config", "init"],
    &["config", "path"],
    &["sandbox"],
    &["completions"],
    &["man"],
];

#[test]
fn help_fits_a_hundred_columns_and_gives_examples() {
    let scene = Scene::new();
    for &command in COMMANDS {
        let ended = scene.call(&[command, &["--help"]].concat()).expect(0);
        let wide = ended.stdout.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "{command:?}");
        assert!(ended.stdout.contains("\nExamples:\n  "), "{command:?}: {}", ended.stdout);
        assert!(!ended.stdout.contains('\u{1b}'), "{command:?}");
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn help_without_a_command_is_a_usage_error() {
    let scene = Scene::new();
    scene.call(&[]).expect(2).says("Usage: batchctl").says("Examples:");
    scene.call(&["runs"]).expect(2).says("Usage: batchctl runs");
}

#[test]
fn the_version_is_told() {
    let expected = format!("batchctl {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(Scene::new().call(&["--version"]).expect(0).stdout, expected);
}

#[test]
fn exit_statuses_and_sources_of_values_are_in_the_help() {
    let ended = Scene::new().call(&["--help"]).expect(0);
    ended.prints("Exit status:").prints("Flag beats environment beats file beats default");
}
