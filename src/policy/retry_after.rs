//! Reads the wait that the service asks for.

use std::time::{Duration, SystemTime};

/// The longest wait that is accepted from the service; longer ones are cut to it.
pub const LONGEST_HOLD: Duration = Duration::from_secs(300);

/// Reads a `Retry-After` header (RFC 9110, section 10.2.3): an HTTP-date or seconds.
///
/// A date counts from the response's own `Date`, so that a wrong clock on either side does not
/// matter; without one it counts from `here`, this machine's time. A fraction of a second is
/// rounded up, because the wait must never be shorter than the service asks for. An invalid value
/// counts as absent; a date in the past means no wait.
///
/// ```
/// use batchctl::policy::retry_after;
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::UNIX_EPOCH;
/// assert_eq!(retry_after("20", None, now), Some(Duration::from_secs(20)));
/// assert_eq!(retry_after("4.5", None, now), Some(Duration::from_secs(5)));
/// assert_eq!(retry_after("soon", None, now), None);
/// ```
pub fn retry_after(value: &str, date: Option<&str>, here: SystemTime) -> Option<Duration> {
    let value = value.trim();
    // The date first: one of its forms begins with a digit.
    if let Ok(until) = httpdate::parse_http_date(value) {
        let now = date.and_then(|date| httpdate::parse_http_date(date.trim()).ok()).unwrap_or(here);
        let wait = until.duration_since(now).unwrap_or(Duration::ZERO);
        return Some(wait.min(LONGEST_HOLD));
    }
    let seconds = seconds_rounded_up(value)?;
    Some(Duration::from_secs(seconds).min(LONGEST_HOLD))
}

/// Reads seconds with or without a fraction, such as `4.5`.
fn seconds_rounded_up(text: &str) -> Option<u64> {
    let Some((whole, fraction)) = text.split_once('.') else { return whole_number(text) };
    whole_number(fraction)?;
    let is_more = fraction.bytes().any(|digit| digit != b'0');
    Some(whole_number(whole)?.saturating_add(is_more.into()))
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

    /// Another time than that of the answers.
    const HERE: SystemTime = SystemTime::UNIX_EPOCH;

    fn check(value: &str, seconds: Option<u64>) {
        assert_eq!(retry_after(value, NOW, HERE), seconds.map(Duration::from_secs), "{value:?}");
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
        for value in
            ["", "-1", "+1", "1.", ".5", "1.5.2", "1,5", "²", "this is not a date", "1e3", "20s"]
        {
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
    fn a_fraction_of_a_second_is_rounded_up() {
        check("4.5", Some(5));
        check("4.0", Some(4));
        check("0.001", Some(1));
        check("99999999999999999999.9", Some(300));
    }

    #[test]
    fn a_date_without_a_usable_date_of_the_answer_counts_from_here() {
        for date in [None, Some("yesterday"), Some("")] {
            let ahead = HERE + Duration::from_secs(5);
            let asked = retry_after(&httpdate::fmt_http_date(ahead), date, HERE);
            assert_eq!(asked, Some(Duration::from_secs(5)), "{date:?}");
        }
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
