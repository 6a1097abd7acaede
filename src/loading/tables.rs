//! The plan while it is made: writes its rows as chunks, takes tasks out again, and records the run
//! they belong to.
//!
//! Knows nothing of where rows come from or why a task is left out.

use crate::journal::{MAX_CHUNK_TASKS, OrdinalSet, PlanChunkWriter, PlannedTask, Text};
use crate::plan::{PlannedRow, SourceColumns};
use crate::store::{
    Home, NewRun, RunRecord, ShardedPlan, SourceRecord, for_each_planned, head_text,
};
use crate::task::{Command, Ordinal, Shard};
use rusqlite::Connection;
use std::iter::Sum;
use std::ops::ControlFlow::{Break, Continue};

/// The numbers of rows and tasks of a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlanTotals {
    /// Rows in the inputs.
    pub rows: u64,
    /// Tasks to carry out.
    pub selected: u64,
    /// Rows that repeat the id and command of an earlier row.
    pub duplicates: u64,
    /// Rows whose task was done by the run that this one follows.
    pub already_done: u64,
    /// Rows that do not meet the conditions of `--where`.
    pub not_matched: u64,
    /// Tasks that files of `--exclude` name.
    pub excluded: u64,
    /// Tasks that do not belong to the sample.
    pub not_sampled: u64,
    /// Tasks before the first one that is taken.
    pub before_offset: u64,
    /// Tasks of the same plan that belong to other shards.
    pub of_other_shards: u64,
    /// Whether a row deletes a batch task.
    pub deletes: bool,
}

impl PlanTotals {
    /// Returns whether no shard of the plan has a task, and nothing was left out that could be one.
    pub fn names_nothing(&self) -> bool {
        self.is_empty_everywhere() && self.already_done + self.excluded == 0
    }

    /// Returns the number of tasks that a limit has cut off.
    pub fn beyond_limit(&self) -> u64 {
        self.left() - self.of_other_shards - self.selected
    }

    /// Returns the number of tasks that are left of the rows so far, those of other shards included.
    pub(super) fn left(&self) -> u64 {
        let out = self.duplicates + self.not_matched + self.excluded + self.already_done;
        self.rows - out - self.not_sampled - self.before_offset
    }

    /// Returns whether the plan has no task.
    pub fn is_empty(&self) -> bool {
        self.selected == 0
    }

    /// Returns whether neither this plan nor another shard of it has a task.
    pub fn is_empty_everywhere(&self) -> bool {
        self.selected + self.of_other_shards == 0
    }
}

impl Sum for PlanTotals {
    fn sum<I: Iterator<Item = Self>>(totals: I) -> Self {
        totals.fold(Self::default(), |sum, one| Self {
            rows: sum.rows + one.rows,
            selected: sum.selected + one.selected,
            duplicates: sum.duplicates + one.duplicates,
            already_done: sum.already_done + one.already_done,
            not_matched: sum.not_matched + one.not_matched,
            excluded: sum.excluded + one.excluded,
            not_sampled: sum.not_sampled + one.not_sampled,
            before_offset: sum.before_offset + one.before_offset,
            of_other_shards: sum.of_other_shards + one.of_other_shards,
            deletes: sum.deletes || one.deletes,
        })
    }
}

/// Writes tasks as chunks.
pub(super) struct ChunkLoader<'a> {
    home: Home<'a>,
    writer: PlanChunkWriter,
    next: u32,
}

impl<'a> ChunkLoader<'a> {
    /// Returns a loader that begins with the first chunk.
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { home: Home::new(connection), writer: PlanChunkWriter::default(), next: 0 }
    }

    /// Adds a task.
    pub(super) fn push(&mut self, task: &PlannedTask<'_>) -> rusqlite::Result<()> {
        self.writer.push(task);
        if self.writer.tasks() == MAX_CHUNK_TASKS || self.writer.is_large() {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes the last chunk and returns the number of chunks.
    pub(super) fn finish(mut self) -> rusqlite::Result<u32> {
        if self.writer.tasks() > 0 {
            self.flush()?;
        }
        Ok(self.next)
    }

    fn flush(&mut self) -> rusqlite::Result<()> {
        let (first, tasks, body) = self.writer.finish();
        self.home.put_chunk(self.next, first, tasks, &body)?;
        self.next += 1;
        Ok(())
    }
}

/// Returns a row as the journal writes it.
pub(super) fn planned_task(row: &PlannedRow) -> PlannedTask<'_> {
    PlannedTask {
        ordinal: row.ordinal.0,
        id: Text::Plain(row.id.as_str()),
        command: row.command,
        source: row.source,
        line: row.line,
        column: row.column,
        others: row.others.as_deref(),
        doubted: row.doubted,
    }
}

