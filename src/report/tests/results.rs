//! results.csv: its columns, its cells, and that it is a valid input again.

use super::*;
use crate::input;
use crate::report::{CsvDialect, ResultsError, RowFilter};
use crate::text::unguarded;
use proptest::prelude::*;

#[test]
fn every_task_has_a_row_in_the_order_of_the_input() {
    insta::assert_snapshot!(every_outcome().results(), @r#"
    id,command,outcome,http_status,total_count,failed_count,succeed_count,error_kind,error_code,error_msg,error_list,attempts,started_at,finished_at,duration_ms,request_id,source,state_before,state_after,verified_at,failure_group,error_detail,error_params,error_reason,error_advice,site
    gate-north,stop,succeeded,200,4,0,4,,,,,1,2024-07-05T12:00:00.000Z,2024-07-05T12:00:00.100Z,100,request-1,cameras.csv:2,,,,,,,,,north
    gate-south,stop,partial,200,4,1,3,service,,some sub-tasks failed,camera cam-1: no licence; camera 9: off,1,2024-07-05T12:00:00.100Z,2024-07-05T12:00:00.200Z,100,request-2,cameras.csv:3,,,,F1,,,,,south
    dock-1,stop,failed,500,,,,refused,VIAS.00010012,This operation is not allowed.,,1,2024-07-05T12:00:00.200Z,2024-07-05T12:00:00.300Z,100,request-3,cameras.csv:4,,,,F2,,,The task is being deleted.,Wait until it is gone.,"a, b"
    dock-2,stop,ambiguous,,,,,timeout,,no answer in 60 s,,2,2024-07-05T12:00:00.300Z,2024-07-05T12:00:00.500Z,200,,cameras.csv:5,,,,F3,,,,,'=1+1
    ramp-1,stop,unchanged,200,2,0,2,,,,,1,2024-07-05T12:00:00.500Z,2024-07-05T12:00:00.600Z,100,request-6,cameras.csv:6,,,,,,,,,-5
    ramp-2,stop,not_attempted,,,,,not_sent,,,,0,,,,,cameras.csv:7,,,,,,,,,
    "#);
}

#[test]
fn a_run_of_nothing_has_a_header() {
    let results = TestRun::from_table("id,site\n").results();
    assert_eq!(results.lines().count(), 1);
    assert!(results.starts_with("id,command,outcome,"), "{results}");
    assert!(
        results.ends_with(
            ",verified_at,failure_group,error_detail,error_params,error_reason,error_advice,site\n"
        ),
        "{results}"
    );
}

#[test]
fn every_text_of_the_services_error_has_a_guarded_column() {
    let mut run = TestRun::with_tasks(2);
    run.begin();
    let mut reply = refused("An internal error occurs.");
    let failure = reply.failure.as_mut().unwrap();
    failure.detail = "=Request method 'GET' not supported".into();
    failure.params = vec!["@a".into(), "{\"n\":1}".into()];
    failure.reason = "-r".into();
    failure.advice = "+d".into();
    run.settle(0, reply, Outcome::Failed);
    run.settle(1, lost(FailureKind::Timeout), Outcome::Ambiguous);
    let results = run.results();
    let mut reader = csv::Reader::from_reader(results.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let last_four = |row: &csv::StringRecord| row.iter().skip(21).map(str::to_owned).collect();
    let names: Vec<String> = last_four(&header);
    assert_eq!(names, ["error_detail", "error_params", "error_reason", "error_advice"]);
    let full: Vec<String> = last_four(&rows[0]);
    let expected = ["'=Request method 'GET' not supported", "'@a; {\"n\":1}", "'-r", "'+d"];
    assert_eq!(full, expected);
    let empty: Vec<String> = last_four(&rows[1]);
    assert_eq!(empty, [""; 4]);
}

/// Returns the cells of the first row after our columns.
fn others(tables: &[(&str, &str)], row: usize) -> Vec<(String, String)> {
    let results = TestRun::from_tables(tables).results();
    let mut reader = csv::Reader::from_reader(results.as_bytes());
    let header = reader.headers().unwrap().clone();
    let row = reader.records().nth(row).unwrap().unwrap();
    let pairs = header.iter().zip(&row).skip(25);
    pairs.map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
}

fn check_others(tables: &[(&str, &str)], row: usize, expected: &[(&str, &str)]) {
    let found = others(tables, row);
    let found: Vec<_> = found.iter().map(|(name, cell)| (name.as_str(), cell.as_str())).collect();
    assert_eq!(found, expected, "row {row} of {tables:?}");
}

#[test]
fn the_other_columns_of_all_inputs_follow_ours() {
    let tables = [("a.csv", "id,site,node\naaaa,north,1\n"), ("b.csv", "site,id\nsouth,bbbb\n")];
    check_others(&tables, 0, &[("site", "north"), ("node", "1")]);
    check_others(&tables, 1, &[("site", "south"), ("node", "")]);
    let clash = [("a.csv", "id,Outcome,in_x,=x\naaaa,1,2,=3\n")];
    check_others(&clash, 0, &[("in_Outcome", "1"), ("in_x", "2"), ("'=x", "'=3")]);
}

#[test]
fn texts_of_the_service_are_guarded_cut_and_free_of_nul() {
    let mut run = TestRun::with_tasks(2);
    run.begin();
    run.settle(0, refused("=cmd|'/c calc'!A0\0"), Outcome::Failed);
    run.settle(1, refused(&"ä".repeat(1 << 20)), Outcome::Failed);
    run.end(None);
    let results = run.results();
    assert!(results.contains(",'=cmd|'/c calc'!A0\u{fffd},"), "{results:.300}");
    assert!(results.len() < 34_000, "{}", results.len());
}

#[test]
fn a_task_that_waited_for_another_attempt_has_no_end() {
    let mut run = TestRun::with_tasks(1);
    run.begin();
    run.call(0, throttled());
    run.end(Some(StopReason::Interrupted));
    let results = run.results();
    let row = results.lines().nth(1).unwrap();
    assert!(row.starts_with("task-0000,stop,failed,429,,,,throttled,APIGW.0308,"), "{row}");
    assert!(
        row.ends_with(",1,2024-07-05T12:00:00.000Z,,,request-1,cameras.csv:2,,,,F1,,,,"),
        "{row}"
    );
}

fn written(run: &TestRun, options: &ResultsOptions) -> String {
    let mut text = Vec::new();
    write_results(&run.reader(), options, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn only_tasks_with_the_outcomes_that_are_asked_for_have_rows() {
    let run = every_outcome();
    let only = [Outcome::Failed, Outcome::Ambiguous].map(RowFilter::Outcome).to_vec();
    let text = written(&run, &ResultsOptions { only, ..ResultsOptions::default() });
    let ids: Vec<&str> = text.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(ids, ["id", "dock-1", "dock-2"]);
}

#[test]
fn for_excel_there_is_a_mark_and_ids_stay_text() {
    let run = TestRun::from_table("id,note\n0047,\"a\nb\"\ngate-north,0047\n");
    let options = ResultsOptions { dialect: CsvDialect::Excel, ..ResultsOptions::default() };
    let text = written(&run, &options);
    assert!(text.starts_with("\u{feff}id,command,"), "{text}");
    assert!(text.contains("\r\n'0047,stop,") && text.contains(",\"a\nb\"\r\n"), "{text}");
    assert!(text.contains("\r\ngate-north,stop,") && text.ends_with(",0047\r\n"), "{text}");
    let ids: Vec<String> = read_back(&text).iter().map(|row| row.id.to_string()).collect();
    assert_eq!(ids, ["0047", "gate-north"]);
}

/// A pipe whose reader has gone.
struct Closed;

impl std::io::Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_reader_is_distinguished_from_other_errors() {
    for tasks in [1, 2_000] {
        let error =
            write_results(&TestRun::with_tasks(tasks).reader(), &ResultsOptions::default(), Closed)
                .unwrap_err();
        let ResultsError::Write(error) = error else { panic!("{error}") };
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    }
}

fn read_back(text: &str) -> Vec<input::Row> {
    let options = InputOptions::new(CommandSource::Column("command".into()));
    let rows = input::open(source("results.csv", text), &options).unwrap();
    rows.map(|row| row.unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn results_are_an_input_again_with_the_same_ids_and_cells(
        names in prop::collection::vec("[Ii][Dd]|'?[=a-zä #_]{1,6}", 2),
        cells in prop::collection::vec(
            ("['=+@ -]?[\\PC]{0,6}", "\\PC{0,6}[\r\n\t;,\"]?['=+@-]?\\PC{0,3}"),
            1..6,
        ),
    ) {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["batch_task_id", &names[0], &names[1]]).unwrap();
        for (number, (one, other)) in cells.iter().enumerate() {
            table.write_record([&format!("task-{number:04}"), one, other]).unwrap();
        }
        let table = String::from_utf8(table.into_inner().unwrap()).unwrap();
        let mut run = TestRun::planned(&[("cameras.csv", &table)], |_, options| {
            options.id_column = Some("batch_task_id".into());
        });
        run.begin();
        for (task, (message, _)) in cells.iter().enumerate() {
            run.settle(task, refused(message), Outcome::Failed);
        }
        run.end(None);
        let rows = read_back(&run.results());
        prop_assert_eq!(rows.len(), cells.len());
        for (number, (row, (one, other))) in rows.iter().zip(&cells).enumerate() {
            prop_assert_eq!(row.id.as_str(), format!("task-{number:04}"));
            prop_assert_eq!(row.command, Command::STOP);
            let others: Vec<String> = serde_json::from_str(row.others.as_ref().unwrap()).unwrap();
            // A cell that was guarded before is read the same with or without that guard.
            let expected = [one, other].map(|cell| unguarded(cell));
            prop_assert_eq!(others, expected);
        }
    }
}
