//! Writes a run as JUnit XML, so that a CI server shows its tasks as it shows tests.
//!
//! One test case for each task. Memory does not grow with the number of tasks. The numbers of the
//! suite are the sums over its cases and stand in front of them, so the cases wait in a spool.

use crate::reading::{RunReader, TaskRow};
use crate::report::format::csv::ResultsError;
use crate::report::format::row_filter::{RowFilter, is_selected};
use crate::report::format::spool::Spool;
use crate::report::format::words::{
    code_and_message, decimal_seconds, failure_times, percent, remedy,
};
use crate::report::format::xml::{Element, Xml};
use crate::report::model::{FailureGroup, Report, failure_of};
use crate::store::{RunId, SourceRecord};
use crate::task::{Failure, Outcome, OutcomeCounts, TaskId};
use crate::text::{grouped, whole_millis};
use std::io;
use std::io::Write;
use std::time::Duration;

/// Writes the tasks that `only` selects, or all tasks if it is empty.
///
/// | outcome | becomes |
/// |---|---|
/// | `succeeded` | a case that passed; with a `flakyFailure` if it took several attempts |
/// | `partial` `failed` | a failure |
/// | `ambiguous` | an error: the result is unknown |
/// | `unchanged` `not_attempted` | skipped |
///
/// # Errors
///
/// Those of the store and of `out`; then the document is not complete.
pub fn write_junit(
    run: &RunReader,
    report: &Report,
    only: &[RowFilter],
    out: impl Write,
) -> Result<(), ResultsError> {
    let mut writer = JUnitWriter::begin(&run.record()?.sources, only, Spool::temporary());
    run.for_each_task::<ResultsError>(|task| {
        writer.row(&task);
        Ok(())
    })?;
    Ok(writer.finish(report, out)?)
}

/// A JUnit document that is being written, task by task.
pub struct JUnitWriter {
    only: Vec<RowFilter>,
    sources: Vec<String>,
    totals: SuiteTotals,
    /// The cases, or the first error, after which nothing more is written.
    cases: io::Result<Xml<Spool>>,
}

impl JUnitWriter {
    /// Begins the document of a run with these inputs, for the tasks that `only` selects.
    pub fn begin(sources: &[SourceRecord], only: &[RowFilter], spool: Spool) -> Self {
        Self {
            only: only.to_vec(),
            sources: sources.iter().map(|it| it.name.clone()).collect(),
            totals: SuiteTotals::default(),
            cases: Xml::begin_part(spool, &["testsuites", "testsuite"]),
        }
    }

    /// Adds a task, if it is one of the selected ones. An error is kept for the end, because other
    /// documents of the same run go on.
    pub fn row(&mut self, task: &TaskRow) {
        let Ok(cases) = &mut self.cases else { return };
        if !is_selected(task, &self.only) {
            return;
        }
        self.totals.add(task);
        if let Err(error) = case(cases, task, &self.sources) {
            self.cases = Err(error);
        }
    }

    /// Writes the whole document.
    ///
    /// # Errors
    ///
    /// The first one of writing; then the document is not complete.
    pub fn finish(self, report: &Report, out: impl Write) -> io::Result<()> {
        let cases = self.cases?;
        let mut xml = Xml::begin(out)?;
        begin(&mut xml, report, &self.totals)?;
        xml.part(cases)?;
        end(xml, report)
    }
}

fn begin<W: Write>(xml: &mut Xml<W>, report: &Report, totals: &SuiteTotals) -> io::Result<()> {
    let run = &report.run;
    let all = Element::new("testsuites").with("name", "batchctl");
    xml.open(&totals.on(all))?;
    // CI servers list suites by name, so the job makes runs of one purpose comparable.
    let name = run.job.as_deref().unwrap_or(&run.command);
    let mut suite = Element::new("testsuite").with("name", name);
    if let Some(started) = run.started_at {
        // The schema allows neither a fraction of a second nor a zone; the time is in UTC.
        let started: String = started.to_string().chars().take(19).collect();
        suite = suite.with("timestamp", &started);
    }
    xml.open(&totals.on(suite))?;
    properties(xml, report)
}

