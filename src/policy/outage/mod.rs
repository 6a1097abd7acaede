//! Outages: the breaker, the attribution of failures, and the budget of retries.

mod attribution;
mod breaker;
mod budget;
mod health;

pub use attribution::{SuspectQueue, WitnessTrust};
pub use breaker::{Breaker, BreakerChange, Passage};
pub use budget::{RetryBudget, RetryPermit};
pub use health::{Attribution, Health};
