//! Which token a run uses: the flags' first, then the variable's.

use super::Context;
use super::args::CredentialArgs;
use super::failure::Failure;
use super::place::Place;
use super::rank;
use super::rank::Stronger;
use batchctl::api::Token;
use batchctl::api::TokenSource;
use batchctl::report::ExitStatus;
use std::path::PathBuf;

/// What the embedded sandbox is sent; it takes any token.
const SANDBOX_TOKEN: &str = "sandbox";

/// Gets the token.
pub(super) async fn token(
    args: &CredentialArgs,
    place: &Place,
    context: &Context,
) -> Result<Token, Failure> {
    let Some(source) = source(args, place, context)? else {
        return Err(Failure::new(ExitStatus::NotAuthorised, "there are no credentials").with_hint(
            "name a file with `--token-file FILE` or a command with `--token-command CMD`, or \
             put the token into BATCHCTL_TOKEN"
                .to_owned(),
        ));
    };
    source.load().await.map_err(|error| Failure::new(ExitStatus::NotAuthorised, error))
}

fn source(
    args: &CredentialArgs,
    place: &Place,
    context: &Context,
) -> Result<Option<TokenSource>, Failure> {
    // The embedded sandbox is never sent a real token.
    if place.sandbox.is_some() {
        return Ok(Some(TokenSource::Given(SANDBOX_TOKEN.into())));
    }
    let file = |path: &PathBuf| Ok(Some(TokenSource::File(path.clone())));
    let command = |line: &String| {
        let environment = context.surroundings.for_commands();
        Ok(Some(TokenSource::Command { line: line.clone(), environment }))
    };
    match (&args.token_file, &args.token_command) {
        (Some(path), None) => file(path),
        (None, Some(line)) => command(line),
        (Some(path), Some(line)) => {
            match rank::stronger("token-file", "token-command", &context.matches)? {
                Stronger::First => file(path),
                Stronger::Second => command(line),
            }
        }
        (None, None) => of_variable(context),
    }
}

fn of_variable(context: &Context) -> Result<Option<TokenSource>, Failure> {
    let Some(variable) = context.surroundings.variable("BATCHCTL_TOKEN") else { return Ok(None) };
    let text = variable.to_str().ok_or_else(|| {
        Failure::new(ExitStatus::NotAuthorised, "BATCHCTL_TOKEN contains what no token has")
    })?;
    Ok(Some(TokenSource::Given(text.into())))
}
