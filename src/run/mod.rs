//! The front door of the library: plans a run, carries it out, and looks at it afterwards.
//!
//! Wires plan, store, engine, survey and watchers together. The decisions are in `policy`. The
//! words are explained in `docs/GLOSSARY.md`: run, session, phase, survey, verify.

mod carry_out;
mod control_router;
mod drift;
mod drill;
mod drill_targets;
mod dry_run;
mod error;
mod last_good;
mod ledger;
mod phases;
mod plan;
mod rate_memory;
mod repair;
mod resume;
mod retry;
mod revert;
mod runs;
mod settings;
mod survey_recorder;
mod verify;
mod watchers;
mod waves;

pub use carry_out::{Ended, group_slots};
pub use drift::{Drift, DriftedTask};
pub use dry_run::{DryRun, DryRunRow, LiveLook, dry_run, dry_run_live};
pub use error::RunError;
pub use last_good::{Comparable, GoodRun, last_good};
pub use phases::Settling;
pub use plan::{Planned, RunRequest, plan, plan_in_states};
pub use repair::repair;
pub use resume::{Resumable, Resumption, resume};
pub use retry::{Retry, RetryFilter, retry};
pub use revert::{Revert, Reverted, revert};
pub use runs::{lock_job, remove, runs_in};
pub use verify::{ReopenedRun, reopen};
pub use watchers::WatchTrouble;
