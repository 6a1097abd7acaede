//! Begins a planned run: the last questions, then its calls; the same for one place and for several
//! targets.

use crate::cli::connect::client::ConnectedTarget;
use crate::cli::output::documents;
use crate::cli::output::error::CommandError;
use crate::cli::run::execute;
use crate::cli::run::execute::Execution;
use crate::cli::run::log_file::LogFile;
use crate::cli::run::pending_plan::PendingPlan;
use crate::cli::run::scene::Scene;
use crate::cli::run::terms::Terms;
use batchctl::report::ExitStatus;
use std::ops::ControlFlow;

/// Carries a planned run out at its places, unless its terms or the operator say no.
pub(crate) fn carry_out_if_wanted(
    pending: PendingPlan,
    terms: &Terms,
    places: Vec<ConnectedTarget<'_>>,
    scene: &Scene<'_>,
    log_file: Option<LogFile>,
) -> Result<ExitStatus, CommandError> {
    let Scene { documents, clock, context, .. } = *scene;
    let reporting = scene.flags.reporting;
    let is_reported = !documents.is_empty() || reporting.documents.json;
    if let ControlFlow::Break(status) = terms.decide(pending.planned(), scene, is_reported)? {
        pending.discard()?;
        return Ok(status);
    }
    let if_good = terms.if_good(pending.planned());
    let execution = Execution {
        targets: places,
        display: &reporting.display,
        documents,
        dump: &reporting.dump,
        options: &documents::options(&reporting.documents),
        json: reporting.documents.json,
        log_file,
        clock,
    };
    let status = execute::carry_out(pending, execution, context)?;
    Ok(if status == ExitStatus::Ok { if_good } else { status })
}
