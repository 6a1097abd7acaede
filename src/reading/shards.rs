//! Reads the shards of one plan as one run.
//!
//! Every file is checked to be another part of the same plan, and that no part is missing, before
//! anything is read. See `docs/GLOSSARY.md`: shard.

use crate::journal::OrdinalSet;
use crate::reading::reader::{OtherShard, RunReader};
use crate::store::{
    RunDirectory, RunId, RunRecord, SessionRecord, ShardedPlan, StoreError, absolute, file,
    for_each_planned, has_company, is_copy, sqlite,
};
use crate::task::{Ordinal, Shard};
use crate::text::{plural, printable};
use std::fs;
use std::mem::take;
use std::ops::ControlFlow::Continue;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The most missing shards that are named.
const MOST_NAMED: usize = 10;

/// Why files are not the shards of one plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A file cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run was not begun with a shard of its inputs.
    #[error("`{}` is run {run}, which is no shard", path.display())]
    NoShard {
        /// The file.
        path: PathBuf,
        /// Its run.
        run: RunId,
    },
    /// The file is of another plan.
    #[error("`{}` is shard {shard} of another plan than `{}`: {differs}", path.display(), first.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The shard.
        shard: Shard,
        /// The file that it is compared with.
        first: PathBuf,
        /// What differs.
        differs: String,
    },
    /// Two files are the same shard.
    #[error("`{}` is shard {shard}, and so is `{}`", path.display(), first.display())]
    Repeated {
        /// The file.
        path: PathBuf,
        /// The shard.
        shard: Shard,
        /// The other file.
        first: PathBuf,
    },
    /// Some shards have no file.
    #[error("{} of {of}: {}", if missing.len() == 1 { "a shard is missing" } else { "shards are missing" }, named(missing, *of))]
    Missing {
        /// The number of shards.
        of: u32,
        /// The missing ones.
        missing: Vec<u32>,
    },
    /// The tasks of a file are not those that its description counts.
    #[error("the tasks of `{}`, shard {shard}, do not add up: {detail}", path.display())]
    Sums {
        /// The file.
        path: PathBuf,
        /// The shard.
        shard: Shard,
        /// What does not.
        detail: String,
    },
}

impl MergeError {
    /// Returns what can be done.
    pub fn hint(&self) -> String {
        match self {
            Self::Store(StoreError::File { .. } | StoreError::Foreign { .. }) => {
                "name files of runs; `batchctl runs path RUN` prints that of a run".into()
            }
            Self::Store(error) => error.hint(),
            Self::NoShard { .. } => {
                "name the files of runs that were begun with `--shard K/N`".into()
            }
            Self::Foreign { .. } => {
                "name the files of one plan: the same inputs, and the same N of `--shard K/N`"
                    .into()
            }
            Self::Repeated { .. } => "leave one of them out".into(),
            Self::Missing { .. } => {
                "`batchctl runs path` prints the file of a run on its machine; a shard without one \
                 is begun with the same inputs and its `--shard K/N`"
                    .into()
            }
            Self::Sums { .. } => "take the file from its machine once more".into(),
        }
    }
}

