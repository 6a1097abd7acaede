//! Keeps each run in one SQLite file: its plan, every attempt before it is sent, every outcome.
//!
//! One connection writes, on a thread of its own and under a lock that the kernel frees when the
//! process dies; other processes may read a live run. An event is durable when its commit
//! returned, so after a kill every task is exactly one of settled, in doubt and never sent.
//! Must not know the engine, displays or reports, and never overwrites a file it did not make.

mod codes;
mod error;
mod fate;
mod files;
mod ordinal_set;
mod planning;
mod reading;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod unsettled;
mod writing;

pub use error::StoreError;
pub use files::JobLock;
pub use files::JobName;
pub use files::JobNameError;
pub use files::RateKey;
pub use files::RunDirectory;
pub use files::RunId;
pub use files::RunIdError;
pub use files::RunLock;
pub use files::keep_learnt_rate;
pub use files::learnt_rate;
pub use files::lock_job;
pub use planning::Draft;
pub use planning::NewPlan;
pub use planning::PlanTotals;
pub use planning::PlannedRun;
pub use planning::draft;
pub use planning::plan_again;
pub use planning::plan_only;
pub use planning::plan_run;
pub use reading::NewRun;
pub use reading::RunReader;
pub use reading::RunRecord;
pub use reading::SessionRecord;
pub use reading::SourceRecord;
pub use reading::StoredEnd;
pub use reading::TaskPair;
pub use reading::for_each_pair;
pub use rows::AttemptRow;
pub use rows::ChangeRow;
pub use rows::HoldRow;
pub use rows::PlanRow;
pub use rows::SeenRow;
pub use rows::SendingRow;
pub use rows::TaskRow;
pub use writing::IfMissing;
pub use writing::Purpose;
pub use writing::ResumePoint;
pub use writing::RunWriter;
pub use writing::Surveyed;
pub use writing::TaskSelection;
pub use writing::UnsettledTask;
pub use writing::VerifyRound;
