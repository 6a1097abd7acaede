//! Opens files that are written in place: the log file and the events of a run.
//!
//! Nothing is waited for, and only regular files are opened. What others can put in the place of
//! such a file is never written through, because its lines would end up in a file of their choice.

use crate::cli::output::error::CommandError;
use crate::cli::output::replacement::resolved;
use batchctl::system::files::AsFd;
use batchctl::system::files::MetadataExt;
use batchctl::system::files::{Mode, OFlags};
use batchctl::system::process::geteuid;
use batchctl::whole_file::directory_of;
use std::fs;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The bits of a mode that let others than the owner write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

#[derive(Debug, thiserror::Error)]
enum InPlaceError {
    #[error("`{}` is no regular file", path.display())]
    NotRegular { path: PathBuf },
    #[error("`{}` has more than one name, in a directory that others can change", path.display())]
    LinkedTwice { path: PathBuf },
    #[error("cannot look at `{}`", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

/// A stream of this process that a path names.
enum Stream {
    Output,
    Error,
}

fn stream(path: &Path) -> Option<Stream> {
    match path.to_str()? {
        "/dev/stdout" | "/dev/fd/1" => Some(Stream::Output),
        "/dev/stderr" | "/dev/fd/2" => Some(Stream::Error),
        _ => None,
    }
}

/// Returns whether a path names a stream of this process.
pub(crate) fn is_stream(path: &Path) -> bool {
    stream(path).is_some()
}

/// Refuses what may not be written in place, before anything is sent.
///
/// # Errors
///
/// 2 for anything but a regular file or a stream of this process, and for a link that others may
/// have made. A file that is not there yet is fine.
pub(crate) fn check(path: &Path) -> Result<(), CommandError> {
    if is_stream(path) {
        return Ok(());
    }
    resolved(path)?;
    match fs::metadata(path) {
        Ok(found) if found.is_file() => refuse_names_of_others(path, &found),
        Ok(_) => Err(not_regular(path)),
        Err(_) => Ok(()),
    }
}

fn not_regular(path: &Path) -> CommandError {
    CommandError::usage(InPlaceError::NotRegular { path: path.into() })
        .with_hint("name a file, or `/dev/stdout` or `/dev/stderr` for a stream")
}

/// Refuses a file with further names if others may have given it this one.
fn refuse_names_of_others(path: &Path, found: &fs::Metadata) -> Result<(), CommandError> {
    let directory = directory_of(path);
    if found.nlink() > 1 && is_shared(directory).map_err(|source| unreadable(path, source))? {
        return Err(linked_twice(path));
    }
    Ok(())
}

fn unreadable(path: &Path, source: io::Error) -> CommandError {
    CommandError::io(InPlaceError::Unreadable { path: path.into(), source })
}

fn linked_twice(path: &Path) -> CommandError {
    CommandError::usage(InPlaceError::LinkedTwice { path: path.into() })
        .with_hint("name a file in a directory of your own")
}

/// Returns whether others than this user and root can put files into a directory.
fn is_shared(directory: &Path) -> io::Result<bool> {
    let found = fs::metadata(directory)?;
    let owner = found.uid();
    let is_of_others = owner != geteuid().as_raw() && owner != 0;
    Ok(is_of_others || found.mode() & WRITABLE_BY_OTHERS != 0)
}

/// An open file, and whether it is a regular one.
#[derive(Debug)]
pub(crate) struct OpenInPlace {
    pub(crate) file: File,
    /// A stream is neither cut nor renamed.
    pub(crate) is_regular: bool,
}

/// Opens a file to append to it, or makes a new one; never waits.
pub(crate) fn open(path: &Path) -> io::Result<OpenInPlace> {
    open_with(path, 0o666)
}

/// Opens a file as [`open`] does; a new one is for its owner alone.
pub(crate) fn open_private(path: &Path) -> io::Result<OpenInPlace> {
    open_with(path, 0o600)
}

fn open_with(path: &Path, mode_of_new: u32) -> io::Result<OpenInPlace> {
    // A stream's own descriptor: opening its name anew would wait for the reader of a pipe.
    match stream(path) {
        Some(Stream::Output) => return of_stream(&io::stdout()),
        Some(Stream::Error) => return of_stream(&io::stderr()),
        None => {}
    }
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NONBLOCK;
    // Without this, a link that was put there since the check would be followed.
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let flags = if is_link { flags } else { flags | OFlags::NOFOLLOW };
    let file =
        File::from(batchctl::system::files::open(path, flags, Mode::from_raw_mode(mode_of_new))?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(OpenInPlace { file, is_regular: true })
}

fn of_stream(stream: &impl AsFd) -> io::Result<OpenInPlace> {
    let file = File::from(stream.as_fd().try_clone_to_owned()?);
    Ok(OpenInPlace { file, is_regular: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn directory(mode: u32) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        directory
    }

    #[track_caller]
    fn check_path(path: &Path, expected: Option<&str>) {
        let refused = check(path).map_err(|error| format!("{error:?}"));
        match expected {
            None => refused.unwrap(),
            Some(kind) => assert!(refused.unwrap_err().contains(kind), "{}", path.display()),
        }
    }

    #[test]
    fn only_regular_files_and_own_links_are_opened() {
        let (own, shared) = (directory(0o700), directory(0o1777));
        let own = |name: &str| own.path().join(name);
        let shared = |name: &str| shared.path().join(name);
        fs::write(own("file"), "").unwrap();
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, own("pipe"), mode).unwrap();
        symlink("file", own("link")).unwrap();
        symlink("nowhere", own("dangling")).unwrap();
        symlink(own("file"), shared("link")).unwrap();
        symlink(shared("link"), own("chain")).unwrap();
        symlink(own("new"), shared("dangling")).unwrap();
        fs::write(shared("file"), "").unwrap();
        fs::hard_link(own("file"), shared("hard")).unwrap();
        for fine in [own("file"), own("link"), own("dangling"), own("new"), shared("file")] {
            check_path(&fine, None);
        }
        check_path(Path::new("/dev/stderr"), None);
        for (path, kind) in [
            (own("pipe"), "NotRegular"),
            (own(""), "NotRegular"),
            (shared("link"), "Link"),
            (own("chain"), "Link"),
            (shared("dangling"), "Link"),
            (shared("hard"), "Link"),
        ] {
            check_path(&path, Some(kind));
        }
        assert!(open(&own("pipe")).is_err());
    }
}
