//! Writes the tasks of a run and their attempts as JSON, for the page's table.
//!
//! Row by row from the store: memory is bounded by the limit of attempts, and does not grow with
//! the number of tasks. If there are more tasks than a page can hold, those that did not succeed
//! come first.
//!
//! A row is an array without names, because a page has very many rows: `[id, command, outcome,
//! attempts, started, duration, status, group, source, line, failure]`. Times are in milliseconds
//! after `base`, words are numbers, and groups count from 1. The failure, if there is one, is
//! `[kind, code, message, reason, advice, errors, request, counts, latency, detail, params]`. An attempt is `[row,
//! started, duration, status, kind, code, message]`. A task with one attempt has no attempt of its
//! own here, because its row says the same. A task that was looked into is `[row, listed, not
//! there, gap, sub-tasks]`, and a sub-task `[id, name, camera, state, code, words, gap]`.

use crate::clock::Timestamp;
use crate::report::format::csv::ResultsError;
use crate::report::format::html::in_script::write_in_script;
use crate::report::format::html::texts::{Text, Texts};
use crate::report::model::{Grouping, Report, failure_of};
use crate::store::{AttemptRow, RunReader, StoreError, TaskRow};
use crate::task::{
    Command, Counts, DrilledSubTask, DrilledTask, Failure, FailureKind, Ordinal, Outcome,
};
use crate::text::whole_millis;
use serde::Serialize;
use std::collections::HashMap;
use std::io;
use std::io::Write;

/// The most that a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The number of tasks.
    pub(crate) tasks: u64,
    /// The number of attempts of tasks that were sent more than once.
    pub(crate) attempts: usize,
}

impl Limits {
    /// A page of some 30 MB, which browsers can still open.
    pub(crate) const DEFAULT: Self = Self { tasks: 200_000, attempts: 300_000 };
}

/// A share of the tasks, written in one pass over all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowShare {
    All,
    NotSucceeded,
    NotAttempted,
    Good,
}

impl RowShare {
    const fn includes(self, outcome: Outcome) -> bool {
        match self {
            Self::All => true,
            Self::NotAttempted => matches!(outcome, Outcome::NotAttempted),
            Self::Good => outcome.is_good(),
            Self::NotSucceeded => {
                matches!(outcome, Outcome::Partial | Outcome::Failed | Outcome::Ambiguous)
            }
        }
    }
}

/// Why a pass over tasks or attempts ended before its last row.
enum PassEnd {
    Full,
    Error(ResultsError),
}

impl From<StoreError> for PassEnd {
    fn from(error: StoreError) -> Self {
        Self::Error(error.into())
    }
}

/// Writes the data of the table.
pub(crate) fn write_rows(
    run: &RunReader,
    report: &Report,
    limits: Limits,
    mut out: impl Write,
) -> Result<(), ResultsError> {
    // Times are written as offsets, which are a third as long as timestamps.
    let base = report.run.started_at.unwrap_or(Timestamp::from_micros(0));
    let mut rows = HtmlRows {
        grouping: Grouping::read(run)?,
        limits,
        base,
        actions: report.run.service.as_ref().map_or(&[][..], |service| service.actions.as_slice()),
        texts: Texts::new(),
        written: 0,
        sent_again: HashMap::new(),
        drilled: Vec::new(),
    };
    let drilled = report.drill.iter().flat_map(|drill| &drill.tasks);
    let drilled: HashMap<Ordinal, &DrilledTask> =
        drilled.map(|task| (task.place(), task)).collect();
    let head = Head {
        run: report.run.id.as_str(),
        base: base.as_micros() / 1_000,
        tasks: report.tasks.selected(),
        commands: match &report.run.service {
            None => Command::ALL.map(Command::as_str).to_vec(),
            Some(service) => service.actions.iter().map(String::as_str).collect(),
        },
        outcomes: Outcome::ALL.map(Outcome::as_str),
        kinds: FailureKind::ALL.map(FailureKind::as_str),
        groups: report.failures.iter().map(|group| group.label.to_string()).collect(),
        sources: &report.input.sources,
    };
    out.write_all(b"{\"head\":")?;
    write_in_script(&head, &mut out)?;
    out.write_all(b",\n\"rows\":[")?;
    rows.write_tasks(run, report, &drilled, &mut out)?;
    out.write_all(b"],\n\"attempts\":[")?;
    rows.write_attempts(run, &mut out)?;
    rows.write_drilled(&drilled, &mut out)?;
    out.write_all(b"],\n\"texts\":")?;
    write_in_script(&rows.texts.finish(), &mut out)?;
    Ok(out.write_all(b"}")?)
}

