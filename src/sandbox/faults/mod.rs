//! The faults of the simulated service, all drawn from one seed.

mod behaviour;
mod fault;
mod seeded_random;
mod throttle;

pub(crate) use behaviour::{CallBehaviour, Failures, IdSuffix, ResponseDelivery, Shares};
pub(crate) use fault::ServiceFault;
pub(crate) use seeded_random::{Question, Roll, SeededRandom, call_key};
pub(crate) use throttle::Throttle;
