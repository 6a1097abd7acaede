//! Makes plans: loads rows into a run's file, and leaves out duplicates and finished tasks.
//!
//! A plan becomes visible only when it is complete. "Plan" and "duplicate" are explained in
//! `docs/GLOSSARY.md`.

mod already_done;
mod dry_run;
mod duplicates;
mod id_sorter;
mod left_out;
mod load;
mod plan_files;
mod plan_from_run;
mod planned_states;
mod tables;

pub use dry_run::{TemporaryPlan, temporary_plan, temporary_plans};
pub use load::{NewPlan, ServicePlan, plan_run, plan_run_of_targets};
pub use plan_files::{PlannedRun, PlannedTargets};
pub use plan_from_run::plan_from_run;
pub use tables::PlanTotals;
