//! Segments: the records of one chunk, or of the run, in one commit.
//!
//! A body begins with the distance to the chunk's segment before it, so that a segment that went
//! missing is noticed by the next one.

use crate::journal::bytes::{ByteReader, Malformed, put};
use crate::journal::record::{Previous, Record};
use crate::journal::run_record::RunRecord;
use crate::journal::text::{ReadTexts, Repeats};

/// A body of this length is closed: no body is larger by more than one record.
pub(crate) const LARGE_BODY: usize = 1 << 20;

/// Returns the distance that a segment begins with: to the one before it, or 0 if that is 0.
pub(crate) fn distance(seq: u64, before: u64) -> u64 {
    if before == 0 { 0 } else { seq - before }
}

/// Writes the segment of a chunk.
#[derive(Debug, Default)]
pub(crate) struct SegmentWriter {
    records: Vec<u8>,
    before: Previous,
    repeats: Repeats,
}

impl SegmentWriter {
    /// Adds a record.
    pub(crate) fn push(&mut self, record: &Record<'_>) {
        record.write(&mut self.records, &mut self.before, &mut self.repeats);
    }

    /// Returns whether there is no record.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns whether the segment should end.
    pub(crate) fn is_large(&self) -> bool {
        self.records.len() >= LARGE_BODY
    }

    /// Appends the body, given the distance to the segment before it; 0 if there is none.
    pub(crate) fn write(&self, distance: u64, body: &mut Vec<u8>) {
        put(body, distance);
        body.extend_from_slice(&self.records);
    }

    /// Forgets all records, for the next segment, and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.before = Previous::default();
        self.repeats.clear();
    }
}

/// Writes a segment of the run.
#[derive(Debug, Default)]
pub(crate) struct RunSegmentWriter {
    records: Vec<u8>,
    time_us: i64,
    repeats: Repeats,
}

impl RunSegmentWriter {
    /// Adds a record.
    pub(crate) fn push(&mut self, record: &RunRecord<'_>) {
        record.write(&mut self.records, &mut self.time_us, &mut self.repeats);
    }

    /// Returns whether there is no record.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Appends the body, given the distance to the segment before it; 0 if there is none.
    pub(crate) fn write(&self, distance: u64, body: &mut Vec<u8>) {
        put(body, distance);
        body.extend_from_slice(&self.records);
    }
}

/// Returns the distance that a body begins with, and the body with another one in its place.
#[cfg(any(feature = "postgres", test))]
pub(crate) fn with_distance(body: &[u8], distance: u64) -> Result<(u64, Vec<u8>), Malformed> {
    let mut reader = ByteReader::new(body);
    let before = reader.number()?;
    let mut moved = Vec::with_capacity(body.len() + 4);
    put(&mut moved, distance);
    moved.extend_from_slice(&body[body.len() - reader.left()..]);
    Ok((before, moved))
}

/// Reads the segment of a chunk: calls `take` for each record and returns the distance to the
/// segment before it.
pub(crate) fn records<'a>(
    body: &'a [u8],
    mut take: impl FnMut(Record<'a>) -> Result<(), &'static str>,
) -> Result<u64, Malformed> {
    let mut reader = ByteReader::new(body);
    let (mut before, mut texts) = (Previous::default(), ReadTexts::default());
    let distance = reader.number()?;
    while !reader.is_at_end() {
        let record = Record::read(&mut reader, &mut before, &mut texts)?;
        take(record).map_err(|what| reader.malformed(what))?;
    }
    Ok(distance)
}

/// Reads a segment of the run: calls `take` for each record and returns the distance to the segment
/// before it.
pub(crate) fn run_records<'a>(
    body: &'a [u8],
    mut take: impl FnMut(RunRecord<'a>) -> Result<(), &'static str>,
) -> Result<u64, Malformed> {
    let mut reader = ByteReader::new(body);
    let (mut time_us, mut texts) = (0, ReadTexts::default());
    let distance = reader.number()?;
    while !reader.is_at_end() {
        let record = RunRecord::read(&mut reader, &mut time_us, &mut texts)?;
        take(record).map_err(|what| reader.malformed(what))?;
    }
    Ok(distance)
}
