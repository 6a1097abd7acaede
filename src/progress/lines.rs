//! Plain lines for output that is not a terminal.
//!
//! There is a line for each change of course (start, hold, stop, end). Otherwise there is one per
//! half minute, or per tenth of the tasks if that is earlier. So a log of a long run stays short.
//! Errors of the writer are ignored.

use super::render;
use super::tally::Tally;
use crate::clock::Timestamp;
use crate::event::{Event, EventKind, RunStarted, StoreWait, Watch};
use crate::text::{grouped, plural};
use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The longest time without a line.
const SILENCE: Duration = Duration::from_secs(30);

/// Writes the progress of a run, line by line.
///
/// ```
/// use batchctl::clock::Timestamp;
/// use batchctl::event::{Event, EventKind, RunStarted, Watch};
/// use batchctl::progress::Lines;
///
/// let mut lines = Lines::new(Box::new(std::io::sink()));
/// let started = RunStarted { selected: 4, settled: 0, rate_limit: None, finds_rate: false,
///     looks_at: None, concurrency: 16 };
/// lines.on_events(&[Event { at: Timestamp::from_micros(0), kind: EventKind::RunStarted(started) }]);
/// lines.tick(Timestamp::from_micros(30_000_000));
/// ```
pub struct Lines {
    out: Arc<Mutex<Box<dyn Write + Send>>>,
    /// What stands before each line: the name of a target.
    prefix: String,
    /// The lines of each target, in a run of several.
    targets: Vec<(Arc<str>, Lines)>,
    tally: Tally,
    /// The time of the last line with the progress.
    last_line: Timestamp,
    /// The tenths of the tasks that were done then.
    tenths: u64,
    /// The time of the last line about a hold.
    last_hold: Option<Timestamp>,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("tally", &self.tally).finish_non_exhaustive()
    }
}

impl Lines {
    /// Returns a display that writes to `out` and ignores its errors.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self::with_prefix(Arc::new(Mutex::new(out)), String::new())
    }

    fn with_prefix(out: Arc<Mutex<Box<dyn Write + Send>>>, prefix: String) -> Self {
        let (targets, tally, last_line) = (Vec::new(), Tally::default(), Timestamp::from_micros(0));
        Self { out, prefix, targets, tally, last_line, tenths: 0, last_hold: None }
    }

    /// Returns the lines of a target.
    fn of_target(&mut self, target: &Arc<str>) -> &mut Self {
        let place = self.targets.iter().position(|(name, _)| name == target);
        let place = place.unwrap_or_else(|| {
            let lines = Self::with_prefix(Arc::clone(&self.out), format!("{target}: "));
            self.targets.push((Arc::clone(target), lines));
            self.targets.len() - 1
        });
        &mut self.targets[place].1
    }

    fn take(&mut self, event: &Event) {
        // Before the tally takes the event: only the first event of a hold gets a line.
        let held_before = self.tally.hold().is_some();
        self.tally.take(std::slice::from_ref(event));
        let Event { at, kind } = event;
        match kind {
            EventKind::RunStarted(set_out) => self.write_start(*at, set_out),
            EventKind::RunHeld { .. } if !held_before => self.write_hold(*at),
            // The event's number, not the tally's: that still counts attempts that are about
            // to be withdrawn.
            EventKind::RunStopping { reason, on_wire } => {
                self.write(*at, &render::stopping(reason, *on_wire as u64));
            }
            EventKind::PollStarted { .. } if self.tally.pages() > 0 => self.write_reading(*at),
            EventKind::WaveStarted(wave) => self.write(*at, &render::wave(*wave)),
            EventKind::Surveyed(counts) => self.write(*at, &render::surveyed(counts)),
            EventKind::RunChanged { change, by } => self.write(*at, &render::changed(*change, *by)),
            EventKind::DrillStarted { tasks } => self.write(*at, &render::drilling(0, *tasks)),
            EventKind::RunEnded(_) => self.write_progress(*at),
            EventKind::Verified(counts) if counts.arrived > 0 => self.write_progress(*at),
            EventKind::RunHeld { .. }
            | EventKind::Verified(_)
            | EventKind::Drilled(_)
            | EventKind::DrillEnded(_)
            | EventKind::RunContinued
            | EventKind::RateLearnt(_)
            | EventKind::AttemptStarted { .. }
            | EventKind::AttemptWithdrawn { .. }
            | EventKind::AttemptEnded { .. }
            | EventKind::RetryScheduled { .. }
            | EventKind::PollStarted { .. }
            | EventKind::TaskSettled { .. } => {}
        }
    }

    fn write_start(&mut self, at: Timestamp, set_out: &RunStarted) {
        self.last_line = at;
        self.tenths = self.tenths_done();
        self.write(at, &start(set_out));
    }

    /// Writes at once that the states are being read, and then how far at intervals.
    fn write_reading(&mut self, at: Timestamp) {
        if !self.tally.has_started() && at.since(self.last_line) >= SILENCE {
            self.last_line = at;
            self.write(at, &render::reading(&self.tally));
        }
    }

    /// Writes that the run holds, at most once per interval: a service may throttle every second.
    fn write_hold(&mut self, at: Timestamp) {
        let Some(hold) = self.tally.hold() else { return };
        if self.last_hold.is_some_and(|told| at.since(told) < SILENCE) {
            return;
        }
        self.last_hold = Some(at);
        self.write(at, &render::held(&self.tally, hold, at));
    }

    fn write_if_due(&mut self, now: Timestamp) {
        if !self.tally.has_started() || self.tally.ended().is_some() {
            return;
        }
        if now.since(self.last_line) >= SILENCE || self.tenths_done() > self.tenths {
            self.write_progress(now);
        }
    }

    fn write_progress(&mut self, now: Timestamp) {
        self.last_line = now;
        self.tenths = self.tenths_done();
        let line = render::render_line(&self.tally, now);
        self.write(now, &line);
    }

    /// Returns the tenths that are done, at most nine: the line at the end covers the last one.
    fn tenths_done(&self) -> u64 {
        (self.tally.percent() / 10).min(9)
    }

    fn write(&mut self, at: Timestamp, text: &str) {
        // One call, so that lines of several writers do not mix. A closed stream must not stop a
        // run, so errors are ignored.
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(format!("{at} {}{text}\n", self.prefix).as_bytes());
        let _ = out.flush();
    }
}

