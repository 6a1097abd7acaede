//! The JSON Schemas (draft 2020-12) of the documents, as they are published.
//!
//! They allow fields that they do not name, because fields are only ever added. The tests check
//! that every field has its name in them.

/// A document with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// report.json.
    Report,
    /// A line of events.ndjson.
    Events,
    /// A row of results.csv, its cells by their columns.
    Results,
    /// The JSON of `report diff`.
    Diff,
    /// The JSON of a dry run and of `plan`.
    Plan,
    /// The JSON of `explain`.
    Explain,
    /// A line of the dump of exchanges.
    Dump,
    /// The JSON of `tasks`.
    Tasks,
}

impl Schema {
    /// Returns the schema.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Report => include_str!("schema/report.json"),
            Self::Events => include_str!("schema/events.json"),
            Self::Results => include_str!("schema/results.json"),
            Self::Diff => include_str!("schema/diff.json"),
            Self::Plan => include_str!("schema/plan.json"),
            Self::Dump => include_str!("schema/dump.json"),
            Self::Explain => include_str!("schema/explain.json"),
            Self::Tasks => include_str!("schema/tasks.json"),
        }
    }
}
