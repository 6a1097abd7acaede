//! Chooses the commands that are worth typing after a run, from its report.
//!
//! Pure. Offers only commands that have something to do.

use crate::event::StopReason;
use crate::report::model::{FailureGroup, Report, command};
use crate::task::{FailureKind, Outcome};
use std::path::{Path, PathBuf};

/// A command to type next, and its purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextCommand {
    /// The command, as it is typed.
    pub command: String,
    /// What it does, in a few words.
    pub purpose: &'static str,
}

/// Decides for one command whether it is worth typing.
type Offer = fn(&Report, &[PathBuf]) -> Option<NextCommand>;

/// All commands that can be offered, the most useful first.
const OFFERS: [Offer; 7] = [apply, resume, retry, settle, wait, results, json];

/// Returns the commands to type next. `documents` are those that are written already.
pub fn next_commands(report: &Report, documents: &[PathBuf]) -> Vec<NextCommand> {
    // A command is typed where the file of the run is, and a merged one has none.
    if !report.shards.is_empty() {
        return Vec::new();
    }
    OFFERS.iter().filter_map(|offer| offer(report, documents)).collect()
}

/// A plan that was stored on its own has not begun.
fn is_unapplied_plan(report: &Report) -> bool {
    report.settings.planned_with.is_some() && report.run.started_at.is_none()
}

fn apply(report: &Report, _: &[PathBuf]) -> Option<NextCommand> {
    is_unapplied_plan(report).then(|| NextCommand {
        command: command(&report.run.id, &report.settings, "apply", ""),
        purpose: "carries out this plan",
    })
}

/// Only for a run that waits or ended too early: one that is under way needs no second process.
fn resume(report: &Report, _: &[PathBuf]) -> Option<NextCommand> {
    let waits = report.is_planned() && !is_unapplied_plan(report);
    let is_wanted = !report.run.complete && (report.exit.is_some() || waits);
    is_wanted.then(|| NextCommand {
        command: command(&report.run.id, &report.settings, "resume", ""),
        purpose: purpose_of_resume(report),
    })
}

/// A run that goes on while what stopped it is still there only stops again.
fn purpose_of_resume(report: &Report) -> &'static str {
    if report.is_planned() {
        return "carries it out";
    }
    let reason = report.stopped.as_ref().and_then(|stopped| stopped.reason.parse().ok());
    match reason {
        Some(StopReason::NotAuthorised) => "with valid credentials",
        Some(StopReason::ProxyRefused) => "once the proxy allows it",
        Some(StopReason::Outage) => "once the service is back",
        Some(StopReason::Throttled) => "when it throttles less",
        Some(StopReason::RateGroupLost) => "once the file of its rate group can be used",
        Some(StopReason::TooManyFailures | StopReason::CanaryFailed | StopReason::WaveFailed) => {
            "once the causes are gone"
        }
        Some(
            StopReason::Interrupted
            | StopReason::Terminated
            | StopReason::OutOfTime
            | StopReason::Drained,
        )
        | None => "goes on with the rest",
    }
}

fn retry(report: &Report, _: &[PathBuf]) -> Option<NextCommand> {
    // Not before the run is complete: `resume` comes first, because it costs no second run.
    let taken = [Outcome::Partial, Outcome::Failed, Outcome::Ambiguous];
    // Excluded tasks did not succeed either, and are not called again.
    let is_wanted = report.run.complete && taken.iter().any(|&outcome| report.tasks[outcome] > 0);
    is_wanted.then(|| NextCommand {
        command: command(&report.run.id, &report.settings, "retry", ""),
        purpose: purpose_of_retry(report),
    })
}

fn purpose_of_retry(report: &Report) -> &'static str {
    // Where no group may succeed as it is, the bare command would only repeat the failures.
    let may_help = report.failures.is_empty() || report.failures.iter().any(|it| it.retryable);
    if may_help { "what did not succeed" } else { "once the causes are gone" }
}

/// The state of a task shows whether a call in doubt was carried out, so nothing is sent.
fn settle(report: &Report, _: &[PathBuf]) -> Option<NextCommand> {
    let is_wanted = has_states(report) && report.tasks[Outcome::Ambiguous] > 0;
    is_wanted.then(|| NextCommand {
        command: command(&report.run.id, &report.settings, "settle", ""),
        purpose: "what is in doubt",
    })
}

/// An accepted command may only be slow to take effect.
fn wait(report: &Report, _: &[PathBuf]) -> Option<NextCommand> {
    let not_reached = |group: &FailureGroup| group.kind == Some(FailureKind::NotReached);
    let is_wanted = has_states(report) && report.failures.iter().any(not_reached);
    is_wanted.then(|| NextCommand {
        command: command(&report.run.id, &report.settings, "wait", ""),
        purpose: "what has not arrived",
    })
}

/// Returns whether states can still be read: the sandbox of a rehearsal ends with its process.
fn has_states(report: &Report) -> bool {
    report.run.complete && !report.settings.sandbox
}

fn results(report: &Report, documents: &[PathBuf]) -> Option<NextCommand> {
    let is_wanted =
        report.tasks.selected() > 0 && !has(documents, "csv") && !is_unapplied_plan(report);
    is_wanted.then(|| NextCommand {
        command: command(&report.run.id, &report.settings, "report", "-o results.csv"),
        purpose: "every task's outcome",
    })
}

fn json(report: &Report, documents: &[PathBuf]) -> Option<NextCommand> {
    // The summary shows the largest groups only, and the document all of them.
    let is_wanted = !report.failures.is_empty() && !has(documents, "json");
    is_wanted.then(|| NextCommand {
        command: command(&report.run.id, &report.settings, "report", "--json"),
        purpose: "every cause of failure",
    })
}

fn has(documents: &[PathBuf], ending: &str) -> bool {
    // By ending, because a document for standard output has no path and is not listed.
    let is_of_kind = |path: &Path| path.extension().is_some_and(|found| found == ending);
    documents.iter().any(|path| is_of_kind(path))
}
