//! Tests through the public library and the real binary.

// So marked, their helpers may `unwrap` as the tests may.
#[cfg(test)]
mod answers;
#[cfg(test)]
mod bad_inputs;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod guide;
#[cfg(test)]
mod input;
#[cfg(test)]
mod main_job;
#[cfg(test)]
mod pace;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod service_sandbox;
#[cfg(test)]
mod shards;
#[cfg(test)]
mod state;
#[cfg(test)]
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "other test binaries use the rest")]
mod support;
#[cfg(test)]
mod targets;
#[cfg(test)]
mod tidy;
#[cfg(test)]
#[cfg(feature = "postgres")]
mod workers;
