//! Tests of the engine with a ledger and a service in memory, under a paused clock.

mod auto;
mod canary;
mod credentials;
mod doubt;
mod durability;
mod early_stop;
mod endurance;
mod hold;
mod leases;
mod lookahead;
mod operator_changes;
mod origin;
mod outage;
mod pace;
mod properties;
mod quota;
mod ramp;
mod scene;
mod seen;
mod service;
mod settling;
mod stop;
mod waves;
