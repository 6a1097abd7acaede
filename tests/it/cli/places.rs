//! Where output goes: files that are replaced, links, terminals, and places without room.

use super::terminal::Session;
use crate::support::program::Scene;
use crate::support::reply::Reply;
use crate::support::server::{Request, Server};
use std::fs;
use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::Stdio;

/// A finished run of one task in the sandbox.
fn scene_with_run() -> Scene {
    let scene = Scene::new();
    scene.call(&["stop", "--id", "gate-1", "--sandbox", "--rate", "none"]).expect(0);
    scene
}

const DOCUMENTS: [&str; 6] =
    ["results.csv", "report.json", "page.html", "report.md", "junit.xml", "batchctl.prom"];

#[test]
fn every_document_keeps_the_mode_owner_and_group_of_what_it_replaces() {
    let scene = scene_with_run();
    let is_root = rustix::process::geteuid().is_root();
    for (number, document) in DOCUMENTS.into_iter().enumerate() {
        scene.write(document, "old");
        let path = scene.path(document);
        if is_root {
            chown(&path, Some(65_534), Some(4 + u32::try_from(number).unwrap())).unwrap();
        }
        let mode = [0o600, 0o640, 0o664][number % 3];
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let before = fs::metadata(&path).unwrap();
        scene.call(&["report", "-o", document]).expect(0);
        let after = fs::metadata(&path).unwrap();
        let rights = |found: &fs::Metadata| (found.mode(), found.uid(), found.gid());
        assert_eq!(rights(&after), rights(&before), "{document}");
        assert_ne!(after.ino(), before.ino(), "{document} is replaced as a whole");
    }
}

#[test]
fn a_link_of_ones_own_stays_and_what_it_names_is_replaced() {
    let scene = scene_with_run();
    scene.write("data/today.csv", "old");
    symlink("data/today.csv", scene.path("latest.csv")).unwrap();
    scene.call(&["report", "-o", "latest.csv"]).expect(0);
    assert!(scene.path("latest.csv").is_symlink());
    assert!(scene.read("data/today.csv").contains("gate-1"));
}

#[test]
fn a_link_that_others_can_change_is_refused_before_anything_is_sent() {
    let server = Server::obliging();
    let scene = Scene::with(&server);
    scene.write("shared/keep.csv", "old");
    symlink("keep.csv", scene.path("shared/latest.csv")).unwrap();
    let open = fs::Permissions::from_mode(0o1777);
    fs::set_permissions(scene.path("shared"), open).unwrap();
    // Events are written in place, and by the same rules.
    for document in ["shared/latest.csv", "ndjson:shared/latest.csv"] {
        let stop = ["stop", "--id", "gate-1", "-o", document];
        scene.call(&stop).expect(2).says("is a link that others can change").says("hint: name the");
        assert_eq!((server.count(), &*scene.read("shared/keep.csv")), (0, "old"), "{document}");
    }
}

/// Texts with controls that a terminal would obey, in every field that is shown.
fn hostile(request: &Request) -> Reply {
    let text = "\u{1b}]0;taken\u{7}\u{9b}31m\u{202e}x";
    let body = serde_json::json!({
        "error_code": text, "error_msg": text, "detail": text, "params": [text], "reason": text,
        "advice": text, "id": request.id,
    });
    Reply::answer(400, body.to_string())
}

#[test]
fn a_terminal_is_shown_no_controls_and_a_file_gets_them() {
    let server = Server::start(hostile);
    let scene = Scene::with(&server);
    scene.write("tasks.csv", "id,note\ngate-1,\u{1b}[31mred\u{202e}\n");
    scene.call(&["stop", "tasks.csv"]).expect(1);
    scene.call(&["stop", "tasks.csv", "--id", "gate-2"]).expect(1);
    let earlier = scene.runs()[0].trim_end_matches(".db").to_owned();
    let comparison = ["report", "diff", &earlier, "latest"];
    let with = |more: &[&'static str]| [&comparison[..], more].concat();
    let commands: Vec<Vec<&str>> = vec![
        vec!["report"],
        vec!["report", "--json"],
        vec!["report", "-o", "csv:-"],
        vec!["report", "-o", "json:-"],
        vec!["report", "-o", "xml:-"],
        vec!["report", "-o", "html:-"],
        vec!["report", "-o", "prom:-"],
        vec!["report", "-o", "md:-"],
        comparison.to_vec(),
        with(&["--json"]),
        with(&["-o", "csv:-"]),
        vec!["auth", "check"],
        vec!["auth", "check", "--json"],
        vec!["runs", "list"],
        vec!["runs", "list", "--json"],
        vec!["runs", "show"],
    ];
    for arguments in commands {
        let mut command = scene.command(&arguments);
        command.env("NO_COLOR", "1");
        let (_, shown) = Session::start(command).ended();
        assert!(!shown.is_empty());
        let acts = |c: char| c.is_control() && !matches!(c, '\r' | '\n' | '\t');
        let found = shown.find(|c| acts(c) || c == '\u{202e}');
        assert_eq!(found, None, "{arguments:?}: {shown:?}");
        if arguments.contains(&"--json") {
            assert!(shown.is_ascii(), "{arguments:?}: {shown:?}");
        }
    }
    let csv = scene.call(&["report", "-o", "csv:-"]).expect(0).stdout;
    assert!(csv.contains("\u{1b}]0;taken"), "a pipe gets it as it is: {csv:?}");
    scene.call(&["report", "-o", "results.csv"]).expect(0);
    assert_eq!(scene.read("results.csv"), csv);
}

#[test]
fn a_full_disk_behind_standard_output_is_named() {
    let scene = scene_with_run();
    let latest = ["report", "diff", "latest", "latest"];
    let commands: [&[&str]; 13] = [
        &["report"],
        &["report", "--json"],
        &["report", "-o", "csv:-"],
        &["report", "-o", "html:-"],
        &latest,
        &[&latest[..], &["--json"]].concat(),
        &["runs", "list"],
        &["runs", "list", "--json"],
        &["runs", "show"],
        &["runs", "path"],
        &["config", "show"],
        &["schema", "report"],
        &["stop", "--id", "gate-1", "--sandbox", "-n"],
    ];
    for arguments in commands {
        let mut command = scene.command(arguments);
        command.stdout(File::options().write(true).open("/dev/full").unwrap());
        let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(74), "{arguments:?}: {said}");
        let words = "error: cannot write to standard output\ncaused by: No space left on device";
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert!(said.contains("\nhint: free some space"), "{arguments:?}: {said}");
    }
}
