//! A log file that does not grow without end: above its size it is renamed and begun anew.
//!
//! Only whole lines are written, and none is torn by a renaming. What cannot be written is
//! dropped and reported at the end, because a log must not stop a run.

use crate::cli::flags::run::UnattendedArgs;
use crate::cli::output::error::CommandError;
use crate::cli::output::in_place;
use crate::cli::output::in_place::OpenInPlace;
use crate::cli::output::replacement::remedy;
use crate::cli::output::taken_files::TakenFiles;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::{fs, io};

/// How many older files are kept: FILE.1, the youngest, to FILE.5.
const KEPT: u32 = 5;

#[derive(Debug, thiserror::Error)]
#[error("cannot write to the log file `{}`", path.display())]
struct LogFileError {
    path: PathBuf,
    source: io::Error,
}

/// The first thing that went wrong with a log file, shared with the code that opened it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogTrouble(Arc<OnceLock<String>>);

impl LogTrouble {
    /// Returns what went wrong, if anything did.
    pub(crate) fn message(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// Refuses a log file that would be written over another file, or that may not be written in place.
pub(crate) fn check(args: &UnattendedArgs, taken: &TakenFiles) -> Result<(), CommandError> {
    let Some(path) = &args.log_file else { return Ok(()) };
    in_place::check(path)?;
    let older = (1..=KEPT).map(|number| numbered(path, number));
    for path in std::iter::once(path.clone()).chain(older) {
        if let Some(what) = taken.what(&path) {
            let error = format!("`{}` is {what}; the log would overwrite it", path.display());
            return Err(CommandError::usage(error).with_hint("name another `--log-file`"));
        }
    }
    Ok(())
}

/// Opens the log file that the flags ask for.
pub(crate) fn open(args: &UnattendedArgs) -> Result<Option<LogFile>, CommandError> {
    args.log_file.as_deref().map(|path| LogFile::open(path, args.log_file_size)).transpose()
}

/// An open log file. Each `write` is taken for one or more whole lines.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    most: u64,
    trouble: LogTrouble,
}

impl LogFile {
    /// Opens a log file to go on with it, or makes a new one.
    pub(crate) fn open(path: &Path, most: u64) -> Result<Self, CommandError> {
        let not_opened = |source| {
            let hint = remedy(path, &source);
            let error = LogFileError { path: path.into(), source };
            CommandError::io(error).with_hint(hint)
        };
        let OpenInPlace { file, is_regular } = in_place::open(path).map_err(not_opened)?;
        let size = file.metadata().map_err(not_opened)?.len();
        // A stream is not renamed.
        let most = if is_regular { most } else { u64::MAX };
        let trouble = LogTrouble::default();
        Ok(Self { path: path.into(), file, size, most, trouble })
    }

    /// Returns the handle that will hold the first error.
    pub(crate) fn trouble(&self) -> LogTrouble {
        self.trouble.clone()
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let added = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        if self.size > 0 && self.size.saturating_add(added) > self.most {
            self.rotate()?;
        }
        self.file.write_all(lines)?;
        self.size = self.size.saturating_add(added);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..KEPT).rev() {
            let (younger, older) = (numbered(&self.path, number), numbered(&self.path, number + 1));
            // Fewer older files may exist.
            let _ = fs::rename(younger, older);
        }
        fs::rename(&self.path, numbered(&self.path, 1))?;
        self.file = in_place::open(&self.path)?.file;
        self.size = 0;
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.append(lines) {
            let _ = self.trouble.0.set(error.to_string());
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes lines to a log of at most 10 bytes and returns the files, the youngest first.
    fn check(lines: &[&str], expected: &[&str]) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        for line in lines {
            // Opened anew each time, as run after run does it.
            let mut log = LogFile::open(&path, 10).unwrap();
            log.write_all(line.as_bytes()).unwrap();
            assert_eq!(log.trouble().message(), None);
        }
        let older = (1..=KEPT + 1).map(|number| numbered(&path, number));
        let found: Vec<String> = std::iter::once(path.clone())
            .chain(older)
            .filter_map(|path| fs::read_to_string(path).ok())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_file_that_would_grow_too_large_is_begun_anew() {
        check(&["1111\n", "2222\n"], &["1111\n2222\n"]);
        check(&["1111\n", "2222\n", "3\n"], &["3\n", "1111\n2222\n"]);
    }

    #[test]
    fn a_line_larger_than_a_file_has_one_of_its_own() {
        check(&["1\n", "22222222222222\n", "3\n"], &["3\n", "22222222222222\n", "1\n"]);
    }

    #[test]
    fn five_older_files_are_kept() {
        let lines =
            ["aaaaaa\n", "bbbbbb\n", "cccccc\n", "dddddd\n", "eeeeee\n", "ffffff\n", "gggggg\n"];
        let kept: Vec<&str> = lines.iter().rev().take(6).copied().collect();
        check(&lines, &kept);
    }

    #[test]
    fn trouble_is_remembered_and_nothing_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs").join("log");
        fs::create_dir(path.parent().unwrap()).unwrap();
        let mut log = LogFile::open(&path, 10).unwrap();
        let trouble = log.trouble();
        log.write_all(b"1111111\n").unwrap();
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        log.write_all(b"2222222\n").unwrap();
        assert!(trouble.message().unwrap().contains("No such file"), "{:?}", trouble.message());
    }
}
