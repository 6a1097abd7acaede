//! Plan chunks: any bytes are tasks or an error with a place; tasks are written and read again.

#![no_main]

#[allow(dead_code, unused_imports, reason = "the library uses the rest")]
#[path = "../../../src/journal/mod.rs"]
mod journal;

use batchctl::task;
use journal::{
    ChunkFold, MAX_CHUNK_TASKS, PlanChunk, PlanChunkWriter, PlannedTask, Text, empty_chunk,
};
use libfuzzer_sys::fuzz_target;

fn read(body: &[u8]) -> Result<(u32, Vec<PlannedTask<'_>>), journal::Malformed> {
    let mut chunk = PlanChunk::new(body)?;
    let mut tasks = Vec::new();
    while let Some(task) = chunk.next()? {
        tasks.push(task);
    }
    assert_eq!(tasks.len(), chunk.tasks as usize);
    Ok((chunk.first, tasks))
}

fn plain(task: &PlannedTask<'_>) -> String {
    format!("{} {:?}", task.id.text(), PlannedTask { id: Text::Plain(""), ..*task })
}

fuzz_target!(|body: &[u8]| {
    assert_eq!(ChunkFold::new(body).is_ok(), read(body).is_ok());
    let (first, tasks) = match read(body) {
        Ok(read) => read,
        Err(error) => return assert!(error.at <= body.len(), "{error}"),
    };
    assert!(tasks.len() <= MAX_CHUNK_TASKS as usize);
    assert!(tasks.windows(2).all(|two| two[0].ordinal < two[1].ordinal));
    if tasks.is_empty() {
        assert_eq!(read(&empty_chunk(first)).map(|(first, _)| first), Ok(first));
        return;
    }
    let mut writer = PlanChunkWriter::default();
    tasks.iter().for_each(|task| writer.push(task));
    let (_, count, written) = writer.finish();
    assert_eq!(count as usize, tasks.len());
    let (_, again) = read(&written).expect("it was just written");
    assert_eq!(
        again.iter().map(plain).collect::<Vec<_>>(),
        tasks.iter().map(plain).collect::<Vec<_>>()
    );
});
