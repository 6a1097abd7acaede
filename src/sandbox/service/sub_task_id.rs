//! The ids of sub-tasks: each leads back to its batch task, and none has to be kept.

use crate::sandbox::faults::{Question, SeededRandom};

/// Returns the print of a batch task in the ids of its sub-tasks.
pub(crate) fn print(random: SeededRandom, batch_task: &str) -> u64 {
    random.roll_for(Question::SubTask, batch_task).bits()
}

/// Returns the id of a sub-task, by its number from 0.
pub(crate) fn of(random: SeededRandom, batch_task: &str, index: u16) -> String {
    format!("{:016x}{index:04x}", print(random, batch_task))
}

/// Returns the print and the number in an id, if it can be one of a sub-task.
pub(crate) fn parts(id: &str) -> Option<(u64, u16)> {
    let (print, index) = id.split_at_checked(16).filter(|(_, index)| index.len() == 4)?;
    Some((u64::from_str_radix(print, 16).ok()?, u16::from_str_radix(index, 16).ok()?))
}
