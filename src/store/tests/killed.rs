//! Processes that are killed and power that fails: the run is what the last commit made it.

use super::script::{ended, lost, started, succeeds};
use super::{Fixture, claim, commit, rows};
use crate::reading::TaskRow;
use crate::task::{Outcome, Task};
use std::fs;

const TASKS: u32 = 24;

/// A run with a log of many commits, and what a reader saw after each of them.
fn carried_out() -> (Fixture, Vec<Vec<TaskRow>>) {
    let fixture = Fixture::with_tasks(TASKS);
    // The file of a run that was opened before holds no session that is only in the log.
    drop(fixture.writer());
    let writer = fixture.writer();
    let mut states = vec![fixture.rows()];
    let tasks: Vec<Task> = claim(&writer, 99).into_iter().map(|claimed| claimed.task).collect();
    for (task, seq) in tasks.iter().zip(1..) {
        let [start, end, settled] = succeeds(task, seq);
        commit(&writer, vec![start]);
        states.push(fixture.rows());
        let batch = if seq % 3 == 0 { vec![ended(task, seq, lost)] } else { vec![end, settled] };
        commit(&writer, batch);
        states.push(fixture.rows());
    }
    let copy = fixture.copy();
    drop(writer);
    (copy, states)
}

/// Every task is settled, in doubt or never sent, as the reader and the writer both say.
#[track_caller]
fn check_accounted_for(fixture: &Fixture) -> Vec<TaskRow> {
    let rows = fixture.rows();
    let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
    let (settled, doubtful) = (count(Outcome::Succeeded), count(Outcome::Ambiguous));
    let never_sent = count(Outcome::NotAttempted);
    assert_eq!(settled + doubtful + never_sent, TASKS as usize);
    let writer = fixture.writer();
    assert_eq!(writer.resume_point().settled.selected(), settled as u64);
    let open = claim(&writer, 99);
    assert_eq!(open.len(), doubtful + never_sent);
    assert_eq!(open.iter().filter(|task| task.in_doubt).count(), doubtful);
    rows
}

#[test]
fn a_killed_process_leaves_all_that_it_committed() {
    let (copy, states) = carried_out();
    assert_eq!(check_accounted_for(&copy), *states.last().unwrap());
}

#[test]
fn a_log_that_ends_anywhere_is_the_run_after_some_commit() {
    let (whole, states) = carried_out();
    let log = fs::read(whole.log()).unwrap();
    let mut reached = 0;
    for length in (0..=log.len()).step_by(log.len() / 60).chain([log.len()]) {
        let cut = whole.copy();
        fs::write(cut.log(), &log[..length]).unwrap();
        let rows = check_accounted_for(&cut);
        let state = states.iter().rposition(|state| *state == rows);
        let state = state.expect("half a commit is no commit");
        assert!(state >= reached, "a longer log holds more");
        reached = state;
    }
    assert_eq!(reached, states.len() - 1);
}

#[test]
fn a_log_with_a_torn_page_is_the_run_before_that_commit() {
    let (whole, states) = carried_out();
    let log = fs::read(whole.log()).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..40 {
        let torn = whole.copy();
        let mut bytes = log.clone();
        let from = random.usize(..bytes.len() - 512);
        random.fill(&mut bytes[from..from + 512]);
        fs::write(torn.log(), bytes).unwrap();
        let rows = check_accounted_for(&torn);
        assert!(states.contains(&rows), "half a commit is no commit");
    }
}

#[test]
fn a_log_that_was_lost_whole_leaves_the_run_as_its_file_has_it() {
    let (whole, states) = carried_out();
    fs::remove_file(whole.log()).unwrap();
    assert_eq!(check_accounted_for(&whole), states[0]);
}

#[test]
fn a_run_makes_progress_although_every_process_is_killed() {
    let mut fixture = Fixture::with_tasks(TASKS);
    for round in 1..=u64::from(TASKS) {
        let writer = fixture.writer();
        assert_eq!(writer.resume_point().attempts, round - 1);
        assert_eq!(writer.resume_point().settled.selected(), round - 1);
        let first = claim(&writer, 1).remove(0);
        assert_eq!(u64::from(first.task.ordinal.0), round - 1);
        commit(&writer, succeeds(&first.task, round).into());
        let copy = fixture.copy();
        drop(writer);
        fixture = copy;
    }
    let reader = fixture.reader();
    assert!(rows(&reader).unwrap().iter().all(|row| row.outcome == Outcome::Succeeded));
    let sessions = reader.record().unwrap().sessions;
    assert_eq!(sessions.len(), TASKS as usize);
    assert!(sessions.iter().all(|session| session.end.is_none()));
    drop(reader);
    assert_eq!(claim(&fixture.writer(), 1), []);
}

#[test]
fn a_start_that_was_not_committed_was_never_sent() {
    let fixture = Fixture::with_tasks(2);
    let writer = fixture.writer();
    let claimed = claim(&writer, 2);
    commit(&writer, vec![started(&claimed[0].task, 1, 1)]);
    let copy = fixture.copy();
    commit(&writer, vec![started(&claimed[1].task, 2, 1)]);
    let open: Vec<_> = claim(&copy.writer(), 9).iter().map(|task| task.in_doubt).collect();
    assert_eq!(open, [true, false]);
    let open: Vec<_> = claim(&fixture.copy().writer(), 9).iter().map(|t| t.in_doubt).collect();
    assert_eq!(open, [true, true]);
}
