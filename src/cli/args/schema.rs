//! The flags of `schema`.

use batchctl::report::Schema;
use clap::Args;
use clap::ValueEnum;

const SCHEMA_HELP: &str = "\
Examples:
  batchctl schema report > report.schema.json
  batchctl schema events | jq '.oneOf[].properties.event.const'";

#[derive(Debug, Args)]
#[command(after_help = SCHEMA_HELP)]
pub(crate) struct SchemaArgs {
    /// The document it describes
    pub(crate) document: DocumentChoice,
}

/// A document with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentChoice {
    /// report.json
    Report,
    /// A line of events.ndjson
    Events,
    /// A row of results.csv, its cells by their columns
    Results,
    /// The JSON of `report diff`
    Diff,
}

impl From<DocumentChoice> for Schema {
    fn from(document: DocumentChoice) -> Self {
        match document {
            DocumentChoice::Report => Self::Report,
            DocumentChoice::Events => Self::Events,
            DocumentChoice::Results => Self::Results,
            DocumentChoice::Diff => Self::Diff,
        }
    }
}
