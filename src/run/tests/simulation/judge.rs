//! Compares what the program says of a run with what is true, after every process.

use super::drive::ProcessEnd;
use super::planted::Planted;
use super::world::{Call, Kind, State, TaskTruth};
use crate::event::{Event, EventKind, RunStats, StopReason};
use crate::policy::OnDoubt;
use crate::reading::{RunReader, TaskRow};
use crate::report::{
    ExitStatus, Report, ResultsOptions, StillRunning, prometheus, summary, write_json, write_junit,
    write_results,
};
use crate::store::{RunDirectory, RunId, StoreError};
use crate::task::Outcome;
use crate::text::Style;
use serde_json::Value;
use std::collections::BTreeMap;

/// What was known after the process before.
#[derive(Debug, Default)]
pub(super) struct Judge {
    settled: BTreeMap<u32, Outcome>,
}

/// What a process has left behind.
pub(super) struct LeftBehind<'a> {
    pub(super) runs: &'a RunDirectory,
    pub(super) id: &'a RunId,
    pub(super) end: &'a ProcessEnd,
    /// What its watcher saw.
    pub(super) shown: &'a [Event],
    pub(super) planted: Option<Planted>,
}

type Judged = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($said:tt)*) => {
        if !$holds {
            return Err(format!($($said)*));
        }
    };
}

impl Judge {
    pub(super) fn judge(&mut self, state: &mut State, left: &LeftBehind<'_>) {
        let judged = judge_end(state, left.end).and_then(|()| self.judge_run(state, left));
        if let Err(why) = judged {
            state.violate(&why);
        }
    }

    fn judge_run(&mut self, state: &mut State, left: &LeftBehind<'_>) -> Judged {
        let &LeftBehind { runs, id, end, shown, planted } = left;
        let failed = |error: StoreError| format!("cannot be read: {error}");
        let reader = RunReader::open(runs, id).map_err(failed)?;
        let mut rows = Vec::new();
        let read = reader.for_each_task::<StoreError>(|row| {
            rows.push(row);
            Ok(())
        });
        read.map_err(failed)?;
        ensure!(rows.len() == state.tasks.len(), "{} rows", rows.len());
        self.judge_settled(state, &rows)?;
        judge_shown(state, shown)?;
        for row in &rows {
            judge_task(state, row)?;
        }
        let unsettled = rows.iter().filter(|row| row.settled.is_none()).count();
        let recorded = state.process.end.clone();
        if let ProcessEnd::Ended(stats) = end {
            ensure!(recorded.as_ref() == Some(stats), "{recorded:?} was recorded, not {stats:?}");
        }
        if let Some(stats) = recorded {
            judge_stop(state, &stats, unsettled)?;
        }
        let mut report = Report::read(&reader, StillRunning::No).map_err(failed)?;
        if planted == Some(Planted::LeftOutOfReport) && report.tasks[Outcome::Partial] > 0 {
            report.tasks[Outcome::Partial] -= 1;
        }
        let documents = Documents::write(&reader, &report);
        documents.judge(&report, &rows)?;
        judge_exit(&report, state.process.end.as_ref(), unsettled)?;
        state.trace.push_str(&documents.json);
        state.trace.push_str(&documents.csv);
        Ok(())
    }

    /// The file has exactly the outcomes that were committed, and none of them ever changes.
    fn judge_settled(&mut self, state: &State, rows: &[TaskRow]) -> Judged {
        for row in rows {
            let ordinal = row.ordinal.0;
            let found = row.settled.map(|_| row.outcome);
            let committed = state.tasks[&ordinal].settled;
            ensure!(found == committed, "task {ordinal}: {found:?} is no {committed:?}");
            let before = self.settled.get(&ordinal).copied();
            ensure!(before.is_none() || before == found, "task {ordinal} was {before:?}");
            if let Some(outcome) = found {
                self.settled.insert(ordinal, outcome);
            }
        }
        Ok(())
    }
}

fn judge_end(state: &State, end: &ProcessEnd) -> Judged {
    match end {
        ProcessEnd::Ended(_) | ProcessEnd::Killed => Ok(()),
        ProcessEnd::StoreFailed(_) if state.process.is_failed && is_injected(end) => Ok(()),
        ProcessEnd::StoreFailed(error) => Err(format!("the store failed: {:?}", error.0)),
        ProcessEnd::Panicked => Err("the engine panicked".into()),
        ProcessEnd::Hangs => Err("the run hangs".into()),
    }
}

