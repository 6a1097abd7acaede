//! Reads a whole journal once, in the order of writing, to find where a run stands.
//!
//! Memory holds a bit for each row of the plan and the tasks that are begun and not settled, however
//! long the journal is.

use crate::journal::{
    Damage, Fact, Malformed, OrdinalMap, RunRecord, distance, records, run_records,
};
use crate::store::error::damage;
use crate::store::files::MayHaveLeft;
use crate::store::home::{Home, Segment};
use crate::store::unsettled::OpenTask;
use crate::store::writing::journal_end::JournalEnd;
use crate::task::{Ordinal, OutcomeCounts};
use std::collections::VecDeque;

/// The time of a request, as late as it may have been sent.
#[derive(Debug, Clone, Copy)]
struct Sending {
    /// The number of its attempt.
    seq: u64,
    at_us: i64,
    /// Whether it is not known when it left: its time is the earliest one until the end of its
    /// process bounds it. No span after the start does, because a commit may wait for the disk.
    is_open: bool,
}

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
    /// The last attempts by their numbers.
    sent: VecDeque<Sending>,
    /// The number of them that were begun and not ended.
    begun: usize,
    unnumbered_us: VecDeque<i64>,
    /// The earliest time of the last request for a page. It has left before the next one.
    last_page_us: Option<i64>,
}

impl JournalScan {
    /// Reads the journal of a run, with the last `recall` sending times.
    ///
    /// What was sent and has no end was sent by `now_us` at the latest.
    pub(crate) fn read(
        home: Home<'_>,
        recall: u32,
        may_have_left: MayHaveLeft,
        now_us: i64,
    ) -> rusqlite::Result<Self> {
        let mut scan = Self {
            end: JournalEnd::new(home.chunks()?, home.totals()?),
            open: OrdinalMap::default(),
            unsent: Vec::new(),
            attempts: 0,
            settled: Some(OutcomeCounts::default()),
            recall: usize::try_from(recall).expect("a u32 fits a usize"),
            sent: VecDeque::new(),
            begun: 0,
            unnumbered_us: VecDeque::new(),
            last_page_us: None,
        };
        home.segments(|segment| scan.add(segment).map_err(damage))?;
        scan.finish(may_have_left);
        scan.close_sendings(now_us);
        Ok(scan)
    }

    fn add(&mut self, segment: Segment<'_>) -> Result<(), Damage> {
        let place = segment.place();
        let before = self.end.last(segment.chunk);
        let found = match segment.chunk {
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
        let found = found.map_err(|malformed| place.damage(malformed))?;
        let is_next = found == distance(segment.seq, before);
        if !is_next || !self.end.note(segment.chunk, segment.seq) {
            let what = "it does not follow the segment before it";
            return Err(place.damage(Malformed { at: 0, what }));
        }
        Ok(())
    }

    fn apply_to_run(&mut self, record: RunRecord<'_>) -> Result<(), &'static str> {
        match record {
            RunRecord::Polled { leaves_us } => {
                self.close_page(leaves_us);
                self.last_page_us = Some(leaves_us);
            }
            RunRecord::SendingsLost { until_us, most } => {
                self.close_sendings(until_us);
                self.note_unnumbered(until_us, most);
            }
            // A process that starts has the lock of the one before, which is over by then.
            RunRecord::SessionStarted { at_us, .. } | RunRecord::SessionEnded { at_us, .. } => {
                self.close_sendings(at_us);
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes that nothing so far was sent after this time.
    fn close_sendings(&mut self, until_us: i64) {
        self.close_page(until_us);
        for sending in self.sent.iter_mut().filter(|sending| sending.is_open) {
            // The clock may have been set back since.
            sending.at_us = sending.at_us.max(until_us);
            sending.is_open = false;
        }
    }

    fn close_page(&mut self, until_us: i64) {
        if let Some(leaves_us) = self.last_page_us.take() {
            self.note_unnumbered(leaves_us.max(until_us), 1);
        }
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
                self.note_sending(Sending { seq, at_us: leaves_us, is_open: true });
                self.trim();
            }
            Fact::Withdrawn => {
                let open = self.open.get_mut(&ordinal).ok_or("nothing was begun")?;
                let seq = open.begun().ok_or("nothing was begun")?;
                if open.withdraw() {
                    self.open.remove(&ordinal);
                }
                self.begun = self.begun.saturating_sub(1);
                forget_sending(&mut self.sent, seq);
            }
            Fact::Ended(ended) => {
                let sent_us = ended.sent_us;
                let open = self.open.get_mut(&ordinal).ok_or("nothing was begun")?;
                let seq = open.end(ended).ok_or("nothing was begun")?;
                self.attempts = self.attempts.max(seq);
                self.begun = self.begun.saturating_sub(1);
                if let Ok(place) = self.sent.binary_search_by_key(&seq, |sending| sending.seq) {
                    self.sent[place] = Sending { seq, at_us: sent_us, is_open: false };
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
    fn note_sending(&mut self, sending: Sending) {
        if self.sent.back().is_none_or(|last| last.seq < sending.seq) {
            return self.sent.push_back(sending);
        }
        let place = self.sent.partition_point(|earlier| earlier.seq < sending.seq);
        self.sent.insert(place, sending);
    }

    /// Forgets times that cannot be among the last ones. Those that were begun and not ended may
    /// still be withdrawn, so as many more are kept.
    fn trim(&mut self) {
        while self.sent.len() > self.recall + self.begun {
            self.sent.pop_front();
        }
    }

    fn finish(&mut self, may_have_left: MayHaveLeft) {
        let (open, sent) = (&mut self.open, &mut self.sent);
        for (&ordinal, task) in open.iter_mut() {
            let Some(seq) = task.begun() else { continue };
            if may_have_left.includes(seq) {
                task.count_begun();
                self.attempts = self.attempts.max(seq);
            } else {
                task.withdraw();
                self.unsent.push(ordinal);
                forget_sending(sent, seq);
            }
        }
        // A map without order must not decide about the order of records.
        self.unsent.sort_unstable();
        open.retain(|_, task| task.attempts > 0 || task.in_doubt);
    }

    /// Returns the last sending times in microseconds after the origin, the oldest first, requests
    /// for pages included: attempts and pages share the rate.
    pub(crate) fn last_sent_us(&self) -> Vec<i64> {
        let attempts = self.sent.iter().rev().take(self.recall).map(|sending| sending.at_us);
        let mut sent: Vec<i64> = attempts.chain(self.unnumbered_us.iter().copied()).collect();
        sent.sort_unstable();
        sent.drain(..sent.len().saturating_sub(self.recall));
        sent
    }
}

fn forget_sending(sent: &mut VecDeque<Sending>, seq: u64) {
    if let Ok(place) = sent.binary_search_by_key(&seq, |sending| sending.seq) {
        sent.remove(place);
    }
}
