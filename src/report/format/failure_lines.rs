//! Writes the largest failure groups into the summary, in a few lines each.

use crate::report::format::drill_lines::error_in_words;
use crate::report::format::terminal::{COLUMNS, TerminalText, Tone, wrapped};
use crate::report::format::words::{code_and_message, failure_times, more_causes, percent, remedy};
use crate::report::model::{FailureGroup, Report};
use crate::task::TaskId;
use crate::text::grouped;

/// The most groups that are shown.
const MAX_SHOWN: usize = 10;
/// The most lines of one text of the service.
const MAX_TEXT_LINES: usize = 3;

/// Writes the section, if anything failed.
pub(crate) fn failures(page: &mut TerminalText, report: &Report) {
    let groups = report.failures.as_slice();
    if groups.is_empty() {
        return;
    }
    page.section("Failures");
    let (shown, more) = groups.split_at(groups.len().min(MAX_SHOWN));
    let columns = FailureColumns::for_groups(shown);
    for group in shown {
        columns.write(page, group, report);
    }
    if let Some(more) = more_causes(more) {
        page.line(&format!("  and {more}"));
    }
}

/// The widths of the columns, the same for all groups that are shown.
struct FailureColumns {
    label: usize,
    count: usize,
    kind: usize,
}

impl FailureColumns {
    fn for_groups(groups: &[FailureGroup]) -> Self {
        let widest =
            |width: fn(&FailureGroup) -> usize| groups.iter().map(width).max().unwrap_or_default();
        Self {
            label: widest(|group| group.label.to_string().len()),
            count: widest(|group| grouped(group.count).len()),
            kind: widest(|group| group.kind_word().len()),
        }
    }

    fn write(&self, page: &mut TerminalText, group: &FailureGroup, report: &Report) {
        let Self { label, count, .. } = *self;
        let status = group.http_status.map_or_else(String::new, |status| status.to_string());
        let (number, share) = (grouped(group.count), percent(group.share));
        let kind = page.toned(group.kind_word(), self.kind, Tone::Bad);
        let name = group.label;
        let mut lead =
            format!("  {name:label$}  {number:>count$}  {share:>4}  {kind}  {status:3}  ");
        // 19 columns of the lead never vary: six gaps of two, the share of four, the status of three.
        let indent = label + count + self.kind + 19;
        for line in wrapped(&cause_words(group), COLUMNS - indent, MAX_TEXT_LINES) {
            page.line(&format!("{lead}{line}"));
            lead = " ".repeat(indent);
        }
        let indent = label + 4;
        for line in details(group, report, COLUMNS - indent) {
            page.line(&format!("{:indent$}{line}", ""));
        }
    }
}

fn cause_words(group: &FailureGroup) -> String {
    // Never empty, because the numbers of the group are written in front of this text.
    let words = code_and_message(&group.error_code, group.said_template());
    if words.trim().is_empty() { "no message".into() } else { words }
}

/// Returns the lines below the message of a group: service texts, examples, times, command.
fn details(group: &FailureGroup, report: &Report, columns: usize) -> Vec<String> {
    let examples: Vec<&str> = group.examples.iter().map(TaskId::as_str).collect();
    let errors: Vec<String> = group.sub_task_errors.iter().map(error_in_words).collect();
    let texts = [
        ("detail: ", group.further_detail().to_owned()),
        ("params: ", group.params.join("; ")),
        ("", group.sub_task_error.clone()),
        ("reason: ", group.reason.clone()),
        ("advice: ", group.advice.clone()),
        ("", errors.join("; ")),
        ("e.g. ", examples.join(", ")),
        ("", format!("{}; {}", failure_times(group), remedy(group))),
        ("", report.retry_command(group).unwrap_or_default()),
    ];
    // The examples before the times: an id is the first thing that an operator looks up.
    let known = texts.iter().filter(|(_, text)| !text.trim().is_empty());
    known
        .flat_map(|(lead, text)| wrapped(&format!("{lead}{text}"), columns, MAX_TEXT_LINES))
        .collect()
}
