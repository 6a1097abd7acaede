//! Takes into the database what was seen of the tasks of a run that no worker is on.

use crate::cli::Context;
use crate::cli::output::error::CommandError;
use batchctl::database::Then;
use batchctl::event::StopReason;
use batchctl::store::RunId;

/// How the tasks of a run were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looked {
    /// Until they had arrived, or for as long as was wanted.
    ToTheEnd,
    /// Until somebody stopped it.
    InPart,
    /// Once.
    Once,
}

impl Looked {
    /// Returns how far a walk got that may have been stopped, or may not have had all credentials.
    pub(crate) fn of(stopped: Option<StopReason>, is_refused: bool) -> Self {
        if stopped.is_some() || is_refused { Self::InPart } else { Self::ToTheEnd }
    }
}

/// Takes into the database what was seen of a run, if it is from there.
pub(crate) fn keep(id: &RunId, looked: Looked, context: &Context) -> Result<(), CommandError> {
    let Some(database) = context.store.database() else { return Ok(()) };
    let then = match looked {
        Looked::ToTheEnd => Then::LookedAfter,
        Looked::InPart | Looked::Once => Then::AsBefore,
    };
    Ok(database.publish(id, then)?)
}
