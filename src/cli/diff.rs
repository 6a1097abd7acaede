//! `report diff`: what became of tasks from one run to another.

use crate::cli::Context;
use crate::cli::args::DiffArgs;
use crate::cli::documents;
use crate::cli::documents::Document;
use crate::cli::failure::Failure;
use crate::cli::stream;
use batchctl::report::Diff;
use batchctl::report::ExitStatus;
use batchctl::report::write_diff_csv;
use batchctl::report::write_diff_json;
use batchctl::run;
use batchctl::store::RunReader;

pub(crate) fn show(args: &DiffArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let documents = documents::of_changes(&args.output, args.json)?;
    let runs = run::runs_in(&context.state);
    let before = RunReader::open(&runs, &runs.find(&args.before)?)?;
    let after = RunReader::open(&runs, &runs.find(&args.after)?)?;
    let diff = Diff::read(&before, &after)?;
    for document in &documents {
        document.target().write(|out| {
            documents::of_rows(if document.is_csv() {
                write_diff_csv(&before, &after, args.csv_dialect.into(), out)
            } else {
                write_diff_json(&diff, &before, &after, out)
            })
        })?;
    }
    if args.json {
        let output = crate::cli::target::Target::StandardOutput;
        output.write(|out| documents::of_rows(write_diff_json(&diff, &before, &after, out)))?;
    } else if documents.iter().any(Document::is_on_output) {
        let mut stderr = context.stderr;
        stderr.line(diff.to_string().trim_end());
    } else {
        stream::print(&diff.to_string()).map_err(crate::cli::target::not_printed)?;
    }
    Ok(ExitStatus::Ok)
}
