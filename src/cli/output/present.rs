//! Presents a run when it ends and when it is asked for: the same, from the same store.

use crate::cli::Context;
use crate::cli::output::documents::{Document, Material};
use crate::cli::output::error::CommandError;
use crate::cli::output::event_documents::Live;
use crate::cli::output::row_documents::RowDocuments;
use crate::cli::output::run_end::RunEnd;
use crate::cli::output::stream::{Audience, Stderr};
use crate::cli::output::{command_hint, lone_files, lost_ids, stream};
use batchctl::event::StopReason;
use batchctl::reading::{RunReader, TaskRow};
use batchctl::report::{
    ExitStatus, Report, ResultsOptions, StillRunning, TaskContext, summary, write_json,
};
use batchctl::run;
use batchctl::store::{RunDirectory, RunId, StoreError};
use batchctl::text::{Style, plural, printable};
use batchctl::whole_file::directory_of;
use std::path::{Path, PathBuf};

/// The outputs that are requested of a run.
pub(crate) struct ReportRequest<'a> {
    pub(crate) documents: &'a [Document],
    pub(crate) options: &'a ResultsOptions,
    pub(crate) json: bool,
    pub(crate) summary: bool,
    /// The documents that were written while this process carried the run out.
    pub(crate) live: Option<&'a Live>,
    /// Where the end is kept of a run that this process carried out.
    pub(crate) end: Option<&'a RunEnd>,
}

impl<'a> ReportRequest<'a> {
    /// Asks for the report of a run that this process did not carry out: always a summary, unless it is
    /// to be JSON.
    pub(crate) fn of_the_past(
        documents: &'a [Document],
        options: &'a ResultsOptions,
        json: bool,
    ) -> Self {
        Self { documents, options, json, summary: true, live: None, end: None }
    }
}

/// Writes the documents, prints the result, and returns the run's exit status.
pub(crate) fn present(
    runs: &RunDirectory,
    id: &RunId,
    wanted: &ReportRequest<'_>,
    stderr: &Stderr,
    stdout_style: Style,
) -> Result<ExitStatus, CommandError> {
    if let Some(end) = wanted.end {
        end.note_run(id);
    }
    // Before the reader: a run that ends in between is then reported as running, not as cut short.
    let running = if runs.is_locked(id)? { StillRunning::Yes } else { StillRunning::No };
    let (reader, report, rows) = read_whole_or_damaged(runs, id, running, wanted)?;
    if wanted.end.is_none() {
        lone_files::warn(&reader, stderr, "and ask again");
    }
    deliver(&Read { runs, reader, report }, rows, wanted, stderr, stdout_style)
}

/// Writes the documents of a plan that was carried out in shards, and prints the result.
pub(crate) fn present_merged(
    files: &[PathBuf],
    wanted: &ReportRequest<'_>,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    // Before the readers, as for a run of one file.
    let is_locked = RunReader::is_any_locked(files)?;
    let running = if is_locked { StillRunning::Yes } else { StillRunning::No };
    let reader = RunReader::merge(files)?;
    lone_files::warn(&reader, &context.stderr, "and merge again");
    let (reader, report, rows) = read(reader, &context.state, running, wanted)?;
    // Earlier runs of the job, among which the last success is looked for, are those of this machine.
    let read = Read { runs: &run::runs_in(&context.state), reader, report };
    deliver(&read, rows, wanted, &context.stderr, context.stdout_style)
}

/// A run that was read, and the runs beside it.
struct Read<'a> {
    runs: &'a RunDirectory,
    reader: RunReader,
    report: Report,
}

