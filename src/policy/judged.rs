//! Decides what a judgement by the rules of a file means for its task.
//!
//! See `classify`, which decides about the answers of VIAS, and whose words these are.

use crate::policy::answer::Judgement;
use crate::policy::finding::{Finding, PROXY_ASKS, Verdict, action_result, described};
use crate::policy::judgement::AnswerMeaning;
use crate::task::{Failure, FailureKind, Outcome, TaskId};

/// Decides what a judgement by the rules of a file comes to, in the words that VIAS's answers have.
pub(super) fn judged(id: &TaskId, status: u16, judgement: &Judgement) -> Finding {
    let error = &judgement.error;
    let doubt = |message: String| {
        Finding::failed(Verdict::InDoubt, Failure::seen(FailureKind::Body, message))
    };
    let failed = |verdict| {
        let error_list = judgement.result.error_list.clone();
        let failure = Failure { error_list, ..described(status, verdict, error.clone()) };
        Finding::failed(verdict, failure)
    };
    let done = |outcome| Finding { verdict: Verdict::Done(outcome), counts: None, failure: None };
    // The next proxy's own: no rule is for it.
    if status == PROXY_ASKS {
        return failed(Verdict::ProxyRefused);
    }
    let distrusted = match judgement.meaning {
        // The id is compared where the counts are read, which are shown all the same.
        Some(AnswerMeaning::Counted) => judgement.distrust.clone(),
        _ => judgement.distrusted(id.as_str()),
    };
    if let Some(reason) = distrusted {
        return doubt(reason);
    }
    let has_error = judgement.has_own_error;
    match judgement.meaning {
        Some(AnswerMeaning::Done) => done(Outcome::Succeeded),
        Some(AnswerMeaning::Counted) if has_error && judgement.result.counts().count() == 0 => {
            doubt(format!("status {status} came with an error: {} {}", error.code, error.message))
        }
        // Without an error of its own, it has a message only if it is no object with counts.
        Some(AnswerMeaning::Counted) if !has_error && !error.message.is_empty() => {
            doubt(error.message.clone())
        }
        Some(AnswerMeaning::Counted) => action_result(id, &judgement.result),
        Some(AnswerMeaning::Gone) if judgement.leads_to_gone => done(Outcome::Unchanged),
        Some(AnswerMeaning::Unchanged) => done(Outcome::Unchanged),
        Some(AnswerMeaning::Gone | AnswerMeaning::Refused) => failed(Verdict::Refused),
        Some(AnswerMeaning::Throttled) => failed(Verdict::Throttled { hold: judgement.wait }),
        Some(AnswerMeaning::Unauthorised) => failed(Verdict::Unauthorised),
        Some(AnswerMeaning::Transient) => failed(Verdict::Transient),
        // A 2xx status with what no rule is for: neither success nor an error of the service.
        None if (200..300).contains(&status) => doubt(match error.message.as_str() {
            _ if has_error => format!("status {status}: {} {}", error.code, error.message),
            "" => format!("no rule is for this answer with status {status}"),
            unread => unread.to_owned(),
        }),
        Some(AnswerMeaning::InDoubt) | None => failed(Verdict::InDoubt),
    }
}

/// Decides what the rules of a file make of an answer that should have been a state, or a page of
/// them.
pub(super) fn judged_reading(status: u16, judgement: &Judgement) -> Finding {
    let verdict = match judgement.meaning {
        _ if status == PROXY_ASKS => Verdict::ProxyRefused,
        Some(AnswerMeaning::Throttled) => Verdict::Throttled { hold: judgement.wait },
        Some(AnswerMeaning::Unauthorised) => Verdict::Unauthorised,
        Some(AnswerMeaning::Refused | AnswerMeaning::Gone) => Verdict::Refused,
        Some(
            AnswerMeaning::Transient
            | AnswerMeaning::InDoubt
            | AnswerMeaning::Done
            | AnswerMeaning::Counted
            | AnswerMeaning::Unchanged,
        )
        | None => Verdict::Transient,
    };
    Finding::failed(verdict, described(status, verdict, judgement.error.clone()))
}

#[cfg(test)]
#[path = "judged_tests.rs"]
mod tests;
