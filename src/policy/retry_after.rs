//! Reads the wait that the service asks for.

use std::time::{Duration, SystemTime};

/// The longest wait that is accepted from the service; longer ones are cut to it.
pub const LONGEST_HOLD: Duration = Duration::from_secs(300);

/// Reads a `Retry-After` header (RFC 9110, section 10.2.3): an HTTP-date or whole seconds.
///
/// A date counts from the response's own `Date`, so that a wrong clock on either side does not
/// matter. An invalid value counts as absent; a date in the past means no wait.
///
/// ```
/// use batchctl::policy::retry_after;
/// use std::time::Duration;
///
/// assert_eq!(retry_after("20", None), Some(Duration::from_secs(20)));
/// assert_eq!(retry_after("soon", None), None);
/// ```
pub fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    // The date first: one of its forms begins with a digit.
    if let Ok(until) = httpdate::parse_http_date(value) {
        let now: SystemTime = httpdate::parse_http_date(date?.trim()).ok()?;
        let wait = until.duration_since(now).unwrap_or(Duration::ZERO);
        return Some(wait.min(LONGEST_HOLD));
    }
    let seconds = whole_number(value)?;
    Some(Duration::from_secs(seconds).min(LONGEST_HOLD))
}

/// Reads the window in the gateway's message, `…,limit:200,time:5 minute`.
pub fn window_in_message(message: &str) -> Option<Duration> {
    let (_, after) = message.split_once("limit:")?;
    let (_, span) = after.split_once("time:")?;
    span_in_words(span).map(|span| span.min(LONGEST_HOLD))
}

/// Reads a span such as `5 minute` at the beginning of a text.
pub(crate) fn span_in_words(text: &str) -> Option<Duration> {
    let mut words = text.trim_start().split(|c: char| !c.is_ascii_alphanumeric());
    let count = whole_number(words.next()?)?;
    let seconds = match words.next()?.trim_end_matches('s') {
        "second" => 1,
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(count.saturating_mul(seconds)))
}

/// Reads digits only: no sign, no fraction, no digit of another script. Saturates.
pub(crate) fn whole_number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Option<&str> = Some("Sun, 06 Nov 1994 08:49:37 GMT");

    fn check(value: &str, seconds: Option<u64>) {
        assert_eq!(retry_after(value, NOW), seconds.map(Duration::from_secs), "{value:?}");
    }

    #[test]
    fn seconds_and_all_three_date_forms_are_read() {
        check("20", Some(20));
        check(" 20 ", Some(20));
        check("0", Some(0));
        check("Sun, 06 Nov 1994 08:49:57 GMT", Some(20));
        check("Sunday, 06-Nov-94 08:49:57 GMT", Some(20));
        check("Sun Nov  6 08:49:57 1994", Some(20));
        check("Sun, 06 Nov 1994 08:49:17 GMT", Some(0));
    }

    #[test]
    fn invalid_values_count_as_absent() {
        for value in ["", "-1", "+1", "1.0", "²", "this is not a date", "1e3", "20s"] {
            check(value, None);
        }
    }

    #[test]
    fn waits_are_capped() {
        check("99999999999999999999999999", Some(300));
        check("301", Some(300));
        check("Mon, 07 Nov 1994 08:49:37 GMT", Some(300));
    }

    #[test]
    fn a_date_without_the_answers_own_date_counts_as_absent() {
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:57 GMT", None), None);
    }

    #[test]
    fn the_window_is_read_from_the_gateways_message() {
        let check = |message: &str, seconds: Option<u64>| {
            assert_eq!(window_in_message(message), seconds.map(Duration::from_secs), "{message}");
        };
        let prefix = "The throttling threshold has been reached: policy user over ratelimit,";
        check(&format!("{prefix}limit:200,time:5 minute"), Some(300));
        check(&format!("{prefix}limit:100,time:1 second"), Some(1));
        check(&format!("{prefix}limit:100,time:30 seconds."), Some(30));
        check(&format!("{prefix}limit:100,time:1 day"), Some(300));
        check(&format!("{prefix}limit:100,time:soon"), None);
        check("something else", None);
    }
}
