//! Files that are not what was written: refused with words that help, and never touched.

use super::script::{ended, lost, refused, run_ended, started, succeeds};
use super::{Fixture, claim, commit, rows, wait};
use crate::journal::{Place, PlanChunkWriter, PlannedTask, Text};
use crate::reading::{AttemptRow, HoldRow, PlanRow, RunReader, TaskRow};
use crate::store::home::Home;
use crate::store::{ResumePoint, RunRecord, StoreError, UnsettledTask};
use crate::task::{Command, Task};
use rusqlite::Connection;
use std::fs;

const TASKS: u32 = 400;
const PAGE: usize = 4096;
/// The number of bits that are flipped, one at a time.
const FLIPS: u32 = 10_000;

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
    assert!(
        hint.contains("batchctl resume") && hint.ends_with("takes the rest as in doubt"),
        "{hint}"
    );
}

/// The change makes reading the tasks an error, not a panic and not a guess.
#[track_caller]
fn check_unreadable(sql: &str) {
    let fixture = ended_run();
    change(&fixture, &format!("PRAGMA writable_schema = ON; {sql}"));
    let read = RunReader::open(&fixture.runs, &fixture.run()).and_then(|reader| rows(&reader));
    check_damaged(&read.map(|rows| rows.len()).expect_err(sql));
}

#[test]
fn a_body_that_is_not_what_was_written_is_damage() {
    check_unreadable("UPDATE chunk SET body = zeroblob(9)");
    check_unreadable("UPDATE chunk SET body = substr(body, 1, length(body) - 1)");
    check_unreadable("UPDATE chunk SET crc = crc + 1");
    check_unreadable("UPDATE segment SET body = x'00' WHERE seq = 2");
    check_unreadable("UPDATE segment SET crc = -1 WHERE seq = 3");
    check_unreadable("UPDATE segment SET epoch = 7 WHERE seq = 2");
    check_unreadable("UPDATE run SET totals = replace(totals, 'succeeded', 'failed')");
    check_unreadable("UPDATE run SET head = replace(head, '400', '401')");
}

#[test]
fn a_segment_in_the_place_of_another_is_damage() {
    check_unreadable(
        "UPDATE segment SET seq = -seq; UPDATE segment SET seq = 3 WHERE seq = -2;
         UPDATE segment SET seq = 2 WHERE seq = -3; UPDATE segment SET seq = -seq WHERE seq < 0",
    );
    check_unreadable("UPDATE segment SET chunk = -1 WHERE seq = 2");
    check_unreadable("UPDATE segment SET chunk = 1 WHERE seq = 2");
}

#[test]
fn a_part_that_went_missing_is_damage() {
    check_unreadable("DELETE FROM chunk");
    check_unreadable("UPDATE chunk SET no = 1");
    check_unreadable("DELETE FROM segment WHERE seq = 2");
    check_unreadable("DELETE FROM segment WHERE seq = 3");
    check_unreadable("DELETE FROM segment WHERE seq = (SELECT max(seq) FROM segment)");
    check_unreadable("DELETE FROM run");
}

#[test]
fn a_table_that_went_missing_is_damage() {
    check_unreadable("DROP TABLE segment");
    check_unreadable("ALTER TABLE chunk DROP COLUMN crc");
}

#[test]
fn damage_names_its_place() {
    let fixture = ended_run();
    change(&fixture, "UPDATE segment SET body = x'00' WHERE seq = 3");
    let error = rows(&fixture.reader()).unwrap_err().to_string();
    assert!(error.ends_with("damaged: segment 3 of chunk 0: the checksum does not fit"), "{error}");
    change(&fixture, "DELETE FROM segment WHERE seq = 2");
    let error = fixture.open().unwrap_err().to_string();
    assert!(error.ends_with("damaged: segment 2 of the run: it is missing"), "{error}");
}

#[test]
fn damage_of_the_run_itself_is_an_error_for_readers_and_writers() {
    for sql in ["UPDATE run SET head = '{}'", "UPDATE run SET totals = '{}'", "DELETE FROM run"] {
        let fixture = ended_run();
        change(&fixture, sql);
        check_damaged(&RunReader::open(&fixture.runs, &fixture.run()).unwrap_err());
        check_damaged(&fixture.open().unwrap_err());
    }
}

