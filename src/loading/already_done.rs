//! Leaves out of a plan the tasks that earlier runs have done: by id and command, never by
//! position.

use crate::journal::OrdinalSet;
use crate::loading::id_sorter::{Entry, IdSorter, SortedIds};
use crate::loading::plan_files::PlanPart;
use crate::loading::tables::{COMMAND_BITS, command_part, has_same_command, ordinal_of};
use crate::reading::RunReader;
use crate::store::{RunDirectory, RunId, StoreError, file};
use crate::task::Command;
use std::io;

/// Returns a run and the runs that it follows, the latest first.
pub(super) fn runs_followed(
    runs: &RunDirectory,
    run: Option<&RunId>,
) -> Result<Vec<RunId>, StoreError> {
    let mut chain = Vec::new();
    let mut next = run.cloned();
    // A run never follows itself, but a damaged file may say so.
    while let Some(run) = next.filter(|run| !chain.contains(run)) {
        let reader = match RunReader::open(runs, &run) {
            // An older run of the chain may have been pruned; only the first one was asked for.
            Err(StoreError::NoSuchRun { .. }) if !chain.is_empty() => break,
            opened => opened?,
        };
        next = reader.record()?.run.parent;
        chain.push(run);
    }
    Ok(chain)
}

/// Adds to `without` every task that one of these runs has done, and returns their number.
///
/// The latest run of the chain that sent a task, or settled it otherwise, decides about it. So a
/// task that was reverted, or that failed since, is not done any more.
///
/// The runs are opened one after the other: a job that follows itself every night for years has
/// more runs than a process may have open files.
pub(super) fn leave_out_done(
    part: PlanPart<'_>,
    runs: &RunDirectory,
    followed: &[RunId],
    planned: &mut IdSorter,
    without: &mut OrdinalSet,
) -> Result<u64, StoreError> {
    if followed.is_empty() {
        return Ok(0);
    }
    let failed = file(part.path);
    let mut done = planned.alike(&part.directory());
    for (age, id) in (0_u64..).zip(followed) {
        let mut take = |id: &str, command: Option<Command>| {
            let decision = command.map_or(NOT_DONE, command_part);
            done.push(id, age << COMMAND_BITS | decision).map_err(&failed)
        };
        let reader = RunReader::open(runs, id)?;
        if part.run.settings.target.is_none() && !reader.has_targets() {
            reader.for_each_decided(&mut take)?;
            continue;
        }
        reader.for_each_part(|other| match other.own_record()?.run.is_of_same_place(part.run) {
            true => other.for_each_decided(&mut take),
            false => Ok(()),
        })?;
    }
    let before = without.len();
    let rows = planned.sorted().map_err(&failed)?;
    add_done_tasks(rows, done.sorted().map_err(&failed)?, without).map_err(&failed)?;
    // A duplicate was left out already, and is not counted twice.
    Ok(without.len() - before)
}

/// Stands for no command: the task was sent, and it is not where it was sent.
const NOT_DONE: u64 = u16::MAX as u64;

/// Adds the tasks of the plan that are done: a merge of both in the order of ids.
fn add_done_tasks(
    mut planned: SortedIds<'_>,
    mut done: SortedIds<'_>,
    without: &mut OrdinalSet,
) -> io::Result<()> {
    let mut latest = done.next()?;
    while let Some(row) = planned.next()? {
        // Of several entries of an id the first one counts, which is that of the latest run.
        while let Some(passed) = latest.take_if(|latest| latest.is_before(row)) {
            latest = next_id(&mut done, passed)?;
        }
        let Some(latest) = latest else { break };
        let is_done = has_same_command(latest.number, row.number);
        if latest.is_of_same_id(row) && is_done {
            without.insert(ordinal_of(row.number));
        }
    }
    Ok(())
}

/// Returns the first entry of the next id.
fn next_id(sorted: &mut SortedIds<'_>, last: Entry) -> io::Result<Option<Entry>> {
    while let Some(entry) = sorted.next()? {
        if !entry.is_of_same_id(last) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}
