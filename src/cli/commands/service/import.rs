//! `service import`: a draft of a service file from a curl command or an OpenAPI document.

use crate::cli::Context;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use batchctl::api::read_text;
use batchctl::report::ExitStatus;
use batchctl::service::{Draft, ImportError, from_curl, from_openapi, read_document};
use batchctl::system::files::OpenOptionsExt;
use batchctl::text::{printable, shell_quoted};
use clap::Args;
use std::fs::OpenOptions;
use std::io;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The longest command that is read from standard input, in bytes.
const LONGEST_COMMAND: u64 = 1 << 20;
/// The most columns of a note.
const NOTE_COLUMNS: usize = 300;

const IMPORT_HELP: &str = "\
Takes method, path, fields, bodies and statuses. Meanings are yours to fill in: the draft has a `?`
for each, and `service check` asks for them. Secrets are left out and named.

Examples:
  batchctl service import --curl \"curl -X PUT https://example.com/on/42\" --id 42
  batchctl service import --curl - --id 42 -o shop.toml  from standard input
  batchctl service import openapi.yaml --operation switchOn -o shop.toml";

#[derive(Debug, Args)]
#[command(after_help = IMPORT_HELP)]
pub(crate) struct ServiceImportArgs {
    /// An OpenAPI 3 document, YAML or JSON
    #[arg(value_name = "DOCUMENT", requires = "operation", required_unless_present = "curl")]
    pub(crate) document: Option<PathBuf>,
    /// The id of an operation of the document, an action each (repeatable)
    #[arg(long, value_name = "ID", requires = "document")]
    pub(crate) operation: Vec<String>,
    /// A curl command, or `-` for standard input
    #[arg(long, value_name = "COMMAND", requires = "id", conflicts_with = "document")]
    pub(crate) curl: Option<String>,
    /// What is the id of a task in the command
    #[arg(long, value_name = "ID", requires = "curl")]
    pub(crate) id: Option<String>,
    /// Write a new file, in the place of standard output
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

impl From<ImportError> for CommandError {
    fn from(error: ImportError) -> Self {
        let hint = error.hint.clone();
        Self::usage(error).with_optional_hint(hint)
    }
}

/// Carries out `service import`.
pub(super) fn import(
    args: &ServiceImportArgs,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    let draft = draft(args)?;
    match &args.file {
        Some(path) => write_new(path, &draft.text)?,
        None => stream::print(&draft.text)?,
    }
    for note in &draft.notes {
        context.stderr.say("note", &printable(note, NOTE_COLUMNS));
    }
    if let Some(path) = &args.file {
        let quoted = shell_quoted(&path.to_string_lossy());
        let next = format!("say what each answer means, then `batchctl service check {quoted}`");
        context.stderr.say("hint", &next);
    }
    Ok(ExitStatus::Ok)
}

fn draft(args: &ServiceImportArgs) -> Result<Draft, CommandError> {
    if let Some(command) = &args.curl {
        let command = if command == "-" { from_standard_input()? } else { command.clone() };
        return Ok(from_curl(&command, args.id.as_deref().unwrap_or_default())?);
    }
    let path = args.document.clone().unwrap_or_default();
    let text = read_text(&path).map_err(|source| {
        CommandError::usage(format!("cannot read `{}`: {source}", path.display()))
    })?;
    Ok(from_openapi(&read_document(&text)?, &args.operation)?)
}

fn from_standard_input() -> Result<String, CommandError> {
    let mut text = String::new();
    let read = io::stdin().take(LONGEST_COMMAND).read_to_string(&mut text);
    read.map_err(|error| CommandError::usage(format!("cannot read standard input: {error}")))?;
    Ok(text)
}

/// Writes a file that must not be there yet, because one that is edited must not be lost.
fn write_new(path: &Path, text: &str) -> Result<(), CommandError> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            CommandError::usage(format!("`{}` is there already", path.display()))
                .with_hint("name another file with `--file FILE`")
        }
        _ => CommandError::io(format!("cannot write `{}`: {error}", path.display())),
    })
}
