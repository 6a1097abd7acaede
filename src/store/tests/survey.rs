//! Survey and verify rounds: each task has one outcome, whatever is seen and in which order, and the
//! outcome of its call is never lost.

use super::script::{answered, ended, lost, settled, started};
use super::{Fixture, at, claim, commit, wait};
use crate::event::{ArrivalCounts, SurveyCounts};
use crate::policy::{IfMissing, Purpose, VerifyRound, first_look, last_look};
use crate::reading::TaskRow;
use crate::store::{RunWriter, TaskSelection};
use crate::task::{FailureKind, ObservedState, Outcome, StateCounts, TaskState};
use proptest::prelude::*;

/// Looks at the tasks with these numbers, each in a state of the service; all are to be stopped.
fn see(writer: &RunWriter, wanted: TaskSelection, states: &[(u32, &str)]) {
    wait(writer.look_for(wanted, 100)).unwrap();
    let observed = |&(number, state): &(u32, &str)| {
        ObservedState::from_counts(
            id(number).parse().unwrap(),
            &StateCounts::from_counters([(state, 1)]),
        )
    };
    wait(writer.see(states.iter().map(observed).collect())).unwrap();
}

fn id(number: u32) -> String {
    format!("task-{number:04}")
}

fn survey(writer: &RunWriter, purpose: Purpose, states: &[(u32, &str)]) -> SurveyCounts {
    see(writer, TaskSelection::Unsettled, states);
    let decide = move |seen, earlier, goal| first_look(seen, earlier, goal, purpose);
    wait(writer.survey(decide, at(101))).unwrap().counts
}

fn arrivals(writer: &RunWriter, round: VerifyRound, states: &[(u32, &str)]) -> ArrivalCounts {
    see(writer, TaskSelection::Awaited, states);
    let decide = move |called, seen| last_look(called, seen, round);
    wait(writer.verify(decide, at(200))).unwrap()
}

fn outcomes(fixture: &Fixture) -> Vec<Outcome> {
    fixture.rows().iter().map(|row| row.outcome).collect()
}

fn kind(row: &TaskRow) -> Option<FailureKind> {
    row.last.as_ref().and_then(|last| last.failure.as_ref()).map(|failure| failure.kind)
}

/// Settles all tasks but the last as succeeded, and that as ambiguous.
fn call_all(writer: &RunWriter) {
    let tasks = claim(writer, 100);
    for (seq, unsettled) in (1..).zip(&tasks) {
        let task = &unsettled.task;
        let last = usize::try_from(seq).unwrap() == tasks.len();
        let (end, outcome) = match last {
            true => (ended(task, seq, lost), Outcome::Ambiguous),
            false => (ended(task, seq, answered), Outcome::Succeeded),
        };
        commit(writer, vec![started(task, seq, 1), end, settled(task, seq, outcome)]);
    }
}

#[test]
fn tasks_that_are_there_are_left_alone_and_the_others_are_handed_out() {
    let fixture = Fixture::with_tasks(5);
    let writer = fixture.writer();
    let states = [(0, "stopped"), (1, "running"), (2, "failed"), (3, "odd")];
    let counts = survey(&writer, Purpose::LeaveAlone(IfMissing::Unknown), &states);
    let expected =
        SurveyCounts { will_change: 2, unchanged: 1, in_trouble: 1, unknown: 1, ..counts };
    assert_eq!(counts, expected);
    let ids: Vec<String> =
        claim(&writer, 100).iter().map(|task| task.task.id.to_string()).collect();
    assert_eq!(ids, ["task-0001", "task-0002", "task-0003", "task-0004"]);
    drop(writer);
    let rows = fixture.rows();
    let before: Vec<_> = rows.iter().map(|row| row.seen.before.map(TaskState::as_str)).collect();
    assert_eq!(before, [Some("stopped"), Some("running"), Some("bad"), Some("unknown"), None]);
    assert_eq!((rows[0].outcome, rows[0].attempts), (Outcome::Unchanged, 0));
    assert_eq!((rows[0].first_sent, rows[0].settled), (None, Some(at(101))));
}

#[test]
fn unknown_tasks_can_be_skipped() {
    let fixture = Fixture::with_tasks(2);
    let writer = fixture.writer();
    let counts = survey(&writer, Purpose::LeaveAlone(IfMissing::Skipped), &[(0, "running")]);
    assert_eq!((counts.unknown, counts.skipped), (1, 1));
    assert_eq!(claim(&writer, 100).len(), 1);
    drop(writer);
    assert_eq!(outcomes(&fixture), [Outcome::NotAttempted, Outcome::Failed]);
}

