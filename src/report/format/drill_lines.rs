//! Words what a look into the tasks that did not succeed has shown, and names the first of their
//! sub-tasks. A list that may not be whole is never shown as whole.

use crate::report::format::terminal::{COLUMNS, TerminalText};
use crate::report::format::words::code_and_message;
use crate::report::model::{DrillPart, SubTaskError};
use crate::task::{DrilledSubTask, DrilledTask};
use crate::text::{grouped, plural, printable};

/// The most tasks that are shown.
const MAX_TASKS: usize = 10;
/// The most sub-tasks of one task that are shown.
const MAX_SUB_TASKS: usize = 3;

/// Returns how many sub-tasks are not where they were sent, and why there may be more.
pub(crate) fn drill_note(drill: &DrillPart) -> String {
    let mut note = match (drill.tasks.len(), drill.not_there) {
        (0, _) => String::new(),
        (_, 0) => format!("none of {} is in trouble", sub_tasks(drill.listed)),
        (_, not_there) => {
            format!("{} of {} not there", grouped(not_there), sub_tasks(drill.listed))
        }
    };
    for caveat in caveats(drill) {
        note += if note.is_empty() { "" } else { "; " };
        note += &caveat;
    }
    note
}

fn sub_tasks(count: u64) -> String {
    plural(count, "sub-task", "sub-tasks")
}

/// Returns the reasons why there may be more than is shown.
pub(crate) fn caveats(drill: &DrillPart) -> Vec<String> {
    let unnamed = drill.not_there.saturating_sub(drill.named);
    let why = || match (&drill.why_left, drill.limit) {
        (Some(why), _) => printable(why, 200),
        (None, Some(limit)) => format!("`--drill-limit {limit}`"),
        (None, None) => "the limit".into(),
    };
    let left = || format!("{} left out: {}", plural(drill.left, "task", "tasks"), why());
    let unread = || format!("{} could not be read", plural(drill.unread, "list", "lists"));
    [
        (drill.unread > 0).then(unread),
        (unnamed > 0).then(|| format!("{} of them not named", grouped(unnamed))),
        (drill.left > 0).then(left),
        (!drill.is_over).then(|| "not finished".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Writes the section, if there is something to name.
pub(crate) fn drilled(page: &mut TerminalText, drill: Option<&DrillPart>) {
    let tasks: Vec<&DrilledTask> = drill.map(to_name).unwrap_or_default();
    if tasks.is_empty() {
        return;
    }
    page.section("Sub-tasks");
    let (shown, more) = tasks.split_at(tasks.len().min(MAX_TASKS));
    for task in shown {
        let line = format!("{}  {}", task.id, how_many(task));
        page.line(&format!("  {}", printable(&line, COLUMNS - 2)));
        for sub_task in task.sub_tasks.iter().take(MAX_SUB_TASKS) {
            page.line(&format!("      {}", printable(&in_words(sub_task), COLUMNS - 6)));
        }
        let unshown = task.not_there.saturating_sub(task.sub_tasks.len().min(MAX_SUB_TASKS) as u64);
        if unshown > 0 {
            page.line(&format!("      and {} more", grouped(unshown)));
        }
    }
    if !more.is_empty() {
        let tasks = plural(more.len() as u64, "more task", "more tasks");
        page.line(&format!("  and {tasks}, in report.html and report.json"));
    }
}

/// Returns the tasks of which there is something to say beyond their outcome.
pub(crate) fn to_name(drill: &DrillPart) -> Vec<&DrilledTask> {
    drill.tasks.iter().filter(|task| task.gap.is_some() || task.not_there > 0).collect()
}

/// Returns how many sub-tasks of a task are not where they were sent, or why that is not known.
pub(crate) fn how_many(task: &DrilledTask) -> String {
    match &task.gap {
        Some(gap) => format!("not known: {gap}"),
        None => format!("{} of {} not there", grouped(task.not_there), sub_tasks(task.listed)),
    }
}

/// Returns a sub-task, its camera and what is wrong with it, on one line.
pub(crate) fn in_words(task: &DrilledSubTask) -> String {
    let DrilledSubTask { id, name, camera, error_code, gap, .. } = task;
    let known = [name, camera].into_iter().filter(|text| !text.trim().is_empty() && *text != id);
    let known: Vec<&str> = known.map(String::as_str).collect();
    let known = if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) };
    let said = code_and_message(error_code, task.said());
    let gap = gap.as_ref().map_or_else(String::new, |gap| format!("; its error is unread: {gap}"));
    format!("{id}: {said}{gap}{known}")
}

/// Returns an error of sub-tasks, with their number, on one line.
pub(crate) fn error_in_words(error: &SubTaskError) -> String {
    let SubTaskError { error_code, error_msg, count, example } = error;
    let code = if error_code.is_empty() { String::new() } else { format!(": {error_code}") };
    format!("{}{code}, e.g. {example}: {error_msg}", sub_tasks(*count))
}
