//! Finds the project when none was given: from the credentials, otherwise by asking IAM.

use crate::cli::Context;
use crate::cli::connect::credentials;
use crate::cli::connect::credentials::PartialDestination;
use crate::cli::flags::connection::CredentialArgs;
use crate::cli::output::error::CommandError;
use crate::cli::process::runtime::runtime;
use batchctl::api::{CredentialSource, Credentials, ProjectId, TokenSource};
use std::sync::Arc;

/// A project, and the credentials if they had to be got for it.
pub(crate) struct FoundProject {
    pub(crate) project: ProjectId,
    pub(crate) loaded: Option<Arc<Credentials>>,
}

/// Finds out the project that the credentials are for.
pub(crate) fn ask(
    args: &CredentialArgs,
    target: &PartialDestination<'_>,
    context: &Context,
) -> Result<FoundProject, CommandError> {
    match credentials::find(args, target, context)? {
        source @ CredentialSource::Login(_) => of_login(source, context),
        source @ CredentialSource::Key(_) => of_key(source, args, target, context),
        // Only the token that a login left behind is known to be for a project.
        CredentialSource::Token(TokenSource::Given { project: Some(project), .. }) => {
            Ok(FoundProject { project, loaded: None })
        }
        CredentialSource::Token(_) => Err(missing()),
    }
}

fn missing() -> CommandError {
    CommandError::usage("the project is missing")
        .with_hint("name it with `--project-id ID`, or try it with `--sandbox`")
        .with_target_hint("put `project_id` into {table}, or try it with `--sandbox`")
}

fn of_login(source: CredentialSource, context: &Context) -> Result<FoundProject, CommandError> {
    let loaded = runtime()?.block_on(credentials::load_from(source, context))?;
    let project = loaded.project().ok_or_else(missing)?;
    Ok(FoundProject { project, loaded: Some(Arc::new(loaded)) })
}

fn of_key(
    source: CredentialSource,
    args: &CredentialArgs,
    target: &PartialDestination<'_>,
    context: &Context,
) -> Result<FoundProject, CommandError> {
    let companions = credentials::companions(context)?;
    if let Some(project) = companions.project {
        let loaded = runtime()?.block_on(credentials::load_from(source, context))?;
        return Ok(FoundProject { project, loaded: Some(Arc::new(loaded)) });
    }
    let named = companions.iam_endpoint.map(|text| text.parse()).transpose();
    let named = args.iam_endpoint.clone().or(named.map_err(CommandError::usage)?);
    let iam = credentials::iam(named.as_ref(), target, context)?;
    let name = credentials::project_name(args, target).ok_or_else(missing)?;
    runtime()?.block_on(async {
        let loaded = credentials::load_from(source, context).await?;
        let project = loaded.find_project(&iam, &name).await?;
        Ok(FoundProject { project, loaded: Some(Arc::new(loaded)) })
    })
}
