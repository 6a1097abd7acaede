//! The largest numbers, lists and chunks, and what is one beyond them.

use super::{ended, folded, started};
use crate::journal::bytes::{ByteReader, put};
use crate::journal::plan_chunk::{MAX_CHUNK_TASKS, empty_chunk};
use crate::journal::{FailureTexts, PlanChunk, PlanChunkWriter, PlannedTask, Text};
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

#[test]
fn an_empty_chunk_keeps_the_place_of_a_lost_one() {
    let body = empty_chunk(700);
    let mut chunk = PlanChunk::new(&body).unwrap();
    assert_eq!((chunk.first, chunk.tasks, chunk.next()), (700, 0, Ok(None)));
}
