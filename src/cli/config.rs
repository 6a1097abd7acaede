//! Where a flag's value comes from: flag, then variable, then config file, then default.
//!
//! The config file becomes the flags' defaults before the command line is parsed, so that clap
//! alone ranks the sources, and every flag there is has its variable and its key by itself.

use super::failure::Failure;
use super::surroundings::Surroundings;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use clap::builder::BoolishValueParser;
use clap::error::ContextKind;
use clap::error::ContextValue;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use toml::Table;
use toml::Value;

/// The table that holds the profiles.
const PROFILES: &str = "profile";

/// Why the config file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigError {
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}:{line}:{column}: {message}", path.display())]
    Syntax { path: PathBuf, line: usize, column: usize, message: String },
    #[error("`{}` has the unknown key `{key}`", path.display())]
    UnknownKey { path: PathBuf, key: String, near: Option<String> },
    #[error("the key `{key}` in `{}` has a value that no flag takes", path.display())]
    Kind { path: PathBuf, key: String },
    #[error("there is no profile `{name}` in `{}`", path.display())]
    UnknownProfile { path: PathBuf, name: String },
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let hint = match &error {
            ConfigError::UnknownKey { near: Some(near), .. } => {
                Some(format!("did you mean `{near}`"))
            }
            ConfigError::UnknownProfile { name, .. } => {
                Some(format!("add a table `[{PROFILES}.{name}]`, or choose another `--profile`"))
            }
            ConfigError::UnknownKey { near: None, .. } => {
                Some("the keys are the names of the flags, see `batchctl stop --help`".into())
            }
            ConfigError::Syntax { .. } => Some("the file is TOML: `rate = \"10/s\"`".into()),
            ConfigError::Read { .. } | ConfigError::Kind { .. } => None,
        };
        Self::usage(error).with_hint(hint)
    }
}

/// How many values a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    One,
    Many,
}

/// What flags there are.
type Flags = BTreeMap<String, Takes>;

/// Values by the name of their flag.
type Settings = BTreeMap<String, Vec<String>>;

/// Gives every flag its variable, if that is set to something.
pub(super) fn with_variables(command: Command, surroundings: &Surroundings) -> Command {
    command
        .mut_args(|arg| with_variable(arg, surroundings))
        .mut_subcommands(|command| with_variables(command, surroundings))
}

fn with_variable(arg: Arg, surroundings: &Surroundings) -> Arg {
    let told = matches!(arg.get_action(), ArgAction::Help | ArgAction::Version);
    let Some(long) = arg.get_long().filter(|_| !told) else { return arg };
    let variable = variable_of(long);
    let is_set = surroundings.variable(&variable).is_some();
    let arg = match arg.get_action() {
        ArgAction::SetTrue => arg.value_parser(BoolishValueParser::new()),
        _ => arg,
    };
    // An empty variable says nothing; clap would take it for a value.
    if is_set { arg.env(variable).hide_env(true) } else { arg }
}

fn variable_of(flag: &str) -> String {
    format!("BATCHCTL_{}", flag.to_uppercase().replace('-', "_"))
}

/// Where a value that clap refuses was found, if it was not typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    InVariable,
    InFile,
}

/// Says where to look for a value that nobody typed.
pub(super) fn origin(refused: &clap::Error, found: Found) -> Option<String> {
    let Some(ContextValue::String(usage)) = refused.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = usage.trim_start_matches('-').split([' ', '=', '.']).next()?;
    Some(match found {
        Found::InVariable => format!("the value is that of {}", variable_of(flag)),
        Found::InFile => {
            format!("the value is that of `{}` in config.toml", flag.replace('-', "_"))
        }
    })
}

/// Gives flags the defaults of the config file, for the profile that `matches` names.
pub(super) fn with_file(
    command: Command,
    matches: &ArgMatches,
    surroundings: &Surroundings,
) -> Result<Command, ConfigError> {
    let Some(path) = surroundings.config_file() else { return Ok(command) };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(command),
        Err(source) => return Err(ConfigError::Read { path, source }),
    };
    let profile = chosen_profile(matches);
    let settings = read(&text, &path, &profile, &flags_of(&command))?;
    Ok(with_defaults(command, &settings))
}

fn chosen_profile(matches: &ArgMatches) -> String {
    let of = |matches: &ArgMatches| matches.try_get_one::<String>("profile").ok()?.cloned();
    let below = matches.subcommand().and_then(|(_, matches)| of(matches));
    below.or_else(|| of(matches)).unwrap_or_else(|| "default".into())
}

/// Collects the names of all flags of a command and its subcommands, without the profile's.
fn flags_of(command: &Command) -> Flags {
    let takes = |arg: &Arg| match arg.get_action() {
        ArgAction::Append => Takes::Many,
        _ => Takes::One,
    };
    let own = command.get_arguments();
    let mut flags: Flags =
        own.filter_map(|arg| Some((arg.get_long()?.to_owned(), takes(arg)))).collect();
    flags.extend(command.get_subcommands().flat_map(flags_of));
    for not_a_setting in ["help", "version", "profile"] {
        flags.remove(not_a_setting);
    }
    flags
}

