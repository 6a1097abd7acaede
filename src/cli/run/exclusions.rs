//! Reads the files of excluded tasks, those that are given and those that the run was begun with.

use crate::cli::output::documents::Document;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream::Stderr;
use crate::cli::output::taken_files::TakenFiles;
use crate::cli::output::{documents, dump};
use crate::cli::run::scene::LaunchFlags;
use crate::cli::run::{log_file, time_check};
use batchctl::clock::Clock;
use batchctl::input::RowRules;
use batchctl::plan::Exclusions;
use batchctl::run::RunError;
use batchctl::settings::RunSettings;
use batchctl::text::printable;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;

/// The most columns of a file's name in a message.
const LONGEST_NAME: usize = 200;

/// Reads all files, and keeps their paths in the settings, so that `resume` reads them again.
///
/// A run that is taken up never loses a file: those that are given now come on top.
pub(crate) fn read(
    settings: &mut RunSettings,
    given: &[PathBuf],
    rules: Option<RowRules>,
    clock: Clock,
    stderr: &Stderr,
) -> Result<Arc<Exclusions>, CommandError> {
    let kept = &mut settings.choice.exclude;
    let mut files: Vec<PathBuf> = Vec::new();
    let mut paths: Vec<String> = Vec::new();
    for file in given {
        let path = recorded(file)?;
        if !paths.contains(&path) {
            paths.push(path);
            // As it was typed, for messages.
            files.push(file.clone());
        }
    }
    for path in kept.drain(..) {
        if !paths.contains(&path) {
            files.push(PathBuf::from(&path));
            paths.push(path);
        }
    }
    *kept = paths;
    // Without a file no zone is needed, and this machine's is found among hundreds of files.
    if files.is_empty() {
        return Ok(Arc::default());
    }
    let exclusions =
        Exclusions::read(files, rules, &time_check::here(clock)).map_err(RunError::Input)?;
    for file in exclusions.without_rows() {
        let file = printable(file, LONGEST_NAME);
        stderr.say("warning", &format!("`{file}` excludes no task: it has a header and no rows"));
    }
    Ok(Arc::new(exclusions))
}

/// Makes sure that no output is written over a file that the run reads now or when it is resumed.
pub(crate) fn protect(
    settings: &RunSettings,
    documents: &[Document],
    flags: &LaunchFlags<'_>,
) -> Result<(), CommandError> {
    let mut taken = TakenFiles::default();
    for path in &settings.choice.exclude {
        taken.add(Path::new(path), "a file of excluded tasks");
    }
    documents::check_free(documents, &taken)?;
    dump::check(&flags.reporting.dump, &taken)?;
    log_file::check(&flags.reporting.unattended, &taken)
}

/// Returns the path under which a file is found again from another directory.
fn recorded(file: &Path) -> Result<String, CommandError> {
    let path = absolute(file).map_err(CommandError::io)?;
    path.into_os_string().into_string().map_err(|path| {
        let error = format!("`--exclude {}`: the name is not UTF-8", path.to_string_lossy());
        CommandError::usage(error).with_hint("rename the file, so that `resume` finds it again")
    })
}
