//! Keeps a planned run in a database.

use crate::cli::output::error::CommandError;
use crate::cli::process::runtime::runtime;
use crate::cli::run::job_lock::HeldJob;
use crate::cli::run::pending_plan::IfNotStarted;
use crate::cli::run::scene::Scene;
use crate::cli::shared::group::warning;
use batchctl::database::StoredTerms;
use batchctl::run::{Planned, SharedRun, TakenUp};
use batchctl::settings::RunSettings;
use batchctl::system::machine::uname;
use batchctl::text::plural;
use std::sync::Arc;
use std::time::Duration;

/// Refuses what the workers of a database do not keep together, and what each of them would do in
/// another way: `planned` is how a run was planned that is taken up.
pub(crate) fn check(
    settings: &RunSettings,
    planned: Option<&RunSettings>,
) -> Result<(), CommandError> {
    if settings.shard.is_some() {
        let error = "`--shard` is for runs in a directory, and `--store` names a database";
        return Err(CommandError::usage(error).with_hint("leave out `--shard` or `--store`"));
    }
    if settings.target.as_ref().is_some_and(|target| target.rate_total.is_some()) {
        let error = "`--rate-total` is for runs in a directory, and `--store` names a database";
        return Err(CommandError::usage(error).with_hint(
            "give the targets one `rate_group`, whose rate they share, or leave it out",
        ));
    }
    let Some(planned) = planned else { return Ok(()) };
    let changed = [
        (settings.skip_unchanged != planned.skip_unchanged, "--skip-unchanged"),
        (settings.wait.is_some() != planned.wait.is_some(), "--wait"),
        (settings.drill.is_some() != planned.drill.is_some(), "--drill"),
        (settings.canary != planned.canary, "--canary"),
        (settings.waves != planned.waves, "--waves"),
    ];
    match changed.into_iter().find(|(is_changed, _)| *is_changed) {
        None => Ok(()),
        Some((_, flag)) => {
            let error =
                format!("`{flag}` is fixed once a run is in a database: its workers have to agree");
            Err(CommandError::usage(error).with_hint(format!("leave out `{flag}`")))
        }
    }
}

/// Keeps a planned run in the database, if one is named.
pub(crate) fn shared(
    mut planned: Planned,
    if_not_started: IfNotStarted,
    job: Option<&HeldJob>,
    scene: &Scene<'_>,
) -> Planned {
    let Some(database) = scene.context.store.database() else { return planned };
    let flags = scene.flags.shared;
    let taken_up = match if_not_started {
        IfNotStarted::Discard => TakenUp::Anew,
        _ if flags.joins.is_some() => TakenUp::Joined,
        IfNotStarted::KeepPlan => TakenUp::Applied,
        IfNotStarted::Keep => TakenUp::Again,
    };
    let of_targets = planned.targets().map(|settings| settings.timeout);
    let least = 2 * of_targets.max().unwrap_or_default().max(planned.settings().timeout);
    let terms = StoredTerms {
        lease: flags.plan.map_or(Duration::ZERO, |plan| plan.lease).max(least),
        trip: flags.plan.map(|plan| plan.store_rtt).or(flags.store_rtt).unwrap_or_default(),
        job_epoch: job.and_then(HeldJob::epoch),
    };
    let stderr = scene.context.stderr;
    planned.share(SharedRun {
        address: database.address().clone(),
        terms,
        patience: flags.store.store_timeout,
        host: host(),
        taken_up,
        on_uncertain: warning(stderr),
        on_unrecorded: Arc::new(move |known| {
            let Some((id, outcome)) = known.first else { return };
            let text = format!(
                "{} could not be recorded, the first one: {outcome} {id}; whoever goes on finds such \
                 tasks in doubt",
                plural(known.count, "outcome", "outcomes")
            );
            stderr.say("warning", &text);
        }),
    });
    planned
}

/// Returns the name of this machine.
pub(crate) fn host() -> String {
    uname().nodename().to_string_lossy().into_owned()
}

/// Stores a plan in its database, or applies the one that is there.
pub(crate) fn store(planned: Planned) -> Result<(), CommandError> {
    Ok(runtime()?.block_on(planned.store())?)
}
