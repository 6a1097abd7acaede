//! Pure decisions: what an answer means, whether to send again, when the next sending may go.
//!
//! Time and randomness are arguments, nothing here waits. Must not know HTTP clients, stores,
//! displays or tasks beyond their words.

mod adaptive;
mod advice;
mod answer;
mod attribution;
mod breaker;
mod budget;
mod classify;
mod max_delta;
mod pace;
mod ramp;
mod rate_hint;
mod retry;
mod retry_after;
#[cfg(test)]
mod simulation;
mod stop;
mod structured_field;
mod trust;

pub use crate::policy::adaptive::AdaptiveRate;
pub use crate::policy::adaptive::AutoRate;
pub use crate::policy::adaptive::RateBounds;
pub use crate::policy::advice::Advice;
pub use crate::policy::advice::RunFigures;
pub use crate::policy::advice::advice;
pub use crate::policy::answer::ActionResult;
pub use crate::policy::answer::Answer;
pub use crate::policy::answer::Body;
pub use crate::policy::answer::Delivery;
pub use crate::policy::answer::NoResponse;
pub use crate::policy::answer::Response;
pub use crate::policy::answer::ServiceError;
pub use crate::policy::attribution::Attribution;
pub use crate::policy::attribution::Health;
pub use crate::policy::attribution::SuspectQueue;
pub use crate::policy::attribution::WitnessTrust;
pub use crate::policy::breaker::Breaker;
pub use crate::policy::breaker::BreakerChange;
pub use crate::policy::breaker::Passage;
pub use crate::policy::budget::RetryBudget;
pub use crate::policy::budget::RetryPermit;
pub use crate::policy::classify::Finding;
pub use crate::policy::classify::Verdict;
pub use crate::policy::classify::classify;
pub use crate::policy::classify::classify_read;
pub use crate::policy::max_delta::InvalidMaxDelta;
pub use crate::policy::max_delta::MaxDelta;
pub use crate::policy::pace::Admission;
pub use crate::policy::pace::Pacer;
pub use crate::policy::pace::REMEMBERED_SENDINGS;
pub use crate::policy::pace::rate_per_second;
pub use crate::policy::ramp::Canary;
pub use crate::policy::ramp::CanaryState;
pub use crate::policy::ramp::Ramp;
pub use crate::policy::rate_hint::HintedPace;
pub use crate::policy::rate_hint::Quota;
pub use crate::policy::rate_hint::RateHint;
pub use crate::policy::rate_hint::may_tell_rate;
pub use crate::policy::rate_hint::quota_in_message;
pub use crate::policy::rate_hint::rate_hint;
pub use crate::policy::retry::AttemptHistory;
pub use crate::policy::retry::Decision;
pub use crate::policy::retry::OnDoubt;
pub use crate::policy::retry::RetryPolicy;
pub use crate::policy::retry_after::LONGEST_HOLD;
pub use crate::policy::retry_after::retry_after;
pub use crate::policy::retry_after::window_in_message;
pub use crate::policy::stop::FinishBy;
pub use crate::policy::stop::InvalidFinishBy;
pub use crate::policy::stop::InvalidMaxFailures;
pub use crate::policy::stop::MaxFailures;
pub use crate::policy::trust::Generation;
pub use crate::policy::trust::Remedy;
pub use crate::policy::trust::Trust;
