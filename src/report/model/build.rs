//! Reads a run's file once, from its first record to its last, and adds up what it says.
//!
//! Memory does not grow with the number of tasks. What it returns follows from the file alone.

use crate::policy::TuningHint;
use crate::report::model::Arrivals;
use crate::report::model::Calls;
use crate::report::model::InputPart;
use crate::report::model::Latency;
use crate::report::model::Pace;
use crate::report::model::Report;
use crate::report::model::RunPart;
use crate::report::model::StillRunning;
use crate::report::model::Target;
use crate::report::model::active_time::ActiveTime;
use crate::report::model::ending::Evidence;
use crate::report::model::failure_groups::FailureGroups;
use crate::report::model::peak_rate::Peak;
use crate::report::model::tuning::Answered;
use crate::store::AttemptRow;
use crate::store::RunReader;
use crate::store::RunRecord;
use crate::store::SendingRow;
use crate::store::StoreError;
use crate::store::TaskRow;
use crate::task::Counts;
use crate::task::FailureKind;
use crate::task::Outcome;
use crate::task::OutcomeCounts;
use crate::task::Rate;
use hdrhistogram::Histogram;
use std::time::Duration;

/// Reads the report of a run.
pub(crate) fn report(run: &RunReader, still_running: StillRunning) -> Result<Report, StoreError> {
    let record = run.record()?;
    let mut sent = Sent::new(&record);
    run.for_each_sending::<StoreError>(|sending| {
        sent.add(&sending);
        Ok(())
    })?;
    let mut settled = Settled::default();
    run.for_each_task::<StoreError>(|task| {
        settled.add(&task);
        Ok(())
    })?;
    sent.calls.pages = run.pages()?;
    // Every answer that throttles makes a hold, so they are read only where they are needed.
    let holds = if sent.worked.has_open_end() { run.holds()? } else { Vec::new() };
    let paused = sent.worked.held(&holds);
    let mut report = assembled(record, still_running, sent, settled, paused);
    report.changes = run.changes()?;
    drop_advice_for_changed(&mut report);
    if !is_changed(&report, "rate") {
        cap_average(&mut report.pace);
    }
    Ok(report)
}

/// Keeps the average at the limit at the most, where that held. No window is fuller, but the first two
/// sendings of a run go together: what is late may be made up for, and that counts in a short run.
///
/// A process that took the run up at a higher rate of its own is known by its busiest second.
fn cap_average(pace: &mut Pace) {
    let limit = pace.rate_limit.map_or(f64::INFINITY, Rate::per_second);
    let held = pace.rate_peak_1s as f64 <= limit + 1.0;
    pace.rate_average =
        pace.rate_average.map(|average| if held { average.min(limit) } else { average });
}

fn is_changed(report: &Report, what: &str) -> bool {
    report.changes.iter().any(|change| change.what == what)
}

/// Takes back what was concluded from settings that did not hold all the time.
fn drop_advice_for_changed(report: &mut Report) {
    if is_changed(report, "rate") || is_changed(report, "concurrency") {
        report.advice.retain(|advice| matches!(advice, TuningHint::LongerTimeout(_)));
    }
}

fn assembled(
    record: RunRecord,
    still_running: StillRunning,
    sent: Sent,
    settled: Settled,
    paused: Duration,
) -> Report {
    let settings = record.run.settings.clone();
    let failures = settled.failures.finish().into_groups();
    let evidence = Evidence {
        last: record.sessions.last(),
        still_running,
        tasks: &settled.tasks,
        unsettled: settled.unsettled,
        unverified: settled.arrivals.unverified,
        failures: &failures,
        settings: &settings,
    };
    let ending = evidence.decide();
    let advice = sent.answered.advice(&sent.calls, &sent.worked, paused, &settings);
    Report {
        pace: Pace {
            rate_limit: settings.rate.fixed(),
            rate_average: sent.worked.average(),
            rate_peak_1s: sent.peak.finish(),
            rate_learnt: record.sessions.last().and_then(|session| session.rate_learnt),
            paused,
        },
        run: run_part(&record, &settled.tasks, &sent.worked, ending.complete),
        input: input_part(&record),
        target: Target { endpoint: record.run.endpoint, project_id: record.run.project_id },
        settings,
        tasks: settled.tasks,
        counts: settled.counts,
        calls: sent.calls,
        arrivals: settled.arrivals,
        latency: sent.latency.finish(),
        failures,
        advice,
        changes: Vec::new(),
        stopped: ending.stopped,
        exit: ending.exit,
    }
}

