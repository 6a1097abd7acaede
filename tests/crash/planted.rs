//! Files and directories that somebody else put there: none is written through, none is trusted.

use crate::disk::skip;
use crate::support::program::Ended;
use crate::support::service::{Rehearsal, plain_ids};
use rusqlite::Connection;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn make_private(path: &Path) {
    fs::create_dir_all(path).unwrap();
    set_mode(path, 0o700);
}

/// Starts a run, which must be refused before anything is sent.
#[track_caller]
fn check_start_refused(rehearsal: &Rehearsal, more: &[&str], words: &[&str]) {
    let ended = rehearsal.start(&rehearsal.input(&plain_ids(3)), more).ended();
    check_refused(ended, words);
    assert_eq!(rehearsal.service.requests(), 0);
}

#[track_caller]
fn check_refused(ended: Ended, words: &[&str]) {
    let ended = ended.expect(74);
    for word in words {
        assert!(ended.stderr.contains(word), "`{word}` is not in {}", ended.stderr);
    }
}

#[test]
fn a_link_in_the_state_directory_is_never_written_through() {
    let rehearsal = Rehearsal::answering_in(0..=0);
    let victim = rehearsal.scene.path("victim");
    fs::write(&victim, "precious").unwrap();
    make_private(&rehearsal.state);
    make_private(&rehearsal.state.join("jobs"));
    symlink(&victim, rehearsal.state.join("jobs/night.lock")).unwrap();
    let words = ["night.lock", "symbolic link"];
    check_start_refused(&rehearsal, &["--job", "night"], &words);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn a_run_whose_files_became_links_is_not_taken_up() {
    for ending in ["lock", "db-mark", "db"] {
        let rehearsal = Rehearsal::answering_in(20..=40);
        rehearsal.killed_after(3, &rehearsal.input(&plain_ids(50)), &["--rate", "none"]);
        let file = rehearsal.file();
        let link = file.with_extension(ending);
        let victim = rehearsal.scene.path("victim");
        fs::rename(&link, &victim).unwrap();
        symlink(&victim, &link).unwrap();
        let before = fs::read(&victim).unwrap();
        check_refused(rehearsal.run(&["resume"]), &["symbolic link", ending]);
        assert_eq!(fs::read(&victim).unwrap(), before, "{ending}");
    }
}

#[test]
fn a_state_directory_that_others_can_write_is_refused_with_the_chmod() {
    for (path, mode) in [("", 0o777), ("", 0o1777), ("runs", 0o775)] {
        let rehearsal = Rehearsal::answering_in(0..=0);
        make_private(&rehearsal.state);
        let open = rehearsal.state.join(path);
        fs::create_dir_all(&open).unwrap();
        set_mode(&open, mode);
        check_start_refused(&rehearsal, &[], &["other users can write it", "chmod 700"]);
    }
}

#[test]
fn a_state_directory_of_another_user_is_refused() {
    let rehearsal = Rehearsal::answering_in(0..=0);
    make_private(&rehearsal.state);
    if chown(&rehearsal.state, Some(65_534), None).is_err() {
        return skip("only root can give a directory away");
    }
    check_start_refused(&rehearsal, &[], &["user 65534 owns it", "--state-dir"]);
}

#[test]
fn what_is_made_is_private_also_under_an_open_umask() {
    let rehearsal = Rehearsal::answering_in(0..=0);
    let input = rehearsal.input(&plain_ids(2));
    let arguments = rehearsal.start_arguments(&input, &["--rate", "none"]);
    let shell = rehearsal.scene.in_shell("umask 000; exec \"$0\" \"$@\"", &arguments);
    crate::support::program::Running::spawn(shell).ended().expect(0);
    for path in [rehearsal.state.clone(), rehearsal.state.join("runs"), rehearsal.file()] {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
}

/// Runs one task, so that there is a run beside the planted one.
fn with_a_run() -> Rehearsal {
    let rehearsal = Rehearsal::answering_in(0..=0);
    rehearsal.start(&rehearsal.input(&["gate1"]), &[]).ended().expect(0);
    rehearsal
}

/// The id of a planted run, later than all others.
const PLANTED: &str = "29991231-235959-zzzz";

#[track_caller]
fn check_planted_run_is_named_beside_the_others(rehearsal: &Rehearsal) {
    let listed = rehearsal.run(&["runs", "list"]).expect(0);
    assert!(listed.stderr.contains(PLANTED), "{}", listed.stderr);
    assert!(listed.stdout.contains("finished"), "{}", listed.stdout);
    check_refused(rehearsal.run(&["report", PLANTED]), &[PLANTED]);
}

#[test]
fn a_pipe_in_the_place_of_a_run_is_named_and_holds_nothing_up() {
    let rehearsal = with_a_run();
    let pipe = rehearsal.state.join(format!("runs/{PLANTED}.db"));
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
    check_planted_run_is_named_beside_the_others(&rehearsal);
}

#[test]
fn a_run_file_with_a_view_in_the_place_of_a_table_is_refused() {
    let rehearsal = with_a_run();
    let planted = rehearsal.state.join(format!("runs/{PLANTED}.db"));
    fs::copy(rehearsal.file(), &planted).unwrap();
    let connection = Connection::open(&planted).unwrap();
    let endless = "DROP TABLE chunk; CREATE VIEW chunk AS WITH RECURSIVE n(no) AS
         (SELECT 1 UNION ALL SELECT no + 1 FROM n) SELECT no FROM n;";
    connection.execute_batch(endless).unwrap();
    drop(connection);
    check_planted_run_is_named_beside_the_others(&rehearsal);
}

#[test]
fn a_cell_out_of_proportion_is_refused_without_reading_it() {
    let rehearsal = with_a_run();
    let planted = rehearsal.state.join(format!("runs/{PLANTED}.db"));
    fs::copy(rehearsal.file(), &planted).unwrap();
    let connection = Connection::open(&planted).unwrap();
    connection.execute("UPDATE run SET head = printf('%.*c', 40000000, 'x')", []).unwrap();
    drop(connection);
    check_planted_run_is_named_beside_the_others(&rehearsal);
}
