//! Decides what follows when the service refuses the credentials of a call.
//!
//! One renewal serves all calls that were refused with the same credentials. If renewed credentials
//! are refused as well, the run ends, because a wrong password or key must never be tried again and
//! again. Pure: renews nothing and waits for nothing.

/// The number of refusals of one task after which the run ends, even if other tasks are accepted.
const MAX_REFUSALS: u32 = 3;

/// The number of a set of credentials within a process; each renewal gets the next one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

impl Generation {
    /// Returns the number of the next set.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The reaction to a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Newer credentials are in force: send the call again with them.
    SendAgain,
    /// Renew the credentials, then send the call again.
    Renew,
    /// A renewal cannot help: end the run.
    Stop,
}

/// The credentials of this process that the service has accepted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialsTrust {
    /// The credentials that the process began with.
    first: Generation,
    /// The newest accepted credentials.
    accepted: Option<Generation>,
}

impl CredentialsTrust {
    /// Returns the state before the first call.
    pub const fn new(first: Generation) -> Self {
        Self { first, accepted: None }
    }

    /// Records that a call with these credentials was accepted.
    pub fn accept(&mut self, used: Generation) {
        // The maximum, because answers to older credentials may arrive late.
        self.accepted = self.accepted.max(Some(used));
    }

    /// Returns whether any credentials were ever accepted.
    pub const fn is_proven(&self) -> bool {
        self.accepted.is_some()
    }

    /// Decides what follows the `refusals`-th refusal of a task, sent with `used` while `in_force`
    /// are the present credentials.
    pub fn refuse(&self, used: Generation, in_force: Generation, refusals: u32) -> Remedy {
        // First, because a task that is always refused would otherwise renew without end.
        if refusals > MAX_REFUSALS {
            return Remedy::Stop;
        }
        // The refusal of another call has led to a renewal already.
        if used < in_force {
            return Remedy::SendAgain;
        }
        // Renewed credentials that were never accepted would be refused after the next renewal, too.
        let renewed_in_vain = used > self.first && self.accepted < Some(used);
        if renewed_in_vain { Remedy::Stop } else { Remedy::Renew }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refuses a call after calls of the generations `accepted` succeeded.
    fn check(accepted: &[u64], used: u64, in_force: u64, refusals: u32, expected: Remedy) {
        let mut trust = CredentialsTrust::new(Generation(1));
        accepted.iter().for_each(|&number| trust.accept(Generation(number)));
        let remedy = trust.refuse(Generation(used), Generation(in_force), refusals);
        assert_eq!(remedy, expected, "accepted {accepted:?}, used {used}, in force {in_force}");
    }

    #[test]
    fn the_first_credentials_are_renewed_once_even_if_they_never_worked() {
        check(&[], 1, 1, 1, Remedy::Renew);
        check(&[1], 1, 1, 1, Remedy::Renew);
        check(&[], 2, 2, 1, Remedy::Stop);
    }

    #[test]
    fn calls_refused_before_a_renewal_are_only_sent_again() {
        check(&[1], 1, 2, 1, Remedy::SendAgain);
        check(&[1, 2], 1, 3, 2, Remedy::SendAgain);
    }

    #[test]
    fn renewed_credentials_that_worked_are_renewed_again_when_they_expire() {
        check(&[1, 2], 2, 2, 1, Remedy::Renew);
        check(&[1], 2, 2, 1, Remedy::Stop);
    }

    #[test]
    fn a_task_that_is_refused_again_and_again_ends_the_run() {
        check(&[1, 2, 3], 3, 3, 3, Remedy::Renew);
        check(&[1, 2, 3, 4], 4, 4, 4, Remedy::Stop);
        check(&[1, 2, 3], 3, 4, 4, Remedy::Stop);
    }

    #[test]
    fn late_answers_to_older_credentials_do_not_reduce_trust() {
        let mut trust = CredentialsTrust::new(Generation(1));
        assert!(!trust.is_proven());
        trust.accept(Generation(2));
        trust.accept(Generation(1));
        assert!(trust.is_proven());
        assert_eq!(trust.refuse(Generation(2), Generation(2), 1), Remedy::Renew);
    }

    #[test]
    fn each_renewal_gets_the_next_number() {
        assert_eq!(Generation::default().next(), Generation(1));
        assert_eq!(Generation(2).next(), Generation(3));
    }
}
