//! How fast calls may be sent: the pacer, the ramp, what the service says about its quota, the search for a rate.

mod pacer;
mod ramp;
mod rate_hint;
mod rate_search;
mod structured_field;

pub use pacer::Admission;
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
pub use rate_search::AdaptiveRate;
pub use rate_search::AutoRate;
pub use rate_search::RateBounds;
