//! The watermark of a run: a file beside the run's with two facts that the run's own file cannot
//! show.
//!
//! 1. The number of commits. SQLite takes a log that was cut off, or in which a bit flipped, for
//!    the end of what was committed. The run would look older than it is, and settled tasks would
//!    be sent again.
//! 2. The last attempt that may have left. An attempt that was begun and never ended may have left
//!    or not; it can have left only if the watermark covered it before.
//!
//! The watermark is written and never synced. It outlasts the process but not a loss of power.
//! Then the number of commits may be too low, which is safe because it claims less. Nothing is
//! known of what has left, so all attempts that were begun may have left. The same holds for a run
//! without a watermark. See `docs/GLOSSARY.md`: watermark.

use crate::event::AttemptSeq;
use crate::store::error::StoreError;
use crate::store::files::paths::{beside, remove_if_there};
use crate::store::files::trusted::{open_to_write, read_text};
use crate::system::files::FileExt;
use crate::system::machine;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The ending of the file's name, behind the name of the run's file.
const ENDING: &str = "-mark";
/// The length of the first line, which holds the commits. The second line holds its number twice,
/// because a flipped digit in it would be believed. The third line names the boot.
const LINE: u64 = 21;
/// What a watermark says about its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watermark {
    /// The number of commits that the run is known to have had.
    pub(crate) commits: u64,
    /// The attempts without an end that may have left.
    pub(crate) may_have_left: MayHaveLeft,
}

/// The attempts that may have left, among those that never ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MayHaveLeft {
    /// Any of them.
    Any,
    /// None after this one.
    UpTo(u64),
}

impl Watermark {
    /// Reads the watermark of a run; a part that cannot be read claims nothing.
    pub(crate) fn read(run: &Path) -> Self {
        let text = read_text(&path_of(run)).unwrap_or_default();
        Self::parse(&text, boot().as_deref())
    }

    fn parse(text: &str, boot: Option<&str>) -> Self {
        let mut lines = text.lines();
        let commits = lines.next().and_then(|line| line.parse().ok()).unwrap_or(0);
        // Half-written or damaged numbers differ from their copy.
        let twice = lines.next().and_then(|line| line.split_once(' '));
        let last = twice.filter(|(one, other)| one == other);
        let last = last.and_then(|(last, _)| last.parse().ok());
        // Of another boot it says nothing: the line may be older than attempts that left since.
        let is_of_this_boot = boot.is_some() && boot == lines.next();
        let may_have_left =
            last.filter(|_| is_of_this_boot).map_or(MayHaveLeft::Any, MayHaveLeft::UpTo);
        Self { commits, may_have_left }
    }

    /// Checks that the run has all the commits that the watermark remembers.
    ///
    /// The watermark must be read before the run is opened, or a commit in between looks missing.
    pub(crate) fn check(self, run: &Path, found: u64) -> Result<(), StoreError> {
        // More commits than remembered are normal: the watermark may have lost its last writes.
        if found >= self.commits {
            return Ok(());
        }
        let detail = format!("of {} commits {} are missing", self.commits, self.commits - found);
        Err(StoreError::Damaged { path: run.into(), detail })
    }
}

impl MayHaveLeft {
    /// Returns whether an attempt without an end may have left.
    pub(crate) fn includes(self, seq: u64) -> bool {
        seq <= self.last()
    }

    /// Returns the number of the last attempt that may have left, at most SQLite's largest number.
    pub(crate) fn last(self) -> u64 {
        match self {
            Self::Any => i64::MAX.unsigned_abs(),
            Self::UpTo(last) => last,
        }
    }
}

/// Counts the commits of this process into the watermark.
#[derive(Debug)]
pub(crate) struct CommitWriter {
    file: File,
    path: PathBuf,
    commits: u64,
}

impl CommitWriter {
    /// Opens the watermark of a run that this process writes to, given the numbers of its commits
    /// and attempts.
    pub(crate) fn open(run: &Path, commits: u64, attempts: u64) -> Result<Self, StoreError> {
        let path = path_of(run);
        let file = open_to_write(&path)?;
        let writer = Self { file, path, commits };
        // In one write: the name of this boot must not stand beside a number of an earlier one.
        let (commits, attempts) = (line(commits), twice(attempts));
        writer.write(&format!("{commits}{attempts}{}\n", boot().unwrap_or_default()));
        Ok(writer)
    }

    /// Returns the writer of the other fact, for the thread that sends.
    pub(crate) fn departure_writer(&self) -> io::Result<DepartureWriter> {
        Ok(DepartureWriter { file: self.file.try_clone()?, path: self.path.clone() })
    }

    /// Counts one more commit.
    pub(crate) fn advance(&mut self) {
        self.commits += 1;
        self.write(&line(self.commits));
    }

