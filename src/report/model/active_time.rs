//! Measures the time in which processes worked on a run.
//!
//! A run that was stopped and resumed the next day worked for minutes, not for a day. A process
//! that was killed worked until its last record.

use crate::clock::Timestamp;
use crate::reading::HoldRow;
use crate::store::SessionRecord;
use std::ops::Range;
use std::time::Duration;

/// The spans in which processes worked on a run, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ActiveTime {
    spans: Vec<ActiveSpan>,
}

/// The span of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ActiveSpan {
    from: Timestamp,
    /// The recorded end, or else the last record.
    until: Timestamp,
    /// How long the service held the process back; `None` if it recorded no end.
    held: Option<Duration>,
    /// When its first and its last attempt left.
    sent: Option<(Timestamp, Timestamp)>,
    attempts: u64,
}

impl ActiveTime {
    pub(crate) fn new(sessions: &[SessionRecord]) -> Self {
        let span = |session: &SessionRecord| ActiveSpan {
            from: session.started,
            until: session.end.as_ref().map_or(session.started, |end| end.at),
            held: session.end.as_ref().map(|end| end.held),
            sent: None,
            attempts: 0,
        };
        Self { spans: sessions.iter().map(span).collect() }
    }

    /// Takes the processes of several shards: what they did at the same time counts as one span.
    pub(crate) fn of_shards(sessions: &[SessionRecord]) -> Self {
        let mut spans: Vec<ActiveSpan> = Vec::new();
        for mut span in Self::new(sessions).spans {
            // Of several processes the holds alone say for how long none was held back twice.
            span.held = None;
            match spans.last_mut().filter(|last| span.from <= last.until) {
                Some(last) => last.until = last.until.max(span.until),
                None => spans.push(span),
            }
        }
        Self { spans }
    }

    /// Returns the same processes as if none had recorded its end.
    pub(crate) fn without_ends(&self) -> Self {
        let open = |span: &ActiveSpan| ActiveSpan {
            from: span.from,
            until: span.from,
            held: None,
            sent: None,
            attempts: 0,
        };
        Self { spans: self.spans.iter().map(open).collect() }
    }

    /// Returns when each process began.
    pub(crate) fn starts(&self) -> impl Iterator<Item = Timestamp> {
        self.spans.iter().map(|span| span.from)
    }

    /// Takes the attempts of the same processes, of which it had none.
    pub(crate) fn take_sendings(&mut self, of_same: Self) {
        for (span, same) in self.spans.iter_mut().zip(of_same.spans) {
            (span.sent, span.attempts) = (same.sent, same.attempts);
            if span.held.is_none() {
                span.until = span.until.max(same.until);
            }
        }
    }

    /// Adds an attempt that left at this time.
    pub(crate) fn add_sending(&mut self, at: Timestamp) {
        self.add_sign_of_life(at);
        if let Some(span) = self.span_at(at) {
            let (first, last) = span.sent.unwrap_or((at, at));
            span.sent = Some((first.min(at), last.max(at)));
            span.attempts += 1;
        }
    }

    /// Extends the span of a process to a time at which it was alive, unless it recorded its end.
    pub(crate) fn add_sign_of_life(&mut self, at: Timestamp) {
        if let Some(ActiveSpan { until, held: None, .. }) = self.span_at(at) {
            *until = at.max(*until);
        }
    }

    fn span_at(&mut self, at: Timestamp) -> Option<&mut ActiveSpan> {
        // The last process that began before: two never work on a run at the same time.
        self.spans.iter_mut().rev().find(|span| span.from <= at)
    }

    /// Returns the time from the beginning of the first process to the end of the last.
    pub(crate) fn span(&self) -> Duration {
        match (self.spans.first(), self.spans.last()) {
            (Some(first), Some(last)) => last.until.since(first.from),
            (_, _) => Duration::ZERO,
        }
    }

    /// Returns the spans as ranges of time, in order.
    pub(crate) fn ranges(&self) -> Vec<Range<Timestamp>> {
        self.spans.iter().map(|span| span.from..span.until).collect()
    }

    /// Returns how long attempts were sent, from the first to the last of each process.
    pub(crate) fn sending_time(&self) -> Duration {
        self.spans.iter().filter_map(|span| span.sent).map(|(first, last)| last.since(first)).sum()
    }

    /// Returns the attempts a second between the first and the last of each process; `None` if no
    /// time passed between them.
    pub(crate) fn average_rate(&self) -> Option<f64> {
        let mut gaps = 0;
        let mut time = Duration::ZERO;
        for span in &self.spans {
            let Some((first, last)) = span.sent else { continue };
            // Gaps, not attempts: n attempts at 10/s take n - 1 tenths of a second, and an average
            // above the limit would be wrong.
            gaps += span.attempts - 1;
            time += last.since(first);
        }
        (!time.is_zero()).then(|| gaps as f64 / time.as_secs_f64())
    }

    /// Returns whether a process recorded no end, so that its held time follows from the holds.
    pub(crate) fn has_open_end(&self) -> bool {
        self.spans.iter().any(|span| span.held.is_none())
    }

    /// Returns how long the service held the run back. The holds are ordered by their beginnings.
    pub(crate) fn held(&self, holds: &[HoldRow]) -> Duration {
        let held_in = |span: &ActiveSpan| {
            span.held.unwrap_or_else(|| sum_of_holds(holds, span.from, span.until))
        };
        self.spans.iter().map(held_in).sum()
    }
}

/// Returns how long at least one hold was in force between two times.
fn sum_of_holds(holds: &[HoldRow], from: Timestamp, until: Timestamp) -> Duration {
    let mut sum = Duration::ZERO;
    // Holds may overlap, so each counts only from where the ones before it end.
    let mut reached = from;
    for hold in holds.iter().filter(|hold| (from..until).contains(&hold.from)) {
        let end = hold.until.min(until);
        sum += end.since(hold.from.max(reached));
        reached = reached.max(end);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::ServiceLimit;

    fn hold(from: i64, until: i64) -> HoldRow {
        HoldRow {
            from: Timestamp::from_micros(from),
            until: Timestamp::from_micros(until),
            reason: "throttled".into(),
        }
    }

    fn check(holds: &[HoldRow], expected: u64) {
        let (from, until) = (Timestamp::from_micros(100), Timestamp::from_micros(200));
        assert_eq!(sum_of_holds(holds, from, until), Duration::from_micros(expected), "{holds:?}");
    }

    #[test]
    fn the_average_counts_the_gaps_of_each_process() {
        let session = |from: i64| SessionRecord {
            target: None,
            started: Timestamp::from_micros(from),
            end: None,
            process: 7,
            version: "0.1.0".into(),
            learnt: ServiceLimit::default(),
        };
        let mut worked = ActiveTime::new(&[session(0), session(90_000_000)]);
        assert_eq!(worked.average_rate(), None);
        for at in [100_000, 200_000, 300_000, 90_000_000] {
            worked.add_sending(Timestamp::from_micros(at));
        }
        assert_eq!(worked.average_rate(), Some(10.0));
        assert_eq!(worked.span(), Duration::from_secs(90));
    }

    #[test]
    fn holds_that_overlap_are_counted_once_and_end_with_the_process() {
        check(&[], 0);
        check(&[hold(110, 120), hold(115, 140), hold(116, 118)], 30);
        check(&[hold(50, 90), hold(190, 900), hold(300, 400)], 10);
    }
}
