//! A file that is whole from the moment that others see it.
//!
//! Where the system can do it, the file has no name before it is whole. So nothing is left of it if the
//! process is killed while it writes. Must not know what is written.

use crate::system::files::{
    FlockOperation, MetadataExt, Mode, OFlags, OsStrExt, PermissionsExt, can_be_linked, flock,
    link_file, open,
};
use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};
use tempfile::NamedTempFile;
use twox_hash::XxHash3_64;

/// The rights of a file that its owner alone may read and write.
pub const FOR_ITS_OWNER: u32 = 0o600;

/// A file that is being written, and has not yet its name.
///
/// ```
/// # use batchctl::whole_file::WholeFile;
/// # use std::io::Write;
/// # fn main() -> std::io::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let target = folder.path().join("results.csv");
/// let mut file = WholeFile::begin(&target, 0o666)?;
/// file.write_all(b"id,outcome\n")?;
/// assert!(!target.exists());
/// file.replace()?;
/// assert_eq!(std::fs::read(&target)?, b"id,outcome\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WholeFile {
    draft: Draft,
    target: PathBuf,
}

#[derive(Debug)]
enum Draft {
    Nameless(File),
    /// On a file system where every file has a name.
    Named(NamedTempFile),
}

impl WholeFile {
    /// Opens an empty file that is to have this name, with the rights of `mode` as far as the umask
    /// allows.
    ///
    /// # Errors
    ///
    /// The directory is missing, or this process may not write there.
    pub fn begin(target: &Path, mode: u32) -> io::Result<Self> {
        let (directory, target) = (directory_of(target), target.to_owned());
        // What does not work is tried with a name, and the error of that is told.
        if let Some(file) = nameless(directory, mode) {
            return Ok(Self { draft: Draft::Nameless(file), target });
        }
        let permissions = Permissions::from_mode(mode);
        let named = temporary().permissions(permissions).tempfile_in(directory);
        let named = named.map_err(without_place)?;
        Ok(Self { draft: Draft::Named(named), target })
    }

    /// Returns the file.
    pub fn file(&self) -> &File {
        match &self.draft {
            Draft::Nameless(file) => file,
            Draft::Named(named) => named.as_file(),
        }
    }

    /// Returns the file to write to.
    pub fn file_mut(&mut self) -> &mut File {
        match &mut self.draft {
            Draft::Nameless(file) => file,
            Draft::Named(named) => named.as_file_mut(),
        }
    }

    /// Gives the file its name, in the place of whatever has it. What is in it is not brought to the disk.
    ///
    /// Of two processes that do so at the same moment one is first. The target is always whole: the one
    /// before, or one of theirs.
    ///
    /// # Errors
    ///
    /// The directory cannot be written, or the target is a directory.
    pub fn replace(self) -> io::Result<()> {
        remove_left(&self.target);
        match self.draft {
            Draft::Nameless(file) => name(&file, &self.target),
            Draft::Named(named) => {
                named.persist(&self.target).map(drop).map_err(|error| error.error)
            }
        }
    }

    /// Gives the file its name, if nothing has it.
    ///
    /// # Errors
    ///
    /// Something has that name, or the directory cannot be written.
    pub fn create_new(self) -> io::Result<()> {
        match self.draft {
            Draft::Nameless(file) => Ok(link_file(&file, &self.target)?),
            Draft::Named(named) => {
                named.persist_noclobber(&self.target).map(drop).map_err(|error| error.error)
            }
        }
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file_mut().flush()
    }
}

/// Removes a file, and what a process that was killed while it named it has left of it. Returns whether
/// it was there.
///
/// # Errors
///
/// The directory cannot be written.
pub fn remove(target: &Path) -> io::Result<bool> {
    remove_left(target);
    match fs::remove_file(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// Returns the directory that a path's last name stands in.
pub fn directory_of(path: &Path) -> &Path {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    directory.unwrap_or(Path::new("."))
}

/// Opens a file without a name, where there can be one and it can be named later.
fn nameless(directory: &Path, mode: u32) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = open(directory, flags, Mode::from_raw_mode(mode)).ok().map(File::from)?;
    can_be_linked(&file).then_some(file)
}

fn name(file: &File, target: &Path) -> io::Result<()> {
    if linked(file, target)? {
        return Ok(());
    }
    // A link replaces nothing, and only what has a name can be renamed. It is always the same name, so
    // that a killed process leaves no more than one file, and the next one removes it.
    let stand_in = stand_in(target);
    // As long as this process lives, no other one takes its file for one that was left.
    let _ = flock(file, FlockOperation::NonBlockingLockExclusive);
    if linked(file, &stand_in)? {
        return fs::rename(&stand_in, target).inspect_err(|_| drop(fs::remove_file(&stand_in)));
    }
    // Another process is at the same step, or another user has left something there.
    let link = |path: &Path| link_file(file, path).map_err(io::Error::from);
    let named = temporary().make_in(directory_of(target), link).map_err(without_place)?;
    named.persist(target).map(drop).map_err(|error| error.error)
}

/// Removes what a process has left that was killed while it named its file. What cannot be told from
/// the file of a living one stays.
fn remove_left(target: &Path) {
    let stand_in = stand_in(target);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(left) = open(&stand_in, flags, Mode::empty()).map(File::from) else { return };
    let locked = flock(&left, FlockOperation::NonBlockingLockExclusive).is_ok();
    // It may have been renamed since it was opened. Now that it is locked, it stays where it is.
    if locked && is_at(&left, &stand_in) {
        let _ = fs::remove_file(&stand_in);
    }
}

fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".batchctl-");
    builder
}

