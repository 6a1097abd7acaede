//! A loss of power: of all files only what was synced is left.
//!
//! A library of a few lines stands between the program and its disk, see `synced.c`.

use crate::support::service::Rehearsal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Builds a library of this folder, to be loaded before the system's.
pub(crate) fn build_library(folder: &Path, name: &str) -> PathBuf {
    let library = folder.join(format!("{name}.so"));
    let source = format!("{}/tests/crash/{name}.c", env!("CARGO_MANIFEST_DIR"));
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([library.as_os_str(), source.as_ref(), "-ldl".as_ref()])
        .status();
    assert!(built.unwrap().success(), "the library is built");
    library
}

/// The disk of one run.
pub(crate) struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Puts a disk that can lose power below the program.
    pub(crate) fn below(rehearsal: &mut Rehearsal) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = build_library(folder.path(), "synced");
        let disk = Self { folder };
        fs::create_dir(disk.synced()).unwrap();
        rehearsal.scene.set("LD_PRELOAD", library.to_str().unwrap());
        rehearsal.scene.set("BATCHCTL_TEST_SYNCED", disk.synced().to_str().unwrap());
        disk
    }

    fn synced(&self) -> PathBuf {
        self.folder.path().join("synced")
    }

    /// Leaves of all files what was synced.
    pub(crate) fn lose_power(&self, rehearsal: &Rehearsal) {
        let runs = rehearsal.state.join("runs");
        let Ok(entries) = fs::read_dir(&runs) else { return };
        for entry in entries {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for entry in fs::read_dir(self.synced()).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name();
            if !name.to_str().unwrap().ends_with(".half") {
                fs::copy(entry.path(), runs.join(name)).unwrap();
            }
        }
    }
}
