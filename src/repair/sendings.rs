//! Counts the requests of which a damaged journal has no record any more, so that a resumed run keeps
//! its rate.
//!
//! Attempts are numbered without a gap, so a number without a record is a request that may have been
//! sent. Requests for pages have no numbers.

use crate::journal::{Fact, OrdinalSet, RunRecord};
use crate::repair::chains::Owner;
use crate::store::MayHaveLeft;
use crate::task::Ordinal;
use std::collections::BTreeMap;

/// The requests in the whole segments of a run.
#[derive(Debug, Default)]
pub(super) struct Sendings {
    /// The numbers of attempts that were begun.
    known: OrdinalSet,
    highest: u64,
    /// The last segment with a start.
    last_call: u64,
    /// The attempts of this session that are begun and not ended, by chunk and place.
    open: BTreeMap<(u32, u32), u64>,
    epoch: u32,
    /// The segments in which sessions began or ended, with the time. No call is under way then.
    boundaries: Vec<(u64, i64)>,
    /// The last segment from which a start was taken out.
    last_taken_out: u64,
}

impl Sendings {
    /// Begins a segment of a session.
    pub(super) fn begin(&mut self, epoch: u32) {
        if self.epoch != epoch {
            self.epoch = epoch;
            // Those that had not left were withdrawn, and the next session uses their numbers again.
            std::mem::take(&mut self.open).into_values().for_each(|number| self.forget(number));
        }
    }

    /// Notes a fact about the task at a place.
    pub(super) fn read(&mut self, seq: u64, place: (u32, u32), fact: &Fact<'_>) {
        match fact {
            Fact::Started { seq: number, .. } => {
                self.open.insert(place, *number);
                self.highest = self.highest.max(*number);
                self.last_call = seq;
                if let Ok(number) = u32::try_from(*number) {
                    self.known.insert(Ordinal(number));
                }
            }
            Fact::Withdrawn | Fact::Ended(_) | Fact::Settled { .. } | Fact::Lost => {
                self.open.remove(&place);
            }
            Fact::Before(_) | Fact::After { .. } => {}
        }
    }

    /// Notes a fact about the run.
    pub(super) fn read_of_run(&mut self, seq: u64, record: RunRecord<'_>) {
        if let RunRecord::SessionStarted { at_us, .. } | RunRecord::SessionEnded { at_us, .. } =
            record
        {
            self.boundaries.push((seq, at_us));
        }
    }

    /// Notes that the start of an attempt is taken out of a whole segment.
    pub(super) fn take_out(&mut self, seq: u64, number: u64) {
        self.last_taken_out = self.last_taken_out.max(seq);
        self.forget(number);
    }

    fn forget(&mut self, number: u64) {
        if let Ok(number) = u32::try_from(number) {
            self.known.remove(Ordinal(number));
        }
    }

    /// Returns the time until which unrecorded requests may have been sent, `None` for now, and the
    /// most there can be; no number is larger if that is not known.
    pub(super) fn unrecorded(
        &self,
        lost: &BTreeMap<u64, Option<Owner>>,
        lacks_commits: bool,
        may_have_left: MayHaveLeft,
    ) -> (Option<i64>, u64) {
        let last = lost.last_key_value().map_or(0, |(&seq, _)| seq).max(self.last_taken_out);
        let after = self.boundaries.iter().find(|&&(seq, _)| seq > last && !lacks_commits);
        // A segment of the run can have had any number of requests for pages.
        let may_have_pages = lost.values().any(|owner| matches!(owner, None | Some(None)));
        let may_have_higher = last > self.last_call || lacks_commits;
        let highest = match may_have_left {
            _ if may_have_pages => u64::MAX,
            MayHaveLeft::Any if may_have_higher => u64::MAX,
            MayHaveLeft::UpTo(number) if may_have_higher => self.highest.max(number),
            MayHaveLeft::Any | MayHaveLeft::UpTo(_) => self.highest,
        };
        let most = if highest == u64::MAX { highest } else { highest - self.known.len() };
        (after.map(|&(_, at_us)| at_us), most)
    }
}
