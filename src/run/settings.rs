//! Converts a run's settings to those of the engine and of walks through the list.

use crate::api::Listing;
use crate::engine::{EngineSettings, StartingPoint};
use crate::policy::{Opening, PaceStart, RateBounds, RetryPolicy};
use crate::settings::{RateSetting, RunSettings};
use crate::survey::WalkerSettings;
use crate::task::{Level, ServiceLimit};

/// Returns how many of the last sending times matter.
pub(crate) fn remembered_sendings(settings: &RunSettings) -> u32 {
    settings.own_rate().limit().map_or(0, |rate| rate.limit.get())
}

/// Returns the list in which the tasks of a run are found.
pub(crate) fn listing(settings: &RunSettings) -> Listing {
    match settings.level {
        Level::Batch => Listing::default(),
        Level::Task => Listing::SubTasks { batch_task: None, expected: None },
    }
}

/// Returns how lists are read.
pub(crate) fn walker_settings(settings: &RunSettings) -> WalkerSettings {
    WalkerSettings {
        rate: settings.own_rate().for_lists(),
        timeout: settings.timeout,
        max_attempts: settings.max_attempts,
        throttle_timeout: settings.throttle_timeout,
        at_a_time: settings.concurrency,
    }
}

/// Returns what the engine needs to know.
pub(crate) fn engine_settings(settings: &RunSettings, origin: StartingPoint) -> EngineSettings {
    // Without `..`: a new setting does not compile until it is decided here whether the engine
    // needs it.
    let &RunSettings {
        ref waves,
        wave_pause,
        // The whole rate; that of this run is its own.
        rate: _,
        concurrency,
        timeout,
        max_attempts,
        on_doubt,
        ramp,
        canary,
        max_failures,
        outage_timeout,
        throttle_timeout,
        max_duration,
        drain_timeout,
        // The plan's.
        shard: _,
        target: _,
        // The client's.
        connect_timeout: _,
        level: _,
        // The slots', see `Planned::carry_out`.
        rate_group: _,
        // A span that depends on the time zone: see `Planned::finish_within`.
        finish_by: _,
        // The phases'.
        skip_unchanged: _,
        on_unknown: _,
        wait: _,
        drill: _,
        // The credentials'.
        profile: _,
        credentials: _,
        // Where calls go.
        sandbox: _,
        // For the record alone.
        by: _,
        planned_with: _,
        choice: _,
    } = settings;
    let rate = settings.own_rate();
    EngineSettings {
        concurrency,
        rate: rate.limit(),
        pace: pace_start(rate),
        is_pace_common: false,
        // Opened by the run, which knows the state directory.
        slots: None,
        timeout,
        retry: RetryPolicy { max_attempts, on_doubt },
        ramp,
        canary,
        waves: waves.clone(),
        wave_pause,
        tolerated_failures: max_failures.tolerated(origin.selected),
        outage_timeout,
        throttle_timeout,
        max_duration,
        drain_timeout,
        origin,
    }
}

/// Returns the bounds of the pace, and where it begins.
pub(crate) fn pace_start(rate: RateSetting) -> PaceStart {
    let RateSetting::Auto { least, most } = rate else { return PaceStart::below(rate.limit()) };
    let bounds = RateBounds { least: least.per_second(), most: most.per_second() };
    PaceStart { bounds, opening: Opening::Doubling, learnt: ServiceLimit::default() }
}
