//! Reads every row of a run's file and sets apart what is whole.
//!
//! Holds two numbers for each whole segment and the bodies of those that are not.

use crate::journal::{Fact, Place, PlanChunk, RunRecord, records, run_records};
use crate::repair::chains::{Chains, Link, Owner};
use crate::repair::sendings::Sendings;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use std::collections::{BTreeMap, BTreeSet};

/// How many bodies are tried in how many places. More damage than that is placed by its keys.
const MOST_TRIED: usize = 32;

/// A row whose checksum does not fit its place, or whose bytes are no records.
#[derive(Debug, Clone)]
pub(super) struct BadRow {
    pub(super) seq: i64,
    chunk: i64,
    epoch: i64,
    body: Vec<u8>,
    crc: i64,
}

/// A plan chunk as it was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct FoundChunk {
    pub(super) first: u32,
    pub(super) tasks: u32,
    /// The ordinal behind the last task.
    pub(super) end: u32,
    /// Whether the columns beside the body say the same.
    pub(super) is_noted: bool,
}

/// What was found in a run's file.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The plan chunks in order; `None` for one that is lost.
    pub(super) chunks: Vec<Option<FoundChunk>>,
    /// The rows of plan chunks to be left out.
    pub(super) bad_chunks: Vec<i64>,
    /// The whole segments.
    pub(super) chains: Chains,
    /// The rows of segments that are not whole.
    pub(super) bad_rows: Vec<BadRow>,
    /// The segments that are not whole, with those that they belonged to, if that is known.
    pub(super) lost: BTreeMap<u64, Option<Owner>>,
    /// The number of the last segment.
    pub(super) last: u64,
    /// The epoch of each whole segment of which the epoch differs from the one before it.
    epochs: BTreeMap<u64, u32>,
    /// The sessions whose beginning is whole.
    pub(super) begun: BTreeSet<u32>,
    /// The time of the last start before each lost segment.
    times_us: Vec<(u64, i64)>,
    /// The requests for pages of the list since the first call.
    pages: Vec<u64>,
    /// The plan chunks that an earlier repair has set aside.
    set_aside: BTreeMap<u32, u64>,
    /// The number of their tasks.
    pub(super) set_aside_tasks: u64,
    /// The requests that were recorded.
    pub(super) sendings: Sendings,
    /// The first whole segment with a call.
    first_call: Option<u64>,
}

impl Findings {
    /// Reads a run's file; `segments` is the number of segments, if that is known.
    pub(super) fn read(
        connection: &Connection,
        segments: Option<u64>,
        selected: u64,
    ) -> rusqlite::Result<Self> {
        let mut found = Self::default();
        found.chains.know(None);
        found.read_chunks(connection, selected)?;
        found.read_segments(connection)?;
        found.find_set_aside();
        found.find_lost(segments);
        found.place_lost();
        Ok(found)
    }

