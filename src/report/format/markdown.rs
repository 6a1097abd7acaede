//! Writes a report as Markdown for an issue, a merge request or a chat.
//!
//! Foreign text is written in code spans only, where it cannot become a link, mention, image or
//! table cell. Figures that are zero are left out.

use crate::report::format::drill_lines::{drill_note, error_in_words, how_many, in_words, to_name};
use crate::report::format::next_commands::{NextCommand, next_commands};
use crate::report::format::summary::{FLAKY_NOTE, title, wave_words};
use crate::report::format::target_lines::target_line;
use crate::report::format::words::{
    failure_times, left_out as rows_left_out, more_causes, outcome_words, percent, remedy,
};
use crate::report::format::worker_lines::takeovers_note;
use crate::report::model::{FailureGroup, Report};
use crate::store::{RunId, WorkerRow};
use crate::task::{Outcome, TaskId};
use crate::text::{grouped, plural, printable, span};
use std::fmt::Write;

/// The most failure groups that are shown.
const MAX_SHOWN: usize = 20;
/// The most sub-tasks of one task that are shown.
const MAX_SUB_TASKS: usize = 5;
/// The most columns of a foreign text.
const MAX_TEXT_COLUMNS: usize = 200;

/// Returns the report as Markdown.
pub fn markdown(report: &Report) -> String {
    let mut text = String::new();
    // In a closure, so that `?` can be used, although writing to a `String` never fails.
    let mut write = || {
        heading(&mut text, report)?;
        outcomes(&mut text, report)?;
        numbers(&mut text, report)?;
        failures(&mut text, report)?;
        drilled(&mut text, report)?;
        shards(&mut text, report)?;
        targets(&mut text, report)?;
        workers(&mut text, report)?;
        damage(&mut text, report)?;
        next(&mut text, report)
    };
    write().expect("a String takes all text");
    text
}

type Written = Result<(), std::fmt::Error>;

fn heading(text: &mut String, report: &Report) -> Written {
    let run = &report.run;
    writeln!(text, "## {} {}\n", mark(report), title(report))?;
    match report.shards.as_slice() {
        [] => write!(text, "Run {}", code(run.id.as_str()))?,
        shards => write!(text, "{} merged", plural(shards.len() as u64, "shard", "shards"))?,
    }
    if let Some(job) = &run.job {
        write!(text, " of job {}", code(job))?;
    }
    if let Some(parent) = &run.parent {
        let word = if run.is_retry { "retry of" } else { "follows" };
        write!(text, ", {word} {}", code(RunId::as_str(parent)))?;
    }
    if let Some(started) = run.started_at {
        write!(text, ", began {started}")?;
    }
    let target = (code(&report.target.endpoint), code(&report.target.project_id));
    match &run.service {
        None => writeln!(text, ", at {}, project {}.", target.0, target.1)?,
        Some(service) => writeln!(text, ", at {} ({}).", target.0, code(&service.name))?,
    }
    if let Some(reason) = &run.reason {
        writeln!(text, "\nReason: {}", code(reason))?;
    }
    match (&report.stopped, report.exit) {
        (Some(planned), None) => {
            writeln!(text, "\n**Planned**: {}.", code(&planned.detail))
        }
        (None, None) => writeln!(text, "\n**Still running**: this is what is known so far."),
        (Some(stopped), Some(_)) => {
            let word = stopped.reason.replace('_', " ");
            writeln!(text, "\n**Stopped** ({}): {}", code(&word), code(&stopped.detail))
        }
        (None, Some(_)) => Ok(()),
    }
}

/// Returns a symbol for the result, to be seen at a glance. The words next to it say the same.
fn mark(report: &Report) -> char {
    match (report.exit.is_some(), report.tasks.all_good()) {
        (false, _) => '⏳',
        (true, true) => '✅',
        (true, false) => '❌',
    }
}

fn shards(text: &mut String, report: &Report) -> Written {
    if report.shards.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n### Shards\n\n| shard | run | tasks | settled |\n|---|---|--:|--:|")?;
    report.shards.iter().try_for_each(|shard| {
        let run = code(shard.run.as_str());
        let (tasks, settled) = (grouped(shard.selected), grouped(shard.settled));
        writeln!(text, "| {} | {run} | {tasks} | {settled} |", shard.shard)
    })
}

fn targets(text: &mut String, report: &Report) -> Written {
    if report.targets.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n### Targets\n\n| target | tasks | stopped |\n|---|---|---|")?;
    report.targets.iter().try_for_each(|target| {
        let why = target.stopped.as_ref().map_or_else(String::new, |it| code(&it.detail));
        writeln!(text, "| {} | {} | {why} |", code(&target.name), target_line(target))
    })
}

