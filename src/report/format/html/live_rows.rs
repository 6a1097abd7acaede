//! The rows of a run that is followed, as they are now, for every browser that follows it.
//!
//! Each row has the number of the look that has changed it last, so a browser that knows its own last
//! look gets the rows that it lacks, and no task is read for it. The number of a failure group stands
//! apart, because it depends on all failures and changes without its task. Memory grows with the rows
//! and ends at a limit.

use crate::reading::TaskRow;
use crate::report::format::html::row::{
    Words, group_number, write_before_group, write_behind_group,
};
use crate::report::format::html::texts::Texts;
use crate::report::model::{GroupLabel, TakeTasks};
use std::io;

/// The most bytes of all rows of a run: more than a page that browsers can open.
const MOST_BYTES: usize = 64 << 20;

/// The rows of a run that is followed.
#[derive(Debug, Default)]
pub(crate) struct LiveRows {
    chunks: Vec<ChunkRows>,
    /// The number of the last look, or of the one under way.
    look: u32,
    bytes: usize,
    is_too_large: bool,
}

/// The rows of a chunk.
#[derive(Debug, Default)]
struct ChunkRows {
    /// The place of its first row in the input.
    place: usize,
    /// The rows one after the other, without the numbers of their groups.
    text: Vec<u8>,
    rows: Vec<LiveRow>,
    /// The labels of its causes; `None` until the groups of all its rows are known.
    labels: Option<Vec<Option<GroupLabel>>>,
    /// The last look that has changed any row.
    changed: u32,
}

#[derive(Debug, Clone, Copy)]
struct LiveRow {
    /// Where its group belongs in the text of its chunk, and where it ends there.
    group_at: u32,
    end: u32,
    cause: Option<u32>,
    group: u32,
    /// The last look that has changed it.
    changed: u32,
}

/// A row that a browser lacks.
#[derive(Debug)]
pub(crate) struct ChangedRow<'a> {
    pub(crate) place: usize,
    pub(crate) before_group: &'a [u8],
    pub(crate) group: u32,
    pub(crate) behind_group: &'a [u8],
}

impl LiveRows {
    /// Returns the number of the last look.
    pub(crate) fn look(&self) -> u32 {
        self.look
    }

    /// Returns how much they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns whether they are too large to be kept; then some are missing.
    pub(crate) fn is_too_large(&self) -> bool {
        self.is_too_large
    }

    /// Begins a look.
    pub(crate) fn begin_look<'a>(
        &'a mut self,
        words: Words<'a>,
        texts: &'a mut Texts,
    ) -> RowsWriter<'a> {
        // Also after a look that has failed: what it changed is newer than all that was sent.
        self.look += 1;
        RowsWriter { rows: self, words, texts, number: 0, chunk: ChunkRows::default() }
    }

    /// Ends a look, once the labels of the causes in each chunk are known.
    pub(crate) fn end_look(&mut self, labels: impl Fn(usize) -> Vec<Option<GroupLabel>>) {
        for (number, chunk) in self.chunks.iter_mut().enumerate() {
            let labels = labels(number);
            if chunk.labels.as_ref() != Some(&labels) {
                chunk.take_labels(labels, self.look);
            }
        }
    }

    /// Calls `take` for each row that has changed after a look, in order.
    pub(crate) fn for_each_since<E>(
        &self,
        look: u32,
        mut take: impl FnMut(ChangedRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut chunks = self.chunks.iter().filter(|chunk| chunk.changed > look);
        chunks.try_for_each(|chunk| chunk.for_each_since(look, &mut take))
    }

    /// Puts the rows of a chunk into the place of those before.
    fn put(&mut self, number: usize, mut chunk: ChunkRows) {
        if self.chunks.len() <= number {
            self.chunks.resize_with(number + 1, ChunkRows::default);
        }
        let known = &mut self.chunks[number];
        chunk.compare(known, self.look);
        chunk.text.shrink_to_fit();
        self.bytes = self.bytes - known.bytes() + chunk.bytes();
        *known = chunk;
    }
}

impl ChunkRows {
    fn bytes(&self) -> usize {
        self.text.len() + self.rows.len() * size_of::<LiveRow>()
    }

    /// Returns a row before and behind its group.
    fn row(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let row = self.rows.get(index)?;
        let begin = index.checked_sub(1).map_or(0, |before| self.rows[before].end);
        let text = |from: u32, until: u32| &self.text[from as usize..until as usize];
        Some((text(begin, row.group_at), text(row.group_at, row.end)))
    }

    /// Keeps for each row that is as it was when that has changed.
    fn compare(&mut self, known: &Self, look: u32) {
        for index in 0..self.rows.len() {
            let is_same = self.place == known.place && self.row(index) == known.row(index);
            let same = known.rows.get(index).filter(|_| is_same);
            let row = &mut self.rows[index];
            (row.group, row.changed) = same.map_or((0, look), |same| (same.group, same.changed));
            self.changed = self.changed.max(row.changed);
        }
    }

    fn take_labels(&mut self, labels: Vec<Option<GroupLabel>>, look: u32) {
        for row in &mut self.rows {
            let label = row.cause.and_then(|cause| labels.get(cause as usize).copied());
            let group = short(group_number(label.flatten()));
            if row.group != group {
                (row.group, row.changed, self.changed) = (group, look, look);
            }
        }
        self.labels = Some(labels);
    }

    fn for_each_since<E>(
        &self,
        look: u32,
        take: &mut impl FnMut(ChangedRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for (index, row) in self.rows.iter().enumerate().filter(|(_, row)| row.changed > look) {
            let Some((before_group, behind_group)) = self.row(index) else { continue };
            let place = self.place + index;
            take(ChangedRow { place, before_group, group: row.group, behind_group })?;
        }
        Ok(())
    }
}

/// Writes the rows of all tasks that are read in one look.
pub(crate) struct RowsWriter<'a> {
    rows: &'a mut LiveRows,
    words: Words<'a>,
    texts: &'a mut Texts,
    /// The chunk under way.
    number: usize,
    chunk: ChunkRows,
}

impl RowsWriter<'_> {
    fn write(&mut self, task: &TaskRow) -> io::Result<u32> {
        let text = &mut self.chunk.text;
        write_before_group(task, self.words, text)?;
        let group_at = short(text.len());
        write_behind_group(task, self.words, self.texts, text)?;
        Ok(group_at)
    }
}

impl TakeTasks for RowsWriter<'_> {
    fn begin(&mut self, chunk: usize, place: usize) {
        self.number = chunk;
        let known = self.rows.chunks.get(chunk).map_or(0, |known| known.text.len());
        let text = Vec::with_capacity(known);
        self.chunk = ChunkRows { place, text, ..ChunkRows::default() };
    }

    fn add(&mut self, task: &TaskRow, cause: Option<usize>) {
        // A run of several files is one chunk, however large.
        self.rows.is_too_large |= self.rows.bytes.max(self.chunk.bytes()) > MOST_BYTES;
        if self.rows.is_too_large {
            return;
        }
        let group_at = self.write(task).expect("writing into memory does not fail");
        let end = short(self.chunk.text.len());
        let cause = cause.map(short);
        self.chunk.rows.push(LiveRow { group_at, end, cause, group: 0, changed: 0 });
    }

    fn end(&mut self) {
        self.rows.put(self.number, std::mem::take(&mut self.chunk));
    }
}

/// Returns a number that the limit keeps short.
fn short(number: usize) -> u32 {
    u32::try_from(number).expect("the rows of a chunk end at a limit")
}
