//! The words, marks and classes that stand for things on the page.
//!
//! Every outcome has a mark and a word: colour never says anything alone.

use crate::task::Outcome;
use crate::text::grouped;
use std::time::Duration;

/// Returns the mark of an outcome.
pub(crate) const fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "✓",
        Outcome::Partial => "◐",
        Outcome::Failed => "✕",
        Outcome::Ambiguous => "?",
        Outcome::Unchanged => "=",
        Outcome::NotAttempted => "○",
    }
}

/// Returns the words for an outcome.
pub(crate) const fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotAttempted => "not attempted",
        Outcome::Succeeded
        | Outcome::Partial
        | Outcome::Failed
        | Outcome::Ambiguous
        | Outcome::Unchanged => outcome.as_str(),
    }
}

/// Says what an outcome means.
pub(crate) const fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "no sub-task failed",
        Outcome::Partial => "some sub-tasks failed",
        Outcome::Failed => "refused, or nothing succeeded",
        Outcome::Ambiguous => "sent, nothing trustworthy came back",
        Outcome::Unchanged => "in that state already, no call made",
        Outcome::NotAttempted => "the run ended before their turn",
    }
}

/// Returns the class that the style sheet knows an outcome by.
pub(crate) const fn outcome_class(outcome: Outcome) -> &'static str {
    outcome.as_str()
}

/// Returns a latency, to as many digits as anyone reads.
pub(crate) fn millis(time: Duration) -> String {
    if time < Duration::from_millis(10) {
        return format!("{:.1} ms", time.as_secs_f64() * 1_000.0);
    }
    if time >= Duration::from_secs(10) {
        return format!("{:.1} s", time.as_secs_f64());
    }
    format!("{} ms", grouped(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}
