//! A file that takes the place of another: written beside it, with its rights, and put there whole.

use crate::cli::output::early_sync::EarlySync;
use crate::cli::output::error::CommandError;
use batchctl::system::files::{MetadataExt, PermissionsExt, fchown};
use batchctl::system::process::geteuid;
use batchctl::text::shell_quoted;
use batchctl::whole_file::{FOR_ITS_OWNER, WholeFile, directory_of};
use std::fs::{File, Metadata, Permissions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The rights of a file that takes no other's place, before the umask.
const NEW: u32 = 0o666;
/// The bits of a mode that let others write.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// The most links that are followed; a longer chain is a circle.
const MAX_LINKS: usize = 8;

#[derive(Debug, thiserror::Error)]
enum ReplacementError {
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("`{}` is a link that others can change: {reason}", path.display())]
    Link { path: PathBuf, reason: String },
}

/// A file that is to take the place of its target.
#[derive(Debug)]
pub(crate) struct Replacement {
    whole: WholeFile,
    early: EarlySync,
}

impl Replacement {
    /// Opens a file beside a target. Nothing is in it before it has the rights of the target.
    ///
    /// If the target is a link, the file takes the place of what the link names.
    pub(crate) fn begin(path: &Path) -> Result<Self, CommandError> {
        let target = resolved(path)?;
        Self::beside(&target).map_err(|source| not_written(path, source))
    }

    fn beside(target: &Path) -> io::Result<Self> {
        let replaced = fs::metadata(target).ok();
        // A rename would replace a device or a pipe that other programs use.
        match &replaced {
            Some(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Some(found) if !found.is_file() => {
                return Err(io::Error::other("it is there, and no regular file"));
            }
            Some(_) | None => {}
        }
        let mode = if replaced.is_some() { FOR_ITS_OWNER } else { NEW };
        let whole = WholeFile::begin(target, mode)?;
        if let Some(replaced) = replaced {
            take_rights(whole.file(), &replaced)?;
        }
        Ok(Self { whole, early: EarlySync::default() })
    }

    /// Returns the file to write to.
    pub(crate) fn file_mut(&mut self) -> &mut File {
        self.whole.file_mut()
    }

    /// Puts the file in the place of its target, whole and on disk.
    pub(crate) fn finish(self) -> io::Result<()> {
        // Both before the rename: after a power failure the target must not be an empty file.
        self.early.finish()?;
        self.whole.file().sync_all()?;
        self.whole.replace()
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.whole.write(bytes)?;
        self.early.note(written, self.whole.file());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.whole.flush()
    }
}

/// Gives a file the owner, group and mode of the one that it replaces, as far as that is allowed.
fn take_rights(file: &File, replaced: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    let mut mode = replaced.mode() & 0o777;
    if own.uid() != replaced.uid() && geteuid().is_root() {
        fchown(file, Some(replaced.uid()), None)?;
    }
    if own.gid() != replaced.gid() && fchown(file, None, Some(replaced.gid())).is_err() {
        // Another group must not read what was meant for that one alone.
        mode &= !0o070 | (mode & 0o007) << 3;
    }
    // After the owner, because a change of owner clears bits of the mode.
    file.set_permissions(Permissions::from_mode(mode))
}

/// Returns the file that a path names in the end.
///
/// A link is followed if it is this user's own, and nobody else can put another in its place or in
/// that of its target. Otherwise others could choose which file is overwritten.
pub(crate) fn resolved(path: &Path) -> Result<PathBuf, CommandError> {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(found) = fs::symlink_metadata(&target) else { return Ok(target) };
        if !found.is_symlink() {
            if target != path {
                check_own(path, &target, &found)?;
            }
            return Ok(target);
        }
        check_own(path, &target, &found)?;
        let named = fs::read_link(&target).map_err(|source| not_written(path, source))?;
        target = directory_of(&target).join(named);
        check_directory(path, directory_of(&target))?;
    }
    Err(not_written(path, io::Error::other("it is a link that leads in a circle")))
}

fn check_own(path: &Path, part: &Path, found: &Metadata) -> Result<(), CommandError> {
    if found.uid() != geteuid().as_raw() {
        return Err(refused(path, format!("user {} owns `{}`", found.uid(), part.display())));
    }
    check_directory(path, directory_of(part))
}

fn check_directory(path: &Path, directory: &Path) -> Result<(), CommandError> {
    let found = fs::metadata(directory).map_err(|source| not_written(path, source))?;
    let owner = found.uid();
    if owner != geteuid().as_raw() && owner != 0 {
        return Err(refused(path, format!("user {owner} owns `{}`", directory.display())));
    }
    if found.mode() & WRITABLE_BY_OTHERS != 0 {
        let reason = format!("other users can write `{}`", directory.display());
        return Err(refused(path, reason));
    }
    Ok(())
}

