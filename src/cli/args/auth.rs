//! The flags of `auth`.

use crate::cli::args::CredentialArgs;
use crate::cli::args::PlaceArgs;
use clap::Args;
use clap::Subcommand;

pub(crate) const AUTH_HELP: &str = "\
All commands take their credentials from the first of these that is there: --token-file and
--token-command, systemd's batchctl-token, BATCHCTL_TOKEN, --iam-user, HUAWEICLOUD_SDK_AK and _SK,
the profile in config.toml, a kept login, ~/.huaweicloud/credentials.

Examples:
  batchctl auth check --json                       for a cron job, before it begins
  batchctl auth login --iam-user night --iam-domain acme --region cn-north-4
  batchctl auth logout";

const CHECK_HELP: &str = "\
Makes one cheap call, a page of the list. Exit status: 0 if it was answered, 77 if the credentials
are missing or refused, 1 if the service could not be asked.

Examples:
  batchctl auth check --region cn-north-4 --project-id ID --token-file ~/.token
  batchctl auth check --json && batchctl stop tasks.csv --cron";

const LOGIN_HELP: &str = "\
Logs in to IAM and keeps the token in the state directory, for its owner alone, one for each
profile, and for this endpoint alone. Later commands use it until it ends, unless they are told
of other credentials. The password comes from BATCHCTL_IAM_PASSWORD, a file or a prompt, and is not
kept; it is tried once.

Examples:
  batchctl auth login --iam-user night --iam-domain acme --region cn-north-4
  batchctl auth login --iam-user-id ID --region cn-north-4     with an MFA device";

const LOGOUT_HELP: &str = "\
Examples:
  batchctl auth logout
  batchctl auth logout --profile prod              only that of one profile";

#[derive(Debug, Subcommand)]
pub(crate) enum AuthCommand {
    /// Say who one is, for how long, and what is wrong
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Log in to IAM and keep the token for later commands
    #[command(after_help = LOGIN_HELP)]
    Login(LoginArgs),
    /// Forget the token that was kept
    #[command(after_help = LOGOUT_HELP)]
    Logout,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
    /// Print JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
}
