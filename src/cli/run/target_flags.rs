//! Which targets a run has, and which flags it cannot have with them.

use crate::cli::Context;
use crate::cli::flags::precedence::{GivenFlags, Rank};
use crate::cli::flags::targets::{TargetArgs, of_place};
use crate::cli::output::error::CommandError;
use crate::cli::run::input_run::ChosenTargets;
use batchctl::text::printable;
use std::collections::BTreeSet;

/// The longest name of a target.
const LONGEST_NAME: usize = 40;

/// Returns the targets that the flags choose, if they choose some.
pub(crate) fn chosen(
    args: &TargetArgs,
    context: &Context,
) -> Result<Option<ChosenTargets>, CommandError> {
    let TargetArgs { target_column, targets, rate_total } = args.clone();
    let names = match (&target_column, targets.is_empty()) {
        (None, true) if context.given.rank("rate-total") == Rank::CommandLine => {
            let error = "`--rate-total` bounds several targets together, and there are none";
            return Err(CommandError::usage(error).with_hint("add `--target-column NAME`"));
        }
        (None, true) => return Ok(None),
        (Some(_), false) => {
            let error = "`--target-column` and `--targets` contradict each other";
            let hint = "to take the rows of one target alone, use `--where COLUMN=NAME`";
            return Err(CommandError::usage(error).with_hint(hint));
        }
        (Some(_), true) => {
            let file = context.config.as_ref();
            file.map(|file| file.targets.keys().cloned().collect()).unwrap_or_default()
        }
        (None, false) => targets,
    };
    check_names(&names)?;
    Ok(Some(ChosenTargets { names, column: target_column, rate_total }))
}

fn check_names(names: &[String]) -> Result<(), CommandError> {
    let hint = "add a table `[target.NAME]` to the config file, with its `endpoint` or `region`, \
                its `project_id` and its credentials";
    if names.is_empty() {
        return Err(CommandError::usage("there are no targets").with_hint(hint));
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_name =
        |name: &&String| (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_plain);
    if let Some(name) = names.iter().find(|name| !is_name(name)) {
        let error = format!("`{}` cannot be the name of a target", printable(name, 60));
        return Err(CommandError::usage(error)
            .with_hint("a name has up to 40 letters, digits, `-`, `_` and `.`"));
    }
    let different: BTreeSet<&String> = names.iter().collect();
    if different.len() < names.len() {
        return Err(CommandError::usage("a target is named twice").with_hint("leave one out"));
    }
    Ok(())
}

/// Refuses flags that a run of several targets cannot have.
pub(crate) fn refuse(given: &GivenFlags) -> Result<(), CommandError> {
    let typed = |flag: &str| given.rank(flag) == Rank::CommandLine;
    if typed("shard") {
        let error = "`--shard` divides one list, and each target has its own";
        return Err(CommandError::usage(error).with_hint("divide the list with `--where`"));
    }
    // Each target can have a sandbox of its own.
    let mut of_one = of_place().filter(|flag| *flag != "sandbox");
    let Some(flag) = of_one.find(|flag| typed(flag)) else { return Ok(()) };
    let key = flag.replace('-', "_");
    let error = format!("`--{flag}` is one for all targets, and each has its own");
    let hint = match flag {
        "rate-group" => "leave `--rate-group` out; `--rate-total` bounds the sum".into(),
        _ => format!("put `{key}` into the tables `[target.NAME]` of the config file"),
    };
    Err(CommandError::usage(error).with_hint(hint))
}
