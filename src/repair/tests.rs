//! Damaged runs whose whole parts are still read: what is lost is named, and the rest is as it was.

use crate::reading::{RunReader, TaskRow};
use crate::repair::DamagedPart;
use crate::store::tests::script::{ended, lost, refused, run_ended, started, succeeds};
use crate::store::tests::{Fixture, at, claim, commit, rows};
use crate::store::{RunWriter, StoreError};
use crate::task::{Outcome, Task};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;

/// Repairs a run 5,000 seconds after it was planned.
fn repair(fixture: &Fixture) -> Vec<DamagedPart> {
    crate::repair::repair(&fixture.runs, &fixture.lock(), at(5_000)).unwrap()
}

/// Returns the last sending times of a run that goes on, in seconds.
fn last_sent(fixture: &Fixture, recall: u32) -> Vec<i64> {
    let writer = RunWriter::open(&fixture.runs, &fixture.lock(), at(6_000), recall).unwrap();
    let sent = writer.resume_point().last_sent.iter();
    sent.map(|sent| sent.micros_since(at(0)) / 1_000_000).collect()
}

/// A chunk and a half, so that segments of two chunks and of the run stand side by side.
const TASKS: u32 = 1_030;

/// The number of trials of each kind.
fn trials() -> u64 {
    let wanted = std::env::var("BATCHCTL_TEST_DAMAGE").ok();
    wanted.map_or(100, |number| number.parse().unwrap())
}

/// A run whose commits touch both chunks, one, or none of them.
fn carried_out() -> Fixture {
    let fixture = Fixture::with_tasks(TASKS);
    let writer = fixture.writer();
    let tasks: Vec<Task> = claim(&writer, 2_000).into_iter().map(|claimed| claimed.task).collect();
    let end_of = |(task, seq): (&Task, u64)| match seq % 8 {
        0 => vec![ended(task, seq, lost)],
        1 => vec![ended(task, seq, refused)],
        2 => vec![],
        _ => succeeds(task, seq)[1..].to_vec(),
    };
    let parts: [Vec<usize>; 5] = [
        (0..40).chain(1_000..1_006).collect(),
        (40..80).collect(),
        (1_006..1_020).collect(),
        (80..110).chain(1_020..1_024).collect(),
        (110..140).collect(),
    ];
    let mut seq = 1;
    for part in parts {
        let numbered: Vec<(&Task, u64)> = part.iter().map(|&at| &tasks[at]).zip(seq..).collect();
        seq += part.len() as u64;
        commit(&writer, numbered.iter().map(|&(task, seq)| started(task, seq, 1)).collect());
        commit(&writer, numbered.iter().flat_map(|&one| end_of(one)).collect());
    }
    commit(&writer, vec![run_ended(900, None)]);
    drop(writer);
    fixture
}

struct Segment {
    seq: i64,
    chunk: i64,
    epoch: i64,
    crc: i64,
    body: Vec<u8>,
}

