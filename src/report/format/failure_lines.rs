//! Writes the groups of failures into the summary: the most frequent, in a few lines each.

use crate::report::FailureGroup;
use crate::report::format::terminal::COLUMNS;
use crate::report::format::terminal::TerminalText;
use crate::report::format::terminal::Tone;
use crate::report::format::words::kind;
use crate::report::format::words::may_help;
use crate::report::format::words::percent;
use crate::report::format::words::when;
use crate::report::format::wrap::wrapped;
use crate::report::model::Report;
use crate::task::TaskId;
use crate::text::grouped;
use crate::text::plural;

/// How many causes of failure are shown.
const SHOWN_FAILURES: usize = 10;
/// How many lines one text of the service takes at the most.
const LINES_OF_TEXT: usize = 3;

/// Writes the section, if anything failed.
pub(crate) fn failures(page: &mut TerminalText, report: &Report) {
    let groups = report.failures.as_slice();
    if groups.is_empty() {
        return;
    }
    page.section("Failures");
    let (shown, more) = groups.split_at(groups.len().min(SHOWN_FAILURES));
    let columns = FailureColumns::of(shown);
    for group in shown {
        columns.write(page, group, report);
    }
    if !more.is_empty() {
        let causes = plural(more.len() as u64, "more cause", "more causes");
        let tasks = plural(more.iter().map(|group| group.count).sum(), "task", "tasks");
        page.line(&format!("  and {causes}, {tasks} in all"));
    }
}

/// How wide the columns of the failures are.
struct FailureColumns {
    label: usize,
    count: usize,
    kind: usize,
}

impl FailureColumns {
    fn of(groups: &[FailureGroup]) -> Self {
        let widest =
            |width: fn(&FailureGroup) -> usize| groups.iter().map(width).max().unwrap_or_default();
        Self {
            label: widest(|group| group.label.to_string().len()),
            count: widest(|group| grouped(group.count).len()),
            kind: widest(|group| kind(group).len()),
        }
    }

    fn write(&self, page: &mut TerminalText, group: &FailureGroup, report: &Report) {
        let Self { label, count, .. } = *self;
        let status = group.http_status.map_or_else(String::new, |status| status.to_string());
        let (number, share) = (grouped(group.count), percent(group.share));
        let kind = page.toned(kind(group), self.kind, Tone::Bad);
        let name = group.label;
        let mut lead =
            format!("  {name:label$}  {number:>count$}  {share:>4}  {kind}  {status:3}  ");
        let indent = label + count + self.kind + 19;
        for line in wrapped(&code_and_message(group), COLUMNS - indent, LINES_OF_TEXT) {
            page.line(&format!("{lead}{line}"));
            lead = " ".repeat(indent);
        }
        let indent = label + 4;
        for line in details(group, report, COLUMNS - indent) {
            page.line(&format!("{:indent$}{line}", ""));
        }
    }
}

fn code_and_message(group: &FailureGroup) -> String {
    match (group.error_code.as_str(), group.message_template.as_str()) {
        // A line of its own is needed for the numbers that stand before it.
        ("", message) if message.trim().is_empty() => "no message".into(),
        ("", message) => message.into(),
        (code, message) => format!("{code}: {message}"),
    }
}

/// Returns what there is to say about a cause beyond its message.
fn details(group: &FailureGroup, report: &Report, columns: usize) -> Vec<String> {
    let examples: Vec<&str> = group.examples.iter().map(TaskId::as_str).collect();
    let texts = [
        ("", group.sub_task_error.clone()),
        ("reason: ", group.reason.clone()),
        ("advice: ", group.advice.clone()),
        ("e.g. ", examples.join(", ")),
        ("", format!("{}; {}", when(group), may_help(group))),
        ("", group.retry_command(report).unwrap_or_default()),
    ];
    let known = texts.iter().filter(|(_, text)| !text.trim().is_empty());
    known
        .flat_map(|(lead, text)| wrapped(&format!("{lead}{text}"), columns, LINES_OF_TEXT))
        .collect()
}
