//! Which of two flags holds that say two things about one: flag, variable, file, in this order.

use crate::cli::output::failure::Failure;
use clap::ArgMatches;
use clap::parser::ValueSource;

/// Which of two flags was said with more authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stronger {
    First,
    Second,
}

/// The rank of what stands in a variable.
pub(crate) const VARIABLE: u8 = 2;

/// Decides between two flags that both have a value; with the same authority they contradict.
pub(crate) fn stronger(
    first: &str,
    second: &str,
    matches: &ArgMatches,
) -> Result<Stronger, Failure> {
    let (rank_of_first, rank_of_second) = (rank(first, matches), rank(second, matches));
    if rank_of_first == rank_of_second {
        let error = format!("`--{first}` and `--{second}` say two things about one");
        return Err(Failure::usage(error).with_hint("give one of them".to_owned()));
    }
    Ok(if rank_of_first > rank_of_second { Stronger::First } else { Stronger::Second })
}

/// Ranks where the value of a flag of the subcommand came from: 3 for the command line, 2 for its
/// variable, 1 for the file or a default, 0 if it has none.
pub(crate) fn rank(flag: &str, matches: &ArgMatches) -> u8 {
    let argument = flag.replace('-', "_");
    // A flag that this command does not have was not given either.
    let known = deepest(matches).filter(|matches| matches.try_contains_id(&argument).is_ok());
    match known.and_then(|matches| matches.value_source(&argument)) {
        Some(ValueSource::CommandLine) => 3,
        Some(ValueSource::EnvVariable) => VARIABLE,
        Some(_) => 1,
        None => 0,
    }
}

/// Returns whether a flag without a value is on, wherever that was said.
pub(crate) fn is_on(flag: &str, matches: &ArgMatches) -> bool {
    let argument = flag.replace('-', "_");
    let value = deepest(matches).and_then(|matches| matches.try_get_one::<bool>(&argument).ok()?);
    value.copied().unwrap_or(false)
}

/// Returns the matches of the subcommand, or of the one below it.
fn deepest(matches: &ArgMatches) -> Option<&ArgMatches> {
    let (_, below) = matches.subcommand()?;
    Some(deepest(below).unwrap_or(below))
}
