//! How fast calls may be sent: the pacer, the ramp, what the service says about its quota, the search for a rate.

mod call_history;
mod chance_throttling;
mod even_spacing;
mod limit_trial;
mod pace_controller;
mod pacer;
mod ramp;
mod rate_hint;
mod shared_slots;
mod structured_field;

pub use pace_controller::Opening;
pub use pace_controller::PaceController;
pub use pace_controller::PaceStart;
pub use pace_controller::RateBounds;
pub use pacer::Admission;
pub use pacer::PaceWindow;
pub use pacer::Pacer;
pub use pacer::REMEMBERED_SENDINGS;
pub use pacer::rate_per_second;
pub use ramp::Canary;
pub use ramp::CanaryState;
pub use ramp::Ramp;
pub use rate_hint::HintedPace;
pub use rate_hint::Quota;
pub use rate_hint::RateHint;
pub use rate_hint::may_tell_rate;
pub use rate_hint::quota_in_message;
pub use rate_hint::rate_hint;
pub use shared_slots::Grant;
pub use shared_slots::ProcessSlots;
pub use shared_slots::Reservation;
pub use shared_slots::SharedSlots;
pub use shared_slots::SlotGate;
pub use shared_slots::SlotSource;
pub use shared_slots::SlotSpacing;
pub use shared_slots::SlotTimeline;
