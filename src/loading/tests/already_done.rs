//! Runs that follow others: what they leave out, and what they do again.

use crate::journal::Place;
use crate::loading::{NewPlan, PlanTotals, PlannedRun, plan_from_run, plan_run};
use crate::reading::{RunReader, TaskRow};
use crate::store::tests::script::{ended, refused, settled, succeeds};
use crate::store::tests::{Fixture, at, claim, commit, new_plan, new_run, rows};
use crate::store::{Home, RunId, RunWriter, StoreError, head_text};
use crate::task::Outcome;
use proptest::prelude::*;

/// The n-th run of a chain.
fn run_id(number: u32) -> RunId {
    format!("20240705-120000-{number:04}").parse().unwrap()
}

/// Plans a run of the ids in a text that follows another.
fn plan_after(
    fixture: &Fixture,
    number: u32,
    parent: Option<RunId>,
    ids: &str,
) -> Result<PlanTotals, StoreError> {
    let run = crate::store::NewRun { id: run_id(number), parent: parent.clone(), ..new_run() };
    let plan = NewPlan { after: parent, ..new_plan(&[ids]) };
    match plan_run(&fixture.runs, &run, plan, "a test")? {
        PlannedRun::Ready { totals, .. } => Ok(totals),
        PlannedRun::Refused(problems) => panic!("{:?}", problems.shown),
    }
}

/// Carries a run out: its first tasks succeed, the next one fails, the rest is never sent.
fn carry_out(fixture: &Fixture, number: u32, good: usize) {
    let lock = fixture.runs.lock(&run_id(number), "a test").unwrap();
    let writer = RunWriter::open(&fixture.runs, &lock, at(100), 0).unwrap();
    let claimed = claim(&writer, good + 1);
    for (claimed, seq) in claimed.iter().zip(1..) {
        let mut events = succeeds(&claimed.task, seq);
        if seq > good as u64 {
            events[1] = ended(&claimed.task, seq, refused);
            events[2] = settled(&claimed.task, seq, Outcome::Failed);
        }
        commit(&writer, events.into());
    }
}

fn ids(fixture: &Fixture, number: u32) -> Vec<String> {
    let reader = RunReader::open(&fixture.runs, &run_id(number)).unwrap();
    rows(&reader).unwrap().iter().map(|row| row.id.to_string()).collect()
}

/// Three runs: the second follows the first, the third the second.
fn chain() -> Fixture {
    let fixture = Fixture::empty();
    plan_after(&fixture, 1, None, "aaaa\nbbbb\ncccc\ndddd\n").unwrap();
    carry_out(&fixture, 1, 1);
    plan_after(&fixture, 2, Some(run_id(1)), "dddd\ncccc\nbbbb\naaaa\n").unwrap();
    carry_out(&fixture, 2, 1);
    fixture
}

#[test]
fn tasks_done_by_the_chain_are_left_out_at_any_position() {
    let fixture = chain();
    assert_eq!(ids(&fixture, 2), ["dddd", "cccc", "bbbb"]);
    let totals = plan_after(&fixture, 3, Some(run_id(2)), "aaaa\ncccc\ndddd\neeee\naaaa\n");
    let expected = PlanTotals {
        rows: 5,
        selected: 2,
        duplicates: 1,
        already_done: 2,
        ..PlanTotals::default()
    };
    assert_eq!(totals.unwrap(), expected);
    assert_eq!(ids(&fixture, 3), ["cccc", "eeee"]);
}

#[test]
fn a_task_that_failed_since_is_not_done_any_more() {
    let fixture = Fixture::empty();
    plan_after(&fixture, 1, None, "aaaa\nbbbb\n").unwrap();
    carry_out(&fixture, 1, 2);
    // The second run does both again; one fails, and the other is never sent.
    let run = crate::store::NewRun { id: run_id(2), parent: Some(run_id(1)), ..new_run() };
    plan_run(&fixture.runs, &run, new_plan(&["aaaa\nbbbb\n"]), "a test").unwrap();
    carry_out(&fixture, 2, 0);
    let totals = plan_after(&fixture, 3, Some(run_id(2)), "aaaa\nbbbb\n").unwrap();
    assert_eq!((totals.selected, totals.already_done), (1, 1));
    assert_eq!(ids(&fixture, 3), ["aaaa"]);
}