/// Returns the text for the start of a run.
fn start(set_out: &RunStarted) -> String {
    let tasks = plural(set_out.selected, "task", "tasks");
    if let Some(looked_at) = set_out.looks_at {
        let limit = set_out.rate_limit.map_or_else(String::new, |limit| format!(", at {limit}"));
        return format!("looking at the states of {} of {tasks}{limit}", grouped(looked_at));
    }
    let what = match set_out.settled {
        0 => format!("starting with {tasks}"),
        settled => format!("going on with {tasks}, {} settled before", grouped(settled)),
    };
    let limit = match set_out.rate_limit {
        None => "no rate limit".into(),
        Some(most) if set_out.finds_rate => format!("finding a rate up to {most}"),
        Some(limit) => format!("at {limit}"),
    };
    format!("{what}, {limit}, {} at a time", grouped(set_out.concurrency as u64))
}

impl Watch for Lines {
    fn on_events(&mut self, events: &[Event]) {
        events.iter().for_each(|event| self.take(event));
        if let Some(last) = events.last() {
            self.write_if_due(last.at);
        }
    }

    fn on_target_events(&mut self, target: &Arc<str>, events: &[Event]) {
        self.of_target(target).on_events(events);
    }

    fn on_settled_by_all(&mut self, settled: u64, now: Timestamp) {
        self.tally.settled_by_all(settled, now);
    }

    fn on_target_settled_by_all(&mut self, target: &Arc<str>, settled: u64, now: Timestamp) {
        self.of_target(target).on_settled_by_all(settled, now);
    }

    fn on_store_wait(&mut self, wait: Option<&StoreWait>, now: Timestamp) {
        let before = self.tally.store_wait().map(|wait| wait.cause);
        self.tally.wait_for_store(wait, now);
        match (wait, before) {
            (Some(wait), _) => self.write(now, &render::store_waits(wait)),
            (None, Some(cause)) => self.write(now, render::store_goes_on(cause)),
            (None, None) => {}
        }
    }

    fn on_target_store_wait(
        &mut self,
        target: &Arc<str>,
        wait: Option<&StoreWait>,
        now: Timestamp,
    ) {
        self.of_target(target).on_store_wait(wait, now);
    }

    fn tick(&mut self, now: Timestamp) {
        self.write_if_due(now);
        self.targets.iter_mut().for_each(|(_, lines)| lines.write_if_due(now));
    }
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
