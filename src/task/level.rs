//! What the ids of a run name. See `docs/GLOSSARY.md`: level.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What the ids of a run name: batch tasks, or single sub-tasks of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Batch tasks: a call acts on all sub-tasks of one.
    #[default]
    Batch,
    /// Sub-tasks: a call acts on one alone.
    Task,
}

/// The text is not a level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a level is `batch` or `task`")]
pub struct UnknownLevel;

impl Level {
    /// Every level, in the order of the documentation.
    pub const ALL: [Self; 2] = [Self::Batch, Self::Task];

    /// Returns the word of the flag: `batch` or `task`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Task => "task",
        }
    }

    /// Returns whether the ids name batch tasks.
    pub fn is_batch(&self) -> bool {
        *self == Self::Batch
    }

    /// Returns what the ids name, for one and for several.
    pub const fn nouns(self) -> (&'static str, &'static str) {
        match self {
            Self::Batch => ("batch task", "batch tasks"),
            Self::Task => ("sub-task", "sub-tasks"),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or(UnknownLevel)
    }
}
