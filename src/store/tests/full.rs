//! Disks that are full and commits that fail.

use super::script::succeeds;
use super::{Fixture, RECALL, at, claim, commit, wait};
use crate::event::Event;
use crate::store::error::file;
use crate::store::writing::thread::{SessionStart, WriterThread};
use crate::store::{RunWriter, StoreError};
use crate::task::Outcome;
use rusqlite::Connection;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const TASKS: u32 = 500;

/// A writer whose connection was changed before it began.
fn writer_with(fixture: &Fixture, change: impl FnOnce(&mut WriterThread)) -> RunWriter {
    let (mut writer, resume_point) =
        WriterThread::open(&fixture.file(), SessionStart::New(at(100)), RECALL).unwrap();
    change(&mut writer);
    RunWriter::start(writer, resume_point, &fixture.lock()).unwrap()
}

/// Lets the file grow no further, as on a full disk.
fn fill_disk(writer: &mut WriterThread) {
    let pages: i64 =
        writer.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    writer.connection.pragma_update(None, "max_page_count", pages).unwrap();
}

/// The same, and nobody makes room.
fn fill_disk_for_good(writer: &mut WriterThread) {
    fill_disk(writer);
    writer.patience.pause = |_| {};
}

/// More than fits into the pages there are.
fn large_batch(writer: &RunWriter) -> Vec<Event> {
    let claimed = claim(writer, TASKS as usize);
    claimed.iter().zip(1..).flat_map(|(claimed, seq)| succeeds(&claimed.task, seq)).collect()
}

#[track_caller]
fn check_all(fixture: &Fixture, outcome: Outcome) {
    let rows = fixture.rows();
    assert_eq!(rows.len(), TASKS as usize);
    assert!(rows.iter().all(|row| row.outcome == outcome));
}

#[test]
fn a_commit_waits_until_somebody_makes_room() {
    static STRANGER: Mutex<Option<Connection>> = Mutex::new(None);
    // The free pages are then found without the file growing.
    let make_room = |_| {
        let stranger = STRANGER.lock().unwrap().take();
        stranger.expect("it failed once").execute_batch("DROP TABLE filler").unwrap();
    };
    let fixture = Fixture::with_tasks(TASKS);
    let stranger = fixture.stranger();
    let filler = "CREATE TABLE filler (x); INSERT INTO filler VALUES (zeroblob(1000000))";
    stranger.execute_batch(filler).unwrap();
    *STRANGER.lock().unwrap() = Some(stranger);
    let writer = writer_with(&fixture, |writer| {
        fill_disk(writer);
        writer.patience.pause = make_room;
    });
    commit(&writer, large_batch(&writer));
    check_all(&fixture, Outcome::Succeeded);
    assert!(STRANGER.lock().unwrap().is_none());
}

#[test]
fn a_commit_waits_a_minute_for_room() {
    static WAITED: Mutex<Duration> = Mutex::new(Duration::ZERO);
    let fixture = Fixture::with_tasks(TASKS);
    let writer = writer_with(&fixture, |writer| {
        fill_disk(writer);
        writer.patience.pause = |step| *WAITED.lock().unwrap() += step;
    });
    wait(writer.commit(large_batch(&writer))).unwrap_err();
    assert_eq!(*WAITED.lock().unwrap(), Duration::from_secs(60));
}

#[test]
fn a_disk_that_stays_full_ends_the_run_and_loses_nothing_that_was_committed() {
    let fixture = Fixture::with_tasks(TASKS);
    let writer = writer_with(&fixture, fill_disk_for_good);
    let mut batch = large_batch(&writer);
    let rest = batch.split_off(3);
    commit(&writer, batch);
    let full = wait(writer.commit(rest)).unwrap_err();
    assert!(matches!(full, StoreError::Full { .. }), "{full}");
    let gone = wait(writer.commit(Vec::new())).unwrap_err();
    assert!(matches!(gone, StoreError::WriterGone), "the run is over: {gone}");
    assert!(matches!(wait(writer.claim(1)), Err(StoreError::WriterGone)));
    drop(writer);
    let settled = fixture.rows().iter().filter(|row| row.outcome == Outcome::Succeeded).count();
    assert_eq!(settled, 1);
    let writer = fixture.writer();
    assert_eq!(claim(&writer, 9_999).len(), TASKS as usize - 1);
}

#[test]
fn a_quota_that_is_used_up_leaves_no_space_for_a_file_and_other_reasons_are_told() {
    let told = |kind: io::ErrorKind| file(Path::new("runs"))(io::Error::from(kind));
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
        let full = told(kind);
        assert!(matches!(&full, StoreError::Full { path } if path == Path::new("runs")), "{full}");
        assert!(full.hint().contains("free some space there"), "{}", full.hint());
    }
    let denied = told(io::ErrorKind::PermissionDenied);
    assert!(matches!(denied, StoreError::File { .. }), "{denied}");
}

#[test]
fn only_a_full_disk_is_retried() {
    static TRIES: AtomicU32 = AtomicU32::new(0);
    let count_try = |_| {
        TRIES.fetch_add(1, Ordering::Relaxed);
        false
    };
    let fixture = Fixture::with_tasks(TASKS);
    let writer = writer_with(&fixture, |writer| {
        writer.connection.busy_handler(Some(count_try)).unwrap();
        writer.patience.pause = |_| {};
    });
    let batch = large_batch(&writer);
    let stranger = fixture.stranger();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let failed = wait(writer.commit(batch)).unwrap_err();
    assert!(matches!(failed, StoreError::Sqlite { .. }), "{failed}");
    assert_eq!(TRIES.load(Ordering::Relaxed), 1);
    stranger.execute_batch("COMMIT").unwrap();
    assert!(matches!(wait(writer.commit(Vec::new())), Err(StoreError::WriterGone)));
    check_all(&fixture, Outcome::NotAttempted);
}

#[test]
fn a_writer_that_failed_leaves_the_log_as_it_is() {
    let fixture = Fixture::with_tasks(TASKS);
    let writer = writer_with(&fixture, fill_disk_for_good);
    let mut batch = large_batch(&writer);
    let rest = batch.split_off(3);
    commit(&writer, batch);
    let file = std::fs::read(fixture.file()).unwrap();
    wait(writer.commit(rest)).unwrap_err();
    drop(writer);
    assert_eq!(std::fs::read(fixture.file()).unwrap(), file);
    assert!(fixture.log().exists());
    assert_eq!(fixture.writer().resume_point().settled.selected(), 1);
}