/// Returns the number under which a row is sorted by its id: its place and its command.
pub(super) fn sort_number(row: &PlannedRow) -> u64 {
    u64::from(row.ordinal.0) << COMMAND_BITS | command_part(row.command)
}

/// The number of bits in which a number that is sorted holds a command. Only temporary files have
/// such numbers.
pub(super) const COMMAND_BITS: u32 = u16::BITS;

/// Returns the lowest bits of a number that is sorted.
pub(super) fn command_part(command: Command) -> u64 {
    command.number().into()
}

/// Returns whether two numbers that are sorted are of one command.
pub(super) fn has_same_command(one: u64, other: u64) -> bool {
    (one ^ other).trailing_zeros() >= COMMAND_BITS
}

/// Returns the place of a row from the number under which it was sorted.
pub(super) fn ordinal_of(number: u64) -> Ordinal {
    Ordinal(u32::try_from(number >> COMMAND_BITS).expect("it was made of a u32"))
}

/// Which of the tasks that are left a plan keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept<'a> {
    /// The rows that are none of them.
    pub(super) without: &'a OrdinalSet,
    /// The number of tasks before the first one.
    pub(super) offset: u64,
    /// The most tasks, counted from that one.
    pub(super) limit: u64,
    /// The shard that they belong to. The offset and the limit are those of all shards together.
    pub(super) shard: Option<Shard>,
}

/// What is left of a plan.
#[derive(Debug, Default)]
pub(super) struct Remainder {
    pub(super) selected: u64,
    pub(super) sharded: Option<ShardedPlan>,
}

/// Takes tasks out of the plan, and of the `left` others all that are not kept.
///
/// The chunks are written anew in place: each is read before any task of it is written, because no
/// more tasks are written than were read.
pub(super) fn keep(
    connection: &Connection,
    left: u64,
    Kept { without, mut offset, limit, shard }: Kept<'_>,
) -> rusqlite::Result<Remainder> {
    if without.len() == 0 && offset == 0 && left <= limit && shard.is_none() {
        return Ok(Remainder { selected: left, sharded: None });
    }
    let (mut seen, mut selected) = (0, 0);
    let mut sharded = shard.map(|shard| ShardedPlan { shard, tasks: 0, inputs: 0, own: 0 });
    let mut loader = ChunkLoader::new(connection);
    for_each_planned(Home::new(connection), |task| {
        if seen == limit {
            return Ok(Break(()));
        }
        if without.contains(Ordinal(task.ordinal)) {
            return Ok(Continue(()));
        }
        if offset > 0 {
            offset -= 1;
            return Ok(Continue(()));
        }
        seen += 1;
        if sharded.as_mut().is_none_or(|plan| task.id.with(|id| plan.add(task.command, id))) {
            selected += 1;
            loader.push(task)?;
        }
        Ok::<_, rusqlite::Error>(Continue(()))
    })?;
    let chunks = loader.finish()?;
    Home::new(connection).remove_chunks(chunks)?;
    Ok(Remainder { selected, sharded })
}

/// Records the run itself; a plan without this row is not complete.
pub(super) fn insert_run(
    connection: &Connection,
    run: &NewRun,
    totals: PlanTotals,
    sharded: Option<ShardedPlan>,
    sources: Vec<SourceRecord>,
) -> rusqlite::Result<()> {
    let record = RunRecord {
        run: run.clone(),
        rows: totals.rows,
        selected: totals.selected,
        duplicates: totals.duplicates,
        already_done: totals.already_done,
        // 0 for ever: a plan with invalid rows is refused.
        invalid: 0,
        sharded,
        deletes: totals.deletes,
        sources,
        sessions: Vec::new(),
    };
    Home::new(connection).put_head(&head_text(&record))
}

/// Returns the inputs as the run records them.
pub(super) fn source_records(sources: Vec<SourceColumns>) -> Vec<SourceRecord> {
    let record =
        |source: SourceColumns| SourceRecord { name: source.name, columns: source.columns };
    sources.into_iter().map(record).collect()
}
