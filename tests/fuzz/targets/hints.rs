//! `Retry-After`, `RateLimit` and the like: every wait is bounded, every pace is a number.

#![no_main]

use batchctl::policy::{
    HintedPace, LONGEST_HOLD, quota_in_message, rate_hint, retry_after, window_in_message,
};
use libfuzzer_sys::fuzz_target;
use std::time::{Duration, Instant, SystemTime};

const A_YEAR: Duration = Duration::from_secs(366 * 86_400);

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let (wait, date) = (lines.next().unwrap_or_default(), lines.next());
    let read = retry_after(wait, date, SystemTime::UNIX_EPOCH);
    assert!(read.is_none_or(|wait| wait <= A_YEAR), "{read:?}");
    assert_eq!(read, retry_after(&format!(" {wait} "), date, SystemTime::UNIX_EPOCH));
    assert!(window_in_message(text).is_none_or(|window| window <= A_YEAR));
    let headers: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let of_headers = rate_hint(headers.iter().map(|(name, value)| (&**name, *value)), date);
    for hint in [of_headers, quota_in_message(text)].into_iter().flatten() {
        assert!(hint.quota.is_none_or(|quota| quota.limit > 0 && !quota.window.is_zero()));
        let now = Instant::now();
        for to_send in [0, 1, 1_000_000] {
            let mut pace = HintedPace::default();
            let hold = pace.hear(hint, to_send, now);
            assert!(hold.is_none_or(|hold| hold <= LONGEST_HOLD), "{hint:?}");
            let rate = pace.per_second(now);
            assert!(rate.is_none_or(|rate| rate.is_finite() && rate > 0.0), "{hint:?}: {rate:?}");
            assert!(hold.is_none() || rate.is_none(), "{hint:?}");
        }
    }
});
