//! The witness: the sandbox's own record, to compare with batchctl's report.
//!
//! Requests are counted when they are decided, that is, when they have been read.

use crate::sandbox::service::sub_tasks;
use crate::sandbox::state::SandboxState;
use crate::sandbox::tally::SandboxTally;
use crate::task::Command;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// A view of the sandbox's record; it stays readable after the sandbox has stopped.
#[derive(Clone)]
pub struct Witness {
    state: Arc<Mutex<SandboxState>>,
    on_wire: Arc<OnWire>,
}

/// The number of requests that are read and not yet answered.
#[derive(Debug, Default)]
pub(crate) struct OnWire {
    now: AtomicU64,
    peak: AtomicU64,
}

/// One request that is not yet answered; dropped when it is, or when its client is gone.
pub(crate) struct OnWireGuard<'a>(&'a OnWire);

impl Witness {
    /// Returns a witness of a sandbox.
    pub(crate) const fn new(state: Arc<Mutex<SandboxState>>, on_wire: Arc<OnWire>) -> Self {
        Self { state, on_wire }
    }

    /// Returns the counts so far.
    pub fn tally(&self) -> SandboxTally {
        let mut tally = self.state().tally().clone();
        // Counted outside the lock, because a request is on the wire before it is decided.
        tally.peak_on_wire = self.on_wire.peak.load(Ordering::Relaxed);
        tally
    }

    /// Returns how often a command was carried out on a batch task.
    pub fn carried_out(&self, id: &str, command: Command) -> u32 {
        let state = self.state();
        if let Some(custom) = state.custom() {
            let thing = custom.things().get(id).zip(custom.action_index(command.as_str()));
            return thing.map_or(0, |(thing, action)| thing.carried_out(action));
        }
        let task = state.project().tasks().get(id);
        task.map_or(0, |task| task.carried_out(command))
    }

    /// Returns how often any command was carried out on each batch task, without those at zero.
    pub fn carried_out_by_id(&self) -> BTreeMap<String, u32> {
        let state = self.state();
        if let Some(custom) = state.custom() {
            let things = custom.things().iter();
            let times = things.map(|(id, thing)| (id.to_owned(), thing.carried_out_in_all()));
            return times.filter(|&(_, times)| times > 0).collect();
        }
        let tasks = state.project().tasks().iter();
        let times = tasks.map(|(id, task)| {
            let times = task.carried_out(Command::START) + task.carried_out(Command::STOP);
            (id.to_string(), times)
        });
        times.filter(|&(_, times)| times > 0).collect()
    }

    /// Returns the ids of the sub-tasks of a batch task that are in a state, such as `running`.
    pub fn sub_tasks_in(&self, batch_task: &str, state: &str) -> Vec<String> {
        let sandbox = self.state();
        let now = sandbox.clock().instant();
        sub_tasks::in_state(sandbox.project(), batch_task, state, now)
    }

    /// Locks the state.
    fn state(&self) -> MutexGuard<'_, SandboxState> {
        self.state.lock().expect("no holder of the lock panics")
    }
}

impl OnWire {
    /// Counts a request until the guard is dropped.
    pub(crate) fn enter(&self) -> OnWireGuard<'_> {
        // Relaxed is enough: the two numbers order no other memory.
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
