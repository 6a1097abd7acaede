//! Which target of a run of several settings are of.

use crate::settings::stored_form::optional_words;
use crate::task::Rate;
use serde::{Deserialize, Serialize};

/// The place of a target among those of its run.
///
/// Each target has a file of its own, and each of the files names all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetPart {
    /// Which of the names this target has, counted from 0.
    pub index: usize,
    /// The names of all targets of the run, in order.
    pub names: Vec<String>,
    /// The rate that all targets together keep. By default there is none.
    #[serde(default, with = "optional_words", skip_serializing_if = "Option::is_none")]
    pub rate_total: Option<Rate>,
}

impl TargetPart {
    /// Returns the name of the target.
    pub fn name(&self) -> &str {
        self.names.get(self.index).map_or("", String::as_str)
    }
}
