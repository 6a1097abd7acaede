//! The resume point of a run: its outcomes, its attempts and its last sending times.
//!
//! See `docs/GLOSSARY.md`: resume point.

use crate::clock::Timestamp;
use crate::store::writing::journal_scan::JournalScan;
use crate::task::OutcomeCounts;

/// The state of a run when a process opens it to carry it out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResumePoint {
    /// The number of selected tasks whose ids are known.
    pub selected: u64,
    /// The outcomes so far.
    pub settled: OutcomeCounts,
    /// The highest number of an attempt that may have left.
    pub attempts: u64,
    /// The times of the last requests, the oldest first.
    pub last_sent: Vec<Timestamp>,
}

impl ResumePoint {
    /// Returns the resume point of a run whose journal was read.
    pub(crate) fn new(scan: &JournalScan, origin: Timestamp, selected: u64) -> Self {
        let sent = scan.last_sent_us().into_iter();
        Self {
            selected,
            settled: scan.end.totals.settled,
            attempts: scan.attempts,
            last_sent: sent.map(|micros| origin.plus_micros(micros)).collect(),
        }
    }
}
