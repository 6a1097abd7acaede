//! `report diff`: what became of tasks from one run to another.

use super::Context;
use super::args::DiffArgs;
use super::documents;
use super::documents::Document;
use super::failure::Failure;
use super::stream;
use batchctl::report::Diff;
use batchctl::report::ExitStatus;
use batchctl::report::write_diff_csv;
use batchctl::report::write_diff_json;
use batchctl::run;
use batchctl::store::RunReader;

pub(super) fn show(args: &DiffArgs, context: &Context) -> Result<ExitStatus, Failure> {
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
        let output = super::target::Target::StandardOutput;
        output.write(|out| documents::of_rows(write_diff_json(&diff, &before, &after, out)))?;
    } else if documents.iter().any(Document::is_on_output) {
        let mut stderr = context.stderr;
        stderr.line(diff.to_string().trim_end());
    } else {
        stream::print(&diff.to_string()).map_err(super::target::not_printed)?;
    }
    Ok(ExitStatus::Ok)
}