/// The lists in which the numbers of the rows are looked up.
#[derive(Serialize)]
struct Head<'a> {
    run: &'a str,
    base: i64,
    tasks: u64,
    commands: Vec<&'a str>,
    outcomes: [&'static str; 6],
    kinds: [&'static str; 12],
    groups: Vec<String>,
    sources: &'a [String],
}

/// The rows that are being written.
struct HtmlRows<'a> {
    grouping: Grouping,
    limits: Limits,
    base: Timestamp,
    /// The actions of another service than VIAS, in the order of the head.
    actions: &'a [String],
    texts: Texts,
    written: u64,
    /// The rows of the tasks that were sent more than once.
    sent_again: HashMap<Ordinal, u64>,
    /// The rows of the tasks that were looked into.
    drilled: Vec<(u64, Ordinal)>,
}

impl HtmlRows<'_> {
    fn write_tasks(
        &mut self,
        run: &RunReader,
        report: &Report,
        drilled: &HashMap<Ordinal, &DrilledTask>,
        out: &mut impl Write,
    ) -> Result<(), ResultsError> {
        // One pass over all tasks for each share, because sorting them would need all in memory.
        let shares: &[RowShare] = if report.tasks.selected() <= self.limits.tasks {
            &[RowShare::All]
        } else {
            &[RowShare::NotSucceeded, RowShare::NotAttempted, RowShare::Good]
        };
        let has_any = |share: RowShare| {
            Outcome::ALL
                .into_iter()
                .any(|outcome| share.includes(outcome) && report.tasks[outcome] > 0)
        };
        for &share in shares.iter().filter(|&&share| has_any(share)) {
            let take = |task: TaskRow| {
                // Ends the pass with an error, because a pass has no other way to stop early.
                if self.written >= self.limits.tasks {
                    return Err(PassEnd::Full);
                }
                if share.includes(task.outcome) {
                    if drilled.contains_key(&task.ordinal) {
                        self.drilled.push((self.written, task.ordinal));
                    }
                    self.write_task(&task, out).map_err(PassEnd::Error)?;
                }
                Ok(())
            };
            let walked = match share {
                // Most tasks of a large run succeeded, and this walk does not read them.
                RowShare::NotSucceeded => run.for_each_failed_task::<PassEnd>(take),
                RowShare::All | RowShare::NotAttempted | RowShare::Good => {
                    run.for_each_task::<PassEnd>(take)
                }
            };
            match walked {
                Ok(()) => {}
                Err(PassEnd::Full) => break,
                Err(PassEnd::Error(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns where a command is in the head.
    fn command_number(&self, command: Command) -> usize {
        let of_service = self.actions.iter().position(|action| action == command.as_str());
        of_service.unwrap_or_else(|| command.number().into())
    }

    fn write_task(&mut self, task: &TaskRow, out: &mut impl Write) -> Result<(), ResultsError> {
        let duration = task
            .first_sent
            .zip(task.settled)
            .map(|(first, settled)| whole_millis(settled.since(first)));
        let row = (
            task.id.as_str(),
            self.command_number(task.command),
            task.outcome as u8,
            task.attempts,
            task.first_sent.map(|at| self.after_base(at)),
            duration,
            task.last.as_ref().and_then(|last| last.http_status),
            self.grouping.group_of(task).map_or(0, |label| label.index() + 1),
            task.source,
            task.line,
        );
        out.write_all(if self.written == 0 { b"\n" } else { b",\n" })?;
        // A task that was never sent has no answer to show.
        match failure_of(task).filter(|_| task.last.is_some()) {
            Some(failure) => {
                // One tuple of eleven, because nested tuples would be nested arrays.
                let (a, b, c, d, e, f, g, h, i, j) = row;
                let failure = self.failure(task.last.as_ref(), failure);
                write_in_script(&(a, b, c, d, e, f, g, h, i, j, failure), out)?;
            }
            None => write_in_script(&row, out)?,
        }
        // Only these need their attempts below the row, and only their rows are kept in memory.
        if task.attempts > 1 {
            self.sent_again.insert(task.ordinal, self.written);
        }
        self.written += 1;
        Ok(())
    }

    fn failure(&mut self, last: Option<&AttemptRow>, failure: &Failure) -> FailureCells {
        let counts = last.and_then(|last| last.counts);
        (
            failure.kind as u8,
            self.texts.text(&failure.code),
            self.texts.text(&failure.message),
            self.texts.text(&failure.reason),
            self.texts.text(&failure.advice),
            self.texts.text(&failure.error_list.join("; ")),
            last.and_then(|last| last.request_id.clone()),
            counts.map(|Counts { total, failed, succeeded }| [total, failed, succeeded]),
            last.and_then(|last| last.duration).map(whole_millis),
            self.texts.text(&failure.detail),
            self.texts.text(&failure.params.join("; ")),
        )
    }

    /// Writes the attempts of all shown tasks that have several, in the order of sending.
    fn write_attempts(
        &mut self,
        run: &RunReader,
        out: &mut impl Write,
    ) -> Result<(), ResultsError> {
        // Saves a pass over all attempts of a run in which nothing was retried.
        if self.sent_again.is_empty() {
            return Ok(());
        }
        let mut written = 0;
        let walked = run.for_each_attempt::<PassEnd>(|attempt| {
            let Some(&row) = self.sent_again.get(&attempt.ordinal) else { return Ok(()) };
            if written >= self.limits.attempts {
                return Err(PassEnd::Full);
            }
            let separator: &[u8] = if written == 0 { b"\n" } else { b",\n" };
            written += 1;
            let cells = self.attempt(row, &attempt);
            let line = out.write_all(separator).and_then(|()| write_in_script(&cells, &mut *out));
            line.map_err(|error| PassEnd::Error(error.into()))
        });
        match walked {
            Ok(()) | Err(PassEnd::Full) => Ok(()),
            Err(PassEnd::Error(error)) => Err(error),
        }
    }

    /// Writes what was seen of the shown tasks that were looked into, in the order of the rows.
    fn write_drilled(
        &mut self,
        drilled: &HashMap<Ordinal, &DrilledTask>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        // Most runs have none, and their pages say nothing of it.
        if self.drilled.is_empty() {
            return Ok(());
        }
        out.write_all(b"],\n\"drilled\":[")?;
        for (number, (row, ordinal)) in std::mem::take(&mut self.drilled).iter().enumerate() {
            out.write_all(if number == 0 { b"\n" } else { b",\n" })?;
            let task = drilled[ordinal];
            let sub_tasks: Vec<SubTaskCells> =
                task.sub_tasks.iter().map(|it| self.sub_task(it)).collect();
            let gap = task.gap.as_deref();
            write_in_script(&(row, task.listed, task.not_there, gap, sub_tasks), &mut *out)?;
        }
        Ok(())
    }

    fn sub_task(&mut self, task: &DrilledSubTask) -> SubTaskCells {
        (
            task.id.clone(),
            task.name.clone(),
            self.texts.text(&task.camera),
            self.texts.text(&task.state),
            self.texts.text(&task.error_code),
            self.texts.text(task.said()),
            self.texts.text(task.gap.as_deref().unwrap_or_default()),
        )
    }

    fn attempt(&mut self, row: u64, attempt: &AttemptRow) -> AttemptCells {
        let failure = attempt.failure.as_ref();
        (
            row,
            self.after_base(attempt.sent),
            attempt.duration.map(whole_millis),
            attempt.http_status,
            failure.map(|failure| failure.kind as u8),
            self.texts.text(failure.map_or("", |failure| &failure.code)),
            self.texts.text(failure.map_or("", |failure| &failure.message)),
        )
    }

    /// Returns the milliseconds since the beginning of the run.
    fn after_base(&self, at: Timestamp) -> i64 {
        // Negative if the system's clock was set back during the run.
        at.micros_since(self.base) / 1_000
    }
}

/// The cells of a failure.
type FailureCells =
    (u8, Text, Text, Text, Text, Text, Option<String>, Option<[u64; 3]>, Option<u64>, Text, Text);

/// The cells of a sub-task.
type SubTaskCells = (String, String, Text, Text, Text, Text, Text);

/// The cells of an attempt.
type AttemptCells = (u64, i64, Option<u64>, Option<u16>, Option<u8>, Text, Text);
