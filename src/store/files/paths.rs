//! The files beside a run's own: their names and their removal.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Returns the path of a file that belongs to another, such as SQLite's log.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Removes a file, if it exists.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Returns whether a file of a run has one of those beside it that it has on its machine.
pub(crate) fn has_company(path: &Path) -> bool {
    let is_there = |path: &Path| fs::metadata(path).is_ok_and(|found| found.len() > 0);
    // A log without a byte comes from a look at the file. All targets of a run have one lock.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let lock = path.with_file_name(format!("{}.lock", name.split('.').next().unwrap_or_default()));
    [beside(path, "-mark"), beside(path, "-wal"), lock].iter().any(|path| is_there(path))
}
