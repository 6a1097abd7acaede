//! What an answer means by the rules of a service that a file describes.

use crate::policy::answer::{ActionResult, ServiceError};
use std::time::Duration;

/// What the rules of a service say of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What the answer means; `None` if no rule is for it, so that it is in doubt.
    pub meaning: Option<AnswerMeaning>,
    /// The line of the rule.
    pub rule: Option<u64>,
    /// The service's own id of the request.
    pub request_id: Option<String>,
    /// Whether the action leads to an id that is not there any more.
    pub leads_to_gone: bool,
    /// The wait that the service asks for.
    pub wait: Option<Duration>,
    /// Why an answer of a good meaning is not believed.
    pub distrust: Option<String>,
    /// The service's own counts, with the id that the answer repeats.
    pub result: ActionResult,
    /// The texts of an error; empty where there are none.
    pub error: ServiceError,
}

/// What an answer means, in the word of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerMeaning {
    /// The service carried the action out.
    Done,
    /// The service carried it out as its counts say.
    Counted,
    /// The task was there already.
    Unchanged,
    /// There is no such id.
    Gone,
    /// The service refuses this call, and would refuse it again.
    Refused,
    /// The service wants fewer calls.
    Throttled,
    /// The credentials were refused.
    Unauthorised,
    /// The service failed for now, and did nothing.
    Transient,
    /// The action may have been carried out.
    InDoubt,
}

impl AnswerMeaning {
    /// Every meaning, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Counted,
        Self::Unchanged,
        Self::Gone,
        Self::Refused,
        Self::Throttled,
        Self::Unauthorised,
        Self::Transient,
        Self::InDoubt,
    ];

    /// Returns the word in a service file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Counted => "counted",
            Self::Unchanged => "unchanged",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Throttled => "throttled",
            Self::Unauthorised => "unauthorised",
            Self::Transient => "transient",
            Self::InDoubt => "in_doubt",
        }
    }

    /// Returns whether a task with such an answer is where it was sent, so that an answer has to be
    /// whole and readable to be believed.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Done | Self::Counted | Self::Unchanged)
    }
}