fn run_part(
    record: &RunRecord,
    tasks: &OutcomeCounts,
    worked: &ActiveTime,
    complete: bool,
) -> RunPart {
    let run = record.run.clone();
    let before = run.outstanding_before.unwrap_or(record.selected);
    let good = tasks[Outcome::Succeeded] + tasks[Outcome::Unchanged];
    let last_end = record.sessions.last().and_then(|session| session.end.as_ref());
    RunPart {
        id: run.id,
        parent: run.parent,
        job: run.job,
        reason: run.reason,
        command: run.command,
        started_at: record.sessions.first().map(|session| session.started),
        finished_at: last_end.map(|end| end.at),
        duration: worked.span(),
        worked: worked.stretches(),
        complete,
        outstanding: before.saturating_sub(good),
        is_retry: run.outstanding_before.is_some(),
    }
}

fn input_part(record: &RunRecord) -> InputPart {
    InputPart {
        sources: record.sources.iter().map(|source| source.name.clone()).collect(),
        rows: record.rows,
        selected: record.selected,
        duplicates: record.duplicates,
        already_done: record.already_done,
        invalid: record.invalid,
    }
}

/// What the attempts add up to.
struct Sent {
    calls: Calls,
    latency: LatencyCount,
    peak: Peak,
    worked: ActiveTime,
    answered: Answered,
}

impl Sent {
    fn new(record: &RunRecord) -> Self {
        Self {
            calls: Calls::default(),
            latency: LatencyCount::new(),
            peak: Peak::default(),
            worked: ActiveTime::new(&record.sessions),
            answered: Answered::default(),
        }
    }

    fn add(&mut self, sending: &SendingRow) {
        self.count(sending);
        self.answered.add(sending);
        self.peak.add(sending.sent);
        self.worked.see_sending(sending.sent);
        if let Some(duration) = sending.duration {
            let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
            self.worked.see(sending.sent.plus_micros(micros));
            self.latency.add(duration);
        }
    }

    fn count(&mut self, sending: &SendingRow) {
        self.calls.attempts += 1;
        self.calls.retries += u64::from(sending.number > 1);
        self.calls.throttled += u64::from(sending.failed == Some(FailureKind::Throttled));
        match sending.http_status {
            Some(status) => *self.calls.by_status.entry(status).or_default() += 1,
            None => self.calls.without_answer += 1,
        }
    }
}

/// How long the attempts took that came to their end.
struct LatencyCount {
    micros: Histogram<u64>,
    min: Duration,
    max: Duration,
}

impl LatencyCount {
    fn new() -> Self {
        const AN_HOUR_MICROS: u64 = 3_600_000_000;
        let micros = Histogram::new_with_bounds(1, AN_HOUR_MICROS, 3)
            .expect("the bounds are in order and three digits are allowed");
        Self { micros, min: Duration::MAX, max: Duration::ZERO }
    }

    fn add(&mut self, duration: Duration) {
        self.micros.saturating_record(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
        self.min = self.min.min(duration);
        self.max = self.max.max(duration);
    }

    fn finish(self) -> Option<Latency> {
        if self.micros.is_empty() {
            return None;
        }
        // The histogram knows three digits; the ends are known exactly.
        let (min, max) = (self.min, self.max);
        let at =
            |share| Duration::from_micros(self.micros.value_at_quantile(share)).clamp(min, max);
        Some(Latency { min, p50: at(0.5), p90: at(0.9), p99: at(0.99), max })
    }
}

/// What the tasks add up to.
#[derive(Default)]
struct Settled {
    tasks: OutcomeCounts,
    unsettled: u64,
    arrivals: Arrivals,
    counts: Counts,
    failures: FailureGroups,
}

impl Settled {
    fn add(&mut self, task: &TaskRow) {
        self.tasks[task.outcome] += 1;
        self.unsettled += u64::from(task.settled.is_none());
        self.arrivals.verified += u64::from(task.seen.verified.is_some());
        self.arrivals.unverified += u64::from(is_unverified(task));
        self.counts += task.last.as_ref().and_then(trusted_counts).unwrap_or_default();
        self.failures.add(task);
    }
}

/// Tells whether a task may have been carried out and nobody has looked for it to the end.
fn is_unverified(task: &TaskRow) -> bool {
    let may_be_there = matches!(task.outcome, Outcome::Succeeded | Outcome::Ambiguous);
    may_be_there && task.settled.is_some() && task.attempts > 0 && task.seen.after.is_none()
}

/// Returns the counts of an attempt, unless they were not to be believed: those that do not add
/// up, or that are of another task, would make the sum one that does not add up either.
fn trusted_counts(attempt: &AttemptRow) -> Option<Counts> {
    attempt.counts.filter(|_| !attempt.in_doubt)
}