fn deliver(
    read: &Read<'_>,
    rows: RowDocuments,
    wanted: &ReportRequest<'_>,
    stderr: &Stderr,
    stdout_style: Style,
) -> Result<ExitStatus, CommandError> {
    let Read { runs, reader, report } = read;
    let output_is_taken = wanted.documents.iter().any(Document::is_on_output);
    let material = Material { runs, reader, report };
    let (written, unwritten) = write_all(wanted.documents, rows, &material);
    if let Some(live) = wanted.live {
        live.close(report);
    }
    if let Some(end) = wanted.end {
        end.note_report(report, &written);
    }
    if wanted.json {
        print_json(report)?;
    } else if wanted.summary && stderr.audience == Audience::Cron {
        print_for_cron(report, &written, stderr);
    } else if wanted.summary {
        if output_is_taken {
            stderr.line(summary(report, &written, stderr.style).trim_end());
        } else {
            stream::print_bytes(summary(report, &written, stdout_style).as_bytes())?;
        }
    } else if wanted.end.is_some() {
        say_why_it_stopped(report, stderr);
    }
    print_unwritten(unwritten, stderr)?;
    if let Some(damaged) = warn_of_damage(report, runs, stderr) {
        return Err(damaged);
    }
    Ok(report.exit.map_or(ExitStatus::Ok, |exit| exit))
}

/// Reads the report of a run, and writes its documents with rows on the way.
fn read(
    reader: RunReader,
    directory: &Path,
    running: StillRunning,
    wanted: &ReportRequest<'_>,
) -> Result<(RunReader, Report, RowDocuments), StoreError> {
    let mut rows = RowDocuments::begin(wanted.documents, wanted.options, &reader, directory)?;
    let report = if rows.is_empty() {
        Report::read(&reader, running)?
    } else {
        let each = |task: &TaskRow, context: &TaskContext| rows.row(task, context);
        Report::read_with(&reader, running, each)?
    };
    Ok((reader, report, rows))
}

/// Reads the report of a run. Of a damaged run, what is whole.
fn read_whole_or_damaged(
    runs: &RunDirectory,
    id: &RunId,
    running: StillRunning,
    wanted: &ReportRequest<'_>,
) -> Result<(RunReader, Report, RowDocuments), CommandError> {
    let file = runs.file(id);
    let read = |reader| read(reader, directory_of(&file), running, wanted);
    let strict = RunReader::open(runs, id).and_then(read);
    let error = match strict {
        Err(error @ StoreError::Damaged { .. }) => error,
        strict => return Ok(strict?),
    };
    match read(RunReader::open_damaged(runs, id)?) {
        Ok(read) if !read.1.damage.is_empty() => Ok(read),
        Ok(_) | Err(_) => Err(error.into()),
    }
}

/// The most parts of damage that are named.
const MOST_NAMED: usize = 20;

/// Says on standard error what of a run is damaged, and returns that as an error.
fn warn_of_damage(report: &Report, runs: &RunDirectory, stderr: &Stderr) -> Option<CommandError> {
    let first = report.damage.iter().find(|part| !part.is_repaired).or(report.damage.first())?;
    let stderr = stderr.of_failures();
    for part in report.damage.iter().take(MOST_NAMED) {
        stderr.say("warning", &printable(&part.to_string(), LONGEST_LINE));
    }
    if first.is_repaired {
        return Some(ids_are_lost(report));
    }
    let path = runs.file(&report.run.id);
    let more = report.damage.len() - 1;
    let detail = match more {
        0 => first.place(),
        more => {
            format!("{} and {}", first.place(), plural(more as u64, "other part", "other parts"))
        }
    };
    Some(StoreError::Damaged { path, detail }.into())
}

/// Returns the error of a run that a repair left without some of its ids.
fn ids_are_lost(report: &Report) -> CommandError {
    let (run, tasks) = (&report.run, report.damage.iter().map(|part| part.tasks).sum());
    let tasks = plural(tasks, "task", "tasks");
    let (sources, has_service) = (&report.input.sources, run.service.is_some());
    let hint = lost_ids::hint(&run.id, &run.command, has_service, sources);
    CommandError::io(format!("the ids of {tasks} of run {} are lost", run.id)).with_hint(hint)
}

/// The most columns of a line about damage.
const LONGEST_LINE: usize = 600;

