//! The waves of a run, and the pauses between them. Wave: see `docs/GLOSSARY.md`.

use super::Dispatcher;
use crate::clock::{Clock, Instant};
use crate::engine::attempt::{Attempt, Completion};
use crate::engine::ledger::Ledger;
use crate::engine::settings::EngineSettings;
use crate::event::{EventKind, HoldReason, StopReason, WaveStarted};
use crate::policy::{CanaryState, WaveGate, WaveStep};
use crate::task::Outcome;

/// Returns the gate between the waves of a run, where its earlier processes have left it.
pub(super) fn wave_gate(settings: &EngineSettings, clock: Clock) -> Option<WaveGate> {
    let (waves, origin) = (settings.waves.as_ref()?, &settings.origin);
    let tasks = origin.selected.saturating_sub(origin.unsent);
    let done = origin.settled.saturating_sub(origin.unsent);
    let (now, here) = (clock.instant(), clock.now());
    let until = origin.wave_pause_until.filter(|&until| until > here);
    let until = until.and_then(|until| now.checked_add(until.since(here)));
    let gate = WaveGate::new(waves.ends(tasks), settings.wave_pause, done);
    Some(gate.paused_until(until.map(Into::into)))
}

impl<L, S, F> Dispatcher<'_, L, S, F>
where
    L: Ledger,
    S: Fn(Attempt) -> F,
    F: Future<Output = Completion>,
{
    /// Says in which wave the run is, at its beginning.
    pub(super) fn begin_waves(&mut self) {
        match self.waves.as_ref().and_then(WaveGate::pause_ends) {
            Some(until) => self.hold_wave(until.into()),
            None => self.announce_wave(),
        }
    }

    /// Begins the next wave, if the pause before it is over.
    pub(super) fn check_wave(&mut self) {
        let now = self.clock.instant();
        if self.stopping.is_some() || !self.waves.as_mut().is_some_and(|it| it.resume(now.into())) {
            return;
        }
        // A hold by the service ends with its own event.
        if self.held_since.is_none() {
            self.emit(EventKind::RunContinued);
        }
        self.announce_wave();
    }

    /// Notes once that neither the canary nor a wave holds tasks back any more.
    pub(super) fn check_gates(&mut self) {
        if self.is_open || self.stopping.is_some() {
            return;
        }
        let canary = self.canary.as_ref().is_none_or(|it| it.state() == CanaryState::Passed);
        if canary && self.waves.as_ref().is_none_or(WaveGate::is_open) {
            self.is_open = true;
            self.ledger.note_open();
        }
    }

    /// Says again that the run pauses between two waves, after another hold has ended.
    pub(super) fn hold_wave_again(&mut self) {
        if let Some(until) = self.wave_pause_ends() {
            self.hold_wave(until);
        }
    }

    /// Returns when the pause between two waves ends, if there is one.
    pub(super) fn wave_pause_ends(&self) -> Option<Instant> {
        let waves = self.waves.as_ref().filter(|_| self.stopping.is_none());
        waves.and_then(WaveGate::pause_ends).map(Instant::from)
    }

    /// Counts a task of the wave that was sent; one that did not succeed stops the run.
    pub(super) fn settle_in_wave(&mut self, outcome: Outcome) {
        let now = self.clock.instant();
        let step = self.waves.as_mut().map(|waves| waves.settled(outcome, now.into()));
        self.take_step(step);
    }

    /// Counts a task of the wave that is not sent again.
    pub(super) fn pass_over_in_wave(&mut self) {
        let now = self.clock.instant();
        let step = self.waves.as_mut().map(|waves| waves.pass_over(now.into()));
        self.take_step(step);
    }

    fn take_step(&mut self, step: Option<WaveStep>) {
        if self.stopping.is_some() {
            return;
        }
        match step {
            None | Some(WaveStep::Same) => {}
            Some(WaveStep::Failed) => self.stop(StopReason::WaveFailed),
            Some(WaveStep::Pause(until)) => self.hold_wave(until.into()),
            Some(WaveStep::Next) => self.announce_wave(),
        }
    }

    fn hold_wave(&mut self, until: Instant) {
        let (until, reason) = (self.clock.label(until), HoldReason::WavePause);
        self.emit(EventKind::RunHeld { until, reason });
    }

    fn announce_wave(&mut self) {
        if let Some(place) = self.waves.as_ref().and_then(WaveGate::place) {
            let (wave, of, end) = (place.wave, place.of, place.end);
            self.emit(EventKind::WaveStarted(WaveStarted { wave, of, end }));
        }
    }
}
