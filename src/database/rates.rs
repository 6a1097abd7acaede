//! The rate that all workers of a run keep together: its row, its slots, and how exactly their time is
//! known.

use crate::database::numbers::i64_of;
use crate::settings::RunSettings;
use crate::task::Rate;
use std::time::Duration;

/// The longest round trip with which the rate holds, unless another is asked for.
pub const SHORT_TRIP: Duration = Duration::from_millis(15);
/// How late a slot is used at most.
const LATENESS: Duration = Duration::from_millis(10);

/// The rate that all workers of a run keep together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RateTerms {
    /// The limit; `None` is no limit.
    pub limit: Option<Rate>,
    /// Whether the rate is found below that limit.
    pub searches: bool,
    /// The group of runs with which it is kept, if there is one.
    pub group: Option<String>,
}

impl RateTerms {
    /// Returns the rate of a run with these settings.
    pub fn of(settings: &RunSettings) -> Self {
        let rate = settings.own_rate();
        let group = settings.rate_group.clone();
        Self { limit: rate.limit(), searches: rate.is_auto(), group }
    }
}

/// Returns a limit as its row has it.
pub(super) fn text_of(limit: Option<Rate>) -> String {
    limit.map_or_else(|| "none".to_owned(), |rate| rate.to_string())
}

/// Returns the name under which the workers of a run share their rate.
pub(super) fn scope_of(run: i64) -> String {
    format!("run:{run}")
}

/// Returns the time between two sending slots: no window of the rate holds more than its limit,
/// though each slot is used up to the uncertainty and the lateness after its time.
pub(super) fn interval_nanos(rate: Rate, trip: Duration) -> i64 {
    let uncertainty = most_uncertainty(Some(rate), trip);
    let lateness = (rate.window / 100).max(LATENESS);
    let widened = (rate.window + uncertainty + lateness).as_nanos();
    i64_of(widened.div_ceil(u128::from(rate.limit.get())))
}

/// Returns how uncertain a worker may be of the database's time.
pub(super) fn most_uncertainty(rate: Option<Rate>, trip: Duration) -> Duration {
    rate.map_or(trip, |rate| rate.window.mul_f64(0.015).max(trip))
}
