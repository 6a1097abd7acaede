//! Files that are not what was written: refused with words that help, and never touched.

use super::script::{ended, lost, refused, run_ended, started, succeeds};
use super::{Fixture, claim, commit, rows, wait};
use crate::store::{RunReader, StoreError, TaskRow};
use crate::task::Task;
use rusqlite::Connection;
use std::fs;

const TASKS: u32 = 400;
const PAGE: usize = 4096;

/// A run that was carried out in part, by a process with this end.
fn carried_out(end: &[crate::event::Event]) -> Fixture {
    let fixture = Fixture::with_tasks(TASKS);
    let writer = fixture.writer();
    let tasks: Vec<Task> = claim(&writer, 300).into_iter().map(|claimed| claimed.task).collect();
    let numbered = || tasks.iter().zip(1..);
    commit(&writer, numbered().map(|(task, seq)| started(task, seq, 1)).collect());
    let end_of = |(task, seq): (&Task, u64)| match seq % 8 {
        0 => vec![ended(task, seq, lost)],
        1 => vec![ended(task, seq, refused)],
        2 => vec![],
        _ => succeeds(task, seq)[1..].to_vec(),
    };
    commit(&writer, numbered().flat_map(end_of).collect());
    commit(&writer, end.to_vec());
    drop(writer);
    fixture
}

fn ended_run() -> Fixture {
    carried_out(&[run_ended(900, None)])
}

fn change(fixture: &Fixture, sql: &str) {
    fixture.stranger().execute_batch(sql).unwrap();
}

#[track_caller]
fn check_damaged(error: &StoreError) {
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}: {error:?}");
    let hint = error.hint();
    assert!(hint.starts_with("nothing was changed in it; save"), "{hint}");
}

/// The change makes reading the tasks an error, not a panic and not a guess.
#[track_caller]
fn check_unreadable(sql: &str) {
    let fixture = ended_run();
    change(&fixture, &format!("PRAGMA writable_schema = ON; {sql}"));
    check_damaged(&rows(&fixture.reader()).map(|rows| rows.len()).expect_err(sql));
}

#[test]
fn a_value_that_no_version_wrote_is_damage() {
    check_unreadable("UPDATE task SET id = 'NOT AN ID' WHERE ordinal = 7");
    check_unreadable("UPDATE task SET id = '' WHERE ordinal = 7");
    check_unreadable("UPDATE task SET command = 2 WHERE ordinal = 7");
    check_unreadable("UPDATE outcome SET outcome = 1000 WHERE ordinal = 5");
    check_unreadable("UPDATE outcome SET outcome = -1 WHERE ordinal = 5");
    check_unreadable("UPDATE outcome SET attempts = -1 WHERE ordinal = 5");
    check_unreadable("UPDATE attempt SET http_status = 70000 WHERE seq = 6");
    check_unreadable("UPDATE attempt SET failed_count = -1 WHERE seq = 6");
    check_unreadable("UPDATE failure SET error_kind = 'bad luck'");
    check_unreadable("UPDATE failure SET error_list = '[\"half'");
    check_unreadable("UPDATE attempt SET ordinal = -1 WHERE seq = 6");
}

#[test]
fn a_task_that_went_missing_is_damage() {
    check_unreadable("DELETE FROM task WHERE ordinal = 7");
    check_unreadable("DELETE FROM task WHERE ordinal > 390");
    check_unreadable("INSERT INTO task VALUES (9999, 'one-more', 0, 0, 1, NULL, NULL)");
    check_unreadable("UPDATE run SET selected = 401");
}

#[test]
fn a_table_that_went_missing_is_damage() {
    check_unreadable("DROP TABLE outcome");
    check_unreadable("ALTER TABLE attempt DROP COLUMN request_id");
}

#[test]
fn damage_outside_the_tasks_is_an_error_where_it_is_read() {
    let fixture = ended_run();
    change(&fixture, "UPDATE source SET columns = '?'; UPDATE run SET id = 'x'");
    check_damaged(&fixture.reader().record().unwrap_err());
    change(&fixture, "DELETE FROM run");
    check_damaged(&RunReader::open(&fixture.runs, &fixture.run()).unwrap_err());
    check_damaged(&fixture.open().unwrap_err());
}

