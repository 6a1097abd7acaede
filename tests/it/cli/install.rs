//! What is installed beside the program: completions and manual pages.

use crate::support::program::Scene;
use std::fs;

fn check_page(words: &[&str], expected: &str) {
    let ended = Scene::new().call(&[&["man"], words].concat()).expect(0);
    assert!(ended.stdout.contains(".SH SYNOPSIS"), "{words:?}: {}", ended.stdout);
    assert!(ended.stdout.contains(expected), "{words:?}: {}", ended.stdout);
    assert_eq!(ended.stderr, "");
}

#[test]
fn every_command_has_a_manual_page() {
    check_page(&[], ".TH batchctl 1");
    check_page(&["start"], ".TH batchctl-start 1");
    check_page(&["runs", "prune"], ".TH batchctl-runs-prune 1");
}

#[test]
fn all_pages_are_written_to_a_directory_at_once() {
    let scene = Scene::new();
    let ended = scene.call(&["man", "--dir", "share/man1"]).expect(0);
    assert_eq!((ended.stdout, ended.stderr), (String::new(), String::new()));
    let entries = fs::read_dir(scene.path("share/man1")).unwrap();
    let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().contains("help")), "{names:?}");
    for name in ["batchctl.1", "batchctl-stop.1", "batchctl-runs.1", "batchctl-runs-list.1"] {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
}

#[test]
fn the_page_of_no_command_is_a_usage_error() {
    let ended = Scene::new().call(&["man", "runs", "lst"]).expect(2);
    ended.says("there is no command `runs lst`").says("batchctl --help");
}

#[test]
fn pages_that_cannot_be_written_are_told_with_their_place() {
    let scene = Scene::new();
    scene.write("file", "");
    scene.call(&["man", "--dir", "file/man1"]).expect(74).says("file/man1");
}

#[test]
fn shells_are_told_how_to_complete_the_command_line() {
    for (shell, mark) in
        [("bash", "_batchctl()"), ("zsh", "#compdef batchctl"), ("fish", "complete -c batchctl")]
    {
        let ended = Scene::new().call(&["completions", shell]).expect(0);
        assert!(ended.stdout.contains(mark), "{shell}: {}", ended.stdout);
        assert!(ended.stdout.contains("dry-run"), "{shell}");
    }
    Scene::new().call(&["completions", "csh"]).expect(2);
}

#[test]
fn neither_needs_a_home() {
    let mut scene = Scene::new();
    scene.set("HOME", "");
    scene.call(&["man"]).expect(0);
    scene.call(&["completions", "bash"]).expect(0);
}
