//! Outages: the breaker, the attribution of failures, and the budget of retries.

mod attribution;
mod breaker;
mod budget;
mod health;

pub use attribution::SuspectQueue;
pub use attribution::WitnessTrust;
pub use breaker::Breaker;
pub use breaker::BreakerChange;
pub use breaker::Passage;
pub use budget::RetryBudget;
pub use budget::RetryPermit;
pub use health::Attribution;
pub use health::Health;
