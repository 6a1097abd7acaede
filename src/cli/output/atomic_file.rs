//! Where a document goes: to standard output, or whole over its target or not at all.

use crate::cli::output::error::CommandError;
use crate::cli::output::stream::forgive_closed;
use crate::cli::output::taken_files::directory_of;
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};
use tempfile::NamedTempFile;

/// How much is written at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Where a document goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OutputTarget {
    StandardOutput,
    File(PathBuf),
}

#[derive(Debug, thiserror::Error)]
enum TargetError {
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output")]
    Output { source: io::Error },
}

impl OutputTarget {
    /// Reads a place; `-` is standard output.
    pub(crate) fn parse(place: &str) -> Self {
        match place {
            "-" => Self::StandardOutput,
            path => Self::File(path.into()),
        }
    }

    /// Returns the file it is.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::StandardOutput => None,
            Self::File(path) => Some(path),
        }
    }

    /// Has a document written: to standard output, or beside the target and renamed over it.
    ///
    /// `fill` separates the errors: the outer one is of reading, the inner one of writing.
    pub(crate) fn write(
        &self,
        fill: impl FnOnce(&mut dyn Write) -> Result<io::Result<()>, CommandError>,
    ) -> Result<(), CommandError> {
        let Some(path) = self.path() else {
            let mut out = BufWriter::with_capacity(CHUNK_BYTES, io::stdout().lock());
            let filled = fill(&mut out)?.and_then(|()| out.flush());
            return forgive_closed(filled).map_err(not_printed);
        };
        let with_hint = |source| {
            let hint = "the run is kept: `batchctl report -o FILE.csv` writes it again, any time";
            not_written(path, source).with_hint(hint)
        };
        // In the same directory, because a rename cannot cross file systems.
        let mut file = beside(path).map_err(with_hint)?;
        let mut out = BufWriter::with_capacity(CHUNK_BYTES, file.as_file_mut());
        fill(&mut out)?.and_then(|()| out.flush()).map_err(with_hint)?;
        // The buffer borrows the file.
        drop(out);
        // Before the rename: after a power failure the target must not be an empty file.
        file.as_file().sync_all().map_err(with_hint)?;
        file.persist(path).map_err(|error| with_hint(error.error))?;
        Ok(())
    }
}

/// Opens a file beside its target, with the rights that a new file has.
pub(crate) fn beside(path: &Path) -> io::Result<NamedTempFile> {
    // A rename would replace a device or a pipe that other programs use.
    match fs::metadata(path) {
        Ok(target) if target.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(target) if !target.is_file() => {
            return Err(io::Error::other("it is there, and no regular file"));
        }
        Ok(_) | Err(_) => {}
    }
    tempfile::Builder::new()
        .prefix(".batchctl-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory_of(path))
        .map_err(without_place)
}

/// Removes the name of the temporary file from an error: the user has never seen it.
fn without_place(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.split_once(" at path ") {
        Some((cause, _)) => io::Error::new(error.kind(), cause),
        None => error,
    }
}

pub(crate) fn not_written(path: &Path, source: io::Error) -> CommandError {
    let hint = remedy(path, &source);
    let error = TargetError::Write { path: path.into(), source };
    CommandError::io(error).with_hint(hint)
}

/// Returns what helps against an error of writing.
pub(crate) fn remedy(path: &Path, error: &io::Error) -> String {
    let directory = directory_of(path);
    match error.kind() {
        io::ErrorKind::NotFound if !directory.exists() => {
            format!("make its directory: `mkdir -p {}`", directory.display())
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space there, or name a file elsewhere".into()
        }
        _ => "name a file where you may write".into(),
    }
}

pub(crate) fn not_printed(source: io::Error) -> CommandError {
    CommandError::io(TargetError::Output { source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_opening_does_not_name_the_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let message = |path: &Path| beside(path).unwrap_err().to_string();
        let missing = folder.path().join("nowhere/results.csv");
        assert_eq!(message(&missing), "No such file or directory (os error 2)");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(message(&file.join("results.csv")), "Not a directory (os error 20)");
        assert_eq!(message(folder.path()), "is a directory");
    }

    #[test]
    fn each_kind_of_error_has_its_own_hint() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("nowhere/results.csv");
        let mkdir = format!("make its directory: `mkdir -p {}/nowhere`", folder.path().display());
        let remedy = |path: &Path, kind: io::ErrorKind| remedy(path, &kind.into());
        assert_eq!(remedy(&missing, io::ErrorKind::NotFound), mkdir);
        let there = folder.path().join("results.csv");
        for (kind, expected) in [
            (io::ErrorKind::PermissionDenied, "name a file where you may write"),
            (io::ErrorKind::IsADirectory, "name a file"),
            (io::ErrorKind::StorageFull, "free some space there"),
            (io::ErrorKind::NotFound, "name a file"),
        ] {
            let advice = remedy(&there, kind);
            assert!(advice.contains(expected), "{kind:?}: {advice}");
        }
    }
}
