//! The faults of the simulated service, all drawn from one seed.

mod behaviour;
mod fault;
mod seeded_random;
mod throttle;

pub(crate) use behaviour::CallBehaviour;
pub(crate) use behaviour::Failures;
pub(crate) use behaviour::Habit;
pub(crate) use behaviour::ResponseDelivery;
pub(crate) use behaviour::Shares;
pub(crate) use fault::ServiceFault;
pub(crate) use seeded_random::Question;
pub(crate) use seeded_random::Roll;
pub(crate) use seeded_random::SeededRandom;
pub(crate) use seeded_random::call_key;
pub(crate) use throttle::Throttle;
