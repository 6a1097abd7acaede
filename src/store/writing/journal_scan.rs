//! Reads a whole journal once, in the order of writing, to find where a run stands.
//!
//! Memory holds a bit for each row of the plan and the tasks that are begun and not settled, however
//! long the journal is.

use crate::journal::{Damage, Fact, Malformed, RunRecord, records, run_records};
use crate::store::error::damage;
use crate::store::files::MayHaveLeft;
use crate::store::home::{Home, Segment};
use crate::store::ordinal_map::OrdinalMap;
use crate::store::unsettled::OpenTask;
use crate::store::writing::journal_end::JournalEnd;
use crate::task::{Ordinal, OutcomeCounts};
use std::collections::VecDeque;

/// How much later than its recorded time an attempt without an end may have left: the time is
/// recorded before the attempt is durable.
const LATEST_START_MICROS: i64 = 2_000_000;

/// What a journal says about where its run stands.
#[derive(Debug)]
pub(crate) struct JournalScan {
    /// The end of the journal.
    pub(crate) end: JournalEnd,
    /// The tasks that were begun and have no outcome.
    pub(crate) open: OrdinalMap<OpenTask>,
    /// The tasks whose attempt was begun and cannot have left.
    pub(crate) unsent: Vec<Ordinal>,
    /// The highest number of an attempt that may have left.
    pub(crate) attempts: u64,
    /// The tasks by outcome; `None` if states were observed afterwards, because the outcome of a task
    /// may then not be that of its call.
    pub(crate) settled: Option<OutcomeCounts>,
    recall: usize,
    /// The times of the last attempts by their numbers, as late as they may have been sent.
    sent_us: VecDeque<(u64, i64)>,
    /// The number of them that were begun and not ended.
    begun: usize,
    unnumbered_us: VecDeque<i64>,
}

impl JournalScan {
    /// Reads the journal of a run, with the last `recall` sending times.
    pub(crate) fn read(
        home: Home<'_>,
        recall: u32,
        may_have_left: MayHaveLeft,
    ) -> rusqlite::Result<Self> {
        let mut scan = Self {
            end: JournalEnd::new(home.chunks()?, home.totals()?),
            open: OrdinalMap::default(),
            unsent: Vec::new(),
            attempts: 0,
            settled: Some(OutcomeCounts::default()),
            recall: usize::try_from(recall).expect("a u32 fits a usize"),
            sent_us: VecDeque::new(),
            begun: 0,
            unnumbered_us: VecDeque::new(),
        };
        home.segments(|segment| scan.add(segment).map_err(damage))?;
        scan.finish(may_have_left);
        Ok(scan)
    }

    fn add(&mut self, segment: Segment<'_>) -> Result<(), Damage> {
        let place = segment.place();
        let before = self.end.last(segment.chunk);
        let distance = match segment.chunk {
            None => run_records(segment.body, |record| self.apply_to_run(record)),
            Some(chunk) => {
                let first = self.end.index.first(chunk);
                records(segment.body, |record| {
                    let ordinal = first.and_then(|first| first.checked_add(record.offset));
                    let ordinal = ordinal.ok_or("there is no such chunk")?;
                    self.apply(Ordinal(ordinal), record.fact)
                })
            }
        };
        let distance = distance.map_err(|malformed| place.damage(malformed))?;
        let expected = if before == 0 { 0 } else { segment.seq - before };
        if distance != expected || !self.end.note(segment.chunk, segment.seq) {
            let what = "it does not follow the segment before it";
            return Err(place.damage(Malformed { at: 0, what }));
        }
        Ok(())
    }

