//! Keys that sign: the official variables, and the official file.

use crate::cli::Context;
use crate::cli::connect::credentials::{secret_file, text_of};
use crate::cli::output::error::CommandError;
use batchctl::api::{AccessKey, CredentialSource, OfficialFile, ProjectId, official_file};
use batchctl::report::ExitStatus;
use std::path::PathBuf;
use std::sync::Arc;

/// What belongs to a key beside the key: where it was found, it may say more.
pub(crate) struct Companions {
    pub(crate) project: Option<ProjectId>,
    pub(crate) iam_endpoint: Option<String>,
}

/// Returns the key of the official variables.
pub(crate) fn of_variables(context: &Context) -> Result<Option<CredentialSource>, CommandError> {
    let id = text_of("HUAWEICLOUD_SDK_AK", context)?;
    let secret = text_of("HUAWEICLOUD_SDK_SK", context)?;
    let (id, secret) = match (id, secret) {
        (None, None) => return Ok(None),
        (Some(id), Some(secret)) => (id, secret),
        (Some(_), None) => return Err(lonely("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK")),
        (None, Some(_)) => return Err(lonely("HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_AK")),
    };
    let token = text_of("HUAWEICLOUD_SDK_SECURITY_TOKEN", context)?.map(Into::into);
    let key = AccessKey::new(id, secret.into(), token, "HUAWEICLOUD_SDK_AK")?;
    Ok(Some(CredentialSource::Key(Arc::new(key))))
}

fn lonely(set: &str, missing: &str) -> CommandError {
    CommandError::new(ExitStatus::NotAuthorised, format!("{set} is set and {missing} is not"))
}

/// Returns the key of the official file, if there is such a file.
pub(crate) fn of_official_file(
    context: &Context,
) -> Result<Option<CredentialSource>, CommandError> {
    let Some(path) = official_path(context) else { return Ok(None) };
    secret_file::warn_if_shared(&path, context);
    let OfficialFile { key, .. } = official_file(&path)?;
    Ok(Some(CredentialSource::Key(Arc::new(key))))
}

pub(crate) fn official_path(context: &Context) -> Option<PathBuf> {
    let named = context.environment.variable("HUAWEICLOUD_SDK_CREDENTIALS_FILE");
    let path = match named {
        Some(path) => PathBuf::from(path),
        None => context.environment.home()?.join(".huaweicloud").join("credentials"),
    };
    path.is_file().then_some(path)
}

/// Returns what the official variables, or else the official file, say beside the key.
pub(crate) fn companions(context: &Context) -> Result<Companions, CommandError> {
    if text_of("HUAWEICLOUD_SDK_AK", context)?.is_none()
        && let Some(path) = official_path(context)
    {
        let OfficialFile { project, iam_endpoint, .. } = official_file(&path)?;
        return Ok(Companions { project, iam_endpoint });
    }
    let project = text_of("HUAWEICLOUD_SDK_PROJECT_ID", context)?;
    Ok(Companions {
        project: project.map(str::parse).transpose().map_err(CommandError::usage)?,
        iam_endpoint: text_of("HUAWEICLOUD_SDK_IAM_ENDPOINT", context)?.map(str::to_owned),
    })
}
