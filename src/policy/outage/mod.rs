//! Whether the service is away, whose failure an attempt was, and how many retries it may be sent.

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
