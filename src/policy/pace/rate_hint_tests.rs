//! The headers as they are sent, and the pace that follows.

use super::*;
use proptest::prelude::*;

const DATE: Option<&str> = Some("Sun, 06 Nov 1994 08:49:37 GMT");
const MINUTE: Duration = Duration::from_secs(60);

fn quota(limit: u64, seconds: u64) -> Option<Quota> {
    Quota::new(limit, Duration::from_secs(seconds))
}

fn hint(remaining: u64, reset: Option<u64>, quota: Option<Quota>) -> Option<RateHint> {
    let reset = reset.map(Duration::from_secs);
    Some(RateHint { remaining: Some(remaining), reset, quota })
}

fn check(headers: &[(&str, &str)], expected: Option<RateHint>) {
    assert_eq!(rate_hint(headers.iter().copied(), DATE), expected, "{headers:?}");
}

#[test]
fn the_drafts_fields_are_read_by_the_name_of_their_policy() {
    let policy = ("ratelimit-policy", r#""burst";q=100;w=60,"daily";q=1000;w=86400"#);
    check(
        &[policy, ("ratelimit", r#""burst";r=50;t=30, "daily";r=900;t=80000"#)],
        hint(900, Some(80_000), quota(1_000, 86_400)),
    );
    check(&[("ratelimit", r#""any";r=5;t=10"#)], hint(5, Some(10), None));
    // Without a window's end the pace follows from the quota alone.
    check(&[policy, ("ratelimit", r#""burst";r=50"#)], daily());
    let sent_twice = [("ratelimit", r#""a";r=5;t=10"#), ("ratelimit", r#""b";r=4;t=10"#)];
    check(&sent_twice, hint(4, Some(10), None));
}

/// What the second policy above says by itself, which is tighter than the first one.
fn daily() -> Option<RateHint> {
    Some(RateHint { quota: quota(1_000, 86_400), ..RateHint::default() })
}

#[test]
fn quotas_of_other_things_than_requests_are_none() {
    let bytes = ("ratelimit-policy", r#""a";q=65535;qu="content-bytes";w=10"#);
    check(&[bytes, ("ratelimit", r#""a";r=1;t=10"#)], None);
    let requests = ("ratelimit-policy", r#""a";q=10;qu="requests";w=10"#);
    check(&[requests, ("ratelimit", r#""a";r=1;t=10"#)], hint(1, Some(10), quota(10, 10)));
}

#[test]
fn a_malformed_field_is_ignored_as_a_whole() {
    for field in [r#""a";r=5;t=10,"#, r#""a";r=5;t=1e1 "#, "r=5;t=;", r#""a";r=-1;t=10"#, "50", ""]
    {
        check(&[("ratelimit", field)], None);
    }
    check(&[("ratelimit-policy", r#""a";q=0;w=60"#)], None);
    check(&[("ratelimit-policy", r#""a";q=10;w=0"#)], None);
}

#[test]
fn remaining_and_reset_are_read_in_seconds_and_as_unix_time() {
    let remaining = ("x-ratelimit-remaining", "7");
    check(&[remaining, ("x-ratelimit-reset", "30")], hint(7, Some(30), None));
    // A window of 24 years is a mistake.
    check(&[remaining, ("x-ratelimit-reset", "784111807")], None);
    let in_2001 = Some("Sun, 09 Sep 2001 01:46:40 GMT");
    let headers = [remaining, ("x-ratelimit-reset", "1000000030")];
    assert_eq!(rate_hint(headers, in_2001), hint(7, Some(30), None));
    assert_eq!(rate_hint(headers, None), None);
    check(&[("ratelimit-remaining", "7"), ("ratelimit-reset", "3")], hint(7, Some(3), None));
    check(&[remaining], None);
    check(&[remaining, ("x-ratelimit-reset", "soon")], None);
    check(&[remaining, ("x-ratelimit-reset", "29.5")], hint(7, Some(30), None));
    for scale in ["000", "000000", "000000000"] {
        let reset = format!("1000000030{scale}");
        let headers = [remaining, ("x-ratelimit-reset", reset.as_str())];
        assert_eq!(rate_hint(headers, in_2001), hint(7, Some(30), None), "{reset}");
    }
}

#[test]
fn the_services_own_headers_are_read_the_way_that_leaves_more_room() {
    let own = |used: &'static str, window: &'static str| {
        let headers =
            [("x-ratelimit", "1000"), ("x-ratelimit-used", used), ("x-ratelimit-window", window)];
        rate_hint(headers, None)
    };
    assert_eq!(own("990", "minute"), hint(990, None, quota(1_000, 60)));
    assert_eq!(own("10", "minute"), hint(990, None, quota(1_000, 60)));
    assert_eq!(own("5000", "day"), hint(1_000, None, quota(1_000, 86_400)));
    assert_eq!(own("10", "fortnight"), None);
    check(
        &[("x-ratelimit", "60")],
        Some(RateHint { quota: quota(60, 3_600), ..Default::default() }),
    );
    check(&[("x-ratelimit-used", "60")], None);
}

#[test]
fn the_gateways_headers_and_its_message_are_read() {
    let api = ("x-apig-ratelimit-api", "remain:9,limit:10,time:10 second");
    let user = ("x-apig-ratelimit-user", "remain:99,limit:100,time:1 minute");
    check(&[user, api], hint(9, None, quota(10, 10)));
    check(&[("x-apig-ratelimit-api", "unlimited")], None);
    let words = "The throttling threshold has been reached: policy user over ratelimit,";
    let expected = Some(RateHint { quota: quota(200, 300), ..RateHint::default() });
    assert_eq!(quota_in_message(&format!("{words}limit:200,time:5 minute")), expected);
    assert_eq!(quota_in_message(&format!("{words}limit:XX,time:1 second")), None);
    assert_eq!(quota_in_message(words), None);
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of simulated time")]
fn origin() -> Instant {
    Instant::now()
}

/// Checks what a hint does to a run: the hold in seconds, and the pace then and a minute later.
fn check_pace(hint: RateHint, to_send: u64, expected: (Option<u64>, Option<f64>, Option<f64>)) {
    let (mut pace, now) = (HintedPace::default(), origin());
    let hold = pace.hear(hint, to_send, now).map(|hold| hold.as_secs());
    let seen = (hold, pace.per_second(now), pace.per_second(now + MINUTE));
    assert_eq!(seen, expected, "{hint:?} with {to_send} to send");
}

#[test]
fn what_remains_is_spread_over_the_rest_of_the_window() {
    check_pace(hint(15, Some(30), None).unwrap(), 1_000, (None, Some(0.5), None));
    check_pace(hint(15, Some(90), None).unwrap(), 1_000, (None, Some(1.0 / 6.0), Some(1.0 / 6.0)));
    check_pace(hint(15, Some(30), quota(100, 60)).unwrap(), 1_000, (None, Some(0.5), None));
}

#[test]
fn nothing_left_holds_the_run_until_the_windows_end() {
    check_pace(hint(0, Some(30), None).unwrap(), 1_000, (Some(30), None, None));
    check_pace(hint(0, Some(30), quota(100, 60)).unwrap(), 1, (Some(30), None, None));
    check_pace(hint(0, Some(86_400), None).unwrap(), 1_000, (Some(300), None, None));
    check_pace(hint(0, Some(0), None).unwrap(), 1_000, (None, None, None));
}

#[test]
fn a_quota_that_is_used_evenly_does_not_run_short_at_the_windows_end() {
    let of_quota = (None, Some(10.0), Some(10.0));
    check_pace(hint(20, Some(3), quota(100, 10)).unwrap(), 1_000, of_quota);
    check_pace(hint(0, Some(1), quota(10, 1)).unwrap(), 1_000, of_quota);
    check_pace(hint(19, Some(3), quota(100, 10)).unwrap(), 1_000, (None, Some(19.0 / 3.0), None));
}

#[test]
fn a_quota_alone_is_kept_to_until_another_hint_comes() {
    let alone = RateHint { quota: quota(200, 300), ..RateHint::default() };
    check_pace(alone, 201, (None, Some(2.0 / 3.0), Some(2.0 / 3.0)));
    check_pace(hint(99, None, quota(100, 50)).unwrap(), 200, (None, Some(2.0), Some(2.0)));
    let (mut pace, now) = (HintedPace::default(), origin());
    pace.hear(alone, 1_000, now);
    assert_eq!(pace.until(now), None);
    pace.hear(hint(15, Some(30), None).unwrap(), 1_000, now);
    assert_eq!(pace.until(now), Some(now + MINUTE / 2));
    pace.hear(RateHint::default(), 1_000, now);
    assert_eq!(pace.per_second(now), None);
}

#[test]
fn a_run_for_which_enough_remains_is_not_slowed_down() {
    check_pace(hint(500, Some(3_600), None).unwrap(), 500, (None, None, None));
    check_pace(hint(990, None, quota(1_000, 3_600)).unwrap(), 500, (None, None, None));
    let alone = RateHint { quota: quota(200, 300), ..RateHint::default() };
    check_pace(alone, 200, (None, None, None));
}

proptest! {
    #[test]
    fn no_text_panics_or_speeds_a_run_up(
        values in prop::collection::vec("\\PC{0,40}", 11),
        shaped in "\"?[a-z]{0,3}\"?(;[rtqw]=-?[0-9]{0,22}[.]?[0-9]?){0,4},?",
        words in "(remain:[0-9]{0,22},?)?(limit:[0-9]{0,22},?)?(time:[0-9]{0,22} [a-z]{0,7})?",
        to_send in any::<u64>(),
    ) {
        let names = [
            "ratelimit", "ratelimit-policy", "x-ratelimit", "x-ratelimit-used",
            "x-ratelimit-window", "x-ratelimit-remaining", "x-ratelimit-reset",
            "ratelimit-remaining", "ratelimit-reset", "x-apig-ratelimit-api", "x-ratelimit-limit",
        ];
        let mut headers: Vec<_> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
        headers.extend([
            ("ratelimit", shaped.as_str()), ("ratelimit-policy", shaped.as_str()),
            ("x-apig-ratelimit-user", words.as_str()),
        ]);
        for header in &headers {
            let hint = rate_hint([*header], Some(words.as_str()));
            check_sane(hint, to_send);
        }
        check_sane(rate_hint(headers, DATE), to_send);
        check_sane(quota_in_message(&words), to_send);
    }

    #[test]
    fn no_numbers_panic_or_give_a_pace_that_is_none(
        remaining in prop::option::of(any::<u64>()),
        reset in prop::option::of(any::<u64>()),
        limit in any::<u64>(),
        window in any::<u64>(),
        to_send in any::<u64>(),
    ) {
        let reset = reset.map(Duration::from_secs);
        check_sane(Some(RateHint { remaining, reset, quota: quota(limit, window) }), to_send);
    }
}

fn check_sane(hint: Option<RateHint>, to_send: u64) {
    let Some(hint) = hint else { return };
    let (mut pace, now) = (HintedPace::default(), origin());
    let hold = pace.hear(hint, to_send, now);
    assert!(hold.is_none_or(|hold| !hold.is_zero() && hold <= LONGEST_HOLD), "{hold:?}");
    let per_second = pace.per_second(now);
    assert!(per_second.is_none_or(|pace| pace.is_finite() && pace > 0.0), "{per_second:?}");
}

#[test]
fn however_small_a_quota_is_a_call_asks_every_five_minutes() {
    let day = 86_400;
    check_pace(
        hint(1, Some(10 * day), None).unwrap(),
        1_000,
        (None, Some(1.0 / 300.0), Some(1.0 / 300.0)),
    );
    let alone = RateHint { quota: quota(1, day), ..RateHint::default() };
    check_pace(alone, 1_000, (None, Some(1.0 / 300.0), Some(1.0 / 300.0)));
}

#[test]
fn a_policy_whose_limit_is_told_counts_only_with_it() {
    let policy = ("ratelimit-policy", r#""a";q=10;w=10"#);
    let room = ("ratelimit", r#""a";r=100;t=10"#);
    check(&[policy, room], hint(100, Some(10), quota(10, 10)));
    // Of another one nothing is told but its policy.
    let other = ("ratelimit", r#""b";r=100;t=10"#);
    let alone = Some(RateHint { quota: quota(10, 10), ..RateHint::default() });
    check(&[policy, other], alone);
    let in_bytes = ("ratelimit-policy", r#""a";q=10;qu="content-bytes";w=10, "b";q=99;w=1"#);
    check(&[in_bytes, other], hint(100, Some(10), quota(99, 1)));
}

#[test]
fn a_reset_beyond_thirty_years_is_a_unix_time_in_any_unit() {
    let in_1970 = Some("Thu, 01 Jan 1970 00:00:10 GMT");
    for (reset, date, expected) in [
        (999_999_999, None, Some(999_999_999)),
        (1_000_000_000, None, None),
        (1_000_000_000, in_1970, Some(999_999_990)),
        (99_999_999_999, in_1970, Some(99_999_999_989)),
        (100_000_000_000, in_1970, Some(99_999_990)),
        (1_000_000_000, Some("soon"), None),
    ] {
        assert_eq!(seconds_until(reset, date), expected, "{reset}");
    }
}

#[test]
fn each_window_of_the_services_own_headers_is_read() {
    for (window, seconds) in
        [(Some("second"), 1), (Some("minute"), 60), (Some("hour"), 3_600), (Some("day"), 86_400)]
            .into_iter()
            .chain([(None, 3_600)])
    {
        let mut headers = vec![("x-ratelimit", "60")];
        headers.extend(window.map(|window| ("x-ratelimit-window", window)));
        let expected = RateHint { quota: quota(60, seconds), ..RateHint::default() };
        check(&headers, Some(expected));
    }
}

#[test]
fn a_hint_is_over_at_the_end_of_its_window() {
    let (mut pace, now) = (HintedPace::default(), origin());
    pace.hear(hint(15, Some(30), None).unwrap(), 1_000, now);
    let end = now + MINUTE / 2;
    let before = end.checked_sub(Duration::from_nanos(1)).unwrap();
    assert_eq!((pace.per_second(before), pace.until(before)), (Some(0.5), Some(end)));
    assert_eq!((pace.per_second(end), pace.until(end)), (None, None));
    // A year and a day is the longest window that is meant.
    let year = 366 * 86_400;
    let pace_of = |reset| hint(15, Some(reset), None).unwrap().room().is_some();
    assert_eq!((pace_of(year), pace_of(year + 1), pace_of(0)), (true, false, false));
}

#[test]
fn only_names_of_quotas_are_looked_at() {
    let told = ["ratelimit", "x-ratelimit-used", "x-apig-ratelimit-api"].map(may_tell_rate);
    let others = ["", "date", "ratelimi", "x-rate-limit", "atelimit-x"].map(may_tell_rate);
    assert_eq!((told, others), ([true; 3], [false; 5]));
}
