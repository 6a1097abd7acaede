//! The page of the format shows the bytes that are written.

use crate::journal::{
    Ended, Fact, FailureTexts, Place, PlanChunkWriter, PlannedTask, Record, RunRecord,
    RunSegmentWriter, SegmentWriter, Text,
};
use crate::task::{
    Command, Counts, Failure, FailureKind, Outcome, Repetition, ServiceLimit, TaskState,
};
use std::fmt::Write as _;

const PAGE: &str = include_str!("../../../docs/design/journal-format.md");

/// Returns the bytes of a block of the page: hexadecimal pairs in front of `|` on each line.
fn block(name: &str) -> Vec<u8> {
    let begin = format!("```text {name}\n");
    let (_, rest) = PAGE.split_once(&begin).unwrap_or_else(|| panic!("there is no block `{name}`"));
    let (block, _) = rest.split_once("```").unwrap();
    let bytes = block.lines().flat_map(|line| line.split('|').next().unwrap().split_whitespace());
    bytes.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[track_caller]
fn check(name: &str, place: Place, body: &[u8]) {
    let hex = body.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x} ").unwrap();
        hex
    });
    assert_eq!(block(name), body, "{name}: {hex}");
    let checksum = format!("`{name}` has the checksum `{:08x}`", place.checksum(body));
    assert!(PAGE.contains(&checksum), "{checksum}");
}

#[test]
fn the_page_shows_a_plan_chunk_byte_by_byte() {
    let task = |ordinal, id, command, line, others| PlannedTask {
        ordinal,
        id: Text::Plain(id),
        command,
        source: 0,
        line,
        column: Some(1),
        others,
        doubted: id == "gate-3",
    };
    let mut writer = PlanChunkWriter::default();
    writer.push(&task(1000, "0d47bbf5", Command::STOP, 1002, Some("[\"north\"]")));
    writer.push(&task(1001, "gate-1", Command::START, 1003, Some("[\"north\"]")));
    writer.push(&task(1004, "gate-2", Command::STOP, 1006, None));
    writer.push(&task(1005, "gate-3", Command::DELETE, 1007, None));
    let (first, tasks, body) = writer.finish();
    assert_eq!((first, tasks), (1000, 4));
    check("chunk", Place::Chunk(1), &body);
}

#[test]
fn the_page_shows_a_plan_chunk_with_actions_byte_by_byte() {
    let action = |name, repetition| Command::of_action(name, repetition).unwrap();
    let task = |ordinal, id, command| PlannedTask {
        ordinal,
        id: Text::Plain(id),
        command,
        source: 0,
        line: u64::from(ordinal) + 2,
        column: Some(1),
        others: None,
        doubted: false,
    };
    let mut writer = PlanChunkWriter::default();
    writer.push(&task(0, "42", action("pay", Repetition::Harmful)));
    writer.push(&task(1, "A.b", action("pay", Repetition::Harmful)));
    writer.push(&task(2, "42", action("on", Repetition::Harmless)));
    let scrap = Command::of_removal("scrap", Repetition::Harmless).unwrap();
    writer.push(&task(3, "43", scrap));
    check("actions", Place::Chunk(0), &writer.finish().2);
}

#[test]
fn the_page_shows_states_of_other_services_byte_by_byte() {
    let state = |word| TaskState::of_word(word).unwrap();
    let after = Fact::After { state: state("on"), verified_us: Some(7), verdict: None };
    let mut writer = SegmentWriter::default();
    writer.push(&Record { offset: 0, fact: Fact::Before(state("off")) });
    writer.push(&Record { offset: 0, fact: after });
    writer.push(&Record { offset: 1, fact: Fact::Before(state("off")) });
    let place = Place::Segment { chunk: Some(0), epoch: 1, seq: 1 };
    check("states", place, &writer.body(0));
}

#[test]
fn the_page_shows_a_segment_byte_by_byte() {
    let failure = Failure {
        code: "VIAS.00010012".into(),
        error_list: vec!["not allowed".into(), "x".into()],
        ..Failure::seen(FailureKind::Refused, "not allowed")
    };
    let end = Ended {
        sent_us: 1_000_250,
        duration_us: 203_000,
        in_doubt: false,
        http_status: Some(200),
        request_id: Some(Text::Plain("00ff")),
        counts: Some(Counts { total: 4, failed: 0, succeeded: 4 }),
        failure: None,
    };
    let refused = Ended {
        sent_us: 1_001_000,
        duration_us: 500,
        in_doubt: true,
        http_status: Some(403),
        request_id: None,
        counts: None,
        failure: Some(Box::new(FailureTexts::new(&failure))),
    };
    let mut writer = SegmentWriter::default();
    for (offset, fact) in [
        (0, Fact::Started { seq: 9, number: 1, leaves_us: 1_000_000 }),
        (1, Fact::Started { seq: 10, number: 2, leaves_us: 1_000_090 }),
        (0, Fact::Ended(end)),
        (0, Fact::Settled { outcome: Outcome::Succeeded, at_us: 1_203_650 }),
        (1, Fact::Ended(refused)),
        (4, Fact::Started { seq: 11, number: 1, leaves_us: 1_000_180 }),
        (4, Fact::Withdrawn),
        (4, Fact::Before(TaskState::Stopped)),
        (
            0,
            Fact::After {
                state: TaskState::Bad,
                verified_us: Some(1_000_181),
                verdict: Some(Outcome::Failed),
            },
        ),
        (5, Fact::Lost),
    ] {
        writer.push(&Record { offset, fact });
    }
    let place = Place::Segment { chunk: Some(1), epoch: 2, seq: 17 };
    check("segment", place, &writer.body(3));
}

#[test]
fn the_page_shows_a_segment_of_the_run_byte_by_byte() {
    let mut writer = RunSegmentWriter::default();
    for record in [
        RunRecord::SessionStarted { at_us: 5, process: 4711, version: "0.1.0" },
        RunRecord::Held { at_us: 9, until_us: 20, reason: "throttled" },
        RunRecord::RateLearnt(ServiceLimit { per_second: Some(12.5), at_a_time: None }),
        RunRecord::Polled { leaves_us: 30 },
        RunRecord::Changed { at_us: 30, what: "rate", value: Some("5/s"), by: "a key" },
        RunRecord::Excluded { tasks: "{\"excluded\":1}" },
        RunRecord::SessionEnded { at_us: 31, held_us: 11, stopped: Some("drained") },
        RunRecord::SendingsLost { until_us: 31, most: 64 },
        RunRecord::TasksLost { chunk: 3, tasks: 1_000, rows: Some((0, 3_001, 4_000)) },
        RunRecord::Drilled { task: "{\"ordinal\":0}" },
        RunRecord::DrillEnded { left: 2, why: Some("drained") },
    ] {
        writer.push(&record);
    }
    check("run", Place::Segment { chunk: None, epoch: 2, seq: 18 }, &writer.body(0));
}