fn end<W: Write>(mut xml: Xml<W>, report: &Report) -> io::Result<()> {
    if !report.failures.is_empty() {
        let groups: Vec<String> = report.failures.iter().map(|it| group_line(it, report)).collect();
        xml.text(&Element::new("system-out"), &groups.join("\n"))?;
    }
    if let Some(stopped) = &report.stopped {
        let said = format!("{}: {}", stopped.reason, stopped.detail);
        xml.text(&Element::new("system-err"), &said)?;
    }
    xml.close("testsuite")?;
    xml.close("testsuites")?;
    xml.finish()
}

/// Returns a failure group on one line, with the command that sends only its tasks again.
fn group_line(group: &FailureGroup, report: &Report) -> String {
    let cause = code_and_message(&group.error_code, group.said_template());
    let params = group.params.join("; ");
    let texts = [
        ("detail", group.further_detail()),
        ("params", &params),
        (if report.run.has_counts() { "sub-task" } else { "error" }, &group.sub_task_error),
        ("reason", &group.reason),
        ("advice", &group.advice),
    ];
    let texts = texts.into_iter().filter(|(_, text)| !text.trim().is_empty());
    let texts: String = texts.map(|(name, text)| format!("; {name}: {text}")).collect();
    let examples: Vec<&str> = group.examples.iter().map(TaskId::as_str).collect();
    let again = report.retry_command(group).map_or_else(String::new, |it| format!("; {it}"));
    format!(
        "{} {} {} {} {cause}{texts}; e.g. {}; {}; {}{again}",
        group.label,
        grouped(group.count),
        percent(group.share),
        group.kind_word(),
        examples.join(", "),
        failure_times(group),
        remedy(group),
    )
}

/// The sums over all cases of the suite.
#[derive(Default)]
struct SuiteTotals {
    tasks: OutcomeCounts,
    time: Duration,
}

impl SuiteTotals {
    fn add(&mut self, task: &TaskRow) {
        self.tasks[task.outcome] += 1;
        self.time = self.time.saturating_add(time_of(task));
    }

    fn on<'a>(&self, element: Element<'a>) -> Element<'a> {
        let tasks = &self.tasks;
        let failures = tasks[Outcome::Partial] + tasks[Outcome::Failed];
        let skipped = tasks[Outcome::Unchanged] + tasks[Outcome::NotAttempted];
        element
            .with("tests", &tasks.selected().to_string())
            .with("failures", &failures.to_string())
            .with("errors", &tasks[Outcome::Ambiguous].to_string())
            .with("skipped", &skipped.to_string())
            .with("time", &decimal_seconds(self.time))
    }
}

fn properties<W: Write>(xml: &mut Xml<W>, report: &Report) -> io::Result<()> {
    let run = &report.run;
    let exit = report.exit.map(|exit| exit.code().to_string());
    let duration = decimal_seconds(run.duration);
    let (empty, flaky) = (report.empty.to_string(), report.flaky.to_string());
    let known = [
        ("run", Some(run.id.as_str())),
        ("parent", run.parent.as_ref().map(RunId::as_str)),
        ("job", run.job.as_deref()),
        ("reason", run.reason.as_deref()),
        ("command", Some(run.command.as_str())),
        ("endpoint", Some(report.target.endpoint.as_str())),
        ("service", run.service.as_ref().map(|service| service.name.as_str())),
        ("project_id", Some(report.target.project_id.as_str()).filter(|id| !id.is_empty())),
        ("duration_seconds", Some(duration.as_str())),
        ("exit_status", exit.as_deref()),
        ("empty_tasks", Some(empty.as_str()).filter(|_| report.empty > 0)),
        ("flaky_tasks", Some(flaky.as_str()).filter(|_| report.flaky > 0)),
    ];
    xml.open(&Element::new("properties"))?;
    for (name, value) in known {
        let Some(value) = value else { continue };
        xml.empty(&Element::new("property").with("name", name).with("value", value))?;
    }
    xml.close("properties")
}

