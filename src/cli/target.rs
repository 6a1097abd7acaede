//! Where a document goes: to standard output, or whole over its target or not at all.

use super::failure::Failure;
use super::stream::forgive_closed;
use batchctl::report::ExitStatus;
use std::fs;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use tempfile::NamedTempFile;

/// How much is written at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Where a document goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
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

impl Target {
    /// Reads a place; `-` is standard output.
    pub(super) fn of(place: &str) -> Self {
        match place {
            "-" => Self::StandardOutput,
            path => Self::File(path.into()),
        }
    }

    /// Returns the file it is.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::StandardOutput => None,
            Self::File(path) => Some(path),
        }
    }

    /// Has a document written: to standard output, or beside the target and renamed over it.
    ///
    /// What `fill` returns tells what it could not read from what it could not write.
    pub(super) fn write(
        &self,
        fill: impl FnOnce(&mut dyn Write) -> Result<io::Result<()>, Failure>,
    ) -> Result<(), Failure> {
        let Some(path) = self.path() else {
            let mut out = BufWriter::with_capacity(CHUNK_BYTES, io::stdout().lock());
            let filled = fill(&mut out)?.and_then(|()| out.flush());
            return forgive_closed(filled).map_err(not_printed);
        };
        let told = |source| {
            let hint = "the run is kept: `batchctl report -o FILE.csv` writes it again, any time";
            not_written(path, source).with_hint(hint.to_owned())
        };
        let mut file = beside(path).map_err(told)?;
        let mut out = BufWriter::with_capacity(CHUNK_BYTES, file.as_file_mut());
        fill(&mut out)?.and_then(|()| out.flush()).map_err(told)?;
        drop(out);
        file.as_file().sync_all().map_err(told)?;
        file.persist(path).map_err(|error| told(error.error))?;
        Ok(())
    }
}

/// Opens a file beside its target, with the rights that a new file has.
pub(super) fn beside(path: &Path) -> io::Result<NamedTempFile> {
    // A rename would put a file in the place of a device or a pipe, for whoever uses it next.
    match fs::metadata(path) {
        Ok(target) if target.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(target) if !target.is_file() => {
            return Err(io::Error::other("it is there, and no regular file"));
        }
        Ok(_) | Err(_) => {}
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    // Without it, the error would name the temporary file, which nobody knows.
    fs::metadata(directory)?;
    tempfile::Builder::new()
        .prefix(".batchctl-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)
}

pub(super) fn not_written(path: &Path, source: io::Error) -> Failure {
    let error = TargetError::Write { path: path.into(), source };
    Failure::new(ExitStatus::InputOutput, error)
}

pub(super) fn not_printed(source: io::Error) -> Failure {
    Failure::new(ExitStatus::InputOutput, TargetError::Output { source })
}
