//! Pairs the tasks of two runs: those of one target in both, or of runs without targets.
//!
//! A merge join in the order of ids, sorted outside of memory, so that memory does not grow with the
//! number of tasks.

use crate::event::AttemptSeq;
use crate::external_sort::{ExternalSorter, SortEntry};
use crate::journal::{FailureTexts, PlannedTask, TaskRecord};
use crate::reading::reader::RunReader;
use crate::reading::rows::{AttemptRow, SeenRow, TaskRow};
use crate::store::codes;
use crate::store::{NewRun, StoreError, file, sqlite};
use crate::task::{Command, Failure, FailureKind, Ordinal, Outcome, TaskId, TaskState};
use rusqlite::types::Type;
use rusqlite::{Connection, params};
use std::cmp::Ordering;
use std::sync::Arc;

/// A task in one of two runs, or in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPair {
    /// The batch task.
    pub id: TaskId,
    /// The command for it.
    pub command: Command,
    /// The target, if one of the runs has several.
    pub target: Option<Arc<str>>,
    /// Its outcome in the first run, if that has it.
    pub before: Option<Outcome>,
    /// Its outcome in the second run, if that has it.
    pub after: Option<Outcome>,
    /// Its places in both runs.
    ordinals: (Option<Ordinal>, Option<Ordinal>),
}

/// Calls `take` for every task of two runs, in the order of their ids.
///
/// A task without an outcome has the one that follows from its attempts.
///
/// # Errors
///
/// The store's, and those of `take`.
pub fn for_each_pair<E: From<StoreError>>(
    before: &RunReader,
    after: &RunReader,
    take: impl FnMut(TaskPair) -> Result<(), E>,
) -> Result<(), E> {
    let has_long_ids = |run: &RunReader| Ok::<_, E>(run.record()?.run.service.is_some());
    if has_long_ids(before)? || has_long_ids(after)? {
        return pairs::<LONG_WORDS, LONG_BYTES, E>(before, after, take);
    }
    pairs::<SHORT_WORDS, SHORT_BYTES, E>(before, after, take)
}

fn pairs<const WORDS: usize, const BYTES: usize, E: From<StoreError>>(
    before: &RunReader,
    after: &RunReader,
    mut take: impl FnMut(TaskPair) -> Result<(), E>,
) -> Result<(), E>
where
    Task<WORDS>: SortEntry<BYTES>,
{
    let (failed_before, failed_after) = (file(&before.path), file(&after.path));
    let places = Places::of(before, after)?;
    let (mut sorter_before, mut sorter_after) =
        (sort::<WORDS, BYTES>(before, &places)?, sort::<WORDS, BYTES>(after, &places)?);
    let mut rows_before = sorter_before.sorted().map_err(&failed_before)?;
    let mut rows_after = sorter_after.sorted().map_err(&failed_after)?;
    let mut one = rows_before.next().map_err(&failed_before)?;
    let mut other = rows_after.next().map_err(&failed_after)?;
    loop {
        let order = match (&one, &other) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.key().cmp(&other.key()),
        };
        // The smaller key goes; of equal keys both go, as one pair.
        let (mut left, mut right) = (None, None);
        if order.is_le() {
            let following = rows_before.next().map_err(&failed_before)?;
            left = std::mem::replace(&mut one, following);
        }
        if order.is_ge() {
            let following = rows_after.next().map_err(&failed_after)?;
            right = std::mem::replace(&mut other, following);
        }
        if let Some(pair) = paired(left, right, &places).map_err(sqlite(&after.path))? {
            take(pair)?;
        }
    }
}

impl TaskPair {
    /// Returns the task as it failed in the second run, or in the first if it did not fail there.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn failed_row(
        &self,
        before: &RunReader,
        after: &RunReader,
    ) -> Result<Option<TaskRow>, StoreError> {
        let is_bad = |outcome: Option<Outcome>| outcome.is_some_and(|outcome| !outcome.is_good());
        // The present failure is the more useful one.
        let (run, ordinal) = match (self.ordinals, is_bad(self.before), is_bad(self.after)) {
            ((_, Some(ordinal)), _, true) => (after, ordinal),
            ((Some(ordinal), _), true, _) => (before, ordinal),
            _ => return Ok(None),
        };
        failed_row(run, ordinal).map(Some).map_err(sqlite(&run.path))
    }
}

/// The places that the tasks of two runs are called at.
struct Places(Vec<NewRun>);

