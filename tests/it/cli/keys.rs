//! Keys on the terminal of a run.

use super::terminal::Session;
use crate::support::program::Scene;
use crate::support::server::Server;
use rustix::process::Signal;
use rustix::termios::LocalModes;
use rustix::termios::Termios;
use serde_json::Value;

fn begun(call: &[&str]) -> (Server, Scene, Session) {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let ids: Vec<String> = (0..1_000).map(|number| format!("gate-{number:04}")).collect();
    scene.write("tasks.txt", ids.join("\n"));
    let mut command = scene.command(&[&["stop", "tasks.txt", "-y"], call].concat());
    command.env("NO_COLOR", "1");
    let mut session = Session::start(command);
    session.wait_for("? for keys");
    (server, scene, session)
}

fn signal(session: &Session, signal: Signal) {
    let id = rustix::process::Pid::from_child(&session.child);
    rustix::process::kill_process(id, signal).unwrap();
}

fn modes(session: &Session) -> Termios {
    rustix::termios::tcgetattr(&session.terminal).unwrap()
}

/// Returns what the report says was changed, and by whom.
fn changes(scene: &Scene) -> Vec<(String, String)> {
    let ended = scene.call(&["report", "--json"]).expect(0);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let changes = report["changes"].as_array().unwrap().iter();
    let changes = changes.inspect(|change| assert_eq!(change["by"], "a key"));
    changes.map(|change| (text(&change["change"]), text(&change["value"]))).collect()
}

#[test]
fn p_pauses_a_run_and_goes_on_with_it() {
    let (_server, scene, mut session) = begun(&["--rate", "20/s"]);
    session.type_in("p");
    session.wait_for("paused by hand since");
    session.shown.clear();
    session.type_in("p");
    session.wait_for("eta");
    signal(&session, Signal::INT);
    let (status, _) = session.ended();
    assert_eq!(status, Some(130));
    let expected = [("paused", ""), ("resumed", "")];
    assert_eq!(changes(&scene), expected.map(|(what, value)| (what.into(), value.into())));
}

#[test]
fn plus_and_minus_change_the_rate_by_a_tenth() {
    let (_server, scene, mut session) = begun(&["--rate", "20/s"]);
    session.type_in("+");
    session.wait_for("of 22/s");
    session.type_in("-");
    session.wait_for("of 20/s");
    session.shown.clear();
    session.type_in("?");
    session.wait_for("a tenth slower");
    signal(&session, Signal::TERM);
    let (status, _) = session.ended();
    assert_eq!(status, Some(143));
    let expected = [("rate", "22/s"), ("rate", "20/s")];
    assert_eq!(changes(&scene), expected.map(|(what, value)| (what.into(), value.into())));
}

#[test]
fn the_terminal_is_put_back_however_the_run_ends() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let version = Session::start(scene.command(&["--version"]));
    let plain = modes(&version).local_modes;
    version.ended();
    for (first, second) in [(Signal::INT, None), (Signal::TERM, Some(Signal::TERM))] {
        let (_server, _scene, session) = begun(&["--rate", "20/s"]);
        let during = modes(&session).local_modes;
        assert!(!during.intersects(LocalModes::ECHO | LocalModes::ICANON), "{during:?}");
        assert!(during.contains(LocalModes::ISIG));
        signal(&session, first);
        second.into_iter().for_each(|second| signal(&session, second));
        let terminal = session.terminal.try_clone().unwrap();
        session.ended();
        let after = rustix::termios::tcgetattr(&terminal).unwrap().local_modes;
        assert_eq!(after, plain);
    }
}

#[test]
fn an_interrupt_from_the_keyboard_leaves_no_trace_of_its_own() {
    let (_server, _scene, mut session) = begun(&["--rate", "20/s"]);
    // The terminal is not the child's own: its Ctrl-C makes no signal, and would be echoed.
    session.type_in("\u{3}");
    session.type_in("?");
    session.wait_for("a tenth slower");
    signal(&session, Signal::INT);
    let (_, shown) = session.ended();
    assert!(!shown.contains("^C"), "{shown:?}");
}

#[test]
fn without_a_bar_the_terminal_is_left_alone() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    let call = ["stop", "--id", "gate-1", "-y", "--progress", "lines"];
    let (status, shown) = Session::start(scene.command(&call)).ended();
    assert_eq!(status, Some(0));
    assert!(!shown.contains("for keys"), "{shown}");
}
