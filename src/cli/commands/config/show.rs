//! `config show`: every setting with its value, and where that came from.
//!
//! What it prints is a config file again. A secret is named, never shown.

use crate::cli::Context;
use crate::cli::commands::config::ConfigShowArgs;
use crate::cli::flags::config_file::{ConfigFile, Setting, Settings, quoted};
use crate::cli::flags::secret_value;
use crate::cli::flags::sources::{settings_of, variable_of};
use clap::ArgMatches;
use clap::parser::ValueSource;
use serde_json::{Map, Value, json};
use std::fmt;
use std::fmt::Write;

/// Flags whose values are secrets: with the address of a monitor or a webhook, anybody can report
/// for the job.
const HIDDEN: [&str; 2] = ["notify-url", "ping"];
/// The replacement for a secret.
const NOT_SHOWN: &str = "[hidden]";

/// A flag with what it is at present.
struct Shown {
    flag: String,
    /// One or more; none if it is not set.
    values: Vec<String>,
    origin: Origin,
}

/// Where a value comes from.
enum Origin {
    Flag,
    Variable(String),
    File { path: String, line: usize, profile: Option<String> },
    Default,
    Unset,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Variable(name) => f.write_str(name),
            Self::File { path, line, profile: None } => write!(f, "{path}:{line}"),
            Self::File { path, line, profile: Some(profile) } => {
                write!(f, "{path}:{line}, profile {profile}")
            }
            Self::Default => f.write_str("default"),
            Self::Unset => f.write_str("not set"),
        }
    }
}

pub(crate) fn show(args: &ConfigShowArgs, context: &Context) -> String {
    let (shown, targets) = (all(context), targets(context));
    if args.json {
        return as_json(&shown, &targets, context);
    }
    let mut text = as_toml(&shown, args);
    for variable in context.environment.secrets() {
        let _ = writeln!(text, "# {variable} is set {NOT_SHOWN}");
    }
    // Behind all else, because what follows the head of a table belongs to it.
    for (name, shown) in &targets {
        let _ = write!(text, "\n[target.{}]\n{}", key_of(name), as_toml(shown, args));
    }
    text
}

/// Collects what the file sets for each target.
fn targets(context: &Context) -> Vec<(String, Vec<Shown>)> {
    let Some(file) = &context.config else { return Vec::new() };
    let shown = |(flag, setting): (&String, &Setting)| {
        let (values, origin) = (setting.values.clone(), in_file(file, setting));
        redacted(Shown { flag: flag.clone(), values, origin }, context)
    };
    let target = |(name, settings): (&String, &Settings)| {
        (name.clone(), settings.iter().map(shown).collect())
    };
    file.targets.iter().map(target).collect()
}

/// Returns the name of a target as it stands in the head of its table.
fn key_of(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) { name.into() } else { quoted(name) }
}

/// Collects all flags of a run, and what the file sets of other commands' besides.
fn all(context: &Context) -> Vec<Shown> {
    let matches = context.given.subcommand().expect("the command is `config show`");
    let command = crate::cli::command();
    let file = context.config.as_ref();
    let settings = settings_of(&command);
    let mut shown: Vec<Shown> = settings
        .iter()
        .filter_map(|arg| Some(one(arg.get_long()?, arg.get_id().as_str(), matches, file)))
        .collect();
    // The file may set flags of other commands; they are part of the configuration too.
    let others = file.into_iter().flat_map(|file| &file.settings);
    let others: Vec<_> =
        others.filter(|(flag, _)| !shown.iter().any(|shown| shown.flag == **flag)).collect();
    shown.extend(others.into_iter().filter_map(|(flag, setting)| {
        let origin = in_file(file?, setting);
        Some(Shown { flag: flag.clone(), values: setting.values.clone(), origin })
    }));
    for shown in shown.iter_mut().filter(|shown| shown.flag == "state-dir") {
        shown.values = vec![context.machine.display().to_string()];
    }
    shown.into_iter().map(|shown| redacted(shown, context)).collect()
}

