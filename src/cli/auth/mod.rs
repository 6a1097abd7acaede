//! `auth`: who one is, for how long, and what is wrong; and a token for later commands.

mod check;

use crate::cli::Context;
use crate::cli::args::AuthCommand;
use crate::cli::args::LoginArgs;
use crate::cli::credentials;
use crate::cli::credentials::StoredLogin;
use crate::cli::credentials::Target;
use crate::cli::failure::Failure;
use crate::cli::list;
use crate::cli::place;
use crate::cli::stream;
use batchctl::api::CredentialSource;
use batchctl::report::ExitStatus;
use secrecy::ExposeSecret;
use std::sync::Arc;

pub(crate) fn carry_out(command: &AuthCommand, context: &Context) -> Result<ExitStatus, Failure> {
    match command {
        AuthCommand::Check(args) => check::check(args, context),
        AuthCommand::Login(args) => login(args, context),
        AuthCommand::Logout => logout(context),
    }
}

/// Logs in and keeps the token.
fn login(args: &LoginArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let told = |error: std::io::Error| Failure::new(ExitStatus::InputOutput, error);
    let endpoint = place::endpoint(&args.place, context)?;
    let route = place::route(&args.place, &endpoint, context)?;
    let target = Target {
        endpoint: &endpoint,
        route: &route,
        project: args.place.project_id.as_ref(),
        region: args.place.region.as_deref(),
    };
    let login = credentials::login(&args.credentials, &target, context)?;
    let user = login.user.clone();
    let source = CredentialSource::Login(Arc::new(login));
    let granted = list::runtime()?.block_on(credentials::load_from(source, context))?;
    let project = granted.project().or(args.place.project_id.clone()).ok_or_else(|| {
        Failure::usage("IAM did not say which project the token is for")
            .with_hint("name it with `--project-id ID`".to_owned())
    })?;
    let token = granted.token().expect("a login gives a token");
    let stored = StoredLogin {
        token: token.expose_secret().to_owned(),
        expires_at: granted.expires_at(),
        endpoint: endpoint.to_string(),
        project: project.to_string(),
        user: user.clone(),
    };
    let path = credentials::keep_login(&stored, context).map_err(told)?;
    let until = granted.expires_at().map(|at| format!(" until {at}")).unwrap_or_default();
    let kept = path.display();
    let text = format!("logged in as {user} to project {project}{until}; kept in {kept}\n");
    stream::print(&text).map_err(told)?;
    Ok(ExitStatus::Ok)
}

/// Forgets the token that was kept; the service is not asked to end it.
fn logout(context: &Context) -> Result<ExitStatus, Failure> {
    let told = |error: std::io::Error| Failure::new(ExitStatus::InputOutput, error);
    let text = match credentials::forget_login(context).map_err(told)? {
        true => "the kept login is forgotten; its token is good until it ends\n",
        false => "no login was kept\n",
    };
    stream::print(text).map_err(told)?;
    Ok(ExitStatus::Ok)
}
