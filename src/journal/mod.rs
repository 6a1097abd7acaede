//! The journal of a run: the bytes of plan chunks and segments, and their fold into tasks.
//!
//! A plan chunk holds the tasks of the input, a segment the facts about them from one commit. Both
//! are under a checksum that covers their place. Any bytes decode to records or to an error that
//! names the byte, never to a panic. Knows no file and no SQL, because several homes keep the same
//! bytes. `docs/design/journal-format.md` describes every byte; the words are in
//! `docs/GLOSSARY.md`.

mod bytes;
mod checksum;
mod codes;
mod failure;
mod fold;
mod ordinal_map;
mod ordinal_set;
mod plan_chunk;
mod record;
mod run_record;
mod segment;
#[cfg(test)]
mod tests;
mod text;
mod trace;

pub(crate) use bytes::Malformed;
pub(crate) use checksum::{Damage, Place};
pub(crate) use failure::FailureTexts;
pub(crate) use fold::{Attempt, ChunkFold, FoldedTask, TaskRecord};
pub(crate) use ordinal_map::OrdinalMap;
pub(crate) use ordinal_set::OrdinalSet;
pub(crate) use plan_chunk::{
    MAX_CHUNK_TASKS, PlanChunk, PlanChunkWriter, PlannedTask, empty_chunk,
};
pub(crate) use record::{Ended, Fact, Record};
pub(crate) use run_record::RunRecord;
#[cfg(any(feature = "postgres", test))]
pub(crate) use segment::with_distance;
pub(crate) use segment::{RunSegmentWriter, SegmentWriter, distance, records, run_records};
pub(crate) use text::Text;
pub(crate) use trace::TaskTrace;
