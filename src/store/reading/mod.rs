//! Reads a run: rows in order, without writing, from one snapshot.

mod changes;
mod compare;
mod divided;
mod failed;
mod reader;
mod record;
mod sendings;

pub use compare::{TaskPair, for_each_pair};
pub use reader::RunReader;
pub(crate) use reader::first_rows;
pub use record::{NewRun, RunRecord, SessionRecord, SourceRecord, StoredEnd};
