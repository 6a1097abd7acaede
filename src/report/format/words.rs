//! How every format words shares, times and groups of failures.
//!
//! Pure.

use crate::clock::Timestamp;
use crate::report::FailureGroup;
use crate::task::FailureKind;

/// Returns a share in percent; what is too little for one is `<1%`, and not all is never `100%`.
pub(crate) fn percent(share: f64) -> String {
    let percent = (share * 100.0).round();
    match share {
        _ if share > 0.0 && percent < 1.0 => "<1%".into(),
        _ if share < 1.0 && percent > 99.0 => ">99%".into(),
        _ => format!("{percent}%"),
    }
}

/// Returns where failures of a group happened, in a word.
pub(crate) fn kind(group: &FailureGroup) -> &'static str {
    group.kind.map_or("other", FailureKind::as_str)
}

/// Says whether sending the tasks of a group again, as they are, may help.
pub(crate) fn may_help(group: &FailureGroup) -> &'static str {
    if group.retryable { "sending again may help" } else { "sending again alone will not help" }
}

/// Says when the tasks of a group failed.
pub(crate) fn when(group: &FailureGroup) -> String {
    let (Some(first), Some(last)) = (group.first_at, group.last_at) else {
        return "at an unknown time".into();
    };
    let ((day, from), (last_day, until)) = (day_and_time(first), day_and_time(last));
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
    fn a_time_is_told_to_the_second() {
        let at = Timestamp::from_micros(1_720_180_800_999_000);
        assert_eq!(day_and_time(at), ("2024-07-05".into(), "12:00:00".into()));
    }
}
