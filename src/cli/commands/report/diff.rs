//! `report diff`: what became of tasks from one run to another.

use crate::cli::Context;
use crate::cli::connect::protected_files;
use crate::cli::flags::values;
use crate::cli::output::atomic_file::OutputTarget;
use crate::cli::output::documents::Document;
use crate::cli::output::error::CommandError;
use crate::cli::output::terminal_guard::Content;
use crate::cli::output::{documents, stream};
use batchctl::reading::RunReader;
use batchctl::report::{CsvDialect, Diff, ExitStatus, write_diff_csv, write_diff_json};
use batchctl::run;
use clap::Args;

const DIFF_HELP: &str = "\
A task is the same in both runs if its id and its command are, and its target in a run of several. It fails if it is partial, failed,
ambiguous or was not attempted.

Examples:
  batchctl report diff 20240704 latest  what is failing since then
  batchctl report diff 20240704 20240705 -o diff.csv
  batchctl report diff 20240704 latest --json | jq '.tasks.newly_failing'";

#[derive(Debug, Args)]
#[command(after_help = DIFF_HELP)]
pub(crate) struct DiffArgs {
    /// The run that is compared with: its id, a unique beginning of it, or `latest`
    #[arg(value_name = "RUN1")]
    pub(crate) before: String,
    /// The run that is compared
    #[arg(value_name = "RUN2")]
    pub(crate) after: String,
    /// Write every task that changed: FILE.csv or FILE.json; `csv:-` for standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Vec<String>,
    /// Print JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
    /// Whom the CSV is for: programs, or Excel
    #[arg(long, value_name = "DIALECT", default_value = "plain",
        value_parser = values::csv_dialect())]
    pub(crate) csv_dialect: CsvDialect,
}

pub(crate) fn show(args: &DiffArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let documents = documents::of_changes(
        &args.output,
        args.json,
        &protected_files::find(None, context),
        &context.given,
    )?;
    let runs = run::runs_in(&context.state);
    let before = RunReader::open(&runs, &runs.find(&args.before)?)?;
    let after = RunReader::open(&runs, &runs.find(&args.after)?)?;
    let [one, other] = [before.record()?, after.record()?]
        .map(|record| record.run.service.map(|service| service.name));
    if one != other {
        let name = |service: Option<String>| service.unwrap_or_else(|| "vias".into());
        let (one, other) = (name(one), name(other));
        let error = format!("the runs are at two services, `{one}` and `{other}`");
        return Err(CommandError::usage(error).with_hint("compare two runs at the same service"));
    }
    let diff = Diff::read(&before, &after)?;
    for document in &documents {
        document.target().write(document.content(), |out| {
            documents::of_rows(if document.is_csv() {
                write_diff_csv(&before, &after, args.csv_dialect, out)
            } else {
                write_diff_json(&diff, &before, &after, out)
            })
        })?;
    }
    if args.json {
        let output = OutputTarget::StandardOutput;
        output.write(Content::Json, |out| {
            documents::of_rows(write_diff_json(&diff, &before, &after, out))
        })?;
    } else if documents.iter().any(Document::is_on_output) {
        context.stderr.line(diff.to_string().trim_end());
    } else {
        stream::print(&diff.to_string())?;
    }
    Ok(ExitStatus::Ok)
}
