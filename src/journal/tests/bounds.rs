//! The largest numbers, lists and chunks, and what is one beyond them.

use super::{ended, folded, started};
use crate::journal::bytes::{ByteReader, put};
use crate::journal::plan_chunk::{MAX_CHUNK_TASKS, empty_chunk};
use crate::journal::text::{ReadTexts, Repeats};
use crate::journal::{
    Ended, Fact, FailureTexts, PlanChunk, PlanChunkWriter, PlannedTask, Record, SegmentWriter,
    TaskTrace, Text,
};
use crate::task::{Command, Failure, FailureKind, Outcome};

const MEBIBYTE: usize = 1_048_576;

#[test]
fn the_tenth_byte_of_a_number_has_room_for_one_bit() {
    let tenth = |byte: u8| {
        let bytes = [&[0xff; 9][..], &[byte]].concat();
        ByteReader::new(&bytes).number().ok()
    };
    assert_eq!((tenth(0), tenth(1)), (Some(u64::MAX >> 1), Some(u64::MAX)));
    assert_eq!((tenth(2), tenth(3), tenth(0x80)), (None, None, None));
    let mut body = Vec::new();
    put(&mut body, u64::MAX);
    assert_eq!(body, [&[0xff; 9][..], &[1]].concat());
}

#[test]
fn a_failure_reads_back_from_a_body_of_its_own() {
    let mut failure = Failure::seen(FailureKind::Throttled, "wait");
    (failure.code, failure.params) = ("APIGW.0308".into(), vec!["one".into(), "two".into()]);
    let body = FailureTexts::new(&failure).to_body();
    assert_eq!(FailureTexts::from_body(&body), Ok(failure));
    assert!(FailureTexts::from_body(&body[..body.len() - 1]).is_err());
}

#[test]
fn the_texts_of_a_list_have_sixteen_mebibytes_together() {
    let read = |last: usize| {
        let mut failure = Failure::seen(FailureKind::Service, "");
        // The same text is written once, and counts each time.
        failure.params = vec!["x".repeat(MEBIBYTE); 15];
        failure.params.push("y".repeat(last));
        FailureTexts::from_body(&FailureTexts::new(&failure).to_body())
            .is_ok_and(|read| read == failure)
    };
    assert!(read(MEBIBYTE));
    assert!(!read(MEBIBYTE + 1));
}

#[test]
fn a_task_failed_if_each_of_its_attempts_was_answered() {
    let answered = || ended(false, Some(503));
    let task = folded(vec![started(5), answered(), started(6), answered()], 9);
    assert_eq!((task.attempts, task.outcome()), (2, Outcome::Failed));
    let unanswered = ended(false, None);
    let task = folded(vec![started(5), answered(), started(6), unanswered], 9);
    assert_eq!(task.outcome(), Outcome::Failed);
}

fn push(writer: &mut PlanChunkWriter, ordinal: u32, others: Option<&str>) {
    let (id, command, line) = (Text::Plain("gate1"), Command::STOP, u64::from(ordinal));
    let (source, column, doubted) = (0, None, false);
    writer.push(&PlannedTask { ordinal, id, command, source, line, column, others, doubted });
}

#[test]
fn a_chunk_has_a_thousand_tasks_at_most() {
    let read = |tasks: u32| {
        let mut writer = PlanChunkWriter::default();
        (0..tasks).for_each(|ordinal| push(&mut writer, ordinal, None));
        assert_eq!(writer.tasks(), tasks);
        PlanChunk::new(&writer.finish().2).is_ok_and(|chunk| chunk.tasks == tasks)
    };
    assert!(read(MAX_CHUNK_TASKS) && !read(MAX_CHUNK_TASKS + 1));
}

#[test]
fn a_chunk_is_large_from_a_mebibyte_on_and_no_task_later() {
    let mut writer = PlanChunkWriter::default();
    for ordinal in 0.. {
        assert!(!writer.is_large());
        push(&mut writer, ordinal, Some(&format!("{ordinal:01000}")));
        if writer.is_large() {
            break;
        }
    }
    let length = writer.finish().2.len();
    assert!((MEBIBYTE..MEBIBYTE + 1_100).contains(&length), "{length}");
    assert!(!writer.is_large());
}