#[test]
fn a_survey_for_the_record_settles_only_doubts() {
    let fixture = Fixture::with_tasks(2);
    let writer = fixture.writer();
    let task = claim(&writer, 1).remove(0).task;
    commit(&writer, vec![started(&task, 1, 1)]);
    drop(writer);
    let writer = fixture.writer();
    let counts = survey(&writer, Purpose::Record, &[(0, "stopped"), (1, "stopped")]);
    assert_eq!((counts.confirmed, counts.unchanged, counts.will_change), (1, 0, 1));
    assert_eq!(claim(&writer, 100).len(), 1);
    drop(writer);
    let rows = fixture.rows();
    assert_eq!(
        (rows[0].outcome, rows[0].seen.call),
        (Outcome::Succeeded, Some(Outcome::Ambiguous))
    );
}

#[test]
fn observed_states_vanish_with_a_process_that_drew_no_conclusion() {
    let fixture = Fixture::with_tasks(2);
    see(&fixture.writer(), TaskSelection::Unsettled, &[(0, "stopped"), (1, "stopped")]);
    assert_eq!(outcomes(&fixture), [Outcome::NotAttempted; 2]);
    let counts = survey(&fixture.writer(), Purpose::LeaveAlone(IfMissing::Unread), &[]);
    assert_eq!(counts, SurveyCounts { unread: 2, ..SurveyCounts::default() });
}

/// Checks what the last look makes of an accepted task and of one in doubt, both seen like this.
fn check_last(
    state: Option<&str>,
    if_missing: IfMissing,
    expected: [(Outcome, Option<FailureKind>); 2],
) {
    let fixture = Fixture::with_tasks(2);
    let writer = fixture.writer();
    call_all(&writer);
    let states: Vec<(u32, &str)> =
        state.map(|state| [(0, state), (1, state)]).into_iter().flatten().collect();
    arrivals(&writer, VerifyRound::Last(if_missing), &states);
    drop(writer);
    let rows = fixture.rows();
    let found = [0, 1].map(|row| (rows[row].outcome, kind(&rows[row])));
    assert_eq!(found, expected, "{state:?} {if_missing:?}");
}

#[test]
fn the_last_round_decides() {
    use Outcome::{Ambiguous, Failed, Succeeded};
    let (timeout, hung) = (Some(FailureKind::Timeout), Some(FailureKind::NotReached));
    let unknown = IfMissing::Unknown;
    check_last(Some("stopped"), unknown, [(Succeeded, None), (Succeeded, None)]);
    check_last(Some("stopping"), unknown, [(Failed, hung), (Ambiguous, timeout)]);
    check_last(Some("running"), unknown, [(Failed, hung), (Ambiguous, timeout)]);
    check_last(None, unknown, [(Failed, hung), (Ambiguous, timeout)]);
    check_last(None, IfMissing::Unread, [(Ambiguous, hung), (Ambiguous, timeout)]);
}

#[test]
fn an_interim_round_records_only_arrivals_and_none_twice() {
    let fixture = Fixture::with_tasks(3);
    let writer = fixture.writer();
    call_all(&writer);
    let first = arrivals(
        &writer,
        VerifyRound::Interim(IfMissing::Unknown),
        &[(0, "stopped"), (1, "stopping"), (2, "failed")],
    );
    assert_eq!(first, ArrivalCounts { arrived: 1, on_the_way: 1, stuck: 1 });
    let second = arrivals(
        &writer,
        VerifyRound::Interim(IfMissing::Unknown),
        &[(0, "running"), (1, "stopped")],
    );
    assert_eq!(second, ArrivalCounts { arrived: 1, on_the_way: 1, stuck: 0 });
    drop(writer);
    assert_eq!(outcomes(&fixture), [Outcome::Succeeded, Outcome::Succeeded, Outcome::Ambiguous]);
    assert_eq!(fixture.reader().unverified().unwrap(), 1);
}

#[test]
fn a_task_that_did_not_arrive_may_arrive_later() {
    let fixture = Fixture::with_tasks(2);
    let writer = fixture.writer();
    call_all(&writer);
    arrivals(&writer, VerifyRound::Last(IfMissing::Unknown), &[(0, "stopping"), (1, "stopping")]);
    arrivals(&writer, VerifyRound::Doubts(IfMissing::Unknown), &[(0, "stopped"), (1, "stopped")]);
    drop(writer);
    assert_eq!(outcomes(&fixture), [Outcome::Failed, Outcome::Succeeded]);
    let writer = fixture.writer();
    arrivals(&writer, VerifyRound::Last(IfMissing::Unknown), &[(0, "stopped")]);
    drop(writer);
    assert_eq!(outcomes(&fixture), [Outcome::Succeeded; 2]);
}