fn workers(text: &mut String, report: &Report) -> Written {
    if report.workers.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n### Workers\n\n| worker | machine | process | calls |\n|--:|---|--:|--:|")?;
    let (shown, more) = report.workers.split_at(report.workers.len().min(MAX_SHOWN));
    for WorkerRow { number, host, process, calls, .. } in shown {
        writeln!(text, "| {number} | {} | {process} | {} |", code(host), grouped(*calls))?;
    }
    match more.len() as u64 {
        0 => Ok(()),
        more => writeln!(text, "\nand {}", plural(more, "more worker", "more workers")),
    }
}

fn damage(text: &mut String, report: &Report) -> Written {
    if report.damage.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n**Damaged**: parts of the run's file are not what was written.\n")?;
    report
        .damage
        .iter()
        .take(MAX_SHOWN)
        .try_for_each(|part| writeln!(text, "- {}", code(&part.to_string())))
}

fn outcomes(text: &mut String, report: &Report) -> Written {
    writeln!(text, "\n| outcome | tasks |\n|---|--:|")?;
    let of_outcome = |outcome| (report.so_far[outcome], outcome_words(outcome));
    let counted = Outcome::ALL.into_iter().map(of_outcome).chain(report.under_way.in_words());
    // Outcomes that did not occur are left out, unlike in documents for programs.
    for (count, outcome) in counted.filter(|&(count, _)| count > 0) {
        writeln!(text, "| {outcome} | {} |", grouped(count))?;
    }
    writeln!(text, "| **selected** | **{}** |", grouped(report.tasks.selected()))
}

fn numbers(text: &mut String, report: &Report) -> Written {
    let (counts, calls, input) = (report.counts, &report.calls, &report.input);
    let sub_tasks = || {
        let (good, bad) = (grouped(counts.succeeded), grouped(counts.failed));
        format!("Sub-tasks: {}, {good} succeeded, {bad} failed", grouped(counts.total))
    };
    let empty = || {
        let tasks = plural(report.empty, "task", "tasks");
        format!("Empty: {tasks} succeeded without a sub-task")
    };
    let wave = wave_words(report).map(|words| format!("Wave: {words}"));
    let flaky = || format!("Flaky: {} {FLAKY_NOTE}", plural(report.flaky, "task", "tasks"));
    let sent = || {
        let retries = plural(calls.retries, "retry", "retries");
        let throttled = grouped(calls.throttled);
        format!("Calls: {}, {retries}, {throttled} throttled", grouped(calls.attempts))
    };
    // Rows are listed only if some of them became no task.
    let others = rows_left_out(input);
    let left_out = input.duplicates
        + input.already_done
        + input.invalid
        + others.iter().map(|(count, _)| count).sum::<u64>();
    let rows = || {
        let twice = plural(input.duplicates, "duplicate", "duplicates");
        let (rows, done) = (grouped(input.rows), grouped(input.already_done));
        let others = others.iter().filter(|(count, _)| *count > 0);
        let others: String =
            others.map(|(count, what)| format!(", {} {what}", grouped(*count))).collect();
        let invalid = grouped(input.invalid);
        format!("Rows: {rows}, {twice}, {done} done already{others}, {invalid} invalid")
    };
    let drill = report.drill.as_ref();
    let drill = drill.map(|it| {
        let tasks = plural(it.tasks.len() as u64, "task", "tasks");
        format!("Looked into: {tasks}, {}", drill_note(it))
    });
    let paused = || format!("Paused: {}, held back by the service", span(report.pace.paused));
    let taken_over = takeovers_note(&report.takeovers).map(|note| {
        let chunks = plural(report.takeovers.len() as u64, "chunk", "chunks");
        format!("Taken over: {chunks} {note}")
    });
    let lines = [
        wave,
        (counts.total > 0).then(sub_tasks),
        (report.empty > 0).then(empty),
        (calls.attempts > 0).then(sent),
        (report.flaky > 0).then(flaky),
        drill,
        (left_out > 0).then(rows),
        taken_over,
        (!report.pace.paused.is_zero()).then(paused),
    ];
    let lines: Vec<String> =
        lines.into_iter().flatten().map(|line| format!("- {line}\n")).collect();
    if lines.is_empty() {
        return Ok(());
    }
    write!(text, "\n{}", lines.concat())
}

fn failures(text: &mut String, report: &Report) -> Written {
    let groups = report.failures.as_slice();
    if groups.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n### Failures\n")?;
    writeln!(
        text,
        "| | tasks | share | kind | status | cause | advice | what helps | when | for example |"
    )?;
    writeln!(text, "|---|--:|--:|---|---|---|---|---|---|---|")?;
    let (shown, more) = groups.split_at(groups.len().min(MAX_SHOWN));
    for group in shown {
        failure(text, group)?;
    }
    match more_causes(more) {
        Some(more) => writeln!(text, "\nand {more}"),
        None => Ok(()),
    }
}

