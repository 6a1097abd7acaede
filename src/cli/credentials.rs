//! Which token a run uses: the flags' first, then the variable's.

use super::Context;
use super::args::CredentialArgs;
use super::failure::Failure;
use super::place::Place;
use super::rank;
use super::rank::Stronger;
use batchctl::api::Credentials;
use batchctl::api::Redactor;
use batchctl::api::TokenSource;
use batchctl::clock::Clock;
use batchctl::report::ExitStatus;
use std::path::PathBuf;

/// What the embedded sandbox is sent; it takes any token.
const SANDBOX_TOKEN: &str = "any-token";

/// Decides where the token is to be had; gets none yet.
pub(super) fn source(
    args: &CredentialArgs,
    place: &Place,
    context: &Context,
) -> Result<TokenSource, Failure> {
    // The embedded sandbox is never sent a real token.
    if place.sandbox.is_some() {
        return Ok(TokenSource::given(SANDBOX_TOKEN, "the embedded sandbox"));
    }
    let file = |path: &PathBuf| Ok(TokenSource::File(path.clone()));
    let command = |line: &String| {
        let environment = context.surroundings.for_commands();
        Ok(TokenSource::Command { line: line.clone(), environment })
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

fn of_variable(context: &Context) -> Result<TokenSource, Failure> {
    let refused = |error: &str| Failure::new(ExitStatus::NotAuthorised, error);
    let Some(variable) = context.surroundings.variable("BATCHCTL_TOKEN") else {
        return Err(refused("there are no credentials").with_hint(
            "name a file with `--token-file FILE` or a command with `--token-command CMD`, or \
             put the token into BATCHCTL_TOKEN"
                .to_owned(),
        ));
    };
    let text =
        variable.to_str().ok_or_else(|| refused("BATCHCTL_TOKEN contains what no token has"))?;
    Ok(TokenSource::given(text, "BATCHCTL_TOKEN"))
}

/// Gets the token.
pub(super) async fn load(
    source: &TokenSource,
    redactor: &Redactor,
) -> Result<Credentials, Failure> {
    let loaded = Credentials::load(source.clone().into(), Clock::start(), redactor.clone()).await;
    loaded.map_err(|error| Failure::new(ExitStatus::NotAuthorised, error))
}
