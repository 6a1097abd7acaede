//! Decides whose failure it is when an attempt did not reach a service that works.
//!
//! An outage fails every call, a task that is bad fails its own. One failure alone cannot tell
//! them apart, so it is charged to nobody until there is evidence: a call that was sent later
//! and was served shows that the service works, and the breaker opening shows that it does not.
//! Until then the attempt is a suspect, and its task is neither settled nor sent again: what was
//! never sent tells as much about the service and loses nothing. So an outage costs no task an
//! attempt, however few it has left.

use crate::policy::outage::breaker::Breaker;
use crate::policy::outage::health::Attribution;
use crate::policy::outage::health::Health;
use std::collections::BTreeMap;

/// What a task's word about the service is worth.
///
/// What fails by itself is no witness: a list with one bad task in ten, each sent four times,
/// must not look like a service that is away, and a probe must not be such a task where there is
/// another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WitnessTrust {
    /// It counts.
    #[default]
    Clean,
    /// It counts, but the task failed when the service went away for that time.
    Spared {
        /// The number of the outage.
        outage: u32,
    },
    /// It does not count: the task failed while the service served others, or each time the
    /// service seemed to go away.
    Bad,
}

impl WitnessTrust {
    /// Returns the service's health by the word of such a task.
    #[must_use]
    pub fn health_signal(self, health: Health) -> Health {
        match (self, health) {
            (Self::Bad, Health::Away) => Health::Unknown,
            (_, _) => health,
        }
    }

    /// Returns the repute after an attempt with that blame, by [`Breaker::outage`].
    #[must_use]
    pub fn after(self, attribution: Attribution, outage: u32) -> Self {
        match (attribution, self) {
            (Attribution::Presumed | Attribution::Unknown, _) => self,
            (Attribution::Task, _) | (Attribution::Service, Self::Bad) => Self::Bad,
            (Attribution::Service, Self::Spared { outage: earlier }) if earlier != outage => {
                Self::Bad
            }
            (Attribution::Service, Self::Clean | Self::Spared { .. }) => Self::Spared { outage },
        }
    }
}

/// Attempts that found the service away, until it is known whose failure they were.
#[derive(Debug, Clone)]
pub struct SuspectQueue<T> {
    by_number: BTreeMap<u64, T>,
}

impl<T> Default for SuspectQueue<T> {
    fn default() -> Self {
        Self { by_number: BTreeMap::new() }
    }
}

impl<T> SuspectQueue<T> {
    /// Keeps the attempt of that number in the run.
    pub fn insert(&mut self, number: u64, attempt: T) {
        self.by_number.insert(number, attempt);
    }

    /// Returns how many are kept.
    pub fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    /// Takes out, in the order of their sending, those whose failure is explained by now.
    pub fn explained(&mut self, breaker: &Breaker) -> Vec<(Attribution, T)> {
        let mut explained = Vec::new();
        while let Some(first) = self.by_number.first_entry() {
            match breaker.attribute(*first.key()) {
                // Evidence against a later one would be evidence against this one.
                Attribution::Unknown => break,
                attribution => explained.push((attribution, first.remove())),
            }
        }
        explained
    }

    /// Takes out all, once nothing else is left to send that could explain them; whose failure
    /// they are then says [`Breaker::attribute_without_witness`].
    pub fn take_all(&mut self) -> Vec<T> {
        std::mem::take(&mut self.by_number).into_values().collect()
    }
}

#[cfg(test)]
#[path = "attribution_tests.rs"]
mod tests;
