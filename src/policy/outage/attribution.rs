//! Decides whether the task or the service is responsible for a failed attempt.
//!
//! An outage fails every call, a bad task fails only its own. A single failure cannot distinguish
//! the two, so it is not charged until there is evidence: a call that was sent later and was served
//! shows that the service works; the breaker opening shows that it does not. Until then the attempt
//! is a *suspect* (see `docs/GLOSSARY.md`), and its task is neither settled nor sent again: a task
//! that was never sent gives the same evidence and loses nothing. So an outage charges no task,
//! even if it has only one attempt left.

use crate::policy::outage::breaker::Breaker;
use crate::policy::outage::health::{Attribution, Health};
use std::collections::BTreeMap;

/// Whether a task's failures count as evidence about the service.
///
/// A task that fails by itself is not a witness. A list with one bad task in ten, each sent four
/// times, must not look like an outage. Such a task should not be the probe either.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WitnessTrust {
    /// They count.
    #[default]
    Clean,
    /// They count, but the task's last failure belongs to an outage.
    Spared {
        /// The number of the outage.
        outage: u32,
    },
    /// They do not count: the task failed while the service served others, or in two different
    /// outages.
    Bad,
}

impl WitnessTrust {
    /// Returns the service's health as an answer to such a task shows it.
    #[must_use]
    pub fn health_signal(self, health: Health) -> Health {
        match (self, health) {
            (Self::Bad, Health::Away) => Health::Unknown,
            (_, _) => health,
        }
    }

    /// Returns the trust after an attempt with that attribution, during the given
    /// [`Breaker::outage`].
    #[must_use]
    pub fn after(self, attribution: Attribution, outage: u32) -> Self {
        match (attribution, self) {
            (Attribution::Presumed | Attribution::Unknown, _) => self,
            // An outage explains its own failures and not the earlier ones of the task.
            (Attribution::Task, _) | (Attribution::Service, Self::Bad) => Self::Bad,
            (Attribution::Service, Self::Spared { outage: earlier }) if earlier != outage => {
                Self::Bad
            }
            (Attribution::Service, Self::Clean | Self::Spared { .. }) => Self::Spared { outage },
        }
    }
}

/// The attempts that found the service away, until their failure is attributed.
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
    /// Adds an attempt under its number in the run.
    pub fn insert(&mut self, number: u64, attempt: T) {
        self.by_number.insert(number, attempt);
    }

    /// Drops the suspects that `is_kept` refuses.
    pub fn retain(&mut self, is_kept: impl Fn(&T) -> bool) {
        self.by_number.retain(|_, attempt| is_kept(attempt));
    }

    /// Returns the number of suspects.
    pub fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Returns whether there are no suspects.
    pub fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    /// Takes out the suspects whose failure is explained by now, in the order of their sending.
    pub fn explained(&mut self, breaker: &Breaker) -> Vec<(Attribution, T)> {
        let mut explained = Vec::new();
        while let Some(first) = self.by_number.first_entry() {
            match breaker.attribute(*first.key()) {
                // A call served after a later suspect was also served after this one.
                Attribution::Unknown => break,
                attribution => explained.push((attribution, first.remove())),
            }
        }
        explained
    }

    /// Takes out all suspects once no other call is left that could explain them. Then
    /// [`Breaker::attribute_without_witness`] attributes their failures.
    pub fn take_all(&mut self) -> Vec<T> {
        std::mem::take(&mut self.by_number).into_values().collect()
    }
}

#[cfg(test)]
#[path = "attribution_tests.rs"]
mod tests;