/// Returns the name that a file has for a moment before it takes the place of its target.
fn stand_in(target: &Path) -> PathBuf {
    // Not the target's own name: with more letters it may be too long.
    let hash = XxHash3_64::oneshot(target.file_name().unwrap_or(OsStr::new("")).as_bytes());
    target.with_file_name(format!(".batchctl-unfinished-{hash:016x}"))
}

/// Gives a file a name; returns whether nothing had it.
fn linked(file: &File, name: &Path) -> io::Result<bool> {
    match link_file(file, name).map_err(io::Error::from) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        linked => linked.map(|()| true),
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let Ok(own) = file.metadata() else { return false };
    let found = fs::symlink_metadata(path);
    found.is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino()))
}

/// Removes the name of the temporary file from an error: the user has never seen it.
pub(crate) fn without_place(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.split_once(" at path ") {
        Some((cause, _)) => io::Error::new(error.kind(), cause),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const MODE: u32 = 0o640;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.csv");
        (folder, target)
    }

    fn written(target: &Path, content: &str) -> WholeFile {
        let mut file = WholeFile::begin(target, MODE).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file
    }

    fn content(target: &Path) -> String {
        fs::read_to_string(target).unwrap()
    }

    fn names(folder: &tempfile::TempDir) -> usize {
        fs::read_dir(folder.path()).unwrap().count()
    }

    /// Returns a file with a name, as on a file system where there are no others.
    fn named(target: &Path, content: &str) -> WholeFile {
        let mut named = temporary().tempfile_in(directory_of(target)).unwrap();
        named.write_all(content.as_bytes()).unwrap();
        WholeFile { draft: Draft::Named(named), target: target.to_owned() }
    }

    #[test]
    fn nothing_is_left_of_a_file_whose_process_ends_before_it_is_whole() {
        let (folder, target) = folder();
        if nameless(folder.path(), MODE).is_none() {
            // Every file of this file system has a name.
            return;
        }
        let begun = written(&target, "one");
        assert_eq!(names(&folder), 0);
        std::mem::forget(begun);
        for text in ["two", "three"] {
            written(&target, text).replace().unwrap();
            assert_eq!((content(&target).as_str(), names(&folder)), (text, 1));
        }
    }

    #[test]
    fn what_a_process_left_that_was_killed_while_it_gave_the_name_goes_with_the_next() {
        let (folder, target) = folder();
        let other = folder.path().join("b.csv");
        assert_ne!(stand_in(&target), stand_in(&other));
        for begin in [written, named] {
            for already in [false, true] {
                fs::write(stand_in(&target), "left").unwrap();
                fs::write(stand_in(&other), "of another").unwrap();
                if already {
                    fs::write(&target, "old").unwrap();
                }
                begin(&target, "new").replace().unwrap();
                assert_eq!((content(&target).as_str(), names(&folder)), ("new", 2), "{already}");
                fs::remove_file(&target).unwrap();
            }
        }
        fs::write(stand_in(&target), "left").unwrap();
        assert!(!remove(&target).unwrap());
        fs::write(&target, "whole").unwrap();
        assert!(remove(&target).unwrap());
        assert_eq!(names(&folder), 1, "only that of another");
    }

    #[test]
    fn what_cannot_be_removed_keeps_no_file_from_its_name() {
        let (folder, target) = folder();
        fs::create_dir(stand_in(&target)).unwrap();
        for text in ["one", "two"] {
            written(&target, text).replace().unwrap();
            assert_eq!((content(&target).as_str(), names(&folder)), (text, 2));
        }
    }

    #[test]
    fn the_file_of_a_living_process_stays() {
        let (folder, target) = folder();
        fs::write(&target, "old").unwrap();
        fs::write(stand_in(&target), "at this moment").unwrap();
        let living = File::open(stand_in(&target)).unwrap();
        flock(&living, FlockOperation::NonBlockingLockExclusive).unwrap();
        written(&target, "new").replace().unwrap();
        assert_eq!((content(&target).as_str(), names(&folder)), ("new", 2));
        assert_eq!(content(&stand_in(&target)), "at this moment");
    }

    #[test]
    fn of_many_that_write_one_file_each_ends_well_and_it_is_always_whole() {
        let (folder, target) = folder();
        written(&target, &"x".repeat(4_000)).replace().unwrap();
        thread::scope(|scope| {
            for letter in ["a", "b", "c", "d"] {
                let target = &target;
                scope.spawn(move || {
                    for _ in 0..200 {
                        written(target, &letter.repeat(4_000)).replace().unwrap();
                        let found = content(target);
                        let first = &found[..1];
                        assert_eq!(found, first.repeat(4_000));
                    }
                });
            }
        });
        assert_eq!(names(&folder), 1);
    }

    #[test]
    fn a_new_file_takes_no_others_place() {
        let (folder, target) = folder();
        for begin in [written, named] {
            begin(&target, "first").create_new().unwrap();
            let error = begin(&target, "second").create_new().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!((content(&target).as_str(), names(&folder)), ("first", 1));
            fs::remove_file(&target).unwrap();
        }
    }

    #[test]
    fn a_name_may_be_as_long_as_the_system_allows_and_a_directory_stays() {
        let (folder, _) = folder();
        let target = folder.path().join("n".repeat(255));
        for text in ["one", "two"] {
            written(&target, text).replace().unwrap();
            assert_eq!((content(&target).as_str(), names(&folder)), (text, 1));
        }
        let directory = folder.path().join("directory");
        fs::create_dir(&directory).unwrap();
        assert!(written(&directory, "one").replace().is_err());
        assert_eq!((directory.is_dir(), names(&folder)), (true, 2));
    }
}
