//! One commit: gathers records by their chunks and appends a segment for each.
//!
//! It only adds rows and counts; the transaction around it belongs to the thread.

use crate::clock::Timestamp;
use crate::event::Event;
use crate::journal::{
    Fact, FoldedTask, Record, RunRecord, RunSegmentWriter, SegmentWriter, distance,
};
use crate::store::home::{ChunkBodies, Home, Segment};
use crate::store::writing::event_records::{fact_of, with_run_record};
use crate::store::writing::journal_end::{EndChanges, JournalEnd};
use crate::task::{Ordinal, Outcome};
use rusqlite::{Connection, Error};
use std::collections::BTreeMap;

/// Memory that commits use one after the other.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    writers: Vec<SegmentWriter>,
    body: Vec<u8>,
}

/// A commit while it is written.
pub(crate) struct Batch<'a> {
    home: Home<'a>,
    /// What the commit goes on from.
    end: &'a JournalEnd,
    epoch: u32,
    scratch: &'a mut Scratch,
    chunks: BTreeMap<u32, SegmentWriter>,
    run: RunSegmentWriter,
    changes: EndChanges,
}

/// The caller committed a fact that cannot be one.
#[derive(Debug, thiserror::Error)]
enum Impossible {
    #[error("task {0} is not in the plan")]
    Unplanned(Ordinal),
    #[error("task {0} has an outcome already")]
    SettledTwice(Ordinal),
}

/// Writes one batch to a file that no thread writes to, such as that of a plan on its way.
pub(crate) fn write_alone<T>(
    connection: &Connection,
    epoch: u32,
    write: impl FnOnce(&mut Batch<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let home = Home::new(connection);
    let end = JournalEnd::new(home.chunks()?, home.totals()?);
    let mut scratch = Scratch::default();
    let mut batch = Batch::new(connection, &end, epoch, &mut scratch);
    let written = write(&mut batch)?;
    batch.finish()?;
    Ok(written)
}

impl<'a> Batch<'a> {
    pub(crate) fn new(
        connection: &'a Connection,
        end: &'a JournalEnd,
        epoch: u32,
        scratch: &'a mut Scratch,
    ) -> Self {
        let changes = EndChanges { totals: end.totals, ..EndChanges::default() };
        let (home, chunks, run) =
            (Home::new(connection), BTreeMap::new(), RunSegmentWriter::default());
        Self { home, end, epoch, scratch, chunks, run, changes }
    }

    /// Adds a fact about a task, and counts its outcome if that is the fact.
    pub(crate) fn push(&mut self, ordinal: Ordinal, fact: Fact<'_>) -> rusqlite::Result<()> {
        let place = self.end.index.find(ordinal.0);
        let (chunk, offset) = place.ok_or_else(|| impossible(Impossible::Unplanned(ordinal)))?;
        if let Fact::Settled { outcome, .. } = fact {
            self.count(ordinal, outcome)?;
        }
        let spare = &mut self.scratch.writers;
        let writer = self.chunks.entry(chunk).or_insert_with(|| spare.pop().unwrap_or_default());
        writer.push(&Record { offset, fact });
        if writer.is_large() {
            let writer = std::mem::take(writer);
            self.append(Some(chunk), |distance, body| writer.write(distance, body))?;
        }
        Ok(())
    }

    fn count(&mut self, ordinal: Ordinal, outcome: Outcome) -> rusqlite::Result<()> {
        if self.end.settled.contains(ordinal) {
            return Err(impossible(Impossible::SettledTwice(ordinal)));
        }
        self.changes.totals.settled[outcome] += 1;
        self.changes.settled.push(ordinal);
        Ok(())
    }

    /// Adds what an event says; times count from `origin`.
    pub(crate) fn push_event(&mut self, event: &Event, origin: Timestamp) -> rusqlite::Result<()> {
        if let Some((ordinal, fact)) = fact_of(event, origin) {
            return self.push(ordinal, fact);
        }
        with_run_record(event, origin, |record| self.push_run(record));
        Ok(())
    }

    /// Adds a fact about the run.
    pub(crate) fn push_run(&mut self, record: &RunRecord<'_>) {
        self.run.push(record);
    }

    /// Calls `take` for every task as it stood before this commit, in the order of the plan.
    ///
    /// What it adds is written chunk by chunk, so that memory does not grow with their number.
    pub(crate) fn for_each_task(
        &mut self,
        mut take: impl FnMut(&mut Self, &FoldedTask<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        for no in 0..self.end.index.len() {
            let bodies = ChunkBodies::read(self.home, no)?;
            // Attempts that never left were withdrawn when the run was opened.
            let fold = bodies.fold(u64::MAX)?;
            fold.tasks.iter().try_for_each(|task| take(self, task))?;
            self.flush()?;
        }
        Ok(())
    }

    /// Counts a task of one outcome as one of another.
    pub(crate) fn recount(&mut self, from: Outcome, to: Outcome) {
        let settled = &mut self.changes.totals.settled;
        settled[from] = settled[from].saturating_sub(1);
        settled[to] += 1;
    }

    /// Writes the segments of all chunks so far.
    fn flush(&mut self) -> rusqlite::Result<()> {
        for (chunk, mut writer) in std::mem::take(&mut self.chunks) {
            if !writer.is_empty() {
                self.append(Some(chunk), |distance, body| writer.write(distance, body))?;
            }
            writer.clear();
            self.scratch.writers.push(writer);
        }
        Ok(())
    }

    /// Writes what is left, and the totals.
    pub(crate) fn finish(mut self) -> rusqlite::Result<EndChanges> {
        self.flush()?;
        let run = std::mem::take(&mut self.run);
        if !run.is_empty() {
            self.append(None, |distance, body| run.write(distance, body))?;
        }
        // In the same transaction; the watermark follows. So it never remembers a commit that the
        // file does not have.
        self.changes.totals.commits += 1;
        self.home.put_totals(&self.changes.totals)?;
        Ok(self.changes)
    }

    fn append(
        &mut self,
        chunk: Option<u32>,
        write: impl FnOnce(u64, &mut Vec<u8>),
    ) -> rusqlite::Result<()> {
        self.changes.totals.segments += 1;
        let seq = self.changes.totals.segments;
        let written = self.changes.lasts.insert(chunk, seq);
        let before = written.unwrap_or_else(|| self.end.last(chunk));
        let body = &mut self.scratch.body;
        body.clear();
        write(distance(seq, before), body);
        self.home.append(Segment { chunk, epoch: self.epoch, seq, body })
    }
}

fn impossible(reason: Impossible) -> Error {
    Error::ToSqlConversionFailure(Box::new(reason))
}
