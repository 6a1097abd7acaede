//! Writes the tasks of a run and their attempts as JSON, for the page's table.
//!
//! The rows wait in spools for the part of the page before them: memory is bounded by both limits,
//! and does not grow with the number of tasks. If there are more tasks than a page can hold, those
//! that did not succeed come first, so each share of the tasks has a spool of its own.
//!
//! `row` writes a row. An attempt is `[row, started, duration, status, kind, code, message]`. A task
//! with one attempt has no attempt of its own here, because its row says the same. A task that was
//! looked into is `[row, listed, not there, gap, sub-tasks]`, and a sub-task `[id, name, camera,
//! state, code, words, gap]`.

use crate::clock::Timestamp;
use crate::reading::{AttemptRow, RunReader, TaskRow};
use crate::report::format::csv::ResultsError;
use crate::report::format::html::in_script::write_in_script;
use crate::report::format::html::row::{Head, RowNames, Words, after_base, base_of, write_task};
use crate::report::format::html::texts::{Text, Texts};
use crate::report::format::spool::Spool;
use crate::report::model::{Grouping, Report};
use crate::store::StoreError;
use crate::task::{DrilledSubTask, DrilledTask, Ordinal, Outcome};
use crate::text::whole_millis;
use std::collections::{HashMap, HashSet};
use std::io;
use std::io::{BufRead, Write};

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

/// A share of the tasks, which stand together on the page.
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

/// Why a pass over attempts ended before its last row.
enum PassEnd {
    Full,
    Error(ResultsError),
}

impl From<StoreError> for PassEnd {
    fn from(error: StoreError) -> Self {
        Self::Error(error.into())
    }
}

/// The rows of one share, in the order of the input.
struct ShareRows {
    share: RowShare,
    /// One row a line.
    lines: Spool,
    written: u64,
    /// The rows of the tasks that were sent more than once.
    sent_again: Vec<(Ordinal, u64)>,
    /// The rows of the tasks that were looked into.
    drilled: Vec<(u64, Ordinal)>,
}

impl ShareRows {
    /// Writes the first rows behind others, at most as many as there is room for.
    fn copy_into(self, shown: &mut ShownRows, most: u64, out: &mut impl Write) -> io::Result<()> {
        let before = shown.rows;
        let kept = self.written.min(most - before);
        let mut lines = self.lines.read_back()?;
        let mut line = Vec::new();
        for _ in 0..kept {
            line.clear();
            lines.read_until(b'\n', &mut line)?;
            line.pop();
            out.write_all(if shown.rows == 0 { b"\n" } else { b",\n" })?;
            out.write_all(&line)?;
            shown.rows += 1;
        }
        let sent_again = self.sent_again.into_iter().filter(|(_, row)| *row < kept);
        shown.sent_again.extend(sent_again.map(|(ordinal, row)| (ordinal, before + row)));
        let drilled = self.drilled.into_iter().filter(|(row, _)| *row < kept);
        shown.drilled.extend(drilled.map(|(row, ordinal)| (before + row, ordinal)));
        Ok(())
    }
}

/// The rows that are on the page.
#[derive(Default)]
struct ShownRows {
    rows: u64,
    sent_again: HashMap<Ordinal, u64>,
    drilled: Vec<(u64, Ordinal)>,
}

/// The rows that are being written.
pub(crate) struct HtmlRows {
    limits: Limits,
    base: Timestamp,
    names: RowNames,
    texts: Texts,
    shares: Vec<ShareRows>,
    /// The tasks that were looked into.
    drilled: HashSet<Ordinal>,
}

impl HtmlRows {
    /// Begins the rows of a run.
    pub(crate) fn begin(
        run: &RunReader,
        limits: Limits,
        spool: impl Fn() -> Spool,
    ) -> Result<Self, StoreError> {
        let record = run.record()?;
        let shares: &[RowShare] = if record.selected <= limits.tasks {
            &[RowShare::All]
        } else {
            &[RowShare::NotSucceeded, RowShare::NotAttempted, RowShare::Good]
        };
        let share = |&share: &RowShare| ShareRows {
            share,
            lines: spool(),
            written: 0,
            sent_again: Vec::new(),
            drilled: Vec::new(),
        };
        Ok(Self {
            limits,
            base: base_of(&record),
            names: RowNames::of(record),
            texts: Texts::new(),
            shares: shares.iter().map(share).collect(),
            drilled: run.drill()?.tasks.iter().map(DrilledTask::place).collect(),
        })
    }

