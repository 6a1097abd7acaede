//! Builds the report: reads a run's file from its first record to its last and adds up.
//!
//! Memory does not grow with the number of tasks. The result follows from the file alone.

use crate::clock::Timestamp;
use crate::event::HoldReason;
use crate::policy::TuningHint;
use crate::reading::{HoldRow, RunReader, ShardRow, TaskRow};
use crate::report::model::active_time::ActiveTime;
use crate::report::model::drill::add_errors;
use crate::report::model::ending::EndingFacts;
use crate::report::model::failure_groups::{FailureGroup, FailureGroups, Grouping};
use crate::report::model::sending_totals::SendingTotals;
use crate::report::model::targets;
use crate::report::model::task_totals::TaskTotals;
use crate::report::model::workers::Workers;
use crate::report::model::{
    DrillPart, ExcludedPart, ExitStatus, InputPart, PacePart, Report, RunPart, ServicePart,
    StillRunning, Target,
};
use crate::store::{RunRecord, SessionRecord, StoreError};
use crate::task::{ExcludedTask, Outcome, OutcomeCounts, Rate, UnderWay};
use std::num::NonZeroU32;
use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

/// What a walk over a run adds up beside the sums over its tasks.
pub(super) type Walked = (SendingTotals, Vec<FailureGroup>);

impl Report {
    /// Reads the report of a run, which may still be running or have been killed.
    ///
    /// # Errors
    ///
    /// The store's: it can no longer be read, or is damaged.
    pub fn read(run: &RunReader, still_running: StillRunning) -> Result<Self, StoreError> {
        Self::build(run, still_running, |worked, totals| {
            let (sent, mut groups) = (SendingTotals::read(run, worked)?, FailureGroups::default());
            run.for_each_task::<StoreError>(|task| {
                totals.add(&task);
                groups.add(&task);
                Ok(())
            })?;
            Ok((sent, groups.finish().into_groups()))
        })
    }

    /// Reads the report of a run, and hands every task to `each` on the way, in the order of the
    /// input, with what is known by then.
    ///
    /// Documents with a row for each task are written with it, because a walk over all tasks is most
    /// of the time of a report.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn read_with(
        run: &RunReader,
        still_running: StillRunning,
        mut each: impl FnMut(&TaskRow, &TaskContext),
    ) -> Result<Self, StoreError> {
        Self::build(run, still_running, |worked, totals| {
            let mut walk = |context: TaskContext| -> Result<_, StoreError> {
                run.for_each_task::<StoreError>(|task| {
                    totals.add(&task);
                    each(&task, &context);
                    Ok(())
                })?;
                Ok(context.grouping.into_groups())
            };
            // Where all processes recorded their ends, no attempt changes when they worked.
            let beside = if worked.has_open_end() { None } else { run.second_reader() };
            let Some(second) = beside else {
                let (sent, grouping) = read_sendings_and_groups(run, worked)?;
                let groups = walk(TaskContext { grouping, worked: sent.worked.ranges() })?;
                return Ok((sent, groups));
            };
            thread::scope(|scope| {
                let ranges = worked.ranges();
                let sent = scope.spawn(move || SendingTotals::read(&second, worked));
                let groups = walk(TaskContext { grouping: Grouping::read(run)?, worked: ranges })?;
                Ok((joined(sent)?, groups))
            })
        })
    }

    /// Builds the report of a run whose attempts and tasks `walk` adds up.
    pub(super) fn build(
        run: &RunReader,
        still_running: StillRunning,
        walk: impl FnOnce(ActiveTime, &mut TaskTotals) -> Result<Walked, StoreError>,
    ) -> Result<Self, StoreError> {
        let record = run.record()?;
        let shards = run.shards()?;
        let worked = match shards.as_slice() {
            [] if !run.has_targets() => ActiveTime::new(&record.sessions),
            _ => ActiveTime::of_shards(&record.sessions),
        };
        let mut totals = TaskTotals::default();
        let (mut sent, failures) = walk(worked, &mut totals)?;
        sent.calls.pages = run.pages()?;
        // A process records its held time when it ends. The holds are many, one for each throttled
        // answer, so they are read only if a process recorded no end.
        let holds = if sent.worked.has_open_end() { service_holds(run)? } else { Vec::new() };
        let paused = sent.worked.held(&holds);
        // Tasks whose ids are lost are in no row, and the sums must add up all the same. They can
        // never be settled, so the run does not wait for them.
        totals.tasks[Outcome::Ambiguous] += run.lost_tasks();
        totals.certain[Outcome::Ambiguous] += run.lost_tasks();
        let last = deciding_session(&record, &shards).cloned();
        let drill = run.drill()?;
        // The processes that worked on it may be in the log that is missing.
        let is_lone = last.is_none() && !run.lone_files()?.is_empty();
        let latest = Latest { last, still_running, is_lone, is_drill_pending: drill.is_pending };
        let workers = Workers::read(run, &record)?;
        let mut report = assemble(record, &latest, sent, (totals, failures), paused);
        report.drill = DrillPart::from_record(drill, report.settings.drill.map(NonZeroU32::get));
        if let Some(drill) = &report.drill {
            add_errors(&mut report.failures, drill, run)?;
        }
        // Each shard has waves of its own.
        report.wave = report.wave.filter(|_| shards.is_empty());
        report.shards = shards;
        report.take_workers(workers);
        if run.has_targets() {
            report.take_targets(targets::read(run, still_running)?);
        }
        report.damage = run.damage().to_vec();
        if !report.damage.is_empty() {
            report.exit = report.exit.map(|_| ExitStatus::InputOutput);
        }
        report.changes = run.changes()?;
        report.input.add_excluded_later(run.excluded_later()?);
        drop_hints_for_changed(&mut report);
        if !report.is_changed("rate") {
            cap_average(&mut report.pace);
        }
        Ok(report)
    }
}

