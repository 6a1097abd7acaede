//! Writes the row of one task, as [`rows`](super::rows) describes it.
//!
//! Words are written as the numbers of their places in the head.

use crate::clock::Timestamp;
use crate::report::format::html::in_script::write_in_script;
use crate::report::format::html::texts::Text;
use crate::report::model::Grouping;
use crate::store::TaskRow;
use crate::task::Command;
use crate::text::whole_millis;
use std::io;
use std::io::Write;

/// What the numbers of a row stand for.
pub(crate) struct Words<'a> {
    pub(crate) grouping: &'a Grouping,
    pub(crate) base: Timestamp,
    pub(crate) actions: &'a [String],
    pub(crate) targets: &'a [String],
}

impl Words<'_> {
    /// Returns where a command is in the head.
    fn command_number(&self, command: Command) -> usize {
        let of_service = self.actions.iter().position(|action| action == command.as_str());
        of_service.unwrap_or_else(|| command.number().into())
    }

    /// Returns where the target of a task is in the head.
    fn target_number(&self, task: &TaskRow) -> Option<usize> {
        let target = task.target.as_deref()?;
        self.targets.iter().position(|name| name == target)
    }
}

/// Writes the row of a task as a line.
pub(crate) fn write_task(
    task: &TaskRow,
    words: &Words<'_>,
    failure: Option<FailureCells>,
    out: &mut impl Write,
) -> io::Result<()> {
    let Words { grouping, base, .. } = *words;
    let times = task.first_sent.zip(task.settled);
    let command = words.command_number(task.command);
    let (a, b, c, d) = (task.id.as_str(), command, task.outcome as u8, task.attempts);
    let e = task.first_sent.map(|at| after_base(base, at));
    let f = times.map(|(first, settled)| whole_millis(settled.since(first)));
    let g = task.last.as_ref().and_then(|last| last.http_status);
    let h = grouping.group_of(task).map_or(0, |label| label.index() + 1);
    let (i, j) = (task.source, task.line);
    // One tuple of eleven, because nested tuples would be nested arrays.
    match (failure, words.target_number(task)) {
        (failure, Some(target)) => {
            write_in_script(&(a, b, c, d, e, f, g, h, i, j, failure, target), &mut *out)?;
        }
        (Some(failure), None) => {
            write_in_script(&(a, b, c, d, e, f, g, h, i, j, failure), &mut *out)?;
        }
        (None, None) => write_in_script(&(a, b, c, d, e, f, g, h, i, j), &mut *out)?,
    }
    out.write_all(b"\n")
}

/// Returns the milliseconds since the beginning of the run.
pub(crate) fn after_base(base: Timestamp, at: Timestamp) -> i64 {
    // Negative if the system's clock was set back during the run.
    at.micros_since(base) / 1_000
}

/// The cells of a failure.
pub(crate) type FailureCells =
    (u8, Text, Text, Text, Text, Text, Option<String>, Option<[u64; 3]>, Option<u64>, Text, Text);