#[test]
fn a_writer_reports_missing_tasks_as_damage_instead_of_finishing() {
    let fixture = ended_run();
    change(&fixture, "DELETE FROM task WHERE ordinal > 390");
    let writer = fixture.writer();
    assert_eq!(wait(writer.claim(50)).unwrap().len(), 50);
    check_damaged(&wait(writer.claim(9_999)).unwrap_err());
}

#[test]
fn a_writer_never_hands_out_an_invalid_id() {
    let fixture = ended_run();
    change(&fixture, "UPDATE task SET id = '../../x' WHERE ordinal = 350");
    let writer = fixture.writer();
    check_damaged(&wait(writer.claim(9_999)).unwrap_err());
}

/// Overwrites the last page that belongs to a table.
fn ruin_page_of(fixture: &Fixture, table: &str) {
    let sql = "SELECT max(pageno) FROM dbstat WHERE name = ? AND pagetype = 'leaf'";
    let page: usize = fixture.stranger().query_row(sql, [table], |row| row.get(0)).unwrap();
    let mut bytes = fs::read(fixture.file()).unwrap();
    bytes[(page - 1) * PAGE..page * PAGE].fill(0xa5);
    fs::write(fixture.file(), bytes).unwrap();
}

#[test]
fn after_an_unclean_end_every_table_is_searched_for_damage() {
    for table in ["task", "attempt", "outcome", "failure", "session", "run", "source"] {
        let fixture = carried_out(&[]);
        ruin_page_of(&fixture, table);
        let before = fs::read(fixture.file()).unwrap();
        check_damaged(&fixture.open().unwrap_err());
        assert_eq!(fs::read(fixture.file()).unwrap(), before, "{table}: nothing was changed");
        let log = fs::metadata(fixture.log()).map_or(0, |log| log.len());
        assert_eq!(log, 0, "{table}: nothing was written");
    }
}

#[test]
fn after_a_clean_end_a_run_is_opened_without_a_search() {
    let fixture = ended_run();
    ruin_page_of(&fixture, "task");
    let writer = fixture.writer();
    commit(&writer, vec![run_ended(901, None)]);
    drop(writer);
    drop(fixture.writer());
    check_damaged(&fixture.open().unwrap_err());
}

#[test]
fn a_file_of_another_program_is_refused_and_left_alone() {
    let fixture = Fixture::empty();
    let database = |sql: &str| {
        let path = fixture.state.path().join("other");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        bytes
    };
    let text = "not a database at all ".repeat(300).into_bytes();
    for bytes in [text, Vec::new(), database("CREATE TABLE task (id)")] {
        fs::write(fixture.file(), &bytes).unwrap();
        let read = RunReader::open(&fixture.runs, &fixture.run()).unwrap_err();
        assert!(matches!(read, StoreError::Foreign { .. }), "{read:?}");
        let opened = fixture.open().unwrap_err();
        assert!(matches!(opened, StoreError::Foreign { .. }), "{opened:?}");
        assert_eq!(fs::read(fixture.file()).unwrap(), bytes);
    }
}

#[test]
fn a_newer_version_is_refused_and_left_alone() {
    let fixture = ended_run();
    change(&fixture, "PRAGMA user_version = 3");
    let before = fs::read(fixture.file()).unwrap();
    for error in
        [RunReader::open(&fixture.runs, &fixture.run()).unwrap_err(), fixture.open().unwrap_err()]
    {
        assert!(matches!(error, StoreError::Newer { found: 3, known: 2, .. }), "{error:?}");
        assert_eq!(error.hint(), "use the version that made it, or a newer one");
    }
    assert_eq!(fs::read(fixture.file()).unwrap(), before);
}

#[test]
fn a_run_of_an_older_version_is_read_and_goes_on() {
    let fixture = carried_out(&[]);
    let mut expected = rows(&fixture.reader()).unwrap();
    for row in &mut expected {
        if let Some(failure) = row.last.as_mut().and_then(|attempt| attempt.failure.as_mut()) {
            (failure.detail, failure.params) = Default::default();
        }
    }
    change(&fixture, TO_VERSION_1);
    assert_eq!(rows(&fixture.reader()).unwrap(), expected);
    let writer = fixture.writer();
    let task = claim(&writer, 1).remove(0).task;
    commit(&writer, vec![started(&task, 1_000, 1), ended(&task, 1_000, refused)]);
    drop(writer);
    let query = "SELECT detail, user_version FROM failure, pragma_user_version WHERE seq = 1000";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let found: (String, i64) = fixture.stranger().query_row(query, [], read).unwrap();
    assert_eq!(found, ("it was locked by ops".into(), 2));
    rows(&fixture.reader()).unwrap();
}

