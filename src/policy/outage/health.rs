//! The service's health as one answer shows it, and the party responsible for a failed attempt.
//!
//! Both words are shared by the breaker and the attribution of failures.

use crate::policy::answer::Answer;
use crate::policy::finding::Verdict;

/// The state of the service as an answer shows it, whatever the answer means for its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It works: it carried the call out or refused it.
    Served,
    /// It was not reached, or could not work.
    Away,
    /// Unknown: it wants fewer calls, or the call failed on this side.
    Unknown,
}

impl Health {
    /// Returns the service's health as `answer` shows it, which means `verdict` for its task.
    pub fn from_answer(answer: &Answer, verdict: Verdict) -> Self {
        match (answer, verdict) {
            (Answer::Panicked(_), _) => Self::Unknown,
            (Answer::NoResponse(_), _) => Self::Away,
            (Answer::Response(response), Verdict::Throttled { .. }) => match response.status {
                // A service that cannot handle calls is away, even if it names a wait.
                503 => Self::Away,
                _ => Self::Unknown,
            },
            // A 200 with an untrustworthy body is in doubt, too, but the service sent it.
            (Answer::Response(response), Verdict::InDoubt | Verdict::Transient) => {
                match response.status {
                    // A 408 means that the request did not arrive whole, so the way is disturbed.
                    408 | 500.. => Self::Away,
                    _ => Self::Served,
                }
            }
            (Answer::Response(_), _) => Self::Served,
        }
    }
}

/// The party responsible for an attempt that found the service away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribution {
    /// The task: the service served a later call. The attempt is charged.
    Task,
    /// The task, because there is no evidence to the contrary. The attempt is charged.
    Presumed,
    /// The service, or the way to it. The attempt is not charged.
    Service,
    /// Not known yet.
    Unknown,
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
