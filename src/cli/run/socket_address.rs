//! Where a run's socket is bound and found, however long its path is.
//!
//! The address of a socket holds 108 bytes. A longer path is named by way of its directory, open
//! in this process.

use batchctl::system::files::AsRawFd;
use batchctl::system::files::OsStrExt;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The most bytes of a path in an address, its end mark left out; other systems have 104 with it.
const LONGEST: usize = 103;

/// A path that fits into an address for as long as this is there.
pub(crate) struct Address {
    path: PathBuf,
    _directory: Option<File>,
}

impl Address {
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        if path.as_os_str().as_bytes().len() <= LONGEST {
            return Ok(Self { path: path.to_owned(), _directory: None });
        }
        let directory = File::open(path.parent().unwrap_or(Path::new(".")))?;
        let name = path.file_name().unwrap_or(OsStr::new(""));
        let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
        Ok(Self { path, _directory: Some(directory) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_socket_is_found_at_the_end_of_a_long_path() {
        for depth in [0, 1, 4] {
            let folder = tempfile::tempdir().unwrap();
            let deep =
                (0..depth).fold(folder.path().to_owned(), |path, _| path.join("x".repeat(99)));
            std::fs::create_dir_all(&deep).unwrap();
            let path = deep.join("run.sock");
            let _listener = UnixListener::bind(Address::new(&path).unwrap().path()).unwrap();
            UnixStream::connect(Address::new(&path).unwrap().path()).unwrap();
            assert!(path.exists());
        }
    }
}
