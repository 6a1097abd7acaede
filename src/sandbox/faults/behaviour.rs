//! Decides how the sandbox treats a call: by the ending of the id, otherwise at random.
//!
//! Pure: the random number is an argument. Knows neither HTTP nor the state of any batch task.

use crate::sandbox::faults::fault::ServiceFault;
use crate::sandbox::settings::SandboxSettings;

/// The word after the last `-` of an id, if it selects a fixed behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdSuffix {
    /// No such word: at random.
    Plain,
    /// `-partial`: some sub-tasks fail.
    Partial,
    /// `-failed`: all sub-tasks fail.
    Failed,
    /// `-refused`: not allowed.
    Refused,
    /// `-missing`: no such task.
    Missing,
    /// `-slow`: carried out, answered late.
    Slow,
    /// `-drop`: carried out, then the connection is reset.
    Drop,
    /// `-silent`: carried out, never answered.
    Silent,
    /// `-flaky`: the first call of each command fails.
    Flaky,
    /// `-garbled`: carried out, with an unreadable answer.
    Garbled,
    /// `-stuck`: carried out, but its sub-tasks never reach the new state.
    Stuck,
    /// `-throttled`: the first call of each command is throttled.
    Throttled,
}

/// The treatment of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallBehaviour {
    /// It is carried out, whether or not the client learns of it.
    CarriedOut(Failures, ResponseDelivery),
    /// The service answers with an error and does nothing.
    Faulted(ServiceFault),
    /// The service answers with a random error and does nothing.
    FaultedByChance,
    /// The gateway throttles it.
    Throttled,
}

/// The sub-tasks of a batch task that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failures {
    /// None of them.
    None,
    /// At least one; not all, if there are two or more.
    Some,
    /// All of them.
    All,
}

/// The delivery of the answer to a call that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponseDelivery {
    /// Normally.
    Prompt,
    /// Late.
    Late,
    /// As a page that is not JSON.
    Garbled,
    /// Not at all: the connection is reset.
    Dropped,
    /// Not at all: there is no answer.
    Silent,
}

/// The shares of calls with random faults.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shares {
    drop: f64,
    fail: f64,
    partial: f64,
}

impl IdSuffix {
    /// Returns the suffix of an id.
    pub(crate) fn from_id(id: &str) -> Self {
        match id.rsplit_once('-').map(|(_, ending)| ending) {
            Some("partial") => Self::Partial,
            Some("failed") => Self::Failed,
            Some("refused") => Self::Refused,
            Some("missing") => Self::Missing,
            Some("slow") => Self::Slow,
            Some("drop") => Self::Drop,
            Some("silent") => Self::Silent,
            Some("flaky") => Self::Flaky,
            Some("garbled") => Self::Garbled,
            Some("stuck") => Self::Stuck,
            Some("throttled") => Self::Throttled,
            Some(_) | None => Self::Plain,
        }
    }

    /// Returns how the `number`-th call of a command, counted from 1, is treated.
    ///
    /// `share` is a random number from 0 to 1; only plain ids use it.
    pub(crate) fn behaviour(self, number: u32, shares: Shares, share: f64) -> CallBehaviour {
        let well = |delivery| CallBehaviour::CarriedOut(Failures::None, delivery);
        match self {
            Self::Plain => shares.behaviour(share),
            Self::Partial => CallBehaviour::CarriedOut(Failures::Some, ResponseDelivery::Prompt),
            Self::Failed => CallBehaviour::CarriedOut(Failures::All, ResponseDelivery::Prompt),
            Self::Refused => CallBehaviour::Faulted(ServiceFault::NotAllowed),
            Self::Missing => CallBehaviour::Faulted(ServiceFault::NoSuchTask),
            Self::Slow => well(ResponseDelivery::Late),
            Self::Drop => well(ResponseDelivery::Dropped),
            Self::Silent => well(ResponseDelivery::Silent),
            Self::Garbled => well(ResponseDelivery::Garbled),
            // Only the first call: a client that retries must succeed in the end.
            Self::Flaky if number == 1 => CallBehaviour::Faulted(ServiceFault::Downstream),
            Self::Throttled if number == 1 => CallBehaviour::Throttled,
            Self::Flaky | Self::Throttled | Self::Stuck => well(ResponseDelivery::Prompt),
        }
    }
}