impl Places {
    fn of(before: &RunReader, after: &RunReader) -> Result<Self, StoreError> {
        let mut places: Vec<NewRun> = Vec::new();
        // Two runs without targets are compared wherever they were.
        if before.has_targets() || after.has_targets() {
            for run in [before, after] {
                run.for_each_part(|part| {
                    let place = part.own_record()?.run;
                    match places.iter_mut().find(|known| known.is_of_same_place(&place)) {
                        None => places.push(place),
                        // The name of the target is the one to show.
                        Some(known) if known.settings.target.is_none() => *known = place,
                        Some(_) => {}
                    }
                    Ok::<(), StoreError>(())
                })?;
            }
        }
        Ok(Self(places))
    }

    fn number_of(&self, part: &RunReader) -> Result<u16, StoreError> {
        if self.0.is_empty() {
            return Ok(0);
        }
        let place = part.own_record()?.run;
        let number = self.0.iter().position(|known| known.is_of_same_place(&place));
        Ok(number.and_then(|number| u16::try_from(number).ok()).unwrap_or(u16::MAX))
    }

    fn name_of(&self, number: u16) -> Option<Arc<str>> {
        let target = self.0.get(usize::from(number))?.settings.target.as_ref()?;
        Some(target.name().into())
    }
}

/// Sorts the tasks of a run by their ids, and keeps its failures to be looked up.
fn sort<const WORDS: usize, const BYTES: usize>(
    run: &RunReader,
    places: &Places,
) -> Result<ExternalSorter<Task<WORDS>, BYTES>, StoreError>
where
    Task<WORDS>: SortEntry<BYTES>,
{
    let failed = sqlite(&run.path);
    run.connection
        .execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS failed (
                 ordinal INTEGER PRIMARY KEY, id TEXT, command INTEGER, outcome TEXT, attempts INTEGER,
                 after TEXT, is_amended INTEGER, failure BLOB
             );
             DELETE FROM temp.failed",
        )
        .map_err(&failed)?;
    let mut sorter = ExternalSorter::new(&tempfile::env::temp_dir());
    run.for_each_part(|part| {
        let place = places.number_of(part)?;
        part.for_each_record::<StoreError>(|task, record| {
            let entry = Task::new(task, record, place).map_err(&failed)?;
            sorter.push(entry).map_err(file(&run.path))?;
            // The places of tasks differ between the targets of a run.
            keep_failure(&run.connection, task, record).map_err(&failed)
        })
    })?;
    Ok(sorter)
}

fn keep_failure(
    connection: &Connection,
    task: &PlannedTask<'_>,
    record: &TaskRecord<'_>,
) -> rusqlite::Result<()> {
    let outcome = record.outcome();
    if outcome.is_good() {
        return Ok(());
    }
    let last = record.last.as_ref().and_then(|last| last.ended.as_ref());
    let failure = last.and_then(|ended| ended.failure.as_ref()).map(|failure| failure.to_body());
    let is_amended = record.settled.and(record.verdict).is_some();
    let mut insert =
        connection.prepare_cached("INSERT INTO temp.failed VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?;
    insert
        .execute(params![
            task.ordinal,
            codes::task_id(task)?.as_str(),
            task.command.number(),
            outcome.as_str(),
            record.attempts,
            record.after.map(TaskState::as_str),
            is_amended,
            failure,
        ])
        .map(drop)
}

/// The words of an id of VIAS that is filled with zeros: it has at most 36 bytes.
const SHORT_WORDS: usize = 5;
/// The words of an id of any service: it has at most 256 bytes, and no zero.
const LONG_WORDS: usize = 32;
/// The length of a task in the file of the sort, behind its id.
const REST: usize = 9;
const SHORT_BYTES: usize = 8 * SHORT_WORDS + REST;
const LONG_BYTES: usize = 8 * LONG_WORDS + REST;

/// A task of one run. The order is that of ids and then of commands, because shorter ids end with
/// zeros. Words whose first byte is the highest have that order as well, and compare faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Task<const WORDS: usize> {
    id: [u64; WORDS],
    place: u16,
    command: Command,
    ordinal: u32,
    outcome: Outcome,
}

impl<const WORDS: usize> Task<WORDS> {
    fn new(task: &PlannedTask<'_>, record: &TaskRecord<'_>, place: u16) -> rusqlite::Result<Self> {
        let mut bytes = vec![0; 8 * WORDS];
        let valid = codes::task_id(task)?;
        bytes.iter_mut().zip(valid.as_str().bytes()).for_each(|(to, from)| *to = from);
        let id = words(&bytes);
        let (command, ordinal, outcome) = (task.command, task.ordinal, record.outcome());
        Ok(Self { id, place, command, ordinal, outcome })
    }

    fn key(&self) -> ([u64; WORDS], u16, Command) {
        (self.id, self.place, self.command)
    }

    fn task_id(&self) -> rusqlite::Result<TaskId> {
        let bytes: Vec<u8> = self.id.iter().flat_map(|word| word.to_be_bytes()).collect();
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        codes::accepted(std::str::from_utf8(&bytes[..end])?)
    }

