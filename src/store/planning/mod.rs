//! Makes plans: loads rows into a run file, and leaves out duplicates and finished tasks.
//!
//! A plan becomes visible only when it is complete.

mod already_done;
mod dry_run;
mod duplicates;
mod load;
mod plan_from_run;

pub use dry_run::{Draft, draft};
pub use load::{NewPlan, PlanTotals, PlannedRun, plan_only, plan_run};
pub use plan_from_run::plan_again;
