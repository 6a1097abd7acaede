//! What each target of a run did, in a line of text.

use crate::report::format::terminal::{COLUMNS, TerminalText};
use crate::report::format::words::rounded;
use crate::report::model::TargetReport;
use crate::settings::RateSetting;
use crate::task::Outcome;
use crate::text::{grouped, plural, printable};
use unicode_width::UnicodeWidthStr;

/// Writes a line for each target, and why it stopped if it did.
pub(super) fn targets(page: &mut TerminalText, targets: &[TargetReport]) {
    if targets.is_empty() {
        return;
    }
    page.section("Targets");
    let width = targets.iter().map(|target| target.name.width()).max().unwrap_or_default();
    for target in targets {
        let name = format!("{:width$}", target.name);
        page.line(&format!("  {name}  {}", target_line(target)));
        if let Some(stopped) = &target.stopped {
            let text = printable(&stopped.detail, COLUMNS.saturating_sub(width + 6));
            page.line(&format!("  {:width$}  {text}", ""));
        }
    }
}

/// Returns what a target did, in words.
pub(crate) fn target_line(target: &TargetReport) -> String {
    let mut tasks = target.tasks;
    // While it runs, such a call is most likely on the wire, and its outcome is not known yet.
    tasks[Outcome::Ambiguous] = tasks[Outcome::Ambiguous].saturating_sub(target.unanswered);
    let counted = Outcome::ALL.into_iter().map(|it| (tasks[it], it.as_str().replace('_', " ")));
    let counted = counted.chain([(target.unanswered, "not answered yet".into())]);
    let counted = counted.filter(|(count, _)| *count > 0);
    let counted: Vec<String> =
        counted.map(|(count, what)| format!("{} {what}", grouped(count))).collect();
    let mut line = plural(target.tasks.selected(), "task", "tasks");
    if !counted.is_empty() {
        line.push_str(&format!(": {}", counted.join(", ")));
    }
    if target.attempts > 0 {
        let pace = target.rate_average.map(|rate| format!("{}/s", rounded(rate)));
        let limit = match target.settings.own_rate() {
            RateSetting::Unlimited => None,
            limited => Some(format!("limit {limited}")),
        };
        let pace: Vec<String> = pace.into_iter().chain(limit).collect();
        line.push_str(&format!("; {}", pace.join(", ")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Target;
    use crate::settings::RunSettings;
    use crate::task::OutcomeCounts;

    #[test]
    fn a_call_without_an_answer_so_far_is_not_counted_as_ambiguous() {
        let mut tasks = OutcomeCounts::default();
        tasks[Outcome::Succeeded] = 5;
        tasks[Outcome::Ambiguous] = 3;
        let check = |unanswered: u64, expected: &str| {
            let target = TargetReport {
                name: "north".into(),
                target: Target { endpoint: String::new(), project_id: String::new() },
                settings: RunSettings::default(),
                tasks,
                unanswered,
                attempts: 0,
                rate_average: None,
                rate_peak_1s: 0,
                complete: false,
                stopped: None,
                exit: None,
            };
            assert_eq!(target_line(&target), expected);
        };
        check(0, "8 tasks: 5 succeeded, 3 ambiguous");
        check(2, "8 tasks: 5 succeeded, 1 ambiguous, 2 not answered yet");
        check(3, "8 tasks: 5 succeeded, 3 not answered yet");
    }
}
