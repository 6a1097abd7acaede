//! The front door of the library: plans a run, carries it out, and looks at it afterwards.
//!
//! Wires plan, store, engine, survey and watchers together. The decisions are in `policy`. The
//! words are explained in `docs/GLOSSARY.md`: run, session, phase, survey, verify.

#[cfg(feature = "postgres")]
mod begun;
mod carry_out;
#[cfg(feature = "postgres")]
mod common_pacing;
mod control_router;
#[cfg(feature = "postgres")]
mod database_ledger;
mod drift;
mod drill;
mod drill_targets;
mod dry_run;
mod error;
mod last_good;
mod ledger;
#[cfg(feature = "postgres")]
mod patience;
mod phases;
mod plan;
mod rate_memory;
mod repair;
mod resume;
mod retry;
mod revert;
mod running_target;
mod runs;
mod settings;
#[cfg(feature = "postgres")]
mod shared_job;
#[cfg(feature = "postgres")]
mod shared_orders;
#[cfg(feature = "postgres")]
mod shared_part;
#[cfg(feature = "postgres")]
mod shared_phases;
#[cfg(feature = "postgres")]
mod shared_run;
#[cfg(feature = "postgres")]
mod shared_runs;
#[cfg(feature = "postgres")]
mod shared_standing;
mod survey_recorder;
mod target_orders;
mod targets;
#[cfg(test)]
mod tests;
mod verify;
mod wanted_states;
mod watchers;
mod waves;
#[cfg(feature = "postgres")]
mod work;

pub use carry_out::{Ended, group_slots};
#[cfg(feature = "postgres")]
pub use database_ledger::DatabaseLedger;
pub use drift::{Drift, DriftedTask};
pub use dry_run::{DryRun, DryRunRow, LiveLook, dry_run, dry_run_live};
pub use error::RunError;
pub use last_good::{Comparable, GoodRun, last_good};
pub use phases::Settling;
pub use plan::{Planned, RunRequest, child_settings as settings_of_child, plan, plan_in_states};
pub use repair::repair;
pub use resume::{Resumable, ResumableTarget, Resumption, resume};
pub use retry::{Retry, RetryChoice, RetryFilter, retry};
pub use revert::{Revert, Reverted, revert};
pub use runs::{has_targets, lock_job, remove, runs_in};
#[cfg(feature = "postgres")]
pub use shared_job::SharedJob;
#[cfg(feature = "postgres")]
pub use shared_run::{OnUncertain, SharedRun, TakenUp};
#[cfg(feature = "postgres")]
pub use shared_runs::SharedRuns;
pub use target_orders::TargetOrders;
pub use targets::{
    TargetRequest, TargetsRequest, dry_run_targets, plan_targets, plan_targets_in_states,
};
pub use verify::{ReopenedPart, ReopenedRun, reopen};
pub use watchers::WatchTrouble;