/// What is known of a run before the walk over all its tasks.
#[derive(Debug)]
pub struct TaskContext {
    grouping: Grouping,
    worked: Vec<Range<Timestamp>>,
}

impl TaskContext {
    /// Reads what a report does not have, which is the group of each task.
    pub(crate) fn read(run: &RunReader, report: &Report) -> Result<Self, StoreError> {
        Ok(Self { grouping: Grouping::read(run)?, worked: report.run.worked.clone() })
    }

    /// Returns the failure groups.
    pub fn grouping(&self) -> &Grouping {
        &self.grouping
    }

    /// Returns the times in which processes worked on the run, in order.
    pub fn worked(&self) -> &[Range<Timestamp>] {
        &self.worked
    }
}

/// Reads what must be known before the walk over all tasks: the sums over all attempts, and the
/// groups of failures, because the label of a task depends on all failures.
fn read_sendings_and_groups(
    run: &RunReader,
    worked: ActiveTime,
) -> Result<(SendingTotals, Grouping), StoreError> {
    // Without failures there is nothing to group.
    let second = (!run.has_no_failures()).then(|| run.second_reader()).flatten();
    let Some(second) = second else {
        return Ok((SendingTotals::read(run, worked)?, Grouping::read(run)?));
    };
    // Side by side both take as long as one.
    thread::scope(|scope| {
        let grouping = scope.spawn(move || Grouping::read(&second));
        let sent = SendingTotals::read(run, worked);
        Ok((sent?, joined(grouping)?))
    })
}

/// Waits for a thread, and panics if it has.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Returns the times in which the service held the run back, and not a pause between two waves.
fn service_holds(run: &RunReader) -> Result<Vec<HoldRow>, StoreError> {
    let mut holds = run.holds()?;
    holds.retain(|hold| hold.reason != HoldReason::WavePause.as_str());
    Ok(holds)
}

/// Keeps the average at the limit at most, provided that the limit held.
///
/// No window is fuller than the limit. But the first two calls of a run leave together, because a
/// late call may catch up, and in a short run that lifts the average above the limit.
fn cap_average(pace: &mut PacePart) {
    let limit = pace.rate_limit.map_or(f64::INFINITY, Rate::per_second);
    // A process that resumed the run at a higher rate shows in the busiest second: then the stored
    // limit was not the one in force, and the average is the truth.
    let held = pace.rate_peak_1s as f64 <= limit + 1.0;
    pace.rate_average =
        pace.rate_average.map(|average| if held { average.min(limit) } else { average });
}

/// Drops hints that were concluded from settings that an operator changed on the way.
fn drop_hints_for_changed(report: &mut Report) {
    if report.is_changed("rate") || report.is_changed("concurrency") {
        report.tuning_hints.retain(|hint| matches!(hint, TuningHint::LongerTimeout(_)));
    }
}

/// The process whose end decides how the run ended.
struct Latest {
    last: Option<SessionRecord>,
    still_running: StillRunning,
    is_lone: bool,
    is_drill_pending: bool,
}

