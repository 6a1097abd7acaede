//! Remembers beside a run what its file cannot show by itself: how many of its commits there were,
//! and which of the attempts that were begun may have left.
//!
//! SQLite takes the end of a log that was cut off, or in which a bit flipped, for the end of what
//! was committed: the run would be older than it is, and what was settled would be sent again. And an
//! attempt that was begun and never came to its end may have left or not: only those that are told
//! here before they do can have. The mark is written and never waited for. It outlasts the process,
//! but not a loss of power: after that the number of commits may be too low, which claims less and is
//! never too high, and nothing is known of what has left. A run without a mark is believed, and all
//! that was begun in it may have left.

use crate::event::AttemptSeq;
use crate::store::error::{StoreError, file, sqlite};
use crate::store::files::directory::beside;
use rusqlite::Connection;
use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The ending of the file, behind the name of the run's.
const ENDING: &str = "-mark";
/// How long the first line is. The second one holds its number twice, for a digit that is flipped
/// in it would be believed; behind it the boot is named.
const LINE: u64 = 21;
/// Where the kernel names the time since it was started: what it has not written yet is lost with it.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// How many commits a run is known to have had.
#[derive(Debug)]
pub(crate) struct Watermark {
    file: File,
    path: PathBuf,
    commits: u64,
}

impl Watermark {
    /// Opens the mark of a run that this process writes to, and that has so many attempts.
    pub(crate) fn open(
        run: &Path,
        connection: &Connection,
        attempts: u64,
    ) -> Result<Self, StoreError> {
        let path = path_of(run);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(file(&path))?;
        let commits = commits(connection).map_err(sqlite(run))?;
        let mark = Self { file, path, commits };
        // In one go: a boot must not be seen beside what was told in an earlier one.
        mark.write(&format!(
            "{}{}{}\n",
            line(commits),
            twice(attempts),
            boot().unwrap_or_default()
        ));
        Ok(mark)
    }

    /// Returns the part of it that tells what leaves.
    pub(crate) fn departures(&self) -> io::Result<Departures> {
        Ok(Departures { file: self.file.try_clone()?, path: self.path.clone() })
    }

    /// Takes note of one more commit.
    pub(crate) fn advance(&mut self) {
        self.commits += 1;
        self.write(&line(self.commits));
    }

    fn write(&self, text: &str) {
        // A mark that is too low claims less than is true; the run does not depend on it.
        let _ = self.file.write_all_at(text.as_bytes(), 0);
    }
}

/// Tells which attempts may leave.
#[derive(Debug)]
pub(crate) struct Departures {
    file: File,
    path: PathBuf,
}

impl Departures {
    /// Takes note that attempts up to this one may leave, and returns whether it is noted.
    ///
    /// Where it cannot be the mark is removed: then all that was begun may have left.
    pub(crate) fn may_leave(&self, last: AttemptSeq) -> bool {
        let noted = self.file.write_all_at(twice(last.0).as_bytes(), LINE);
        noted.is_ok() || remove_mark(&self.path).is_ok()
    }
}

fn line(number: u64) -> String {
    format!("{number:020}\n")
}

fn twice(number: u64) -> String {
    format!("{number:020} {}", line(number))
}

/// Which attempts can have left that never came to their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Departed {
    /// Any of them.
    Any,
    /// None after this one.
    UpTo(u64),
}

impl Departed {
    /// Reads it of a run, after its file was.
    pub(crate) fn of(run: &Path) -> Self {
        let text = fs::read_to_string(path_of(run)).unwrap_or_default();
        Self::read(&text, boot().as_deref())
    }

    fn read(text: &str, boot: Option<&str>) -> Self {
        let mut lines = text.lines().skip(1);
        let told = lines.next().and_then(|line| line.split_once(' '));
        let last = told.filter(|(one, other)| one == other).and_then(|(last, _)| last.parse().ok());
        let of_boot = lines.next();
        match last.filter(|_| boot.is_some() && boot == of_boot) {
            Some(last) => Self::UpTo(last),
            None => Self::Any,
        }
    }

    /// Tells whether an attempt can be one of them.
    pub(crate) fn may_include(self, seq: u64) -> bool {
        seq <= self.last()
    }

    /// Returns the last that can be one of them, as large as SQLite's numbers are at the most.
    pub(crate) fn last(self) -> u64 {
        match self {
            Self::Any => i64::MAX.unsigned_abs(),
            Self::UpTo(last) => last,
        }
    }
}

fn boot() -> Option<String> {
    let named = fs::read_to_string(BOOT).ok()?;
    Some(named.trim().to_owned()).filter(|name| !name.is_empty())
}

