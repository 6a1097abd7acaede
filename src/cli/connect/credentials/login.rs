//! Puts the login of an IAM user together from flags, variables, files and the terminal.

use crate::cli::Context;
use crate::cli::connect::credentials::{PartialDestination, Said, is_said, secret_file, text_of};
use crate::cli::connect::plain_http;
use crate::cli::flags::connection::CredentialArgs;
use crate::cli::flags::secret_value;
use crate::cli::output::error::CommandError;
use crate::cli::output::prompt;
use batchctl::api::{CredentialSource, Endpoint, Iam, Login, Scope, SecondFactor, read_text};
use batchctl::report::ExitStatus;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long connecting to IAM may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest password that a file may hold, in bytes.
const LONGEST_PASSWORD: usize = 4_096;
/// The password among the credentials that systemd hands a unit.
const OF_SYSTEMD: &str = "batchctl-iam-password";

/// Returns the login of the user that flags name there, if they do.
pub(crate) fn of_flags(
    args: &CredentialArgs,
    said: Said,
    target: &PartialDestination<'_>,
    context: &Context,
) -> Result<Option<CredentialSource>, CommandError> {
    if args.iam_user.is_none() || !is_said("iam_user", said, context) {
        return Ok(None);
    }
    Ok(Some(CredentialSource::Login(Arc::new(login(args, target, context)?))))
}

/// Puts a login together; asks a person at a terminal for what only they know.
pub(crate) fn login(
    args: &CredentialArgs,
    target: &PartialDestination<'_>,
    context: &Context,
) -> Result<Login, CommandError> {
    let user = args.iam_user.clone().ok_or_else(|| missing("the IAM user", &["iam-user NAME"]))?;
    let domain = args.iam_domain.clone();
    let domain = domain.ok_or_else(|| missing("the IAM user's account", &["iam-domain NAME"]))?;
    let iam = iam(args.iam_endpoint.as_ref(), target, context)?;
    let scope = scope(args, target)?;
    let password = password(args, &user, context)?;
    let second_factor = second_factor(args, context)?;
    Ok(Login { iam, user, domain, password: password.into(), second_factor, scope })
}

/// Asks for one of these flags with their values; for one of their keys, in the table of a target.
fn missing(what: &str, flags: &[&str]) -> CommandError {
    let failure = CommandError::new(ExitStatus::NotAuthorised, format!("{what} is missing"));
    let typed: Vec<String> = flags.iter().map(|flag| format!("`--{flag}`")).collect();
    let key = |flag: &&str| flag.split(' ').next().unwrap_or_default().replace('-', "_");
    let keys: Vec<String> = flags.iter().map(|flag| format!("`{}`", key(flag))).collect();
    failure
        .with_hint(format!("name it with {}", typed.join(" or ")))
        .with_target_hint(format!("put {} into {{table}}", keys.join(" or ")))
}

/// Returns the IAM that belongs to an endpoint.
pub(crate) fn iam(
    named: Option<&Endpoint>,
    target: &PartialDestination<'_>,
    context: &Context,
) -> Result<Iam, CommandError> {
    // A password is not sent anywhere on a guess: a region that was named beside another
    // endpoint says nothing about who runs that.
    let endpoint = named.cloned().or_else(|| target.endpoint.iam());
    let endpoint = endpoint.ok_or_else(|| missing("the address of IAM", &["iam-endpoint URL"]))?;
    if endpoint.is_insecure_over(target.route) {
        plain_http::allow(&endpoint, "the password", context)?;
    }
    Ok(Iam { endpoint, route: target.route.clone(), connect_timeout: CONNECT_TIMEOUT })
}

fn scope(args: &CredentialArgs, target: &PartialDestination<'_>) -> Result<Scope, CommandError> {
    match (target.project, project_name(args, target)) {
        (Some(id), _) => Ok(Scope::Id(id.clone())),
        (None, Some(name)) => Ok(Scope::Name(name)),
        (None, None) => Err(missing("the project", &["project-id ID", "iam-project NAME"])),
    }
}