#[test]
fn a_reopened_run_keeps_its_sessions_and_its_watermark() {
    let fixture = Fixture::with_tasks(2);
    call_all(&fixture.writer());
    let sessions = fixture.reader().record().unwrap().sessions.len();
    let writer = RunWriter::reopen(&fixture.runs, &fixture.lock(), 0, at(300)).unwrap();
    arrivals(&writer, VerifyRound::Last(IfMissing::Unknown), &[(0, "stopped"), (1, "stopped")]);
    drop(writer);
    assert_eq!(fixture.reader().record().unwrap().sessions.len(), sessions);
    assert!(fixture.open().is_ok());
}

/// One thing that may happen to a run between two of its processes.
#[derive(Debug, Clone)]
enum Step {
    Survey(Purpose, Vec<(u32, usize)>),
    Call(u32),
    VerifyRound(VerifyRound, Vec<(u32, usize)>),
    Reopen,
}

const STATES: [&str; 5] = ["stopped", "running", "stopping", "failed", "odd"];

fn step() -> impl Strategy<Value = Step> {
    let seen = || prop::collection::vec((0..8_u32, 0..STATES.len()), 0..8);
    let if_missing =
        prop::sample::select(vec![IfMissing::Unread, IfMissing::Unknown, IfMissing::Skipped]);
    let purpose =
        prop_oneof![Just(Purpose::Record), if_missing.clone().prop_map(Purpose::LeaveAlone)];
    let look = prop_oneof![
        Just(VerifyRound::Interim(IfMissing::Unknown)),
        Just(VerifyRound::Doubts(IfMissing::Unknown)),
        if_missing.prop_map(VerifyRound::Last)
    ];
    prop_oneof![
        (purpose, seen()).prop_map(|(purpose, seen)| Step::Survey(purpose, seen)),
        (0..4_u32).prop_map(Step::Call),
        (look, seen()).prop_map(|(look, seen)| Step::VerifyRound(look, seen)),
        Just(Step::Reopen),
    ]
}

fn states(seen: &[(u32, usize)]) -> Vec<(u32, &'static str)> {
    seen.iter().map(|&(number, state)| (number, STATES[state])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_task_has_one_outcome_whatever_is_seen_and_when(
        steps in prop::collection::vec(step(), 1..8)
    ) {
        let fixture = Fixture::with_tasks(8);
        let mut seq = 0;
        let mut writer = Some(fixture.writer());
        let mut handed_out = false;
        for step in steps {
            if matches!(step, Step::Reopen) || (handed_out && matches!(step, Step::Survey(..))) {
                drop(writer.take());
                writer = Some(fixture.writer());
                handed_out = false;
            }
            let writer = writer.as_ref().unwrap();
            match step {
                Step::Survey(purpose, seen) => drop(survey(writer, purpose, &states(&seen))),
                Step::VerifyRound(look, seen) => drop(arrivals(writer, look, &states(&seen))),
                Step::Reopen => {}
                Step::Call(how) => {
                    handed_out = true;
                    for unsettled in claim(writer, 2) {
                        seq += 1;
                        let task = &unsettled.task;
                        let number = unsettled.attempts + 1;
                        let begun = started(task, seq, number);
                        let events = match how {
                            0 => vec![begun],
                            1 => vec![begun, ended(task, seq, lost)],
                            2 => vec![
                                begun,
                                ended(task, seq, lost),
                                settled(task, seq, Outcome::Ambiguous),
                            ],
                            _ => vec![
                                begun,
                                ended(task, seq, answered),
                                settled(task, seq, Outcome::Succeeded),
                            ],
                        };
                        commit(writer, events);
                    }
                }
            }
        }
        drop(writer);
        let rows = fixture.rows();
        prop_assert_eq!(rows.len(), 8);
        let reader = fixture.reader();
        let counted = reader.outcomes().unwrap();
        let settled = rows.iter().filter(|row| row.settled.is_some());
        prop_assert_eq!(counted.selected(), settled.clone().count() as u64);
        for outcome in Outcome::ALL {
            let of_rows = settled.clone().filter(|row| row.outcome == outcome).count() as u64;
            prop_assert_eq!(counted[outcome], of_rows, "{}", outcome);
        }
        prop_assert_eq!(reader.unsettled().unwrap(), 8 - counted.selected());
    }
}
