//! Writes a report as text for a terminal: the summary after a run.
//!
//! 80 columns; figures that are zero are left out. Colour only stresses what the words say. All
//! foreign text is made safe to show.

use crate::policy::TuningHint;
use crate::reading::ShardRow;
use crate::report::format::drill_lines::{drill_note, drilled};
use crate::report::format::failure_lines::failures;
use crate::report::format::next_commands::{NextCommand, next_commands};
use crate::report::format::target_lines::targets;
use crate::report::format::terminal::{COLUMNS, LABEL_COLUMNS, NumberRow, TerminalText, Tone};
use crate::report::format::words::{latency_millis, rounded};
use crate::report::format::worker_lines::{takeovers_note, workers};
use crate::report::model::{Calls, ExcludedPart, ExitStatus, Latency, Report};
use crate::settings::RateSetting;
use crate::store::RunId;
use crate::task::{Counts, Outcome};
use crate::text::{Style, grouped, plural, printable, span};
use std::path::PathBuf;
use unicode_width::UnicodeWidthStr;

/// Returns the report as text. `documents` are the files that were written; the text names them.
pub fn summary(report: &Report, documents: &[PathBuf], style: Style) -> String {
    let mut page = TerminalText::new(style);
    heading(&mut page, report);
    page.rows(&[outcome_rows(report), call_rows(report)]);
    failures(&mut page, report);
    drilled(&mut page, report.drill.as_ref());
    shards(&mut page, &report.shards);
    targets(&mut page, &report.targets);
    workers(&mut page, report);
    tuning_hints(&mut page, &report.tuning_hints);
    documents_written(&mut page, documents);
    next(&mut page, report, documents);
    page.into_text()
}

fn quiet(label: &'static str, number: Option<u64>, note: String) -> NumberRow {
    NumberRow { tone: Tone::Quiet, label, number, note }
}

/// Returns the outcomes of the tasks, and the rows that became no tasks.
fn outcome_rows(report: &Report) -> Vec<NumberRow> {
    // Without counts nothing is partial, unless a run of another version says so.
    let is_told = |outcome: &Outcome| {
        *outcome != Outcome::Partial || report.run.has_counts() || report.tasks[*outcome] > 0
    };
    let outcomes = Outcome::ALL.into_iter().filter(is_told);
    let outcomes = outcomes.map(|outcome| outcome_row(outcome, report));
    let outcomes = outcomes.chain(under_way_rows(report));
    let input = &report.input;
    let of_plan = input.excluded.iter().filter(|excluded| !excluded.later);
    let later = input.excluded.iter().filter(|excluded| excluded.later);
    let excluded_later = excluded_note(later, input.excluded_later_count);
    let left_out = [
        quiet("done already", Some(input.already_done), "by the runs it follows".into()),
        quiet("excluded", Some(input.excluded_count), excluded_note(of_plan, input.excluded_count)),
        quiet("then excluded", Some(input.excluded_later_count), excluded_later),
        quiet("not matched", Some(input.not_matched), "rows that do not meet `--where`".into()),
        quiet("not sampled", Some(input.not_sampled), "outside the sample".into()),
        quiet("passed over", Some(input.before_offset), "before the offset".into()),
        quiet("duplicates", Some(input.duplicates), "rows like an earlier one".into()),
        quiet("invalid", Some(input.invalid), "rows that name no task".into()),
        quiet("elsewhere", Some(input.of_other_shards), elsewhere_note(report)),
    ];
    // Zeros are left out, except for outstanding tasks: zero is the good news of a retry.
    let rows = outcomes.chain(left_out).filter(|row| row.number != Some(0));
    rows.chain(outstanding_row(report)).collect()
}

fn elsewhere_note(report: &Report) -> String {
    let shard = report.settings.shard.map_or_else(String::new, |it| format!("; this is {it}"));
    format!("tasks of other shards{shard}")
}

/// Returns some of these `count` excluded tasks, in words.
fn excluded_note<'a>(named: impl Iterator<Item = &'a ExcludedPart>, count: u64) -> String {
    const SHOWN: usize = 3;

    let ids = named.take(SHOWN).map(|excluded| printable(&excluded.task.id, 20));
    let ids = ids.collect::<Vec<_>>().join(", ");
    match count.saturating_sub(SHOWN as u64) {
        0 => ids,
        more => format!("{ids} and {} more", grouped(more)),
    }
}