    /// Adds a task, if its share is not larger than a page.
    pub(crate) fn add(&mut self, task: &TaskRow, grouping: &Grouping) -> io::Result<()> {
        let most = self.limits.tasks;
        let Some(index) = self.shares.iter().position(|it| it.share.includes(task.outcome)) else {
            return Ok(());
        };
        if self.shares[index].written >= most {
            return Ok(());
        }
        let words = Words { base: self.base, names: &self.names };
        let share = &mut self.shares[index];
        write_task(task, grouping.group_of(task), words, &mut self.texts, &mut share.lines)?;
        share.lines.write_all(b"\n")?;
        // Only these need their attempts below the row, and only their rows are kept in memory.
        if task.attempts > 1 {
            share.sent_again.push((task.ordinal, share.written));
        }
        if self.drilled.contains(&task.ordinal) {
            share.drilled.push((share.written, task.ordinal));
        }
        share.written += 1;
        Ok(())
    }

    /// Writes the data of the table.
    pub(crate) fn write(
        mut self,
        run: &RunReader,
        report: &Report,
        mut out: impl Write,
    ) -> Result<(), ResultsError> {
        let head = Head::new(report, self.base, &self.names);
        out.write_all(b"{\"head\":")?;
        write_in_script(&head, &mut out)?;
        out.write_all(b",\n\"rows\":[")?;
        let mut shown = ShownRows::default();
        for share in std::mem::take(&mut self.shares) {
            share.copy_into(&mut shown, self.limits.tasks, &mut out)?;
        }
        out.write_all(b"],\n\"attempts\":[")?;
        self.write_attempts(run, &shown, &mut out)?;
        self.write_drilled(report, &shown, &mut out)?;
        out.write_all(b"],\n\"texts\":")?;
        write_in_script(&self.texts.finish(), &mut out)?;
        Ok(out.write_all(b"}")?)
    }

    /// Writes the attempts of all shown tasks that have several, in the order of sending.
    fn write_attempts(
        &mut self,
        run: &RunReader,
        shown: &ShownRows,
        out: &mut impl Write,
    ) -> Result<(), ResultsError> {
        // Saves a pass over all attempts of a run in which nothing was retried.
        if shown.sent_again.is_empty() {
            return Ok(());
        }
        let mut written = 0;
        let walked = run.for_each_attempt::<PassEnd>(|attempt| {
            let Some(&row) = shown.sent_again.get(&attempt.ordinal) else { return Ok(()) };
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
        report: &Report,
        shown: &ShownRows,
        out: &mut impl Write,
    ) -> io::Result<()> {
        // Most runs have none, and their pages say nothing of it.
        if shown.drilled.is_empty() {
            return Ok(());
        }
        let tasks = report.drill.iter().flat_map(|drill| &drill.tasks);
        let tasks: HashMap<Ordinal, &DrilledTask> =
            tasks.map(|task| (task.place(), task)).collect();
        out.write_all(b"],\n\"drilled\":[")?;
        for (number, (row, ordinal)) in shown.drilled.iter().enumerate() {
            out.write_all(if number == 0 { b"\n" } else { b",\n" })?;
            let task = tasks[ordinal];
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
            after_base(self.base, attempt.sent),
            attempt.duration.map(whole_millis),
            attempt.http_status,
            failure.map(|failure| failure.kind as u8),
            self.texts.text(failure.map_or("", |failure| &failure.code)),
            self.texts.text(failure.map_or("", |failure| &failure.message)),
        )
    }
}

/// The cells of a sub-task.
type SubTaskCells = (String, String, Text, Text, Text, Text, Text);

/// The cells of an attempt.
type AttemptCells = (u64, i64, Option<u64>, Option<u16>, Option<u8>, Text, Text);
