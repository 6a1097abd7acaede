//! `auth`: checks credentials, and keeps a token for later commands.

pub(crate) mod check;

use crate::cli::Context;
use crate::cli::connect::config_keys;
use crate::cli::connect::credentials::{PartialDestination, StoredLogin};
use crate::cli::connect::{credentials, destination};
use crate::cli::flags::connection::{CredentialArgs, DestinationArgs};
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::process::runtime::runtime;
use batchctl::api::CredentialSource;
use batchctl::report::ExitStatus;
use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use std::sync::Arc;

pub(crate) const AUTH_HELP: &str = "\
All commands take their credentials from the first of these that is there: --token-file and
--token-command, systemd's batchctl-token, BATCHCTL_TOKEN, --iam-user, HUAWEICLOUD_SDK_AK and _SK,
the profile in config.toml, a kept login, ~/.huaweicloud/credentials.

Examples:
  batchctl auth check --json  for a cron job, before it begins
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
profile, and for this endpoint alone. Later commands use it until it ends, unless other
credentials are given. The password comes from BATCHCTL_IAM_PASSWORD, a file or a prompt, and is not
kept; it is tried once.

Examples:
  batchctl auth login --iam-user night --iam-domain acme --region cn-north-4
  batchctl auth login --iam-user night --iam-domain acme --iam-user-id ID
                                                   with an MFA device";

const LOGOUT_HELP: &str = "\
Examples:
  batchctl auth logout
  batchctl auth logout --profile prod              only that of one profile";

#[derive(Debug, Subcommand)]
pub(crate) enum AuthCommand {
    /// Check credentials: whose they are, how long they last, and what is wrong
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
    pub(crate) place: DestinationArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
    /// Print JSON
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    #[command(flatten)]
    pub(crate) place: DestinationArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
}

pub(crate) fn carry_out(
    command: &AuthCommand,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    match command {
        AuthCommand::Check(args) => check::check(args, context),
        AuthCommand::Login(args) => login(args, context),
        AuthCommand::Logout => logout(context),
    }
}

/// Logs in and keeps the token.
fn login(args: &LoginArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    config_keys::require_trusted(context)?;
    if args.place.sandbox {
        // The password must not go to the endpoint that is configured beside the sandbox.
        let error = "there is nothing to log in to: the sandbox takes any token";
        return Err(CommandError::usage(error)
            .with_hint("leave `--sandbox` out, or set BATCHCTL_SANDBOX=false"));
    }
    let endpoint = destination::endpoint_without_sandbox(&args.place, context)?;
    let route = destination::route(&args.place, &endpoint, context)?;
    let target = PartialDestination {
        endpoint: &endpoint,
        route: &route,
        project: args.place.project_id.as_ref(),
        region: args.place.region.as_deref(),
        recorded: None,
    };
    let login = credentials::login(&args.credentials, &target, context)?;
    let user = login.user.clone();
    let source = CredentialSource::Login(Arc::new(login));
    let granted = runtime()?.block_on(credentials::load_from(source, context))?;
    let project = granted.project().or(args.place.project_id.clone()).ok_or_else(|| {
        CommandError::usage("IAM did not say which project the token is for")
            .with_hint("name it with `--project-id ID`")
    })?;
    let token = granted.token().expect("a login gives a token");
    let stored = StoredLogin {
        token: token.expose_secret().to_owned(),
        expires_at: granted.expires_at(),
        endpoint: endpoint.to_string(),
        project: project.to_string(),
        user: user.clone(),
    };
    let path = credentials::keep_login(&stored, context)?;
    let until = granted.expires_at().map(|at| format!(" until {at}")).unwrap_or_default();
    let kept = path.display();
    let text = format!("logged in as {user} to project {project}{until}; kept in {kept}\n");
    stream::print(&text)?;
    Ok(ExitStatus::Ok)
}

/// Forgets the token that was kept; the service is not asked to end it.
fn logout(context: &Context) -> Result<ExitStatus, CommandError> {
    let text = if credentials::forget_login(context).map_err(CommandError::io)? {
        "the kept login is forgotten; its token is good until it ends\n"
    } else {
        "no login was kept\n"
    };
    stream::print(text)?;
    Ok(ExitStatus::Ok)
}