/// Returns whether the disk was to fail.
fn is_injected(end: &ProcessEnd) -> bool {
    let ProcessEnd::StoreFailed(error) = end else { return false };
    error.0.to_string().starts_with("the disk is")
}

/// What a watcher saw is durable.
fn judge_shown(state: &State, shown: &[Event]) -> Judged {
    for event in shown {
        let EventKind::TaskSettled { task, outcome, .. } = &event.kind else { continue };
        let durable = state.tasks[&task.ordinal.0].settled;
        ensure!(durable == Some(*outcome), "task {} was shown as {outcome}", task.ordinal);
    }
    Ok(())
}

fn calls<'a>(state: &'a State, truth: &'a TaskTruth) -> impl Iterator<Item = &'a Call> + Clone {
    truth.calls.iter().map(|&call| &state.calls[call])
}

/// Nothing that is said of a task contradicts what the service did.
fn judge_task(state: &State, row: &TaskRow) -> Judged {
    let ordinal = row.ordinal.0;
    let truth = &state.tasks[&ordinal];
    let phantoms = truth.phantoms + truth.unsent();
    let (sent, attempts) = (truth.calls.len(), row.attempts as usize);
    ensure!(
        sent <= attempts && attempts <= sent + phantoms as usize,
        "task {ordinal} has {attempts} attempts, made {sent} calls and lost {phantoms}"
    );
    let of_task = || calls(state, truth);
    let kinds: Vec<Kind> = of_task().map(|call| call.kind).collect();
    let outcome = row.outcome;
    let said =
        || format!("task {ordinal} is {outcome}, settled: {}: {kinds:?}", row.settled.is_some());
    let known = |kind| of_task().any(|call| call.is_known() && call.kind == kind);
    let is_doubtful = of_task().any(Call::is_doubtful) || phantoms > 0;
    let had_effect = of_task().any(|call| call.effect);
    match outcome {
        Outcome::Succeeded | Outcome::Partial => ensure!(known(Kind::Done(outcome)), "{}", said()),
        Outcome::Failed if known(Kind::Done(outcome)) => {}
        Outcome::Failed => {
            ensure!(!had_effect && !of_task().any(Call::is_doubtful), "{}", said());
            let is_used_up = charged(of_task()) >= most_attempts(state);
            ensure!(row.settled.is_none() || known(Kind::Refused) || is_used_up, "{}", said());
        }
        Outcome::Ambiguous => {
            ensure!(is_doubtful, "{}", said());
            let is_final = state.process.settings.on_doubt == OnDoubt::Hold
                || known(Kind::Refused)
                || of_task().any(|call| call.kind == Kind::Panicked)
                || charged(of_task()) + phantoms as usize >= most_attempts(state);
            ensure!(row.settled.is_none() || is_final, "{}", said());
        }
        Outcome::NotAttempted => {
            let never_left = of_task().all(|call| call.kind == Kind::NeverLeft);
            ensure!(never_left && row.settled.is_none(), "{}", said());
        }
        Outcome::Unchanged => return Err(said()),
    }
    Ok(())
}

fn most_attempts(state: &State) -> usize {
    state.process.settings.max_attempts.get() as usize
}

/// Counts the calls that may use up an attempt.
fn charged<'a>(calls: impl Iterator<Item = &'a Call>) -> usize {
    let is_free = |call: &&Call| {
        call.is_known() && matches!(call.kind, Kind::Throttled(_) | Kind::Unauthorised)
    };
    calls.filter(|call| !is_free(call)).count()
}

/// A run stops for a reason that there is, and otherwise only when nothing is left.
fn judge_stop(state: &State, stats: &RunStats, unsettled: usize) -> Judged {
    let process = &state.process;
    let Some(reason) = stats.stopped else {
        ensure!(unsettled == 0, "{unsettled} tasks are left, and nothing stopped the run");
        return Ok(());
    };
    let of_process = &state.calls[process.first_call..];
    let heard = |test: fn(Kind) -> bool| of_process.iter().any(|call| test(call.kind));
    let settings = &process.settings;
    let lasted = state.clock.now().since(process.began);
    let tolerated = settings.max_failures.tolerated(state.tasks.len() as u64);
    let is_justified = match reason {
        StopReason::Interrupted | StopReason::Terminated | StopReason::Drained => {
            process.asked_to_stop.contains(&reason)
        }
        StopReason::TooManyFailures => process.failed > tolerated,
        StopReason::OutOfTime => settings.max_duration.is_some_and(|limit| lasted >= limit),
        StopReason::NotAuthorised => process.refusals > 0,
        StopReason::Outage => lasted >= settings.outage_timeout,
        StopReason::Throttled => heard(|kind| matches!(kind, Kind::Throttled(_))),
        StopReason::CanaryFailed => settings.canary.is_some(),
        StopReason::WaveFailed => settings.waves.is_some(),
        StopReason::ProxyRefused | StopReason::RateGroupLost => false,
    };
    ensure!(is_justified, "the run stopped: {reason:?}");
    Ok(())
}

