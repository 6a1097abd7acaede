//! Damaged runs in a database: what is whole is shown, and `resume --repair` goes on with the rest as in
//! doubt.

use super::Stage;
use serde_json::Value;

const TASKS: usize = 200;

impl Stage {
    /// A run of which a worker has settled some tasks, and was stopped.
    fn interrupted() -> Option<(Self, String)> {
        let stage = Self::answering_in(2)?;
        let run = stage.plan(TASKS, &["--rate", "100/s"]);
        let worker = stage.worker();
        stage.await_settled(60);
        stage.call(&["ctl", "drain"]).expect(0);
        worker.ended().expect(3);
        Some((stage, run))
    }

    fn damage(&self, statement: &str) {
        self.database.sql(statement);
    }

    fn report_of(&self, run: &str) -> Value {
        serde_json::from_str(&self.call(&["report", run, "--json"]).stdout).unwrap()
    }

    /// Checks that a damaged run is shown and refused, and goes on once it is repaired. Returns how many
    /// calls were repeated.
    fn check_repair(&self, run: &str, place: &str, ids_lost: u64) -> usize {
        let before: usize = self.rehearsal.service.requests_by_id().values().sum();
        let damaged = self.call(&["report", run, "--json"]).expect(74);
        assert!(damaged.stderr.contains(place), "{}", damaged.stderr);
        assert!(damaged.stderr.contains("--repair"), "{}", damaged.stderr);
        // The file of the copy is gone by now, and nobody could look at it.
        assert!(
            damaged.stderr.contains(&format!("run {run} in the database ")),
            "{}",
            damaged.stderr
        );
        assert!(!damaged.stderr.contains("/copies/"), "{}", damaged.stderr);
        let report: Value = serde_json::from_str(&damaged.stdout).unwrap();
        assert_eq!(report["tasks"]["selected"], TASKS as u64);
        self.call(&["resume", run]).expect(74).says("--repair");
        self.call(&["resume", run, "--repair"]).expect(2).says("nobody can be asked");
        assert_eq!(self.rehearsal.service.requests_by_id().values().sum::<usize>(), before);
        let lost = self.call(&["resume", run, "--repair", "-y", "-q"]);
        let expected = if ids_lost == 0 { 0 } else { 74 };
        assert_eq!(lost.code, Some(expected), "{}", lost.stderr);
        self.call(&["resume", run, "--repair"]).expect(2).says("is not damaged");
        let settled = self.database.number("SELECT sum(settled) FROM batchctl.chunk");
        assert_eq!(settled + ids_lost, TASKS as u64);
        let calls = self.rehearsal.service.requests_by_id();
        assert!(calls.len() as u64 + ids_lost >= TASKS as u64, "{} were called", calls.len());
        calls.values().map(|calls| calls - 1).sum()
    }
}

#[test]
fn tasks_of_a_damaged_segment_are_in_doubt_and_no_others() {
    let Some((stage, run)) = Stage::interrupted() else { return };
    let first = "chunk = (SELECT min(chunk) FROM batchctl.segment WHERE chunk >= 0)";
    let change = format!(
        "UPDATE batchctl.segment SET body = set_byte(body, 1, get_byte(body, 1) # 255) \
         WHERE {first} AND seq = 0"
    );
    stage.damage(&change);
    let of_chunk = stage.database.number("SELECT tasks FROM batchctl.chunk WHERE no = 0") as usize;
    let repeated = stage.check_repair(&run, "of chunk 0", 0);
    assert!((1..=of_chunk).contains(&repeated), "{repeated} of {of_chunk}");
    let report = stage.report_of(&run);
    assert_eq!(report["tasks"]["succeeded"], TASKS as u64);
}

#[test]
fn a_segment_that_is_missing_is_told_from_those_around_it() {
    let Some((stage, run)) = Stage::interrupted() else { return };
    // Of the chunk with the most segments, the one in the middle.
    let chunk = "(SELECT chunk FROM batchctl.segment WHERE chunk >= 0 GROUP BY 1 HAVING count(*) > 2 ORDER BY count(*) DESC LIMIT 1)";
    stage.damage(&format!("DELETE FROM batchctl.segment WHERE seq = 1 AND chunk = {chunk}"));
    stage.check_repair(&run, "is damaged", 0);
    // The next copy has it in its place again.
    stage.call(&["report", &run]).expect(0);
}

#[test]
fn ids_that_are_lost_with_a_plan_chunk_are_told_and_the_rest_goes_on() {
    let Some((stage, run)) = Stage::interrupted() else { return };
    let last = "no = (SELECT max(no) FROM batchctl.chunk)";
    let tasks = stage.database.number(&format!("SELECT tasks FROM batchctl.chunk WHERE {last}"));
    stage.damage(&format!("UPDATE batchctl.chunk SET body = body || '\\x00' WHERE {last}"));
    stage.check_repair(&run, "plan chunk", tasks);
    let report = stage.report_of(&run);
    assert_eq!(report["tasks"]["selected"], TASKS as u64, "{report}");
    // Nothing is left to do, and no worker waits for it.
    stage.call(&["work"]).expect(0).says("there is no run to work on");
}

#[test]
fn a_damaged_record_of_a_worker_loses_no_task() {
    let Some((stage, run)) = Stage::interrupted() else { return };
    stage.damage("UPDATE batchctl.segment SET crc = crc # 1 WHERE chunk < 0");
    assert_eq!(stage.check_repair(&run, "facts about the run", 0), 0);
}

#[test]
fn nothing_is_repaired_while_a_worker_is_on_the_run() {
    let Some((stage, run)) = Stage::interrupted() else { return };
    stage.damage("UPDATE batchctl.segment SET crc = crc # 1 WHERE chunk = 0 AND seq = 0");
    let dump = |stage: &Stage| {
        stage
            .database
            .sql("SELECT md5(string_agg(s::text, ' ' ORDER BY place, seq)) FROM batchctl.segment s")
    };
    let before = dump(&stage);
    stage.damage(
        "UPDATE batchctl.worker SET gone = NULL, seen = clock_timestamp() + interval '1 hour'",
    );
    stage.call(&["resume", &run, "--repair", "-y"]).expect(75);
    assert_eq!(dump(&stage), before);
    stage.damage("UPDATE batchctl.worker SET gone = clock_timestamp()");
    stage.check_repair(&run, "of chunk 0", 0);
}
