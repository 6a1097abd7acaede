//! `man`: manual pages, made from the same definition that parses the command line.

use crate::cli::args::ManArgs;
use crate::cli::failure::Failure;
use crate::cli::stream;
use batchctl::report::ExitStatus;
use clap::Command;
use clap_mangen::Man;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// No command has a page of that name.
#[derive(Debug, thiserror::Error)]
#[error("there is no command `{words}`")]
struct NoSuchCommand {
    words: String,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write manual pages to `{}`", directory.display())]
struct NotWritten {
    directory: PathBuf,
    source: io::Error,
}

/// Prints one page, or writes all of them to a directory.
pub(crate) fn show(args: &ManArgs) -> Result<ExitStatus, Failure> {
    let mut root = without_help(crate::cli::command());
    root.build();
    match &args.dir {
        Some(directory) => write_all(root, directory),
        None => print(&root, &args.words),
    }
}

/// Leaves out the commands `help …`: a page of its own for each of them would say nothing.
fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

fn print(root: &Command, words: &[String]) -> Result<ExitStatus, Failure> {
    let command = words
        .iter()
        .try_fold(root, |command, word| command.find_subcommand(word))
        .ok_or_else(|| {
            Failure::usage(NoSuchCommand { words: words.join(" ") })
                .with_hint("`batchctl --help` lists the commands".to_owned())
        })?;
    let mut page = Vec::new();
    let written = Man::new(titled(command)).render(&mut page);
    written
        .and_then(|()| stream::print_bytes(&page))
        .map_err(|error| Failure::new(ExitStatus::InputOutput, error))?;
    Ok(ExitStatus::Ok)
}

/// Returns the command as its page calls it: `batchctl-runs-list`.
fn titled(command: &Command) -> Command {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    command.clone().display_name(name.to_owned())
}

fn write_all(root: Command, directory: &Path) -> Result<ExitStatus, Failure> {
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(root, directory))
        .map_err(|source| {
            let error = NotWritten { directory: directory.into(), source };
            Failure::new(ExitStatus::InputOutput, error)
        })?;
    Ok(ExitStatus::Ok)
}