fn assemble(
    record: RunRecord,
    latest: &Latest,
    sent: SendingTotals,
    (totals, failures): (TaskTotals, Vec<FailureGroup>),
    paused: Duration,
) -> Report {
    let settings = record.run.settings.clone();
    let wave = totals.wave(&settings);
    let facts = EndingFacts {
        last: latest.last.as_ref(),
        still_running: latest.still_running,
        is_lone: latest.is_lone,
        tasks: &totals.tasks,
        unsettled: totals.unsettled,
        unverified: totals.arrivals.unverified,
        is_drill_pending: latest.is_drill_pending,
        unsent: totals.unsent.as_ref().map(|(_, failure)| failure),
        failures: &failures,
        wave,
        settings: &settings,
    };
    let ending = facts.decide();
    let learnt = record.sessions.last().map(|session| session.learnt).unwrap_or_default();
    let time = (&sent.worked, paused);
    let tuning_hints = sent.answers.hints(&sent.calls, time, learnt, &settings);
    // Of one that has ended, no answer will come.
    let (under_way, so_far) = match ending.exit {
        None => (totals.under_way, totals.certain),
        Some(_) => (UnderWay::default(), totals.tasks),
    };
    Report {
        pace: PacePart {
            rate_limit: settings.own_rate().fixed(),
            rate_average: sent.worked.average_rate(),
            rate_peak_1s: sent.peak.finish(),
            learnt,
            paused,
        },
        run: run_part(&record, &totals.tasks, &sent.worked, ending.complete),
        input: input_part(&record),
        target: Target { endpoint: record.run.endpoint, project_id: record.run.project_id },
        settings,
        tasks: totals.tasks,
        so_far,
        under_way,
        counts: totals.counts,
        wave,
        empty: totals.empty,
        flaky: totals.flaky,
        calls: sent.calls,
        arrivals: totals.arrivals,
        latency: sent.latency.finish(),
        drill: None,
        failures,
        tuning_hints,
        changes: Vec::new(),
        shards: Vec::new(),
        workers: Vec::new(),
        takeovers: Vec::new(),
        targets: Vec::new(),
        damage: Vec::new(),
        stopped: ending.stopped,
        exit: ending.exit,
    }
}

/// Returns the process whose end decides how the run ended: the last one, and of several shards
/// that of the one which was cut short.
fn deciding_session<'a>(
    record: &'a RunRecord,
    shards: &'a [ShardRow],
) -> Option<&'a SessionRecord> {
    let is_open = |shard: &&ShardRow| shard.settled < shard.selected;
    let end = |shard: &ShardRow| shard.last.as_ref().and_then(|last| last.end.clone());
    // A process that died says least about what is left, so its shard comes first.
    let died = shards.iter().filter(is_open).find(|shard| end(shard).is_none());
    let stopped =
        || shards.iter().find(|shard| end(shard).is_some_and(|end| end.stopped.is_some()));
    match died.or_else(stopped) {
        Some(shard) => shard.last.as_ref(),
        None if shards.is_empty() => record.sessions.last(),
        None => shards.iter().filter_map(|shard| shard.last.as_ref()).max_by_key(|it| it.started),
    }
}

fn run_part(
    record: &RunRecord,
    tasks: &OutcomeCounts,
    worked: &ActiveTime,
    complete: bool,
) -> RunPart {
    let run = record.run.clone();
    // A retry counts from all that was outstanding before it, also tasks that `--group` left out.
    let before = run.outstanding_before.unwrap_or(record.selected);
    let good = tasks[Outcome::Succeeded] + tasks[Outcome::Unchanged];
    let finished_at = record.finished_at();
    RunPart {
        id: run.id,
        parent: run.parent,
        job: run.job,
        reason: run.reason,
        command: run.command,
        started_at: record.sessions.first().map(|session| session.started),
        finished_at,
        duration: worked.span(),
        worked: worked.ranges(),
        complete,
        outstanding: before.saturating_sub(good),
        is_retry: run.outstanding_before.is_some(),
        service: run.service.map(|service| ServicePart {
            name: service.name,
            sha256: service.sha256,
            actions: service.actions,
            counts: service.counts,
        }),
    }
}

fn input_part(record: &RunRecord) -> InputPart {
    let left_out = &record.run.settings.choice.left_out;
    let of_plan = |task: &ExcludedTask| ExcludedPart { task: task.clone(), later: false };
    InputPart {
        sources: record.sources.iter().map(|source| source.name.clone()).collect(),
        rows: record.rows,
        selected: record.selected,
        duplicates: record.duplicates,
        already_done: record.already_done,
        excluded_count: left_out.excluded,
        excluded: left_out.named.iter().map(of_plan).collect(),
        excluded_later_count: 0,
        not_matched: left_out.not_matched,
        not_sampled: left_out.not_sampled,
        before_offset: left_out.before_offset,
        invalid: record.invalid,
        of_other_shards: record.sharded.map_or(0, |plan| plan.tasks - record.selected),
    }
}