fn named(missing: &[u32], of: u32) -> String {
    let shown: Vec<String> =
        missing.iter().take(MOST_NAMED).map(|number| format!("{number}/{of}")).collect();
    match missing.len().saturating_sub(MOST_NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// One shard of a merged run.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardRow {
    /// The shard.
    pub shard: Shard,
    /// Its run.
    pub run: RunId,
    /// The number of its tasks.
    pub selected: u64,
    /// The number of its tasks with an outcome.
    pub settled: u64,
    /// The last process that worked on it.
    pub last: Option<SessionRecord>,
}

/// A file of a shard, open.
struct Part {
    path: PathBuf,
    run: RunReader,
    record: RunRecord,
    plan: ShardedPlan,
}

impl RunReader {
    /// Opens the files of all shards of a plan, to read them as one run.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is no shard or is of another plan; shards that are missing or
    /// repeated, or whose tasks do not add up.
    pub fn merge(files: &[PathBuf]) -> Result<Self, MergeError> {
        let mut parts: Vec<Part> = Vec::new();
        for path in files {
            let part = Part::open(path)?;
            if let Some(first) = parts.first() {
                part.check_same_plan(first)?;
            }
            if let Some(same) = parts.iter().find(|other| other.plan.shard == part.plan.shard) {
                let (path, first) = (part.path, same.path.clone());
                return Err(MergeError::Repeated { path, shard: part.plan.shard, first });
            }
            parts.push(part);
        }
        parts.sort_by_key(|part| part.plan.shard.number());
        check_whole(&parts)?;
        let shifts = shifts(&parts)?;
        let damage = parts.iter_mut().flat_map(|part| take(&mut part.run.damage)).collect();
        let mut parts = parts.into_iter().zip(shifts);
        let (first, _) = parts.next().expect("a whole plan has a shard");
        let others =
            parts.map(|(part, shift)| OtherShard { run: Mutex::new(part.run), shift }).collect();
        Ok(Self { other_shards: others, damage, ..first.run })
    }

    /// Returns whether a process works on the run of any of these files.
    pub fn is_any_locked(files: &[PathBuf]) -> Result<bool, StoreError> {
        for path in files {
            let path = absolute(path);
            // A file that was brought from elsewhere has no lock beside it.
            let id = path.file_stem().and_then(|name| name.to_str()).and_then(|it| it.parse().ok());
            if let Some(directory) = path.parent()
                && let Some(id) = id
                && RunDirectory::of_files(directory).is_locked(&id)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the shards of a merged run, in order; of one file it is empty.
    pub fn shards(&self) -> Result<Vec<ShardRow>, StoreError> {
        if self.others().is_empty() {
            return Ok(Vec::new());
        }
        self.each_file(Self::shard_row).filter_map(Result::transpose).collect()
    }

    fn shard_row(&self) -> Result<Option<ShardRow>, StoreError> {
        let RunRecord { run, selected, sharded, mut sessions, .. } = self.own_record()?;
        let row = |plan: ShardedPlan| ShardRow {
            shard: plan.shard,
            run: run.id,
            selected,
            settled: self.totals.settled.selected(),
            last: sessions.pop(),
        };
        Ok(sharded.map(row))
    }

    /// Returns the files without company whose runs have no recorded end: their last commits may be in
    /// the files that were beside them, and nothing in a file shows that.
    pub fn lone_files(&self) -> Result<Vec<PathBuf>, StoreError> {
        let lone = |run: &Self| Ok(run.is_lone()?.then(|| run.path.clone()));
        self.each_file(lone).filter_map(Result::transpose).collect()
    }

    fn is_lone(&self) -> Result<bool, StoreError> {
        let record = self.own_record()?;
        let has_end = record.sessions.last().is_some_and(|session| session.end.is_some());
        Ok(!has_end && !is_copy(&self.path) && !has_company(&self.path))
    }

    /// Returns the record of the plan that this reader has all shards of, or all targets.
    pub(super) fn merged_record(&self) -> Result<RunRecord, StoreError> {
        let mut merged = self.own_record()?;
        for other in self.others() {
            let record = other.with(Self::own_record)?;
            // Shards have all rows of the same inputs, and targets each their own.
            if self.has_targets() {
                merged.add_target(record);
            } else {
                merged.selected += record.selected;
                merged.sessions.extend(record.sessions);
            }
        }
        merged.sessions.sort_by_key(|session| session.started);
        merged.sharded = None;
        merged.run.settings.shard = None;
        Ok(merged)
    }
}

impl Part {
    fn open(path: &Path) -> Result<Self, MergeError> {
        // SQLite's own words for a missing file are about something else.
        fs::metadata(path).map_err(file(path))?;
        let run = RunReader::open_file(&absolute(path))?;
        let record = run.own_record()?;
        let path = path.to_owned();
        match record.sharded {
            Some(plan) => Ok(Self { path, run, record, plan }),
            None => Err(MergeError::NoShard { path, run: record.run.id }),
        }
    }

    fn check_same_plan(&self, first: &Self) -> Result<(), MergeError> {
        let columns = |record: &RunRecord| {
            record.sources.iter().map(|source| source.columns.clone()).collect::<Vec<_>>()
        };
        let (plan, other) = (&self.plan, &first.plan);
        let differs = if plan.shard.of() != other.shard.of() {
            format!("there are {} shards, not {}", plan.shard.of(), other.shard.of())
        } else if self.record.run.command != first.record.run.command {
            let word = |part: &Self| printable(&part.record.run.command, 20);
            format!("it is `{}`, not `{}`", word(self), word(first))
        } else if self.record.run.project_id != first.record.run.project_id {
            "its project is another".into()
        } else if plan.tasks != other.tasks {
            let tasks = plural(plan.tasks, "task", "tasks");
            format!("its inputs have {tasks} in all, not {}", other.tasks)
        } else if plan.inputs != other.inputs {
            "its inputs have other tasks".into()
        } else if columns(&self.record) != columns(&first.record) {
            "its inputs have other columns".into()
        } else {
            return Ok(());
        };
        let (path, shard, first) = (self.path.clone(), plan.shard, first.path.clone());
        Err(MergeError::Foreign { path, shard, first, differs })
    }

    /// Checks that the tasks are those that the description counts, and takes their places.
    ///
    /// Returns whether another shard has a task at one of these places: its rows were in another
    /// order.
    fn take_places(&self, places: &mut OrdinalSet) -> Result<bool, MergeError> {
        let shard = self.plan.shard;
        let mut found = ShardedPlan { shard, tasks: 0, inputs: 0, own: 0 };
        let (mut foreign, mut overlaps) = (None, false);
        let walked = for_each_planned(self.run.home(), |task| {
            let is_own = task.id.with(|id| found.add(task.command, id));
            if !is_own && foreign.is_none() {
                foreign = Some(task.id.text().into_owned());
            }
            overlaps |= places.contains(Ordinal(task.ordinal));
            places.insert(Ordinal(task.ordinal));
            Ok(Continue(()))
        });
        walked.map_err(sqlite(&self.run.path))?;
        let detail = match foreign {
            Some(id) => format!("task `{}` belongs to another shard", printable(&id, 40)),
            None if found.tasks != self.record.selected => {
                format!("there are {}, and {} were counted", found.tasks, self.record.selected)
            }
            None if found.own != self.plan.own => "the sum of their hashes is another".into(),
            None => return Ok(overlaps),
        };
        Err(MergeError::Sums { path: self.path.clone(), shard, detail })
    }
}

/// Checks that no shard is missing, and that the shards add up to the plan.
fn check_whole(parts: &[Part]) -> Result<(), MergeError> {
    let Some(last) = parts.last() else {
        return Err(MergeError::Missing { of: 0, missing: Vec::new() });
    };
    let of = last.plan.shard.of();
    let is_there = |number: &u32| parts.iter().any(|part| part.plan.shard.number() == *number);
    let missing: Vec<u32> = (1..=of).filter(|number| !is_there(number)).collect();
    if !missing.is_empty() {
        return Err(MergeError::Missing { of, missing });
    }
    let tasks: u64 = parts.iter().map(|part| part.record.selected).sum();
    let own = parts.iter().fold(0_u64, |sum, part| sum.wrapping_add(part.plan.own));
    if (tasks, own) == (last.plan.tasks, last.plan.inputs) {
        return Ok(());
    }
    let detail = format!("all shards have {tasks} tasks, and the plan has {}", last.plan.tasks);
    Err(MergeError::Sums { path: last.path.clone(), shard: last.plan.shard, detail })
}

/// Returns by how much the places of each shard's tasks are moved: not at all if the inputs had the
/// same order on every machine.
fn shifts(parts: &[Part]) -> Result<Vec<u32>, MergeError> {
    let mut places = OrdinalSet::default();
    let mut overlaps = false;
    for part in parts {
        overlaps |= part.take_places(&mut places)?;
    }
    if !overlaps {
        return Ok(vec![0; parts.len()]);
    }
    let mut next = 0_u32;
    let mut shifts = Vec::new();
    for part in parts {
        shifts.push(next);
        let rows = u32::try_from(part.record.rows).ok();
        next = rows.and_then(|rows| next.checked_add(rows)).ok_or_else(|| MergeError::Sums {
            path: part.path.clone(),
            shard: part.plan.shard,
            detail: "the inputs differ in order and are too long for that".into(),
        })?;
    }
    Ok(shifts)
}
