//! `man`, `completions` and `schema`: what a shell and programs need to know of the command line.

use crate::cli::flags::values;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use batchctl::report::{ExitStatus, Schema};
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use std::path::{Path, PathBuf};
use std::{fs, io};

pub(crate) const COMPLETIONS_HELP: &str = "\
Examples:
  batchctl completions bash >~/.local/share/bash-completion/completions/batchctl
  batchctl completions zsh > ~/.zfunc/_batchctl
  batchctl completions fish > ~/.config/fish/completions/batchctl.fish";

const MAN_HELP: &str = "\
Examples:
  batchctl man | man -l -                    the page of batchctl
  batchctl man runs prune | man -l -         the page of one command
  batchctl man --dir ~/.local/share/man/man1";

#[derive(Debug, Args)]
#[command(after_help = MAN_HELP)]
pub(crate) struct ManArgs {
    /// The command whose page is printed [default: batchctl itself]
    #[arg(value_name = "COMMAND")]
    pub(crate) words: Vec<String>,
    /// Write the pages of all commands to a directory
    #[arg(long, value_name = "DIR", conflicts_with = "words")]
    pub(crate) dir: Option<PathBuf>,
}

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
pub(crate) fn show(args: &ManArgs) -> Result<ExitStatus, CommandError> {
    let mut root = without_help(crate::cli::command());
    // Fills in the inherited flags and names, which `render` does not do.
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

fn print(root: &Command, words: &[String]) -> Result<ExitStatus, CommandError> {
    let command = words
        .iter()
        .try_fold(root, |command, word| command.find_subcommand(word))
        .ok_or_else(|| {
            CommandError::usage(NoSuchCommand { words: words.join(" ") })
                .with_hint("`batchctl --help` lists the commands")
        })?;
    let mut page = Vec::new();
    Man::new(titled(command)).render(&mut page).map_err(CommandError::io)?;
    stream::print_bytes(&page)?;
    Ok(ExitStatus::Ok)
}

/// Returns the command as its page calls it: `batchctl-runs-list`.
fn titled(command: &Command) -> Command {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    command.clone().display_name(name.to_owned())
}

fn write_all(root: Command, directory: &Path) -> Result<ExitStatus, CommandError> {
    fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(root, directory))
        .map_err(|source| {
            let error = NotWritten { directory: directory.into(), source };
            CommandError::io(error)
        })?;
    Ok(ExitStatus::Ok)
}

/// Prints the completions for a shell.
pub(crate) fn print_completions(shell: Shell) -> Result<ExitStatus, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::cli::command(), "batchctl", &mut script);
    stream::print_bytes(&script)?;
    Ok(ExitStatus::Ok)
}

const SCHEMA_HELP: &str = "\
Examples:
  batchctl schema report > report.schema.json
  batchctl schema events | jq '.oneOf[].properties.event.const'";

#[derive(Debug, Args)]
#[command(after_help = SCHEMA_HELP)]
pub(crate) struct SchemaArgs {
    /// The document it describes
    #[arg(value_parser = values::schema())]
    pub(crate) document: Schema,
}

pub(crate) fn print_schema(args: &SchemaArgs) -> Result<ExitStatus, CommandError> {
    stream::print(args.document.text())?;
    Ok(ExitStatus::Ok)
}
