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

pub use adaptive::AdaptiveRate;
pub use adaptive::AutoRate;
pub use adaptive::RateBounds;
pub use advice::Advice;
pub use advice::RunFigures;
pub use advice::advice;
pub use answer::ActionResult;
pub use answer::Answer;
pub use answer::Body;
pub use answer::Delivery;
pub use answer::NoResponse;
pub use answer::Response;
pub use answer::ServiceError;
pub use attribution::Attribution;
pub use attribution::Health;
pub use attribution::SuspectQueue;
pub use attribution::WitnessTrust;
pub use breaker::Breaker;
pub use breaker::BreakerChange;
pub use breaker::Passage;
pub use budget::RetryBudget;
pub use budget::RetryPermit;
pub use classify::Finding;
pub use classify::Verdict;
pub use classify::classify;
pub use classify::classify_read;
pub use max_delta::InvalidMaxDelta;
pub use max_delta::MaxDelta;
pub use pace::Admission;
pub use pace::Pacer;
pub use pace::REMEMBERED_SENDINGS;
pub use pace::rate_per_second;
pub use ramp::Canary;
pub use ramp::CanaryState;
pub use ramp::Ramp;
pub use rate_hint::HintedPace;
pub use rate_hint::Quota;
pub use rate_hint::RateHint;
pub use rate_hint::may_tell_rate;
pub use rate_hint::quota_in_message;
pub use rate_hint::rate_hint;
pub use retry::AttemptHistory;
pub use retry::Decision;
pub use retry::OnDoubt;
pub use retry::RetryPolicy;
pub use retry_after::LONGEST_HOLD;
pub use retry_after::retry_after;
pub use retry_after::window_in_message;
pub use stop::FinishBy;
pub use stop::InvalidFinishBy;
pub use stop::InvalidMaxFailures;
pub use stop::MaxFailures;
pub use trust::Generation;
pub use trust::Remedy;
pub use trust::Trust;