/// Returns the command of a task and its target, as CI servers group cases.
fn class_name(task: &TaskRow) -> String {
    match &task.target {
        Some(target) => format!("batchctl.{}.{target}", task.command),
        None => format!("batchctl.{}", task.command),
    }
}

fn case<W: Write>(xml: &mut Xml<W>, task: &TaskRow, sources: &[String]) -> io::Result<()> {
    let number = usize::try_from(task.source).expect("a u32 fits a usize");
    let file = sources.get(number).map_or("", String::as_str);
    let case = Element::new("testcase")
        .with("name", task.id.as_str())
        .with("classname", &class_name(task))
        .with("time", &decimal_seconds(time_of(task)))
        .with("file", file)
        .with("line", &task.line.to_string());
    let (tag, said) = match task.outcome {
        // A case has passed without a child, or with a `flakyFailure`: CI servers know that element
        // from Surefire and nextest.
        Outcome::Succeeded if task.is_flaky() => {
            let said = format!("succeeded at attempt {}", task.attempts);
            let note = Element::new("flakyFailure").with("message", &said).with("type", "flaky");
            xml.open(&case)?;
            xml.empty(&note)?;
            return xml.close("testcase");
        }
        Outcome::Succeeded => return xml.empty(&case),
        // Another service may have said so in its answer to a call.
        Outcome::Unchanged if task.command.is_action() => ("skipped", "already in that state"),
        Outcome::Unchanged => ("skipped", "already in that state, no call was made"),
        Outcome::NotAttempted if task.is_excluded() => ("skipped", "excluded before it was sent"),
        Outcome::NotAttempted => ("skipped", "the run ended before its turn"),
        Outcome::Partial => ("failure", "some sub-tasks failed"),
        Outcome::Failed => ("failure", "failed"),
        Outcome::Ambiguous => ("error", "sent, and nothing trustworthy came back"),
    };
    xml.open(&case)?;
    // A task that was not attempted has a failure of its own, but it is skipped and not failed.
    match failure_of(task).filter(|_| tag != "skipped") {
        None => xml.empty(&Element::new(tag).with("message", said))?,
        Some(failure) => {
            let message = message(failure, said);
            let element = Element::new(tag).with("message", &message);
            xml.text(&element.with("type", failure.kind.as_str()), &details(task, failure))?;
        }
    }
    xml.close("testcase")
}

/// Returns the line that CI servers show next to a case.
fn message(failure: &Failure, said: &str) -> String {
    let words = code_and_message(&failure.code, failure.said());
    if words.trim().is_empty() { said.to_owned() } else { words }
}

/// Returns the text that CI servers show when a case is opened.
fn details(task: &TaskRow, failure: &Failure) -> String {
    let last = task.last.as_ref();
    let status = last.and_then(|last| last.http_status).map(|status| status.to_string());
    let attempts = task.attempts.to_string();
    let params = failure.params.join("; ");
    let known = [
        ("outcome", Some(task.outcome.as_str())),
        ("http status", status.as_deref()),
        ("detail", Some(failure.detail.as_str())),
        ("params", Some(params.as_str())),
        ("reason", Some(failure.reason.as_str())),
        ("advice", Some(failure.advice.as_str())),
        ("attempts", Some(attempts.as_str())),
        ("request id", last.and_then(|last| last.request_id.as_deref())),
    ];
    // Unknown and empty values are left out, as everywhere in the document.
    let known = known.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let name = if task.command.is_action() { "error" } else { "sub-task" };
    let errors = failure.error_list.iter().map(|error| (name, error.as_str()));
    let said = known.chain(errors).filter(|(_, value)| !value.is_empty());
    said.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
}

/// Returns the time of a task from its first sending to its outcome, in whole milliseconds.
fn time_of(task: &TaskRow) -> Duration {
    let times = task.first_sent.zip(task.settled);
    let took = times.map_or(Duration::ZERO, |(first, settled)| settled.since(first));
    // Cut before it is added up, so that the written sum equals the sum of the written times.
    Duration::from_millis(whole_millis(took))
}
