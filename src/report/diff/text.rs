//! Shows how two runs differ, for people.

use crate::report::diff::Change;
use crate::report::diff::Changed;
use crate::report::diff::Diff;
use crate::task::Failure;
use crate::task::Outcome;
use crate::text::grouped;
use crate::text::plural;
use crate::text::printable;
use std::fmt;

/// The most columns of a failure.
const FAILURE_COLUMNS: usize = 60;

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "from run {} to run {}\n", self.before, self.after)?;
        for change in Change::ALL {
            let (label, note) = words(change);
            writeln!(f, "  {label:<14} {:>11}   {note}", grouped(self.count(change)))?;
        }
        for change in [Change::NewlyFailing, Change::StillFailing, Change::Fixed] {
            section(f, self, change)?;
        }
        Ok(())
    }
}

fn words(change: Change) -> (&'static str, &'static str) {
    match change {
        Change::NewlyFailing => ("newly failing", "where it was sent before, and not now"),
        Change::Fixed => ("fixed", "where it was sent now, and not before"),
        Change::StillFailing => ("still failing", "in neither"),
        Change::StillGood => ("still good", "in both"),
        Change::New => ("new", "only in the second run"),
        Change::Gone => ("gone", "only in the first run"),
    }
}

fn section(f: &mut fmt::Formatter<'_>, diff: &Diff, change: Change) -> fmt::Result {
    let Some(examples) = diff.examples.get(&change) else { return Ok(()) };
    let (label, _) = words(change);
    let mut title = label.to_owned();
    title[..1].make_ascii_uppercase();
    writeln!(f, "\n{title}")?;
    let width = examples.iter().map(|it| it.task.id.as_str().len()).max().unwrap_or_default();
    for Changed { task, failure } in examples {
        let outcome = |outcome: Option<Outcome>| outcome.map_or("-", Outcome::as_str);
        let (before, after) = (outcome(task.before), outcome(task.after));
        let why = failure.as_ref().map_or_else(String::new, |it| format!("   {}", said(it)));
        writeln!(f, "  {:width$}  {:5}  {before} → {after}{why}", task.id, task.command)?;
    }
    let shown = u64::try_from(examples.len()).unwrap_or(u64::MAX);
    match diff.count(change).saturating_sub(shown) {
        0 => Ok(()),
        more => {
            writeln!(f, "  … and {}: `-o diff.csv` has all", plural(more, "more", "more"))
        }
    }
}

fn said(failure: &Failure) -> String {
    let said = match (failure.code.as_str(), failure.message.as_str()) {
        ("", "") => failure.kind.to_string(),
        ("", message) => message.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    printable(&said, FAILURE_COLUMNS)
}
