//! What an answer means by the rules of a service that a file describes.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_meaning_has_its_word_and_three_are_good() {
        let words = AnswerMeaning::ALL.map(|meaning| (meaning.as_str(), meaning.is_good()));
        let expected = [
            ("done", true),
            ("counted", true),
            ("unchanged", true),
            ("gone", false),
            ("refused", false),
            ("throttled", false),
            ("unauthorised", false),
            ("transient", false),
            ("in_doubt", false),
        ];
        assert_eq!(words, expected);
    }
}
