//! The phases of a run in a database, as its row has them.

use crate::settings::RunSettings;

/// A phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// One worker reads the states of all tasks.
    Survey,
    /// One worker sends the first tasks, which must succeed.
    Canary,
    /// All workers send.
    Send,
    /// One worker waits for the tasks, and looks into those that are not good.
    After,
    /// Nothing is left to do.
    Ended,
}

impl Phase {
    /// Returns the phase that a run with these settings begins with.
    pub fn first(settings: &RunSettings) -> Self {
        if settings.looks_first() { Self::Survey } else { Self::after_survey(settings) }
    }

    /// Returns the phase that follows a survey.
    pub fn after_survey(settings: &RunSettings) -> Self {
        let is_gated = settings.canary.is_some() || settings.waves.is_some();
        if is_gated { Self::Canary } else { Self::Send }
    }

    pub(super) fn number(self) -> i16 {
        match self {
            Self::Survey => 0,
            Self::Canary => 1,
            Self::Send => 2,
            Self::After => 3,
            Self::Ended => 4,
        }
    }

    pub(super) fn of_number(number: i16) -> Self {
        match number {
            0 => Self::Survey,
            1 => Self::Canary,
            2 => Self::Send,
            3 => Self::After,
            _ => Self::Ended,
        }
    }
}
