//! Attacks the store: refused plans, killed processes, full disks, damaged files.
//!
//! Everything here goes through the public door and looks at the files from outside, except where
//! a disk has to be full at a given moment.

mod damage;
mod full;
mod killed;
mod model;
pub(crate) mod script;
mod survey;
mod writer;

use super::{NewRun, RunDirectory, RunId, RunLock, RunWriter, StoreError, UnsettledTask};
use crate::clock::Timestamp;
use crate::event::{Event, EventKind};
use crate::input::{CommandSource, InputOptions, Source};
use crate::loading::{NewPlan, PlannedRun, plan_run};
use crate::reading::{RunReader, TaskRow};
use crate::settings::RunSettings;
use crate::task::{Command, Outcome};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The time at which every run of these tests was planned.
pub(crate) const ORIGIN: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);
/// The id of every run of these tests.
pub(crate) const RUN: &str = "20240705-120000-aaaa";
/// The number of last sending times that a writer returns.
pub(crate) const RECALL: u32 = 5;

pub(crate) fn at(seconds: i64) -> Timestamp {
    ORIGIN.plus_micros(seconds * 1_000_000)
}

pub(crate) fn new_run() -> NewRun {
    NewRun {
        id: RUN.parse().unwrap(),
        parent: Some("20240704-120000-zzzz".parse().unwrap()),
        outstanding_before: Some(7),
        job: Some("nightly".into()),
        reason: Some("maintenance".into()),
        command: "stop".into(),
        origin: ORIGIN,
        endpoint: "https://vias.example.com".into(),
        project_id: "p1".into(),
        settings: RunSettings::default(),
        service: None,
    }
}

/// A plan of inputs that are all called by their place: `in1`, `in2` …
pub(crate) fn new_plan(inputs: &[&str]) -> NewPlan {
    let source = |(number, text): (u32, &&str)| {
        let reader = Box::new(Cursor::new((*text).to_owned()));
        Source::Stream { name: format!("in{number}"), reader }
    };
    NewPlan::of(
        (1..).zip(inputs).map(source).collect(),
        InputOptions::new(CommandSource::Fixed(Command::STOP)),
    )
}

/// A state directory of its own, with one run in it or none.
pub(crate) struct Fixture {
    pub(crate) state: TempDir,
    pub(crate) runs: RunDirectory,
}

impl Fixture {
    pub(crate) fn empty() -> Self {
        let state = tempfile::tempdir().unwrap();
        let runs = RunDirectory::open(state.path()).unwrap();
        Self { state, runs }
    }

    /// A run of the ids in a text, one a line.
    pub(crate) fn planned(ids: &str) -> Self {
        let fixture = Self::empty();
        match fixture.plan(new_plan(&[ids])).unwrap() {
            PlannedRun::Ready { .. } => fixture,
            PlannedRun::Refused(problems) => panic!("{:?}", problems.shown),
        }
    }

    /// A run of that many tasks.
    pub(crate) fn with_tasks(count: u32) -> Self {
        Self::planned(&(0..count).map(|n| format!("task-{n:04}\n")).collect::<String>())
    }

    /// The same run in another directory, as it is on the disk at this moment.
    ///
    /// Without SQLite's shared memory, which a power failure does not leave behind either.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::empty();
        for path in [self.file(), self.log()] {
            if path.exists() {
                fs::copy(&path, copy.directory().join(path.file_name().unwrap())).unwrap();
            }
        }
        copy
    }

    pub(crate) fn plan(&self, new: NewPlan) -> Result<PlannedRun, StoreError> {
        plan_run(&self.runs, &new_run(), new, "a test")
    }

    pub(crate) fn run(&self) -> RunId {
        RUN.parse().unwrap()
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.state.path().join("runs")
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.runs.file(&self.run())
    }

    /// SQLite's write-ahead log.
    pub(crate) fn log(&self) -> PathBuf {
        self.directory().join(format!("{RUN}.db-wal"))
    }

    /// The names of all files beside the run's.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory()).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(|e| name(e).into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn lock(&self) -> RunLock {
        self.runs.lock(&self.run(), "a test").unwrap()
    }

    /// Opens the run for writing; the writer alone keeps the lock.
    pub(crate) fn open(&self) -> Result<RunWriter, StoreError> {
        RunWriter::open(&self.runs, &self.lock(), at(100), RECALL)
    }

    pub(crate) fn writer(&self) -> RunWriter {
        self.open().unwrap()
    }

    pub(crate) fn reader(&self) -> RunReader {
        RunReader::open(&self.runs, &self.run()).unwrap()
    }

    /// Reads all tasks, and makes sure that a walk over the failed ones says the same of them.
    pub(crate) fn rows(&self) -> Vec<TaskRow> {
        let rows = rows(&self.reader()).unwrap();
        let is_failed = |row: &&TaskRow| {
            matches!(row.outcome, Outcome::Partial | Outcome::Failed | Outcome::Ambiguous)
        };
        assert!(failed_rows(&self.reader()).iter().eq(rows.iter().filter(is_failed)));
        rows
    }

    /// A connection of somebody else to the run's file.
    pub(crate) fn stranger(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.file()).unwrap()
    }
}

pub(crate) fn rows(reader: &RunReader) -> Result<Vec<TaskRow>, StoreError> {
    let mut rows = Vec::new();
    reader.for_each_task(|row| {
        rows.push(row);
        Ok::<(), StoreError>(())
    })?;
    Ok(rows)
}

pub(crate) fn failed_rows(reader: &RunReader) -> Vec<TaskRow> {
    let mut rows = Vec::new();
    let read = reader.for_each_failed_task(|row| {
        rows.push(row);
        Ok::<(), StoreError>(())
    });
    read.unwrap();
    rows
}

/// Commits events, and lets the attempts leave that begin in them.
pub(crate) fn commit(writer: &RunWriter, events: Vec<Event>) {
    let begun = events.iter().filter_map(|event| match event.kind {
        EventKind::AttemptStarted { seq, .. } => Some(seq),
        _ => None,
    });
    let last = begun.max();
    commit_only(writer, events);
    assert!(last.is_none_or(|last| writer.may_leave(last)));
}

/// Commits events; no attempt that begins in them leaves.
pub(crate) fn commit_only(writer: &RunWriter, events: Vec<Event>) {
    let given = events.clone();
    assert_eq!(wait(writer.commit(events)).unwrap(), given, "the events come back");
}

pub(crate) fn claim(writer: &RunWriter, most: usize) -> Vec<UnsettledTask> {
    wait(writer.claim(most)).unwrap()
}

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
