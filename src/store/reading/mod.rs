//! Reads a run: rows in order, without writing, from one snapshot.
//!
//! The words of states and outcomes are explained in `docs/GLOSSARY.md`.

mod compare;
mod queries;
mod reader;
mod record;

pub use compare::{TaskPair, for_each_pair};
pub(crate) use queries::{first_rows, plan_row};
pub use reader::RunReader;
pub use record::{NewRun, RunRecord, SessionRecord, SourceRecord, StoredEnd};
