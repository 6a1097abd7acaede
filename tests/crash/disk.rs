//! Trouble with the disk: what is said, what is sent, and what is kept.

use crate::ledger::Fate;
use crate::ledger::Ledger;
use crate::support::program::Ended;
use crate::support::program::Running;
use crate::support::service::Rehearsal;
use crate::support::service::plain_ids;
use crate::support::service::wait_until;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Says why a test that needs more rights than there are did nothing.
pub(crate) fn skip(why: &str) {
    let _ = writeln!(std::io::stderr(), "not tested here: {why}");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A file system in memory, of some size; unmounted when this is dropped.
struct SmallDisk<'a> {
    path: &'a Path,
}

impl<'a> SmallDisk<'a> {
    fn mount(path: &'a Path, options: &str) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let mut mount = Command::new("mount");
        let done = mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path).output();
        done.is_ok_and(|output| output.status.success()).then_some(Self { path })
    }

    fn remount(&self, options: &str) {
        let mut mount = Command::new("mount");
        let done = mount.args(["-o", &format!("remount,{options}")]).arg(self.path).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path).status();
    }
}

fn check_refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(74), "{ended:?}");
    for word in words.iter().chain(&["error: ", "hint: "]) {
        assert!(ended.stderr.contains(word), "no `{word}` in {}", ended.stderr);
    }
}

/// Holds what was recorded against what was sent: nothing is lost.
fn check_nothing_lost(rehearsal: &Rehearsal, tasks: usize) {
    let (ledger, requests) = (Ledger::read(&rehearsal.file()), rehearsal.service.requests_by_id());
    assert_eq!(ledger.fates.len(), tasks);
    for (id, fate) in &ledger.fates {
        assert!(*fate != Fate::NeverSent || !requests.contains_key(id), "{id} was sent unseen");
    }
}

#[test]
fn a_full_disk_holds_the_run_until_there_is_room() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    let Some(_disk) = SmallDisk::mount(&rehearsal.state, "mode=700,size=8m") else {
        return skip("a small tmpfs cannot be mounted");
    };
    let more = ["--rate", "100/s", "--progress", "lines"];
    let mut process = rehearsal.start(&rehearsal.input(&plain_ids(300)), &more);
    rehearsal.service.await_requests(50);
    let ballast = rehearsal.state.join("ballast");
    let mut file = fs::File::create(&ballast).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    // What is in the log already may still be written over; then nothing moves any more.
    let mut seen = 0;
    wait_until("the run to stand still", || {
        let before = std::mem::replace(&mut seen, rehearsal.service.requests());
        thread::sleep(Duration::from_millis(400));
        before == seen
    });
    assert!(!process.has_ended());
    assert!(rehearsal.service.requests() < 300, "it was too fast for the disk to matter");
    let place = rehearsal.state.join("runs");
    process.wait_until_it_says(&format!("no space is left in {}", place.display()));
    let status = rehearsal.run(&["ctl", "status", "--json"]);
    assert!(status.stdout.contains("\"no_room\""), "{status:?}");
    drop(file);
    fs::remove_file(ballast).unwrap();
    process.wait_until_it_says("there is room for the run store again");
    let ended = process.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(Ledger::read(&rehearsal.file()).settled("succeeded"), 300);
    assert!(
        rehearsal.service.requests_by_id().values().all(|&times| times == 1),
        "nothing was sent twice"
    );
}

#[test]
fn a_disk_too_small_for_the_plan_refuses_it_and_keeps_nothing() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    let Some(_disk) = SmallDisk::mount(&rehearsal.state, "mode=700,size=256k") else {
        return skip("a small tmpfs cannot be mounted");
    };
    let ended = rehearsal.start(&rehearsal.input(&plain_ids(20_000)), &[]).ended();
    check_refused(&ended, &["no space is left", "free some space"]);
    assert_eq!((rehearsal.service.requests(), rehearsal.runs().len()), (0, 0));
    assert_eq!(fs::read_dir(rehearsal.state.join("runs")).unwrap().count(), 0);
}

