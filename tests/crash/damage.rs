//! A run's file that is torn or in which bits have flipped: refused or right, and never a panic.

use crate::ledger::Fate;
use crate::ledger::Ledger;
use crate::support::program::Ended;
use crate::support::service::Rehearsal;
use crate::support::service::plain_ids;
use fastrand::Rng;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

const DAMAGES: u64 = 200;
const DAMAGED_RESUMES: u64 = 40;
const TASKS: usize = 120;

/// A run that was cut short, kept aside to be damaged again and again.
struct Original {
    rehearsal: Rehearsal,
    files: BTreeMap<PathBuf, Vec<u8>>,
    report: Value,
    ledger: Ledger,
}

impl Original {
    /// A run that left its log behind.
    ///
    /// One commit may be less well guarded than the others: the one that the kill came with.
    fn killed() -> Self {
        std::iter::repeat_with(|| Self::of(Signal::KILL)).find(Self::is_marked).unwrap()
    }

    fn is_marked(&self) -> bool {
        let connection = rusqlite::Connection::open(self.rehearsal.file()).unwrap();
        let commits = crate::journal::totals(&connection)["commits"].as_u64().unwrap();
        let (_, mark) = self.file(".db-mark");
        String::from_utf8(mark).unwrap().lines().next().unwrap().parse() == Ok(commits)
    }

    /// A run that left one file behind.
    fn interrupted() -> Self {
        Self::of(Signal::TERM)
    }

    fn of(signal: Signal) -> Self {
        let rehearsal = Rehearsal::answering_in(3..=8);
        let mut ids = plain_ids(TASKS);
        ids[3].push_str("-failed");
        ids[5].push_str("-partial");
        let process = rehearsal.start(&rehearsal.input(&ids), &["--rate", "400/s"]);
        rehearsal.service.await_requests(80);
        process.signal(signal);
        process.ended();
        let files = rehearsal.state.join("runs");
        let read = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
        let paths = fs::read_dir(files).unwrap().map(|entry| entry.unwrap().path());
        // The socket of a killed run holds nothing.
        let files = paths.filter(|path| !ends(path, ".sock")).map(read).collect();
        let (report, ledger) = (rehearsal.report(), Ledger::read(&rehearsal.file()));
        Self { rehearsal, files, report, ledger }
    }

    fn restore(&self) {
        for entry in fs::read_dir(self.rehearsal.state.join("runs")).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        // The index of the log is made anew from the log.
        for (path, bytes) in self.files.iter().filter(|(path, _)| !ends(path, "-shm")) {
            fs::write(path, bytes).unwrap();
        }
    }

    fn file(&self, ending: &str) -> (PathBuf, Vec<u8>) {
        let (path, bytes) = self.files.iter().find(|(path, _)| ends(path, ending)).unwrap();
        (path.clone(), bytes.clone())
    }
}

fn ends(path: &Path, ending: &str) -> bool {
    path.to_str().unwrap().ends_with(ending)
}

/// Damages the run's file or its log, and says how.
fn damage(original: &Original, rng: &mut Rng) -> String {
    original.restore();
    let is_log = |(path, bytes): (&PathBuf, &Vec<u8>)| ends(path, "-wal") && !bytes.is_empty();
    let has_log = original.files.iter().any(is_log);
    let ending = if has_log && rng.bool() { ".db-wal" } else { ".db" };
    let (path, mut bytes) = original.file(ending);
    let told = match rng.u8(..3) {
        0 => {
            let length = rng.usize(..bytes.len());
            bytes.truncate(length);
            format!("{ending} cut to {length} bytes")
        }
        1 => {
            let (at, bit) = (rng.usize(..bytes.len()), rng.u8(..8));
            bytes[at] ^= 1 << bit;
            format!("{ending} with bit {bit} of byte {at} flipped")
        }
        _ => {
            let from = rng.usize(..bytes.len());
            let length = rng.usize(1..=4_096.min(bytes.len() - from));
            bytes[from..from + length].fill(0);
            format!("{ending} with {length} zeros from {from} on")
        }
    };
    fs::write(path, bytes).unwrap();
    told
}

