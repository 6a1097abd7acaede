//! Reads the wait that the service asks for.

use std::time::{Duration, SystemTime};

/// The longest gap between two calls that a hint about the pace leaves; a quota that is used up for
/// longer is asked about that often.
pub const LONGEST_HOLD: Duration = Duration::from_secs(300);
/// A longer wait is taken for a mistake of the service, such as a time in other units.
const LONGEST_SANE: Duration = Duration::from_secs(366 * 86_400);

/// Reads a `Retry-After` header (RFC 9110, section 10.2.3): an HTTP-date, or seconds.
///
/// A date counts from the response's own `Date`, so that a wrong clock on either side does not
/// matter, and from `now` where there is none. A fraction of a second is no valid value but has only
/// one meaning: it is rounded up, because a call must never come sooner than asked. Nonsense counts
/// as absent; a date in the past means no wait.
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
pub fn retry_after(value: &str, date: Option<&str>, now: SystemTime) -> Option<Duration> {
    // The date first: one of its forms begins with a digit.
    let wait = match latest_date(value) {
        Some(until) => {
            let sent = date.and_then(http_date);
            until.duration_since(sent.unwrap_or(now)).unwrap_or(Duration::ZERO)
        }
        None => Duration::from_secs(longest_of_seconds(value)?),
    };
    (wait <= LONGEST_SANE).then_some(wait)
}

/// Reads seconds, or the longest of several: a proxy may write two headers as one (RFC 9110, 5.3).
fn longest_of_seconds(value: &str) -> Option<u64> {
    value.split(',').try_fold(0, |longest, one| Some(seconds_rounded_up(one.trim())?.max(longest)))
}

/// Reads a date, or the latest of several that a proxy wrote as one. Most have a comma themselves.
fn latest_date(value: &str) -> Option<SystemTime> {
    if let Some(date) = http_date(value) {
        return Some(date);
    }
    let commas = value.match_indices(',').map(|(at, _)| at);
    commas.into_iter().find_map(|at| {
        let (first, rest) = (http_date(&value[..at])?, latest_date(&value[at + 1..])?);
        Some(first.max(rest))
    })
}

/// Reads a date in one of the forms of HTTP, or with another name of the same zone.
fn http_date(value: &str) -> Option<SystemTime> {
    let value = value.trim();
    let zone = [" UTC", " UT", " Z", " +0000"].into_iter().find_map(|it| value.strip_suffix(it));
    match zone {
        Some(rest) => httpdate::parse_http_date(&format!("{} GMT", rest.trim_end())).ok(),
        None => httpdate::parse_http_date(value).ok(),
    }
}

/// Reads the window in the gateway's message, `…,limit:200,time:5 minute`.
pub fn window_in_message(message: &str) -> Option<Duration> {
    let (_, after) = message.split_once("limit:")?;
    let (_, span) = after.split_once("time:")?;
    span_in_words(span).filter(|&span| span <= LONGEST_SANE)
}

/// Returns whether a span can be meant by a service.
pub(crate) fn is_sane(span: Duration) -> bool {
    span <= LONGEST_SANE
}

/// Reads seconds, with a fraction or without.
pub(crate) fn seconds_rounded_up(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let whole = whole_number(whole)?;
    whole_number(fraction)?;
    let is_more = fraction.bytes().any(|digit| digit != b'0');
    Some(whole.saturating_add(u64::from(is_more)))
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
    // An overflow saturates, because it must not become a short span.
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
        assert_eq!(
            retry_after(value, NOW, SystemTime::UNIX_EPOCH),
            seconds.map(Duration::from_secs),
            "{value:?}"
        );
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
        for value in ["", "-1", "+1", "1.", ".5", "1.0.0", "²", "this is not a date", "1e3", "20s"]
        {
            check(value, None);
        }
    }

    #[test]
    fn a_fraction_is_rounded_up() {
        check("4.5", Some(5));
        check("4.000", Some(4));
        check("0.001", Some(1));
    }

    #[test]
    fn of_two_headers_that_a_proxy_made_one_the_longer_wait_counts() {
        check("1, 2", Some(2));
        check("30,4.5", Some(30));
        for value in ["1,", ",", "1, soon", "1;2"] {
            check(value, None);
        }
    }

    #[test]
    fn of_two_dates_that_a_proxy_made_one_the_later_counts() {
        check("Sun, 06 Nov 1994 08:49:57 GMT, Sun, 06 Nov 1994 08:49:47 GMT", Some(20));
        check("Sun Nov  6 08:49:47 1994,Sunday, 06-Nov-94 08:49:57 GMT", Some(20));
        check("Sun, 06 Nov 1994 08:49:57 GMT, 20", None);
        check("Sun, 06 Nov 1994 08:49:57 GMT,", None);
    }

    #[test]
    fn a_date_may_call_its_zone_by_another_name() {
        for zone in ["UTC", "UT", "Z", "+0000"] {
            check(&format!("Sun, 06 Nov 1994 08:49:57 {zone}"), Some(20));
            let now = format!("Sun, 06 Nov 1994 08:49:37 {zone}");
            let wait =
                retry_after("Sun, 06 Nov 1994 08:49:57 GMT", Some(&now), SystemTime::UNIX_EPOCH);
            assert_eq!(wait, Some(Duration::from_secs(20)), "{zone}");
        }
        check("Sun, 06 Nov 1994 08:49:57 +0100", None);
        check("Sun, 06 Nov 1994 08:49:57 CET", None);
    }

    #[test]
    fn a_wait_of_hours_is_taken_as_it_is_and_one_of_years_for_a_mistake() {
        check("3600", Some(3_600));
        check("Mon, 07 Nov 1994 08:49:37 GMT", Some(86_400));
        check("99999999999999999999999999", None);
        check("784111807000", None);
        check("Fri, 31 Dec 9999 23:59:59 GMT", None);
    }

    #[test]
    fn a_date_without_the_answers_own_date_counts_from_the_clock_of_this_machine() {
        let date = "Sun, 06 Nov 1994 08:49:57 GMT";
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:52 GMT").unwrap();
        assert_eq!(retry_after(date, None, now), Some(Duration::from_secs(5)));
        assert_eq!(retry_after(date, Some("nonsense"), now), Some(Duration::from_secs(5)));
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
        check(&format!("{prefix}limit:100,time:1 day"), Some(86_400));
        check(&format!("{prefix}limit:100,time:1000 day"), None);
        check(&format!("{prefix}limit:100,time:soon"), None);
        check("something else", None);
    }

    #[test]
    fn a_wait_of_a_leap_year_is_the_longest_that_is_meant() {
        check("31622400", Some(31_622_400));
        check("31622401", None);
        let window = |span: &str| window_in_message(&format!("limit:1,time:{span}"));
        assert_eq!(window("366 days"), Some(Duration::from_secs(31_622_400)));
        assert_eq!(window("367 days"), None);
        assert_eq!(window("2 hours"), Some(Duration::from_secs(7_200)));
        assert!(is_sane(LONGEST_SANE) && !is_sane(LONGEST_SANE + Duration::from_nanos(1)));
    }
}
