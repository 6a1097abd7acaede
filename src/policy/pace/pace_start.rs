//! Where a pace begins: its bounds, and what is known of the service.

use crate::task::{Rate, ServiceLimit};

/// The lowest pace that follows from throttled calls: one in a quarter of an hour.
pub(super) const SLOWEST_PACE: f64 = 0.001;

/// The bounds of the pace, in sendings a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateBounds {
    /// The lowest.
    pub least: f64,
    /// The highest, unless it is below the lowest; infinite for none.
    pub most: f64,
}

/// Where a pace begins that knows nothing of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// At its ceiling.
    AtCeiling,
    /// At a low pace, which doubles while it is used and nothing is throttled.
    Doubling,
}

/// What a controller begins with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaceStart {
    /// The bounds of the pace.
    pub bounds: RateBounds,
    /// Where it begins.
    pub opening: Opening,
    /// The limits that an earlier run met; the pace begins there.
    pub learnt: ServiceLimit,
}

impl PaceStart {
    /// Returns a pace that begins at a rate and stays at or below it; without one nothing but the
    /// service limits it.
    pub fn below(rate: Option<Rate>) -> Self {
        let most = rate.map_or(f64::INFINITY, Rate::per_second);
        let bounds = RateBounds { least: SLOWEST_PACE, most };
        Self { bounds, opening: Opening::AtCeiling, learnt: ServiceLimit::default() }
    }
}
