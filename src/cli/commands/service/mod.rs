//! `service`: files that describe services. `try` sends one call, the others nothing.

pub(crate) mod import;
pub(crate) mod trial;

use crate::cli::Context;
use crate::cli::commands::service::import::ServiceImportArgs;
use crate::cli::commands::service::trial::ServiceTryArgs;
use crate::cli::connect::service_file;
use crate::cli::connect::service_file::ServiceText;
use crate::cli::output::error::CommandError;
use crate::cli::output::row_table::{RowFormat, RowTable};
use crate::cli::output::stream;
use batchctl::report::ExitStatus;
use batchctl::service::{Service, StateSource};
use batchctl::text::{plural, printable};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

pub(crate) const SERVICE_HELP: &str = "\
A file says how a service is called, and what its answers mean. VIAS is built in and needs none.
This version drafts, lists, shows and checks such files, and makes single calls.

Examples:
  batchctl service check shop.toml           every problem, with its place
  batchctl service show vias > mine.toml     the built-in service as a file";

const LIST_HELP: &str = "\
The files are $XDG_CONFIG_HOME/batchctl/services/NAME.toml.

Examples:
  batchctl service list
  batchctl service list --json";

const SHOW_HELP: &str = "\
Examples:
  batchctl service show vias
  batchctl service show shop > shop.toml";

const CHECK_HELP: &str = "\
Says everything that is wrong, as file:line:column, and warns of answers that no rule is for.
Exit status: 0 every file is right, 2 one is not.

Examples:
  batchctl service check shop.toml
  batchctl service check examples/services/*.toml";

/// The most columns of one line of a problem.
const LINE_COLUMNS: usize = 600;

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// List the services that have a file, and the built-in one
    List(ServiceListArgs),
    /// Print the file of a service
    Show(ServiceShowArgs),
    /// Check files that describe services
    Check(ServiceCheckArgs),
    /// Make one call of a service, and show what its answer means
    Try(Box<ServiceTryArgs>),
    /// Write a draft of such a file, from a curl command or an OpenAPI document
    Import(ServiceImportArgs),
}

#[derive(Debug, Args)]
#[command(after_help = LIST_HELP)]
pub(crate) struct ServiceListArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = SHOW_HELP)]
pub(crate) struct ServiceShowArgs {
    /// The name of a service, or a file
    #[arg(value_name = "NAME|FILE")]
    pub(crate) service: String,
}

#[derive(Debug, Args)]
#[command(after_help = CHECK_HELP)]
pub(crate) struct ServiceCheckArgs {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

/// Carries out `service`.
pub(crate) fn carry_out(
    command: &ServiceCommand,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    match command {
        ServiceCommand::List(args) => list(args, context),
        ServiceCommand::Show(args) => show(args, context),
        ServiceCommand::Check(args) => check(args, context),
        ServiceCommand::Import(args) => import::import(args, context),
        ServiceCommand::Try(args) => trial::try_call(args, context),
    }
}

fn check(args: &ServiceCheckArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let (mut problems, mut broken) = (0, 0);
    for path in &args.files {
        let found = ServiceText::read(path)?;
        let name = found.shown();
        match found.parse() {
            Ok(file) => {
                service_file::say(&name, &file.warnings, "warning: ", context);
                let line = format!("{}: {}\n", name, actions_in_words(&file.service));
                stream::print(&line)?;
            }
            Err(found) => {
                service_file::say(&name, &found, "", context);
                broken += 1;
                problems += found.len();
            }
        }
    }
    if broken == 0 {
        return Ok(ExitStatus::Ok);
    }
    let files = plural(u64::try_from(args.files.len()).unwrap_or(u64::MAX), "file", "files");
    let error = format!("{} in {broken} of {files}", service_file::counted(problems));
    Err(CommandError::usage(error))
}

/// Says what a service can do.
fn actions_in_words(service: &Service) -> String {
    let names: Vec<&str> = service.actions.iter().map(|action| action.name.as_str()).collect();
    let count = u64::try_from(names.len()).unwrap_or(u64::MAX);
    let state = match state_in_words(service) {
        "" => String::new(),
        state => format!("; state by {state}"),
    };
    format!("{} ({}){state}", plural(count, "action", "actions"), names.join(", "))
}

fn state_in_words(service: &Service) -> &'static str {
    match service.state.as_ref().map(|state| &state.from) {
        None => "",
        Some(StateSource::Get(_)) => "id",
        Some(StateSource::List(_)) => "list",
    }
}

fn show(args: &ServiceShowArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let found = ServiceText::find(&args.service, &context.environment)?;
    found.usable(context)?;
    stream::print(&found.text)?;
    Ok(ExitStatus::Ok)
}

fn list(args: &ServiceListArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let format = RowFormat::choose(args.json, context.environment.stdout_is_terminal);
    let mut rows =
        RowTable::new(format, &["name", "file", "endpoint", "actions", "state", "about"]);
    add(&mut rows, &ServiceText::built_in(), context);
    if let Some(directory) = context.environment.services_directory() {
        for name in service_file::names_in(&directory)? {
            // One file that cannot be read must not hide the others.
            match ServiceText::read(&service_file::file_of(&directory, &name)) {
                Ok(found) => add(&mut rows, &found, context),
                Err(error) => context.stderr.say("warning", &error.to_string()),
            }
        }
    }
    rows.print()?;
    Ok(ExitStatus::Ok)
}

fn add(rows: &mut RowTable, found: &ServiceText, context: &Context) {
    let file = found.path.as_ref().map(|path| path.display().to_string());
    let service = match found.parse() {
        Ok(file) => file.service,
        Err(problems) => {
            let count = service_file::counted(problems.len());
            let shown = found.shown();
            let message = format!("{count} in `{shown}`: see `batchctl service check {shown}`");
            context.stderr.say("warning", &printable(&message, LINE_COLUMNS));
            return;
        }
    };
    let actions: Vec<&str> = service.actions.iter().map(|action| action.name.as_str()).collect();
    let state = state_in_words(&service);
    let cells = [
        found.name.clone(),
        file.clone().unwrap_or_default(),
        service.endpoint.clone(),
        actions.join(" "),
        state.to_owned(),
        service.about.clone().unwrap_or_default(),
    ];
    rows.add(&cells, || {
        let state = Some(state).filter(|state| !state.is_empty());
        json!({
            "name": found.name,
            "file": file,
            "endpoint": service.endpoint,
            "actions": actions,
            "state": state,
            "about": service.about,
        })
    });
}
