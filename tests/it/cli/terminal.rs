//! On a terminal: the question before a run, the bar, and colour.

use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::Server;
use batchctl::sandbox::SandboxSettings;
use batchctl::sandbox::SandboxThread;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::process::Command;

/// The program on a terminal of 100 columns.
pub(super) struct Session {
    pub(super) terminal: File,
    pub(super) child: Child,
    pub(super) shown: String,
}

impl Session {
    pub(super) fn start(mut command: Command) -> Self {
        let terminal = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        rustix::pty::grantpt(&terminal).unwrap();
        rustix::pty::unlockpt(&terminal).unwrap();
        let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&terminal, size).unwrap();
        let name = rustix::pty::ptsname(&terminal, Vec::new()).unwrap();
        let end = || {
            let path = name.to_str().unwrap();
            OwnedFd::from(File::options().read(true).write(true).open(path).unwrap())
        };
        command.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().unwrap();
        // Its ends of the terminal are the child's alone from now on.
        drop(command);
        Self { terminal: File::from(terminal), child, shown: String::new() }
    }

    /// Reads until the terminal shows a text.
    pub(super) fn wait_for(&mut self, text: &str) {
        while !self.shown.contains(text) {
            assert!(self.read(), "it ended without `{text}`: {}", self.shown);
        }
    }

    /// Reads what is there, and tells whether the program still has the terminal.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4_096];
        // Linux reports EIO when the last end of the program is closed.
        let length = self.terminal.read(&mut buffer).unwrap_or(0);
        self.shown += &String::from_utf8_lossy(&buffer[..length]);
        length > 0
    }

    pub(super) fn type_in(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// Returns the exit status and all that was shown.
    pub(super) fn ended(mut self) -> (Option<i32>, String) {
        while self.read() {}
        (self.child.wait().unwrap().code(), self.shown)
    }
}

fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    scene.write("tasks.txt", "gate-1\ngate-2\n");
    scene
}

/// Answers the question, and checks the exit status and how many calls were sent.
#[track_caller]
fn check_answer(keys: &str, code: i32, calls: usize) {
    let server = Server::obliging();
    let scene = scene(&server);
    let mut session = Session::start(scene.command(&["stop", "tasks.txt"]));
    session.wait_for("[y/N]");
    assert!(session.shown.contains("stop 2 batch tasks with http://"), "{}", session.shown);
    session.type_in(keys);
    let (status, shown) = session.ended();
    assert_eq!(status, Some(code), "{shown}");
    assert_eq!(server.count(), calls);
    assert_eq!(scene.runs().is_empty(), calls == 0, "a run was left over");
}

#[test]
fn a_run_begins_when_somebody_says_yes() {
    check_answer("y\n", 0, 2);
    check_answer("yes\n", 0, 2);
}

#[test]
fn without_a_yes_nothing_is_sent_and_nothing_is_kept() {
    check_answer("n\n", 130, 0);
    check_answer("\n", 130, 0);
    // Ctrl-D.
    check_answer("\u{4}", 130, 0);
}

#[test]
fn a_deletion_asks_for_the_number_of_tasks_whoever_says_yes() {
    for (keys, code, calls) in [("y\n", 130, 0), ("3\n", 130, 0), ("2\n", 0, 2)] {
        let server = Server::obliging();
        let scene = scene(&server);
        let mut session = Session::start(scene.command(&["delete", "tasks.txt", "--yes"]));
        session.wait_for("Type 2 to go on:");
        assert!(session.shown.contains("delete 2 batch tasks for good"), "{}", session.shown);
        session.type_in(keys);
        let (status, shown) = session.ended();
        assert_eq!((status, server.count()), (Some(code), calls), "{shown}");
        assert_eq!(scene.runs().is_empty(), calls == 0, "a run was left over");
    }
}

#[test]
fn an_interrupt_at_the_question_sends_nothing_and_keeps_nothing() {
    let server = Server::obliging();
    let scene = scene(&server);
    let mut session = Session::start(scene.command(&["stop", "tasks.txt"]));
    session.wait_for("[y/N]");
    let id = Pid::from_child(&session.child);
    kill_process(id, Signal::INT).unwrap();
    let (status, shown) = session.ended();
    assert_eq!(status, Some(130), "{shown}");
    assert!(shown.contains("nothing was sent"), "{shown}");
    assert_eq!((server.count(), scene.runs().len()), (0, 0));
}

#[test]
fn nobody_is_asked_who_said_yes_or_rehearses() {
    let server = Server::obliging();
    let scene = scene(&server);
    for flags in [&["--yes"], &["--sandbox"], &["--dry-run"]] {
        let session = Session::start(scene.command(&[&["stop", "tasks.txt"], &flags[..]].concat()));
        let (status, shown) = session.ended();
        assert_eq!(status, Some(0), "{shown}");
        assert!(!shown.contains("[y/N]"), "{shown}");
    }
}

#[test]
fn the_bar_is_drawn_cleared_and_followed_by_the_summary() {
    let server = Server::start(|request| {
        Reply::trusted(&request.id, 0, 1).after(std::time::Duration::from_millis(200))
    });
    let scene = scene(&server);
    let call = ["stop", "tasks.txt", "-y", "-j", "1", "--rate", "none"];
    let (status, shown) = Session::start(scene.command(&call)).ended();
    assert_eq!(status, Some(0), "{shown}");
    // Drawn anew with a return, and cleared before the summary.
    assert!(shown.contains('\r') && shown.contains("1/2"), "{shown:?}");
    let summary = shown.find("stop: 2 tasks").unwrap();
    assert!(shown[..summary].contains("\u{1b}["), "{shown:?}");
    assert!(shown.contains("\u{1b}[32m"), "{shown:?}");
}

