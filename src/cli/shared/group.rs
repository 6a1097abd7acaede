//! The sending slots that runs of a rate group share in the database.

use crate::cli::Context;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream::Stderr;
use batchctl::clock::Clock;
use batchctl::policy::SharedSlots;
use batchctl::run::OnUncertain;
use batchctl::settings::RunSettings;
use batchctl::store::RunId;
use batchctl::text::span;
use std::sync::Arc;

/// Returns the slots in which lists are read for each target of a run, if it is in a database; `targets`
/// are the settings of all of them, and of a run without any its own.
pub(crate) fn slots(
    id: &RunId,
    targets: &[RunSettings],
    clock: Clock,
    context: &Context,
) -> Result<Vec<Option<SharedSlots>>, CommandError> {
    let Some(database) = context.store.database() else { return Ok(Vec::new()) };
    Ok(database.group_slots(id, targets, clock, &warning(context.stderr))?)
}

/// Returns what says that the database is too far away to send anything.
pub(crate) fn warning(stderr: Stderr) -> OnUncertain {
    Arc::new(move |own, most| {
        let text = format!(
            "the way to the database and back takes {}, and the rate of this run allows {}: this \
             process sends nothing; a longer `--store-rtt` makes the run a little slower, and lets \
             it send",
            span(own),
            span(most)
        );
        stderr.say("warning", &text);
    })
}