/// Returns the number of tasks that a retry leaves for the next one, also those that it left out.
fn outstanding_row(report: &Report) -> Option<NumberRow> {
    let row = || quiet("outstanding", Some(report.run.outstanding), "with the runs before".into());
    report.run.is_retry.then(row)
}

fn outcome_row(outcome: Outcome, report: &Report) -> NumberRow {
    let (tone, label, note) = match outcome {
        Outcome::Succeeded if report.run.has_counts() => (Tone::Good, "succeeded", ""),
        Outcome::Succeeded => (Tone::Good, "succeeded", "the service carried it out"),
        Outcome::Partial => (Tone::Doubtful, "partial", "some sub-tasks failed"),
        Outcome::Failed => (Tone::Bad, "failed", ""),
        Outcome::Ambiguous => (Tone::Doubtful, "ambiguous", "sent, nothing trustworthy came back"),
        Outcome::Unchanged if report.run.service.is_some() => {
            (Tone::Good, "unchanged", "in that state already")
        }
        Outcome::Unchanged => (Tone::Good, "unchanged", "in that state already, no call was made"),
        Outcome::NotAttempted => (Tone::Doubtful, "not attempted", not_attempted_note(report)),
    };
    NumberRow { tone, label, number: Some(report.so_far[outcome]), note: note.into() }
}

/// Returns the tasks that were sent and have no outcome yet.
fn under_way_rows(report: &Report) -> impl Iterator<Item = NumberRow> {
    let notes = ["no answer to their last call so far", "to be sent again"].into_iter();
    let rows = report.under_way.in_words().into_iter().zip(notes);
    rows.map(|((count, words), note)| quiet(words, Some(count), note.into()))
}

pub(crate) fn not_attempted_note(report: &Report) -> &'static str {
    match report.exit {
        None => "not sent so far",
        Some(_) if report.run.complete => "excluded before they were sent",
        Some(_) => "the run ended before their turn",
    }
}

/// Returns the effort of the run: calls, rates, pauses, latency.
fn call_rows(report: &Report) -> Vec<NumberRow> {
    let (counts, calls, pace) = (report.counts, &report.calls, &report.pace);
    let mut rows: Vec<NumberRow> =
        wave_words(report).map(|note| quiet("wave", None, note)).into_iter().collect();
    if counts.total > 0 {
        rows.push(quiet("sub-tasks", Some(counts.total), sub_tasks_note(counts)));
    }
    if report.empty > 0 {
        let note = "succeeded without a sub-task: no state to reach".into();
        rows.push(quiet("empty", Some(report.empty), note));
    }
    if report.arrivals.verified > 0 {
        let note = "seen where they were sent".into();
        rows.push(quiet("verified", Some(report.arrivals.verified), note));
    }
    if calls.pages > 0 {
        // A service that a file describes may show its states one by one.
        let (label, note) = match report.run.service {
            None => ("pages", "of the list, to see states"),
            Some(_) => ("reads", "to see states"),
        };
        rows.push(quiet(label, Some(calls.pages), note.into()));
    }
    if let Some(drill) = &report.drill {
        rows.push(quiet("looked into", Some(drill.tasks.len() as u64), drill_note(drill)));
    }
    // The pace has no number of its own in the column, because its unit differs from all others.
    if calls.attempts > 0 {
        let peak = format!("{} in the busiest second", grouped(pace.rate_peak_1s));
        rows.push(quiet("calls", Some(calls.attempts), calls_note(calls)));
        if report.flaky > 0 {
            rows.push(quiet("flaky", Some(report.flaky), FLAKY_NOTE.into()));
        }
        rows.push(quiet("pace", None, peak));
    }
    if let Some(learnt) = pace.learnt.per_second {
        let limit = rounded(learnt);
        rows.push(if report.settings.rate.is_auto() {
            quiet("rate found", None, format!("the service throttles at about {limit}/s"))
        } else {
            quiet("service", None, format!("sets the pace, at about {limit}/s"))
        });
    }
    if let Some(most) = pace.learnt.at_a_time {
        let note = format!("works on {} at a time", plural(u64::from(most), "call", "calls"));
        rows.push(quiet("service", None, note));
    }
    if let Some(note) = takeovers_note(&report.takeovers) {
        rows.push(quiet("taken over", Some(report.takeovers.len() as u64), note));
    }
    if !pace.paused.is_zero() {
        let who = if report.is_changed("paused") { " or by hand" } else { "" };
        let note = format!("{}, held back by the service{who}", span(pace.paused));
        rows.push(quiet("paused", None, note));
    }
    if !report.damage.is_empty() {
        let note = "parts of the run's file; their tasks are ambiguous".into();
        rows.push(quiet("damaged", Some(report.damage.len() as u64), note));
    }
    rows.extend(changes_row(report));
    if let Some(latency) = &report.latency {
        rows.push(quiet("latency", None, latency_note(latency)));
    }
    rows
}

