//! Writes the row of one task, and the lists in which its numbers are looked up.
//!
//! A row is an array without names, because a page has very many rows: `[id, command, outcome,
//! attempts, started, duration, status, group, source, line, failure]`. Times are in milliseconds
//! after `base`, words are numbers, and groups count from 1. The failure, if there is one, is
//! `[kind, code, message, reason, advice, errors, request, counts, latency, detail, params]`. In a run
//! of several targets the number of its target stands behind each failure, which is null if there
//! is none.

use crate::clock::Timestamp;
use crate::reading::{AttemptRow, TaskRow};
use crate::report::format::html::in_script::write_members;
use crate::report::format::html::texts::{Text, Texts};
use crate::report::model::{GroupLabel, Report, failure_of};
use crate::store::RunRecord;
use crate::task::{Command, Counts, Failure, FailureKind, Outcome};
use crate::text::whole_millis;
use serde::Serialize;
use std::io;
use std::io::Write;

/// The lists in which the numbers of the rows are looked up.
#[derive(Serialize)]
pub(crate) struct Head<'a> {
    run: &'a str,
    base: i64,
    tasks: u64,
    commands: Vec<&'a str>,
    outcomes: Vec<&'static str>,
    kinds: [&'static str; 12],
    groups: Vec<String>,
    sources: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    targets: &'a [String],
}

impl<'a> Head<'a> {
    /// Returns the lists of a run whose times count from `base`.
    pub(crate) fn new(report: &'a Report, base: Timestamp, names: &'a RowNames) -> Self {
        Self {
            run: report.run.id.as_str(),
            base: base.as_micros() / 1_000,
            tasks: report.tasks.selected(),
            commands: match &report.run.service {
                None => Command::ALL.map(Command::as_str).to_vec(),
                Some(service) => service.actions.iter().map(String::as_str).collect(),
            },
            outcomes: outcomes(report),
            kinds: FailureKind::ALL.map(FailureKind::as_str),
            groups: report.failures.iter().map(|group| group.label.to_string()).collect(),
            sources: &report.input.sources,
            targets: &names.targets,
        }
    }
}

/// The word and the mark of a task that is under way, while the run goes on.
pub(crate) const UNDER_WAY: &str = "under_way";
pub(crate) const UNDER_WAY_MARK: &str = "…";

/// Returns the outcomes in the order of their numbers. While the run goes on, the last of them stands
/// for tasks that are under way: their rows have the outcome that they would have if it ended now.
fn outcomes(report: &Report) -> Vec<&'static str> {
    let under_way = report.exit.is_none().then_some(UNDER_WAY);
    Outcome::ALL.into_iter().map(Outcome::as_str).chain(under_way).collect()
}

/// Returns the time from which those of a run's rows count.
pub(crate) fn base_of(record: &RunRecord) -> Timestamp {
    // Times are written as offsets, which are a third as long as timestamps.
    record.sessions.first().map_or(Timestamp::from_micros(0), |first| first.started)
}

/// The names of one run that rows hold as numbers, in the order of the head.
#[derive(Debug, Default)]
pub(crate) struct RowNames {
    /// The actions of another service than VIAS.
    actions: Vec<String>,
    /// The targets of a run of several.
    targets: Vec<String>,
}

impl RowNames {
    /// Returns the names of a run.
    pub(crate) fn of(record: RunRecord) -> Self {
        Self {
            actions: record.run.service.map_or_else(Vec::new, |service| service.actions),
            targets: record.run.settings.target.map_or_else(Vec::new, |target| target.names),
        }
    }
}

/// What the numbers of a row stand for.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    pub(crate) base: Timestamp,
    pub(crate) names: &'a RowNames,
}

impl Words<'_> {
    /// Returns where a command is in the head.
    fn command_number(&self, command: Command) -> usize {
        let mut actions = self.names.actions.iter();
        let of_service = actions.position(|action| action == command.as_str());
        of_service.unwrap_or_else(|| command.number().into())
    }

    /// Returns where the target of a task is in the head.
    fn target_number(&self, task: &TaskRow) -> Option<usize> {
        let target = task.target.as_deref()?;
        self.names.targets.iter().position(|name| name == target)
    }
}

/// Writes the row of a task, without an end of line.
pub(crate) fn write_task(
    task: &TaskRow,
    group: Option<GroupLabel>,
    words: Words<'_>,
    texts: &mut Texts,
    out: &mut impl Write,
) -> io::Result<()> {
    out.write_all(b"[")?;
    write_before_group(task, words, out)?;
    write!(out, ",{},", group_number(group))?;
    write_behind_group(task, words, texts, out)?;
    out.write_all(b"]")
}

/// Returns the number of a group in the rows of its tasks: from 1, and 0 for none.
pub(crate) fn group_number(group: Option<GroupLabel>) -> usize {
    group.map_or(0, |label| label.index() + 1)
}

/// Writes the cells of a task before its group.
pub(crate) fn write_before_group(
    task: &TaskRow,
    words: Words<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let base = words.base;
    let times = task.first_sent.zip(task.settled);
    let command = words.command_number(task.command);
    let (a, b, c, d) = (task.id.as_str(), command, task.outcome as u8, task.attempts);
    let e = task.first_sent.map(|at| after_base(base, at));
    let f = times.map(|(first, settled)| whole_millis(settled.since(first)));
    let g = task.last.as_ref().and_then(|last| last.http_status);
    write_members(&(a, b, c, d, e, f, g), out)
}

/// Writes the cells of a task behind its group.
pub(crate) fn write_behind_group(
    task: &TaskRow,
    words: Words<'_>,
    texts: &mut Texts,
    out: &mut impl Write,
) -> io::Result<()> {
    // A task that was never sent has no answer to show.
    let failure = failure_of(task).filter(|_| task.last.is_some());
    let failure = failure.map(|failure| failure_cells(task.last.as_ref(), failure, texts));
    let (i, j) = (task.source, task.line);
    match (failure, words.target_number(task)) {
        (failure, Some(target)) => write_members(&(i, j, failure, target), out),
        (Some(failure), None) => write_members(&(i, j, failure), out),
        (None, None) => write_members(&(i, j), out),
    }
}

fn failure_cells(last: Option<&AttemptRow>, failure: &Failure, texts: &mut Texts) -> FailureCells {
    let counts = last.and_then(|last| last.counts);
    (
        failure.kind as u8,
        texts.text(&failure.code),
        texts.text(&failure.message),
        texts.text(&failure.reason),
        texts.text(&failure.advice),
        texts.text(&failure.error_list.join("; ")),
        last.and_then(|last| last.request_id.clone()),
        counts.map(|Counts { total, failed, succeeded }| [total, failed, succeeded]),
        last.and_then(|last| last.duration).map(whole_millis),
        texts.text(&failure.detail),
        texts.text(&failure.params.join("; ")),
    )
}

/// Returns the milliseconds since the beginning of the run.
pub(crate) fn after_base(base: Timestamp, at: Timestamp) -> i64 {
    // Negative if the system's clock was set back during the run.
    at.micros_since(base) / 1_000
}

/// The cells of a failure.
type FailureCells =
    (u8, Text, Text, Text, Text, Text, Option<String>, Option<[u64; 3]>, Option<u64>, Text, Text);
