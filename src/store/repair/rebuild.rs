//! Describes what takes the place of everything that is not whole, and what is lost with it.

use crate::journal::{
    Fact, PlanChunk, PlanChunkWriter, Record, RunRecord, RunSegmentWriter, SegmentWriter, records,
};
use crate::store::home::{Home, Totals};
use crate::store::repair::chains::Owner;
use crate::store::repair::damaged_part::DamagedPart;
use crate::store::repair::search::Findings;
use crate::store::repair::task_doubts::TaskDoubt;
use crate::task::{Outcome, TaskState};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// The rows that take the place of others.
#[derive(Debug, Default)]
pub(crate) struct Rebuilt {
    pub(crate) parts: Vec<DamagedPart>,
    /// Number, first ordinal, tasks and body of plan chunks.
    pub(crate) chunks: Vec<(u32, u32, u32, Vec<u8>)>,
    /// The numbers of the rows of plan chunks that are left out.
    pub(crate) chunks_out: BTreeSet<i64>,
    /// Owner, epoch, number and body of segments.
    pub(crate) segments: Vec<(Owner, u32, u64, Vec<u8>)>,
    /// The numbers of the rows of segments that are left out.
    pub(crate) segments_out: BTreeSet<i64>,
    /// The number of tasks whose ids are lost.
    pub(crate) lost_tasks: u64,
    /// The totals, without outcomes.
    pub(crate) totals: Totals,
}

/// Reads a run's file; `commits` is the number of commits that are remembered beside it.
pub(crate) fn rebuild(connection: &Connection, commits: u64) -> rusqlite::Result<Rebuilt> {
    let home = Home::new(connection);
    let head = home.head()?;
    let kept = home.totals();
    let segments = kept.as_ref().ok().map(|totals| totals.segments);
    let found = Findings::read(connection, segments, head.selected)?;
    let known = kept.as_ref().map_or(found.last, |totals| totals.commits);
    let mut work = Work {
        connection,
        sources: head.sources.into_iter().map(|source| source.name).collect(),
        rebuilt: Rebuilt::default(),
        slots: BTreeMap::new(),
        tails: BTreeSet::new(),
        next: found.last + 1,
        doubts: BTreeMap::new(),
        found,
    };
    if kept.is_err() {
        work.note(None, None, "the totals, which follow from the rest");
    }
    if known < commits {
        work.note(None, None, &format!("the last {} commits", commits - known));
        work.tails = work.found.owners().into_iter().flatten().collect();
    }
    work.rebuild_plan(head.selected)?;
    work.give_slots();
    work.rebuild_run();
    for no in 0..u32::try_from(work.found.chunks.len()).unwrap_or(u32::MAX) {
        work.rebuild_chunk(no)?;
    }
    work.name_lost();
    let last = work.next - 1;
    let settled = Default::default();
    work.rebuilt.totals = Totals { commits: known.max(commits), segments: last, settled };
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
}

#[derive(Debug, Default)]
struct Doubts {
    tasks: u64,
    rows: BTreeMap<u32, (u64, u64)>,
}

impl Doubts {
    fn add(&mut self, source: u32, line: u64) {
        self.tasks += 1;
        let rows = self.rows.entry(source).or_insert((line, line));
        *rows = (rows.0.min(line), rows.1.max(line));
    }
}

