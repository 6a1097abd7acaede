//! The words that formats share: shares, times, durations, outcomes and failure groups.
//!
//! Pure. Every outcome has a mark and a word, because colour never says anything alone.

use crate::clock::Timestamp;
use crate::report::model::{FailureGroup, InputPart};
use crate::task::{FailureKind, Outcome};
use crate::text::{grouped, plural, whole_millis};
use std::time::Duration;

/// Returns a share in percent; a share below one percent is `<1%`.
pub(crate) fn percent(share: f64) -> String {
    // `0%` and `100%` would say "none" and "all", so rounding never reaches them.
    let percent = (share * 100.0).round();
    match share {
        _ if share > 0.0 && percent < 1.0 => "<1%".into(),
        _ if share < 1.0 && percent > 99.0 => ">99%".into(),
        _ => format!("{percent}%"),
    }
}

/// Returns the numbers of rows that were left out by choice, with what became of them.
pub(crate) fn left_out(input: &InputPart) -> [(u64, &'static str); 5] {
    [
        (input.not_matched, "not matched"),
        (input.excluded_count, "excluded"),
        (input.not_sampled, "not sampled"),
        (input.before_offset, "passed over"),
        (input.of_other_shards, "of other shards"),
    ]
}

/// Returns what would help the tasks of a group, to be read before the command that retries them.
pub(crate) fn remedy(group: &FailureGroup) -> &'static str {
    // Advice of the service stands beside these words wherever they are shown.
    match (group.retryable, group.kind) {
        (true, _) => "sending again may help",
        (false, _) if !group.advice.trim().is_empty() => "follow the advice, then send again",
        (false, Some(FailureKind::Auth)) => "get valid credentials, then send again",
        (false, _) => "remove the cause, then send again",
    }
}

/// Returns a code of the service and its words, as far as it sent them.
pub(crate) fn code_and_message(code: &str, message: &str) -> String {
    match (code.trim(), message.trim()) {
        ("", _) => message.to_owned(),
        (_, "") => code.to_owned(),
        (_, _) => format!("{code}: {message}"),
    }
}

/// Returns the number of groups that are not shown and of their tasks; `None` if there are none.
pub(crate) fn more_causes(more: &[FailureGroup]) -> Option<String> {
    let causes = plural(more.len() as u64, "more cause", "more causes");
    let tasks = plural(more.iter().map(|group| group.count).sum(), "task", "tasks");
    (!more.is_empty()).then(|| format!("{causes}, {tasks} in all"))
}

/// Returns when the tasks of a group failed, in words.
pub(crate) fn failure_times(group: &FailureGroup) -> String {
    let (Some(first), Some(last)) = (group.first_at, group.last_at) else {
        return "at an unknown time".into();
    };
    let ((day, from), (last_day, until)) = (day_and_time(first), day_and_time(last));
    // The day is repeated only if it differs.
    match (day == last_day, from == until) {
        (true, true) => format!("{day} {from} UTC"),
        (true, false) => format!("{day} {from} to {until} UTC"),
        (false, _) => format!("{day} {from} to {last_day} {until} UTC"),
    }
}

/// Returns the day and the time of day to the second, in UTC.
pub(crate) fn day_and_time(at: Timestamp) -> (String, String) {
    let text = at.to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    let second = time.split_once('.').map_or(time, |(second, _)| second);
    (day.to_owned(), second.trim_end_matches('Z').to_owned())
}

/// Returns a number of seconds with its milliseconds, as JUnit and Prometheus want it.
pub(crate) fn decimal_seconds(time: Duration) -> String {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis())
}

/// Returns a latency in milliseconds, with a decimal only below ten.
pub(crate) fn latency_millis(time: Duration) -> String {
    if time < Duration::from_millis(10) {
        return format!("{:.1} ms", time.as_secs_f64() * 1_000.0);
    }
    format!("{} ms", grouped(whole_millis(time)))
}

/// Returns a latency with as many digits as a reader needs: in seconds from ten on.
pub(crate) fn latency_words(time: Duration) -> String {
    if time >= Duration::from_secs(10) {
        return format!("{:.1} s", time.as_secs_f64());
    }
    latency_millis(time)
}

/// Returns the mark of an outcome.
pub(crate) const fn outcome_mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "✓",
        Outcome::Partial => "◐",
        Outcome::Failed => "✕",
        Outcome::Ambiguous => "?",
        Outcome::Unchanged => "=",
        Outcome::NotAttempted => "○",
    }
}

/// Returns the words for an outcome.
pub(crate) const fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotAttempted => "not attempted",
        // The others are one word, the same as in files.
        Outcome::Succeeded
        | Outcome::Partial
        | Outcome::Failed
        | Outcome::Ambiguous
        | Outcome::Unchanged => outcome.as_str(),
    }
}

/// Returns a rate with one decimal, or without one if it is zero or the rate is large.
pub(crate) fn rounded(rate: f64) -> String {
    // Three digits are enough to compare rates.
    if rate >= 100.0 {
        return grouped(rate.round() as u64);
    }
    let text = format!("{rate:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(share: f64, expected: &str) {
        assert_eq!(percent(share), expected, "{share}");
    }

    #[test]
    fn a_share_is_whole_percents_and_never_all_or_none_by_rounding() {
        check(0.0, "0%");
        check(0.000_1, "<1%");
        check(0.005, "1%");
        check(0.25, "25%");
        check(0.999, ">99%");
        check(1.0, "100%");
    }

    #[test]
    fn a_time_is_cut_to_the_second() {
        let at = Timestamp::from_micros(1_720_180_800_999_000);
        assert_eq!(day_and_time(at), ("2024-07-05".into(), "12:00:00".into()));
    }
}