/// Says why a run without a summary stopped by itself: that is an error, which quiet does not hide.
fn say_why_it_stopped(report: &Report, stderr: &Stderr) {
    let is_error =
        matches!(report.exit, Some(ExitStatus::StoppedEarly | ExitStatus::NotAuthorised));
    // What an operator asked for is none.
    let is_ordered = |reason: &str| reason == StopReason::Drained.as_str();
    let stopped = report.stopped.as_ref().filter(|it| is_error && !is_ordered(&it.reason));
    let Some(stopped) = stopped else { return };
    let stderr = stderr.of_failures();
    let detail = printable(&stopped.detail, LONGEST_LINE);
    stderr.say("error", &format!("the run stopped early: {detail}"));
    stderr.say("hint", &format!("`batchctl resume {}` goes on with the rest", report.run.id));
}

/// Prints a digest on standard error, unless every task succeeded.
fn print_for_cron(report: &Report, written: &[PathBuf], stderr: &Stderr) {
    if report.exit.is_none_or(|exit| exit == ExitStatus::Ok) {
        return;
    }
    let text = summary(report, written, stderr.style);
    stderr.of_failures().line(&digest(&text, &report.run.id, stderr.profile_flag));
}

/// Writes every other document, whatever becomes of the others; returns the files that are there
/// now.
fn write_all(
    documents: &[Document],
    mut rows: RowDocuments,
    material: &Material<'_>,
) -> (Vec<PathBuf>, Vec<CommandError>) {
    let (mut written, mut unwritten) = (Vec::new(), Vec::new());
    for document in documents {
        let with_rows = rows.finish_next(document, material);
        match with_rows.unwrap_or_else(|| document.write(material)) {
            Ok(()) => written.extend(document.path().map(PathBuf::from)),
            Err(failure) => unwritten.push(failure),
        }
    }
    (written, unwritten)
}

/// Prints the errors of documents, except for the last, which the caller returns.
fn print_unwritten(mut unwritten: Vec<CommandError>, stderr: &Stderr) -> Result<(), CommandError> {
    let Some(last) = unwritten.pop() else { return Ok(()) };
    let stderr = stderr.of_failures();
    for error in &unwritten {
        error.print(&stderr);
    }
    Err(last)
}

fn print_json(report: &Report) -> Result<(), CommandError> {
    let mut text = Vec::new();
    write_json(report, &mut text).map_err(CommandError::io)?;
    Ok(stream::print_json(&String::from_utf8_lossy(&text))?)
}

/// The most lines of a digest.
const LINES: usize = 60;
/// How many of them are the end of the report, which says what to type next.
const LAST: usize = 19;

/// Returns the report in at most 60 lines.
pub(crate) fn digest(report: &str, run: &RunId, profile_flag: &str) -> String {
    let lines: Vec<&str> = report.trim_end().lines().collect();
    if lines.len() <= LINES {
        return lines.join("\n");
    }
    let (first, rest) = lines.split_at(LINES - LAST - 1);
    let (left_out, last) = rest.split_at(rest.len() - LAST);
    let command = command_hint::with_flag(&format!("batchctl report {run}"), profile_flag);
    let between = format!("… {} more lines: {command}", left_out.len());
    let whole: Vec<&str> =
        first.iter().copied().chain([&*between]).chain(last.iter().copied()).collect();
    whole.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: usize, expected: usize) -> String {
        let report: String = (1..=lines).map(|line| format!("line {line}\n")).collect();
        let digest = digest(&report, &"20240705-120000-aaaa".parse().unwrap(), "");
        assert_eq!(digest.lines().count(), expected, "{lines}");
        digest
    }

    #[test]
    fn a_short_report_is_its_own_digest() {
        check(0, 0);
        check(1, 1);
        check(60, 60);
    }

    #[test]
    fn a_long_one_keeps_its_beginning_and_its_end() {
        let digest = check(61, 60);
        assert!(
            digest
                .contains("line 40\n… 2 more lines: batchctl report 20240705-120000-aaaa\nline 43")
        );
        assert!(digest.ends_with("line 61"));
        check(1_000, 60);
    }
}
