//! The directory of runs: finds a run by its id, and locks it for one process.
//!
//! See `docs/GLOSSARY.md`: run, session.

use crate::store::error::{StoreError, file};
use crate::store::files::network_check::refuse_network;
use crate::store::files::paths::{beside, remove_if_there};
use crate::store::files::trusted::{open_to_read, open_to_write, private_directory};
use crate::store::files::watermark;
use crate::store::ids::RunId;
use crate::system::files::MetadataExt;
use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io, thread};

/// How often a held lock is tried, and at which interval: `is_locked` of another process holds it
/// for a moment as well.
const LOCK_TRIES: u32 = 10;
const LOCK_STEP: Duration = Duration::from_millis(20);

/// How many ids are tried for a new run: as many as could be planned in a second.
const MOST_IDS: u32 = 26 * 26;

/// The directory of the runs, below the state directory.
const RUNS: &str = "runs";
/// The maximum length of a holder's name, in bytes.
const MAX_HOLDER_BYTES: u64 = 4 << 10;
/// The ending of the file of a plan that is not complete.
const UNFINISHED: &str = ".planning";

/// The directory that holds all runs, one file each.
#[derive(Debug, Clone)]
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// Uses `runs` in the state directory and creates both if they are missing, for their owner
    /// alone.
    pub fn open(state: &Path) -> Result<Self, StoreError> {
        let path = private_directory(&absolute(state), RUNS)?;
        refuse_network(&path)?;
        Ok(Self { path })
    }

    /// Uses `runs` in the state directory as it is, for reading.
    pub fn existing(state: &Path) -> Self {
        Self { path: absolute(state).join(RUNS) }
    }

    /// Uses the directory in which the files of runs are.
    pub(crate) fn of_files(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Returns the state directory.
    pub(crate) fn state(&self) -> &Path {
        self.path.parent().expect("the runs are in a directory of it")
    }

    /// Returns the path of a run's file.
    pub fn file(&self, run: &RunId) -> PathBuf {
        self.path.join(format!("{run}.db"))
    }

    /// Returns the path of the file of one target of a run; that of the first is the run's own.
    pub(crate) fn part_file(&self, run: &RunId, index: usize) -> PathBuf {
        part_of(&self.file(run), index)
    }

    /// Returns the path that the plan of a target is written to until all of them are complete.
    pub(crate) fn unfinished_part(&self, run: &RunId, index: usize) -> PathBuf {
        part_of(&self.path.join(format!("{run}{UNFINISHED}")), index)
    }

    /// Returns the path of the control socket of the process that carries a run out.
    pub fn socket(&self, run: &RunId) -> PathBuf {
        self.path.join(format!("{run}.sock"))
    }

    fn lock_file(&self, run: &RunId) -> PathBuf {
        self.path.join(format!("{run}.lock"))
    }

    /// Lists the runs, the oldest first.
    pub fn list(&self) -> Result<Vec<RunId>, StoreError> {
        self.list_files(".db")
    }

    fn list_files(&self, ending: &str) -> Result<Vec<RunId>, StoreError> {
        let mut runs = Vec::new();
        for entry in self.entries()? {
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(ending));
            runs.extend(id.and_then(|id| id.parse().ok()));
        }
        runs.sort();
        Ok(runs)
    }

    /// Returns what is in the directory; nothing if it is not there yet.
    fn entries(&self) -> Result<Vec<fs::DirEntry>, StoreError> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.and_then(Iterator::collect),
        };
        entries.map_err(file(&self.path))
    }

    /// Removes the leftovers of planners that were killed.
    pub(crate) fn sweep(&self) -> Result<(), StoreError> {
        for run in self.list_files(UNFINISHED)? {
            let lock = self.try_lock(&run, "a planner that cleans up")?;
            // Without the lock its planner is alive; with a file the plan is complete by now.
            if let Some(lock) = lock.filter(|_| !self.file(&run).exists()) {
                self.remove(lock)?;
            }
        }
        Ok(())
    }

    /// Finds a run by its id, by the beginning of its id, or as `latest`.
    pub fn find(&self, wanted: &str) -> Result<RunId, StoreError> {
        find_among(self.list()?, wanted)
    }

    /// Takes the lock of a run, or names its holder.
    ///
    /// The lock is `flock` on a file beside the run. The kernel frees it when this process dies, so
    /// it can never be stale. A lock on the run's own file was rejected: closing a second handle of
    /// it would drop SQLite's locks.
    pub fn lock(&self, run: &RunId, holder: &str) -> Result<RunLock, StoreError> {
        for _ in 0..LOCK_TRIES {
            if let Some(lock) = self.try_lock(run, holder)? {
                return Ok(lock);
            }
            thread::sleep(LOCK_STEP);
        }
        let path = self.lock_file(run);
        let holder = match open_to_read(&path)? {
            Some(handle) => holder_named_in(&handle).map_err(file(&path))?,
            None => String::new(),
        };
        Err(StoreError::Busy { run: run.clone(), holder })
    }

    /// Takes the lock of a run that is to come: of this id, or of the next one that is free.
    pub(crate) fn lock_free(&self, first: &RunId, holder: &str) -> Result<RunLock, StoreError> {
        let mut id = first.clone();
        for _ in 0..MOST_IDS {
            // Under the lock no other process can create the file after this check.
            if let Some(lock) = self.try_lock(&id, holder)?
                && !self.file(&id).exists()
            {
                return Ok(lock);
            }
            id = id.next();
        }
        Err(StoreError::Exists { run: first.clone() })
    }

    fn try_lock(&self, run: &RunId, holder: &str) -> Result<Option<RunLock>, StoreError> {
        let path = self.lock_file(run);
        let mut handle = open_to_write(&path)?;
        match handle.try_lock() {
            // The last holder may have removed the run, and the lock's file with it.
            Ok(()) if !is_file_at(&handle, &path).map_err(file(&path))? => Ok(None),
            Ok(()) => {
                name_holder(&mut handle, holder).map_err(file(&path))?;
                Ok(Some(RunLock { run: run.clone(), handle: Arc::new(handle) }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(file(&path)(error)),
        }
    }

    /// Returns whether some process holds the lock of a run.
    pub fn is_locked(&self, run: &RunId) -> Result<bool, StoreError> {
        let path = self.lock_file(run);
        let Some(handle) = open_to_read(&path)? else { return Ok(false) };
        match handle.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(file(&path)(error)),
        }
    }

    /// Returns the files of the targets of a run, without that of the first.
    fn other_parts(&self, run: &RunId) -> Result<Vec<PathBuf>, StoreError> {
        let mut parts = Vec::new();
        for entry in self.entries()? {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(run.as_str()));
            let number = number
                .and_then(|it| it.strip_prefix('.'))
                .and_then(|it| it.strip_suffix(".db").or_else(|| it.strip_suffix(UNFINISHED)));
            if number.is_some_and(|number| number.parse::<usize>().is_ok()) {
                parts.push(self.path.join(name));
            }
        }
        Ok(parts)
    }

    /// Returns the bytes of the files of each run, with those of all its targets.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn sizes(&self) -> Result<HashMap<RunId, u64>, StoreError> {
        let mut sizes = HashMap::new();
        for entry in self.entries()? {
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.split('.').next()?.parse().ok());
            // One that is gone by now takes up nothing.
            if let (Some(id), Ok(metadata)) = (id, entry.metadata()) {
                *sizes.entry(id).or_default() += metadata.len();
            }
        }
        Ok(sizes)
    }

    /// Removes a run with all its files; the lock proves that no process works on it.
    pub fn remove(&self, lock: RunLock) -> Result<(), StoreError> {
        let RunLock { run, handle } = lock;
        // The run's own file last: what is left of a run without it is in no list.
        let own = [self.file(&run), self.unfinished_part(&run, 0)];
        for main in self.other_parts(&run)?.into_iter().chain(own) {
            // The log after the file: without its log the file would be an older state of the run.
            for path in [main.clone(), beside(&main, "-shm"), beside(&main, "-wal")] {
                remove_if_there(&path).map_err(file(&path))?;
            }
            watermark::remove(&main).map_err(file(&main))?;
        }
        // The lock's file last, and while it is held: until then no other process can take it.
        for path in [self.socket(&run), self.lock_file(&run)] {
            remove_if_there(&path).map_err(file(&path))?;
        }
        drop(handle);
        Ok(())
    }
}