fn segments(connection: &Connection) -> Vec<Segment> {
    let mut query = connection
        .prepare("SELECT seq, chunk, epoch, crc, body FROM segment ORDER BY seq")
        .unwrap();
    let rows = query.query_map([], |row| {
        let (seq, chunk, epoch) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Segment { seq, chunk, epoch, crc: row.get(3)?, body: row.get(4)? })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn stranger(fixture: &Fixture) -> Connection {
    let connection = fixture.stranger();
    connection.pragma_update(None, "synchronous", "off").unwrap();
    connection
}

/// Compares a damaged run with what it was; `lost` are the segments, each with its chunk.
#[track_caller]
fn check(fixture: &Fixture, whole: &[TaskRow], lost: &[(i64, i64)], what: &str) {
    let strict = RunReader::open(&fixture.runs, &fixture.run()).and_then(|run| {
        rows(&run)?;
        run.record()
    });
    assert!(matches!(strict, Err(StoreError::Damaged { .. })), "{what} is not found: {strict:?}");
    let run = RunReader::open_damaged(&fixture.runs, &fixture.run()).unwrap();
    let found: BTreeSet<(i64, i64)> = run
        .damage()
        .iter()
        .filter_map(|part| {
            let chunk = if part.lost.starts_with("facts about the run") { Some(-1) } else { None };
            Some((i64::try_from(part.segment?).unwrap(), part.chunk.map(i64::from).or(chunk)?))
        })
        .collect();
    assert_eq!(found, lost.iter().copied().collect(), "{what}: {:?}", run.damage());
    let damaged: u64 = run.damage().iter().map(|part| part.tasks).sum();
    let read = rows(&run).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(read.len(), whole.len(), "{what}");
    let mut in_doubt = 0;
    for (row, was) in read.iter().zip(whole) {
        if row.is_damaged {
            in_doubt += 1;
            let chunk = i64::from(row.ordinal.0 / 1_000);
            assert_eq!(row.outcome, Outcome::Ambiguous, "{what}");
            assert!(lost.iter().any(|&(_, of)| of == chunk), "{what}: {row:?}");
            assert_eq!((&row.id, row.line), (&was.id, was.line), "{what}");
        } else {
            assert_eq!(row, was, "{what}");
        }
    }
    assert_eq!(in_doubt, damaged, "{what}");
    run.record().unwrap();
    run.for_each_attempt::<StoreError>(|_| Ok(())).unwrap();
}

#[test]
fn one_flipped_bit_of_a_segment_is_placed_and_the_rest_is_as_it_was() {
    let fixture = carried_out();
    let whole = rows(&fixture.reader()).unwrap();
    let connection = stranger(&fixture);
    let segments = segments(&connection);
    let mut random = fastrand::Rng::with_seed(20_240_705);
    for trial in 0..trials() {
        let segment = &segments[random.usize(..segments.len())];
        let Segment { seq, chunk, epoch, crc, body } = segment;
        let columns = [64, 64, 64, 64, 8 * body.len()];
        let at = random.usize(..columns.iter().sum::<usize>());
        let mut flipped = (*seq, *chunk, *epoch, *crc, body.clone());
        match at / 64 {
            0 => flipped.0 ^= 1 << (at % 64),
            1 => flipped.1 ^= 1 << (at % 64),
            2 => flipped.2 ^= 1 << (at % 64),
            3 => flipped.3 ^= 1 << (at % 64),
            _ => flipped.4[(at - 256) / 8] ^= 1 << (at % 8),
        }
        // A number that is taken would be two damaged rows.
        if flipped.0 != *seq && segments.iter().any(|other| other.seq == flipped.0) {
            continue;
        }
        let put =
            "UPDATE segment SET seq = ?, chunk = ?, epoch = ?, crc = ?, body = ? WHERE seq = ?";
        let (to, by, from, sum, bytes) = &flipped;
        connection.execute(put, params![to, by, from, sum, bytes, seq]).unwrap();
        check(&fixture, &whole, &[(*seq, *chunk)], &format!("trial {trial}, bit {at} of {seq}"));
        connection.execute(put, params![seq, chunk, epoch, crc, body, to]).unwrap();
    }
}

#[test]
fn a_cut_tail_is_placed_and_the_rest_is_as_it_was() {
    let fixture = carried_out();
    let whole = rows(&fixture.reader()).unwrap();
    let connection = stranger(&fixture);
    let segments = segments(&connection);
    let mut random = fastrand::Rng::with_seed(7);
    for trial in 0..trials() {
        let Segment { seq, chunk, body, .. } = &segments[random.usize(..segments.len())];
        let length = random.usize(..body.len());
        let put = "UPDATE segment SET body = ? WHERE seq = ?";
        connection.execute(put, params![&body[..length], seq]).unwrap();
        check(&fixture, &whole, &[(*seq, *chunk)], &format!("trial {trial}, {length} of {seq}"));
        connection.execute(put, params![body, seq]).unwrap();
    }
}

#[test]
fn two_segments_that_changed_places_are_placed_and_the_rest_is_as_it_was() {
    let fixture = carried_out();
    let whole = rows(&fixture.reader()).unwrap();
    let connection = stranger(&fixture);
    let segments = segments(&connection);
    let mut random = fastrand::Rng::with_seed(11);
    let same = segments.iter().filter(|one| one.chunk == 0).count();
    assert!(same > 3 && same < segments.len());
    for trial in 0..trials() {
        let (one, other) = (random.usize(..segments.len()), random.usize(..segments.len()));
        let (one, other) = (&segments[one], &segments[other]);
        if one.seq == other.seq {
            continue;
        }
        // Either the whole rows change their numbers, or only the bodies under them.
        let with_keys = random.bool();
        let put = |to: i64, from: &Segment| {
            if with_keys {
                let row =
                    "UPDATE segment SET chunk = ?, epoch = ?, crc = ?, body = ? WHERE seq = ?";
                let cells = params![from.chunk, from.epoch, from.crc, from.body, to];
                connection.execute(row, cells).unwrap();
            } else {
                let row = "UPDATE segment SET crc = ?, body = ? WHERE seq = ?";
                connection.execute(row, params![from.crc, from.body, to]).unwrap();
            }
        };
        put(one.seq, other);
        put(other.seq, one);
        let lost = [(one.seq, one.chunk), (other.seq, other.chunk)];
        let what = format!("trial {trial}, {} and {}, keys {with_keys}", one.seq, other.seq);
        check(&fixture, &whole, &lost, &what);
        for segment in [one, other] {
            let row = "UPDATE segment SET chunk = ?, epoch = ?, crc = ?, body = ? WHERE seq = ?";
            let Segment { seq, chunk, epoch, crc, body } = segment;
            connection.execute(row, params![chunk, epoch, crc, body, seq]).unwrap();
        }
    }
}

#[test]
fn one_flipped_bit_of_a_plan_chunk_loses_its_ids_and_nothing_else() {
    let fixture = carried_out();
    let whole = rows(&fixture.reader()).unwrap();
    let connection = stranger(&fixture);
    let mut random = fastrand::Rng::with_seed(13);
    for trial in 0..trials() {
        let no = random.i64(0..2);
        let cells = "SELECT no, first, tasks, crc, body FROM chunk WHERE no = ?";
        let (mut cell, body): ([i64; 4], Vec<u8>) = connection
            .query_row(cells, [no], |row| {
                Ok(([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?], row.get(4)?))
            })
            .unwrap();
        let (kept, mut flipped) = (cell, body.clone());
        let bit = random.usize(..8 * body.len() + 256);
        match bit.checked_sub(256) {
            None => cell[bit / 64] ^= 1 << (bit % 64),
            Some(bit) => flipped[bit / 8] ^= 1 << (bit % 8),
        }
        if cell[0] == 1 - no {
            continue;
        }
        let put = "UPDATE chunk SET no = ?, first = ?, tasks = ?, crc = ?, body = ? WHERE no = ?";
        let [to, first, tasks, crc] = cell;
        connection.execute(put, params![to, first, tasks, crc, flipped, no]).unwrap();
        let run = RunReader::open_damaged(&fixture.runs, &fixture.run()).unwrap();
        let what = format!("trial {trial}, bit {bit} of chunk {no}: {:?}", run.damage());
        let part = run.damage().first().unwrap_or_else(|| panic!("{what}"));
        assert_eq!((part.chunk.map(i64::from), part.segment), (Some(no), None), "{what}");
        let read = rows(&run).unwrap_or_else(|error| panic!("{what}: {error}"));
        let columns_alone = (64..192).contains(&bit);
        let is_left = |row: &&TaskRow| columns_alone || i64::from(row.ordinal.0 / 1_000) != no;
        let left: Vec<TaskRow> = whole.iter().filter(is_left).cloned().collect();
        assert_eq!(read, left, "{what}");
        assert_eq!(read.len() as u64 + run.lost_tasks(), u64::from(TASKS), "{what}");
        assert_eq!(part.tasks, run.lost_tasks(), "{what}");
        let [no, first, tasks, crc] = kept;
        connection.execute(put, params![no, first, tasks, crc, body, to]).unwrap();
    }
}

#[test]
fn a_repaired_run_goes_on_without_its_settled_tasks_and_keeps_what_was_found() {
    let fixture = carried_out();
    let connection = stranger(&fixture);
    let found: Vec<u8> = connection
        .query_row("SELECT body FROM segment WHERE seq = 3", [], |row| row.get(0))
        .unwrap();
    connection.execute_batch("UPDATE segment SET crc = crc - 1 WHERE seq = 3").unwrap();
    let shown = {
        let run = RunReader::open_damaged(&fixture.runs, &fixture.run()).unwrap();
        rows(&run).unwrap()
    };
    let parts = repair(&fixture);
    assert_eq!((parts.len(), parts[0].segment), (1, Some(3)));
    assert_eq!(rows(&fixture.reader()).unwrap(), shown);
    let kept: Vec<u8> = connection
        .query_row("SELECT body FROM damaged WHERE seq = 3", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, found);
    let left = claim(&fixture.writer(), 2_000);
    for row in &shown {
        let claimed = left.iter().find(|left| left.task.ordinal == row.ordinal);
        assert_eq!(claimed.is_some(), row.settled.is_none(), "{row:?}");
        assert!(!row.is_damaged || claimed.is_some_and(|claimed| claimed.in_doubt));
    }
    assert!(repair(&fixture).is_empty());
}

#[test]
fn lost_sendings_count_as_sent_when_their_session_ended() {
    let fixture = carried_out();
    let whole = last_sent(&fixture, 1_000);
    let of_end = |sent: &[i64]| sent.iter().filter(|&&sent| sent == 900).count();
    // Those that never ended count as sent at the end of their session, too.
    assert_eq!((whole.len(), of_end(&whole)), (164, 21));
    let fixture = carried_out();
    let damage = "UPDATE segment SET crc = crc - 1 WHERE seq = 2";
    stranger(&fixture).execute_batch(damage).unwrap();
    let lost: u64 = repair(&fixture).iter().map(|part| part.tasks).sum();
    let sent = last_sent(&fixture, 1_000);
    assert_eq!(sent.len(), whole.len());
    // Forty starts were in that segment, five of them without an end. The tasks that were never
    // called are in doubt, too.
    assert_eq!((lost, of_end(&sent)), (40 + 860, 40 + 21 - 5));
    assert_eq!(last_sent(&fixture, 7), [900; 7]);
}

#[test]
fn sendings_of_which_not_even_the_number_is_known_fill_the_window_up_to_the_repair() {
    let fixture = carried_out();
    let last = "seq = (SELECT max(seq) FROM segment)";
    let damage = format!("UPDATE segment SET crc = crc - 1 WHERE {last}");
    stranger(&fixture).execute_batch(&damage).unwrap();
    repair(&fixture);
    assert_eq!(last_sent(&fixture, 1_000), [5_000; 1_000]);
}

#[test]
fn a_run_without_a_plan_chunk_goes_on_with_the_others_once_it_is_repaired() {
    for (no, lost) in [(0, 1_000), (1, 30)] {
        let fixture = carried_out();
        let whole = rows(&fixture.reader()).unwrap();
        let damage = format!("UPDATE chunk SET body = zeroblob(9) WHERE no = {no}");
        stranger(&fixture).execute_batch(&damage).unwrap();
        let parts = repair(&fixture);
        assert_eq!((parts[0].chunk, parts[0].tasks), (Some(no), lost));
        let reader = fixture.reader();
        assert_eq!(reader.lost_tasks(), lost);
        assert_eq!(reader.damage(), [parts[0].clone().repaired()]);
        let left: Vec<TaskRow> =
            whole.into_iter().filter(|row| row.ordinal.0 / 1_000 != no).collect();
        assert_eq!(rows(&reader).unwrap(), left);
        let unsettled = left.iter().filter(|row| row.settled.is_none()).count();
        assert_eq!(reader.unsettled().unwrap(), unsettled as u64);
        let writer = fixture.writer();
        let claimed = claim(&writer, 2_000);
        assert_eq!(claimed.len(), unsettled);
        let task = &claimed[0].task;
        commit(&writer, succeeds(task, 900).to_vec());
        drop(writer);
        assert_eq!(fixture.reader().unsettled().unwrap(), unsettled as u64 - 1);
        assert!(repair(&fixture).is_empty(), "what is set aside is no damage any more");
        let about = "SELECT count(*) FROM about WHERE text LIKE 'damaged: %'";
        let about: u32 = stranger(&fixture).query_row(about, [], |row| row.get(0)).unwrap();
        assert_eq!(about, 1);
    }
}

#[test]
fn the_record_of_a_lost_plan_chunk_may_be_lost_as_well() {
    let fixture = carried_out();
    let connection = stranger(&fixture);
    connection.execute_batch("UPDATE chunk SET body = zeroblob(9) WHERE no = 1").unwrap();
    repair(&fixture);
    let last = "UPDATE segment SET crc = crc - 1 WHERE seq = (SELECT max(seq) FROM segment)";
    connection.execute_batch(last).unwrap();
    repair(&fixture);
    let lost: Vec<u64> = fixture.reader().damage().iter().map(|part| part.tasks).collect();
    assert_eq!(lost, [30]);
    assert_eq!(rows(&fixture.reader()).unwrap().len(), 1_000);
}
