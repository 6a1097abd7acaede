//! What the command line and the config file mean for one target of a run.
//!
//! The command line is parsed once more for each target, with its table as the config file. Where
//! its calls go, and with what, is said there alone.

use crate::cli::flags::connection::{ConnectionArgs, CredentialArgs, DestinationArgs};
use crate::cli::flags::precedence::GivenFlags;
use crate::cli::flags::targets::{of_place, settings_of};
use crate::cli::flags::{refusal, secret_value, sources};
use crate::cli::output::error::CommandError;
use crate::cli::output::run_end::RunEnd;
use crate::cli::process::environment::{Environment, SECRETS};
use crate::cli::{Context, command};
use clap::FromArgMatches;

/// The variables of credentials that are no flags.
const OF_CREDENTIALS: [&str; 6] = [
    "CREDENTIALS_DIRECTORY",
    "HUAWEICLOUD_SDK_AK",
    "HUAWEICLOUD_SDK_CREDENTIALS_FILE",
    "HUAWEICLOUD_SDK_PROJECT_ID",
    "HUAWEICLOUD_SDK_IAM_ENDPOINT",
    "HUAWEICLOUD_SDK_DOMAIN_ID",
];
/// The only secret among the variables that is none of a target.
const OF_MESSAGES: &str = "BATCHCTL_NOTIFY_SECRET";

impl Context {
    /// Returns what was typed as it holds for one target, and what it follows from.
    pub(crate) fn for_target(&self, target: &str) -> Result<Self, CommandError> {
        let file = self.config.as_ref().and_then(|file| settings_of(file, target));
        let file = file.ok_or_else(|| self.unknown_target(target))?;
        let environment = self.environment.without(is_of_place);
        let command = sources::with_variables(command(), &environment);
        let profile = self.profile.clone();
        let command = command.mut_arg("profile", |arg| arg.default_value(profile));
        let command = sources::with_defaults(command, &file);
        let matches = command.try_get_matches().map_err(|error| {
            let origin = sources::origin_in_file(&error, Some(&file));
            unusable(&error, target, &environment).with_optional_hint(origin)
        })?;
        let given = GivenFlags::new(matches);
        secret_value::register(&given, &environment, self.stderr.redactor);
        Ok(Self {
            environment,
            stdout_style: self.stdout_style,
            stderr: self.stderr,
            state: self.state.clone(),
            machine: self.machine.clone(),
            store: self.store.clone(),
            profile: self.profile.clone(),
            given,
            config: Some(file),
            run_end: RunEnd::default(),
            is_of_target: true,
        })
    }

    /// Returns where the calls of a command go and with what, as it was typed.
    pub(crate) fn connection(&self) -> Result<ConnectionArgs, CommandError> {
        let matches = self.given.subcommand().expect("it has a verb");
        // Not all verbs have `--service`, which is the same for all targets.
        let service = matches.try_get_one::<String>("service").ok().flatten();
        Ok(ConnectionArgs {
            service: service.cloned(),
            place: DestinationArgs::from_arg_matches(matches).map_err(CommandError::usage)?,
            credentials: CredentialArgs::from_arg_matches(matches).map_err(CommandError::usage)?,
        })
    }

    fn unknown_target(&self, target: &str) -> CommandError {
        let error = format!("there is no target `{}`", batchctl::text::printable(target, 60));
        let path = self.environment.config_file().unwrap_or_default();
        CommandError::usage(error)
            .with_hint(format!("add a table `[target.NAME]` to `{}`", path.display()))
    }
}

fn is_of_place(variable: &str) -> bool {
    let is_secret = SECRETS.iter().any(|(name, _)| *name == variable) && variable != OF_MESSAGES;
    let is_flag = || of_place().any(|flag| sources::variable_of(flag) == variable);
    is_secret || OF_CREDENTIALS.contains(&variable) || is_flag()
}

fn unusable(error: &clap::Error, target: &str, environment: &Environment) -> CommandError {
    let text = refusal::without_secret(error, &environment.arguments);
    let text = text.unwrap_or_else(|| error.render().to_string());
    let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    CommandError::usage(format!("target `{target}`: {first}"))
}
