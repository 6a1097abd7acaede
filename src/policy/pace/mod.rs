//! How fast calls may be sent: the pacer, the ramp, what the service says about its quota, the search for a rate.

mod call_history;
mod calls_at_a_time;
mod calls_parted;
mod chance_throttling;
mod clock_map;
mod common_pace;
mod even_spacing;
mod limit_trial;
mod pace_controller;
mod pace_start;
mod pacer;
mod ramp;
mod rate_hint;
mod shared_slots;
mod structured_field;
mod throttled_order;
mod throttling_by_pace;

#[cfg(test)]
#[path = "pace_simulation_tests.rs"]
mod simulation;

#[cfg(test)]
#[path = "pace_runs_tests.rs"]
mod runs;

#[cfg(test)]
#[path = "pace_figures_tests.rs"]
mod figures;

#[cfg(test)]
#[path = "pace_holds_tests.rs"]
mod holds;

#[cfg(test)]
#[path = "pace_bounds_tests.rs"]
mod bounds;

#[cfg(test)]
#[path = "pace_wire_tests.rs"]
mod wire;

#[cfg(test)]
#[path = "pace_latency_tests.rs"]
mod latency;

pub use clock_map::{ClockMap, Learned};
pub use common_pace::{CommonPace, CommonSample};
pub use pace_controller::PaceController;
pub use pace_start::{Opening, PaceStart, RateBounds};
pub use pacer::{Admission, PaceWindow, Pacer, REMEMBERED_SENDINGS, rate_per_second};
pub use ramp::{Canary, CanaryState, Ramp};
pub use rate_hint::{HintedPace, Quota, RateHint, may_tell_rate, quota_in_message, rate_hint};
pub use shared_slots::{
    Grant, ProcessSlots, Reservation, SharedSlots, SlotGate, SlotSource, SlotSpacing, SlotTimeline,
    SlotTrouble,
};
