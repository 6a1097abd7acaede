//! Refuses a place that begins with `~/`, because only a shell puts the home there.
//!
//! Shells leave it alone behind `=`, in variables of cron and systemd, and in `config.toml`. Taken as
//! it is, it names a directory `~` wherever a command runs, so that runs are lost and jobs overlap.

use crate::cli::flags::precedence::{GivenFlags, Rank};
use crate::cli::flags::sources::variable_of;
use crate::cli::output::error::CommandError;
use clap::{Arg, Command};

/// How help names the values that are places.
const PLACES: [&str; 5] = ["DIR", "FILE", "PLACE", "NAME|FILE", "FILE.sqlite"];
const MARK: &str = "~/";

/// Checks the flags of an invocation, whatever their source.
pub(crate) fn check(command: &Command, given: &GivenFlags) -> Result<(), CommandError> {
    let marked =
        places_of(command).find(|flag| given.texts(flag).iter().any(|text| is_marked(text)));
    let Some(flag) = marked else { return Ok(()) };
    let source = match given.rank(&flag) {
        Rank::Variable => variable_of(&flag),
        Rank::File => format!("`{}` of the config file", flag.replace('-', "_")),
        Rank::Absent | Rank::CommandLine => format!("`--{flag}`"),
    };
    // The value is not quoted, because a secret may stand in the place of a file.
    let error = format!("{source} begins with `{MARK}`, which only a shell replaces");
    let hint = format!("write the whole path, or `./{MARK}` for a directory of that name");
    Err(CommandError::usage(error).with_hint(hint))
}

/// Returns whether a place begins with the mark, also behind the kind of a document.
fn is_marked(text: &str) -> bool {
    let behind_kind = text.split_once(':').map_or(text, |(_, place)| place);
    text.starts_with(MARK) || behind_kind.starts_with(MARK)
}

/// Returns the names of all flags whose values are places.
fn places_of(command: &Command) -> Box<dyn Iterator<Item = String> + '_> {
    let own = command.get_arguments().filter(|arg| is_place(arg));
    let own = own.filter_map(|arg| arg.get_long().map(str::to_owned));
    Box::new(own.chain(command.get_subcommands().flat_map(places_of)))
}

fn is_place(arg: &Arg) -> bool {
    let names = arg.get_value_names().unwrap_or_default();
    names.iter().any(|name| PLACES.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_mark_of_a_shell_is_meant() {
        for text in ["~/state", "csv:~/out.csv", "~/"] {
            assert!(is_marked(text), "{text}");
        }
        for text in ["./~/state", "/home/~/x", "~", "~name/x", "csv:a~/x", "state"] {
            assert!(!is_marked(text), "{text}");
        }
    }
}
