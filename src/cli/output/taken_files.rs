//! Files that no output may be written over: inputs, settings, secrets, and other outputs.
//!
//! Files are compared by device and inode, so that another spelling and a link are found as well.

use batchctl::system::files::MetadataExt;
use batchctl::whole_file::directory_of;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How many links are followed to where a file would be made.
const MOST_LINKS: usize = 40;

/// What a path leads to: a file, or a name in a directory that has no such file yet.
#[derive(Debug, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
    missing_name: Option<OsString>,
}

impl FileIdentity {
    fn of(path: &Path) -> io::Result<Self> {
        if let Ok(found) = fs::metadata(path) {
            return Ok(Self { device: found.dev(), inode: found.ino(), missing_name: None });
        }
        let path = end_of_links(path);
        let directory = fs::metadata(directory_of(&path))?;
        let missing_name = path.file_name().map(OsString::from);
        Ok(Self { device: directory.dev(), inode: directory.ino(), missing_name })
    }
}

/// Follows links to a file that is not there.
fn end_of_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = directory_of(&path).join(target),
            Err(_) => break,
        }
    }
    path
}

/// The files that are in use, with what they are.
#[derive(Debug, Default)]
pub(crate) struct TakenFiles(Vec<(FileIdentity, &'static str)>);

impl TakenFiles {
    /// Adds a file; what cannot be looked at cannot be written either, and is passed over.
    pub(crate) fn add(&mut self, path: &Path, what: &'static str) {
        self.0.extend(FileIdentity::of(path).ok().map(|identity| (identity, what)));
    }

    /// Returns what a path leads to among these files, if it leads to one of them.
    pub(crate) fn what(&self, path: &Path) -> Option<&'static str> {
        let wanted = FileIdentity::of(path).ok()?;
        self.0.iter().find(|(taken, _)| *taken == wanted).map(|(_, what)| *what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_is_found_by_each_of_its_names() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        fs::create_dir(path("data")).unwrap();
        fs::write(path("tasks.csv"), "id\n").unwrap();
        fs::hard_link(path("tasks.csv"), path("hard.csv")).unwrap();
        symlink("tasks.csv", path("link.csv")).unwrap();
        symlink("data/new.csv", path("dangling.csv")).unwrap();
        let mut taken = TakenFiles::default();
        taken.add(&path("tasks.csv"), "an input");
        taken.add(&path("data/new.csv"), "another output");
        for name in ["tasks.csv", "./tasks.csv", "data/../tasks.csv", "hard.csv", "link.csv"] {
            assert_eq!(taken.what(&path(name)), Some("an input"), "{name}");
        }
        for name in ["data/new.csv", "data/../data/./new.csv", "dangling.csv"] {
            assert_eq!(taken.what(&path(name)), Some("another output"), "{name}");
        }
        for name in ["new.csv", "data/tasks.csv", "nowhere/new.csv", "other.csv"] {
            assert_eq!(taken.what(&path(name)), None, "{name}");
        }
    }
}
