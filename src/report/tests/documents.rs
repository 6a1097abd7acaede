//! All documents with rows, written in the walk in which the report is read.

use super::*;
use crate::report::{JUnitWriter, PageWriter, ResultsWriter, Spool, write_html, write_junit};

#[test]
fn documents_of_one_walk_are_those_that_are_written_alone() {
    for run in [every_outcome(), TestRun::with_tasks(3), TestRun::from_table("id\n")] {
        let (reader, room) = (run.reader(), tempfile::tempdir().unwrap());
        let (sources, options) = (reader.record().unwrap().sources, ResultsOptions::default());
        let spool = || Spool::in_directory(room.path());
        let mut table = ResultsWriter::begin(sources.clone(), false, &options, spool());
        let mut junit = JUnitWriter::begin(&sources, &[], spool());
        let mut page = PageWriter::begin(&reader, room.path()).unwrap();
        let report = Report::read_with(&reader, StillRunning::No, |task, context| {
            table.row(task, context.grouping());
            junit.row(task);
            page.row(task, context);
        });
        let report = report.unwrap();
        assert_eq!(report, run.report());

        let (mut written, mut alone) =
            ([Vec::new(), Vec::new(), Vec::new()], [vec![], vec![], vec![]]);
        table.finish().unwrap().1.copy_into(&mut written[0]).unwrap();
        junit.finish(&report, &mut written[1]).unwrap();
        page.finish(&reader, &report, &mut written[2]).unwrap();
        write_results(&reader, &options, &mut alone[0]).unwrap();
        write_junit(&reader, &report, &[], &mut alone[1]).unwrap();
        write_html(&reader, &report, &mut alone[2]).unwrap();
        assert_eq!(written.map(text), alone.map(text));
    }
}

fn text(document: Vec<u8>) -> String {
    String::from_utf8(document).unwrap()
}
