//! Where a flag's value comes from: flag, then variable, then config file, then default.
//!
//! The config file becomes the flags' defaults before the command line is parsed, so that clap
//! alone ranks the sources, and every flag there is has its variable and its key by itself.

use crate::cli::flags::config_file;
use crate::cli::flags::config_file::{ConfigError, ConfigFile, Flags, Takes};
use crate::cli::flags::refusal::refused_flag;
use crate::cli::flags::targets::is_of_target;
use crate::cli::output::stream::Stderr;
use crate::cli::process::environment::Environment;
use batchctl::settings::DEFAULT_PROFILE;
use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// Flags that are no settings: neither a variable nor the config file sets them.
const NO_SETTINGS: [&str; 5] = ["help", "version", "profile", "origin", "target"];

/// Gives every flag its variable, if that is set to something.
pub(crate) fn with_variables(command: Command, environment: &Environment) -> Command {
    command
        .mut_args(|arg| with_variable(arg, environment))
        .mut_subcommands(|command| with_variables(command, environment))
}

fn with_variable(arg: Arg, environment: &Environment) -> Arg {
    let is_about = matches!(arg.get_action(), ArgAction::Help | ArgAction::Version);
    let Some(long) = arg.get_long().filter(|_| !is_about) else { return arg };
    let variable = variable_of(long);
    let is_set = environment.variable(&variable).is_some();
    let arg = match arg.get_action() {
        ArgAction::SetTrue => arg.value_parser(BoolishValueParser::new()),
        _ => arg,
    };
    // An empty variable says nothing; clap would take it for a value.
    if is_set { arg.env(variable).hide_env(true) } else { arg }
}

pub(crate) fn variable_of(flag: &str) -> String {
    format!("BATCHCTL_{}", flag.to_uppercase().replace('-', "_"))
}

/// Says where to look for a value that clap refuses, if it stands in a variable.
pub(crate) fn origin_in_variable(refused: &clap::Error) -> Option<String> {
    Some(format!("the value is that of {}", variable_of(&refused_flag(refused)?)))
}

/// Says where to look for a value that clap refuses, if it stands in the file.
pub(crate) fn origin_in_file(refused: &clap::Error, file: Option<&ConfigFile>) -> Option<String> {
    let flag = refused_flag(refused)?;
    let file = file?;
    let (key, line) = (flag.replace('-', "_"), file.settings.get(&flag)?.line);
    Some(format!("the value is that of `{key}` in {}:{line}", file.path.display()))
}

/// Reads the config file for the profile that `matches` names, if there is one.
pub(crate) fn load(
    command: &Command,
    matches: &ArgMatches,
    environment: &Environment,
) -> Result<Option<ConfigFile>, ConfigError> {
    let Some(path) = environment.config_file() else { return Ok(None) };
    if mends_config(matches) {
        return Ok(None);
    }
    let (profile, flags) = (chosen_profile(matches), flags_of(command));
    config_file::load(&path, &profile, &flags, is_of_target)
}

/// Returns whether a command is one for a file that may be wrong, or not there yet.
fn mends_config(matches: &ArgMatches) -> bool {
    let Some(("config", matches)) = matches.subcommand() else { return false };
    matches!(matches.subcommand_name(), Some("init" | "path"))
}

fn chosen_profile(matches: &ArgMatches) -> String {
    let of = |matches: &ArgMatches| matches.try_get_one::<String>("profile").ok()?.cloned();
    let below = matches.subcommand().and_then(|(_, matches)| of(matches));
    below.or_else(|| of(matches)).unwrap_or_else(|| DEFAULT_PROFILE.into())
}

/// Collects the names of all flags of a command and its subcommands, without the profile's.
pub(crate) fn flags_of(command: &Command) -> Flags {
    let takes = |arg: &Arg| match arg.get_action() {
        ArgAction::Append => Takes::Many,
        _ => Takes::One,
    };
    let own = command.get_arguments();
    let mut flags: Flags =
        own.filter_map(|arg| Some((arg.get_long()?.to_owned(), takes(arg)))).collect();
    flags.extend(command.get_subcommands().flat_map(flags_of));
    for not_a_setting in NO_SETTINGS {
        flags.remove(not_a_setting);
    }
    flags
}

/// Warns of a file that others can change, because its keys decide what is done.
pub(crate) fn warn_of_writers(file: &ConfigFile, stderr: &Stderr) {
    if let Some(distrust) = &file.distrust {
        // Under cron only messages about failures are mailed, and this one must be read.
        let stderr = stderr.of_failures();
        stderr.say("warning", &distrust.message());
        stderr.say("hint", distrust.remedy());
    }
}

/// Gives flags the defaults of the config file.
pub(crate) fn with_defaults(command: Command, file: &ConfigFile) -> Command {
    command
        .mut_args(|arg| {
            let setting = arg.get_long().and_then(|long| file.settings.get(long));
            match setting {
                Some(setting) => arg.default_values(setting.values.clone()),
                None => arg,
            }
        })
        .mut_subcommands(|command| with_defaults(command, file))
}

/// Returns the flags that are settings: those of a run and the global ones.
pub(crate) fn settings_of(command: &Command) -> Vec<Arg> {
    let runs = ["stop", "run"].into_iter().filter_map(|name| command.find_subcommand(name));
    let all = runs.flat_map(Command::get_arguments).chain(command.get_arguments());
    let mut settings: Vec<Arg> = Vec::new();
    for arg in all {
        let is_about = matches!(arg.get_action(), ArgAction::Help | ArgAction::Version);
        let is_setting = arg.get_long().is_some_and(|long| !["profile", "id"].contains(&long));
        let is_new = settings.iter().all(|other| other.get_id() != arg.get_id());
        if is_setting && is_new && !is_about {
            settings.push(arg.clone());
        }
    }
    settings
}

/// Lets `config show` take the flags of a run, so that it can show their effect.
pub(crate) fn with_all_flags(command: Command) -> Command {
    let flags = settings_of(&command).into_iter().filter(|arg| !arg.is_global_set());
    let flags: Vec<_> = flags.map(|arg| arg.hide(true)).collect();
    command.mut_subcommand("config", |config| {
        config.mut_subcommand("show", |show| {
            let has = |long: Option<&str>| show.get_arguments().any(|own| own.get_long() == long);
            let others: Vec<_> = flags.into_iter().filter(|arg| !has(arg.get_long())).collect();
            show.args(others)
        })
    })
}
