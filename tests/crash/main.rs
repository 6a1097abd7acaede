//! What is left of a run after it was killed, stopped, or let down by its disk.
//!
//! The real binary runs against a sandbox in this process, whose access log and witness say what
//! really happened; a second reader, which shares no code with the program, reads the run's file.
//! Moments of a kill are drawn from a seed. `BATCHCTL_TEST_KILLS` says how many kills the harness
//! makes (50 by default), `BATCHCTL_TEST_SERVICE_KILLS` how many where a file describes the service
//! (5), `BATCHCTL_TEST_RECOVERY_KILLS` how many of recoveries (8), and `BATCHCTL_TEST_POWER` how many
//! losses of power (5). `BATCHCTL_TEST_FIRST` is the first seed.

// So marked, their helpers may `unwrap` as the tests may.
#[cfg(test)]
mod damage;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod looking;
#[cfg(test)]
mod names;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod power;
#[cfg(test)]
mod signals;
#[cfg(test)]
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "other test binaries use the rest")]
mod support;
#[cfg(test)]
mod taking_up;
