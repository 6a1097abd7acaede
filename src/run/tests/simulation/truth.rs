//! What really happened in a run with several workers, and what must hold at every moment of it.

use super::world::{Call, Kind};
use crate::clock::Clock;
use crate::database::tests::simulated::Recorded;
use crate::journal::Fact;
use crate::policy::{OnDoubt, RetryPolicy};
use crate::task::{Outcome, Rate};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::num::NonZeroUsize;

/// What all workers have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crew {
    pub(super) tasks: u32,
    /// The calls on the wire that each of them may have.
    pub(super) concurrency: NonZeroUsize,
    /// The rate of all together.
    pub(super) rate: Option<Rate>,
    pub(super) retry: RetryPolicy,
}

#[derive(Debug, Default)]
struct TaskTruth {
    calls: Vec<usize>,
    settled: Option<Outcome>,
    /// The durable starts of each worker that were neither sent nor withdrawn.
    unsent: BTreeMap<u32, i64>,
    on_wire: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Truth {
    pub(super) calls: Vec<Call>,
    pub(super) violations: Vec<String>,
    pub(super) trace: String,
    clock: Clock,
    crew: Crew,
    tasks: BTreeMap<u32, TaskTruth>,
    /// Who made each call, and how many of each worker are on the wire.
    callers: Vec<u32>,
    on_wire: BTreeMap<u32, usize>,
}

impl Truth {
    pub(super) fn new(clock: Clock, crew: Crew) -> Self {
        Self {
            calls: Vec::new(),
            violations: Vec::new(),
            trace: format!("{crew:?}\n"),
            clock,
            crew,
            tasks: (0..crew.tasks).map(|ordinal| (ordinal, TaskTruth::default())).collect(),
            callers: Vec::new(),
            on_wire: BTreeMap::new(),
        }
    }

    pub(super) fn note(&mut self, what: &str) {
        let at = self.clock.now().as_micros();
        writeln!(self.trace, "{at} {what}").unwrap();
    }

    pub(super) fn violate(&mut self, what: &str) {
        self.violations.push(format!("{what}, at {}", self.clock.now()));
    }

    /// Takes note of a fact that is durable.
    pub(super) fn fact(&mut self, worker: u32, ordinal: u32, fact: &Fact<'_>) {
        self.note(&format!("worker {worker}, task {ordinal}: {fact:?}"));
        let task = self.tasks.get_mut(&ordinal).unwrap();
        match fact {
            Fact::Started { .. } => *task.unsent.entry(worker).or_default() += 1,
            Fact::Withdrawn => *task.unsent.entry(worker).or_default() -= 1,
            Fact::Ended(_) => {
                let calls = &mut self.calls;
                let is_open =
                    |&&call: &&usize| self.callers[call] == worker && !calls[call].recorded;
                match task.calls.iter().rfind(is_open).copied() {
                    Some(call) => calls[call].recorded = true,
                    None => self.violate(&format!("the end of no call of task {ordinal}")),
                }
            }
            Fact::Settled { outcome, .. } => {
                if let Some(before) = task.settled.replace(*outcome) {
                    self.violate(&format!("task {ordinal} was {before} and is {outcome}"));
                }
            }
            _ => {}
        }
    }

    /// Lets a call leave, and checks all that must hold at this moment.
    pub(super) fn leaves(&mut self, worker: u32, owner: Option<u32>, call: Call) -> usize {
        let (ordinal, number) = (call.ordinal, self.calls.len());
        self.note(&format!("worker {worker} calls task {ordinal}: {:?}", call.kind));
        self.calls.push(call);
        self.callers.push(worker);
        let task = self.tasks.get_mut(&ordinal).unwrap();
        task.calls.push(number);
        let unsent = task.unsent.entry(worker).or_default();
        *unsent -= 1;
        let is_early = *unsent < 0;
        let is_settled = task.settled.is_some();
        let other = task.on_wire.replace(worker);
        let on_wire = self.on_wire.entry(worker).or_default();
        *on_wire += 1;
        let is_crowded = *on_wire > self.crew.concurrency.get();
        for (is_broken, what) in [
            (is_early, "left before its start was durable"),
            (is_settled, "left, and the task has its outcome"),
            (other.is_some(), "left while another of the task was on the wire"),
            (owner != Some(worker), "left, and another worker may have the task"),
            (is_crowded, "left, and there was no slot for it"),
        ] {
            if is_broken {
                self.violate(&format!("worker {worker}: a call of task {ordinal} {what}"));
            }
        }
        self.check_window();
        number
    }