fn refused(path: &Path, reason: String) -> CommandError {
    let error = ReplacementError::Link { path: path.into(), reason };
    CommandError::usage(error).with_hint("name the file itself, or remove the link")
}

/// Returns the error of a file that cannot be written, with what helps.
pub(crate) fn not_written(path: &Path, source: io::Error) -> CommandError {
    let hint = remedy(path, &source);
    let error = ReplacementError::Write { path: path.into(), source };
    CommandError::io(error).with_hint(hint)
}

/// Returns what helps against an error of writing.
pub(crate) fn remedy(path: &Path, error: &io::Error) -> String {
    let directory = directory_of(path);
    match error.kind() {
        io::ErrorKind::NotFound if !directory.exists() => {
            format!("make its directory: `mkdir -p {}`", shell_quoted(&directory.to_string_lossy()))
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space there, or name a file elsewhere".into()
        }
        io::ErrorKind::FileTooLarge => "raise the limit of file sizes: `ulimit -f`".into(),
        _ => "name a file where you may write".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use batchctl::report::ExitStatus;
    use batchctl::system::files::Mode;
    use std::os::unix::fs::symlink;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn an_error_of_opening_does_not_name_the_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let message = |path: &Path| Replacement::beside(path).unwrap_err().to_string();
        let missing = folder.path().join("nowhere/results.csv");
        assert_eq!(message(&missing), "No such file or directory (os error 2)");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(message(&file.join("results.csv")), "Not a directory (os error 20)");
        assert_eq!(message(folder.path()), "is a directory");
    }

    #[test]
    fn each_kind_of_error_has_its_own_hint() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("nowhere/results.csv");
        let mkdir = format!("make its directory: `mkdir -p {}/nowhere`", folder.path().display());
        let remedy = |path: &Path, kind: io::ErrorKind| remedy(path, &kind.into());
        assert_eq!(remedy(&missing, io::ErrorKind::NotFound), mkdir);
        let there = folder.path().join("results.csv");
        for (kind, expected) in [
            (io::ErrorKind::PermissionDenied, "name a file where you may write"),
            (io::ErrorKind::IsADirectory, "name a file"),
            (io::ErrorKind::StorageFull, "free some space there"),
            (io::ErrorKind::FileTooLarge, "ulimit -f"),
            (io::ErrorKind::NotFound, "name a file"),
        ] {
            let advice = remedy(&there, kind);
            assert!(advice.contains(expected), "{kind:?}: {advice}");
        }
    }

    #[test]
    fn only_a_regular_file_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (file, pipe) = (directory.path().join("a.csv"), directory.path().join("pipe.csv"));
        fs::write(&file, "old").unwrap();
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
        assert!(Replacement::begin(&file).is_ok());
        assert!(Replacement::begin(&directory.path().join("new.csv")).is_ok());
        assert!(Replacement::begin(&pipe).is_err());
        assert!(Replacement::begin(directory.path()).is_err());
        assert!(Replacement::begin(&directory.path().join("nowhere").join("a.csv")).is_err());
    }

    #[test]
    fn a_file_has_the_rights_of_its_target_before_anything_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("a.csv");
        for mode in [0o600, 0o640, 0o644, 0o664, 0o400] {
            fs::write(&target, "old").unwrap_or_default();
            set_mode(&target, mode);
            let mut begun = Replacement::begin(&target).unwrap();
            let found = begun.file_mut().metadata().unwrap();
            assert_eq!((found.mode() & 0o777, found.len()), (mode, 0), "{mode:o}");
        }
    }

    #[test]
    fn what_an_own_link_names_is_replaced_and_the_link_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (link, data) = (folder.path().join("latest.csv"), folder.path().join("data"));
        fs::create_dir(&data).unwrap();
        symlink("data/today.csv", &link).unwrap();
        // Also a file that is still to be made.
        for content in ["one", "two"] {
            let mut begun = Replacement::begin(&link).unwrap();
            begun.file_mut().write_all(content.as_bytes()).unwrap();
            begun.finish().unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read_to_string(data.join("today.csv")).unwrap(), content);
        }
        for shared in [&data, &folder.path().to_owned()] {
            set_mode(shared, 0o1777);
            assert_eq!(Replacement::begin(&link).unwrap_err().status, ExitStatus::Usage);
            set_mode(shared, 0o700);
        }
        let circle = folder.path().join("circle.csv");
        symlink("circle.csv", &circle).unwrap();
        assert_eq!(Replacement::begin(&circle).unwrap_err().status, ExitStatus::InputOutput);
    }
}