fn one(flag: &str, id: &str, matches: &ArgMatches, file: Option<&ConfigFile>) -> Shown {
    let values = matches.get_raw(id).into_iter().flatten();
    let values: Vec<String> = values.map(|value| value.to_string_lossy().into_owned()).collect();
    let setting = file.and_then(|file| Some((file, file.settings.get(flag)?)));
    let origin = match (matches.value_source(id), setting) {
        _ if flag == "state-dir" && values.is_empty() => Origin::Default,
        (Some(ValueSource::CommandLine), _) => Origin::Flag,
        (Some(ValueSource::EnvVariable), _) => Origin::Variable(variable_of(flag)),
        (_, Some((file, setting))) => in_file(file, setting),
        (Some(_), None) => Origin::Default,
        (None, None) => Origin::Unset,
    };
    Shown { flag: flag.into(), values, origin }
}

fn in_file(file: &ConfigFile, setting: &Setting) -> Origin {
    let (line, profile) = (setting.line, setting.profile.clone());
    Origin::File { path: file.path.display().to_string(), line, profile }
}

fn redacted(mut shown: Shown, context: &Context) -> Shown {
    let is_secret = HIDDEN.contains(&&*shown.flag);
    for value in &mut shown.values {
        let is_shown = secret_value::may_be_shown(&shown.flag, value, &context.environment);
        *value = if is_secret || !is_shown {
            NOT_SHOWN.into()
        } else {
            context.stderr.redactor.redact(std::mem::take(value))
        };
    }
    shown
}

fn as_toml(shown: &[Shown], args: &ConfigShowArgs) -> String {
    let mut text = String::new();
    let lines: Vec<String> = shown.iter().map(line).collect();
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0).min(40);
    for (line, shown) in lines.iter().zip(shown) {
        let _ = if args.origin {
            writeln!(text, "{line:<width$}  # {}", shown.origin)
        } else {
            writeln!(text, "{line}")
        };
    }
    text
}

fn line(shown: &Shown) -> String {
    let key = shown.flag.replace('-', "_");
    match shown.values.as_slice() {
        [] => format!("# {key} ="),
        [one] if one == NOT_SHOWN => format!("# {key} is set {NOT_SHOWN}"),
        [one] => format!("{key} = {}", quoted(one)),
        many => {
            let values: Vec<String> = many.iter().map(|value| quoted(value)).collect();
            format!("{key} = [{}]", values.join(", "))
        }
    }
}

fn as_json(shown: &[Shown], targets: &[(String, Vec<Shown>)], context: &Context) -> String {
    let object = |shown: &[Shown]| -> Map<String, Value> {
        shown.iter().map(|shown| (shown.flag.replace('-', "_"), setting(shown))).collect()
    };
    let targets: Map<String, Value> =
        targets.iter().map(|(name, shown)| (name.clone(), object(shown).into())).collect();
    let json = json!({
        "file": context.environment.config_file(),
        "settings": object(shown),
        "targets": targets,
        "secrets": context.environment.secrets().collect::<Vec<_>>(),
    });
    format!("{json:#}\n")
}

fn setting(shown: &Shown) -> Value {
    let value = match shown.values.as_slice() {
        [] => Value::Null,
        [one] => json!(one),
        many => json!(many),
    };
    let (origin, place) = match &shown.origin {
        Origin::Flag => ("flag", Value::Null),
        Origin::Variable(name) => ("variable", json!(name)),
        Origin::File { .. } => ("file", json!(shown.origin.to_string())),
        Origin::Default => ("default", Value::Null),
        Origin::Unset => ("unset", Value::Null),
    };
    json!({ "value": value, "origin": origin, "place": place })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_as_it_is_read() {
        let check = |value, expected| assert_eq!(quoted(value), expected);
        check("16", "16");
        check("true", "true");
        check("10/s", "\"10/s\"");
        check("007", "\"007\"");
        check("0", "0");
        check("", "\"\"");
        check("12345678901234567890", "\"12345678901234567890\"");
    }
}
