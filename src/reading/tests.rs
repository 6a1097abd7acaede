//! The reader: what it makes of attempts and outcomes, while a writer works and afterwards.

use crate::event::{AttemptResult, AttemptSeq, EventKind};
use crate::reading::{AttemptRow, RunReader, SendingRow};
use crate::store::StoreError;
use crate::store::tests::script::{
    answered, ended, event, leaves, lost, refused, settled, started, succeeds, throttled,
};
use crate::store::tests::{Fixture, RUN, at, claim, commit, failed_rows, rows};
use crate::task::{Outcome, Task};
use std::sync::Arc;

fn attempts(reader: &RunReader) -> Vec<AttemptRow> {
    let mut attempts = Vec::new();
    let read = reader.for_each_attempt(|attempt| {
        attempts.push(attempt);
        Ok::<(), StoreError>(())
    });
    read.unwrap();
    check_sendings(reader, &attempts);
    attempts
}

/// Makes sure that what is read of the attempts alone is what is read of them whole.
fn check_sendings(reader: &RunReader, attempts: &[AttemptRow]) {
    let mut expected = attempts.iter().map(|attempt| SendingRow {
        number: attempt.number,
        sent: attempt.sent,
        duration: attempt.duration,
        http_status: attempt.http_status,
        failed: attempt.failure.as_ref().map(|failure| failure.kind),
    });
    let read = reader.for_each_sending(|sending| {
        assert_eq!(Some(sending), expected.next());
        Ok::<(), StoreError>(())
    });
    read.unwrap();
    assert_eq!(expected.next(), None);
}

fn row_of(task: &Task, seq: u64, number: u32, result: AttemptResult) -> AttemptRow {
    AttemptRow {
        seq: AttemptSeq(seq),
        ordinal: task.ordinal,
        number,
        sent: result.sent,
        duration: Some(result.duration),
        in_doubt: result.in_doubt,
        http_status: result.http_status,
        counts: result.counts,
        request_id: result.request_id,
        failure: result.failure.map(|failure| *failure),
    }
}

/// Three attempts of one task: throttled, lost, and then the last one.
fn persevere(
    task: &Task,
    last: fn(u64) -> AttemptResult,
    outcome: Outcome,
) -> Vec<crate::event::Event> {
    let settled = EventKind::TaskSettled {
        task: Arc::new(task.clone()),
        outcome,
        seq: AttemptSeq(3),
        attempts: 3,
        first_sent: answered(1).sent,
    };
    vec![
        started(task, 1, 1),
        ended(task, 1, throttled),
        started(task, 2, 2),
        ended(task, 2, lost),
        started(task, 3, 3),
        ended(task, 3, last),
        event(3, settled),
    ]
}

#[test]
fn attempts_are_read_back_whole_and_in_the_order_of_sending() {
    let fixture = Fixture::with_tasks(2);
    let writer = fixture.writer();
    let claimed = claim(&writer, 2);
    let (task, other) = (&claimed[0].task, &claimed[1].task);
    commit(&writer, persevere(task, refused, Outcome::Ambiguous));
    commit(&writer, vec![started(other, 4, 1)]);
    let expected = [
        row_of(task, 1, 1, throttled(1)),
        row_of(task, 2, 2, lost(2)),
        row_of(task, 3, 3, refused(3)),
    ];
    let read = attempts(&fixture.reader());
    assert_eq!(read[..3], expected);
    assert_eq!((read[3].duration, read[3].in_doubt, read[3].sent), (None, true, leaves(4)));
}

#[test]
fn a_task_of_several_attempts_shows_its_first_sending_and_its_last_attempt() {
    let fixture = Fixture::with_tasks(1);
    let writer = fixture.writer();
    let task = &claim(&writer, 1)[0].task;
    commit(&writer, persevere(task, answered, Outcome::Succeeded));
    let row = &fixture.rows()[0];
    assert_eq!((row.outcome, row.attempts), (Outcome::Succeeded, 3));
    assert_eq!(row.first_sent, Some(answered(1).sent));
    assert_eq!(row.settled, Some(at(3).plus_micros(300_000)));
    assert_eq!(row.last, Some(row_of(task, 3, 3, answered(3))));
}

#[test]
fn a_reader_keeps_its_snapshot() {
    let fixture = Fixture::with_tasks(3);
    let writer = fixture.writer();
    let all = claim(&writer, 3);
    commit(&writer, succeeds(&all[0].task, 1).into());
    let reader = fixture.reader();
    commit(&writer, succeeds(&all[1].task, 2).into());
    let settled = |reader: &RunReader| {
        rows(reader).unwrap().iter().filter(|row| row.settled.is_some()).count()
    };
    assert_eq!((settled(&reader), attempts(&reader).len()), (1, 1));
    assert_eq!(settled(&fixture.reader()), 2);
}

