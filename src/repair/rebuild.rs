//! Describes what takes the place of everything that is not whole, and what is lost with it.

use crate::clock::Timestamp;
use crate::journal::{
    Fact, MAX_CHUNK_TASKS, Record, RunRecord, RunSegmentWriter, SegmentWriter, distance,
    empty_chunk, records,
};
use crate::repair::chains::Owner;
use crate::repair::damaged_part::DamagedPart;
use crate::repair::doubts;
use crate::repair::doubts::{ChunkDoubts, Doubts};
use crate::repair::planned_rows::{Rows, for_each_planned, plan_body, rows_between};
use crate::repair::search::Findings;
use crate::repair::task_doubts::TaskDoubt;
use crate::store::{Home, MayHaveLeft, Totals, Watermark};
use crate::task::{Outcome, TaskState};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// The rows that take the place of others.
#[derive(Debug, Default)]
pub(super) struct Rebuilt {
    pub(super) parts: Vec<DamagedPart>,
    /// Number, first ordinal, tasks and body of plan chunks.
    pub(super) chunks: Vec<(u32, u32, u32, Vec<u8>)>,
    /// The numbers of the rows of plan chunks that are left out.
    pub(super) chunks_out: BTreeSet<i64>,
    /// Owner, epoch, number and body of segments.
    pub(super) segments: Vec<(Owner, u32, u64, Vec<u8>)>,
    /// The numbers of the rows of segments that are left out.
    pub(super) segments_out: BTreeSet<i64>,
    /// The totals, without outcomes.
    pub(super) totals: Totals,
}

/// Reads a run's file, given what is remembered beside it and the time of a repair, if it is one.
pub(super) fn rebuild(
    connection: &Connection,
    watermark: Watermark,
    repaired_at: Option<Timestamp>,
) -> rusqlite::Result<Rebuilt> {
    let commits = watermark.commits;
    let home = Home::new(connection);
    let head = home.head()?;
    let kept = home.totals();
    let segments = kept.as_ref().ok().map(|totals| totals.segments);
    let found = Findings::read(connection, segments, head.selected)?;
    let known = kept.as_ref().map_or(found.last, |totals| totals.commits);
    let mut work = Work {
        connection,
        sources: head.sources.iter().map(|source| source.name.clone()).collect(),
        rebuilt: Rebuilt::default(),
        slots: BTreeMap::new(),
        tails: BTreeSet::new(),
        next: found.last + 1,
        doubts: BTreeMap::new(),
        lost_tasks: 0,
        lost_chunks: Vec::new(),
        found,
    };
    if kept.is_err() {
        work.note(None, "the totals, which follow from the rest");
    }
    if known < commits {
        work.note(None, &format!("the last {} commits", commits - known));
        work.tails = work.found.owners().into_iter().flatten().collect();
    }
    work.rebuild_plan(head.selected)?;
    work.give_slots();
    work.rebuild_run();
    for no in 0..u32::try_from(work.found.chunks.len()).unwrap_or(u32::MAX) {
        work.rebuild_chunk(no)?;
    }
    if let Some(now) = repaired_at {
        let now_us = now.micros_since(head.run.origin);
        work.record_losses(now_us, known < commits, watermark.may_have_left);
    }
    work.name_lost();
    let last = work.next - 1;
    let (commits, settled) = (known.max(commits), Default::default());
    work.rebuilt.totals = Totals { commits, segments: last, settled, lost_tasks: work.lost_tasks };
    Ok(work.rebuilt)
}

struct Work<'a> {
    connection: &'a Connection,
    sources: Vec<String>,
    found: Findings,
    rebuilt: Rebuilt,
    /// The lost segments of each owner.
    slots: BTreeMap<Owner, BTreeSet<u64>>,
    /// The chunks that may have lost their end.
    tails: BTreeSet<u32>,
    /// The number of the next segment that is added at the end.
    next: u64,
    /// The tasks in doubt by the segment that was lost: their number and rows.
    doubts: BTreeMap<u64, Doubts>,
    /// The number of tasks whose ids are lost.
    lost_tasks: u64,
    /// The plan chunks that are lost: number, tasks, and rows as far as they are known.
    lost_chunks: Vec<(u32, u64, Option<Rows>)>,
}

