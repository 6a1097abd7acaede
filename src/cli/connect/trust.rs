//! Which credentials a run that is taken up may be sent.
//!
//! A run's file says where its calls go, and anybody who can write that file decides it. So its
//! endpoint alone is no reason to send a secret there: the endpoint has to stand beside the
//! credentials in the configuration, or be typed, or the credentials are given for this command.

use crate::cli::Context;
use crate::cli::flags::precedence::Rank;
use crate::cli::output::error::CommandError;
use batchctl::api::Endpoint;
use batchctl::report::{ExitStatus, profile_flag};
use batchctl::settings::{CredentialKind, DEFAULT_PROFILE};
use batchctl::store::RunRecord;

/// What a run that is taken up says about its credentials.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recorded {
    /// The kind of their source, which is looked at first.
    pub(crate) kind: Option<CredentialKind>,
    pub(crate) accepts: Accepts,
}

/// Which credentials may go where a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepts {
    /// All: the endpoint stands beside them, or somebody typed it.
    All,
    /// Those that are given for this command, by a flag or a variable.
    Given,
}

/// Decides which credentials a run may be sent. `beside` is the endpoint of flags, variables and
/// the profile.
///
/// # Errors
///
/// 77 if the profile names another endpoint than the run, and nobody typed one.
pub(crate) fn of_run(
    record: &RunRecord,
    beside: Option<&Endpoint>,
    context: &Context,
) -> Result<Recorded, CommandError> {
    let rank = |flag| context.given.rank(flag);
    let endpoint_rank = rank("endpoint").max(rank("region"));
    let accepts = match beside {
        _ if endpoint_rank == Rank::CommandLine => Accepts::All,
        Some(endpoint) if endpoint.to_string() == record.run.endpoint => Accepts::All,
        // The calls go where the variable says, and not where the run went.
        Some(_) if endpoint_rank == Rank::Variable => Accepts::Given,
        Some(endpoint) => return Err(elsewhere(record, endpoint, context)),
        None => Accepts::Given,
    };
    Ok(Recorded { kind: record.run.settings.credentials, accepts })
}

/// Refuses credentials that stand beside another endpoint than that of a run.
pub(crate) fn elsewhere(record: &RunRecord, beside: &Endpoint, context: &Context) -> CommandError {
    let profile = &context.profile;
    let error = format!(
        "run {} goes to `{}`, and the credentials of the profile `{profile}` are for `{beside}`",
        record.run.id, record.run.endpoint
    );
    CommandError::new(ExitStatus::NotAuthorised, error)
        .with_hint(hint(record, context))
        .with_target_hint(hint_of_target(&record.run.endpoint))
}

/// Refuses credentials that nobody gave for the endpoint of a run.
pub(crate) fn not_given(target: &Endpoint) -> CommandError {
    let error = format!("no credentials in force are known to be for `{target}`");
    let hint = format!("`--endpoint {target}`, if they are meant for it");
    CommandError::new(ExitStatus::NotAuthorised, error)
        .with_hint(hint)
        .with_target_hint(hint_of_target(&target.to_string()))
}

fn hint_of_target(endpoint: &str) -> String {
    format!("put `endpoint = \"{endpoint}\"` into {{table}}, if they are meant for it")
}

fn hint(record: &RunRecord, context: &Context) -> String {
    let endpoint = &record.run.endpoint;
    let typed = format!("`--endpoint {endpoint}`, if they are meant for it");
    let recorded = &record.run.settings.profile;
    if *recorded == context.profile {
        return typed;
    }
    let flag = profile_flag(recorded).unwrap_or_else(|| format!("--profile {DEFAULT_PROFILE}"));
    format!("`{flag}`, which the run was made with; or {typed}")
}
