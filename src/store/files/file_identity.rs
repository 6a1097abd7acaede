//! Notices that a run's files were removed or replaced while a process writes to them.
//!
//! The process could go on writing to a file without a name, and all of it would vanish with its
//! end. The check precedes every commit, because nothing may be sent that nobody can find later.

use crate::store::error::{StoreError, file};
use crate::store::files::paths::beside;
use crate::system::files::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A run's file and its log, as they were when the run was opened.
#[derive(Debug)]
pub(crate) struct FileIdentity {
    files: [(PathBuf, Identity); 2],
}

/// The device and the inode, which stay the same as long as the file is the same.
type Identity = (u64, u64);

impl FileIdentity {
    /// Notes the files of a run that is open and has been written to, so that its log exists.
    pub(crate) fn read(path: &Path) -> Result<Self, StoreError> {
        let noted = |path: PathBuf| match identity(&path) {
            Ok(identity) => Ok((path, identity)),
            Err(error) => Err(file(&path)(error)),
        };
        Ok(Self { files: [noted(path.to_owned())?, noted(beside(path, "-wal"))?] })
    }

    /// Checks that both files still have their names.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        // A file that cannot be looked at counts as changed: what is written might be lost.
        let changed = |(path, noted): &&(PathBuf, Identity)| {
            !identity(path).is_ok_and(|found| found == *noted)
        };
        match self.files.iter().find(changed) {
            None => Ok(()),
            Some((path, _)) => Err(StoreError::Gone { path: path.clone() }),
        }
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&Path), expected: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.db");
        fs::write(&path, "run").unwrap();
        fs::write(beside(&path, "-wal"), "log").unwrap();
        let noted = FileIdentity::read(&path).unwrap();
        change(&path);
        assert_eq!(noted.check().is_ok(), expected);
    }

    #[test]
    fn writing_to_a_file_does_not_change_its_identity() {
        check(|path| fs::write(path, "more").unwrap(), true);
    }

    #[test]
    fn a_removed_or_replaced_file_is_noticed() {
        check(|path| fs::remove_file(path).unwrap(), false);
        check(|path| fs::remove_file(beside(path, "-wal")).unwrap(), false);
        check(
            |path| {
                fs::write(path.with_extension("new"), "run").unwrap();
                fs::rename(path.with_extension("new"), path).unwrap();
            },
            false,
        );
    }
}