fn failure(text: &mut String, group: &FailureGroup) -> Written {
    let status = group.http_status.map_or_else(String::new, |status| status.to_string());
    let params = group.params.join("; ");
    let errors: Vec<String> = group.sub_task_errors.iter().map(error_in_words).collect();
    let errors = errors.join("; ");
    let cause = [
        &group.error_code,
        group.said_template(),
        group.further_detail(),
        &params,
        &group.sub_task_error,
        &errors,
        &group.reason,
    ];
    let examples: Vec<String> = group.examples.iter().map(|id| code(TaskId::as_str(id))).collect();
    writeln!(
        text,
        "| {} | {} | {} | {} | {status} | {} | {} | {} | {} | {} |",
        group.label,
        grouped(group.count),
        percent(group.share),
        group.kind_word(),
        cause.iter().filter_map(|part| known(part)).collect::<Vec<_>>().join(" "),
        known(&group.advice).unwrap_or_default(),
        remedy(group),
        failure_times(group),
        examples.join(" "),
    )
}

/// Writes the sub-tasks of the tasks that were looked into.
fn drilled(text: &mut String, report: &Report) -> Written {
    let tasks = report.drill.as_ref().map(to_name).unwrap_or_default();
    if tasks.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n### Sub-tasks\n\n| task | sub-tasks | which |\n|---|---|---|")?;
    let (shown, more) = tasks.split_at(tasks.len().min(MAX_SHOWN));
    for task in shown {
        let named = task.sub_tasks.iter().take(MAX_SUB_TASKS);
        let mut named: Vec<String> = named.map(|it| code(&in_words(it))).collect();
        let unshown = task.not_there.saturating_sub(named.len() as u64);
        named.extend((unshown > 0).then(|| format!("and {} more", grouped(unshown))));
        writeln!(text, "| {} | {} | {} |", code(&task.id), code(&how_many(task)), named.join(" "))?;
    }
    match more.len() as u64 {
        0 => Ok(()),
        more => writeln!(text, "\nand {}", plural(more, "more task", "more tasks")),
    }
}

fn next(text: &mut String, report: &Report) -> Written {
    let mut commands = next_commands(report, &[]);
    let largest = report.failures.first().and_then(|group| {
        let command = report.retry_command(group)?;
        Some(NextCommand { command, purpose: of_largest(group) })
    });
    commands.extend(largest);
    if commands.is_empty() {
        return Ok(());
    }
    let width = commands.iter().map(|next| next.command.len()).max().unwrap_or_default();
    writeln!(text, "\n```sh")?;
    for NextCommand { command, purpose } in &commands {
        writeln!(text, "{command:width$}   # {purpose}")?;
    }
    writeln!(text, "```")
}

/// Returns the purpose of retrying the largest group alone.
fn of_largest(group: &FailureGroup) -> &'static str {
    if group.retryable {
        "the most frequent cause alone"
    } else {
        "the most frequent cause alone, once it is gone"
    }
}

fn known(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| code(text))
}

/// Returns a foreign text as code, on one line, and cut if it is long.
fn code(text: &str) -> String {
    let text = printable(text, MAX_TEXT_COLUMNS);
    // Every renderer understands a span of backticks, but they disagree about `\|` in a table. So a
    // text with a bar becomes an element in which every mark is a character reference.
    if text.contains('|') {
        return format!("<code>{}</code>", with_references(&text));
    }
    // CommonMark: the fence must be longer than every run of backticks inside.
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    // A renderer removes one blank on either side, so that a backtick or a blank may be first.
    let needs_room = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) || text.is_empty();
    let room = if needs_room { " " } else { "" };
    format!("{fence}{room}{text}{room}{fence}")
}

fn with_references(text: &str) -> String {
    let mut written = String::with_capacity(2 * text.len());
    for character in text.chars() {
        if character.is_ascii_punctuation() {
            write!(written, "&#{};", u32::from(character)).expect("a String takes all text");
        } else {
            written.push(character);
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(code(text), expected, "{text:?}");
    }

    #[test]
    fn foreign_text_stays_in_its_code_span() {
        check("no licence", "`no licence`");
        check("@all <b>#1</b> ![x](y)", "`@all <b>#1</b> ![x](y)`");
        check("a`b``c", "```a`b``c```");
        check("`", "`` ` ``");
        check(" x", "`  x `");
        check("a\n# b\r\n\u{1b}", r"`a\u{a}# b\u{d}\u{a}\u{1b}`");
        check(&"x".repeat(300), &format!("`{}…`", "x".repeat(199)));
    }

    #[test]
    fn a_bar_does_not_end_a_cell() {
        check("a|b", "<code>a&#124;b</code>");
        check(r"\|`@x", "<code>&#92;&#124;&#96;&#64;x</code>");
    }
}