/// Returns which wave the run came to, if it has waves.
pub(crate) fn wave_words(report: &Report) -> Option<String> {
    let (place, waves) = (report.wave?, report.settings.waves.as_ref()?);
    Some(format!("{} of {} (`--waves {waves}`)", place.wave, place.of))
}

/// Returns how often operators changed the run, and the last change.
fn changes_row(report: &Report) -> Option<NumberRow> {
    let last = report.changes.last()?;
    let value = last.value.as_ref().map_or_else(String::new, |value| format!(" {value}"));
    // The value is from the store, so a damaged file could hold any text.
    let what = printable(&format!("{}{value}", last.what), 30);
    let note = format!("by hand, the last: {what} at {}", last.at);
    Some(quiet("changes", Some(report.changes.len() as u64), note))
}

/// Returns how the sub-tasks ended, in words.
pub(crate) fn sub_tasks_note(counts: Counts) -> String {
    // "10 succeeded, 0 failed" takes longer to read.
    if counts.succeeded == counts.total {
        return "all succeeded".into();
    }
    format!("{} succeeded, {} failed", grouped(counts.succeeded), grouped(counts.failed))
}

/// What is said of flaky tasks beside their number.
pub(crate) const FLAKY_NOTE: &str = "succeeded after a retry";

/// Returns how many calls were retries or throttled, in words.
pub(crate) fn calls_note(calls: &Calls) -> String {
    let retries = (calls.retries > 0).then(|| plural(calls.retries, "retry", "retries"));
    let throttled =
        (calls.throttled > 0).then(|| format!("{} throttled", grouped(calls.throttled)));
    retries.into_iter().chain(throttled).collect::<Vec<_>>().join(", ")
}

fn latency_note(latency: &Latency) -> String {
    format!(
        "p50 {}, p99 {}, max {}",
        latency_millis(latency.p50),
        latency_millis(latency.p99),
        latency_millis(latency.max)
    )
}

/// Returns the command, the number of tasks, the duration and the rate of a run.
pub(crate) fn title(report: &Report) -> String {
    let (selected, skipped) = (report.tasks.selected(), report.tasks[Outcome::NotAttempted]);
    let command = printable(&report.run.command, 32);
    // Without tasks, a duration and a rate would say nothing.
    if selected == 0 {
        return format!("{command}: no task was selected");
    }
    let tasks = match skipped {
        0 => plural(selected, "task", "tasks"),
        _ => format!("{} of {}", grouped(selected - skipped), plural(selected, "task", "tasks")),
    };
    let mut title = format!("{command}: {tasks} in {}", span(report.run.duration));
    if let Some(rate) = report.pace.rate_average {
        title.push_str(&format!(", {}/s", rounded(rate)));
    }
    if let Some(limit) = limit(report) {
        // Settings are those of the beginning; an operator may have changed the limit since.
        let at_first = if report.is_changed("rate") { " at first" } else { "" };
        title.push_str(&format!(" (limit {limit}{at_first})"));
    }
    title
}

/// Returns the limit of the rate as it was given, if there was one.
fn limit(report: &Report) -> Option<String> {
    if !report.targets.is_empty() {
        return report.pace.rate_limit.map(|limit| limit.to_string());
    }
    match report.settings.own_rate() {
        rate @ (RateSetting::Fixed(_) | RateSetting::Auto { .. }) => Some(rate.to_string()),
        RateSetting::Unlimited => None,
    }
}