/// Finds one of these runs, which are in order, by its id, by the beginning of it, or as `latest`.
pub fn find_among(mut runs: Vec<RunId>, wanted: &str) -> Result<RunId, StoreError> {
    if wanted == "latest" {
        return runs.pop().ok_or(StoreError::NoRuns);
    }
    // A script's variable that is not set names no run, and nothing begins with it.
    runs.retain(|run| !wanted.is_empty() && run.as_str().starts_with(wanted));
    match runs.as_slice() {
        [] => Err(StoreError::NoSuchRun { wanted: wanted.into() }),
        [run] => Ok(run.clone()),
        [first, second, ..] => Err(StoreError::AmbiguousRun {
            wanted: wanted.into(),
            count: runs.len(),
            first: first.clone(),
            second: second.clone(),
        }),
    }
}

/// Returns the path of the file of one target of a run, from that of the first.
pub(crate) fn part_of(first: &Path, index: usize) -> PathBuf {
    match (index, first.file_stem(), first.extension()) {
        (1.., Some(stem), Some(ending)) => {
            let (stem, ending) = (stem.to_string_lossy(), ending.to_string_lossy());
            first.with_file_name(format!("{stem}.{}.{ending}", index + 1))
        }
        _ => first.to_owned(),
    }
}

/// Returns the path from the root, because SQLite would read a relative `file:x` as a URL.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns whether the opened file still has its name.
fn is_file_at(handle: &File, path: &Path) -> io::Result<bool> {
    let held = handle.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns the text by which the holder of a lock is known.
pub(crate) fn holder_named_in(handle: &File) -> io::Result<String> {
    let mut holder = Vec::new();
    handle.take(MAX_HOLDER_BYTES).read_to_end(&mut holder)?;
    Ok(String::from_utf8_lossy(&holder).into_owned())
}

/// Writes it.
pub(crate) fn name_holder(handle: &mut File, holder: &str) -> io::Result<()> {
    handle.set_len(0)?;
    handle.write_all(holder.as_bytes())
}

/// The right to work on a run; dropping it, or dying, gives it up.
#[derive(Debug)]
pub struct RunLock {
    run: RunId,
    handle: Arc<File>,
}

impl RunLock {
    /// Returns the locked run.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Returns a handle that keeps the lock held until it is dropped as well.
    pub(crate) fn hold(&self) -> Arc<File> {
        Arc::clone(&self.handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, RunDirectory) {
        let state = tempfile::tempdir().unwrap();
        let runs = RunDirectory::open(state.path()).unwrap();
        (state, runs)
    }

    fn add(runs: &RunDirectory, id: &str) -> RunId {
        let id: RunId = id.parse().unwrap();
        fs::write(runs.file(&id), "").unwrap();
        id
    }

    #[test]
    fn the_size_of_a_run_is_that_of_all_its_files() {
        let (_state, runs) = directory();
        let run = add(&runs, "20240705-120000-kfzq");
        let files = [(".db", 1), (".db-wal", 10), (".2.db", 100), ("x.db", 1_000)];
        for (ending, size) in files {
            fs::write(runs.path.join(format!("{run}{ending}")), vec![0; size]).unwrap();
        }
        assert_eq!(runs.sizes().unwrap(), HashMap::from([(run, 111)]));
    }

    #[test]
    fn a_run_is_found_by_a_unique_beginning_or_as_latest() {
        let (_state, runs) = directory();
        assert!(matches!(runs.find("latest"), Err(StoreError::NoRuns)));
        let first = add(&runs, "20240705-120000-aaaa");
        let second = add(&runs, "20240705-130000-bbbb");
        fs::write(runs.path.join("notes.txt"), "").unwrap();
        assert_eq!(runs.find("latest").unwrap(), second);
        assert_eq!(runs.find("20240705-12").unwrap(), first);
        assert!(matches!(runs.find("2024"), Err(StoreError::AmbiguousRun { count: 2, .. })));
        assert!(matches!(runs.find("2023"), Err(StoreError::NoSuchRun { .. })));
    }

    #[test]
    fn a_locked_run_names_its_holder_until_the_lock_is_dropped() {
        let (_state, runs) = directory();
        let run = add(&runs, "20240705-120000-aaaa");
        assert!(!runs.is_locked(&run).unwrap());
        let lock = runs.lock(&run, "process 7").unwrap();
        let refused = runs.lock(&run, "process 8").unwrap_err();
        assert_eq!(refused.to_string(), format!("run {run} is in use by process 7"));
        assert!(runs.is_locked(&run).unwrap());
        drop(lock);
        // A process that another test begins has all files of this one until its program is loaded.
        let mut tries = std::iter::repeat_with(|| runs.lock(&run, "process 9")).take(1_000_000);
        assert!(tries.any(|lock| lock.is_ok()));
    }

    #[test]
    fn a_lock_on_a_removed_file_does_not_count() {
        let (state, _runs) = directory();
        let path = state.path().join("x.lock");
        let held = open_to_write(&path).unwrap();
        assert!(is_file_at(&held, &path).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!is_file_at(&held, &path).unwrap());
        open_to_write(&path).unwrap();
        assert!(!is_file_at(&held, &path).unwrap());
    }

    #[test]
    fn looking_whether_a_run_is_locked_does_not_block_others() {
        let (_state, runs) = directory();
        let run = add(&runs, "20240705-120000-aaaa");
        drop(runs.lock(&run, "process 7").unwrap());
        let looking = File::open(runs.lock_file(&run)).unwrap();
        looking.lock_shared().unwrap();
        thread::scope(|scope| {
            let locked = scope.spawn(|| runs.lock(&run, "process 8"));
            drop(looking);
            locked.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_removed_run_leaves_nothing() {
        let (_state, runs) = directory();
        let run = add(&runs, "20240705-120000-aaaa");
        let lock = runs.lock(&run, "process 7").unwrap();
        runs.remove(lock).unwrap();
        assert_eq!(fs::read_dir(&runs.path).unwrap().count(), 0);
    }
}
