//! Plans: what is stored, what is refused, and that nothing is left behind.

use crate::input::CommandSource;
use crate::loading::{NewPlan, PlanTotals, PlannedRun, temporary_plan};
use crate::plan::OnDuplicate;
use crate::policy::Sample;
use crate::reading::{RunReader, TaskRow};
use crate::store::tests::{Fixture, RUN, at, claim, mode, new_plan, new_run};
use crate::store::{RunId, SourceRecord, StoreError};
use crate::task::Command;
use std::{fs, thread};

/// The plan of a table with a column for the commands.
fn mixed(table: &str) -> NewPlan {
    let mut plan = new_plan(&[table]);
    plan.options.command = CommandSource::Column("command".into());
    plan
}

#[track_caller]
fn check_ready(fixture: &Fixture, plan: NewPlan, (rows, selected, duplicates): (u64, u64, u64)) {
    let PlannedRun::Ready { totals, .. } = fixture.plan(plan).unwrap() else {
        panic!("the plan is right");
    };
    assert_eq!(
        totals,
        PlanTotals { rows, selected, duplicates, already_done: 0, ..PlanTotals::default() }
    );
    let record = fixture.reader().record().unwrap();
    assert_eq!((record.rows, record.selected, record.duplicates), (rows, selected, duplicates));
    assert_eq!(fixture.rows().len() as u64, selected);
}

#[track_caller]
fn check_refused(plan: NewPlan, count: u64, messages: &[&str]) {
    let fixture = Fixture::empty();
    let PlannedRun::Refused(problems) = fixture.plan(plan).unwrap() else {
        panic!("the plan is wrong");
    };
    let shown: Vec<_> = problems.shown.iter().map(ToString::to_string).collect();
    assert_eq!(shown[..messages.len()], *messages);
    assert_eq!(problems.count, count);
    assert_eq!(fixture.files(), [""; 0], "nothing is left behind");
}

fn ids(fixture: &Fixture) -> Vec<String> {
    fixture.rows().iter().map(|row| row.id.to_string()).collect()
}

