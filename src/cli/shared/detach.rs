//! Leaves a planned run to workers.

use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::run::job_lock::HeldJob;
use crate::cli::run::opened_source::OpenedSource;
use crate::cli::run::pending_plan::PendingPlan;
use crate::cli::run::scene::Scene;
use crate::cli::shared::share;
use batchctl::report::ExitStatus;
use std::ops::ControlFlow;

/// Stores the plan in the database, and leaves the calls to workers.
pub(crate) fn detach(
    opened: OpenedSource<'_>,
    job: Option<&HeldJob>,
    scene: &Scene<'_>,
) -> Result<ExitStatus, CommandError> {
    let terms = opened.terms(scene);
    let planned = share::shared(opened.plan(scene)?, terms.if_not_started, job, scene);
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
