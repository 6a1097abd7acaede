//! The home of a journal in SQLite: a small door through which bodies go in and out.
//!
//! Everything that comes out has been compared with its checksum. What the bodies mean is known in
//! `journal`. See `docs/GLOSSARY.md`: plan chunk, segment.

mod chunk_bodies;
mod chunk_index;
mod door;
mod head;
mod plan_walk;
mod run_facts;
mod totals;
mod walk;
mod workers;

pub(crate) use chunk_bodies::ChunkBodies;
pub(crate) use chunk_index::ChunkIndex;
pub(crate) use door::{Home, Segment};
pub(crate) use head::head_text;
#[cfg(feature = "postgres")]
pub(crate) use head::parse_head;
pub(crate) use plan_walk::{for_each_planned, for_each_planned_of};
pub(crate) use run_facts::{for_each_fact, read_sessions};
pub(crate) use totals::Totals;
pub(crate) use walk::{FoldedSums, Walk, WalkError, told};
#[cfg(feature = "postgres")]
pub(crate) use workers::write_workers;
pub use workers::{TakeoverRow, WorkerRow};
