//! Plain lines where there is no terminal: at the start, at every turn, and now and then.
//!
//! A log of a long run stays short: besides the turns there is one line each half minute, or
//! each tenth of the tasks if that comes first. A writer that fails is ignored.

use super::render;
use super::tally::Tally;
use crate::clock::Timestamp;
use crate::event::Event;
use crate::event::EventKind;
use crate::event::RunStarted;
use crate::event::Watch;
use crate::text::grouped;
use crate::text::plural;
use std::fmt;
use std::io::Write;
use std::time::Duration;

/// After how long without a line there is one.
const SILENCE: Duration = Duration::from_secs(30);

/// Tells how a run goes, line by line.
///
/// ```
/// use batchctl::clock::Timestamp;
/// use batchctl::event::{Event, EventKind, RunStarted, Watch};
/// use batchctl::progress::Lines;
///
/// let mut lines = Lines::new(Box::new(std::io::sink()));
/// let started = RunStarted { selected: 4, settled: 0, rate_limit: None, finds_rate: false,
///     concurrency: 16 };
/// lines.on_events(&[Event { at: Timestamp::from_micros(0), kind: EventKind::RunStarted(started) }]);
/// lines.tick(Timestamp::from_micros(30_000_000));
/// ```
pub struct Lines {
    out: Box<dyn Write + Send>,
    tally: Tally,
    /// When the last line was written that says where the run stands.
    told: Timestamp,
    /// How many tenths of the tasks were done then.
    tenths: u64,
    /// When a wait of the run was last told.
    told_hold: Option<Timestamp>,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("tally", &self.tally).finish_non_exhaustive()
    }
}

impl Lines {
    /// Begins to write to `out`; its errors are ignored.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        let told = Timestamp::from_micros(0);
        Self { out, tally: Tally::default(), told, tenths: 0, told_hold: None }
    }

    fn take(&mut self, event: &Event) {
        let held_before = self.tally.hold().is_some();
        self.tally.take(std::slice::from_ref(event));
        let Event { at, kind } = event;
        match kind {
            EventKind::RunStarted(set_out) => self.tell_start(*at, set_out),
            EventKind::RunHeld { .. } if !held_before => self.tell_hold(*at),
            // Not as the tally has it: what has not left yet is about to be withdrawn.
            EventKind::RunStopping { reason, on_wire } => {
                self.write(*at, &render::stopping(reason, *on_wire as u64));
            }
            EventKind::PollStarted { .. } if self.tally.pages() > 0 => self.tell_reading(*at),
            EventKind::Surveyed(counts) => self.write(*at, &render::surveyed(counts)),
            EventKind::RunChanged { change, by } => self.write(*at, &render::changed(*change, *by)),
            EventKind::RunEnded(_) => self.tell(*at),
            EventKind::Verified(counts) if counts.arrived > 0 => self.tell(*at),
            EventKind::RunHeld { .. }
            | EventKind::Verified(_)
            | EventKind::RunContinued
            | EventKind::RateLearnt { .. }
            | EventKind::AttemptStarted { .. }
            | EventKind::AttemptWithdrawn { .. }
            | EventKind::AttemptEnded { .. }
            | EventKind::RetryScheduled { .. }
            | EventKind::PollStarted { .. }
            | EventKind::TaskSettled { .. } => {}
        }
    }

    fn tell_start(&mut self, at: Timestamp, set_out: &RunStarted) {
        self.told = at;
        self.tenths = self.tenths_done();
        self.write(at, &start(set_out));
    }

    /// Tells at once that the states are read, and then once in a while how far.
    fn tell_reading(&mut self, at: Timestamp) {
        if !self.tally.has_started() && at.since(self.told) >= SILENCE {
            self.told = at;
            self.write(at, &render::reading(&self.tally));
        }
    }

    /// Tells that the run waits; a service that slows it down each second is told once in a while.
    fn tell_hold(&mut self, at: Timestamp) {
        let Some(hold) = self.tally.hold() else { return };
        if self.told_hold.is_some_and(|told| at.since(told) < SILENCE) {
            return;
        }
        self.told_hold = Some(at);
        self.write(at, &render::held(&self.tally, hold, at));
    }

    fn tell_if_due(&mut self, now: Timestamp) {
        if !self.tally.has_started() || self.tally.ended().is_some() {
            return;
        }
        if now.since(self.told) >= SILENCE || self.tenths_done() > self.tenths {
            self.tell(now);
        }
    }

    fn tell(&mut self, now: Timestamp) {
        self.told = now;
        self.tenths = self.tenths_done();
        let line = render::render_line(&self.tally, now);
        self.write(now, &line);
    }

    /// Counts up to nine: the last tenth is told by the end.
    fn tenths_done(&self) -> u64 {
        (self.tally.percent() / 10).min(9)
    }

    fn write(&mut self, at: Timestamp, text: &str) {
        // One call, so that lines of several writers do not mix; a closed stream is no reason
        // to stop a run.
        let _ = self.out.write_all(format!("{at} {text}\n").as_bytes());
        let _ = self.out.flush();
    }
}

/// Says what a run sets out with.
fn start(set_out: &RunStarted) -> String {
    let tasks = plural(set_out.selected, "task", "tasks");
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
            self.tell_if_due(last.at);
        }
    }

    fn tick(&mut self, now: Timestamp) {
        self.tell_if_due(now);
    }
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