    fn read_chunks(&mut self, connection: &Connection, selected: u64) -> rusqlite::Result<()> {
        let mut whole: BTreeMap<u32, FoundChunk> = BTreeMap::new();
        let mut query =
            connection.prepare("SELECT no, first, tasks, body, crc FROM main.chunk ORDER BY no")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            match whole_chunk(row) {
                Some((no, chunk)) => drop(whole.insert(no, chunk)),
                None => self.bad_chunks.push(integer(row, 0)),
            }
        }
        let mut count = whole.last_key_value().map_or(0, |(&no, _)| no + 1);
        let tasks: u64 = whole.values().map(|chunk| u64::from(chunk.tasks)).sum();
        // One more at the end, if no chunk before it can have the tasks that are missing.
        let has_empty = whole.values().any(|chunk| chunk.tasks == 0);
        let is_last_lost = u64::from(count) == whole.len() as u64 && tasks < selected && !has_empty;
        let highest = self.bad_chunks.iter().filter_map(|&no| u32::try_from(no).ok()).max();
        count += u32::from(is_last_lost);
        // A lost chunk at the very end, beside others.
        let most = count + u32::try_from(self.bad_chunks.len()).unwrap_or(0);
        count = highest.filter(|&no| no < most).map_or(count, |no| count.max(no + 1));
        self.chunks = (0..count).map(|no| whole.get(&no).copied()).collect();
        (0..count).for_each(|no| self.chains.know(Some(no)));
        Ok(())
    }

    /// Takes a chunk without tasks for a lost one again, if the record of its loss is lost as well.
    fn find_set_aside(&mut self) {
        let is_empty = |chunk: &Option<FoundChunk>| chunk.is_some_and(|chunk| chunk.tasks == 0);
        for (no, chunk) in (0..).zip(&mut self.chunks) {
            match self.set_aside.get(&no) {
                Some(tasks) if is_empty(chunk) => self.set_aside_tasks += tasks,
                None if is_empty(chunk) => *chunk = None,
                _ => {}
            }
        }
    }

    fn read_segments(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut query = connection
            .prepare("SELECT seq, chunk, epoch, body, crc FROM main.segment ORDER BY seq")?;
        let mut rows = query.query([])?;
        let mut time_us = 0;
        while let Some(row) = rows.next()? {
            if self.take_whole(row, &mut time_us).is_none() {
                let body = row.get_ref(3)?.as_bytes().unwrap_or_default().to_owned();
                let [seq, chunk, epoch, crc] = [0, 1, 2, 4].map(|at| integer(row, at));
                self.bad_rows.push(BadRow { seq, chunk, epoch, body, crc });
            }
        }
        Ok(())
    }

    /// Takes a segment that is whole.
    fn take_whole(&mut self, row: &Row<'_>, time_us: &mut i64) -> Option<()> {
        let seq: u64 = row.get(0).ok()?;
        let chunk: i64 = row.get(1).ok()?;
        let (epoch, body) = (row.get(2).ok()?, row.get_ref(3).ok()?.as_blob().ok()?);
        let owner = u32::try_from(chunk).ok();
        let place = Place::Segment { chunk: owner, epoch, seq };
        // A chunk number that is no chunk's has another place, and so another checksum.
        if place.chunk_number() != chunk || !self.is_known(owner) {
            return None;
        }
        place.check(body, row.get(4).ok()?).ok()?;
        let mut last_us = *time_us;
        let mut has_calls = false;
        let (mut has_begun, mut has_pages) = (false, false);
        self.sendings.begin(epoch);
        let distance = match owner {
            None => run_records(body, |record| {
                has_begun |= matches!(record, RunRecord::SessionStarted { .. });
                has_pages |= matches!(record, RunRecord::Polled { .. });
                if let RunRecord::TasksLost { chunk, tasks, .. } = record {
                    self.set_aside.insert(chunk, tasks);
                }
                self.sendings.read_of_run(seq, record);
                Ok(())
            }),
            Some(chunk) => records(body, |record| {
                if let Fact::Started { leaves_us, .. } = record.fact {
                    (last_us, has_calls) = (leaves_us, true);
                }
                self.sendings.read(seq, (chunk, record.offset), &record.fact);
                Ok(())
            }),
        };
        let before = seq.checked_sub(distance.ok()?)?;
        let before = if before == seq { 0 } else { before };
        if has_begun {
            self.begun.insert(epoch);
        }
        if has_calls {
            self.first_call.get_or_insert(seq);
        }
        if has_pages && self.may_have_calls(seq) {
            self.pages.push(seq);
        }
        if last_us != *time_us {
            *time_us = last_us;
            self.times_us.push((seq, last_us));
            // Only the latest ones before a lost segment are asked for, and thinned out is enough.
            if self.times_us.len() > 4_096 {
                let mut place = 0;
                self.times_us.retain(|_| {
                    place += 1;
                    place % 2 == 0
                });
            }
        }
        if self.epochs.last_key_value().is_none_or(|(_, &last)| last != epoch) {
            self.epochs.insert(seq, epoch);
        }
        self.chains.push(owner, Link { seq, before });
        self.last = seq;
        Some(())
    }

    fn is_known(&self, owner: Owner) -> bool {
        let count = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
        owner.is_none_or(|no| no < count)
    }

    /// Finds the numbers that no whole segment has.
    fn find_lost(&mut self, segments: Option<u64>) {
        let most = self.last + self.bad_rows.len() as u64;
        let seqs = self.bad_rows.iter().filter_map(|row| u64::try_from(row.seq).ok());
        let last = segments.or_else(|| seqs.filter(|&seq| seq <= most).max());
        self.last = self.last.max(last.unwrap_or(0).min(self.last.saturating_add(1 << 20)));
        let mut whole: Vec<u64> = Vec::new();
        for owner in self.owners() {
            whole.extend(self.chains.of(owner).iter().map(|link| link.seq));
        }
        whole.sort_unstable();
        let mut next = 1;
        for seq in whole.into_iter().chain([self.last + 1]) {
            self.lost.extend((next..seq).map(|lost| (lost, None)));
            next = seq + 1;
        }
    }

    /// Returns all chunks, and the run itself.
    pub(super) fn owners(&self) -> Vec<Owner> {
        let count = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
        std::iter::once(None).chain((0..count).map(Some)).collect()
    }

    /// Finds those that lost segments belonged to: by the segments behind them, by the only place
    /// that the checksum fits, and by their keys.
    fn place_lost(&mut self) {
        let lost = &mut self.lost;
        self.chains.for_each_followed(|owner, before| {
            if let Some(owned) = lost.get_mut(&before) {
                *owned = Some(owner);
            }
        });
        let open: Vec<u64> =
            self.lost.iter().filter(|(_, owner)| owner.is_none()).map(|(&seq, _)| seq).collect();
        for seq in open {
            let owner = self.by_checksum(seq).or_else(|| self.by_key(seq));
            self.lost.insert(seq, owner);
        }
    }

    /// Returns the owner under which the checksum of a bad row fits this number.
    fn by_checksum(&self, seq: u64) -> Option<Owner> {
        let epochs = self.epochs_at(seq);
        let keys: BTreeSet<i64> =
            self.bad_rows.iter().take(MOST_TRIED).map(|row| row.chunk).collect();
        let owners = self.chains.owners_of(seq);
        self.bad_rows.iter().take(MOST_TRIED).find_map(|row| {
            let here = u64::try_from(row.seq) == Ok(seq);
            let flipped = (0..64).map(|bit| row.chunk ^ (1 << bit)).filter(|_| here);
            let mut numbers: Vec<i64> = keys.iter().copied().chain(flipped).collect();
            numbers.retain(|&number| number >= -1 && number < self.chunks.len() as i64);
            let mut fitting = numbers.into_iter().map(|number| u32::try_from(number).ok());
            fitting.find(|&chunk| {
                owners.contains(&chunk)
                    && epochs.iter().chain(&u32::try_from(row.epoch).ok()).any(|&epoch| {
                        Place::Segment { chunk, epoch, seq }.check(&row.body, row.crc).is_ok()
                    })
            })
        })
    }

    /// Returns the owner that the key of the row with this number names, if it can be that.
    fn by_key(&self, seq: u64) -> Option<Owner> {
        let row = self.bad_rows.iter().find(|row| u64::try_from(row.seq) == Ok(seq))?;
        let owner = match row.chunk {
            -1 => None,
            number => Some(u32::try_from(number).ok()?),
        };
        self.chains.may_own(owner, seq).then_some(owner)
    }

    /// Returns the epochs of the whole segments around a number, without repeats.
    fn epochs_at(&self, seq: u64) -> Vec<u32> {
        let (before, after) = (self.epoch_before(seq), self.epoch_after(seq));
        if before == after { vec![before] } else { (before..=after).take(MOST_TRIED).collect() }
    }

    /// Returns the epoch of the last whole segment before a number; 1 if there is none.
    pub(super) fn epoch_before(&self, seq: u64) -> u32 {
        self.epochs.range(..seq).next_back().map_or(1, |(_, &epoch)| epoch)
    }

    /// Returns the epoch of the next whole segment with another epoch, or the one before.
    pub(super) fn epoch_after(&self, seq: u64) -> u32 {
        self.epochs.range(seq..).next().map_or_else(|| self.epoch_before(seq), |(_, &epoch)| epoch)
    }

    /// Returns a time near that of a segment, in microseconds after the origin.
    pub(super) fn time_at(&self, seq: u64) -> i64 {
        let place = self.times_us.partition_point(|&(at, _)| at < seq);
        place.checked_sub(1).map_or(0, |place| self.times_us[place].1)
    }

    /// Returns whether states may have been read after the first call and before this segment.
    pub(super) fn may_have_states(&self, seq: u64) -> bool {
        // A lost segment of the run may have had a request for a page.
        let mut lost =
            self.lost.range(..seq).filter(|(_, owner)| matches!(owner, None | Some(None)));
        self.pages.iter().any(|&page| page < seq)
            || lost.any(|(&lost, _)| self.may_have_calls(lost))
    }

    /// Returns whether a call may have been begun before a segment.
    fn may_have_calls(&self, seq: u64) -> bool {
        let mut lost = self.lost.range(..seq).map(|(_, owner)| owner);
        self.first_call.is_some_and(|first| first < seq) || lost.any(|owner| *owner != Some(None))
    }
}

fn whole_chunk(row: &Row<'_>) -> Option<(u32, FoundChunk)> {
    let no: u32 = row.get(0).ok()?;
    let body = row.get_ref(3).ok()?.as_blob().ok()?;
    Place::Chunk(no).check(body, row.get(4).ok()?).ok()?;
    let mut chunk = PlanChunk::new(body).ok()?;
    let (first, tasks) = (chunk.first, chunk.tasks);
    let mut end = first;
    while let Some(task) = chunk.next().ok()? {
        end = task.ordinal.saturating_add(1);
    }
    let noted = (row.get::<_, u32>(1).ok(), row.get::<_, u32>(2).ok());
    Some((no, FoundChunk { first, tasks, end, is_noted: noted == (Some(first), Some(tasks)) }))
}

/// Returns a number, or one that is no key, if the column has none.
fn integer(row: &Row<'_>, column: usize) -> i64 {
    match row.get_ref(column) {
        Ok(ValueRef::Integer(number)) => number,
        _ => i64::MIN,
    }
}
