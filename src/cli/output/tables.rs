//! Tables in files, which are written while the report of their run is read: one walk for all.
//!
//! A table on standard output is not among them, because a stream cannot be taken back if the run
//! turns out to be damaged.

use crate::cli::output::atomic_file::not_kept;
use crate::cli::output::documents::Document;
use crate::cli::output::error::CommandError;
use crate::cli::output::replacement::Replacement;
use batchctl::report::{Grouping, ResultsOptions, ResultsWriter};
use batchctl::store::{SourceRecord, TaskRow};
use std::collections::VecDeque;
use std::path::PathBuf;

/// The tables among some documents, in their order; an error is that of one table alone.
pub(crate) struct Tables(Vec<Result<Table, CommandError>>);

struct Table {
    path: PathBuf,
    writer: ResultsWriter<Replacement>,
}

impl Tables {
    /// Begins the tables of a run with these inputs; rows name their targets if it has some.
    pub(crate) fn begin(
        documents: &[Document],
        common: &ResultsOptions,
        sources: &[SourceRecord],
        has_targets: bool,
    ) -> Self {
        let table = |document: &Document| {
            let path = document.table_path()?.to_owned();
            let (options, sources) = (document.options(common), sources.to_vec());
            Some(Replacement::begin(&path).map(|replacement| Table {
                path,
                writer: ResultsWriter::begin(sources, has_targets, &options, replacement),
            }))
        };
        Self(documents.iter().filter_map(table).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the row of a task to every table that selects it.
    pub(crate) fn row(&mut self, task: &TaskRow, grouping: &Grouping) {
        for table in self.0.iter_mut().flatten() {
            table.writer.row(task, grouping);
        }
    }

    /// Puts the tables in the place of their targets; returns what became of each.
    pub(crate) fn finish(self) -> VecDeque<Result<(), CommandError>> {
        let finish = |table: Result<Table, CommandError>| {
            let Table { path, writer } = table?;
            let finished = writer.finish().and_then(|(_, replacement)| replacement.finish());
            finished.map_err(|source| not_kept(&path, source))
        };
        self.0.into_iter().map(finish).collect()
    }
}
