//! The flags of `man`.

use clap::Args;
use std::path::PathBuf;

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
