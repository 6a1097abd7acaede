//! `demo`, and what a person is told who types the name of the program alone.

use super::terminal::Session;
use crate::support::documents::{column, results};
use crate::support::program::Scene;
use std::fs;

#[test]
fn a_rehearsal_is_paused_killed_resumed_and_explained() {
    let mut scene = Scene::new();
    // Nothing around it may reach the rehearsal.
    scene.set("BATCHCTL_RATE", "1/h");
    scene.set("BATCHCTL_ENDPOINT", "https://vias.example.com");
    scene.configure("rate = '1/h'\n");
    let ended = scene.call(&["demo"]).expect(0);
    let ended = ended.prints("$ batchctl ctl pause").prints("$ batchctl resume").prints("kill -9");
    let ended = ended.prints("VIAS.00010012: This operation is not allowed");
    let ended = ended.prints("batchctl-demo/report.html").says("paused by").says("settled before");
    assert!(!ended.stdout.contains("0 settled before"), "{ended:?}");
    let rows = results(&scene.read("batchctl-demo/results.csv"));
    let outcomes = column(&rows, "outcome");
    let count = |outcome| outcomes.iter().filter(|other| **other == outcome).count();
    let counts = ["succeeded", "partial", "failed", "ambiguous"].map(count);
    assert_eq!(counts, [192, 2, 4, 2]);
    assert!(scene.read("batchctl-demo/report.html").contains("camera-100-refused"));
    // No run of it is among those of the user.
    assert_eq!(scene.runs().len(), 0);
    scene.call(&["demo"]).expect(2).says("`batchctl-demo` exists already");
}

#[test]
fn a_rehearsal_that_is_interrupted_leaves_no_process() {
    let scene = Scene::new();
    let mut session = Session::start(scene.command(&["demo", "here"]));
    session.wait_for("$ batchctl ctl pause");
    let pid = session.child.id();
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&session.child),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    let (status, shown) = session.ended();
    assert_eq!(status, Some(143), "{shown}");
    let children = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let status = fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
        let parent = status.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()?;
        (parent == pid).then_some(status)
    });
    assert_eq!(children.count(), 0);
}

#[test]
fn the_name_of_the_program_alone_says_what_to_type_first() {
    let mut scene = Scene::new();
    // Also for a person who has exported variables, as the README says.
    for variable in ["LANG", "BATCHCTL_REGION", "BATCHCTL_STATE_DIR"] {
        scene.set(variable, "cn-north-4");
        let (status, shown) = Session::start(scene.command(&[])).ended();
        assert_eq!(status, Some(2), "{variable}");
        assert!(shown.contains("batchctl demo "), "{variable}: {shown}");
        assert!(shown.lines().count() <= 11, "{variable}: {shown}");
    }
    // A script that forgot the command gets the help, as before.
    scene.call(&[]).expect(2).says("Usage: batchctl [OPTIONS] <COMMAND>");
}
