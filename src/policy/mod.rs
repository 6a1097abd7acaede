//! Pure decisions: the meaning of an answer, whether to send again, when the next call may go.
//!
//! Time and randomness are arguments; nothing here waits. Must not know HTTP clients, stores,
//! displays, or more of a task than its words. The terms are explained in `docs/GLOSSARY.md`.

mod answer;
mod classify;
mod credentials_trust;
mod max_delta;
mod outage;
mod pace;
mod retry;
mod retry_after;
#[cfg(test)]
mod simulation;
mod stop;
mod tuning_hints;

pub use answer::ActionResult;
pub use answer::Answer;
pub use answer::Body;
pub use answer::Delivery;
pub use answer::NoResponse;
pub use answer::Response;
pub use answer::ServiceError;
pub use classify::Finding;
pub use classify::Verdict;
pub use classify::classify;
pub use classify::classify_read;
pub use credentials_trust::CredentialsTrust;
pub use credentials_trust::Generation;
pub use credentials_trust::Remedy;
pub use max_delta::InvalidMaxDelta;
pub use max_delta::MaxDelta;
pub use outage::Attribution;
pub use outage::Breaker;
pub use outage::BreakerChange;
pub use outage::Health;
pub use outage::Passage;
pub use outage::RetryBudget;
pub use outage::RetryPermit;
pub use outage::SuspectQueue;
pub use outage::WitnessTrust;
pub use pace::AdaptiveRate;
pub use pace::Admission;
pub use pace::AutoRate;
pub use pace::Canary;
pub use pace::CanaryState;
pub use pace::HintedPace;
pub use pace::Pacer;
pub use pace::Quota;
pub use pace::REMEMBERED_SENDINGS;
pub use pace::Ramp;
pub use pace::RateBounds;
pub use pace::RateHint;
pub use pace::may_tell_rate;
pub use pace::quota_in_message;
pub use pace::rate_hint;
pub use pace::rate_per_second;
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
pub use tuning_hints::RunFigures;
pub use tuning_hints::TuningHint;
pub use tuning_hints::tuning_hints;
