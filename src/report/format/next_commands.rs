//! Says what to type next, judging from what a run came to.
//!
//! Pure. Offers only commands that have something to do.

use crate::report::model::FailureGroup;
use crate::report::model::Report;
use crate::task::FailureKind;
use crate::task::Outcome;
use std::path::Path;
use std::path::PathBuf;

/// A command to type next, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The command, as it is typed.
    pub command: String,
    /// What it brings, in a few words.
    pub purpose: &'static str,
}

/// Decides for one command whether it is worth typing.
type Offer = fn(&Report, &[PathBuf]) -> Option<Hint>;

/// Every command there may be a reason for, the most useful first.
const OFFERS: [Offer; 6] = [resume, retry, settle, wait, results, json];

/// Returns the commands to type next. `documents` are those that were written already.
pub fn hints(report: &Report, documents: &[PathBuf]) -> Vec<Hint> {
    OFFERS.iter().filter_map(|offer| offer(report, documents)).collect()
}

/// What was cut short goes on; a run that is still under way needs no second hand.
fn resume(report: &Report, _: &[PathBuf]) -> Option<Hint> {
    let is_wanted = !report.run.complete && report.exit.is_some();
    is_wanted.then(|| Hint {
        command: format!("batchctl resume {}", report.run.id),
        purpose: "goes on with the rest",
    })
}

fn retry(report: &Report, _: &[PathBuf]) -> Option<Hint> {
    let is_wanted = report.run.complete && !report.tasks.all_good();
    is_wanted.then(|| Hint {
        command: format!("batchctl retry {}", report.run.id),
        purpose: "what did not succeed",
    })
}

/// Whether a call in doubt was carried out can be seen at the task, and nothing need be sent.
fn settle(report: &Report, _: &[PathBuf]) -> Option<Hint> {
    let is_wanted = can_be_looked_at(report) && report.tasks[Outcome::Ambiguous] > 0;
    is_wanted.then(|| Hint {
        command: format!("batchctl settle {}", report.run.id),
        purpose: "what is in doubt",
    })
}

/// What was accepted may only be slow.
fn wait(report: &Report, _: &[PathBuf]) -> Option<Hint> {
    let not_reached = |group: &FailureGroup| group.kind == Some(FailureKind::NotReached);
    let is_wanted = can_be_looked_at(report) && report.failures.iter().any(not_reached);
    is_wanted.then(|| Hint {
        command: format!("batchctl wait {}", report.run.id),
        purpose: "what has not arrived",
    })
}

/// Tells whether the tasks of a run that is over are still there: those of a rehearsal are not.
fn can_be_looked_at(report: &Report) -> bool {
    report.run.complete && !report.settings.sandbox
}

fn results(report: &Report, documents: &[PathBuf]) -> Option<Hint> {
    let is_wanted = report.tasks.selected() > 0 && !has(documents, "csv");
    is_wanted.then(|| Hint {
        command: format!("batchctl report {} -o results.csv", report.run.id),
        purpose: "every task's outcome",
    })
}

fn json(report: &Report, documents: &[PathBuf]) -> Option<Hint> {
    let is_wanted = !report.failures.is_empty() && !has(documents, "json");
    is_wanted.then(|| Hint {
        command: format!("batchctl report {} --json", report.run.id),
        purpose: "every cause of failure",
    })
}

fn has(documents: &[PathBuf], ending: &str) -> bool {
    let is_of_kind = |path: &Path| path.extension().is_some_and(|found| found == ending);
    documents.iter().any(|path| is_of_kind(path))
}
