//! Words the workers of a run in a database, and what they took over from each other.

use crate::report::format::terminal::TerminalText;
use crate::report::model::Report;
use crate::store::{TakeoverRow, WorkerRow};
use crate::text::{grouped, plural, printable};

/// The most workers that are shown.
const MAX_SHOWN: usize = 20;
/// The most columns of the name of a machine.
const MAX_HOST_COLUMNS: usize = 24;

/// Writes the section, if the run has workers.
pub(crate) fn workers(page: &mut TerminalText, report: &Report) {
    if report.workers.is_empty() {
        return;
    }
    page.section("Workers");
    for line in worker_lines(report) {
        page.line(&format!("  {line}"));
    }
}

/// Returns the workers in a sentence.
pub(crate) fn workers_in_words(report: &Report) -> Option<String> {
    (!report.workers.is_empty()).then(|| worker_lines(report).join("; "))
}

fn worker_lines(report: &Report) -> Vec<String> {
    let (shown, more) = report.workers.split_at(report.workers.len().min(MAX_SHOWN));
    let is_over = report.exit.is_some();
    let mut lines: Vec<String> = shown
        .iter()
        .map(|worker| match worker.to {
            None if is_over => format!("{}, gone without a word", worker_line(worker)),
            None | Some(_) => worker_line(worker),
        })
        .collect();
    let more = more.len() as u64;
    lines
        .extend((more > 0).then(|| format!("and {}", plural(more, "more worker", "more workers"))));
    lines
}

fn worker_line(worker: &WorkerRow) -> String {
    let host = printable(&worker.host, MAX_HOST_COLUMNS);
    let calls = plural(worker.calls, "call", "calls");
    format!("{}  {host}, process {}, {calls}", worker.number, worker.process)
}

/// Returns how many chunks were taken over, in words, if any were.
pub(crate) fn takeovers_note(takeovers: &[TakeoverRow]) -> Option<String> {
    if takeovers.is_empty() {
        return None;
    }
    let in_doubt: u64 = takeovers.iter().filter_map(|it| it.in_doubt).map(u64::from).sum();
    Some(match in_doubt {
        0 => "of workers that were gone, nothing in doubt".into(),
        tasks => format!("of workers that were gone, {} in doubt", grouped(tasks)),
    })
}
