//! The files of settings and secrets that no output may be written over.

use crate::cli::Context;
use crate::cli::connect::credentials::{key, secret_file, stored};
use crate::cli::flags::connection::CredentialArgs;
use crate::cli::output::taken_files::TakenFiles;
use std::path::PathBuf;

/// Finds the files that hold settings and secrets, as far as flags and this machine name them.
pub(crate) fn find(args: Option<&CredentialArgs>, context: &Context) -> TakenFiles {
    let mut taken = TakenFiles::default();
    let token = args.and_then(|args| args.token_file.as_deref());
    let password = args.and_then(|args| args.iam_password_file.as_deref());
    let webhook: Option<PathBuf> = context.given.value("notify-url-file");
    let signing: Option<PathBuf> = context.given.value("notify-secret-file");
    for (path, what) in [
        (token, "the token file"),
        (password, "the file of the password"),
        (webhook.as_deref(), "the file of the webhook"),
        (signing.as_deref(), "the file of the webhook's secret"),
    ] {
        if let Some(path) = path {
            taken.add(&secret_file::located(path, context), what);
        }
    }
    let config = context.environment.config_file();
    for (path, what) in [
        (config, "the config file"),
        (key::official_path(context), "the file of an access key"),
        (Some(stored::path(context)), "the kept login"),
    ] {
        if let Some(path) = path {
            taken.add(&path, what);
        }
    }
    taken
}
