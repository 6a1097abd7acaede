//! Where runs are kept, how one is found by its id, and who works on it.

use crate::clock::Timestamp;
use crate::store::error::{StoreError, file};
use crate::store::files::network_check::refuse_network;
use crate::store::files::watermark;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, fs, io, thread};

/// How often a held lock is asked for, and at what distance: who only looks whether it is held
/// holds it for a moment, too.
const LOCK_TRIES: u32 = 10;
const LOCK_STEP: Duration = Duration::from_millis(20);

/// The ending of a plan that is not complete.
const UNFINISHED: &str = ".planning";

/// The id of a run: when it was planned and four letters, such as `20240705-120000-k3f9`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(String);

/// The text cannot be the id of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a run id looks like `20240705-120000-k3f9`")]
pub struct RunIdError;

impl RunId {
    /// Returns a new id for a run that is planned now. Ids sort by time, so that a script's
    /// `report` right after its run finds that run as `latest`.
    pub fn new(now: Timestamp, letters: &mut fastrand::Rng) -> Self {
        // 2024-07-05T12:00:00.000Z: the digits without the marks between them, to the second.
        let digits: String = now.to_string().chars().filter(char::is_ascii_digit).collect();
        let [first, second, third] = within_second(now);
        let last = letters.char('a'..='z');
        Self(format!("{}-{}-{first}{second}{third}{last}", &digits[..8], &digits[8..14]))
    }

    /// Returns the id as files and messages have it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, RunIdError> {
        let belongs = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = text.len() == 20 && text.bytes().all(belongs);
        if fits { Ok(Self(text.into())) } else { Err(RunIdError) }
    }
}

/// Returns the part of a second in three letters, each step some 57 µs.
fn within_second(now: Timestamp) -> [char; 3] {
    const STEPS: i64 = 26 * 26 * 26;
    let step = now.as_micros().rem_euclid(1_000_000) * STEPS / 1_000_000;
    [step / (26 * 26), step / 26 % 26, step % 26].map(|digit| {
        char::from(b'a' + u8::try_from(digit).expect("a digit to the base 26 fits a byte"))
    })
}