#[test]
fn a_plan_keeps_its_rows_in_order_with_their_places_and_cells() {
    let fixture = Fixture::empty();
    let inputs =
        ["id,site,note\naaaa,north,\nbbbb,\"so\"\"uth\",x\n", "cccc\n", "id;lot\ndddd;7\n"];
    check_ready(&fixture, new_plan(&inputs), (4, 4, 0));
    let rows = fixture.rows();
    let place = |row: &TaskRow| {
        (row.id.to_string(), row.ordinal.0, row.source, row.line, row.others.clone())
    };
    let json = |text: &str| Some(text.to_owned());
    let expected = [
        ("aaaa".to_owned(), 0, 0, 2, json(r#"["north",""]"#)),
        ("bbbb".to_owned(), 1, 0, 3, json(r#"["so\"uth","x"]"#)),
        ("cccc".to_owned(), 2, 1, 1, None),
        ("dddd".to_owned(), 3, 2, 2, json(r#"["7"]"#)),
    ];
    assert_eq!(rows.iter().map(place).collect::<Vec<_>>(), expected);
    let source = |name: &str, columns: &[&str]| SourceRecord {
        name: name.into(),
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
    };
    let record = fixture.reader().record().unwrap();
    assert_eq!(record.run, new_run());
    let sources = [source("in1", &["site", "note"]), source("in2", &[]), source("in3", &["lot"])];
    assert_eq!(record.sources, sources);
    assert_eq!(record.sessions, []);
}

#[test]
fn long_rows_make_smaller_chunks_and_duplicates_make_none() {
    let fixture = Fixture::empty();
    let cell = "x".repeat(100_000);
    let row = |number: u32| format!("task-{number:04},{number}{cell}\n");
    let table: String = std::iter::once("id,note\n".to_owned()).chain((0..25).map(row)).collect();
    let many: String = (0..2_500).map(|number| format!("gate-{:04}\n", number % 1_100)).collect();
    check_ready(&fixture, new_plan(&[&table, &many]), (2_525, 1_125, 1_400));
    let chunks = "SELECT group_concat(tasks, ' ' ORDER BY no) FROM chunk";
    let chunks: String = fixture.stranger().query_row(chunks, [], |row| row.get(0)).unwrap();
    assert_eq!(chunks, "11 11 1000 103");
    let rows = fixture.rows();
    assert_eq!(rows[24].others.as_deref(), Some(&*format!("[\"24{cell}\"]")));
    assert_eq!((rows[1_124].ordinal.0, rows[1_124].id.as_str()), (1_124, "gate-1099"));
    assert_eq!(claim(&fixture.writer(), 9_999).len(), 1_125);
}

#[test]
fn a_duplicate_row_is_counted_and_left_out() {
    let fixture = Fixture::empty();
    let inputs = ["aaaa\nbbbb\naaaa\n", "bbbb\ncccc\naaaa\n"];
    check_ready(&fixture, new_plan(&inputs), (6, 3, 3));
    assert_eq!(ids(&fixture), ["aaaa", "bbbb", "cccc"]);
    let ordinals: Vec<_> = fixture.rows().iter().map(|row| row.ordinal.0).collect();
    assert_eq!(ordinals, [0, 1, 4], "the first of each stays");
}

#[test]
fn a_plan_of_one_repeated_id_takes_the_space_of_one_task() {
    let fixture = Fixture::empty();
    check_ready(&fixture, new_plan(&[&"aaaa\n".repeat(20_000)]), (20_000, 1, 19_999));
    let size = fs::metadata(fixture.file()).unwrap().len();
    assert!(size < 100_000, "the file holds no room for what was left out: {size}");
}

#[test]
fn a_duplicate_row_is_an_error_on_request() {
    let mut plan = new_plan(&["bbbb\naaaa\naaaa\n", "bbbb\n"]);
    plan.on_duplicate = OnDuplicate::Error;
    let messages =
        ["in1:3:1: duplicate of `aaaa` at in1:2:1", "in2:1:1: duplicate of `bbbb` at in1:1:1"];
    check_refused(plan, 2, &messages);
}

#[test]
fn a_contradiction_names_both_places_under_every_policy_for_duplicates() {
    let table = "id,command\naaaa,start\nbbbb,stop\naaaa,stop\naaaa,start\n";
    let message = "in1:4:1: conflicting commands for `aaaa`: stop here, start at in1:2:1";
    check_refused(mixed(table), 1, &[message]);
    let mut plan = mixed(table);
    plan.on_duplicate = OnDuplicate::Error;
    check_refused(plan, 2, &[message, "in1:5:1: duplicate of `aaaa` at in1:2:1"]);
}

#[test]
fn the_first_problems_are_shown_and_all_are_counted() {
    // Descending ids, so that the order of the rows is not the order of the ids.
    let once: String = (0..100).rev().map(|n| format!("id-{n:03}\n")).collect();
    let mut plan = new_plan(&[&once, &once]);
    plan.on_duplicate = OnDuplicate::Error;
    let message = |n: u32| format!("in2:{n}:1: duplicate of `id-{:03}` at in1:{n}:1", 100 - n);
    let messages: Vec<_> = (1..=20).map(message).collect();
    check_refused(plan, 100, &messages.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_bad_row_refuses_the_whole_plan() {
    check_refused(new_plan(&["aaaa\nbbbb\n", "cccc\nx y\n"]), 1, &[]);
}

#[test]
fn a_limit_takes_the_first_tasks_and_counts_no_duplicates_as_such() {
    let fixture = Fixture::empty();
    let mut plan = new_plan(&["aaaa\naaaa\nbbbb\ncccc\ndddd\n"]);
    plan.limit = Some(3);
    check_ready(&fixture, plan, (5, 3, 1));
    assert_eq!(ids(&fixture), ["aaaa", "bbbb", "cccc"]);
    assert_eq!(claim(&fixture.writer(), 10).len(), 3);
}

#[test]
fn a_limit_of_all_tasks_or_more_leaves_none_out() {
    for limit in [2, 3, u64::MAX] {
        let mut plan = new_plan(&["aaaa\nbbbb\n"]);
        plan.limit = Some(limit);
        check_ready(&Fixture::empty(), plan, (2, 2, 0));
    }
}

#[test]
fn a_plan_may_mix_commands() {
    let fixture = Fixture::empty();
    check_ready(&fixture, mixed("id,command\naaaa,start\nbbbb,stop\n"), (2, 2, 0));
    let commands: Vec<_> = fixture.rows().iter().map(|row| row.command).collect();
    assert_eq!(commands, [Command::START, Command::STOP]);
}

#[test]
fn an_empty_plan_is_a_run_without_tasks() {
    let fixture = Fixture::empty();
    check_ready(&fixture, new_plan(&[""]), (0, 0, 0));
    assert_eq!(claim(&fixture.writer(), 10), []);
}

#[test]
fn files_are_for_their_owner_alone() {
    let fixture = Fixture::with_tasks(3);
    let writer = fixture.writer();
    let reader = fixture.reader();
    assert_eq!(mode(&fixture.directory()), 0o700);
    let names =
        ["db", "db-mark", "db-shm", "db-wal", "lock"].map(|ending| format!("{RUN}.{ending}"));
    assert_eq!(fixture.files(), names);
    for name in names {
        assert_eq!(mode(&fixture.directory().join(&name)), 0o600, "{name}");
    }
    drop((reader, writer));
}

#[test]
fn a_dry_run_leaves_no_file() {
    let fixture = Fixture::empty();
    let plan = new_plan(&["id,site\naaaa,x\naaaa,x\n", "bbbb\ncccc\n"]);
    let plan = temporary_plan(&fixture.runs, &new_run(), plan).unwrap().unwrap();
    let rows = plan.first_rows(2).unwrap();
    assert_eq!(
        plan.totals(),
        PlanTotals {
            rows: 4,
            selected: 3,
            duplicates: 1,
            already_done: 0,
            ..PlanTotals::default()
        }
    );
    let places: Vec<_> =
        rows.iter().map(|row| (row.id.as_str(), row.source.as_str(), row.line)).collect();
    assert_eq!(places, [("aaaa", "in1", 2), ("bbbb", "in2", 1)]);
    let problems =
        temporary_plan(&fixture.runs, &new_run(), new_plan(&["?\n"])).unwrap().unwrap_err();
    assert_eq!(problems.count, 1);
    let mut ids = Vec::new();
    plan.for_each_row::<StoreError>(|row, seen| {
        ids.push((row.id.to_string(), seen));
        Ok(())
    })
    .unwrap();
    assert_eq!(ids, ["aaaa", "bbbb", "cccc"].map(|id| (id.to_owned(), None)));
    assert_eq!(fixture.files(), [""; 0]);
}

#[test]
fn a_plan_never_replaces_another_run() {
    let fixture = Fixture::with_tasks(3);
    let refused = fixture.plan(new_plan(&["not an id\n"])).unwrap();
    assert!(matches!(refused, PlannedRun::Refused(_)), "{refused:?}");
    let PlannedRun::Ready { lock, .. } = fixture.plan(new_plan(&["aaaa\n"])).unwrap() else {
        panic!("the plan is right");
    };
    assert_eq!(*lock.run(), fixture.run().next());
    assert_eq!(RunReader::open(&fixture.runs, lock.run()).unwrap().record().unwrap().selected, 1);
    assert_eq!(fixture.rows().len(), 3);
    assert_eq!(fixture.runs.list().unwrap(), [fixture.run(), fixture.run().next()]);
}

#[test]
fn runs_that_are_planned_at_the_same_moment_have_their_own_ids() {
    let fixture = Fixture::empty();
    // All of them chose the same id.
    let plan = |tasks: usize| {
        fixture.plan(new_plan(&["aaaa\nbbbb\ncccc\ndddd\n".get(..5 * tasks).unwrap()])).unwrap()
    };
    let planned: Vec<PlannedRun> = thread::scope(|scope| {
        let planners: Vec<_> = (1..=4).map(|tasks| scope.spawn(move || plan(tasks))).collect();
        planners.into_iter().map(|planner| planner.join().unwrap()).collect()
    });
    let mut ids = Vec::new();
    for (tasks, planned) in (1..).zip(&planned) {
        let PlannedRun::Ready { lock, .. } = planned else { panic!("the plan is right") };
        let record = RunReader::open(&fixture.runs, lock.run()).unwrap().record().unwrap();
        assert_eq!((record.selected, &record.run.id), (tasks, lock.run()));
        ids.push(lock.run().clone());
    }
    ids.sort();
    let next = |id: &RunId| Some(id.next());
    let wanted: Vec<_> = std::iter::successors(Some(fixture.run()), next).take(4).collect();
    assert_eq!(ids, wanted);
}

#[test]
fn a_second_without_a_free_id_is_told() {
    let fixture = Fixture::empty();
    let ids = std::iter::successors(Some(fixture.run()), |id| Some(id.next()));
    for id in ids.take(26 * 26) {
        fs::write(fixture.runs.file(&id), "").unwrap();
    }
    let refused = fixture.plan(new_plan(&["aaaa\n"])).unwrap_err();
    assert_eq!(refused.to_string(), format!("there is a run {RUN} already"));
}

#[test]
fn leftovers_of_a_killed_planner_are_not_runs_and_are_removed() {
    let fixture = Fixture::empty();
    let left = ["20240704-120000-dead.planning", "20240704-120000-dead.planning-wal"];
    for name in left.into_iter().chain(["20240704-120000-dead.lock", "notes.txt"]) {
        fs::write(fixture.directory().join(name), "half a plan").unwrap();
    }
    assert_eq!(fixture.runs.list().unwrap(), []);
    let PlannedRun::Ready { lock, .. } = fixture.plan(new_plan(&["aaaa\n"])).unwrap() else {
        panic!("the plan is right");
    };
    assert_eq!(fixture.runs.list().unwrap(), [fixture.run()]);
    let kept = [format!("{RUN}.db"), format!("{RUN}.lock"), "notes.txt".into()];
    assert_eq!(fixture.files(), kept, "what is left of a plan was cleaned up");
    drop(lock);
}

#[test]
fn a_living_planner_keeps_its_unfinished_file() {
    let fixture = Fixture::empty();
    let other = "20240704-120000-live".parse().unwrap();
    let lock = fixture.runs.lock(&other, "a planner").unwrap();
    let unfinished = fixture.directory().join(format!("{other}.planning"));
    fs::write(&unfinished, "half a plan").unwrap();
    fixture.plan(new_plan(&["aaaa\n"])).unwrap();
    assert!(unfinished.exists());
    fixture.runs.remove(lock).unwrap();
    assert!(!unfinished.exists());
}

#[test]
fn a_new_run_is_locked_for_its_planner() {
    let fixture = Fixture::empty();
    let PlannedRun::Ready { lock, .. } = fixture.plan(new_plan(&["aaaa\n"])).unwrap() else {
        panic!("the plan is right");
    };
    let busy = fixture.runs.lock(&fixture.run(), "somebody").unwrap_err();
    assert_eq!(busy.to_string(), format!("run {RUN} is in use by a test"));
    assert_eq!(lock.run(), &fixture.run());
}

#[test]
fn a_reader_of_the_plan_does_not_block_the_writer() {
    let fixture = Fixture::with_tasks(3);
    let reader = fixture.reader();
    let writer = fixture.writer();
    assert_eq!(writer.resume_point().selected, 3);
    assert_eq!(reader.first_rows(2).unwrap().len(), 2);
    assert_eq!(fixture.reader().record().unwrap().sessions[0].started, at(100));
}

#[test]
fn sorting_spills_beside_the_run() {
    let fixture = Fixture::with_tasks(1);
    let connection = crate::store::schema::create(&fixture.directory().join("x")).unwrap();
    let directory: String =
        connection.pragma_query_value(None, "temp_store_directory", |row| row.get(0)).unwrap();
    // Another test may have set it meanwhile: it is one for the whole process.
    assert!(directory.ends_with("/runs"), "{directory}");
}

#[test]
fn a_duplicate_is_found_across_the_pieces_of_a_sort() {
    const DIFFERENT: u64 = 300_000;
    let id = |n: u64| format!("{:08x}-{n}\n", n * 2_654_435_761 % (1 << 32));
    let list: String = (0..DIFFERENT).chain(0..1_000).map(id).collect();
    let planned = Fixture::empty().plan(new_plan(&[&list])).unwrap();
    let PlannedRun::Ready { totals, .. } = planned else { panic!("the plan is right") };
    let (rows, selected, duplicates) = (DIFFERENT + 1_000, DIFFERENT, 1_000);
    assert_eq!(
        totals,
        PlanTotals { rows, selected, duplicates, already_done: 0, ..PlanTotals::default() }
    );
}

#[test]
fn a_state_directory_that_cannot_be_made_is_an_error() {
    let fixture = Fixture::empty();
    let file = fixture.state.path().join("file");
    fs::write(&file, "").unwrap();
    for state in [file.as_path(), std::path::Path::new("/proc/no-such-state")] {
        let error = crate::store::RunDirectory::open(state).unwrap_err();
        assert!(matches!(error, StoreError::File { .. }), "{error}");
        assert_eq!(error.hint(), "name another place with `--state-dir DIR`");
    }
}

#[test]
fn a_sample_is_the_tasks_with_the_lowest_places_in_the_order_of_the_plan() {
    let ids: Vec<String> = (0..3_000).map(|n| format!("task-{n:04}")).collect();
    for (size, offset) in [("37", 0), ("1%", 4), ("99.9%", 0), ("100%", 0)] {
        let sample = Sample { size: size.parse().unwrap(), seed: 9 };
        let fixture = Fixture::empty();
        let list = ids.iter().map(|id| format!("{id}\n")).collect::<String>();
        let plan = NewPlan { sample: Some(sample), offset, ..new_plan(&[&list]) };
        let PlannedRun::Ready { totals, .. } = fixture.plan(plan).unwrap() else {
            panic!("the plan is right");
        };
        let mut drawn = ids.clone();
        drawn.sort_by_key(|id| sample.place(id));
        drawn.truncate(usize::try_from(sample.tasks_of(3_000)).unwrap());
        drawn.sort();
        drawn.drain(..usize::try_from(offset).unwrap());
        let planned: Vec<String> = fixture.rows().iter().map(|row| row.id.to_string()).collect();
        assert_eq!(planned, drawn, "{size}");
        assert_eq!(totals.selected, drawn.len() as u64);
        assert_eq!(totals.not_sampled, 3_000 - sample.tasks_of(3_000));
    }
}