/// Makes sure that a refusal says what is wrong.
fn is_refused(ended: &Ended, told: &str) -> bool {
    let refused = ended.code == Some(74);
    assert!(!refused || ended.stderr.contains("error: "), "{told}: {ended:?}");
    refused
}

fn check_reports(original: &Original, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut refused = 0;
    for _ in 0..DAMAGES {
        let told = damage(original, &mut rng);
        let ended = original.rehearsal.run(&["report", "--json"]);
        if is_refused(&ended, &told) {
            refused += 1;
            continue;
        }
        assert_eq!(ended.code, Some(0), "{told}: {ended:?}");
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(report["tasks"], original.report["tasks"], "{told}");
    }
    assert!(refused > DAMAGES / 10, "only {refused} of {DAMAGES} damages were noticed");
}

#[test]
fn a_damaged_log_of_a_killed_run_is_refused_or_the_run_reported_as_it_was() {
    check_reports(&Original::killed(), 7);
}

#[test]
fn a_damaged_file_of_an_interrupted_run_is_refused_or_reported_as_it_was() {
    check_reports(&Original::interrupted(), 8);
}

#[test]
fn a_damaged_run_is_not_gone_on_with_or_comes_to_its_right_end() {
    let original = Original::killed();
    let mut rng = Rng::with_seed(9);
    for _ in 0..DAMAGED_RESUMES {
        let told = damage(&original, &mut rng);
        let before = original.rehearsal.service.requests_by_id();
        let ended = original.rehearsal.run(&["resume", "--rate", "none"]);
        if is_refused(&ended, &told) {
            continue;
        }
        assert_eq!(ended.code, Some(1), "{told}: {ended:?}");
        let (ledger, after) =
            (Ledger::read(&original.rehearsal.file()), original.rehearsal.service.requests_by_id());
        assert_eq!((ledger.fates.len(), ledger.is_finished()), (TASKS, true), "{told}");
        // A bit that makes another valid id of one is not found: that task has a new name.
        let renamed = original.ledger.fates.keys().filter(|id| !ledger.fates.contains_key(*id));
        assert!(renamed.count() <= 1, "{told}");
        for (id, fate) in &original.ledger.fates {
            if matches!(fate, Fate::Settled(_)) && ledger.fates.contains_key(id) {
                assert_eq!(&ledger.fates[id], fate, "{told}: {id}");
                assert_eq!(after[id], before[id], "{told}: {id} was sent again");
            }
        }
    }
}

#[test]
fn a_run_is_shown_and_listed_beside_one_that_is_damaged() {
    let original = Original::interrupted();
    let rehearsal = &original.rehearsal;
    let damaged = rehearsal.file();
    assert_eq!(rehearsal.start(&rehearsal.input(&plain_ids(3)), &[]).ended().code, Some(0));
    fs::write(&damaged, "this is no database, and it is longer than a header of one would be")
        .unwrap();
    let listed = rehearsal.run(&["runs", "list"]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert_eq!(listed.stdout.lines().count(), 2, "{listed:?}");
    assert!(listed.stderr.contains("is not a run of batchctl"), "{listed:?}");
}

#[test]
fn a_run_of_a_newer_version_is_left_alone() {
    let original = Original::interrupted();
    let connection = rusqlite::Connection::open(original.rehearsal.file()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    for args in [&["report"][..], &["resume"], &["retry"], &["runs", "show"]] {
        let ended = original.rehearsal.run(args);
        assert_eq!(ended.code, Some(74), "{ended:?}");
        assert!(ended.stderr.contains("has version 99"), "{ended:?}");
        assert!(ended.stderr.contains("hint: use the version that made it"), "{ended:?}");
    }
}
