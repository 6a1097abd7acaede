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
    let counted = Outcome::ALL.into_iter().filter(|&outcome| target.tasks[outcome] > 0);
    let counted = counted.map(|outcome| {
        format!("{} {}", grouped(target.tasks[outcome]), outcome.as_str().replace('_', " "))
    });
    let mut line = plural(target.tasks.selected(), "task", "tasks");
    let counted: Vec<String> = counted.collect();
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
