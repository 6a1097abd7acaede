//! Keeps each run in one SQLite file: its plan, every attempt before it is sent, every outcome.
//!
//! One connection writes, on a thread of its own and under a lock that the kernel frees when the
//! process dies; other processes may read a live run. An event is durable when its commit
//! returned, so after a kill every task is exactly one of settled, in doubt and never sent.
//! Must not know the engine, displays or reports, and never overwrites a file it did not make.

mod again;
mod arrivals;
mod cells;
mod changes;
mod claims;
mod compare;
mod directory;
mod divided;
mod doubles;
mod draft;
mod error;
mod failed;
mod fate;
mod follow;
mod health;
mod job;
mod load;
mod looking;
mod mark;
mod network;
mod open_tasks;
mod ordinal_set;
mod presence;
mod rates;
mod reader;
mod record;
mod rows;
mod schema;
mod sendings;
mod sheet;
mod sights;
mod standing;
#[cfg(test)]
mod tests;
mod writer;
mod writing;

pub use again::plan_again;
pub use arrivals::VerifyRound;
pub use claims::UnsettledTask;
pub use compare::TaskPair;
pub use compare::for_each_pair;
pub use directory::RunDirectory;
pub use directory::RunId;
pub use directory::RunIdError;
pub use directory::RunLock;
pub use draft::Draft;
pub use draft::draft;
pub use error::StoreError;
pub use job::JobLock;
pub use job::JobName;
pub use job::JobNameError;
pub use job::lock_job;
pub use load::NewPlan;
pub use load::PlanTotals;
pub use load::PlannedRun;
pub use load::plan_only;
pub use load::plan_run;
pub use looking::TaskSelection;
pub use rates::RateKey;
pub use rates::keep_learnt_rate;
pub use rates::learnt_rate;
pub use reader::RunReader;
pub use record::NewRun;
pub use record::RunRecord;
pub use record::SessionRecord;
pub use record::SourceRecord;
pub use record::StoredEnd;
pub use rows::AttemptRow;
pub use rows::ChangeRow;
pub use rows::HoldRow;
pub use rows::PlanRow;
pub use rows::SeenRow;
pub use rows::SendingRow;
pub use rows::TaskRow;
pub use sights::IfMissing;
pub use sights::Purpose;
pub use sights::Surveyed;
pub use standing::ResumePoint;
pub use writer::RunWriter;