#[test]
fn a_writer_reports_missing_tasks_as_damage_instead_of_finishing() {
    let fixture = ended_run();
    change(&fixture, "DELETE FROM chunk");
    check_damaged(&fixture.open().unwrap_err());
}

#[test]
fn a_chunk_that_begins_elsewhere_than_was_noted_is_damage() {
    for sql in ["UPDATE chunk SET first = 1", "UPDATE chunk SET tasks = 399, no = 0"] {
        let fixture = ended_run();
        change(&fixture, sql);
        let taken = fixture.open().and_then(|writer| wait(writer.claim(9_999)));
        check_damaged(&taken.map(|claimed| claimed.len()).expect_err(sql));
    }
}

#[test]
fn a_writer_never_hands_out_an_invalid_id() {
    let fixture = Fixture::with_tasks(1);
    let mut writer = PlanChunkWriter::default();
    writer.push(&PlannedTask {
        ordinal: 0,
        id: Text::Plain("../../x"),
        command: Command::STOP,
        source: 0,
        line: 1,
        column: None,
        others: None,
        doubted: false,
    });
    let (first, tasks, body) = writer.finish();
    Home::new(&fixture.stranger()).put_chunk(0, first, tasks, &body).unwrap();
    check_damaged(&wait(fixture.writer().claim(9_999)).unwrap_err());
    check_damaged(&rows(&fixture.reader()).unwrap_err());
}

/// Overwrites the last page that belongs to a table or an index.
fn ruin_page_of(fixture: &Fixture, table: &str) {
    let sql = "SELECT max(pageno) FROM dbstat WHERE name = ?";
    let page: usize = fixture.stranger().query_row(sql, [table], |row| row.get(0)).unwrap();
    let mut bytes = fs::read(fixture.file()).unwrap();
    bytes[(page - 1) * PAGE..page * PAGE].fill(0xa5);
    fs::write(fixture.file(), bytes).unwrap();
}

