//! The writer: what it hands out, what it makes durable, and who may hold it.

use super::script::{
    answered, ended, event, leaves, lost, refused, run_ended, settled, started, succeeds,
    throttled, withdrawn,
};
use super::{Fixture, RECALL, at, claim, commit, rows, wait};
use crate::event::{EventKind, HoldReason, StopReason};
use crate::store::{RunWriter, StoreError, UnsettledTask};
use crate::task::{Outcome, Task};
use std::time::Duration;

fn tasks(claimed: Vec<UnsettledTask>) -> Vec<Task> {
    claimed.into_iter().map(|unsettled| unsettled.task).collect()
}

fn ordinals(claimed: &[UnsettledTask]) -> Vec<u32> {
    claimed.iter().map(|unsettled| unsettled.task.ordinal.0).collect()
}

#[test]
fn a_fresh_run_is_handed_out_in_order_and_each_task_once() {
    let fixture = Fixture::planned("aaaa\nbbbb\naaaa\ncccc\ndddd\n");
    let writer = fixture.writer();
    assert_eq!(ordinals(&claim(&writer, 2)), [0, 1]);
    let next = claim(&writer, 1);
    assert_eq!((next[0].task.id.as_str(), next[0].task.ordinal.0), ("cccc", 3));
    assert_eq!((next[0].attempts, next[0].in_doubt, next[0].first_sent), (0, false, None));
    assert_eq!(ordinals(&claim(&writer, 2)), [4]);
    assert_eq!(claim(&writer, 2), []);
    assert_eq!(claim(&writer, 2), []);
}

#[test]
fn a_commit_is_visible_to_readers_at_once() {
    let fixture = Fixture::with_tasks(2);
    let writer = fixture.writer();
    let task = &tasks(claim(&writer, 1))[0];
    commit(&writer, vec![started(task, 1, 1)]);
    assert_eq!(fixture.rows()[0].outcome, Outcome::Ambiguous, "it is on the wire");
    let [_, ended, settled] = succeeds(task, 1);
    commit(&writer, vec![ended, settled]);
    let row = &fixture.rows()[0];
    assert_eq!((row.outcome, row.attempts), (Outcome::Succeeded, 1));
    assert_eq!(row.first_sent, Some(answered(1).sent));
    assert_eq!(row.settled, Some(at(1).plus_micros(300_000)));
    assert_eq!(fixture.rows()[1].outcome, Outcome::NotAttempted);
}

#[test]
fn a_withdrawn_attempt_leaves_no_trace() {
    let fixture = Fixture::with_tasks(2);
    let writer = fixture.writer();
    let [first, second] = &tasks(claim(&writer, 2))[..] else { panic!("there are two") };
    commit(&writer, vec![started(first, 1, 1), withdrawn(first, 1), started(second, 2, 1)]);
    commit(&writer, vec![withdrawn(second, 2)]);
    drop(writer);
    for row in fixture.rows() {
        assert_eq!((row.outcome, row.attempts, row.last), (Outcome::NotAttempted, 0, None));
    }
    let writer = fixture.writer();
    assert_eq!(writer.resume_point().attempts, 0);
    assert_eq!(claim(&writer, 9).iter().map(|task| task.attempts).sum::<u32>(), 0);
}

#[test]
fn settled_tasks_are_never_handed_out_again() {
    // Long stretches are skipped by their numbers, short ones row by row.
    let fixture = Fixture::with_tasks(2_000);
    let writer = fixture.writer();
    let open = [0, 1, 299, 300, 301, 900, 1_999];
    let all = tasks(claim(&writer, 2_000));
    let settled = all.iter().filter(|task| !open.contains(&task.ordinal.0));
    commit(&writer, settled.zip(1..).flat_map(|(task, seq)| succeeds(task, seq)).collect());
    drop(writer);
    let writer = fixture.writer();
    assert_eq!(writer.resume_point().settled[Outcome::Succeeded], 1_993);
    assert_eq!(ordinals(&claim(&writer, 3)), open[..3]);
    assert_eq!(ordinals(&claim(&writer, 100)), open[3..]);
    assert_eq!(claim(&writer, 100), []);
}

#[test]
fn a_task_cannot_be_settled_twice() {
    let fixture = Fixture::with_tasks(1);
    let writer = fixture.writer();
    let task = &tasks(claim(&writer, 1))[0];
    commit(&writer, succeeds(task, 1).into());
    let twice = wait(writer.commit(succeeds(task, 2).into())).unwrap_err();
    assert!(matches!(twice, StoreError::Sqlite { .. }), "{twice}");
    drop(writer);
    let row = &fixture.rows()[0];
    assert_eq!(row.last.as_ref().unwrap().seq.0, 1, "the batch left nothing behind");
    assert_eq!(fixture.writer().resume_point().attempts, 1);
}