/// Returns the name of the project: by default it is the region's.
pub(crate) fn project_name(
    args: &CredentialArgs,
    target: &PartialDestination<'_>,
) -> Option<String> {
    let of_region = || target.region.or_else(|| target.endpoint.region()).map(str::to_owned);
    args.iam_project.clone().or_else(of_region)
}

fn password(args: &CredentialArgs, user: &str, context: &Context) -> Result<String, CommandError> {
    if let Some(password) = text_of("BATCHCTL_IAM_PASSWORD", context)? {
        return Ok(password.to_owned());
    }
    let named = args.iam_password_file.as_ref().map(|path| secret_file::located(path, context));
    let of_systemd = || secret_file::of_systemd(OF_SYSTEMD, context);
    if let Some(path) = named.or_else(of_systemd) {
        secret_file::warn_if_shared(&path, context);
        return of_file(&path);
    }
    asked(&format!("password of `{user}`"), context)?.ok_or_else(|| {
        let failure =
            CommandError::new(ExitStatus::NotAuthorised, "the IAM user's password is missing");
        failure
            .with_hint(
                "put it into BATCHCTL_IAM_PASSWORD, or name a file with `--iam-password-file FILE`",
            )
            .with_target_hint("put `iam_password_file` into {table}")
    })
}

/// Reads a password: the first line of a file that is not blank, without white space at its ends.
fn of_file(path: &Path) -> Result<String, CommandError> {
    let refuse = |why: &str| {
        let file = secret_value::file_of("iam-password-file", path);
        let error = format!("cannot read a password from {file}: {why}");
        CommandError::new(ExitStatus::NotAuthorised, error)
            .with_hint("a password itself belongs into BATCHCTL_IAM_PASSWORD")
            .with_target_hint("check `iam_password_file` in {table}")
    };
    let text = read_text(path).map_err(|error| refuse(&error.to_string()))?;
    // Further lines are notes of the owner.
    let password = text.trim().lines().next().unwrap_or_default().trim();
    if password.is_empty() || password.len() > LONGEST_PASSWORD {
        return Err(refuse("its first line is empty or too long"));
    }
    let control = password.chars().position(char::is_control);
    if let Some((place, code)) = control.zip(password.chars().find(|c| c.is_control())) {
        let code = u32::from(code);
        return Err(refuse(&format!("character {} is the control U+{code:04X}", place + 1)));
    }
    Ok(password.to_owned())
}

/// Returns the passcode of a user that `--iam-user-id` says has one.
fn second_factor(
    args: &CredentialArgs,
    context: &Context,
) -> Result<Option<SecondFactor>, CommandError> {
    let Some(user_id) = args.iam_user_id.clone() else { return Ok(None) };
    let passcode = match text_of("BATCHCTL_IAM_PASSCODE", context)? {
        Some(passcode) => Some(passcode.to_owned()),
        None => asked("passcode of the MFA device", context)?,
    };
    let passcode = passcode.ok_or_else(|| {
        let failure = CommandError::new(ExitStatus::NotAuthorised, "the passcode is missing");
        failure.with_hint("put it into BATCHCTL_IAM_PASSCODE").with_target_hint(
            "put `token_command` into {table}: nobody can be asked for a passcode",
        )
    })?;
    Ok(Some(SecondFactor { user_id, passcode: passcode.into() }))
}

/// Asks a person; nothing, if there is none.
fn asked(what: &str, context: &Context) -> Result<Option<String>, CommandError> {
    let answer = prompt::secret(&format!("{what}: "), &context.environment, &context.stderr);
    match answer.map_err(CommandError::io)? {
        prompt::Secret::Given(text) => Ok(Some(text)),
        prompt::Secret::Nobody => Ok(None),
        prompt::Secret::Interrupted => {
            Err(CommandError::new(ExitStatus::Interrupted, "nothing was sent"))
        }
    }
}
