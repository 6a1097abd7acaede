//! What a person is told who types the name of the program alone.

use crate::cli::process::environment::Environment;
use clap::error::ErrorKind;

/// What to type first, for a person who has typed nothing yet.
pub(crate) const TEXT: &str = "\
batchctl starts and stops very many VIAS batch tasks, and accounts for each.

  batchctl demo                              how it works, on this machine alone
  batchctl start --id task-000001 --sandbox  a first call, without an account
  batchctl config init                       note region, project, credentials
  batchctl auth check                        see whether they are right
  batchctl stop cameras.csv --dry-run        what would be called; sends nothing
  batchctl stop cameras.csv -o results.csv   carry it out
  batchctl resume                            go on with a run that was cut short

`batchctl --help` lists all commands, `batchctl stop --help` the flags of one.";

/// Returns whether a person has typed the name of the program alone.
pub(crate) fn are_wanted(error: &clap::Error, environment: &Environment) -> bool {
    // The second kind is that of a person who has exported a variable that stands for a flag.
    let is_alone = matches!(
        error.kind(),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand
    );
    is_alone && environment.arguments.len() == 1 && environment.stderr_is_terminal
}
