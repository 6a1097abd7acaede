//! Why a judgement is doubted, and what it makes of a reading.

use super::*;
use crate::policy::answer::{ActionResult, ServiceError};
use std::time::Duration;

fn judgement(meaning: Option<AnswerMeaning>, has_own_error: bool, message: &str) -> Judgement {
    let (code, message) = (if has_own_error { "X.1" } else { "" }.into(), message.into());
    let error = ServiceError { code, message, ..ServiceError::default() };
    Judgement { meaning, has_own_error, error, ..Judgement::default() }
}

fn counted(succeeded: i64) -> ActionResult {
    let (total, failed, succeeded) = (Some(3), Some(0), Some(succeeded));
    ActionResult { total, failed, succeeded, ..ActionResult::default() }
}

#[test]
fn counts_are_believed_over_an_error_and_their_lack_has_its_reason() {
    let id = "gate1".parse().unwrap();
    let check = |has_own_error, message: &str, result: ActionResult, expected: Result<(), &str>| {
        let judgement = judgement(Some(AnswerMeaning::Counted), has_own_error, message);
        let finding = judged(&id, 200, &Judgement { result, ..judgement });
        let verdict = match expected {
            Ok(()) => Verdict::Done(Outcome::Succeeded),
            Err(_) => Verdict::InDoubt,
        };
        let told = finding.failure.as_ref().map(|failure| failure.message.as_str());
        assert_eq!((finding.verdict, told), (verdict, expected.err()));
    };
    check(true, "no", ActionResult::default(), Err("status 200 came with an error: X.1 no"));
    check(true, "no", counted(3), Ok(()));
    check(false, "the answer is HTML", ActionResult::default(), Err("the answer is HTML"));
    check(false, "", ActionResult::default(), Err("the answer lacks its counts"));
    check(false, "", counted(3), Ok(()));
    let wrong = "the counts do not add up: total 3, failed 0, succeeded 2";
    check(true, "no", counted(2), Err(wrong));
}

#[test]
fn a_success_status_that_no_rule_is_for_is_doubted_with_what_came() {
    let id = "gate1".parse().unwrap();
    for (status, has_own_error, message, expected) in [
        (200, true, "no", "status 200: X.1 no"),
        (299, true, "", "status 299: X.1 "),
        (200, false, "", "no rule is for this answer with status 200"),
        (200, false, "the answer is HTML", "the answer is HTML"),
        (300, true, "no", "no"),
        (199, false, "", "status 199 without an error message"),
    ] {
        let finding = judged(&id, status, &judgement(None, has_own_error, message));
        let kind =
            if (200..300).contains(&status) { FailureKind::Body } else { FailureKind::Service };
        let failure = finding.failure.unwrap();
        assert_eq!((finding.verdict, failure.kind), (Verdict::InDoubt, kind), "{expected}");
        assert_eq!(failure.message, expected);
    }
}

#[test]
fn a_reading_is_sent_again_unless_its_meaning_speaks_against_it() {
    let wait = Some(Duration::from_secs(7));
    for meaning in AnswerMeaning::ALL.map(Some).into_iter().chain([None]) {
        let expected = match meaning {
            Some(AnswerMeaning::Throttled) => Verdict::Throttled { hold: wait },
            Some(AnswerMeaning::Unauthorised) => Verdict::Unauthorised,
            Some(AnswerMeaning::Gone | AnswerMeaning::Refused) => Verdict::Refused,
            _ => Verdict::Transient,
        };
        let judgement = Judgement { wait, ..judgement(meaning, true, "no") };
        for (status, expected) in [(404, expected), (407, Verdict::ProxyRefused)] {
            let finding = judged_reading(status, &judgement);
            assert_eq!(finding.verdict, expected, "{status} {meaning:?}");
            assert_eq!(finding.failure.unwrap().message, "no");
        }
    }
}