#[test]
fn no_color_and_a_dumb_terminal_are_obeyed() {
    let server = Server::obliging();
    let scene = scene(&server);
    let mut command = scene.command(&["stop", "tasks.txt", "-y", "--progress", "none"]);
    command.env("NO_COLOR", "1");
    let (_, shown) = Session::start(command).ended();
    assert!(shown.contains("succeeded") && !shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn a_password_is_asked_for_and_never_shown() {
    let sandbox = SandboxThread::start(SandboxSettings::default()).unwrap();
    let mut scene = Scene::new();
    scene.set("BATCHCTL_ENDPOINT", sandbox.url());
    scene.set("BATCHCTL_IAM_ENDPOINT", sandbox.url());
    let user = ["--iam-user", "sandbox", "--iam-domain", "sandbox", "--iam-project", "any"];
    let mut session = Session::start(scene.command(&[&["auth", "check"], &user[..]].concat()));
    session.wait_for("password of `sandbox`: ");
    session.type_in("sandbox\n");
    let (code, shown) = session.ended();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("password of `sandbox`: \r\nsource"), "{shown}");
    let mut session = Session::start(scene.command(&[&["auth", "check"], &user[..]].concat()));
    session.wait_for("password of `sandbox`: ");
    session.type_in("wrong-password\n");
    let (code, shown) = session.ended();
    assert_eq!(code, Some(77), "{shown}");
    assert!(!shown.contains("wrong-password"), "{shown}");
}

#[test]
fn the_bar_is_ascii_where_the_locale_has_nothing_else() {
    let shown = |variables: &[(&str, &str)]| {
        let server = Server::obliging();
        let scene = scene(&server);
        let ids: String = (0..40).map(|number| format!("gate-{number:02}\n")).collect();
        scene.write("many.txt", ids);
        let mut command = scene.command(&["stop", "many.txt", "--rate", "40/s", "-y", "-q"]);
        command.args(["--progress", "bar"]).envs(variables.iter().copied());
        let (code, shown) = Session::start(command).ended();
        assert_eq!(code, Some(0), "{shown}");
        shown
    };
    for variables in [
        &[("LC_ALL", "POSIX")][..],
        &[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")],
        &[("LC_CTYPE", "C")],
        &[("LANG", "de_DE.ISO-8859-15")],
    ] {
        let shown = shown(variables);
        assert!(shown.is_ascii() && shown.contains('#'), "{variables:?}: {shown}");
    }
    for variables in [&[("LC_ALL", "C.UTF-8"), ("LANG", "C")][..], &[]] {
        assert!(!shown(variables).is_ascii(), "{variables:?}");
    }
}

#[test]
fn a_terminal_without_other_characters_gets_ascii_alone() {
    let server =
        Server::start(|_| Reply::service(400, "VIAS.00010001", "ung\u{fc}ltig \u{2013} \u{4e2d}"));
    let mut scene = Scene::with(&server);
    scene.set("LC_ALL", "POSIX");
    scene.write("t\u{f6}r.csv", "id,\u{f6}rtlich\ngate-1,\u{e4}\n");
    let named = ["stop", "t\u{f6}r.csv", "-y", "--rate", "none", "--reason", "\u{e4}nderung"];
    let calls: [&[&str]; 11] = [
        &["-o", "\u{e4}.csv"],
        &["--progress", "lines", "-vv"],
        &["-o", "csv:-"],
        &["-o", "ndjson:-"],
        &["-o", "html:-"],
        &["--json"],
        &["-n", "-v"],
        &["--region", "\u{e4}"],
        &["--\u{e4}"],
        &["--ca-file", "./\u{e4}"],
        &["--id-column", "\u{e4}"],
    ];
    let calls = calls.map(|flags| [&named[..], flags].concat());
    let others: [&[&str]; 4] =
        [&["report"], &["runs", "show", "latest"], &["runs", "list"], &["stop", "n\u{f6}.csv"]];
    for call in calls.into_iter().chain(others.map(<[&str]>::to_vec)) {
        let (_, shown) = Session::start(scene.command(&call)).ended();
        assert!(shown.is_ascii() && !shown.is_empty(), "{call:?}: {shown}");
    }
    let (_, shown) = Session::start(scene.command(&["report"])).ended();
    assert!(shown.contains("ung\\u{fc}ltig"), "{shown}");
}

#[test]
fn an_input_is_checked_before_a_password_is_asked_for() {
    let server = Server::obliging();
    let mut scene = scene(&server);
    scene.unset("BATCHCTL_TOKEN");
    scene.write("bad.txt", "gate-1\nno id\n");
    let user = ["--iam-user", "night", "--iam-domain", "acme", "--iam-endpoint", &server.url()];
    for call in [&["stop", "bad.txt"][..], &["stop", "bad.txt", "--iam-user-id", "id"]] {
        let (status, shown) = Session::start(scene.command(&[call, &user].concat())).ended();
        assert_eq!(status, Some(65), "{shown}");
        assert!(!shown.contains("password of"), "{shown}");
    }
    let mut session = Session::start(scene.command(&[&["stop", "tasks.txt"], &user[..]].concat()));
    session.wait_for("password of `night`");
    kill_process(Pid::from_child(&session.child), Signal::INT).unwrap();
    assert_eq!(session.ended().0, Some(130));
    assert_eq!(server.count(), 0);
}
