//! Says what to type next, judging from what a run came to.
//!
//! Pure. Offers only commands that have something to do.

use super::Report;
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
const OFFERS: [Offer; 4] = [resume, retry, results, json];

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
