//! Segments of the journal: any bytes are records or an error with a place; records read back; a
//! changed byte is found; the fold and the trace agree.

#![no_main]

mod common;

#[allow(dead_code, unused_imports, reason = "the library uses the rest")]
#[path = "../../../src/journal/mod.rs"]
mod journal;

use batchctl::task;
use journal::{
    ChunkFold, Fact, Place, PlanChunkWriter, PlannedTask, Record, RunSegmentWriter, SegmentWriter,
    TaskRecord, TaskTrace, Text, records, run_records, with_distance,
};
use libfuzzer_sys::fuzz_target;
use task::Command;

/// A chunk of five tasks with a gap.
fn chunk() -> Vec<u8> {
    let mut writer = PlanChunkWriter::default();
    for ordinal in [7, 8, 9, 20, 21] {
        let (id, line) = (Text::Plain("gate1"), u64::from(ordinal));
        writer.push(&PlannedTask {
            ordinal,
            id,
            command: Command::STOP,
            source: 0,
            line,
            column: None,
            others: None,
            doubted: false,
        });
    }
    writer.finish().2
}

/// Shows a record, whichever form its texts were written in.
fn plain(record: &Record<'_>) -> String {
    let mut record = record.clone();
    let mut request_id = None;
    if let Fact::Ended(ended) = &mut record.fact {
        request_id = ended.request_id.take().map(|text| text.text().into_owned());
    }
    format!("{record:?} {request_id:?}")
}

fn of_chunk(body: &[u8]) {
    let mut read = Vec::new();
    let take = |record| {
        read.push(record);
        Ok(())
    };
    match records(body, take) {
        Err(error) => assert!(error.at <= body.len(), "{error}"),
        Ok(distance) => {
            let mut writer = SegmentWriter::default();
            read.iter().for_each(|record| writer.push(record));
            let mut written = Vec::new();
            writer.write(distance, &mut written);
            let (mut again, mut both) = (Vec::new(), SegmentWriter::default());
            let found = records(&written, |record| {
                again.push(plain(&record));
                both.push(&record);
                Ok(())
            });
            assert_eq!(found, Ok(distance));
            assert_eq!(again, read.iter().map(plain).collect::<Vec<_>>());
            let mut twice = Vec::new();
            both.write(distance, &mut twice);
            assert_eq!(twice, written, "what was written is written the same again");
            assert_eq!(with_distance(body, 3).map(|(before, _)| before), Ok(distance));
        }
    }
    folds(&read);
    let chunk = chunk();
    let mut fold = ChunkFold::new(&chunk).expect("it was just written");
    let _ = fold.apply(body);
    fold.finish(9);
    for (_, task) in &fold.tasks {
        let _ = (task.outcome(), task.outcome_of_attempts());
    }
}

/// Folds all facts as those of one task, in two ways.
fn folds(read: &[Record<'_>]) {
    let (mut record, mut trace) = (TaskRecord::default(), TaskTrace::default());
    for fact in read.iter().map(|record| record.fact.clone()) {
        assert_eq!(record.apply(fact.clone()), trace.apply(fact));
    }
    record.finish(9);
    trace.finish(9);
    assert_eq!(trace.record, record);
    assert_eq!(trace.attempts.len(), record.attempts as usize);
    assert_eq!(trace.attempts.last(), record.last.as_ref());
    let in_doubt = trace.attempts.iter().any(journal::Attempt::in_doubt);
    assert!(record.in_doubt || !in_doubt);
}

fn of_run(body: &[u8]) {
    let mut writer = RunSegmentWriter::default();
    let mut read = Vec::new();
    let found = run_records(body, |record| {
        read.push(format!("{record:?}"));
        writer.push(&record);
        Ok(())
    });
    match found {
        Err(error) => assert!(error.at <= body.len(), "{error}"),
        Ok(distance) => {
            let (mut written, mut again) = (Vec::new(), Vec::new());
            writer.write(distance, &mut written);
            let found = run_records(&written, |record| {
                again.push(format!("{record:?}"));
                Ok(())
            });
            assert_eq!((found, again), (Ok(distance), read));
        }
    }
}

/// Checks that one changed byte is found, wherever it is.
fn changed(body: &[u8], at: usize, by: usize) {
    let place = Place::Segment { chunk: Some(1), epoch: 2, seq: 3 };
    let checksum = i64::from(place.checksum(body));
    assert_eq!(place.check(body, checksum), Ok(()));
    let mut other = body.to_vec();
    let at = at % body.len().max(1);
    if let Some(byte) = other.get_mut(at) {
        *byte ^= (by % 255 + 1) as u8;
        assert!(place.check(&other, checksum).is_err());
    }
}

fuzz_target!(|data: &[u8]| {
    let (at, rest) = common::choice(data);
    let (by, body) = common::choice(rest);
    of_chunk(body);
    of_run(body);
    changed(body, at, by);
});