/// Some of a few ids, in any order; some begin with the whole of another.
fn some_ids() -> impl Strategy<Value = Vec<&'static str>> {
    let all = vec!["aaaa", "aaaaa", "aaaa-", "aaaa_", "aaa0", "0000", "zzzz", "b_bb", "b-bb"];
    prop::sample::subsequence(all, 1..=9).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn done_tasks_are_left_out_in_any_order(
        earlier in some_ids(),
        good in 0..10_usize,
        later in some_ids(),
    ) {
        let fixture = Fixture::empty();
        plan_after(&fixture, 1, None, &earlier.join("\n")).unwrap();
        carry_out(&fixture, 1, good);
        plan_after(&fixture, 2, Some(run_id(1)), &later.join("\n")).unwrap();
        let done = &earlier[..good.min(earlier.len())];
        let left: Vec<&str> = later.into_iter().filter(|id| !done.contains(id)).collect();
        prop_assert_eq!(ids(&fixture, 2), left);
    }
}

#[test]
fn an_older_run_of_the_chain_may_be_missing_but_not_the_followed_one() {
    let fixture = chain();
    fixture.runs.remove(fixture.runs.lock(&run_id(1), "a test").unwrap()).unwrap();
    let totals = plan_after(&fixture, 3, Some(run_id(2)), "aaaa\ndddd\n").unwrap();
    assert_eq!((totals.selected, totals.already_done), (1, 1));
    let error = plan_after(&fixture, 4, Some(run_id(9)), "aaaa\n").unwrap_err();
    assert!(matches!(error, StoreError::NoSuchRun { .. }), "{error}");
    assert!(!fixture.files().iter().any(|name| name.contains("0004")), "nothing is left");
}

#[test]
fn a_circular_chain_ends() {
    let fixture = chain();
    let file = rusqlite::Connection::open(fixture.runs.file(&run_id(1))).unwrap();
    let mut record = Home::new(&file).head().unwrap();
    record.run.parent = Some(run_id(2));
    let head = head_text(&record);
    let checksum = Place::Head.checksum(head.as_bytes());
    file.execute("UPDATE run SET head = ?, head_crc = ?", (head, checksum)).unwrap();
    drop(file);
    let totals = plan_after(&fixture, 3, Some(run_id(2)), "aaaa\ndddd\neeee\n").unwrap();
    assert_eq!((totals.selected, totals.already_done), (1, 2));
}

#[test]
fn a_plan_from_a_run_keeps_the_places_of_the_picked_tasks() {
    let fixture = chain();
    let of = RunReader::open(&fixture.runs, &run_id(1)).unwrap();
    let run = crate::store::NewRun { id: run_id(3), ..new_run() };
    let wants = |row: TaskRow| (row.outcome != Outcome::Succeeded).then_some(row);
    let planned = plan_from_run(&fixture.runs, &[run], &of, wants, "a test").unwrap().whole();
    let PlannedRun::Ready { totals, .. } = planned else { panic!("the tasks are right") };
    assert_eq!((totals.rows, totals.selected), (3, 3));
    let reader = RunReader::open(&fixture.runs, &run_id(3)).unwrap();
    let rows = rows(&reader).unwrap();
    let places: Vec<_> =
        rows.iter().map(|row| (row.ordinal.0, row.id.as_str(), row.line)).collect();
    assert_eq!(places, [(1, "bbbb", 2), (2, "cccc", 3), (3, "dddd", 4)]);
    assert_eq!(reader.record().unwrap().sources, of.record().unwrap().sources);
}

#[test]
fn a_damaged_run_can_be_neither_followed_nor_planned_from() {
    let fixture = chain();
    let file = rusqlite::Connection::open(fixture.runs.file(&run_id(1))).unwrap();
    file.execute("UPDATE chunk SET body = zeroblob(9)", []).unwrap();
    drop(file);
    let error = plan_after(&fixture, 3, Some(run_id(2)), "aaaa\n").unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    let of = RunReader::open(&fixture.runs, &run_id(1)).unwrap();
    let run = crate::store::NewRun { id: run_id(4), ..new_run() };
    let error = plan_from_run(&fixture.runs, &[run], &of, Some, "a test").unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(fixture.runs.list().unwrap(), [run_id(1), run_id(2)]);
}