#[test]
fn an_open_task_is_handed_out_with_its_attempts() {
    let fixture = Fixture::with_tasks(5);
    let writer = fixture.writer();
    let [sent, lost_once, held, wrong, fresh] = &tasks(claim(&writer, 9))[..] else {
        panic!("there are five")
    };
    commit(&writer, vec![started(sent, 1, 1), started(lost_once, 2, 1), started(held, 3, 1)]);
    commit(&writer, vec![ended(lost_once, 2, lost), ended(held, 3, throttled)]);
    commit(&writer, vec![started(held, 4, 2), started(lost_once, 5, 2), started(wrong, 6, 1)]);
    commit(&writer, vec![ended(held, 4, throttled), ended(lost_once, 5, refused)]);
    commit(&writer, vec![ended(wrong, 6, refused)]);
    drop(writer);

    let writer = fixture.writer();
    assert_eq!((writer.resume_point().attempts, writer.resume_point().selected), (6, 5));
    assert_eq!(writer.resume_point().settled.selected(), 0);
    let known = |unsettled: &UnsettledTask| {
        let UnsettledTask { attempts, throttled, in_doubt, first_sent, .. } = *unsettled;
        (attempts, throttled, in_doubt, first_sent)
    };
    let open: Vec<_> = claim(&writer, 9).iter().map(known).collect();
    let first = |seq| Some(answered(seq).sent);
    let expected = [
        (1, 0, true, Some(leaves(1))),
        (2, 0, true, first(2)),
        (2, 2, false, first(3)),
        (1, 0, false, first(6)),
        (0, 0, false, None),
    ];
    assert_eq!(open, expected);
    assert_eq!(fresh.ordinal.0, 4);
    let outcomes: Vec<_> = fixture.rows().iter().map(|row| row.outcome.as_str()).collect();
    assert_eq!(outcomes, ["ambiguous", "ambiguous", "failed", "failed", "not_attempted"]);
}

#[test]
fn an_attempt_without_an_end_counts_as_sent_when_its_process_was_over() {
    let fixture = Fixture::with_tasks(9);
    let writer = fixture.writer();
    let all = tasks(claim(&writer, 9));
    let events = all[..7].iter().zip(1..).flat_map(|(task, seq)| succeeds(task, seq));
    commit(&writer, events.collect());
    commit(&writer, vec![started(&all[7], 8, 1)]);
    drop(writer);
    let writer = fixture.writer();
    let mut expected: Vec<_> = (4..=7).map(|seq| answered(seq).sent).collect();
    expected.push(at(100));
    assert_eq!(expected.len(), RECALL as usize);
    assert_eq!(writer.resume_point().last_sent, expected);
    drop(writer);
    // The end of its process does not move with later ones.
    let later = RunWriter::open(&fixture.runs, &fixture.lock(), at(200), RECALL).unwrap();
    assert_eq!(later.resume_point().last_sent, expected);
}

#[test]
fn an_attempt_that_never_ended_counts_as_sent_before_the_recorded_end_of_its_process() {
    let fixture = Fixture::with_tasks(2);
    let writer = fixture.writer();
    let all = tasks(claim(&writer, 2));
    commit(&writer, vec![started(&all[0], 1, 1)]);
    commit(&writer, vec![run_ended(150, None)]);
    drop(writer);
    let writer = RunWriter::open(&fixture.runs, &fixture.lock(), at(200), RECALL).unwrap();
    assert_eq!(writer.resume_point().last_sent, [at(150)]);
}

#[test]
fn a_page_counts_as_requested_before_the_next_one_or_the_end_of_its_process() {
    let fixture = Fixture::with_tasks(1);
    let writer = fixture.writer();
    for second in [110, 120] {
        commit(&writer, vec![event(second, EventKind::PollStarted { leaves: leaves(second) })]);
    }
    let last_sent = wait(writer.last_sent(9, at(130))).unwrap();
    assert_eq!(last_sent, [leaves(120), at(130)]);
    drop(writer);
    let writer = RunWriter::open(&fixture.runs, &fixture.lock(), at(200), RECALL).unwrap();
    assert_eq!(writer.resume_point().last_sent, [leaves(120), at(200)]);
}

#[test]
fn dropping_the_future_of_a_commit_does_not_undo_it() {
    let fixture = Fixture::with_tasks(1);
    let writer = fixture.writer();
    let task = &tasks(claim(&writer, 1))[0];
    drop(writer.commit(succeeds(task, 1).into()));
    drop(writer);
    assert_eq!(fixture.rows()[0].outcome, Outcome::Succeeded);
}

