//! Makes the file of a new run: loads its rows, and leaves out duplicates and finished tasks.
//!
//! A plan becomes visible only when it is complete. A dry run has the same plan, in a file that
//! vanishes with it. Must not know the engine or how rows are checked, which is for `plan`, and
//! never changes a run that is there. "Plan" and "duplicate" are explained in `docs/GLOSSARY.md`.

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
#[cfg(test)]
mod tests;

pub use dry_run::{TemporaryPlan, temporary_plan, temporary_plans};
pub use load::{NewPlan, ServicePlan, plan_run, plan_run_of_targets};
pub use plan_files::{PlannedRun, PlannedTargets};
pub use plan_from_run::plan_from_run;
pub use tables::PlanTotals;