#[test]
fn the_failed_tasks_are_those_that_were_sent_and_did_not_succeed() {
    let fixture = Fixture::with_tasks(6);
    let writer = fixture.writer();
    let all = claim(&writer, 6);
    let task = |number: usize| &all[number].task;
    let settle = |number, seq, result: fn(u64) -> AttemptResult, outcome| {
        let task = task(number);
        vec![started(task, seq, 1), ended(task, seq, result), settled(task, seq, outcome)]
    };
    commit(&writer, succeeds(task(0), 1).into());
    assert!(failed_rows(&fixture.reader()).is_empty());
    commit(&writer, settle(1, 2, refused, Outcome::Failed));
    commit(&writer, settle(2, 3, lost, Outcome::Ambiguous));
    // One waits for its next attempt and the one before it was not sent yet.
    commit(&writer, vec![started(task(4), 4, 1), ended(task(4), 4, throttled)]);
    let found = failed_rows(&fixture.reader());
    let ids: Vec<u32> = found.iter().map(|row| row.ordinal.0).collect();
    assert_eq!(ids, [1, 2, 4]);
    let all = fixture.rows();
    assert_eq!(found.as_slice(), [&all[1], &all[2], &all[4]].map(Clone::clone));
}

#[test]
fn an_error_of_the_callback_ends_the_walk() {
    let fixture = Fixture::with_tasks(3);
    let mut seen = 0;
    let ended = fixture.reader().for_each_task(|_| {
        seen += 1;
        Err(StoreError::WriterGone)
    });
    assert!(matches!(ended, Err(StoreError::WriterGone)));
    assert_eq!(seen, 1);
}

/// So many tasks that a thread of its own makes their rows.
fn large_run() -> Fixture {
    Fixture::with_tasks(7_500)
}

#[test]
fn the_rows_of_a_large_run_are_handed_out_once_and_in_order() {
    let fixture = large_run();
    let writer = fixture.writer();
    let task = claim(&writer, 1).remove(0).task;
    commit(&writer, succeeds(&task, 1).into());
    let rows = rows(&fixture.reader()).unwrap();
    let ids = rows.iter().map(|row| row.id.to_string());
    assert!(ids.eq((0..7_500).map(|n| format!("task-{n:04}"))));
    let settled: Vec<_> = rows.iter().filter(|row| row.settled.is_some()).collect();
    assert_eq!(settled.iter().map(|row| row.outcome).collect::<Vec<_>>(), [Outcome::Succeeded]);
}

#[test]
fn whoever_reads_a_large_run_may_stop_and_is_told_of_damage_at_its_end() {
    let fixture = large_run();
    let mut seen = 0;
    let stopped = fixture.reader().for_each_task(|_| {
        seen += 1;
        if seen < 2_000 { Ok(()) } else { Err(StoreError::WriterGone) }
    });
    assert!(matches!(stopped, Err(StoreError::WriterGone)));
    assert_eq!(seen, 2_000);
    fixture.stranger().execute("UPDATE chunk SET crc = crc + 1 WHERE no = 7", []).unwrap();
    let damaged = rows(&fixture.reader()).unwrap_err();
    assert!(damaged.to_string().contains("chunk 7"), "{damaged}");
}

#[test]
fn the_first_rows_are_those_of_the_plan() {
    let fixture = Fixture::planned("aaaa\nbbbb\naaaa\ncccc\n");
    let rows = fixture.reader().first_rows(3).unwrap();
    let ids: Vec<_> = rows.iter().map(|row| (row.id.as_str(), row.line)).collect();
    assert_eq!(ids, [("aaaa", 1), ("bbbb", 2), ("cccc", 4)]);
}

#[test]
fn reading_changes_nothing() {
    let fixture = Fixture::with_tasks(10);
    let before = std::fs::read(fixture.file()).unwrap();
    fixture.rows();
    assert_eq!(std::fs::read(fixture.file()).unwrap(), before);
}

#[test]
fn a_missing_run_cannot_be_read() {
    let fixture = Fixture::empty();
    let error = RunReader::open(&fixture.runs, &fixture.run()).unwrap_err();
    assert_eq!(error.to_string(), format!("there is no run `{RUN}`"));
    assert_eq!(fixture.files(), [""; 0], "looking makes no file");
}