#[test]
fn commits_and_claims_are_carried_out_in_the_order_of_the_requests() {
    let fixture = Fixture::with_tasks(40);
    let writer = fixture.writer();
    let all = tasks(claim(&writer, 40));
    let starts: Vec<_> =
        all.iter().zip(1..).map(|(task, seq)| writer.commit(vec![started(task, seq, 1)])).collect();
    let ends: Vec<_> = all
        .iter()
        .zip(1..)
        .map(|(task, seq)| writer.commit(succeeds(task, seq)[1..].to_vec()))
        .collect();
    for commit in starts.into_iter().chain(ends) {
        wait(commit).unwrap();
    }
    assert!(fixture.rows().iter().all(|row| row.outcome == Outcome::Succeeded));
}

#[test]
fn sessions_and_holds_are_kept_in_order() {
    let fixture = Fixture::with_tasks(1);
    let writer = fixture.writer();
    let hold = EventKind::RunHeld { until: at(9), reason: HoldReason::Throttled };
    commit(&writer, vec![event(3, hold), run_ended(10, Some(StopReason::OutOfTime))]);
    drop(writer);
    drop(fixture.writer());
    let writer = fixture.writer();
    commit(&writer, vec![run_ended(200, None)]);
    let record = fixture.reader().record().unwrap();
    let ends: Vec<_> = record
        .sessions
        .iter()
        .map(|session| session.end.as_ref().map(|end| (end.at, end.stopped, end.held)))
        .collect();
    let held = Duration::from_millis(1_500);
    let stopped = Some(StopReason::OutOfTime);
    assert_eq!(ends, [Some((at(10), stopped, held)), None, Some((at(200), None, held))]);
    let session = &record.sessions[0];
    assert_eq!((session.started, session.process), (at(100), std::process::id()));
    assert_eq!(session.version, env!("CARGO_PKG_VERSION"));
    let holds = fixture.reader().holds().unwrap();
    assert_eq!(holds.len(), 1);
    assert_eq!((holds[0].from, holds[0].until), (at(3), at(9)));
    assert_eq!(holds[0].reason, "throttled");
}

#[test]
fn a_commit_of_long_texts_is_several_segments_and_reads_back() {
    let fixture = Fixture::with_tasks(5);
    let writer = fixture.writer();
    let all = tasks(claim(&writer, 5));
    let long = |seq: u64| {
        let mut result = refused(seq);
        let failure = result.failure.as_mut().unwrap();
        failure.error_list = vec![char::from(b'a' + u8::try_from(seq).unwrap()).to_string(); 3];
        failure.message = failure.error_list[0].repeat(600_000);
        result
    };
    let events = all.iter().zip(1..).flat_map(|(task, seq)| {
        [started(task, seq, 1), ended(task, seq, long), settled(task, seq, Outcome::Failed)]
    });
    commit(&writer, events.collect());
    drop(writer);
    let segments = "SELECT count(*), max(length(body)) FROM segment WHERE chunk = 0";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let (count, longest): (u32, u32) = fixture.stranger().query_row(segments, [], read).unwrap();
    assert_eq!(count, 3);
    assert!(longest < 2 << 20, "{longest}");
    for (row, seq) in fixture.rows().iter().zip(1..) {
        let failure = row.last.as_ref().unwrap().failure.clone().unwrap();
        assert!(Some(Box::new(failure)) == long(seq).failure);
    }
    assert_eq!(fixture.writer().resume_point().settled[Outcome::Failed], 5);
}

#[test]
fn the_lock_is_held_for_as_long_as_the_writer_lives() {
    let fixture = Fixture::with_tasks(1);
    let writer = fixture.writer();
    let busy = fixture.runs.lock(&fixture.run(), "somebody").unwrap_err();
    assert!(matches!(busy, StoreError::Busy { .. }), "{busy}");
    drop(writer);
    fixture.lock();
}

#[test]
fn no_log_is_left_when_a_writer_is_dropped() {
    let fixture = Fixture::with_tasks(1);
    drop(fixture.writer());
    let names = ["db", "db-mark", "lock"].map(|ending| format!("{}.{ending}", super::RUN));
    assert_eq!(fixture.files(), names);
}

#[test]
fn a_writer_does_not_wait_for_a_reader_and_loses_nothing_by_it() {
    let fixture = Fixture::with_tasks(300);
    let reader = fixture.reader();
    let writer = fixture.writer();
    for (task, seq) in tasks(claim(&writer, 300)).iter().zip(1..) {
        commit(&writer, succeeds(task, seq).into());
    }
    drop(writer);
    let before = rows(&reader).unwrap();
    assert!(before.iter().all(|row| row.outcome == Outcome::NotAttempted), "one state throughout");
    assert!(fixture.rows().iter().all(|row| row.outcome == Outcome::Succeeded));
    drop(reader);
    assert_eq!(fixture.writer().resume_point().settled[Outcome::Succeeded], 300);
}

#[test]
fn a_missing_run_cannot_be_opened() {
    let fixture = Fixture::empty();
    let lock = fixture.lock();
    let error = RunWriter::open(&fixture.runs, &lock, at(0), 0).unwrap_err();
    assert!(matches!(error, StoreError::NoSuchRun { .. }), "{error}");
}
