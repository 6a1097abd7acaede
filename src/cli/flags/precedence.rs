//! Decides which of two conflicting flags wins: command line over variable over file.

use crate::cli::output::error::CommandError;
use clap::ArgMatches;
use clap::parser::ValueSource;

/// The flags of one invocation, with the source of each value.
#[derive(Debug)]
pub(crate) struct GivenFlags(ArgMatches);

/// The source of a flag's value; a later one takes precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// The flag has no value, or the command has no such flag.
    Absent,
    /// The config file or the default.
    File,
    Variable,
    CommandLine,
}

/// Which of two flags takes precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stronger {
    First,
    Second,
}

impl GivenFlags {
    pub(crate) fn new(matches: ArgMatches) -> Self {
        Self(matches)
    }

    /// Returns the source of the value of a flag of the subcommand.
    pub(crate) fn rank(&self, flag: &str) -> Rank {
        let argument = flag.replace('-', "_");
        // Clap panics when it is asked for a flag that the subcommand does not have.
        let matches = self.subcommand().filter(|own| own.try_contains_id(&argument).is_ok());
        match matches.and_then(|matches| matches.value_source(&argument)) {
            Some(ValueSource::CommandLine) => Rank::CommandLine,
            Some(ValueSource::EnvVariable) => Rank::Variable,
            Some(_) => Rank::File,
            None => Rank::Absent,
        }
    }

    /// Returns whether a flag was given on the command line or by its variable.
    pub(crate) fn is_given(&self, flag: &str) -> bool {
        self.rank(flag) >= Rank::Variable
    }

    /// Decides between two flags that both have a value; of equal rank they contradict.
    pub(crate) fn stronger(&self, first: &str, second: &str) -> Result<Stronger, CommandError> {
        let (rank_of_first, rank_of_second) = (self.rank(first), self.rank(second));
        if rank_of_first == rank_of_second {
            let error = format!("`--{first}` and `--{second}` contradict each other");
            return Err(CommandError::usage(error).with_hint("give one of them"));
        }
        Ok(if rank_of_first > rank_of_second { Stronger::First } else { Stronger::Second })
    }

    /// Returns the matches of the subcommand, or of the one below it.
    pub(crate) fn subcommand(&self) -> Option<&ArgMatches> {
        fn deepest(matches: &ArgMatches) -> Option<&ArgMatches> {
            let (_, below) = matches.subcommand()?;
            Some(deepest(below).unwrap_or(below))
        }
        deepest(&self.0)
    }

    /// Returns whether a flag has a value, whatever its source.
    pub(crate) fn has_value(&self, flag: &str) -> bool {
        self.rank(flag) > Rank::Absent
    }

    /// Returns the value of a flag, whatever its source.
    pub(crate) fn value<T: Clone + Send + Sync + 'static>(&self, flag: &str) -> Option<T> {
        let argument = flag.replace('-', "_");
        self.subcommand().and_then(|own| own.try_get_one::<T>(&argument).ok()?).cloned()
    }

    /// Returns the values of a flag that takes several, whatever their source.
    pub(crate) fn values<T: Clone + Send + Sync + 'static>(&self, flag: &str) -> Vec<T> {
        let argument = flag.replace('-', "_");
        let matches = self.subcommand();
        let values = matches.and_then(|own| own.try_get_many::<T>(&argument).ok()?);
        values.into_iter().flatten().cloned().collect()
    }

    /// Returns the values of a flag as texts, whatever their source; what is no text is left out.
    pub(crate) fn texts(&self, flag: &str) -> Vec<&str> {
        let argument = flag.replace('-', "_");
        let raw = self.subcommand().and_then(|own| own.try_get_raw(&argument).ok()?);
        raw.into_iter().flatten().filter_map(|value| value.to_str()).collect()
    }

    /// Returns how often a flag is given that can be repeated, whatever its source.
    pub(crate) fn count(&self, flag: &str) -> u8 {
        self.value(flag).unwrap_or(0)
    }

    /// Returns whether a flag without a value is on, whatever its source.
    pub(crate) fn is_on(&self, flag: &str) -> bool {
        self.value(flag).unwrap_or(false)
    }
}