impl Work<'_> {
    fn note(&mut self, chunk: Option<u32>, segment: Option<u64>, lost: &str) {
        let (tasks, rows) = (0, Vec::new());
        self.rebuilt.parts.push(DamagedPart { chunk, segment, tasks, rows, lost: lost.into() });
    }

    /// Puts an empty chunk in the place of each one that is lost.
    fn rebuild_plan(&mut self, selected: u64) -> rusqlite::Result<()> {
        let whole: u64 = self.found.chunks.iter().flatten().map(|it| u64::from(it.tasks)).sum();
        let mut left = selected.saturating_sub(whole);
        self.rebuilt.lost_tasks = left;
        self.rebuilt.chunks_out.extend(self.found.bad_chunks.iter().copied());
        let lost = self.found.chunks.iter().filter(|chunk| chunk.is_none()).count() as u64;
        let (mut unseen, mut end) = (lost, 0);
        for no in 0..u32::try_from(self.found.chunks.len()).unwrap_or(u32::MAX) {
            match self.found.chunks[no as usize] {
                Some(chunk) => {
                    end = chunk.first + chunk.tasks;
                    if !chunk.is_noted {
                        let body = self.plan_body(no)?;
                        self.rebuilt.chunks_out.insert(i64::from(no));
                        self.rebuilt.chunks.push((no, chunk.first, chunk.tasks, body));
                        self.note(Some(no), None, "the columns beside its body; nothing is lost");
                    }
                }
                None => {
                    // Only the sum over all lost chunks is known for certain.
                    let tasks = if unseen == 1 { left } else { left.min(1_000) };
                    (left, unseen) = (left - tasks, unseen - 1);
                    self.rebuilt.chunks_out.insert(i64::from(no));
                    let (_, _, body) = PlanChunkWriter::default().finish();
                    let rows = self.rows_between(no)?;
                    self.rebuilt.chunks.push((no, end, 0, body));
                    self.rebuilt.parts.push(DamagedPart {
                        chunk: Some(no),
                        segment: None,
                        tasks,
                        rows,
                        lost: "its ids, and what became of them".into(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Returns the rows between the chunks around a lost one, if they are of one input.
    fn rows_between(&self, no: u32) -> rusqlite::Result<Vec<(String, u64, u64)>> {
        let at = |no: Option<u32>| no.and_then(|no| *self.found.chunks.get(no as usize)?).and(no);
        let (mut before, mut after) = (None, None);
        if let Some(no) = at(no.checked_sub(1)) {
            let body = self.plan_body(no)?;
            for_each_planned(&body, |_, source, line| before = Some((source, line)));
        }
        if let Some(no) = at(no.checked_add(1)) {
            let body = self.plan_body(no)?;
            for_each_planned(&body, |_, source, line| {
                after.get_or_insert((source, line));
            });
        }
        let rows = match (before, after) {
            (Some((one, from)), Some((other, to))) if one == other => (one, from + 1, to - 1),
            (None, Some((source, to))) if no == 0 && source == 0 => (source, 1, to - 1),
            (Some((source, from)), None) => (source, from + 1, u64::MAX),
            _ => return Ok(Vec::new()),
        };
        Ok(vec![(self.source(rows.0), rows.1, rows.2)])
    }

    fn source(&self, source: u32) -> String {
        self.sources.get(source as usize).cloned().unwrap_or_default()
    }

    fn plan_body(&self, no: u32) -> rusqlite::Result<Vec<u8>> {
        let mut query =
            self.connection.prepare_cached("SELECT body FROM main.chunk WHERE no = ?")?;
        query.query_row([no], |row| row.get(0))
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
            writer.write(if before == 0 { 0 } else { seq - before }, &mut body);
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
        let body = if has_plan { self.plan_body(no)? } else { Vec::new() };
        let mut tasks: BTreeMap<u32, (TaskDoubt, u32, u64)> = BTreeMap::new();
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
                lose(&mut tasks, seq, self.found.may_have_states(seq));
            }
            before = seq;
        }
        let end = self.next;
        if may_lose_end {
            lose(&mut tasks, end, self.found.may_have_states(end));
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
        tasks: &mut BTreeMap<u32, (TaskDoubt, u32, u64)>,
    ) -> rusqlite::Result<()> {
        let mut query =
            self.connection.prepare_cached("SELECT epoch, body FROM main.segment WHERE seq = ?")?;
        let (epoch, body): (u32, Vec<u8>) =
            query.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (mut writer, mut is_changed) = (SegmentWriter::default(), false);
        let read = records(&body, |record| {
            let task = tasks.get_mut(&record.offset);
            if task.is_some_and(|(task, ..)| task.keeps(&record.fact)) {
                writer.push(&record);
            } else {
                is_changed = true;
            }
            Ok(())
        });
        if read.is_ok() && is_changed {
            let mut body = Vec::new();
            writer.write(if before == 0 { 0 } else { seq - before }, &mut body);
            self.rebuilt.segments_out.insert(seq.cast_signed());
            self.rebuilt.segments.push((owner, epoch, seq, body));
        }
        Ok(())
    }

    /// Writes a segment that says which tasks are in doubt because of a lost one.
    fn put_doubts(
        &mut self,
        owner: Owner,
        seq: u64,
        before: u64,
        tasks: &BTreeMap<u32, (TaskDoubt, u32, u64)>,
    ) {
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
        writer.write(if before == 0 { 0 } else { seq - before }, &mut body);
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
            });
        }
        let strays = self.found.bad_rows.len() + self.found.bad_chunks.len();
        if self.rebuilt.parts.is_empty() && strays > 0 {
            self.note(None, None, "a row that belongs nowhere; nothing else is lost");
        }
    }

    fn named(&self, doubts: &Doubts) -> Vec<(String, u64, u64)> {
        let rows = doubts.rows.iter();
        rows.map(|(&source, &(from, to))| (self.source(source), from, to)).collect()
    }
}

impl Doubts {
    fn join(&mut self, other: Self) {
        self.tasks += other.tasks;
        for (source, (from, to)) in other.rows {
            let rows = self.rows.entry(source).or_insert((from, to));
            *rows = (rows.0.min(from), rows.1.max(to));
        }
    }
}

fn lose(tasks: &mut BTreeMap<u32, (TaskDoubt, u32, u64)>, seq: u64, may_have_states: bool) {
    tasks.values_mut().for_each(|(task, ..)| task.lose(seq, may_have_states));
}

/// Calls `take` for the ordinal, input and line of each task of a whole plan chunk.
fn for_each_planned(body: &[u8], mut take: impl FnMut(u32, u32, u64)) {
    let Ok(mut chunk) = PlanChunk::new(body) else { return };
    while let Ok(Some(task)) = chunk.next() {
        take(task.ordinal, task.source, task.line);
    }
}
