//! Decides how a call is treated: by the ending of its id, otherwise at random.
//!
//! Pure: the random number is an argument. The endings are those of VIAS as far as they mean
//! something here, and one for each meaning of an answer.

use crate::sandbox::faults::ResponseDelivery;
use crate::sandbox::settings::SandboxSettings;
use crate::service::AnswerMeaning;

/// The treatment of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// It is carried out, whether or not the client learns of it.
    CarriedOut(ResponseDelivery),
    /// It is carried out in part, where the service counts.
    InPart {
        /// Whether nothing of it succeeded.
        all_failed: bool,
    },
    /// It is answered by a rule of this meaning, and nothing is done.
    Answered(AnswerMeaning),
    /// It fails in one of the ways that the rules know.
    Failed,
}

/// The shares of calls with random faults.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FaultShares {
    drop: f64,
    fail: f64,
    partial: f64,
}

/// The treatment of a call without faults.
const WELL: Treatment = Treatment::CarriedOut(ResponseDelivery::Prompt);

impl FaultShares {
    /// Returns the shares of the settings, which have been checked.
    pub(crate) const fn from_settings(settings: &SandboxSettings) -> Self {
        Self { drop: settings.drop, fail: settings.fail, partial: settings.partial }
    }

    fn treatment(self, share: f64) -> Treatment {
        // Side by side on the line from 0 to 1, so that each has its exact size.
        if share < self.drop {
            Treatment::CarriedOut(ResponseDelivery::Dropped)
        } else if share < self.drop + self.fail {
            Treatment::Failed
        } else if share < self.drop + self.fail + self.partial {
            Treatment::InPart { all_failed: false }
        } else {
            WELL
        }
    }
}

/// Returns how the `number`-th call of an action for an id is treated, counted from 1.
pub(crate) fn treatment(id: &str, number: u32, shares: FaultShares, share: f64) -> Treatment {
    let once = |means| if number == 1 { Treatment::Answered(means) } else { WELL };
    match ending(id) {
        "partial" => Treatment::InPart { all_failed: false },
        "failed" => Treatment::InPart { all_failed: true },
        "slow" => Treatment::CarriedOut(ResponseDelivery::Late),
        "drop" => Treatment::CarriedOut(ResponseDelivery::Dropped),
        "silent" => Treatment::CarriedOut(ResponseDelivery::Silent),
        "garbled" => Treatment::CarriedOut(ResponseDelivery::Garbled),
        "stuck" => WELL,
        "refused" => Treatment::Answered(AnswerMeaning::Refused),
        "unchanged" => Treatment::Answered(AnswerMeaning::Unchanged),
        "unauthorised" => Treatment::Answered(AnswerMeaning::Unauthorised),
        "doubt" => Treatment::Answered(AnswerMeaning::InDoubt),
        _ if is_missing(id) => Treatment::Answered(AnswerMeaning::Gone),
        // Only the first call, because a client that sends it again must succeed in the end.
        "flaky" | "transient" => once(AnswerMeaning::Transient),
        "throttled" => once(AnswerMeaning::Throttled),
        _ => shares.treatment(share),
    }
}

/// Returns whether the ending of an id says that there is none.
pub(crate) fn is_missing(id: &str) -> bool {
    matches!(ending(id), "gone" | "missing")
}

/// Returns whether the ending of an id says that it never arrives where it is sent.
pub(crate) fn is_stuck(id: &str) -> bool {
    ending(id) == "stuck"
}

fn ending(id: &str) -> &str {
    id.rsplit_once('-').map_or("", |(_, ending)| ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: FaultShares = FaultShares { drop: 0.0, fail: 0.0, partial: 0.0 };

    #[test]
    fn the_ending_of_an_id_picks_a_meaning() {
        let of = |id| treatment(id, 1, NONE, 0.0);
        assert_eq!(of("a-refused"), Treatment::Answered(AnswerMeaning::Refused));
        assert_eq!(of("a-gone"), Treatment::Answered(AnswerMeaning::Gone));
        assert_eq!(of("a-missing"), Treatment::Answered(AnswerMeaning::Gone));
        assert_eq!(of("a-throttled"), Treatment::Answered(AnswerMeaning::Throttled));
        assert_eq!(treatment("a-throttled", 2, NONE, 0.0), WELL);
        assert_eq!(of("a-drop"), Treatment::CarriedOut(ResponseDelivery::Dropped));
        assert_eq!(of("a-failed"), Treatment::InPart { all_failed: true });
        assert_eq!(of("refused"), WELL);
        assert_eq!(of("a-refused-1"), WELL);
    }

    #[test]
    fn shares_never_overlap() {
        let shares = FaultShares { drop: 0.1, fail: 0.2, partial: 0.3 };
        let of = |share| treatment("a", 1, shares, share);
        assert_eq!(of(0.05), Treatment::CarriedOut(ResponseDelivery::Dropped));
        assert_eq!((of(0.11), of(0.29)), (Treatment::Failed, Treatment::Failed));
        assert_eq!(of(0.31), Treatment::InPart { all_failed: false });
        assert_eq!(of(0.61), WELL);
    }
}
