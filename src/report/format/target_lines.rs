//! What each target of a run did, in a line of text.

use crate::report::format::terminal::{COLUMNS, TerminalText};
use crate::report::format::words::{outcome_words, rounded};
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
    let of_outcome = |outcome| (target.so_far[outcome], outcome_words(outcome));
    let counted = Outcome::ALL.into_iter().map(of_outcome).chain(target.under_way.in_words());
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
    use crate::task::{OutcomeCounts, UnderWay};

    #[test]
    fn a_task_that_is_under_way_is_counted_by_no_outcome() {
        let mut tasks = OutcomeCounts::default();
        tasks[Outcome::Succeeded] = 5;
        tasks[Outcome::Ambiguous] = 3;
        let check = |on_the_wire: u64, waiting: u64, expected: &str| {
            let mut so_far = tasks;
            so_far[Outcome::Ambiguous] -= on_the_wire + waiting;
            let target = TargetReport {
                name: "north".into(),
                target: Target { endpoint: String::new(), project_id: String::new() },
                settings: RunSettings::default(),
                tasks,
                so_far,
                under_way: UnderWay { on_the_wire, waiting },
                attempts: 0,
                rate_average: None,
                rate_peak_1s: 0,
                complete: false,
                stopped: None,
                exit: None,
            };
            assert_eq!(target_line(&target), expected);
        };
        check(0, 0, "8 tasks: 5 succeeded, 3 ambiguous");
        check(2, 0, "8 tasks: 5 succeeded, 1 ambiguous, 2 on the wire");
        check(2, 1, "8 tasks: 5 succeeded, 2 on the wire, 1 waiting");
    }
}
