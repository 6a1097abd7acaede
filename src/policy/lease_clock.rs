//! How long a worker may trust its leases, by its own clock.
//!
//! The database renews a lease between the request and the answer. A worker counts from the request:
//! so by its own clock a lease ends no later than the database ends it, whatever the network does.
//! Nothing leaves in the last fifth, so that a call that has left is not soon another worker's, too.
//!
//! Times count from the start of the machine, its sleep included: an instant stands still in a sleep,
//! and the lease does not.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// The share of a lease after which nothing leaves.
const TRUSTED: f64 = 0.8;

/// What a lease allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// Calls may leave. Unless it is renewed, it is over after this time, and calls on the wire are
    /// given up.
    Firm(Duration),
    /// Nothing leaves until it is renewed.
    Ending,
    /// It is over, or was never held.
    Over,
}

/// The leases of a worker, each by its name.
#[derive(Debug)]
pub struct LeaseClock<K> {
    span: Duration,
    renewed: HashMap<K, Duration>,
}

impl<K: Copy + Eq + Hash> LeaseClock<K> {
    /// Returns a clock for leases that last so long.
    pub fn new(span: Duration) -> Self {
        Self { span, renewed: HashMap::new() }
    }

    /// Notes that a lease was given or renewed by a request that was sent then.
    pub fn renew(&mut self, lease: K, asked: Duration) {
        let renewed = self.renewed.entry(lease).or_insert(asked);
        // Answers may overtake each other.
        *renewed = asked.max(*renewed);
    }

    /// Forgets a lease that was lost or given back.
    pub fn forget(&mut self, lease: K) {
        self.renewed.remove(&lease);
    }

    /// Returns what a lease allows now.
    pub fn state(&self, lease: K, now: Duration) -> LeaseState {
        let Some(&renewed) = self.renewed.get(&lease) else { return LeaseState::Over };
        let age = now.saturating_sub(renewed);
        if age < self.span.mul_f64(TRUSTED) {
            LeaseState::Firm(self.span - age)
        } else if age < self.span {
            LeaseState::Ending
        } else {
            LeaseState::Over
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_counts_from_the_request_and_is_trusted_for_four_fifths() {
        let at = Duration::from_secs;
        let mut leases = LeaseClock::new(at(10));
        assert_eq!(leases.state(1, at(100)), LeaseState::Over);
        leases.renew(1, at(100));
        assert_eq!(leases.state(1, at(107)), LeaseState::Firm(at(3)));
        assert_eq!(leases.state(1, at(108)), LeaseState::Ending);
        assert_eq!(leases.state(1, at(110)), LeaseState::Over);
        leases.renew(1, at(109));
        leases.renew(1, at(103));
        assert_eq!(
            leases.state(1, at(116)),
            LeaseState::Firm(at(3)),
            "an earlier answer came late"
        );
        assert_eq!(leases.state(2, at(109)), LeaseState::Over);
        leases.forget(1);
        assert_eq!(leases.state(1, at(109)), LeaseState::Over);
    }
}