#[test]
fn a_new_run_that_cannot_be_begun_leaves_nothing() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    let check = |ended: Ended, words: &[&str]| {
        check_refused(&ended, words);
        assert_eq!((rehearsal.service.requests(), rehearsal.runs().len()), (0, 0));
        assert_eq!(fs::read_dir(rehearsal.state.join("runs")).unwrap().count(), 0);
    };
    let input = rehearsal.input(&plain_ids(20));
    let args = rehearsal.start_arguments(&input, &[]);
    // In blocks of 512 bytes: the plan fits, the index of its log does not.
    let limited = "ulimit -f 56; exec \"$0\" \"$@\"";
    let ended = Running::spawn(rehearsal.scene.in_shell(limited, &args)).ended();
    check(ended, &["may not grow", "ulimit -f"]);
    let Some(_disk) = SmallDisk::mount(&rehearsal.state, "mode=700,size=48k") else {
        return skip("a small tmpfs cannot be mounted");
    };
    check(rehearsal.start(&input, &[]).ended(), &["no space is left"]);
}

#[test]
fn a_plan_that_cannot_be_begun_stays() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    let input = rehearsal.input(&plain_ids(20));
    let service = ["--endpoint", rehearsal.service.url(), "--project-id", "project-1"];
    let plan = ["plan", "start", input.to_str().unwrap()];
    assert_eq!(rehearsal.run(&[&plan[..], &service].concat()).code, Some(0));
    let limited = "ulimit -f 56; exec \"$0\" \"$@\"";
    let apply = rehearsal.scene.in_shell(limited, &["apply", "--yes"]);
    check_refused(&Running::spawn(apply).ended(), &["may not grow", "ulimit -f"]);
    assert_eq!(rehearsal.service.requests(), 0);
    let applied = rehearsal.run(&["apply", "--yes"]);
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert_eq!(rehearsal.service.requests(), 20);
}

#[test]
fn a_file_that_may_not_grow_stops_the_run_at_once() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    let input = rehearsal.input(&plain_ids(2_000));
    let args = rehearsal.start_arguments(&input, &["--rate", "500/s"]);
    // In blocks of 512 bytes: the plan fits, its log does not. The signal is left as it is.
    let limited = "ulimit -f 600; exec \"$0\" \"$@\"";
    let ended = Running::spawn(rehearsal.scene.in_shell(limited, &args)).ended();
    check_refused(&ended, &["could not be recorded", "may not grow", "ulimit -f", "resume"]);
    let sent = rehearsal.service.requests();
    assert!(sent < 2_000, "the limit was never met");
    check_nothing_lost(&rehearsal, 2_000);
    let resumed = rehearsal.run(&["resume", "--rate", "none"]);
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    assert_eq!(Ledger::read(&rehearsal.file()).settled("succeeded"), 2_000);
}

#[test]
fn a_run_whose_store_may_not_grow_still_has_its_documents() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    let input = rehearsal.input(&plain_ids(2_000));
    let (results, report) = (rehearsal.scene.path("r.csv"), rehearsal.scene.path("r.json"));
    let (results, report) = (results.to_str().unwrap(), report.to_str().unwrap());
    let more = ["--rate", "500/s", "-o", results, "-o", report];
    let args = rehearsal.start_arguments(&input, &more);
    let limited = "ulimit -f 600; exec \"$0\" \"$@\"";
    let ended = Running::spawn(rehearsal.scene.in_shell(limited, &args)).ended();
    check_refused(&ended, &["could not be recorded", "may not grow"]);
    let rows = rehearsal.scene.read("r.csv");
    assert_eq!(rows.lines().count(), 1 + 2_000);
    let settled = Ledger::read(&rehearsal.file()).settled("succeeded");
    assert_eq!(rows.lines().filter(|row| row.contains(",succeeded,")).count(), settled);
    assert!(rehearsal.scene.read("r.json").contains("\"selected\": 2000"));
}

#[test]
fn a_disk_that_is_full_for_the_store_alone_leaves_documents_elsewhere() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    let Some(_disk) = SmallDisk::mount(&rehearsal.state, "mode=700,size=8m") else {
        return skip("a small tmpfs cannot be mounted");
    };
    let results = rehearsal.scene.path("r.csv");
    let more = ["--rate", "100/s", "-o", results.to_str().unwrap()];
    let process = rehearsal.start(&rehearsal.input(&plain_ids(300)), &more);
    rehearsal.service.await_requests(50);
    let mut file = fs::File::create(rehearsal.state.join("ballast")).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    thread::sleep(Duration::from_millis(1_500));
    // Two signals: the first drains, the second does not wait for room.
    process.signal(rustix::process::Signal::INT);
    thread::sleep(Duration::from_millis(200));
    process.signal(rustix::process::Signal::INT);
    let ended = process.ended();
    check_refused(&ended, &["no space is left"]);
    // Either the documents are there, or it is said how to get them.
    let is_written = results.exists();
    assert!(is_written || ended.stderr.contains("batchctl report "), "{ended:?}");
    drop(file);
}

