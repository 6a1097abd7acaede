//! Decides what follows when a service refuses the credentials of a call.
//!
//! One renewal serves all calls that were refused with the same credentials, and what was renewed
//! and is refused all the same ends the run: a wrong password or key must never be tried over and
//! over. Pure: renews nothing and waits for nothing.

/// How often one task may be refused before its run ends, whatever others are told.
const MOST_REFUSALS: u32 = 3;

/// The number of credentials within a process: those that replace others have the next one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

impl Generation {
    /// Returns the number of what replaces these.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What follows a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Other credentials are in force by now: send the call with those.
    SendAgain,
    /// Renew them, then send the call again.
    Renew,
    /// Nothing can help: end the run.
    Stop,
}

/// What the service thinks of this process's credentials, as far as it has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialsTrust {
    /// Those the process began with.
    first: Generation,
    /// The latest that were accepted.
    accepted: Option<Generation>,
}

impl CredentialsTrust {
    /// Returns what is known before the first call.
    pub const fn new(first: Generation) -> Self {
        Self { first, accepted: None }
    }

    /// Takes note that a call with these credentials was let through.
    pub fn accept(&mut self, used: Generation) {
        self.accepted = self.accepted.max(Some(used));
    }

    /// Tells whether any credentials were ever accepted.
    pub const fn is_proven(&self) -> bool {
        self.accepted.is_some()
    }

    /// Decides what follows a refusal of `used`, the `refusals`-th that its task met with, while
    /// `in_force` is what a call would be sent with now.
    pub fn refuse(&self, used: Generation, in_force: Generation, refusals: u32) -> Remedy {
        if refusals > MOST_REFUSALS {
            return Remedy::Stop;
        }
        if used < in_force {
            return Remedy::SendAgain;
        }
        // What was renewed and is refused at once would be refused after the next renewal, too.
        let renewed_in_vain = used > self.first && self.accepted < Some(used);
        if renewed_in_vain { Remedy::Stop } else { Remedy::Renew }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refuses a call after those of the generations `accepted` were let through.
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
    fn what_was_renewed_by_others_meanwhile_is_only_sent_again() {
        check(&[1], 1, 2, 1, Remedy::SendAgain);
        check(&[1, 2], 1, 3, 2, Remedy::SendAgain);
    }

    #[test]
    fn what_was_renewed_and_worked_is_renewed_again_when_it_dies() {
        check(&[1, 2], 2, 2, 1, Remedy::Renew);
        check(&[1], 2, 2, 1, Remedy::Stop);
    }

    #[test]
    fn a_task_that_is_refused_whatever_others_are_told_ends_the_run() {
        check(&[1, 2, 3], 3, 3, 3, Remedy::Renew);
        check(&[1, 2, 3, 4], 4, 4, 4, Remedy::Stop);
        check(&[1, 2, 3], 3, 4, 4, Remedy::Stop);
    }

    #[test]
    fn late_answers_to_older_credentials_take_no_trust_away() {
        let mut trust = CredentialsTrust::new(Generation(1));
        assert!(!trust.is_proven());
        trust.accept(Generation(2));
        trust.accept(Generation(1));
        assert!(trust.is_proven());
        assert_eq!(trust.refuse(Generation(2), Generation(2), 1), Remedy::Renew);
    }
}
