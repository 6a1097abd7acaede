//! Measures the time in which processes worked on a run.
//!
//! A run that was cut short and resumed the next day worked for minutes, not for a day. A
//! process that was killed worked until the last thing that is known of it.

use crate::clock::Timestamp;
use crate::store::HoldRow;
use crate::store::SessionRecord;
use std::ops::Range;
use std::time::Duration;

/// The parts of all processes in a run, in order.
#[derive(Debug)]
pub(crate) struct ActiveTime {
    stretches: Vec<ActiveSpan>,
}

#[derive(Debug)]
struct ActiveSpan {
    from: Timestamp,
    /// The end, or the last thing that is known.
    until: Timestamp,
    /// How long the service held it back, if it lived to tell.
    held: Option<Duration>,
    /// Its first and its last sending.
    sent: Option<(Timestamp, Timestamp)>,
    sendings: u64,
}

impl ActiveTime {
    pub(crate) fn new(sessions: &[SessionRecord]) -> Self {
        let stretch = |session: &SessionRecord| ActiveSpan {
            from: session.started,
            until: session.end.as_ref().map_or(session.started, |end| end.at),
            held: session.end.as_ref().map(|end| end.held),
            sent: None,
            sendings: 0,
        };
        Self { stretches: sessions.iter().map(stretch).collect() }
    }

    /// Takes note of a sending.
    pub(crate) fn see_sending(&mut self, at: Timestamp) {
        self.see(at);
        if let Some(stretch) = self.stretch_of(at) {
            let (first, last) = stretch.sent.unwrap_or((at, at));
            stretch.sent = Some((first.min(at), last.max(at)));
            stretch.sendings += 1;
        }
    }

    /// Takes note of something that happened: a process that recorded no end still lived then.
    pub(crate) fn see(&mut self, at: Timestamp) {
        if let Some(ActiveSpan { until, held: None, .. }) = self.stretch_of(at) {
            *until = at.max(*until);
        }
    }

    fn stretch_of(&mut self, at: Timestamp) -> Option<&mut ActiveSpan> {
        self.stretches.iter_mut().rev().find(|stretch| stretch.from <= at)
    }

    /// Returns the time from the first beginning to the last thing that is known.
    pub(crate) fn span(&self) -> Duration {
        match (self.stretches.first(), self.stretches.last()) {
            (Some(first), Some(last)) => last.until.since(first.from),
            (_, _) => Duration::ZERO,
        }
    }

    /// Returns the times in which processes worked on the run, in order.
    pub(crate) fn stretches(&self) -> Vec<Range<Timestamp>> {
        self.stretches.iter().map(|stretch| stretch.from..stretch.until).collect()
    }

    /// Returns how long processes worked on the run, pauses between them left out.
    pub(crate) fn time(&self) -> Duration {
        self.stretches.iter().map(|stretch| stretch.until.since(stretch.from)).sum()
    }

    /// Returns how many sendings a second there were between the first and the last of each
    /// process; nothing if there was no time between them.
    ///
    /// The gaps are counted, not the sendings: n sendings at 10/s take n - 1 tenths of a second,
    /// and an average above the limit would be a lie.
    pub(crate) fn average(&self) -> Option<f64> {
        let mut gaps = 0;
        let mut time = Duration::ZERO;
        for stretch in &self.stretches {
            let Some((first, last)) = stretch.sent else { continue };
            gaps += stretch.sendings - 1;
            time += last.since(first);
        }
        (!time.is_zero()).then(|| gaps as f64 / time.as_secs_f64())
    }

    /// Tells whether a process recorded no end, so that its waits must be found elsewhere.
    pub(crate) fn has_open_end(&self) -> bool {
        self.stretches.iter().any(|stretch| stretch.held.is_none())
    }

    /// Returns how long the service held the run back. `holds` are in order of their beginnings.
    pub(crate) fn held(&self, holds: &[HoldRow]) -> Duration {
        let held_in = |stretch: &ActiveSpan| {
            stretch.held.unwrap_or_else(|| covered(holds, stretch.from, stretch.until))
        };
        self.stretches.iter().map(held_in).sum()
    }
}

/// Returns how much of a time is covered by holds, which may overlap.
fn covered(holds: &[HoldRow], from: Timestamp, until: Timestamp) -> Duration {
    let mut covered = Duration::ZERO;
    let mut reached = from;
    for hold in holds.iter().filter(|hold| (from..until).contains(&hold.from)) {
        let end = hold.until.min(until);
        covered += end.since(hold.from.max(reached));
        reached = reached.max(end);
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(from: i64, until: i64) -> HoldRow {
        HoldRow {
            from: Timestamp::from_micros(from),
            until: Timestamp::from_micros(until),
            reason: "throttled".into(),
        }
    }

    fn check(holds: &[HoldRow], expected: u64) {
        let (from, until) = (Timestamp::from_micros(100), Timestamp::from_micros(200));
        assert_eq!(covered(holds, from, until), Duration::from_micros(expected), "{holds:?}");
    }

    #[test]
    fn the_average_counts_the_gaps_of_each_process() {
        let session = |from: i64| SessionRecord {
            started: Timestamp::from_micros(from),
            end: None,
            process: 7,
            version: "0.1.0".into(),
            rate_learnt: None,
        };
        let mut worked = ActiveTime::new(&[session(0), session(90_000_000)]);
        assert_eq!(worked.average(), None);
        for at in [100_000, 200_000, 300_000, 90_000_000] {
            worked.see_sending(Timestamp::from_micros(at));
        }
        assert_eq!(worked.average(), Some(10.0));
        assert_eq!(worked.span(), Duration::from_secs(90));
    }

    #[test]
    fn holds_that_overlap_are_counted_once_and_end_with_the_process() {
        check(&[], 0);
        check(&[hold(110, 120), hold(115, 140), hold(116, 118)], 30);
        check(&[hold(50, 90), hold(190, 900), hold(300, 400)], 10);
    }
}
