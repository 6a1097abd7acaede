//! `completions`: what a shell needs to complete the command line, made from the same
//! definition that parses it.

use crate::cli::failure::Failure;
use crate::cli::stream;
use batchctl::report::ExitStatus;
use clap_complete::Shell;

/// Prints the completions for a shell.
pub(crate) fn print(shell: Shell) -> Result<ExitStatus, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::cli::command(), "batchctl", &mut script);
    stream::print_bytes(&script).map_err(|error| Failure::new(ExitStatus::InputOutput, error))?;
    Ok(ExitStatus::Ok)
}