    fn write(&self, text: &str) {
        // A watermark that is too low claims less than is true; the run does not depend on it.
        let _ = self.file.write_all_at(text.as_bytes(), 0);
    }
}

/// Writes into the watermark which attempts may leave.
#[derive(Debug)]
pub(crate) struct DepartureWriter {
    file: File,
    path: PathBuf,
}

impl DepartureWriter {
    /// Records that attempts up to this one may leave, and returns whether they may.
    ///
    /// If it cannot be written the watermark is removed: then all attempts that were begun may
    /// have left.
    pub(crate) fn may_leave(&self, last: AttemptSeq) -> bool {
        let written = self.file.write_all_at(twice(last.0).as_bytes(), LINE);
        written.is_ok() || remove_if_there(&self.path).is_ok()
    }
}

fn line(number: u64) -> String {
    format!("{number:020}\n")
}

fn twice(number: u64) -> String {
    format!("{number:020} {}", line(number))
}

fn boot() -> Option<String> {
    // What the kernel has not written yet is lost with the time that this names.
    machine::boot().ok().filter(|name| !name.is_empty())
}

/// Returns the path of a run's watermark.
fn path_of(run: &Path) -> PathBuf {
    beside(run, ENDING)
}

/// Removes the watermark of a run.
pub(crate) fn remove(run: &Path) -> io::Result<()> {
    remove_if_there(&path_of(run))
}

#[cfg(test)]
mod tests {
    use super::*;
    use MayHaveLeft::{Any, UpTo};
    use std::fs;

    fn check(text: Option<&str>, commits: u64, expected: bool) {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run.db");
        if let Some(text) = text {
            fs::write(path_of(&run), text).unwrap();
        }
        let checked = Watermark::read(&run).check(&run, commits);
        assert_eq!(checked.is_ok(), expected, "{text:?} of {commits}");
    }

    #[test]
    fn a_run_with_fewer_commits_than_are_remembered_is_damaged() {
        check(Some("00000000000000000007\n"), 6, false);
        check(Some("00000000000000000007\n"), 7, true);
        check(Some("00000000000000000007\n"), 8, true);
    }

    #[test]
    fn without_a_watermark_a_run_is_believed() {
        check(None, 0, true);
        check(Some(""), 3, true);
        check(Some("nonsense"), 3, true);
    }

    #[test]
    fn a_watermark_continues_from_the_commits_of_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run.db");
        let mut writer = CommitWriter::open(&run, 9, 0).unwrap();
        assert_eq!(Watermark::read(&run).commits, 9);
        writer.advance();
        assert_eq!(Watermark::read(&run).commits, 10);
    }

    #[test]
    fn departures_are_kept_beside_the_commits() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run.db");
        assert_eq!(Watermark::read(&run), Watermark { commits: 0, may_have_left: Any });
        let mut writer = CommitWriter::open(&run, 9, 40).unwrap();
        assert_eq!(Watermark::read(&run).may_have_left, UpTo(40));
        assert!(writer.departure_writer().unwrap().may_leave(AttemptSeq(47)));
        writer.advance();
        let read = Watermark::read(&run);
        assert_eq!(read, Watermark { commits: 10, may_have_left: UpTo(47) });
        assert!(read.may_have_left.includes(47) && !read.may_have_left.includes(48));
    }

    #[test]
    fn departures_from_before_a_loss_of_power_are_not_believed() {
        let text = format!("{}{}{}\n", line(3), twice(7), "a-boot");
        let parse = |text: &str, boot| Watermark::parse(text, boot).may_have_left;
        assert_eq!(parse(&text, Some("a-boot")), UpTo(7));
        for (text, boot) in [
            (text.as_str(), Some("another")),
            (&text, None),
            (&text[..text.len() - 3], Some("a-boot")),
            (&line(3), Some("a-boot")),
            (&format!("{}x x\na-boot\n", line(3)), Some("a-boot")),
            (&text.replacen('7', "6", 1), Some("a-boot")),
            (&format!("{}{}a-boot\n", line(3), line(7)), Some("a-boot")),
            ("", Some("a-boot")),
            ("", Some("")),
        ] {
            assert_eq!(parse(text, boot), Any, "{text:?} {boot:?}");
        }
    }

    #[test]
    fn a_watermark_that_cannot_be_written_is_removed_rather_than_too_low() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run.db");
        CommitWriter::open(&run, 9, 40).unwrap();
        let path = path_of(&run);
        let departure_writer =
            DepartureWriter { file: File::open(&path).unwrap(), path: path.clone() };
        assert!(departure_writer.may_leave(AttemptSeq(41)));
        assert!(!path.exists() && Watermark::read(&run).may_have_left == Any);
    }
}
