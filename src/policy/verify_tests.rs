//! Both decisions as tables over all combinations of what they depend on.

use super::*;
use crate::task::Outcome::{Ambiguous, Failed, Partial, Succeeded};

const ALL_STATES: [TaskState; 6] = [
    TaskState::Running,
    TaskState::Stopped,
    TaskState::Changing,
    TaskState::Mixed,
    TaskState::Bad,
    TaskState::Unknown,
];
const ALL_MISSING: [IfMissing; 3] = [IfMissing::Unread, IfMissing::Unknown, IfMissing::Skipped];

/// The rows of a table that observed states fall into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Missing,
    There,
    ThereInTrouble,
    InTrouble,
    Elsewhere,
}

impl Seen {
    /// Returns every observation of this row.
    fn observations(self) -> Vec<Option<Observation>> {
        if self == Self::Missing {
            return vec![None];
        }
        let has_arrived = matches!(self, Self::There | Self::ThereInTrouble);
        let in_trouble = matches!(self, Self::ThereInTrouble | Self::InTrouble);
        let states =
            ALL_STATES.into_iter().filter(|&state| (state == TaskState::Bad) == in_trouble);
        states.map(|state| Some(Observation { state, has_arrived })).collect()
    }
}

const ALL_SEEN: [Seen; 5] =
    [Seen::Missing, Seen::There, Seen::ThereInTrouble, Seen::InTrouble, Seen::Elsewhere];

#[test]
fn the_rows_of_the_tables_cover_every_observation_once() {
    let all: Vec<_> = ALL_SEEN.into_iter().flat_map(Seen::observations).collect();
    assert_eq!(all.len(), 1 + 2 * ALL_STATES.len());
    for (place, observation) in all.iter().enumerate() {
        assert!(!all[..place].contains(observation), "{observation:?}");
    }
}

#[test]
fn a_survey_decides_by_state_earlier_calls_and_purpose() {
    use EarlierCalls::{InDoubt, None, Refused};
    use FirstLook::{Confirmed, Skipped, Unchanged, Unknown, Unread, WillChange};
    // The columns: for the record; leave alone, where a missing task is unread, unknown, skipped.
    let table = [
        (Seen::Missing, None, [Unread, Unread, Unknown, Skipped]),
        (Seen::Missing, Refused, [Unread, Unread, Unknown, Unknown]),
        (Seen::Missing, InDoubt, [Unread, Unread, Unknown, Unknown]),
        (Seen::There, None, [WillChange, Unchanged, Unchanged, Unchanged]),
        (Seen::There, Refused, [WillChange; 4]),
        (Seen::There, InDoubt, [Confirmed; 4]),
        (Seen::ThereInTrouble, None, [FirstLook::InTrouble, Unchanged, Unchanged, Unchanged]),
        (Seen::ThereInTrouble, Refused, [FirstLook::InTrouble, WillChange, WillChange, WillChange]),
        (Seen::ThereInTrouble, InDoubt, [Confirmed; 4]),
        (Seen::InTrouble, None, [FirstLook::InTrouble; 4]),
        (Seen::InTrouble, Refused, [FirstLook::InTrouble; 4]),
        (Seen::InTrouble, InDoubt, [FirstLook::InTrouble; 4]),
        (Seen::Elsewhere, None, [WillChange; 4]),
        (Seen::Elsewhere, Refused, [WillChange; 4]),
        (Seen::Elsewhere, InDoubt, [WillChange; 4]),
    ];
    assert_eq!(table.len(), ALL_SEEN.len() * 3);
    let leave_alone = ALL_MISSING.map(Purpose::LeaveAlone);
    for (seen, earlier, expected) in table {
        for observation in seen.observations() {
            let columns = [Purpose::Record].into_iter().chain(leave_alone);
            for (purpose, expected) in columns.zip(expected) {
                let found = first_look(observation, earlier, Goal::State, purpose);
                assert_eq!(found, expected, "{observation:?} {earlier:?} {purpose:?}");
            }
        }
    }
}

#[test]
fn a_survey_settles_only_tasks_that_are_not_sent() {
    let settled = [FirstLook::Skipped, FirstLook::Unchanged, FirstLook::Confirmed];
    let outcomes = settled.map(FirstLook::outcome);
    assert_eq!(outcomes, [Some(Failed), Some(Outcome::Unchanged), Some(Succeeded)]);
    let sent = [FirstLook::WillChange, FirstLook::InTrouble, FirstLook::Unread, FirstLook::Unknown];
    assert_eq!(sent.map(FirstLook::outcome), [None; 4]);
}

/// A cell of the table below: whether something is recorded, and with which verdict.
type Cell = Option<Option<Outcome>>;

const NOTHING: Cell = None;
const AS_CALLED: Cell = Some(None);
const NOW_SUCCEEDED: Cell = Some(Some(Succeeded));
const NOW_FAILED: Cell = Some(Some(Failed));
const NOW_AMBIGUOUS: Cell = Some(Some(Ambiguous));

/// Checks a decision against its progress and its cell, for an observation of the row.
#[track_caller]
fn check(
    found: LastLook,
    progress: Option<ArrivalProgress>,
    cell: Cell,
    observation: Option<Observation>,
) {
    let state = observation.map_or(TaskState::Unknown, |seen| seen.state);
    let has_arrived = observation.is_some_and(|seen| seen.has_arrived);
    let record = cell.map(|verdict| AfterCall { state, has_arrived, verdict });
    assert_eq!(found, LastLook { progress, record }, "{observation:?}");
}

/// All verdicts that earlier rounds may have left.
fn verdicts() -> impl Iterator<Item = Option<Outcome>> {
    [None].into_iter().chain([Succeeded, Failed, Ambiguous].map(Some))
}

