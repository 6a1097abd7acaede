//! What a look into a batch task has shown, as records and reports have it. See
//! `docs/GLOSSARY.md`: drill.

use super::Ordinal;
use serde::{Deserialize, Serialize};

/// A batch task that was looked into, because its outcome is not good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrilledTask {
    /// The place of the task in the run.
    pub ordinal: u32,
    /// The batch task.
    pub id: String,
    /// The number of sub-tasks in its list.
    pub listed: u64,
    /// The number of those that are not where the command leads, nor on their way.
    pub not_there: u64,
    /// The first of these, in the order of the list.
    pub sub_tasks: Vec<DrilledSubTask>,
    /// Why its list may not be whole; nothing of it is kept then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<String>,
}

/// A sub-task that is not where the command of its batch task leads. What the service did not say
/// is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrilledSubTask {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its camera: the video source.
    pub camera: String,
    /// Its state, in the service's word and lower case.
    pub state: String,
    /// Its status, in the service's words.
    pub status: String,
    /// The code of its error.
    pub error_code: String,
    /// The message of its error.
    pub error_msg: String,
    /// Why its status and its error could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<String>,
}

/// How the looking into tasks ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrillEnd {
    /// The number of tasks that were left out.
    pub left: u64,
    /// Why they were left out; nothing if because of the limit.
    pub why: Option<String>,
}

impl DrilledTask {
    /// Returns the place of the task in the run.
    pub const fn place(&self) -> Ordinal {
        Ordinal(self.ordinal)
    }

    /// Returns whether every sub-task is named that is not where the command leads.
    pub fn is_whole(&self) -> bool {
        self.gap.is_none() && self.not_there == self.sub_tasks.len() as u64
    }
}

impl DrilledSubTask {
    /// Returns the service's words for what is wrong, or its word for the state.
    pub fn said(&self) -> &str {
        let texts = [&self.error_msg, &self.status, &self.state];
        texts.into_iter().find(|text| !text.trim().is_empty()).map_or("", |text| text)
    }
}