/// Returns how long the rows of a chunk are whose only task has other cells of so many characters.
fn chunk_with(characters: usize) -> (usize, bool) {
    let mut writer = PlanChunkWriter::default();
    push(&mut writer, 0, Some(&"x".repeat(characters)));
    let is_large = writer.is_large();
    // One byte says where the chunk begins, and one how many tasks it has.
    (writer.finish().2.len() - 2, is_large)
}

#[test]
fn a_chunk_of_exactly_a_mebibyte_is_large() {
    let others = chunk_with(MEBIBYTE).0 - MEBIBYTE;
    assert_eq!(chunk_with(MEBIBYTE - others), (MEBIBYTE, true));
    assert_eq!(chunk_with(MEBIBYTE - others - 1), (MEBIBYTE - 1, false));
}

#[test]
fn an_empty_chunk_keeps_the_place_of_a_lost_one() {
    let body = empty_chunk(700);
    let mut chunk = PlanChunk::new(&body).unwrap();
    assert_eq!((chunk.first, chunk.tasks, chunk.next()), (700, 0, Ok(None)));
}

/// Returns how long the records of a segment are whose last record has an id of so many characters.
fn segment_with(characters: usize) -> (usize, bool) {
    let id = "x".repeat(characters);
    let Fact::Ended(end) = ended(false, Some(200)) else { unreachable!("it is an end") };
    let end = Ended { request_id: Some(Text::Plain(&id)), ..end };
    let mut writer = SegmentWriter::default();
    writer.push(&Record { offset: 0, fact: started(1) });
    writer.push(&Record { offset: 0, fact: Fact::Ended(end) });
    // One byte says that there is no segment before it.
    (writer.body(0).len() - 1, writer.is_large())
}

#[test]
fn a_segment_of_exactly_a_mebibyte_is_large() {
    let others = segment_with(MEBIBYTE).0 - MEBIBYTE;
    assert_eq!(segment_with(MEBIBYTE - others), (MEBIBYTE, true));
    assert_eq!(segment_with(MEBIBYTE - others - 1), (MEBIBYTE - 1, false));
}

#[test]
fn digits_take_half_a_byte_each_and_read_back_at_any_length() {
    for bytes in [&[0xab_u8, 0xcd][..], &[0x01; 32], &[0xf0; 33]] {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let hex = Text::Hex(bytes);
        assert_eq!((hex.text().as_ref(), hex.with(str::to_owned)), (&*digits, digits.clone()));
        let (mut body, mut same) = (Vec::new(), Vec::new());
        hex.write(&mut body);
        Text::Plain(&digits).write(&mut same);
        assert_eq!((&body, body.len()), (&same, bytes.len() + 1 + usize::from(bytes.len() > 31)));
        assert_eq!(Text::read(&mut ByteReader::new(&body)), Ok(hex));
    }
}

#[test]
fn a_writer_remembers_256_texts() {
    let (mut repeats, mut body) = (Repeats::default(), Vec::new());
    for number in 0..257 {
        repeats.write(&mut body, &format!("text {number}"));
    }
    let mut added = |text: &str| {
        let before = body.len();
        repeats.write(&mut body, text);
        body.len() - before
    };
    // The number of a text before, or the text once more.
    assert_eq!((added("text 0"), added("text 255"), added("text 256")), (1, 2, 9));
    let (mut reader, mut texts) = (ByteReader::new(&body), ReadTexts::default());
    for text in (0..257).chain([0, 255, 256]).map(|number| format!("text {number}")) {
        assert_eq!(texts.read(&mut reader), Ok(&*text));
    }
}

#[test]
fn a_trace_keeps_each_attempt_that_may_have_left() {
    let mut trace = TaskTrace::default();
    let facts =
        [started(5), Fact::Withdrawn, started(6), ended(false, Some(503)), started(7), started(9)];
    let kept = facts.map(|fact| {
        trace.apply(fact).unwrap();
        trace.attempts.iter().map(|attempt| attempt.seq).collect::<Vec<_>>()
    });
    assert_eq!(kept, [vec![], vec![], vec![], vec![6], vec![6], vec![6, 7]]);
    assert!(trace.apply(Fact::Withdrawn).is_ok() && trace.apply(Fact::Withdrawn).is_err());
    trace.apply(started(10)).unwrap();
    trace.finish(10);
    assert_eq!(trace.attempts.last().map(|attempt| attempt.seq), Some(10));
    assert_eq!(trace.record.attempts, 3);
}
