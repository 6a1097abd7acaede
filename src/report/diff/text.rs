//! Writes the differences between two runs as text, for people.

use crate::report::diff::changes::{ChangedTask, Diff, TaskChange};
use crate::report::format::code_and_message;
use crate::task::{Failure, Outcome};
use crate::text::{grouped, plural, printable};
use std::fmt;

/// The most columns of a failure.
const FAILURE_COLUMNS: usize = 60;

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "from run {} to run {}\n", self.before, self.after)?;
        for change in TaskChange::ALL {
            let (label, note) = words(change);
            writeln!(f, "  {label:<14} {:>11}   {note}", grouped(self.count(change)))?;
        }
        // Tasks that are new or gone are no news about the service, so they are only counted.
        for change in [TaskChange::NewlyFailing, TaskChange::StillFailing, TaskChange::Fixed] {
            section(f, self, change)?;
        }
        Ok(())
    }
}

fn words(change: TaskChange) -> (&'static str, &'static str) {
    match change {
        TaskChange::NewlyFailing => ("newly failing", "where it was sent before, and not now"),
        TaskChange::Fixed => ("fixed", "where it was sent now, and not before"),
        TaskChange::StillFailing => ("still failing", "in neither"),
        TaskChange::StillGood => ("still good", "in both"),
        TaskChange::New => ("new", "only in the second run"),
        TaskChange::Gone => ("gone", "only in the first run"),
    }
}

fn section(f: &mut fmt::Formatter<'_>, diff: &Diff, change: TaskChange) -> fmt::Result {
    let Some(examples) = diff.examples.get(&change) else { return Ok(()) };
    let (label, _) = words(change);
    let mut title = label.to_owned();
    title[..1].make_ascii_uppercase();
    writeln!(f, "\n{title}")?;
    // Ids are ASCII, so their bytes are their columns.
    let width = examples.iter().map(|it| it.task.id.as_str().len()).max().unwrap_or_default();
    for ChangedTask { task, failure } in examples {
        let outcome = |outcome: Option<Outcome>| outcome.map_or("-", Outcome::as_str);
        let (before, after) = (outcome(task.before), outcome(task.after));
        let why =
            failure.as_ref().map_or_else(String::new, |it| format!("   {}", failure_words(it)));
        let target = task.target.as_ref().map_or_else(String::new, |it| format!("  {it}"));
        let (id, command) = (&task.id, task.command);
        writeln!(f, "  {id:width$}  {command:5}{target}  {before} → {after}{why}")?;
    }
    let shown = u64::try_from(examples.len()).unwrap_or(u64::MAX);
    match diff.count(change).saturating_sub(shown) {
        0 => Ok(()),
        more => {
            writeln!(f, "  … and {}: `-o diff.csv` has all", plural(more, "more", "more"))
        }
    }
}

fn failure_words(failure: &Failure) -> String {
    // The kind only if the service sent nothing better.
    let words = code_and_message(&failure.code, failure.said());
    let words = if words.trim().is_empty() { failure.kind.to_string() } else { words };
    printable(&words, FAILURE_COLUMNS)
}