impl Shares {
    /// Returns the shares of the settings, which have been checked.
    pub(crate) const fn from_settings(settings: &SandboxSettings) -> Self {
        Self { drop: settings.drop, fail: settings.fail, partial: settings.partial }
    }

    /// Returns how a call of a plain id is treated.
    fn behaviour(self, share: f64) -> CallBehaviour {
        // The shares lie side by side on the line from 0 to 1, so that each has its exact size.
        if share < self.drop {
            return CallBehaviour::CarriedOut(Failures::None, ResponseDelivery::Dropped);
        }
        if share < self.drop + self.fail {
            return CallBehaviour::FaultedByChance;
        }
        if share < self.drop + self.fail + self.partial {
            return CallBehaviour::CarriedOut(Failures::Some, ResponseDelivery::Prompt);
        }
        CallBehaviour::CarriedOut(Failures::None, ResponseDelivery::Prompt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_FAULTS: Shares = Shares { drop: 0.0, fail: 0.0, partial: 0.0 };
    const WELL: CallBehaviour = CallBehaviour::CarriedOut(Failures::None, ResponseDelivery::Prompt);

    fn check(id: &str, number: u32, expected: CallBehaviour) {
        assert_eq!(IdSuffix::from_id(id).behaviour(number, NO_FAULTS, 0.0), expected, "{id}");
    }

    #[test]
    fn the_ending_of_an_id_selects_the_behaviour() {
        let carried_out = |delivery| CallBehaviour::CarriedOut(Failures::None, delivery);
        let some = CallBehaviour::CarriedOut(Failures::Some, ResponseDelivery::Prompt);
        check("gate-partial", 1, some);
        check("gate-failed", 1, CallBehaviour::CarriedOut(Failures::All, ResponseDelivery::Prompt));
        check("gate-refused", 1, CallBehaviour::Faulted(ServiceFault::NotAllowed));
        check("gate-missing", 1, CallBehaviour::Faulted(ServiceFault::NoSuchTask));
        check("gate-slow", 1, carried_out(ResponseDelivery::Late));
        check("gate-drop", 1, carried_out(ResponseDelivery::Dropped));
        check("gate-silent", 1, carried_out(ResponseDelivery::Silent));
        check("gate-garbled", 1, carried_out(ResponseDelivery::Garbled));
        check("gate-stuck", 1, WELL);
    }

    #[test]
    fn flaky_and_throttled_ids_fail_once() {
        check("gate-flaky", 1, CallBehaviour::Faulted(ServiceFault::Downstream));
        check("gate-flaky", 2, WELL);
        check("gate-throttled", 1, CallBehaviour::Throttled);
        check("gate-throttled", 2, WELL);
    }

    #[test]
    fn an_ending_counts_only_after_a_hyphen_and_at_the_end() {
        check("gatedrop", 1, WELL);
        check("gate_drop", 1, WELL);
        check("gate-drop-1", 1, WELL);
        check("partial", 1, WELL);
    }

    #[test]
    fn shares_never_overlap() {
        let shares = Shares { drop: 0.1, fail: 0.2, partial: 0.3 };
        let dropped = CallBehaviour::CarriedOut(Failures::None, ResponseDelivery::Dropped);
        let partial = CallBehaviour::CarriedOut(Failures::Some, ResponseDelivery::Prompt);
        let expected = [
            (0.05, dropped),
            (0.15, CallBehaviour::FaultedByChance),
            (0.29, CallBehaviour::FaultedByChance),
            (0.31, partial),
            (0.59, partial),
            (0.61, WELL),
            (0.99, WELL),
        ];
        for (share, behaviour) in expected {
            assert_eq!(IdSuffix::Plain.behaviour(1, shares, share), behaviour, "{share}");
        }
    }

    #[test]
    fn without_shares_there_are_no_faults() {
        assert_eq!(NO_FAULTS.behaviour(0.0), WELL);
    }
}
