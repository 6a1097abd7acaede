//! Reads the files of excluded tasks, those that are given and those that the run was begun with.

use crate::cli::output::error::CommandError;
use crate::cli::run::time_check;
use batchctl::clock::Clock;
use batchctl::plan::Exclusions;
use batchctl::run::RunError;
use batchctl::settings::RunSettings;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;

/// Reads all files, and keeps their paths in the settings, so that `resume` reads them again.
///
/// A run that is taken up never loses a file: those that are given now come on top.
pub(crate) fn read(
    settings: &mut RunSettings,
    given: &[PathBuf],
    clock: Clock,
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
    let exclusions = Exclusions::read(files, &time_check::here(clock)).map_err(RunError::Input)?;
    Ok(Arc::new(exclusions))
}

/// Returns the path under which a file is found again from another directory.
fn recorded(file: &Path) -> Result<String, CommandError> {
    let path = absolute(file).map_err(CommandError::io)?;
    path.into_os_string().into_string().map_err(|path| {
        let error = format!("`--exclude {}`: the name is not UTF-8", path.to_string_lossy());
        CommandError::usage(error).with_hint("rename the file, so that `resume` finds it again")
    })
}