/// Returns a word and a reason why the run is not complete, with their tone; `None` if it is.
pub(crate) fn verdict(report: &Report) -> Option<(Tone, &'static str, String)> {
    let Some(exit) = report.exit else {
        if let Some(planned) = &report.stopped {
            return Some((Tone::Doubtful, "Planned", planned.detail.clone()));
        }
        return Some((Tone::Doubtful, "Still running", "this is what is known so far".into()));
    };
    let stopped = report.stopped.as_ref()?;
    // An interruption was wanted by an operator, so it is not worded as a failure.
    let (tone, word) = match exit {
        ExitStatus::Interrupted | ExitStatus::Terminated => (Tone::Doubtful, "Interrupted"),
        ExitStatus::NotAuthorised => (Tone::Bad, "Not authorised"),
        ExitStatus::Killed => (Tone::Bad, "Killed"),
        ExitStatus::Ok
        | ExitStatus::IncompleteSuccess
        | ExitStatus::Usage
        | ExitStatus::StoppedEarly
        | ExitStatus::BadInput
        | ExitStatus::InputOutput
        | ExitStatus::Busy => (Tone::Bad, "Stopped early"),
    };
    Some((tone, word, stopped.detail.clone()))
}

fn heading(page: &mut TerminalText, report: &Report) {
    let run = match report.shards.as_slice() {
        [] => format!("run {}", report.run.id),
        shards => format!("{} merged", plural(shards.len() as u64, "shard", "shards")),
    };
    let title = title(report);
    // On one line if both fit with a gap that separates them.
    match COLUMNS.checked_sub(title.width() + run.width()) {
        Some(gap @ 2..) => page.line(&format!("{title}{}{run}", " ".repeat(gap))),
        Some(_) | None => {
            page.line(&title);
            page.line(&run);
        }
    }
    let run = &report.run;
    origin(page, "job", run.job.as_deref());
    origin(page, "reason", run.reason.as_deref());
    let parent = if run.is_retry { "retry of" } else { "follows" };
    origin(page, parent, run.parent.as_ref().map(RunId::as_str));
    if let Some((tone, word, why)) = verdict(report) {
        page.paragraph(word, tone, &why);
    }
}

/// Writes a line about the origin of the run, if it is known.
fn origin(page: &mut TerminalText, label: &str, text: Option<&str>) {
    if let Some(text) = text {
        page.line(&format!(
            "  {label:LABEL_COLUMNS$}  {}",
            printable(text, COLUMNS - LABEL_COLUMNS - 4)
        ));
    }
}

fn shards(page: &mut TerminalText, shards: &[ShardRow]) {
    if shards.is_empty() {
        return;
    }
    page.section("Shards");
    for shard in shards {
        page.line(&format!("  {}", shard_line(shard)));
    }
}

/// Returns the shards of a merged run in a sentence.
pub(crate) fn shards_in_words(report: &Report) -> Option<String> {
    let lines: Vec<String> = report.shards.iter().map(shard_line).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

/// Returns a shard, its run and how far that is, in words.
fn shard_line(shard: &ShardRow) -> String {
    let ShardRow { shard, run, selected, settled, .. } = shard;
    let settled = match settled {
        settled if settled == selected => "all settled".into(),
        settled => format!("{} settled", grouped(*settled)),
    };
    format!("{shard}  {run}  {}, {settled}", plural(*selected, "task", "tasks"))
}

fn tuning_hints(page: &mut TerminalText, hints: &[TuningHint]) {
    if hints.is_empty() {
        return;
    }
    page.section("Hints");
    let flags: Vec<String> = hints.iter().map(ToString::to_string).collect();
    // Aligned, so that the reasons can be read down the page.
    let width = flags.iter().map(String::len).max().unwrap_or_default();
    for (flag, hint) in flags.iter().zip(hints) {
        page.line(&format!("  {flag:width$}   {}", hint_reason(*hint)));
    }
}

/// Returns the reason for a tuning hint, in words.
pub(crate) const fn hint_reason(hint: TuningHint) -> &'static str {
    match hint {
        TuningHint::LowerRate(_) => "the service throttled: this is what it accepted",
        TuningHint::MoreConcurrency(_) => "answers took too long for the rate",
        TuningHint::LongerTimeout(_) => "calls that were about to be answered timed out",
    }
}

fn documents_written(page: &mut TerminalText, documents: &[PathBuf]) {
    if documents.is_empty() {
        return;
    }
    page.section("Documents written");
    for path in documents {
        page.line(&format!("  {}", printable(&path.to_string_lossy(), COLUMNS - 2)));
    }
}

fn next(page: &mut TerminalText, report: &Report, documents: &[PathBuf]) {
    let commands = next_commands(report, documents);
    if commands.is_empty() {
        return;
    }
    page.section("Next");
    let width = commands.iter().map(|next| next.command.len()).max().unwrap_or_default();
    for NextCommand { command, purpose } in &commands {
        page.line(&format!("  {command:width$}   {purpose}"));
    }
}
