//! A directory of runs that vanishes with its process, for copies of what is kept elsewhere.

use crate::store::error::{StoreError, file};
use crate::store::files::copied::{COPIES, HOME};
use crate::store::files::directory::absolute;
use crate::store::files::trusted::private_directory;
use crate::system::files::OpenOptionsExt;
use std::fs;
use std::fs::{File, OpenOptions};
use std::path::Path;
use tempfile::TempDir;

/// The file in each that its process keeps locked.
const LOCK: &str = "lock";

/// Runs that vanish with this value.
#[derive(Debug)]
pub struct TemporaryRuns {
    directory: TempDir,
    /// Locked as long as the directory is in use.
    _lock: File,
}

impl TemporaryRuns {
    /// Makes an empty directory of runs below a state directory, for copies from a place that `home` names,
    /// and removes those of processes that were killed.
    ///
    /// # Errors
    ///
    /// The state directory cannot be used.
    pub fn make(state: &Path, home: &str) -> Result<Self, StoreError> {
        let copies = private_directory(&absolute(state), COPIES)?;
        sweep(&copies);
        let failed = file(&copies);
        let directory = TempDir::new_in(&copies).map_err(&failed)?;
        fs::write(directory.path().join(HOME), home).map_err(&failed)?;
        let path = directory.path().join(LOCK);
        let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let lock = lock.and_then(|lock| lock.lock().map(|()| lock)).map_err(failed)?;
        Ok(Self { directory, _lock: lock })
    }

    /// Returns the directory, as a state directory.
    pub fn state(&self) -> &Path {
        self.directory.path()
    }
}

/// Removes the directories whose processes are gone. What cannot be removed only takes up space.
fn sweep(copies: &Path) {
    for entry in fs::read_dir(copies).into_iter().flatten().flatten() {
        let path = entry.path();
        // Without a lock it has just been made.
        let lock = File::open(path.join(LOCK));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(path);
        }
    }
}