    fn apply_to_run(&mut self, record: RunRecord<'_>) -> Result<(), &'static str> {
        match record {
            RunRecord::Polled { leaves_us } => {
                self.note_unnumbered(leaves_us.saturating_add(LATEST_START_MICROS), 1);
            }
            RunRecord::SendingsLost { until_us, most } => self.note_unnumbered(until_us, most),
            _ => {}
        }
        Ok(())
    }

    /// Notes requests without a number of their own: for pages, and those of lost records.
    fn note_unnumbered(&mut self, sent_us: i64, count: u64) {
        let most = u64::try_from(self.recall).unwrap_or(u64::MAX);
        (0..count.min(most)).for_each(|_| self.unnumbered_us.push_back(sent_us));
        let surplus = self.unnumbered_us.len().saturating_sub(self.recall);
        self.unnumbered_us.drain(..surplus);
    }

    fn apply(&mut self, ordinal: Ordinal, fact: Fact<'_>) -> Result<(), &'static str> {
        match fact {
            Fact::Started { seq, leaves_us, .. } => {
                let open = self.open.entry(ordinal).or_default();
                match open.begun() {
                    // Its process was killed, and it may have left: it stays as it is.
                    Some(earlier) => self.attempts = self.attempts.max(earlier),
                    None => self.begun += 1,
                }
                open.start(seq, leaves_us);
                self.note_sending(seq, leaves_us.saturating_add(LATEST_START_MICROS));
                self.trim();
            }
            Fact::Withdrawn => {
                let open = self.open.get_mut(&ordinal).ok_or("nothing was begun")?;
                let seq = open.begun().ok_or("nothing was begun")?;
                if open.withdraw() {
                    self.open.remove(&ordinal);
                }
                self.begun = self.begun.saturating_sub(1);
                forget_sending(&mut self.sent_us, seq);
            }
            Fact::Ended(ended) => {
                let sent_us = ended.sent_us;
                let open = self.open.get_mut(&ordinal).ok_or("nothing was begun")?;
                let seq = open.end(ended).ok_or("nothing was begun")?;
                self.attempts = self.attempts.max(seq);
                self.begun = self.begun.saturating_sub(1);
                if let Ok(place) = self.sent_us.binary_search_by_key(&seq, |&(seq, _)| seq) {
                    self.sent_us[place].1 = sent_us;
                }
            }
            Fact::Settled { outcome, .. } => {
                if self.end.settled.contains(ordinal) {
                    return Err("a task is settled twice");
                }
                self.end.settled.insert(ordinal);
                if let Some(settled) = &mut self.settled {
                    settled[outcome] += 1;
                }
                if let Some(begun) = self.open.remove(&ordinal).and_then(|open| open.begun()) {
                    self.attempts = self.attempts.max(begun);
                    self.begun = self.begun.saturating_sub(1);
                }
            }
            Fact::Lost => {
                let open = self.open.entry(ordinal).or_default();
                if let Some(begun) = open.begun() {
                    self.attempts = self.attempts.max(begun);
                    self.begun = self.begun.saturating_sub(1);
                }
                open.lose();
            }
            Fact::After { .. } => self.settled = None,
            Fact::Before(_) => {}
        }
        Ok(())
    }

    /// Notes an attempt; their numbers ascend, except where those of a killed process are used again.
    fn note_sending(&mut self, seq: u64, sent_us: i64) {
        if self.sent_us.back().is_none_or(|&(last, _)| last < seq) {
            return self.sent_us.push_back((seq, sent_us));
        }
        let place = self.sent_us.partition_point(|&(earlier, _)| earlier < seq);
        self.sent_us.insert(place, (seq, sent_us));
    }

    /// Forgets times that cannot be among the last ones. Those that were begun and not ended may
    /// still be withdrawn, so as many more are kept.
    fn trim(&mut self) {
        while self.sent_us.len() > self.recall + self.begun {
            self.sent_us.pop_front();
        }
    }

    fn finish(&mut self, may_have_left: MayHaveLeft) {
        let (open, sent_us) = (&mut self.open, &mut self.sent_us);
        for (&ordinal, task) in open.iter_mut() {
            let Some(seq) = task.begun() else { continue };
            if may_have_left.includes(seq) {
                task.count_begun();
                self.attempts = self.attempts.max(seq);
            } else {
                task.withdraw();
                self.unsent.push(ordinal);
                forget_sending(sent_us, seq);
            }
        }
        // A map without order must not decide about the order of records.
        self.unsent.sort_unstable();
        open.retain(|_, task| task.attempts > 0 || task.in_doubt);
    }

    /// Returns the last sending times in microseconds after the origin, the oldest first, requests
    /// for pages included: attempts and pages share the rate.
    pub(crate) fn last_sent_us(&self) -> Vec<i64> {
        let attempts = self.sent_us.iter().rev().take(self.recall).map(|&(_, sent_us)| sent_us);
        let mut sent: Vec<i64> = attempts.chain(self.unnumbered_us.iter().copied()).collect();
        sent.sort_unstable();
        sent.drain(..sent.len().saturating_sub(self.recall));
        sent
    }
}

fn forget_sending(sent_us: &mut VecDeque<(u64, i64)>, seq: u64) {
    if let Ok(place) = sent_us.binary_search_by_key(&seq, |&(seq, _)| seq) {
        sent_us.remove(place);
    }
}