fn read(
    text: &str,
    path: &std::path::Path,
    profile: &str,
    flags: &Flags,
) -> Result<Settings, ConfigError> {
    let mut table: Table = text.parse().map_err(|error| not_toml(text, path, &error))?;
    let profiles = table.remove(PROFILES).unwrap_or_else(|| Value::Table(Table::new()));
    let Value::Table(mut profiles) = profiles else {
        return Err(ConfigError::Kind { path: path.into(), key: PROFILES.into() });
    };
    let mut settings = Settings::new();
    add(&mut settings, table, path, flags)?;
    // Every profile is checked, not only the one in use: a typo shows on the first day.
    let chosen = profiles.remove(profile);
    for (_, other) in profiles {
        add(&mut Settings::new(), into_table(other, path)?, path, flags)?;
    }
    match chosen {
        Some(chosen) => add(&mut settings, into_table(chosen, path)?, path, flags)?,
        None if profile == "default" => {}
        None => {
            return Err(ConfigError::UnknownProfile { path: path.into(), name: profile.into() });
        }
    }
    Ok(settings)
}

/// Says in one line what the parser says in a drawing of five.
fn not_toml(text: &str, path: &std::path::Path, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    ConfigError::Syntax {
        path: path.into(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message: error.message().replace('\n', ", "),
    }
}

fn into_table(value: Value, path: &std::path::Path) -> Result<Table, ConfigError> {
    match value {
        Value::Table(table) => Ok(table),
        _ => Err(ConfigError::Kind { path: path.into(), key: PROFILES.into() }),
    }
}

fn add(
    settings: &mut Settings,
    table: Table,
    path: &std::path::Path,
    flags: &Flags,
) -> Result<(), ConfigError> {
    for (key, value) in table {
        let flag = key.replace('_', "-");
        let Some(&takes) = flags.get(&flag) else {
            let near = nearest(&flag, flags);
            return Err(ConfigError::UnknownKey { path: path.into(), key, near });
        };
        let fits = |values: &Vec<String>| takes == Takes::Many || values.len() == 1;
        let Some(values) = values_of(value).filter(fits) else {
            return Err(ConfigError::Kind { path: path.into(), key });
        };
        settings.insert(flag, values);
    }
    Ok(())
}

fn nearest(flag: &str, flags: &Flags) -> Option<String> {
    let closeness = |other: &&String| (strsim::jaro_winkler(flag, other) * 1e6) as u64;
    let near = flags.keys().max_by_key(closeness)?;
    (strsim::jaro_winkler(flag, near) > 0.8).then(|| near.replace('-', "_"))
}

/// Returns what would be typed for a value.
fn values_of(value: Value) -> Option<Vec<String>> {
    Some(match value {
        Value::String(text) => vec![text],
        Value::Integer(number) => vec![number.to_string()],
        Value::Float(number) => vec![number.to_string()],
        Value::Boolean(flag) => vec![flag.to_string()],
        Value::Array(values) => {
            values.into_iter().map(values_of).collect::<Option<Vec<_>>>()?.concat()
        }
        Value::Datetime(_) | Value::Table(_) => return None,
    })
}

fn with_defaults(command: Command, settings: &Settings) -> Command {
    command
        .mut_args(|arg| {
            let values = arg.get_long().and_then(|long| settings.get(long));
            match values {
                Some(values) => arg.default_values(values.clone()),
                None => arg,
            }
        })
        .mut_subcommands(|command| with_defaults(command, settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> Flags {
        let flag = |name: &str| (name.to_owned(), Takes::One);
        let mut flags = Flags::from(["rate", "project-id", "yes"].map(flag));
        flags.insert("output".into(), Takes::Many);
        flags
    }

    fn check(text: &str, profile: &str, expected: Result<&[(&str, &str)], &str>) {
        let path = std::path::Path::new("config.toml");
        let read = read(text, path, profile, &flags()).map_err(|error| error.to_string());
        let flat: Result<Vec<(String, String)>, String> =
            read.map(|settings| settings.into_iter().map(|(k, v)| (k, v.join("|"))).collect());
        match expected {
            Ok(pairs) => {
                let pairs = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
                assert_eq!(flat, Ok(pairs), "{text}");
            }
            Err(part) => assert!(flat.clone().unwrap_err().contains(part), "{flat:?}"),
        }
    }

    #[test]
    fn a_profile_comes_before_what_holds_for_all() {
        let text = "rate = '5/s'\nyes = true\n[profile.night]\nrate = '50/s'\noutput = ['a', 'b']";
        check(text, "default", Ok(&[("rate", "5/s"), ("yes", "true")]));
        check(text, "night", Ok(&[("output", "a|b"), ("rate", "50/s"), ("yes", "true")]));
        check(text, "day", Err("no profile `day`"));
    }

    #[test]
    fn keys_are_the_names_of_flags() {
        check("project_id = 'p'", "default", Ok(&[("project-id", "p")]));
        check("project-id = 'p'", "default", Ok(&[("project-id", "p")]));
        check("projekt_id = 'p'", "default", Err("unknown key `projekt_id`"));
        check("[profile.other]\nrat = 1", "default", Err("unknown key `rat`"));
        assert_eq!(nearest("projekt-id", &flags()).as_deref(), Some("project_id"));
        assert_eq!(nearest("colour", &flags()), None);
    }

    #[test]
    fn what_no_flag_takes_is_refused() {
        check("rate = { a = 1 }", "default", Err("no flag takes"));
        check("profile = 3", "default", Err("no flag takes"));
        check("rate = ['1', '2']", "default", Err("no flag takes"));
        check("yes = true\nrate =", "default", Err("config.toml:2:7: "));
    }
}
