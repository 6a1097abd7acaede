//! Outputs that would be written over something else, or through what others can replace.

use crate::support::program::Scene;
use crate::support::server::Server;
use rustix::fs::{CWD, Mode, mkfifoat};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

const STOP: [&str; 4] = ["stop", "tasks.txt", "--rate", "none"];

/// A scene with a list, a directory that others can write, and one of the user's own.
fn scene(server: &Server) -> Scene {
    let scene = Scene::with(server);
    scene.write("tasks.txt", "gate-1\n");
    scene.write("token", "secret-token\n");
    scene.write("own/file", "before\n");
    scene.write("shared/file", "");
    let mode = |name: &str, mode| {
        fs::set_permissions(scene.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    for (name, bits) in [("", 0o700), ("own", 0o700), ("token", 0o600), ("shared", 0o1777)] {
        mode(name, bits);
    }
    scene
}

/// Checks that flags are refused, and that no file was changed.
#[track_caller]
fn check(server: &Server, scene: &Scene, flags: &[&str], what: &str) {
    let files = || scene.all_files().into_iter().filter(|(path, _)| !path.ends_with(".lock"));
    let before: Vec<_> = files().collect();
    let ended = scene.call(&[&STOP[..], flags].concat()).expect(2).says(what);
    assert_eq!(ended.stdout, "");
    assert_eq!(files().collect::<Vec<_>>(), before, "{flags:?}");
    assert_eq!(server.count(), 0);
}

#[test]
fn no_output_is_written_over_another_file_whatever_it_is_called() {
    let server = Server::obliging();
    let mut scene = scene(&server);
    scene.unset("BATCHCTL_TOKEN");
    scene.set("BATCHCTL_TOKEN_FILE", "token");
    scene.configure("yes = true\n");
    symlink("tasks.txt", scene.path("link")).unwrap();
    fs::hard_link(scene.path("tasks.txt"), scene.path("hard.ndjson")).unwrap();
    fs::hard_link(scene.path("token"), scene.path("hard-token")).unwrap();
    fs::rename(scene.path("own/file"), scene.path("own/tasks.log.1")).unwrap();
    symlink("../tasks.txt", scene.path("own/log.3")).unwrap();
    for (flags, what) in [
        (&["-o", "csv:own/a", "-o", "json:own/../own/./a"][..], "two documents cannot both be"),
        (&["-o", "csv:tasks.txt"], "is an input"),
        (&["-o", "csv:./own/../tasks.txt"], "is an input"),
        (&["-o", "hard.ndjson"], "is an input"),
        (&["-o", "csv:token"], "is the token file"),
        (&["-o", "ndjson:hard-token"], "is the token file"),
        (&["-o", "json:.config/batchctl/config.toml"], "is the config file"),
        (&["--log-file", "tasks.txt"], "is an input"),
        (&["--log-file", "link"], "is an input"),
        (&["--log-file", "hard.ndjson"], "is an input"),
        (&["--log-file", "./token"], "is the token file"),
        (&["--log-file", "own/a.csv", "-o", "own/a.csv"], "is a document"),
        (&["--log-file", "own/a", "-o", "ndjson:own/./a"], "is a document"),
        // The older files of a log are written as well.
        (&["--log-file", "own/log"], "is an input"),
    ] {
        check(&server, &scene, flags, what);
    }
}

#[test]
fn standard_input_that_is_a_file_is_no_output() {
    let server = Server::obliging();
    let scene = scene(&server);
    for output in ["-o csv:tasks.txt", "-o ndjson:tasks.txt", "--log-file tasks.txt"] {
        let script = format!("exec \"$0\" stop - {output} < tasks.txt");
        scene.start_in_shell(&script).ended().expect(2).says("is an input");
        assert_eq!(scene.read("tasks.txt"), "gate-1\n");
    }
}

#[test]
fn only_a_regular_file_of_ones_own_is_written_in_place() {
    let server = Server::obliging();
    let scene = scene(&server);
    mkfifoat(CWD, scene.path("own/pipe"), Mode::from_raw_mode(0o600)).unwrap();
    symlink(scene.path("own/file"), scene.path("shared/link")).unwrap();
    symlink(scene.path("own/new"), scene.path("shared/dangling")).unwrap();
    symlink(scene.path("shared/link"), scene.path("own/chain")).unwrap();
    fs::hard_link(scene.path("own/file"), scene.path("shared/hard")).unwrap();
    for (path, what) in [
        ("own/pipe", "is no regular file"),
        ("own", "is no regular file"),
        ("shared/link", "is a link that others can change"),
        ("shared/dangling", "is a link that others can change"),
        ("own/chain", "is a link that others can change"),
        ("shared/hard", "has more than one name, in a directory that others can change"),
    ] {
        // A FIFO cannot be read by the comparison of all files.
        let call = |flags: &[&str]| scene.call(&[&STOP[..], flags].concat()).expect(2).says(what);
        call(&["--log-file", path]);
        call(&["-o", &format!("ndjson:{path}")]);
        assert_eq!((server.count(), scene.read("own/file")), (0, "before\n".to_owned()));
        assert!(!scene.path("own/new").exists());
    }
}

#[test]
fn own_links_and_streams_are_written_in_place() {
    let server = Server::obliging();
    let scene = scene(&server);
    symlink("file", scene.path("own/link")).unwrap();
    symlink("new", scene.path("own/dangling")).unwrap();
    scene.call(&[&STOP[..], &["--log-file", "own/link"]].concat()).expect(0);
    assert!(scene.read("own/file").starts_with("before\n{"));
    scene.call(&[&STOP[..], &["-o", "ndjson:own/dangling"]].concat()).expect(0);
    assert!(scene.read("own/new").starts_with('{'));
    for flags in [&["--log-file", "/dev/stdout"], &["-o", "ndjson:/dev/stdout"]] {
        let call = [&STOP[..], flags, &["-q", "--progress", "none"]].concat();
        let ended = scene.call(&call).expect(0);
        assert!(ended.stdout.starts_with('{'), "{}", ended.stdout);
    }
    let loud = [&STOP[..], &["--log-file", "/dev/stderr", "--log-file-size", "1kB"]].concat();
    scene.call(&loud).expect(0).says("{\"");
}
