//! Leaves a planned run to workers.

use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::run::job_lock::HeldJob;
use crate::cli::run::pending_plan::PendingPlan;
use crate::cli::run::scene::Scene;
use crate::cli::run::terms::Terms;
use crate::cli::shared::share;
use batchctl::report::ExitStatus;
use batchctl::run::Planned;
use std::ops::ControlFlow;

/// Stores the plan in the database, and leaves the calls to workers.
pub(crate) fn detach(
    planned: Planned,
    terms: &Terms,
    job: Option<&HeldJob>,
    scene: &Scene<'_>,
) -> Result<ExitStatus, CommandError> {
    let planned = share::shared(planned, terms.if_not_started, job, scene);
    let pending = PendingPlan::new(planned, terms.if_not_started);
    if let ControlFlow::Break(status) = terms.decide(pending.planned(), scene, false)? {
        pending.discard()?;
        return Ok(status);
    }
    let id = pending.planned().id().clone();
    share::store(pending.begin())?;
    stream::print(&format!("{id}\n"))?;
    Ok(ExitStatus::Ok)
}