/// The table: outcome of the call, observation, progress, and the columns: an interim round; a last
/// round, where a missing task is unread, unknown, skipped.
type Row = (Outcome, Seen, Option<ArrivalProgress>, [Cell; 4]);

const ARRIVED: Option<ArrivalProgress> = Some(ArrivalProgress::Arrived);
const ON_THE_WAY: Option<ArrivalProgress> = Some(ArrivalProgress::OnTheWay);
const STUCK: Option<ArrivalProgress> = Some(ArrivalProgress::Stuck);

const LAST_LOOK: [Row; 15] = [
    (Succeeded, Seen::Missing, ON_THE_WAY, [NOTHING, NOW_AMBIGUOUS, NOW_FAILED, NOW_FAILED]),
    (Succeeded, Seen::There, ARRIVED, [AS_CALLED; 4]),
    (Succeeded, Seen::ThereInTrouble, ARRIVED, [AS_CALLED; 4]),
    (Succeeded, Seen::InTrouble, STUCK, [NOTHING, NOW_FAILED, NOW_FAILED, NOW_FAILED]),
    (Succeeded, Seen::Elsewhere, ON_THE_WAY, [NOTHING, NOW_FAILED, NOW_FAILED, NOW_FAILED]),
    (Partial, Seen::Missing, None, [NOTHING; 4]),
    (Partial, Seen::There, ARRIVED, [AS_CALLED; 4]),
    (Partial, Seen::ThereInTrouble, ARRIVED, [AS_CALLED; 4]),
    (Partial, Seen::InTrouble, None, [AS_CALLED; 4]),
    (Partial, Seen::Elsewhere, None, [AS_CALLED; 4]),
    (Ambiguous, Seen::Missing, ON_THE_WAY, [NOTHING, AS_CALLED, AS_CALLED, AS_CALLED]),
    (Ambiguous, Seen::There, ARRIVED, [NOW_SUCCEEDED; 4]),
    (Ambiguous, Seen::ThereInTrouble, ARRIVED, [NOW_SUCCEEDED; 4]),
    (Ambiguous, Seen::InTrouble, STUCK, [NOTHING, AS_CALLED, AS_CALLED, AS_CALLED]),
    (Ambiguous, Seen::Elsewhere, ON_THE_WAY, [NOTHING, AS_CALLED, AS_CALLED, AS_CALLED]),
];

#[test]
fn a_verify_round_decides_by_call_state_and_round_whatever_the_verdict_was() {
    assert_eq!(LAST_LOOK.len(), ALL_SEEN.len() * 3);
    let last = ALL_MISSING.map(VerifyRound::Last);
    for (outcome, seen, progress, cells) in LAST_LOOK {
        for (observation, verdict) in
            seen.observations().into_iter().flat_map(|seen| verdicts().map(move |v| (seen, v)))
        {
            let called = CalledTask { goal: Goal::State, outcome, verdict };
            let rounds = [VerifyRound::Interim(IfMissing::Unknown)].into_iter().chain(last);
            for (round, cell) in rounds.zip(cells) {
                check(last_look(called, observation, round), progress, cell, observation);
            }
        }
    }
}

#[test]
fn a_round_for_doubts_confirms_arrivals_and_leaves_every_other_verdict_as_it_is() {
    for (outcome, seen, progress, [interim, ..]) in LAST_LOOK {
        for (observation, verdict) in
            seen.observations().into_iter().flat_map(|seen| verdicts().map(move |v| (seen, v)))
        {
            let called = CalledTask { goal: Goal::State, outcome, verdict };
            let found = last_look(called, observation, VerifyRound::Doubts(IfMissing::Unknown));
            if verdict.unwrap_or(outcome) != Ambiguous {
                check(found, None, NOTHING, observation);
                continue;
            }
            // An interim round records nothing of a task that is waited for and has not arrived.
            let cell =
                if interim == NOTHING && progress.is_some() { Some(verdict) } else { interim };
            check(found, progress, cell, observation);
        }
    }
}

#[test]
fn a_deletion_has_arrived_where_a_whole_list_has_its_task_no_more() {
    use super::EarlierCalls::InDoubt;
    let seen = Some(Observation { state: TaskState::Running, has_arrived: false });
    let whole = Purpose::LeaveAlone(IfMissing::Unknown);
    let unread = Purpose::LeaveAlone(IfMissing::Unread);
    let look = |seen, earlier, purpose| first_look(seen, earlier, Goal::Gone, purpose);
    assert_eq!(look(None, EarlierCalls::None, whole), FirstLook::Unchanged);
    assert_eq!(look(None, InDoubt, whole), FirstLook::Confirmed);
    assert_eq!(look(None, EarlierCalls::Refused, whole), FirstLook::WillChange);
    assert_eq!(look(None, InDoubt, unread), FirstLook::Unread);
    assert_eq!(look(seen, EarlierCalls::None, whole), FirstLook::WillChange);
    let called = |outcome| CalledTask { goal: Goal::Gone, outcome, verdict: None };
    let arrived = |look: LastLook| look.progress == Some(ArrivalProgress::Arrived);
    for round in [VerifyRound::Interim, VerifyRound::Last, VerifyRound::Doubts] {
        let doubtful = called(Ambiguous);
        let look = last_look(doubtful, None, round(IfMissing::Unknown));
        assert!(arrived(look) && look.record.unwrap().verdict == Some(Succeeded), "{look:?}");
        assert!(!arrived(last_look(doubtful, None, round(IfMissing::Unread))));
        assert!(!arrived(last_look(doubtful, seen, round(IfMissing::Unknown))));
    }
    // Some of its sub-tasks are left, so it cannot be gone.
    assert!(!arrived(last_look(called(Partial), None, VerifyRound::Last(IfMissing::Unknown))));
}
