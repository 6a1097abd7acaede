//! The files about flags.

#[path = "../../../../src/cli/flags/config_file.rs"]
pub(crate) mod config_file;
#[path = "../../../../src/cli/flags/config_trust.rs"]
pub(crate) mod config_trust;
#[path = "../../../../src/cli/flags/secret_looks.rs"]
pub(crate) mod secret_looks;

/// Stands for the values of flags.
pub(crate) mod values {
    pub(crate) const MAX_CONCURRENCY: usize = 10_000;
}