/// The directory that holds all runs, one file each.
#[derive(Debug, Clone)]
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// Uses `runs` in the state directory, and makes both if they are not there, for their
    /// owner alone.
    pub fn open(state: &Path) -> Result<Self, StoreError> {
        let path = runs_in(state);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(file(&path))?;
        refuse_network(&path)?;
        Ok(Self { path })
    }

    /// Uses `runs` in the state directory as it is, for reading.
    pub fn existing(state: &Path) -> Self {
        Self { path: runs_in(state) }
    }

    /// Returns the state directory.
    pub(crate) fn state(&self) -> &Path {
        self.path.parent().expect("the runs are in a directory of it")
    }

    /// Returns the file of a run.
    pub fn file(&self, run: &RunId) -> PathBuf {
        self.path.join(format!("{run}.db"))
    }

    /// Returns the file that a plan is written to until it is complete.
    pub(crate) fn unfinished_file(&self, run: &RunId) -> PathBuf {
        self.path.join(format!("{run}{UNFINISHED}"))
    }

    /// Returns where the process that carries a run out is to be asked and told things.
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
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(file(&self.path)(error)),
        };
        let mut runs = Vec::new();
        for entry in entries {
            let name = entry.map_err(file(&self.path))?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(ending));
            runs.extend(id.and_then(|id| id.parse().ok()));
        }
        runs.sort();
        Ok(runs)
    }

    /// Removes what planners left behind that were killed.
    pub(crate) fn sweep(&self) -> Result<(), StoreError> {
        for run in self.list_files(UNFINISHED)? {
            let lock = self.try_lock(&run, "a planner that cleans up")?;
            // It may have become complete since it was listed.
            let left = lock.filter(|_| !self.file(&run).exists());
            left.map_or(Ok(()), |lock| self.remove(lock))?;
        }
        Ok(())
    }

    /// Finds a run by its id, by the beginning of it, or as `latest`.
    pub fn find(&self, wanted: &str) -> Result<RunId, StoreError> {
        let mut runs = self.list()?;
        if wanted == "latest" {
            let none = || StoreError::NoSuchRun { wanted: wanted.into() };
            return runs.pop().ok_or_else(none);
        }
        runs.retain(|run| run.as_str().starts_with(wanted));
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

    /// Takes the lock of a run, or says who has it.
    ///
    /// It is `flock` on a file beside the run: the kernel frees it when this process dies, so it
    /// can never be stale. Not on the run's own file, for closing a second handle of that would
    /// drop SQLite's locks on it.
    pub fn lock(&self, run: &RunId, holder: &str) -> Result<RunLock, StoreError> {
        for _ in 0..LOCK_TRIES {
            if let Some(lock) = self.try_lock(run, holder)? {
                return Ok(lock);
            }
            thread::sleep(LOCK_STEP);
        }
        let path = self.lock_file(run);
        let holder = fs::read_to_string(&path).map_err(file(&path))?;
        Err(StoreError::Busy { run: run.clone(), holder })
    }

    fn try_lock(&self, run: &RunId, holder: &str) -> Result<Option<RunLock>, StoreError> {
        let path = self.lock_file(run);
        let mut handle = open_lock(&path).map_err(file(&path))?;
        match handle.try_lock() {
            // Whoever held it may have removed the run, and this file with it.
            Ok(()) if !is_file_at(&handle, &path).map_err(file(&path))? => Ok(None),
            Ok(()) => {
                name_holder(&mut handle, holder).map_err(file(&path))?;
                Ok(Some(RunLock { run: run.clone(), handle: Arc::new(handle) }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(file(&path)(error)),
        }
    }

    /// Tells whether some process holds the lock of a run.
    pub fn is_locked(&self, run: &RunId) -> Result<bool, StoreError> {
        let path = self.lock_file(run);
        match File::open(&path) {
            Ok(handle) => match handle.try_lock_shared() {
                Ok(()) => Ok(false),
                Err(TryLockError::WouldBlock) => Ok(true),
                Err(TryLockError::Error(error)) => Err(file(&path)(error)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(file(&path)(error)),
        }
    }

    /// Removes a run with all that belongs to it; only who may work on it can.
    pub fn remove(&self, lock: RunLock) -> Result<(), StoreError> {
        let RunLock { run, handle } = lock;
        for main in [self.file(&run), self.unfinished_file(&run)] {
            // The log last: without it the file would be an older state of the run.
            for path in [main.clone(), beside(&main, "-shm"), beside(&main, "-wal")] {
                remove_file(&path)?;
            }
            watermark::remove(&main).map_err(file(&main))?;
        }
        remove_file(&self.socket(&run))?;
        remove_file(&self.lock_file(&run))?;
        drop(handle);
        Ok(())
    }
}

fn runs_in(state: &Path) -> PathBuf {
    let path = state.join("runs");
    // Absolute, for SQLite would read a relative `file:x` as a URL.
    std::path::absolute(&path).unwrap_or(path)
}

fn open_lock(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Tells whether the file that was opened still has its name.
fn is_file_at(handle: &File, path: &Path) -> io::Result<bool> {
    let held = handle.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn name_holder(handle: &mut File, holder: &str) -> io::Result<()> {
    handle.set_len(0)?;
    handle.write_all(holder.as_bytes())
}

/// Returns the name of a file that SQLite keeps beside its own.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The right to work on a run; dropping it, or dying, gives it up.
#[derive(Debug)]
pub struct RunLock {
    run: RunId,
    handle: Arc<File>,
}

impl RunLock {
    /// Returns the run it is the right to.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Returns what keeps the lock held until it is dropped, too.
    pub(crate) fn hold(&self) -> Arc<File> {
        Arc::clone(&self.handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME_DAY: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);

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
    fn an_id_tells_when_the_run_was_planned() {
        let id = RunId::new(SOME_DAY, &mut fastrand::Rng::with_seed(1));
        assert!(id.as_str().starts_with("20240705-120000-"), "{id}");
        assert_eq!(id.as_str().parse(), Ok(id));
        assert!("latest".parse::<RunId>().is_err());
        assert!("../../etc/passwd-xyz".parse::<RunId>().is_err());
    }

    #[test]
    fn ids_sort_by_time_also_within_a_second() {
        let id = |micros| RunId::new(SOME_DAY.plus_micros(micros), &mut fastrand::Rng::new());
        let ids: Vec<RunId> = (0..2_000).map(|number| id(number * 1_000)).collect();
        assert!(ids.is_sorted());
        assert!(id(0).as_str().starts_with("20240705-120000-aaa"));
        assert!(id(999_999).as_str().starts_with("20240705-120000-zzz"));
    }

    #[test]
    fn a_run_is_found_by_a_unique_beginning_or_as_latest() {
        let (_state, runs) = directory();
        assert!(matches!(runs.find("latest"), Err(StoreError::NoSuchRun { .. })));
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
        assert!(!runs.is_locked(&run).unwrap());
        runs.lock(&run, "process 9").unwrap();
    }

    #[test]
    fn a_lock_on_a_file_that_was_removed_is_no_lock() {
        let (state, _runs) = directory();
        let path = state.path().join("x.lock");
        let held = open_lock(&path).unwrap();
        assert!(is_file_at(&held, &path).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!is_file_at(&held, &path).unwrap());
        open_lock(&path).unwrap();
        assert!(!is_file_at(&held, &path).unwrap());
    }

    #[test]
    fn who_looks_whether_a_run_is_locked_is_not_in_the_way() {
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