#[test]
fn a_disk_that_may_only_be_read_is_refused_before_anything_is_sent() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    let Some(disk) = SmallDisk::mount(&rehearsal.state, "mode=700,size=2m") else {
        return skip("a small tmpfs cannot be mounted");
    };
    let input = rehearsal.input(&plain_ids(10));
    assert_eq!(rehearsal.start(&input, &[]).ended().code, Some(0));
    disk.remount("ro");
    check_refused(&rehearsal.start(&input, &[]).ended(), &["Read-only file system", "--state-dir"]);
    assert_eq!(rehearsal.service.requests(), 10);
}

#[test]
fn a_file_in_the_place_of_the_directory_is_refused() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    fs::write(&rehearsal.state, "not a directory").unwrap();
    let ended = rehearsal.start(&rehearsal.input(&plain_ids(3)), &[]).ended();
    check_refused(&ended, &["cannot use", "--state-dir"]);
    assert_eq!(rehearsal.service.requests(), 0);
}

#[test]
fn a_directory_without_the_rights_is_refused() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    fs::create_dir(&rehearsal.state).unwrap();
    let locked = fs::Permissions::from_mode(0o555);
    fs::set_permissions(&rehearsal.state, locked).unwrap();
    let input = rehearsal.input(&plain_ids(3));
    let args = rehearsal.start_arguments(&input, &[]);
    let mut command = rehearsal.scene.command(&args);
    if is_root() {
        let Some(unprivileged) = as_nobody(&rehearsal, &args) else {
            return skip("no other user can be taken on");
        };
        // The directory is this user's own, and closed even to its owner.
        std::os::unix::fs::chown(&rehearsal.state, Some(65_534), Some(65_534)).unwrap();
        command = unprivileged;
    }
    check_refused(&Running::spawn(command).ended(), &["Permission denied", "--state-dir"]);
    assert_eq!(rehearsal.service.requests(), 0);
}

/// Returns a command that runs as a user who may do nothing here, with a binary it may read.
fn as_nobody(rehearsal: &Rehearsal, args: &[&str]) -> Option<Command> {
    let folder = rehearsal.state.parent()?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let binary = rehearsal.scene.path("batchctl");
    fs::copy(env!("CARGO_BIN_EXE_batchctl"), &binary).unwrap();
    let drop_rights = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    let can = Command::new("setpriv").args(drop_rights).arg("true").status();
    can.is_ok_and(|status| status.success()).then_some(())?;
    let script = format!("exec setpriv {} \"{}\" \"$@\"", drop_rights.join(" "), binary.display());
    Some(rehearsal.scene.in_shell(&script, args))
}

#[test]
fn a_store_that_is_removed_under_a_run_stops_it() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    let process = rehearsal.start(&rehearsal.input(&plain_ids(300)), &["--rate", "100/s"]);
    rehearsal.service.await_requests(20);
    fs::remove_file(rehearsal.file()).unwrap();
    check_refused(&process.ended(), &["could not be recorded", "was removed or replaced"]);
    assert!(
        rehearsal.service.requests() < 100,
        "it went on for {} requests",
        rehearsal.service.requests()
    );
}

#[test]
fn a_full_disk_does_not_keep_a_second_signal_waiting() {
    let rehearsal = Rehearsal::answering_in(5..=10);
    let Some(_disk) = SmallDisk::mount(&rehearsal.state, "mode=700,size=8m") else {
        return skip("a small tmpfs cannot be mounted");
    };
    let mut process = rehearsal.start(&rehearsal.input(&plain_ids(300)), &["--rate", "100/s"]);
    rehearsal.service.await_requests(50);
    let mut file = fs::File::create(rehearsal.state.join("ballast")).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    thread::sleep(Duration::from_millis(1_500));
    process.signal(rustix::process::Signal::INT);
    thread::sleep(Duration::from_millis(200));
    process.signal(rustix::process::Signal::INT);
    let mut waited = Duration::ZERO;
    while !process.has_ended() && waited < Duration::from_secs(10) {
        thread::sleep(Duration::from_millis(50));
        waited += Duration::from_millis(50);
    }
    assert!(process.has_ended(), "it waits for the disk");
    check_refused(&process.ended(), &["no space is left"]);
    drop(file);
    fs::remove_file(rehearsal.state.join("ballast")).unwrap();
    check_nothing_lost(&rehearsal, 300);
    assert_eq!(rehearsal.run(&["resume", "--rate", "none"]).code, Some(0));
}
