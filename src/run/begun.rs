//! How a worker begins to send a run of a database: beside the others, alone first, or not at all.

use crate::engine::EngineSettings;
use crate::event::StopReason;
use crate::run::waves::WaveOrigin;
use std::num::NonZeroU64;

/// How a worker begins to send.
#[derive(Debug)]
pub(crate) enum Begun {
    /// Beside all others; so many tasks are settled.
    WithOthers(u64),
    /// Alone: it sends the canary or the first waves.
    First(First),
    /// Not at all.
    Stopped(StopReason),
}

/// Where the worker begins that sends alone first.
#[derive(Debug)]
pub(crate) struct First {
    pub(crate) settled: u64,
    /// What workers before this one sent of the canary.
    pub(crate) of_canary: u64,
    pub(crate) waves: WaveOrigin,
}

/// Returns the settings of the engine of a worker that sends with others, or alone first.
pub(crate) fn gated(settings: EngineSettings, begun: &Begun) -> EngineSettings {
    let mut settings = settings;
    match begun {
        Begun::First(First { settled, of_canary, waves }) => {
            settings.origin.settled = *settled;
            let left = |all: NonZeroU64| NonZeroU64::new(all.get().saturating_sub(*of_canary));
            settings.canary = settings.canary.and_then(left);
            settings.origin.unsent = waves.unsent;
            settings.origin.wave_pause_until = waves.pause_until;
        }
        Begun::WithOthers(settled) => {
            settings.origin.settled = *settled;
            (settings.canary, settings.waves) = (None, None);
        }
        Begun::Stopped(_) => {}
    }
    settings
}