    pub(super) fn left_wire(&mut self, call: usize) {
        *self.on_wire.get_mut(&self.callers[call]).unwrap() -= 1;
        self.tasks.get_mut(&self.calls[call].ordinal).unwrap().on_wire = None;
    }

    /// No window that ends with a call holds more than the rate, over all workers together.
    fn check_window(&mut self) {
        let Some(rate) = self.crew.rate else { return };
        let most = usize::try_from(rate.limit.get()).unwrap();
        let Some(first) = self.calls.len().checked_sub(most + 1) else { return };
        let (now, first) = (self.clock.now(), self.calls[first].at);
        if now.since(first) < rate.window {
            self.violate(&format!("a window holds more than {rate}"));
        }
    }

    /// Compares what is recorded with what is true, when the run is done, and so many tasks were told of
    /// as in doubt.
    pub(super) fn judge(&mut self, recorded: &[Recorded], told: u64) {
        if !self.violations.is_empty() {
            return;
        }
        let doubts = self.calls.iter().filter(|call| !call.recorded).count() as u64;
        if doubts > told {
            self.violate(&format!("{doubts} calls are on no record, and {told} were told of"));
        }
        if recorded.len() != self.tasks.len() {
            self.violate(&format!("{} tasks are recorded", recorded.len()));
        }
        for record in recorded {
            if let Some(why) = self.wrong(record) {
                let calls = &self.tasks[&record.ordinal].calls;
                let kinds: Vec<Kind> = calls.iter().map(|&call| self.calls[call].kind).collect();
                self.violate(&format!("{record:?}: {why}: {kinds:?}"));
            }
        }
    }

    /// Returns what is wrong with the record of a task, if anything is.
    fn wrong(&self, record: &Recorded) -> Option<&'static str> {
        let task = &self.tasks[&record.ordinal];
        let Some(outcome) = record.settled else { return Some("it has no outcome") };
        let calls = || task.calls.iter().map(|&call| &self.calls[call]);
        let phantoms = task.unsent.values().sum::<i64>().max(0).unsigned_abs() as usize;
        let (sent, attempts) = (task.calls.len(), record.attempts as usize);
        if attempts < sent || attempts > sent + phantoms {
            return Some("its attempts are not its calls");
        }
        let known = |kind| calls().any(|call| call.is_known() && call.kind == kind);
        let is_doubtful = calls().any(Call::is_doubtful) || phantoms > 0;
        let is_free = |call: &Call| {
            call.is_known() && matches!(call.kind, Kind::Throttled(_) | Kind::Unauthorised)
        };
        let charged = calls().filter(|call| !is_free(call)).count() + phantoms;
        let is_used_up = charged >= self.crew.retry.max_attempts.get() as usize;
        let holds = match outcome {
            Outcome::Succeeded | Outcome::Partial => known(Kind::Done(outcome)),
            Outcome::Failed if known(Kind::Done(outcome)) => true,
            Outcome::Failed => {
                let had_effect = calls().any(|call| call.effect);
                !had_effect && !is_doubtful && (is_used_up || known(Kind::Refused))
            }
            Outcome::Ambiguous => {
                let is_final = self.crew.retry.on_doubt == OnDoubt::Hold
                    || known(Kind::Refused)
                    || calls().any(|call| call.kind == Kind::Panicked)
                    || is_used_up;
                is_doubtful && is_final
            }
            Outcome::NotAttempted | Outcome::Unchanged => false,
        };
        (!holds).then_some("its outcome is not what happened")
    }
}