    fn write(self, bytes: &mut [u8]) {
        for (to, word) in bytes.chunks_exact_mut(8).zip(self.id) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        let rest = &mut bytes[8 * WORDS..];
        rest[..4].copy_from_slice(&self.ordinal.to_le_bytes());
        rest[4..6].copy_from_slice(&self.command.number().to_le_bytes());
        rest[6] = self.outcome as u8;
        rest[7..9].copy_from_slice(&self.place.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        let (id, rest) = bytes.split_at(8 * WORDS);
        let (mut ordinal, mut command, mut place) = ([0; 4], [0; 2], [0; 2]);
        place.copy_from_slice(&rest[7..9]);
        ordinal.copy_from_slice(&rest[..4]);
        command.copy_from_slice(&rest[4..6]);
        let command = Command::numbered(u16::from_le_bytes(command));
        let outcome = Outcome::ALL[usize::from(rest[6])];
        let (ordinal, place) = (u32::from_le_bytes(ordinal), u16::from_le_bytes(place));
        Self { id: words(id), place, command, ordinal, outcome }
    }
}

/// Returns the words of the bytes of an id, each with its first byte as the highest.
fn words<const WORDS: usize>(bytes: &[u8]) -> [u64; WORDS] {
    std::array::from_fn(|at| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[8 * at..8 * at + 8]);
        u64::from_be_bytes(word)
    })
}

impl SortEntry<SHORT_BYTES> for Task<SHORT_WORDS> {
    fn to_bytes(self) -> [u8; SHORT_BYTES] {
        let mut bytes = [0; SHORT_BYTES];
        self.write(&mut bytes);
        bytes
    }

    fn from_bytes(bytes: [u8; SHORT_BYTES]) -> Self {
        Self::read(&bytes)
    }
}

impl SortEntry<LONG_BYTES> for Task<LONG_WORDS> {
    fn to_bytes(self) -> [u8; LONG_BYTES] {
        let mut bytes = [0; LONG_BYTES];
        self.write(&mut bytes);
        bytes
    }

    fn from_bytes(bytes: [u8; LONG_BYTES]) -> Self {
        Self::read(&bytes)
    }
}

fn paired<const WORDS: usize>(
    before: Option<Task<WORDS>>,
    after: Option<Task<WORDS>>,
    places: &Places,
) -> rusqlite::Result<Option<TaskPair>> {
    let Some(task) = after.or(before) else { return Ok(None) };
    let ordinal = |task: Option<Task<WORDS>>| task.map(|task| Ordinal(task.ordinal));
    Ok(Some(TaskPair {
        id: task.task_id()?,
        command: task.command,
        target: places.name_of(task.place),
        before: before.map(|task| task.outcome),
        after: after.map(|task| task.outcome),
        ordinals: (ordinal(before), ordinal(after)),
    }))
}

/// Returns a task that did not succeed: what its failure follows from, without places and times.
fn failed_row(run: &RunReader, ordinal: Ordinal) -> rusqlite::Result<TaskRow> {
    let mut query = run.connection.prepare_cached(
        "SELECT id, command, outcome, attempts, after, is_amended, failure
         FROM temp.failed WHERE ordinal = ?",
    )?;
    query.query_row([ordinal.0], |row| {
        let attempts = row.get(3)?;
        let failure = match (row.get(5)?, row.get_ref(6)?.as_blob_or_null()?) {
            // Without a message: the words follow from the states, and finding them is the report's.
            (true, _) => Some(Failure::seen(FailureKind::NotReached, "")),
            (false, None) => None,
            (false, Some(body)) => {
                Some(FailureTexts::from_body(body).map_err(|bad| codes::unfit(Type::Blob, bad))?)
            }
        };
        let after: Option<String> = row.get(4)?;
        Ok(TaskRow {
            ordinal,
            id: codes::accepted(row.get_ref(0)?.as_str()?)?,
            command: Command::numbered(row.get(1)?),
            target: None,
            source: 0,
            line: 0,
            others: None,
            outcome: codes::word(row.get_ref(2)?.as_str()?)?,
            attempts,
            first_sent: None,
            settled: None,
            is_damaged: false,
            last: (attempts > 0).then(|| last_attempt(run, ordinal, attempts, failure)),
            seen: SeenRow {
                after: after.as_deref().and_then(TaskState::of_word),
                ..SeenRow::default()
            },
        })
    })
}

fn last_attempt(
    run: &RunReader,
    ordinal: Ordinal,
    number: u32,
    failure: Option<Failure>,
) -> AttemptRow {
    AttemptRow {
        seq: AttemptSeq(0),
        ordinal,
        number,
        sent: run.origin,
        duration: None,
        in_doubt: false,
        http_status: None,
        counts: None,
        request_id: None,
        failure,
    }
}