const TO_VERSION_1: &str = "ALTER TABLE failure DROP COLUMN detail;
    ALTER TABLE failure DROP COLUMN params; PRAGMA user_version = 1";

#[test]
fn a_damaged_run_of_an_older_version_is_not_changed() {
    for table in ["task", "failure"] {
        let fixture = carried_out(&[]);
        change(&fixture, TO_VERSION_1);
        fixture.stranger().execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        ruin_page_of(&fixture, table);
        let before = fs::read(fixture.file()).unwrap();
        check_damaged(&fixture.open().unwrap_err());
        assert_eq!(fs::read(fixture.file()).unwrap(), before, "{table}: nothing was changed");
        let log = fs::metadata(fixture.log()).map_or(0, |log| log.len());
        assert_eq!(log, 0, "{table}: nothing was written");
    }
}

#[test]
fn a_truncated_file_is_damaged_or_not_a_run() {
    let whole = ended_run();
    let bytes = fs::read(whole.file()).unwrap();
    for length in (0..bytes.len()).step_by(PAGE) {
        let cut = whole.copy();
        fs::write(cut.file(), &bytes[..length]).unwrap();
        let read = read_all(&cut).map(|rows| rows.len());
        let error = read.expect_err(&format!("{length} of {} bytes", bytes.len()));
        let refused = matches!(error, StoreError::Damaged { .. } | StoreError::Foreign { .. });
        assert!(refused, "{length} of {} bytes: {error:?}", bytes.len());
    }
}

/// Reads everything there is.
fn read_all(fixture: &Fixture) -> Result<Vec<TaskRow>, StoreError> {
    let reader = RunReader::open(&fixture.runs, &fixture.run())?;
    reader.record()?;
    reader.holds()?;
    reader.first_rows(9_999)?;
    reader.for_each_attempt(|_| Ok::<(), StoreError>(()))?;
    rows(&reader)
}

/// Opens the run as if to go on with it, and takes all that is left.
fn take_up(fixture: &Fixture) -> Result<u64, StoreError> {
    let writer = fixture.open()?;
    let left = wait(writer.claim(9_999))?;
    Ok(writer.resume_point().settled.selected() + left.len() as u64)
}

#[test]
fn a_flipped_bit_is_an_error_or_leaves_every_task_accounted_for() {
    let whole = carried_out(&[started_again()]);
    let bytes = fs::read(whole.file()).unwrap();
    let mut random = fastrand::Rng::with_seed(20_240_705);
    let flipped = whole.copy();
    for _ in 0..400 {
        let (index, bit) = (random.usize(..bytes.len()), random.u32(..8));
        let mut copy = bytes.clone();
        copy[index] ^= 1 << bit;
        check_flipped(&flipped, &copy, &format!("bit {bit} of byte {index}"));
    }
}

/// The start of one more attempt, by a process that was killed.
fn started_again() -> crate::event::Event {
    let id = "task-0399".parse().unwrap();
    let ordinal = crate::task::Ordinal(399);
    started(&Task { ordinal, id, command: crate::task::Command::Stop }, 301, 1)
}

#[track_caller]
fn check_flipped(fixture: &Fixture, bytes: &[u8], flip: &str) {
    let _ = fs::remove_file(fixture.log());
    fs::write(fixture.file(), bytes).unwrap();
    match read_all(fixture) {
        Ok(rows) => assert_eq!(rows.len(), TASKS as usize, "{flip}"),
        Err(error) => assert!(!matches!(error, StoreError::WriterGone), "{flip}: {error:?}"),
    }
    match take_up(fixture) {
        Ok(accounted_for) => assert_eq!(accounted_for, u64::from(TASKS), "{flip}"),
        Err(error) => assert!(!matches!(error, StoreError::WriterGone), "{flip}: {error:?}"),
    }
}