/// What a mark says, to be compared with a run that is opened after it was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Remembered(u64);

impl Remembered {
    /// Reads the mark of a run; nothing, if there is none that can be read.
    pub(crate) fn of(run: &Path) -> Self {
        let text = fs::read_to_string(path_of(run)).unwrap_or_default();
        Self(text.lines().next().and_then(|line| line.parse().ok()).unwrap_or(0))
    }

    /// Makes sure that the run has all the commits that are remembered.
    pub(crate) fn check(self, run: &Path, connection: &Connection) -> Result<(), StoreError> {
        let found = commits(connection).map_err(sqlite(run))?;
        if found >= self.0 {
            return Ok(());
        }
        let detail = format!("of {} commits {} are missing", self.0, self.0 - found);
        Err(StoreError::Damaged { path: run.into(), detail })
    }
}

/// Returns the file of a run's mark.
pub(crate) fn path_of(run: &Path) -> PathBuf {
    beside(run, ENDING)
}

fn commits(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT ifnull(sum(commits), 0) FROM session", [], |row| row.get(0))
}

/// Removes the mark of a run.
pub(crate) fn remove(run: &Path) -> io::Result<()> {
    remove_mark(&path_of(run))
}

fn remove_mark(mark: &Path) -> io::Result<()> {
    match fs::remove_file(mark) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_of(commits: u64) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE session (commits INTEGER)").unwrap();
        connection.execute("INSERT INTO session VALUES (?)", [commits]).unwrap();
        connection
    }

    fn check(text: Option<&str>, commits: u64, expected: bool) {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run.db");
        text.into_iter().for_each(|text| fs::write(path_of(&run), text).unwrap());
        let checked = Remembered::of(&run).check(&run, &run_of(commits));
        assert_eq!(checked.is_ok(), expected, "{text:?} of {commits}");
    }

    #[test]
    fn a_run_with_fewer_commits_than_are_remembered_is_damaged() {
        check(Some("00000000000000000007\n"), 6, false);
        check(Some("00000000000000000007\n"), 7, true);
        check(Some("00000000000000000007\n"), 8, true);
    }

    #[test]
    fn without_a_mark_a_run_is_believed() {
        check(None, 0, true);
        check(Some(""), 3, true);
        check(Some("nonsense"), 3, true);
    }

    #[test]
    fn a_mark_goes_on_from_what_the_run_has() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run.db");
        let mut mark = Watermark::open(&run, &run_of(9), 0).unwrap();
        assert_eq!(Remembered::of(&run), Remembered(9));
        mark.advance();
        assert_eq!(Remembered::of(&run), Remembered(10));
    }

    #[test]
    fn what_may_leave_is_told_beside_the_commits() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run.db");
        assert_eq!(Departed::of(&run), Departed::Any);
        let mut mark = Watermark::open(&run, &run_of(9), 40).unwrap();
        assert_eq!(Departed::of(&run), Departed::UpTo(40));
        assert!(mark.departures().unwrap().may_leave(AttemptSeq(47)));
        mark.advance();
        assert_eq!(
            (Departed::of(&run), Remembered::of(&run)),
            (Departed::UpTo(47), Remembered(10))
        );
        assert!(Departed::of(&run).may_include(47) && !Departed::of(&run).may_include(48));
    }

    #[test]
    fn what_was_told_before_a_loss_of_power_is_not_believed() {
        let told = format!("{}{}{}\n", line(3), twice(7), "a-boot");
        assert_eq!(Departed::read(&told, Some("a-boot")), Departed::UpTo(7));
        for (text, boot) in [
            (told.as_str(), Some("another")),
            (&told, None),
            (&told[..told.len() - 3], Some("a-boot")),
            (&line(3), Some("a-boot")),
            (&format!("{}x x\na-boot\n", line(3)), Some("a-boot")),
            (&told.replacen('7', "6", 1), Some("a-boot")),
            (&format!("{}{}a-boot\n", line(3), line(7)), Some("a-boot")),
            ("", Some("a-boot")),
            ("", Some("")),
        ] {
            assert_eq!(Departed::read(text, boot), Departed::Any, "{text:?} {boot:?}");
        }
    }

    #[test]
    fn a_mark_that_cannot_be_written_is_removed_rather_than_too_low() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run.db");
        Watermark::open(&run, &run_of(9), 40).unwrap();
        let path = path_of(&run);
        let departures = Departures { file: File::open(&path).unwrap(), path: path.clone() };
        assert!(departures.may_leave(AttemptSeq(41)));
        assert!(!path.exists() && Departed::of(&run) == Departed::Any);
    }
}