/// The exit status is the one of the documentation.
fn judge_exit(report: &Report, end: Option<&RunStats>, unsettled: usize) -> Judged {
    ensure!(report.run.complete == (unsettled == 0), "complete, with {unsettled} tasks left");
    let complete = if report.tasks.all_good() { 0 } else { 1 };
    let expected = match end {
        _ if unsettled == 0 => complete,
        Some(RunStats { stopped: Some(reason), .. }) => match reason {
            StopReason::Interrupted => 130,
            StopReason::Terminated => 143,
            StopReason::NotAuthorised | StopReason::ProxyRefused => 77,
            StopReason::RateGroupLost => 74,
            _ => 3,
        },
        _ => 137,
    };
    let found = report.exit.map(ExitStatus::code);
    ensure!(found == Some(expected), "exit status {found:?} and not {expected}");
    Ok(())
}

/// The documents of a run.
struct Documents {
    json: String,
    csv: String,
    junit: String,
    metrics: String,
    summary: String,
}

impl Documents {
    fn write(reader: &RunReader, report: &Report) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (mut json, mut csv, mut junit) = (Vec::new(), Vec::new(), Vec::new());
        write_json(report, &mut json).unwrap();
        write_results(reader, &ResultsOptions::default(), &mut csv).unwrap();
        write_junit(reader, report, &[], &mut junit).unwrap();
        Self {
            json: text(json),
            csv: text(csv),
            junit: text(junit),
            metrics: prometheus(report, None),
            summary: summary(report, &[], Style::Plain),
        }
    }

    /// The sums of every document are those of the tasks.
    fn judge(&self, report: &Report, rows: &[TaskRow]) -> Judged {
        let json: Value = serde_json::from_str(&self.json).unwrap();
        let mut reader = csv::Reader::from_reader(self.csv.as_bytes());
        let column = reader.headers().unwrap().iter().position(|name| name == "outcome").unwrap();
        let outcomes: Vec<String> =
            reader.records().map(|record| record.unwrap()[column].to_owned()).collect();
        ensure!(outcomes.len() == rows.len(), "{} rows of results", outcomes.len());
        for outcome in Outcome::ALL {
            let name = outcome.as_str();
            let count = rows.iter().filter(|row| row.outcome == outcome).count();
            let told = u64::try_from(count).unwrap();
            ensure!(report.tasks[outcome] == told, "{} {name}, not {told}", report.tasks[outcome]);
            ensure!(json["tasks"][name] == told, "JSON has {} {name}", json["tasks"][name]);
            let in_csv = outcomes.iter().filter(|it| *it == name).count();
            ensure!(in_csv == count, "results have {in_csv} {name}, not {count}");
            let metric = format!("batchctl_last_run_tasks{{outcome=\"{name}\"}} {count}\n");
            let has_metric = self.metrics.lines().any(|line| {
                line.starts_with("batchctl_last_run_tasks{")
                    && line.contains(&format!("outcome=\"{name}\""))
                    && line.ends_with(&format!(" {count}"))
            });
            ensure!(has_metric, "metrics lack {metric}");
        }
        ensure!(json["tasks"]["selected"] == rows.len(), "{} selected", json["tasks"]["selected"]);
        let suite = format!("tests=\"{}\"", rows.len());
        ensure!(self.junit.contains(&suite), "JUnit lacks {suite}");
        let attempts: u64 = rows.iter().map(|row| u64::from(row.attempts)).sum();
        ensure!(report.calls.attempts == attempts, "{} attempts", report.calls.attempts);
        let answered: u64 = report.calls.by_status.values().sum();
        let all = answered + report.calls.without_answer;
        ensure!(all == attempts, "{all} answers for {attempts} attempts");
        ensure!(!self.summary.is_empty(), "no summary");
        Ok(())
    }
}