#[test]
fn after_an_unclean_end_every_table_is_searched_for_damage() {
    for table in ["chunk", "segment", "segment_of_chunk", "run"] {
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
    ruin_page_of(&fixture, "chunk");
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
    change(&fixture, "PRAGMA user_version = 4");
    let before = fs::read(fixture.file()).unwrap();
    for error in
        [RunReader::open(&fixture.runs, &fixture.run()).unwrap_err(), fixture.open().unwrap_err()]
    {
        assert!(matches!(error, StoreError::Newer { found: 4, known: 3, .. }), "{error:?}");
        assert_eq!(error.hint(), "use the version that made it, or a newer one");
    }
    assert_eq!(fs::read(fixture.file()).unwrap(), before);
}

#[test]
fn a_file_of_the_old_form_is_refused_with_the_way_out_and_left_alone() {
    for version in [1, 2] {
        let fixture = ended_run();
        change(&fixture, &format!("PRAGMA user_version = {version}"));
        let before = fs::read(fixture.file()).unwrap();
        let read = RunReader::open(&fixture.runs, &fixture.run()).unwrap_err();
        for error in [read, fixture.open().unwrap_err()] {
            let words = format!("has the old form, version {version}");
            assert!(error.to_string().ends_with(&words), "{error}");
            assert!(error.hint().starts_with("read it with the version that made it"));
        }
        assert_eq!(fs::read(fixture.file()).unwrap(), before);
    }
}

#[test]
fn a_truncated_file_is_damaged_or_not_a_run() {
    let whole = ended_run();
    let bytes = fs::read(whole.file()).unwrap();
    for length in (0..bytes.len()).step_by(PAGE) {
        let cut = whole.copy();
        fs::write(cut.file(), &bytes[..length]).unwrap();
        let read = read_all(&cut).map(|everything| everything.1.len());
        let error = read.expect_err(&format!("{length} of {} bytes", bytes.len()));
        let refused = matches!(error, StoreError::Damaged { .. } | StoreError::Foreign { .. });
        assert!(refused, "{length} of {} bytes: {error:?}", bytes.len());
    }
}

/// Everything that is read of a run.
type Everything = (RunRecord, Vec<TaskRow>, Vec<AttemptRow>, Vec<HoldRow>, Vec<PlanRow>);

/// Reads everything there is.
fn read_all(fixture: &Fixture) -> Result<Everything, StoreError> {
    let reader = RunReader::open(&fixture.runs, &fixture.run())?;
    let mut attempts = Vec::new();
    reader.for_each_attempt(|attempt| {
        attempts.push(attempt);
        Ok::<(), StoreError>(())
    })?;
    let plan = reader.first_rows(9_999)?;
    Ok((reader.record()?, rows(&reader)?, attempts, reader.holds()?, plan))
}

/// Opens the run as if to go on with it, and takes all that is left.
fn take_up(fixture: &Fixture) -> Result<(ResumePoint, Vec<UnsettledTask>), StoreError> {
    let writer = fixture.open()?;
    let left = wait(writer.claim(9_999))?;
    Ok((writer.resume_point().clone(), left))
}

#[test]
fn a_flipped_bit_is_found_or_changes_nothing_that_is_read() {
    let whole = carried_out(&[started_again()]);
    let bytes = fs::read(whole.file()).unwrap();
    let expected = read_all(&whole).unwrap();
    let left = take_up(&whole.copy()).unwrap();
    let mut random = fastrand::Rng::with_seed(20_240_705);
    let flipped = whole.copy();
    let mut found = 0;
    for _ in 0..FLIPS {
        let (index, bit) = (random.usize(..bytes.len()), random.u32(..8));
        let mut copy = bytes.clone();
        copy[index] ^= 1 << bit;
        let _ = fs::remove_file(flipped.log());
        fs::write(flipped.file(), &copy).unwrap();
        let flip = format!("bit {bit} of byte {index}");
        found += u32::from(check_read(read_all(&flipped), &expected, &flip));
        check_read(take_up(&flipped), &left, &flip);
    }
    assert!(found > FLIPS / 2, "{found} of {FLIPS}");
}

/// Makes sure that what was read is right, or the error says that it is not; returns whether it is
/// an error.
#[track_caller]
fn check_read<T: PartialEq + std::fmt::Debug>(
    read: Result<T, StoreError>,
    expected: &T,
    flip: &str,
) -> bool {
    match read {
        Ok(read) => assert!(read == *expected, "{flip} changed what is read without a word"),
        Err(error) => {
            assert!(!matches!(error, StoreError::WriterGone), "{flip}: {error:?}");
            return true;
        }
    }
    false
}

#[test]
fn a_flipped_bit_of_a_body_is_found_and_placed() {
    let whole = carried_out(&[started_again()]);
    let connection = whole.stranger();
    let mut query = connection.prepare("SELECT seq, chunk, epoch, body, crc FROM segment").unwrap();
    let mut rows = query.query([]).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    while let Some(row) = rows.next().unwrap() {
        let chunk = u32::try_from(row.get::<_, i64>(1).unwrap()).ok();
        let (epoch, seq) = (row.get(2).unwrap(), row.get(0).unwrap());
        let (body, crc): (Vec<u8>, i64) = (row.get(3).unwrap(), row.get(4).unwrap());
        let place = Place::Segment { chunk, epoch, seq };
        place.check(&body, crc).unwrap();
        for _ in 0..10_000 / 4 {
            let mut body = body.clone();
            let index = random.usize(..body.len());
            body[index] ^= 1 << random.u32(..8);
            assert_eq!(place.check(&body, crc).unwrap_err().place, place);
            place.check(&body[..index], crc).unwrap_err();
        }
    }
}

/// The start of one more attempt, by a process that was killed.
fn started_again() -> crate::event::Event {
    let id = "task-0399".parse().unwrap();
    let ordinal = crate::task::Ordinal(399);
    started(&Task { ordinal, id, command: Command::STOP, cells: None }, 301, 1)
}
