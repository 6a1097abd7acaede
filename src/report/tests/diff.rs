//! The changes of tasks from one run to another.

use super::*;
use crate::report::{CsvDialect, Diff, TaskChange, write_diff_csv, write_diff_json};
use proptest::prelude::*;

fn check(before: Option<Outcome>, after: Option<Outcome>, expected: TaskChange) {
    assert_eq!(TaskChange::classify(before, after), expected, "{before:?} to {after:?}");
}

#[test]
fn a_task_that_is_not_where_it_was_sent_is_failing() {
    use Outcome::*;
    check(Some(Succeeded), Some(Failed), TaskChange::NewlyFailing);
    check(Some(Unchanged), Some(NotAttempted), TaskChange::NewlyFailing);
    check(Some(Ambiguous), Some(Unchanged), TaskChange::Fixed);
    check(Some(Partial), Some(Failed), TaskChange::StillFailing);
    check(Some(Succeeded), Some(Unchanged), TaskChange::StillGood);
    check(None, Some(Failed), TaskChange::New);
    check(Some(Failed), None, TaskChange::Gone);
}

/// Plans and carries out a run of ids, each of which succeeds or is refused.
fn run_of(tasks: &[(&str, Outcome)]) -> TestRun {
    let rows = tasks.iter().map(|(id, _)| format!("{id}\n"));
    let table: String = std::iter::once("id\n".to_owned()).chain(rows).collect();
    let mut run = TestRun::from_table(&table);
    run.begin();
    for (index, (_, outcome)) in tasks.iter().enumerate() {
        match outcome {
            Outcome::Succeeded => run.settle(index, counted(0, 1), *outcome),
            Outcome::NotAttempted => {}
            outcome => run.settle(index, refused("=no"), *outcome),
        }
    }
    run.end(None);
    run
}

const BEFORE: [(&str, Outcome); 5] = [
    ("zeta", Outcome::Succeeded),
    ("gone", Outcome::Succeeded),
    ("beta", Outcome::Failed),
    ("alfa", Outcome::Succeeded),
    ("same", Outcome::Succeeded),
];
const AFTER: [(&str, Outcome); 6] = [
    ("alfa", Outcome::Failed),
    ("beta", Outcome::Succeeded),
    ("more", Outcome::Failed),
    ("same", Outcome::Succeeded),
    ("zeta", Outcome::NotAttempted),
    ("0047", Outcome::Succeeded),
];

#[test]
fn a_table_counts_the_changes_and_names_the_first() {
    let (before, after) = (run_of(&BEFORE), run_of(&AFTER));
    let diff = Diff::read(&before.reader(), &after.reader()).unwrap();
    insta::assert_snapshot!(diff.to_string(), @r#"
    from run 20240705-120000-kfzq to run 20240705-120000-kfzq

      newly failing            2   where it was sent before, and not now
      fixed                    1   where it was sent now, and not before
      still failing            0   in neither
      still good               1   in both
      new                      2   only in the second run
      gone                     1   only in the first run

    Newly failing
      alfa  stop  succeeded → failed   VIAS.00010012: =no
      zeta  stop  succeeded → not_attempted   not_sent

    Fixed
      beta  stop  failed → succeeded   VIAS.00010012: =no
    "#);
}

#[test]
fn the_documents_list_every_task_but_those_that_are_still_good() {
    let (before, after) = (run_of(&BEFORE), run_of(&AFTER));
    let (before, after) = (&before.reader(), &after.reader());
    let (mut csv, mut json) = (Vec::new(), Vec::new());
    write_diff_csv(before, after, CsvDialect::Plain, &mut csv).unwrap();
    insta::assert_snapshot!(String::from_utf8(csv).unwrap(), @r#"
    id,command,change,before,after,error_kind,error_code,error_msg
    0047,stop,new,,succeeded,,,
    alfa,stop,newly_failing,succeeded,failed,refused,VIAS.00010012,'=no
    beta,stop,fixed,failed,succeeded,refused,VIAS.00010012,'=no
    gone,stop,gone,succeeded,,,,
    more,stop,new,,failed,refused,VIAS.00010012,'=no
    zeta,stop,newly_failing,succeeded,not_attempted,not_sent,,
    "#);
    let diff = Diff::read(before, after).unwrap();
    write_diff_json(&diff, before, after, &mut json).unwrap();
    insta::assert_snapshot!(String::from_utf8(json).unwrap(), @r#"
    {"after":"20240705-120000-kfzq","before":"20240705-120000-kfzq","schema_version":1,"tasks":{"fixed":1,"gone":1,"new":2,"newly_failing":2,"still_failing":0,"still_good":1},"changes":[
    {"change":"new","id":"0047","command":"stop","before":null,"after":"succeeded","error_kind":null,"error_code":null,"error_msg":null},
    {"change":"newly_failing","id":"alfa","command":"stop","before":"succeeded","after":"failed","error_kind":"refused","error_code":"VIAS.00010012","error_msg":"=no"},
    {"change":"fixed","id":"beta","command":"stop","before":"failed","after":"succeeded","error_kind":"refused","error_code":"VIAS.00010012","error_msg":"=no"},
    {"change":"gone","id":"gone","command":"stop","before":"succeeded","after":null,"error_kind":null,"error_code":null,"error_msg":null},
    {"change":"new","id":"more","command":"stop","before":null,"after":"failed","error_kind":"refused","error_code":"VIAS.00010012","error_msg":"=no"},
    {"change":"newly_failing","id":"zeta","command":"stop","before":"succeeded","after":"not_attempted","error_kind":"not_sent","error_code":null,"error_msg":null}]}
    "#);
}

#[test]
fn cells_of_a_comparison_are_cut_after_their_guards() {
    let mut run = TestRun::with_tasks(1);
    run.begin();
    run.settle(0, refused(&";=".repeat(16_000)), Outcome::Failed);
    run.end(None);
    let before = run_of(&[("task-0000", Outcome::Succeeded)]);
    let mut csv = Vec::new();
    write_diff_csv(&before.reader(), &run.reader(), CsvDialect::Plain, &mut csv).unwrap();
    let mut reader = csv::Reader::from_reader(csv.as_slice());
    let row = reader.records().next().unwrap().unwrap();
    assert!(row[7].len() <= 32_000, "{}", row[7].len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_task_of_either_run_is_in_one_change(
        fates in prop::collection::btree_map("[a-z0-9][a-z0-9_-]{3}", (0..4u8, 0..4u8), 0..20),
    ) {
        let outcome = |fate| match fate {
            0 => None,
            1 => Some(Outcome::Succeeded),
            2 => Some(Outcome::Failed),
            _ => Some(Outcome::NotAttempted),
        };
        let side = |pick: fn(&(u8, u8)) -> u8| -> Vec<(&str, Outcome)> {
            let all = fates.iter().rev().map(|(id, fate)| Some((&**id, outcome(pick(fate))?)));
            all.flatten().collect()
        };
        let (before, after) = (run_of(&side(|fate| fate.0)), run_of(&side(|fate| fate.1)));
        let diff = Diff::read(&before.reader(), &after.reader()).unwrap();
        for change in TaskChange::ALL {
            let expected = fates.values().filter(|fate| {
                let (before, after) = (outcome(fate.0), outcome(fate.1));
                (before, after) != (None, None) && TaskChange::classify(before, after) == change
            });
            prop_assert_eq!(diff.count(change), expected.count() as u64, "{:?}", change);
        }
    }
}
