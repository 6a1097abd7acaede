//! Reads what a service says of its quota, and decides how far that lowers the pace.
//!
//! Headers differ between services, and between the gateway's generations: the draft of the
//! IETF, the `X-RateLimit-*` family, VIAS's own and those of the gateway's debug mode. All of
//! them only ever lower the pace. Nonsense is as good as absent.

use crate::policy::pace::structured_field::{Bare, Item, list};
use crate::policy::retry_after::{
    LONGEST_HOLD, is_sane, seconds_rounded_up, span_in_words, whole_number,
};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// What a service said of its quota. Nothing of it promises that a call will be served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateHint {
    /// How many calls are left in the present window.
    pub remaining: Option<u64>,
    /// When that window ends.
    pub reset: Option<Duration>,
    /// How many calls there may be in each window.
    pub quota: Option<Quota>,
}

/// So many calls in each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How many; not 0.
    pub limit: u64,
    /// How long a window is; not 0.
    pub window: Duration,
}

impl Quota {
    fn new(limit: u64, window: Duration) -> Option<Self> {
        (limit > 0 && !window.is_zero()).then_some(Self { limit, window })
    }

    fn per_second(self) -> f64 {
        self.limit as f64 / self.window.as_secs_f64()
    }
}

/// The pace a hint leaves room for.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Room {
    /// In calls a second; 0 if there is none.
    per_second: f64,
    /// For how long; without an end until the next hint.
    lasts: Option<Duration>,
}

impl RateHint {
    /// Returns the pace that this leaves room for, if it says enough for that.
    fn room(&self) -> Option<Room> {
        let quota = self.quota.map(Quota::per_second);
        let of_quota = quota.map(|per_second| Room { per_second, lasts: None });
        let reset = self.reset.filter(|&reset| !reset.is_zero() && is_sane(reset));
        let Some((remaining, reset)) = self.remaining.zip(reset) else { return of_quota };
        let per_second = remaining as f64 / reset.as_secs_f64();
        // Seconds are rounded up: what is used evenly seems to run short at each window's end.
        let shortest = reset.as_secs_f64() - 1.0;
        match quota.filter(|quota| remaining as f64 >= quota * shortest) {
            Some(quota) => Some(Room { per_second: quota.max(per_second), lasts: None }),
            None => Some(Room { per_second, lasts: Some(reset) }),
        }
    }
}

/// Reads the tightest hint in an answer's headers, whose names are in lower case.
///
/// An end of the window as a date counts from the answer's own `Date`.
///
/// ```
/// use batchctl::policy::rate_hint;
///
/// let headers = [("ratelimit-policy", "\"user\";q=100;w=60"), ("ratelimit", "\"user\";r=5;t=30")];
/// let hint = rate_hint(headers, None).unwrap();
/// assert_eq!(hint.remaining, Some(5));
/// assert_eq!(hint.quota.unwrap().limit, 100);
/// ```
pub fn rate_hint<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    date: Option<&str>,
) -> Option<RateHint> {
    let headers: Vec<_> = headers.into_iter().filter(|(name, _)| may_tell_rate(name)).collect();
    if headers.is_empty() {
        return None;
    }
    let hints = draft(&headers)
        .into_iter()
        .chain(usual(&headers, "x-ratelimit-", date))
        .chain(usual(&headers, "ratelimit-", date))
        .chain(own(&headers))
        .chain(gateway(&headers));
    tightest(hints)
}

/// Tells whether a header with this name, in lower case, can be read by [`rate_hint`].
///
/// Most answers have none, and need no closer look.
pub fn may_tell_rate(name: &str) -> bool {
    // A search for text is prepared for each name, which takes longer than to look through it.
    const WORD: &[u8] = b"ratelimit";
    name.as_bytes().windows(WORD.len()).any(|part| part == WORD)
}

/// Reads the quota in the gateway's message, `…,limit:200,time:5 minute`.
pub fn quota_in_message(message: &str) -> Option<RateHint> {
    let limit = whole_number(words_after(message, "limit:")?)?;
    let quota = Quota::new(limit, span_in_words(message.split_once("time:")?.1)?)?;
    Some(RateHint { quota: Some(quota), ..RateHint::default() })
}

/// Returns the hint that leaves room for the fewest calls a second.
fn tightest(hints: impl Iterator<Item = RateHint>) -> Option<RateHint> {
    let paced = hints.filter_map(|hint| Some((hint.room()?.per_second, hint)));
    paced.min_by(|(left, _), (right, _)| left.total_cmp(right)).map(|(_, hint)| hint)
}

type Headers<'a> = [(&'a str, &'a str)];

fn value<'a>(headers: &Headers<'a>, name: &str) -> Option<&'a str> {
    headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.trim())
}

/// `RateLimit` and `RateLimit-Policy`, draft-ietf-httpapi-ratelimit-headers.
fn draft(headers: &Headers<'_>) -> Vec<RateHint> {
    let (limits, policies) = (joined(headers, "ratelimit"), joined(headers, "ratelimit-policy"));
    let limits = list(&limits).unwrap_or_default();
    let policies = list(&policies).unwrap_or_default();
    let counted = |item: &&Item| counts_requests(&policies, &item.value);
    let of_limits = limits.iter().filter(counted).filter_map(|limit| {
        let policy = policies.iter().find(|policy| policy.value == limit.value);
        Some(RateHint {
            remaining: Some(limit.count("r")?),
            reset: limit.count("t").map(Duration::from_secs),
            quota: policy.and_then(policy_quota),
        })
    });
    let of_policies = policies.iter().filter(counted).filter_map(|policy| {
        let is_said_above = limits.iter().any(|limit| limit.value == policy.value);
        let quota = policy_quota(policy).filter(|_| !is_said_above)?;
        Some(RateHint { quota: Some(quota), ..RateHint::default() })
    });
    of_limits.chain(of_policies).collect()
}

