//! The record of a finished run, and the invariants of every run.

use super::scene::{Doubt, SOME_DAY};
use super::service::Witness;
use crate::clock::Timestamp;
use crate::engine::dispatcher::lookahead::MAX_PER_SLOT;
use crate::engine::{EngineSettings, LedgerError};
use crate::event::{AttemptResult, Change, Event, EventKind, RunStats, StopReason};
use crate::task::{Outcome, Rate};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// The record of a finished run.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) result: Result<RunStats, LedgerError>,
    pub(super) ended: Timestamp,
    /// How often the run's future was polled.
    pub(super) polls: usize,
    /// How often tasks were claimed.
    pub(super) claims: usize,
    /// When all tasks were given back, counted from the beginning.
    pub(super) gave_back: Vec<Duration>,
    pub(super) witness: Witness,
}

/// How one task was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) ordinal: u32,
    pub(super) outcome: Outcome,
    pub(super) attempts: u32,
}

impl Seen {
    pub(super) fn stats(&self) -> &RunStats {
        self.result.as_ref().unwrap()
    }

    pub(super) fn stopped(&self) -> Option<&StopReason> {
        self.stats().stopped.as_ref()
    }

    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.witness.commits.iter().flat_map(|(_, events)| events)
    }

    /// Returns what `pick` selects from the durable events, in their order.
    pub(super) fn pick<'a, T>(&'a self, pick: impl Fn(&'a Event) -> Option<T>) -> Vec<T> {
        self.events().filter_map(pick).collect()
    }

    pub(super) fn settled(&self) -> Vec<Settled> {
        self.pick(|event| {
            let EventKind::TaskSettled { task, outcome, attempts, .. } = &event.kind else {
                return None;
            };
            Some(Settled { ordinal: task.ordinal.0, outcome: *outcome, attempts: *attempts })
        })
    }

    pub(super) fn count(&self, outcome: Outcome) -> usize {
        self.settled().iter().filter(|settled| settled.outcome == outcome).count()
    }

    pub(super) fn results(&self) -> Vec<&AttemptResult> {
        self.pick(|event| {
            let EventKind::AttemptEnded { result, .. } = &event.kind else { return None };
            Some(result)
        })
    }

    /// Returns the ordinals of the withdrawn attempts.
    pub(super) fn withdrawn(&self) -> Vec<u32> {
        self.pick(|event| {
            let EventKind::AttemptWithdrawn { task, .. } = &event.kind else { return None };
            Some(task.ordinal.0)
        })
    }

    /// Returns when the run began to stop and how many calls were on the wire then.
    pub(super) fn stopping(&self) -> Option<(Duration, usize)> {
        let stopping = self.pick(|event| {
            let EventKind::RunStopping { on_wire, .. } = &event.kind else { return None };
            Some((event.at.since(SOME_DAY), *on_wire))
        });
        assert!(stopping.len() <= 1, "a run stops once");
        stopping.first().copied()
    }

    /// Returns the ordinals and times of all sendings, in order.
    pub(super) fn sendings(&self) -> Vec<(u32, Duration)> {
        let sendings = self.witness.sendings.iter();
        sendings.map(|sending| (sending.ordinal, sending.at.since(SOME_DAY))).collect()
    }

    /// Returns when a task was sent.
    pub(super) fn sent_at(&self, ordinal: u32) -> Vec<Duration> {
        let sendings = self.sendings().into_iter();
        sendings.filter(|&(sent, _)| sent == ordinal).map(|(_, at)| at).collect()
    }

    pub(super) fn lasted(&self) -> Duration {
        self.ended.since(SOME_DAY)
    }

    /// Checks the invariants of every run.
    pub(super) fn check(&self, settings: &EngineSettings, doubt: Doubt) {
        assert_eq!(self.witness.undurable, [], "sent before its start was durable");
        assert_eq!(self.witness.on_wire, 0, "nothing goes on after the end");
        assert!(self.witness.most_on_wire <= self.most_slots(settings));
        self.check_order();
        self.check_attempts(settings, doubt);
        self.check_settled();
        self.check_nothing_sent_after_stop();
        self.check_window(settings);
    }

    fn check_order(&self) {
        assert!(self.events().map(|event| event.at).is_sorted(), "events are in order");
        let kinds = self.pick(|event| Some(&event.kind));
        if let Some(first) = kinds.first() {
            assert!(matches!(first, EventKind::RunStarted(_)), "{first:?}");
        }
        if let Ok(stats) = &self.result {
            assert_eq!(kinds.last(), Some(&&EventKind::RunEnded(stats.clone())));
        }
    }

    /// Checks that every started attempt has one end, and that never too many are open, including
    /// those begun ahead of the slots.
    fn check_attempts(&self, settings: &EngineSettings, doubt: Doubt) {
        let most_slots = self.most_slots(settings);
        let mut open = HashSet::new();
        let mut next = settings.origin.attempts + 1;
        for event in self.events() {
            if let EventKind::AttemptStarted { seq, .. } = &event.kind {
                assert_eq!(seq.0, next, "attempts are counted without a gap");
                next += 1;
                open.insert(*seq);
                assert!(open.len() <= (1 + MAX_PER_SLOT) * most_slots, "too many admitted");
            }
            if let EventKind::AttemptEnded { seq, .. } | EventKind::AttemptWithdrawn { seq, .. } =
                &event.kind
            {
                assert!(open.remove(seq), "an end without a start: {seq:?}");
            }
        }
        if self.result.is_ok() {
            match doubt {
                Doubt::None => assert!(open.is_empty(), "open attempts: {open:?}"),
                Doubt::Some => assert!(!open.is_empty()),
                Doubt::Perhaps => {}
            }
            let withdrawn = self.withdrawn().len() as u64;
            let sent = self.witness.sendings.len() as u64;
            assert_eq!(next - settings.origin.attempts - 1, sent + withdrawn);
        }
    }

    fn check_settled(&self) {
        let mut settled = HashMap::new();
        for Settled { ordinal, outcome, .. } in self.settled() {
            let before = settled.insert(ordinal, outcome);
            assert_eq!(before, None, "task {ordinal} was settled twice");
        }
    }

    fn check_nothing_sent_after_stop(&self) {
        let Some((stopping, _)) = self.stopping() else { return };
        assert!(self.sendings().iter().all(|&(_, at)| at <= stopping), "sent after a stop");
    }

    fn check_window(&self, settings: &EngineSettings) {
        let before = settings.origin.last_sent.iter().copied();
        let sent: Vec<Timestamp> =
            before.chain(self.witness.sendings.iter().map(|sending| sending.at)).collect();
        let limits = self.limits(settings);
        for (index, &last) in sent.iter().enumerate() {
            let in_force = limits.iter().rev().find(|(from, _)| *from <= last);
            let Some(rate) = in_force.and_then(|(_, limit)| *limit) else { continue };
            let most = usize::try_from(rate.limit.get()).unwrap();
            let Some(first) = index.checked_sub(most).map(|first| sent[first]) else { continue };
            assert!(last.since(first) >= rate.window, "more than {rate} from {first}");
        }
    }

    /// Returns the operators' changes and their times.
    pub(super) fn changes(&self) -> Vec<(Timestamp, Change)> {
        self.pick(|event| {
            let EventKind::RunChanged { change, .. } = &event.kind else { return None };
            Some((event.at, *change))
        })
    }

    /// Returns the limits and when each came into force.
    fn limits(&self, settings: &EngineSettings) -> Vec<(Timestamp, Option<Rate>)> {
        let set = self.changes().into_iter().filter_map(|(at, change)| match change {
            Change::Rate(limit) => Some((at, limit)),
            _ => None,
        });
        [(Timestamp::from_micros(0), settings.rate)].into_iter().chain(set).collect()
    }

    /// Returns the largest number of slots at any time.
    fn most_slots(&self, settings: &EngineSettings) -> usize {
        let set = self.changes().into_iter().filter_map(|(_, change)| match change {
            Change::Concurrency(most) => Some(most.get()),
            _ => None,
        });
        set.chain([settings.concurrency.get()]).max().unwrap_or_default()
    }
}
