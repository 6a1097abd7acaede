//! Finds files that hold a secret, and checks whether others can read them.

use crate::cli::Context;
use crate::cli::output::error::CommandError;
use batchctl::report::ExitStatus;
use batchctl::system::files::{MetadataExt, PermissionsExt};
use batchctl::system::process::geteuid;
use std::fs;
use std::path::{Path, PathBuf};

/// The bits of a mode that let others than the owner read.
const READABLE_BY_OTHERS: u32 = 0o044;

/// The bits of a mode that let others do anything.
const ACCESSIBLE_TO_OTHERS: u32 = 0o077;

/// Returns where a named file is: a bare name that systemd has a credential of is that one.
pub(crate) fn located(path: &Path, context: &Context) -> PathBuf {
    let bare = path.file_name().filter(|name| path.as_os_str() == *name);
    let name = bare.and_then(|name| name.to_str());
    name.and_then(|name| of_systemd(name, context)).unwrap_or_else(|| path.to_owned())
}

/// Returns the file of a credential that systemd hands this unit, if there is one.
pub(crate) fn of_systemd(name: &str, context: &Context) -> Option<PathBuf> {
    let directory = context.environment.variable("CREDENTIALS_DIRECTORY")?;
    Some(Path::new(directory).join(name)).filter(|path| path.is_file())
}

/// Refuses a file of this program's own making that others can read, write or put there.
pub(crate) fn require_own(path: &Path) -> Result<(), CommandError> {
    // What cannot be looked at cannot be read either, and the reader says why.
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    let owner = metadata.uid();
    let remedy = if owner != geteuid().as_raw() && owner != 0 {
        format!("rm '{}', then batchctl auth login", path.display())
    } else if metadata.mode() & ACCESSIBLE_TO_OTHERS != 0 {
        format!("chmod 600 '{}'", path.display())
    } else {
        return Ok(());
    };
    let error = format!("`{}` holds a secret and is not yours alone", path.display());
    Err(CommandError::new(ExitStatus::NotAuthorised, error).with_hint(remedy))
}

/// Warns of a file that others can read, and says what to type. What systemd made is its affair.
pub(crate) fn warn_if_shared(path: &Path, context: &Context) {
    let directory = context.environment.variable("CREDENTIALS_DIRECTORY");
    if directory.is_some_and(|directory| path.starts_with(directory)) {
        return;
    }
    let Ok(metadata) = fs::metadata(path) else { return };
    if !metadata.is_file() || metadata.permissions().mode() & READABLE_BY_OTHERS == 0 {
        return;
    }
    // Under cron only messages about failures are mailed, and this one must be read.
    let stderr = context.stderr.of_failures();
    let path = path.display();
    stderr.say("warning", &format!("`{path}` holds a secret and others can read it"));
    stderr.say("hint", &format!("chmod 600 '{path}'"));
}
