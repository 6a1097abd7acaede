//! Checks that nobody else can have put a file or a directory where the store uses it.
//!
//! A directory that others can write may hold a link in the place of a file. A process that writes
//! through the link destroys another file, with the rights of its user. So a directory must belong
//! to this user and be closed to writing by others. A file must be a regular one of this user and
//! never a link. Opening never waits: a pipe without a writer would block the program before any
//! signal is handled.

use crate::store::error::{StoreError, file};
use crate::system::files::OFlags;
use crate::system::files::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use crate::text::shell_quoted;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::Read;
use std::path::Path;
use std::{fs, io, path::PathBuf};

/// The rights of directories: all for their owner, none for others.
const PRIVATE: u32 = 0o700;
/// The maximum size of a small file, in bytes.
const MAX_TEXT_BYTES: u64 = 1 << 20;
/// The bits of a mode that let others write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Creates a directory below the state directory if it is missing, and checks both.
///
/// Only this user may be able to write them.
///
/// # Errors
///
/// [`StoreError::Untrusted`] if others can write it or own it; otherwise those of the file system.
pub fn private_directory(state: &Path, below: &str) -> Result<PathBuf, StoreError> {
    make(state)?;
    check_directory(state)?;
    if below.is_empty() {
        return Ok(state.to_owned());
    }
    let path = state.join(below);
    make(&path)?;
    check_directory(&path)?;
    Ok(path)
}

fn make(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(PRIVATE).create(path).map_err(file(path))
}

/// Checks that nobody else can replace a file in a directory.
///
/// The sticky bit does not help: it keeps others from removing a file, not from creating one of
/// that name first.
pub(crate) fn check_directory(path: &Path) -> Result<(), StoreError> {
    let found = fs::metadata(path).map_err(file(path))?;
    check_owner(path, &found)?;
    if found.permissions().mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(StoreError::Untrusted {
            path: path.into(),
            reason: "other users can write it".into(),
            remedy: format!("close it: `chmod 700 {}`", shell_quoted(&path.to_string_lossy())),
        });
    }
    Ok(())
}

/// Opens a file of this user to write to it, or creates it.
pub(crate) fn open_to_write(path: &Path) -> Result<File, StoreError> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    open(path, &mut options)
}

/// Opens a file of this user to read it; `None` if it is missing.
pub(crate) fn open_to_read(path: &Path) -> Result<Option<File>, StoreError> {
    match open(path, File::options().read(true)) {
        Ok(file) => Ok(Some(file)),
        Err(StoreError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Reads a small file of this user; `None` if it is missing, untrusted or unreadable.
///
/// For files that only save work: a run does not depend on them.
pub(crate) fn read_text(path: &Path) -> Option<String> {
    let mut text = String::new();
    open_to_read(path).ok()??.take(MAX_TEXT_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Checks that a file, if it exists, is a regular one of this user.
///
/// For SQLite, which opens files by their names. The directory is checked first, so that nobody
/// else can put another file there in between.
pub(crate) fn check_file(path: &Path) -> Result<(), StoreError> {
    match fs::symlink_metadata(path) {
        Ok(found) => check(path, &found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(file(path)(error)),
    }
}

fn open(path: &Path, options: &mut OpenOptions) -> Result<File, StoreError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).expect("the flags of `open` fit its argument");
    let opened = options.custom_flags(flags).open(path);
    let handle = opened.map_err(|error| match fs::symlink_metadata(path) {
        // The kernel's word for a link is "too many levels", which explains nothing.
        Ok(found) if !found.is_file() => {
            check(path, &found).err().unwrap_or_else(|| file(path)(error))
        }
        Ok(_) | Err(_) => file(path)(error),
    })?;
    let found = handle.metadata().map_err(file(path))?;
    check(path, &found)?;
    Ok(handle)
}

fn check(path: &Path, found: &Metadata) -> Result<(), StoreError> {
    let kind = found.file_type();
    let untrusted = |reason: String, remedy: String| {
        Err(StoreError::Untrusted { path: path.into(), reason, remedy })
    };
    if kind.is_symlink() {
        let remedy = "look where it leads, and remove the link".to_owned();
        return untrusted("it is a symbolic link".into(), remedy);
    }
    if !kind.is_file() {
        return untrusted("it is not a regular file".into(), "remove it".into());
    }
    check_owner(path, found)
}

/// Checks that nobody else owns a file or a directory.
fn check_owner(path: &Path, found: &Metadata) -> Result<(), StoreError> {
    let (uid, own) = (found.uid(), crate::system::process::geteuid().as_raw());
    if uid == own {
        return Ok(());
    }
    Err(StoreError::Untrusted {
        path: path.into(),
        reason: format!("user {uid} owns it, and this process runs as user {own}"),
        remedy: "name a directory of your own with `--state-dir DIR`".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, mknodat};
    use std::os::unix::fs::symlink;

    fn folder() -> tempfile::TempDir {
        tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap()
    }

    #[test]
    fn a_directory_that_is_made_is_private_whatever_the_umask() {
        let folder = folder();
        let made = private_directory(&folder.path().join("a/b"), "runs").unwrap();
        for path in [folder.path().join("a/b"), made] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused_with_the_chmod_to_type() {
        for mode in [0o777, 0o1777, 0o770, 0o702] {
            let folder = folder();
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            let error = private_directory(folder.path(), "runs").unwrap_err();
            assert!(error.to_string().ends_with("other users can write it"), "{error}");
            assert_eq!(error.hint(), format!("close it: `chmod 700 {}`", folder.path().display()));
        }
    }

    fn check_refused(make: impl FnOnce(&Path), reason: &str) {
        let folder = folder();
        let path = folder.path().join("x.lock");
        make(&path);
        for error in [
            open_to_write(&path).map(drop).unwrap_err(),
            open_to_read(&path).map(drop).unwrap_err(),
            check_file(&path).unwrap_err(),
        ] {
            assert!(error.to_string().ends_with(reason), "{error}");
        }
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_is_waited_for() {
        check_refused(|path| symlink("/etc/hostname", path).unwrap(), "it is a symbolic link");
        check_refused(|path| symlink("nowhere", path).unwrap(), "it is a symbolic link");
        check_refused(|path| fs::create_dir(path).unwrap(), "it is not a regular file");
        let fifo = |path: &Path| {
            mknodat(CWD, path, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        };
        check_refused(fifo, "it is not a regular file");
    }

    #[test]
    fn a_file_that_is_missing_is_made_or_absent() {
        let folder = folder();
        let path = folder.path().join("x.lock");
        assert!(open_to_read(&path).unwrap().is_none());
        check_file(&path).unwrap();
        open_to_write(&path).unwrap();
        assert!(open_to_read(&path).unwrap().is_some());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