impl Work<'_> {
    fn note(&mut self, chunk: Option<u32>, lost: &str) {
        let lost = lost.into();
        self.rebuilt.parts.push(DamagedPart { chunk, lost, ..DamagedPart::default() });
    }

    /// Puts an empty chunk in the place of each one that is lost.
    fn rebuild_plan(&mut self, selected: u64) -> rusqlite::Result<()> {
        let whole: u64 = self.found.chunks.iter().flatten().map(|it| u64::from(it.tasks)).sum();
        self.lost_tasks = selected.saturating_sub(whole);
        self.rebuilt.chunks_out.extend(self.found.bad_chunks.iter().copied());
        let mut end = 0;
        for no in 0..u32::try_from(self.found.chunks.len()).unwrap_or(u32::MAX) {
            match self.found.chunks[no as usize] {
                Some(chunk) => {
                    end = chunk.end;
                    if !chunk.is_noted {
                        let body = plan_body(self.connection, no)?;
                        self.rebuilt.chunks_out.insert(i64::from(no));
                        self.rebuilt.chunks.push((no, chunk.first, chunk.tasks, body));
                        self.note(Some(no), "the columns beside its body; nothing is lost");
                    }
                }
                None => {
                    self.rebuilt.chunks_out.insert(i64::from(no));
                    self.rebuilt.chunks.push((no, end, 0, empty_chunk(end)));
                    let rows = rows_between(self.connection, &self.found.chunks, no)?;
                    self.lost_chunks.push((no, 0, rows));
                }
            }
        }
        self.count_lost(self.lost_tasks.saturating_sub(self.found.set_aside_tasks));
        Ok(())
    }

    /// Gives each lost chunk its share of tasks: only their sum is known for certain.
    fn count_lost(&mut self, mut left: u64) {
        let mut unseen = self.lost_chunks.len();
        for (no, tasks, rows) in &mut self.lost_chunks {
            let most = u64::from(MAX_CHUNK_TASKS);
            *tasks = if unseen == 1 { left } else { left.min(most) };
            (left, unseen) = (left - *tasks, unseen - 1);
            let name = |source: u32| self.sources.get(source as usize).cloned();
            let rows = rows.map(|(source, from, to)| (name(source).unwrap_or_default(), from, to));
            self.rebuilt.parts.push(DamagedPart::lost_chunk(*no, *tasks, rows));
        }
    }

    /// Records in a segment of the run, behind all others, what those who go on must know: requests
    /// that may have been sent, and tasks whose ids are lost.
    fn record_losses(&mut self, now_us: i64, lacks_commits: bool, may_have_left: MayHaveLeft) {
        let found = &self.found;
        let (until_us, most) = found.sendings.unrecorded(&found.lost, lacks_commits, may_have_left);
        let mut writer = RunSegmentWriter::default();
        if most > 0 {
            let until_us = until_us.unwrap_or(now_us);
            writer.push(&RunRecord::SendingsLost { until_us, most });
        }
        for &(chunk, tasks, rows) in &self.lost_chunks {
            writer.push(&RunRecord::TasksLost { chunk, tasks, rows });
        }
        if writer.is_empty() {
            return;
        }
        let whole = found.chains.of(None).last().map_or(0, |link| link.seq);
        let slot = self.slots.get(&None).and_then(|slots| slots.last()).copied().unwrap_or(0);
        let before = whole.max(slot);
        let mut body = Vec::new();
        writer.write(distance(self.next, before), &mut body);
        let epoch = found.epoch_before(self.next);
        self.rebuilt.segments.push((None, epoch, self.next, body));
        self.next += 1;
    }

    fn source(&self, source: u32) -> String {
        self.sources.get(source as usize).cloned().unwrap_or_default()
    }

    /// Gives every lost segment an owner. Where it is not known, all that can have had it count as
    /// damaged.
    fn give_slots(&mut self) {
        self.rebuilt.segments_out.extend(self.found.bad_rows.iter().map(|row| row.seq));
        let mut covered = BTreeSet::new();
        for (&seq, &owner) in &self.found.lost {
            let owner = owner.unwrap_or_else(|| {
                let owners = self.found.chains.owners_of(seq);
                let ending =
                    owners.iter().filter(|&&owner| self.found.chains.ends_before(owner, seq));
                self.tails.extend(ending.copied().flatten());
                let first = owners.iter().find(|owner| !covered.contains(*owner));
                let owner = first.or(owners.first()).copied().unwrap_or(None);
                covered.insert(owner);
                owner
            });
            self.slots.entry(owner).or_default().insert(seq);
        }
    }

    /// Puts segments without records in the place of those of the run, except for the beginnings of
    /// sessions: every later segment counts on them.
    fn rebuild_run(&mut self) {
        let slots = self.slots.get(&None).cloned().unwrap_or_default();
        for &seq in &slots {
            let (from, to) = (self.found.epoch_before(seq), self.found.epoch_after(seq));
            let mut writer = RunSegmentWriter::default();
            let mut epoch = from;
            for session in from..=to {
                if self.found.begun.insert(session) {
                    let at_us = self.found.time_at(seq);
                    writer.push(&RunRecord::SessionStarted { at_us, process: 0, version: "" });
                    epoch = session;
                }
            }
            let links = self.found.chains.of(None);
            let place = links.partition_point(|link| link.seq < seq);
            let whole = place.checked_sub(1).map_or(0, |place| links[place].seq);
            let before = slots.range(..seq).next_back().map_or(whole, |&lost| lost.max(whole));
            let mut body = Vec::new();
            writer.write(distance(seq, before), &mut body);
            self.rebuilt.segments.push((None, epoch, seq, body));
        }
    }

    fn rebuild_chunk(&mut self, no: u32) -> rusqlite::Result<()> {
        let owner = Some(no);
        let slots = self.slots.get(&owner).cloned().unwrap_or_default();
        let has_plan = self.found.chunks[no as usize].is_some();
        let may_lose_end = self.tails.contains(&no);
        if slots.is_empty() && !may_lose_end && has_plan {
            return Ok(());
        }
        let first = self.found.chunks[no as usize].map_or(0, |chunk| chunk.first);
        let body = if has_plan { plan_body(self.connection, no)? } else { Vec::new() };
        let mut tasks = ChunkDoubts::new();
        for_each_planned(&body, |ordinal, source, line| {
            tasks.insert(ordinal - first, (TaskDoubt::default(), source, line));
        });
        let whole: BTreeSet<u64> =
            self.found.chains.of(owner).iter().map(|link| link.seq).collect();
        let mut before = 0;
        for &seq in whole.union(&slots) {
            if whole.contains(&seq) {
                self.keep_whole(owner, seq, before, &mut tasks)?;
            } else {
                doubts::lose(&mut tasks, seq, self.found.may_have_states(seq));
            }
            before = seq;
        }
        let end = self.next;
        if may_lose_end {
            doubts::lose(&mut tasks, end, self.found.may_have_states(end));
        }
        tasks.values_mut().for_each(|(task, ..)| task.finish());
        for &seq in &slots {
            let earlier = whole.union(&slots).copied().take_while(|&one| one < seq).last();
            self.put_doubts(owner, seq, earlier.unwrap_or(0), &tasks);
        }
        let is_in_doubt = |(task, ..): &(TaskDoubt, u32, u64)| {
            task.lost() == Some(end) || task.unseen() == Some(end)
        };
        if may_lose_end && tasks.values().any(is_in_doubt) {
            self.put_doubts(owner, end, before, &tasks);
            self.next += 1;
        }
        Ok(())
    }

    /// Keeps a whole segment, without the facts about tasks whose record is not whole.
    fn keep_whole(
        &mut self,
        owner: Owner,
        seq: u64,
        before: u64,
        tasks: &mut ChunkDoubts,
    ) -> rusqlite::Result<()> {
        let mut query =
            self.connection.prepare_cached("SELECT epoch, body FROM main.segment WHERE seq = ?")?;
        let (epoch, body): (u32, Vec<u8>) =
            query.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (mut writer, mut is_changed) = (SegmentWriter::default(), false);
        let sendings = &mut self.found.sendings;
        let read = records(&body, |record| {
            let task = tasks.get_mut(&record.offset);
            if task.is_some_and(|(task, ..)| task.keeps(&record.fact)) {
                writer.push(&record);
            } else {
                is_changed = true;
                if let Fact::Started { seq: number, .. } = record.fact {
                    sendings.take_out(seq, number);
                }
            }
            Ok(())
        });
        if read.is_ok() && is_changed {
            let mut body = Vec::new();
            writer.write(distance(seq, before), &mut body);
            self.rebuilt.segments_out.insert(seq.cast_signed());
            self.rebuilt.segments.push((owner, epoch, seq, body));
        }
        Ok(())
    }

    /// Writes a segment that says which tasks are in doubt because of a lost one.
    fn put_doubts(&mut self, owner: Owner, seq: u64, before: u64, tasks: &ChunkDoubts) {
        let mut writer = SegmentWriter::default();
        let doubts = self.doubts.entry(seq).or_default();
        for (&offset, (task, source, line)) in tasks {
            let fact = if task.lost() == Some(seq) {
                Fact::Lost
            } else if task.unseen() == Some(seq) {
                let (state, verdict) = (TaskState::Unknown, Some(Outcome::Ambiguous));
                Fact::After { state, verified_us: None, verdict }
            } else {
                continue;
            };
            writer.push(&Record { offset, fact });
            doubts.add(*source, *line);
        }
        let mut body = Vec::new();
        writer.write(distance(seq, before), &mut body);
        let epoch = self.found.epoch_before(seq);
        self.rebuilt.segments.push((owner, epoch, seq, body));
    }

    /// Says of every lost segment what is lost with it.
    fn name_lost(&mut self) {
        let mut doubts = std::mem::take(&mut self.doubts);
        // What was added at the end is due to the segments whose chunk is not known.
        let added = doubts.split_off(&(self.found.last + 1));
        let unknown = self.found.lost.iter().find(|(_, owner)| owner.is_none()).map(|(&at, _)| at);
        let mut at_end = Doubts::default();
        for other in added.into_values() {
            at_end.join(other);
        }
        match (unknown, self.rebuilt.parts.iter().position(|it| it.lost.starts_with("the last "))) {
            (None, Some(place)) => {
                let rows = self.named(&at_end);
                let part = &mut self.rebuilt.parts[place];
                (part.tasks, part.rows) = (at_end.tasks, rows);
            }
            (Some(seq), _) => doubts.entry(seq).or_default().join(at_end),
            (None, None) => {}
        }
        for (seq, owner) in std::mem::take(&mut self.found.lost) {
            let doubts = doubts.remove(&seq).unwrap_or_default();
            let lost = match owner {
                None => "what became of tasks of a chunk that cannot be named",
                Some(None) => "facts about the run: sessions, holds, changes or pages",
                Some(Some(_)) => "what became of these tasks",
            };
            self.rebuilt.parts.push(DamagedPart {
                chunk: owner.flatten(),
                segment: Some(seq),
                tasks: doubts.tasks,
                rows: self.named(&doubts),
                lost: lost.into(),
                ..DamagedPart::default()
            });
        }
        let strays = self.found.bad_rows.len() + self.found.bad_chunks.len();
        if self.rebuilt.parts.is_empty() && strays > 0 {
            self.note(None, "a row that belongs nowhere; nothing else is lost");
        }
    }

    fn named(&self, doubts: &Doubts) -> Vec<(String, u64, u64)> {
        let rows = doubts.rows.iter();
        rows.map(|(&source, &(from, to))| (self.source(source), from, to)).collect()
    }
}
