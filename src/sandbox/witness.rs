//! What the sandbox saw, for whoever wants to compare it with what batchctl says.
//!
//! Counted when a request is decided, which is when it has been read.

use crate::sandbox::access_log::Status;
use crate::sandbox::state::State;
use crate::task::Command;
use crate::task::Counts;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// Asks a sandbox what it saw; goes on telling after the sandbox has stopped.
#[derive(Clone)]
pub struct Witness {
    state: Arc<Mutex<State>>,
    on_wire: Arc<OnWire>,
}

/// What a sandbox saw so far, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests of every kind.
    pub requests: u64,
    /// Logins, granted or not.
    pub logins: u64,
    /// Lists asked for, answered or refused.
    pub lists: u64,
    /// Actions asked for, carried out or refused.
    pub actions: u64,
    /// Actions carried out: every 200, and every request whose connection was reset or that was
    /// left without an answer.
    pub carried_out: u64,
    /// The counts of sub-tasks, summed over all answers that carried some.
    pub counts: Counts,
    /// How many answers had which status.
    pub by_status: BTreeMap<u16, u64>,
    /// How many connections were reset in place of an answer.
    pub dropped: u64,
    /// How many requests were left without an answer.
    pub silent: u64,
    /// The most requests at a time that had been read and not yet answered. A request that its
    /// client has given up counts until the sandbox has seen the connection close.
    pub peak_on_wire: u64,
}

/// How many requests are read and not yet answered.
#[derive(Debug, Default)]
pub(crate) struct OnWire {
    now: AtomicU64,
    peak: AtomicU64,
}

/// One request that is not yet answered.
pub(crate) struct OnWireGuard<'a>(&'a OnWire);

impl Witness {
    /// Returns a witness of a sandbox's state.
    pub(crate) const fn new(state: Arc<Mutex<State>>, on_wire: Arc<OnWire>) -> Self {
        Self { state, on_wire }
    }

    /// Returns what was seen so far.
    pub fn tally(&self) -> Tally {
        let mut tally = self.state().tally().clone();
        tally.peak_on_wire = self.on_wire.peak.load(Ordering::Relaxed);
        tally
    }

    /// Returns how many times a command was carried out on a batch task.
    pub fn carried_out(&self, id: &str, command: Command) -> u32 {
        let state = self.state();
        let task = state.project().tasks().get(id);
        task.map_or(0, |task| task.carried_out(command))
    }

    /// Returns how many times each batch task was acted upon, those left alone excluded.
    pub fn carried_out_by_id(&self) -> BTreeMap<String, u32> {
        let state = self.state();
        let tasks = state.project().tasks().iter();
        let times = tasks.map(|(id, task)| {
            let times = task.carried_out(Command::Start) + task.carried_out(Command::Stop);
            (id.to_string(), times)
        });
        times.filter(|&(_, times)| times > 0).collect()
    }

    /// Locks the state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }
}

impl Tally {
    /// Takes note of how a request ended.
    pub(crate) fn count_ending(&mut self, status: Status) {
        self.requests += 1;
        match status {
            Status::Code(code) => *self.by_status.entry(code).or_default() += 1,
            Status::Dropped => self.dropped += 1,
            Status::Silent => self.silent += 1,
        }
    }
}

impl OnWire {
    /// Takes note of a request, until the guard is dropped.
    pub(crate) fn enter(&self) -> OnWireGuard<'_> {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(now, Ordering::Relaxed);
        OnWireGuard(self)
    }
}

impl Drop for OnWireGuard<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_stays_when_requests_leave() {
        let on_wire = OnWire::default();
        let first = on_wire.enter();
        drop(on_wire.enter());
        drop(first);
        drop(on_wire.enter());
        assert_eq!(on_wire.peak.load(Ordering::Relaxed), 2);
        assert_eq!(on_wire.now.load(Ordering::Relaxed), 0);
    }
}
