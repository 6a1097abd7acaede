//! Documents with a row for each task: all of them are written in the walk over the tasks in which the
//! report of their run is read.
//!
//! What needs sums in front of its rows waits in a spool, and so does what goes to standard output,
//! because a stream cannot be taken back if the run turns out to be damaged.

use crate::cli::output::atomic_file::not_kept;
use crate::cli::output::documents::{Document, Material, RowKind, of_rows};
use crate::cli::output::error::CommandError;
use crate::cli::output::replacement::Replacement;
use batchctl::reading::{RunReader, TaskRow};
use batchctl::report::{
    JUnitWriter, PageWriter, ResultsOptions, ResultsWriter, Spool, TaskContext,
};
use batchctl::store::StoreError;
use batchctl::whole_file::directory_of;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use tempfile::env::temp_dir;

/// The documents with rows among some documents, in their order; an error is that of one of them
/// alone.
pub(crate) struct RowDocuments(VecDeque<Result<RowDocument, CommandError>>);

/// A document that is being written.
enum RowDocument {
    /// A table in a file.
    Table(ResultsWriter<Replacement>),
    /// A table on standard output.
    Printed(ResultsWriter<Spool>),
    JUnit(JUnitWriter),
    Page(PageWriter),
}

impl RowDocuments {
    /// Begins the documents of a run. What waits for standard output is kept in `directory`, if it
    /// can be.
    pub(crate) fn begin(
        documents: &[Document],
        common: &ResultsOptions,
        run: &RunReader,
        directory: &Path,
    ) -> Result<Self, StoreError> {
        let mut begun = VecDeque::new();
        for document in documents {
            let Some(kind) = document.row_kind() else { continue };
            let options = document.options(common);
            begun.push_back(RowDocument::begin(document, kind, &options, (run, directory))?);
        }
        Ok(Self(begun))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the row of a task to every document that selects it.
    pub(crate) fn row(&mut self, task: &TaskRow, context: &TaskContext) {
        for document in self.0.iter_mut().flatten() {
            document.row(task, context);
        }
    }

    /// Puts the next document in its place.
    pub(crate) fn finish_next(
        &mut self,
        document: &Document,
        material: &Material<'_>,
    ) -> Option<Result<(), CommandError>> {
        document.row_kind()?;
        let begun = self.0.pop_front()?;
        Some(begun.and_then(|begun| begun.finish(document, material)))
    }
}

impl RowDocument {
    fn begin(
        document: &Document,
        kind: RowKind,
        options: &ResultsOptions,
        (run, directory): (&RunReader, &Path),
    ) -> Result<Result<Self, CommandError>, StoreError> {
        let sources = run.record()?.sources;
        let room = document.path().map_or_else(|| room_in(directory), |it| directory_of(it).into());
        let spool = || Spool::in_directory(&room);
        Ok(Ok(match (kind, document.path()) {
            (RowKind::Results, None) => {
                let has_targets = run.has_targets();
                Self::Printed(ResultsWriter::begin(sources, has_targets, options, spool()))
            }
            (RowKind::Results, Some(path)) => match Replacement::begin(path) {
                Ok(file) => {
                    let has_targets = run.has_targets();
                    Self::Table(ResultsWriter::begin(sources, has_targets, options, file))
                }
                Err(error) => return Ok(Err(error)),
            },
            (RowKind::JUnit, _) => {
                Self::JUnit(JUnitWriter::begin(&sources, &options.only, spool()))
            }
            (RowKind::Page, _) => Self::Page(PageWriter::begin(run, &room)?),
        }))
    }

    fn row(&mut self, task: &TaskRow, context: &TaskContext) {
        match self {
            Self::Table(writer) => writer.row(task, context.grouping()),
            Self::Printed(writer) => writer.row(task, context.grouping()),
            Self::JUnit(writer) => writer.row(task),
            Self::Page(writer) => writer.row(task, context),
        }
    }

    fn finish(self, document: &Document, material: &Material<'_>) -> Result<(), CommandError> {
        let Material { reader, report, .. } = *material;
        let writer = match self {
            Self::Table(writer) => {
                let finished = writer.finish().and_then(|(_, file)| file.finish());
                let path = document.path().expect("a table in a file has a path");
                return finished.map_err(|source| not_kept(path, source));
            }
            spooled => spooled,
        };
        document.target().write(document.content(), |mut out| match writer {
            Self::Printed(writer) => {
                Ok(writer.finish().and_then(|(_, spool)| spool.copy_into(out)))
            }
            Self::JUnit(writer) => Ok(writer.finish(report, out)),
            Self::Page(writer) => of_rows(writer.finish(reader, report, &mut out)),
            Self::Table(_) => Ok(Ok(())),
        })
    }
}

/// Returns a directory for what waits for standard output: this one, unless no file can be made there.
fn room_in(directory: &Path) -> PathBuf {
    // Temporary files may be in memory, and the disk of the run has room for its documents.
    match tempfile::tempfile_in(directory) {
        Ok(_) => directory.into(),
        Err(_) => temp_dir(),
    }
}