/// A field may be sent in several lines, which are one list.
fn joined(headers: &Headers<'_>, name: &str) -> String {
    let lines = headers.iter().filter(|(other, _)| *other == name);
    lines.map(|(_, value)| *value).collect::<Vec<_>>().join(", ")
}

fn policy_quota(policy: &Item) -> Option<Quota> {
    Quota::new(policy.count("q")?, Duration::from_secs(policy.count("w")?))
}

/// A quota may count bytes or concurrent calls instead.
fn counts_requests(policies: &[Item], name: &Bare) -> bool {
    let policy = policies.iter().find(|policy| policy.value == *name);
    match policy.and_then(|policy| policy.parameter("qu")) {
        None => true,
        Some(unit) => unit == Bare::Text("requests".into()),
    }
}

/// `X-RateLimit-Remaining` and `-Reset`, which is in seconds or a Unix time.
fn usual(headers: &Headers<'_>, prefix: &str, date: Option<&str>) -> Option<RateHint> {
    let remaining = whole_number(value(headers, &format!("{prefix}remaining"))?)?;
    let reset = seconds_rounded_up(value(headers, &format!("{prefix}reset"))?)?;
    let reset = Duration::from_secs(seconds_until(reset, date)?);
    Some(RateHint { remaining: Some(remaining), reset: Some(reset), quota: None })
}

/// A number of seconds beyond 30 years is a Unix time: in seconds, or in thousandths, millionths or
/// billionths of them, which lie too far apart to be confused.
fn seconds_until(reset: u64, date: Option<&str>) -> Option<u64> {
    if reset < 1_000_000_000 {
        return Some(reset);
    }
    let now = httpdate::parse_http_date(date?.trim()).ok()?;
    let mut reset = reset;
    // The year 5138 in seconds is the year 1973 in thousandths.
    while reset >= 100_000_000_000 {
        reset /= 1_000;
    }
    Some(reset.saturating_sub(now.duration_since(UNIX_EPOCH).ok()?.as_secs()))
}

/// VIAS's `X-ratelimit`, `X-ratelimit-used` and `X-ratelimit-window`.
///
/// What is called "used" is documented as what remains. Whichever it is, it must not slow down a
/// run that has room enough: the larger of the two readings counts.
fn own(headers: &Headers<'_>) -> Option<RateHint> {
    let limit = whole_number(value(headers, "x-ratelimit")?)?;
    let window = match value(headers, "x-ratelimit-window").unwrap_or("hour") {
        "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return None,
    };
    let quota = Quota::new(limit, Duration::from_secs(window))?;
    let used = value(headers, "x-ratelimit-used").and_then(whole_number);
    let remaining = used.map(|used| used.min(limit).max(limit.saturating_sub(used)));
    Some(RateHint { remaining, reset: None, quota: Some(quota) })
}

/// The gateway's `X-Apig-RateLimit-api` and others: `remain:9,limit:10,time:10 second`.
fn gateway<'a>(headers: &'a Headers<'_>) -> impl Iterator<Item = RateHint> + 'a {
    let own = headers.iter().filter(|(name, _)| name.starts_with("x-apig-ratelimit-"));
    own.filter_map(|(_, value)| {
        let remaining = whole_number(words_after(value, "remain:")?)?;
        let hint = quota_in_message(value)?;
        Some(RateHint { remaining: Some(remaining), ..hint })
    })
}

fn words_after<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(key)?;
    after.trim_start().split(|c: char| !c.is_ascii_alphanumeric()).next()
}

/// The pace that the service's hints leave room for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HintedPace {
    rate: Option<HintedRate>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct HintedRate {
    per_second: f64,
    /// Until when; a quota without an end of its window holds until the next hint.
    until: Option<Instant>,
}

impl HintedPace {
    /// Takes note of the latest hint, with so many calls still to send, and returns for how long
    /// the run shall hold, if at all.
    ///
    /// What remains is spread over the rest of the window; where it is enough for all that is to
    /// be sent, nothing is lowered. Nothing left holds the run until the window's end, which is
    /// taken to be [`LONGEST_HOLD`] away at most.
    pub fn hear(&mut self, hint: RateHint, to_send: u64, now: Instant) -> Option<Duration> {
        self.rate = None;
        let Room { per_second, lasts } = hint.room()?;
        if per_second == 0.0 {
            return lasts.map(|lasts| lasts.min(LONGEST_HOLD));
        }
        let left = hint.remaining.or(hint.quota.map(|quota| quota.limit));
        if left.is_some_and(|left| left < to_send) {
            // However little is left, one call asks now and then whether that still holds.
            let per_second = per_second.max(1.0 / LONGEST_HOLD.as_secs_f64());
            let until = lasts.and_then(|lasts| now.checked_add(lasts));
            self.rate = Some(HintedRate { per_second, until });
        }
        None
    }

    /// Returns the most sendings a second the hints leave room for; nothing if they do not say.
    pub fn per_second(&self, now: Instant) -> Option<f64> {
        let in_force = self.rate.filter(|rate| rate.until.is_none_or(|until| now < until));
        in_force.map(|rate| rate.per_second)
    }

    /// Returns when the present hint is over, if it has an end.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        self.rate.and_then(|rate| rate.until).filter(|&until| now < until)
    }
}

#[cfg(test)]
#[path = "rate_hint_tests.rs"]
mod tests;
