//! Checks signatures (SDK-HMAC-SHA256) of the received bytes, and locks a key after five wrong ones.
//!
//! Written from the signing guide only and shares nothing with the client, so that a mistake in one
//! is not repeated in the other.

use crate::clock::{Clock, Instant};
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ring::{digest, hmac};
use std::time::Duration;
use url::form_urlencoded;

/// All bytes except the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The number of consecutive wrong signatures that lock a key.
const MAX_WRONG: u32 = 5;
/// The duration of the lock.
const LOCKED_FOR: Duration = Duration::from_secs(300);
/// The maximum difference between the time of a signature and the gateway's time.
const MAX_SKEW: Duration = Duration::from_secs(15 * 60);

/// The access key of the sandbox's account, with its recent failures.
#[derive(Debug)]
pub(crate) struct SandboxKey {
    access: String,
    secret: String,
    clock: Clock,
    wrong: u32,
    locked_until: Option<Instant>,
}

/// The reason for refusing a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The signature is missing or malformed.
    Missing,
    /// The access key is unknown.
    UnknownKey,
    /// The signature is too old, or from the future.
    OutOfTime,
    /// The signature differs from the one that the gateway computes.
    Mismatch {
        /// The gateway's canonical request, with bars instead of line ends.
        canonical: String,
    },
    /// The key is locked after too many wrong signatures.
    Locked,
}

/// An `Authorization` header, taken apart.
struct Claimed<'a> {
    access: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

impl SandboxKey {
    /// Returns an unused key.
    pub(crate) const fn new(access: String, secret: String, clock: Clock) -> Self {
        Self { access, secret, clock, wrong: 0, locked_until: None }
    }

    /// Checks the signature of a request.
    pub(crate) fn check(&mut self, head: &Parts, body: &[u8], now: Instant) -> Result<(), Flaw> {
        // Nothing is counted during the lock, so attempts do not extend it.
        if self.locked_until.is_some_and(|until| now < until) {
            return Err(Flaw::Locked);
        }
        let checked = self.verify(head, body, now);
        self.wrong = if checked.is_ok() { 0 } else { self.wrong + 1 };
        if self.wrong >= MAX_WRONG {
            // The count restarts, because one wrong signature after the lock must not lock again.
            self.wrong = 0;
            self.locked_until = Some(now + LOCKED_FOR);
        }
        checked
    }

    fn verify(&self, head: &Parts, body: &[u8], now: Instant) -> Result<(), Flaw> {
        let header = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let claimed = header.and_then(Claimed::read).ok_or(Flaw::Missing)?;
        let date = text_of(head, "x-sdk-date").ok_or(Flaw::Missing)?;
        // An unsigned date could be replaced, and the signature would be valid forever.
        if !claimed.signed.contains(&"x-sdk-date") {
            return Err(Flaw::Missing);
        }
        if claimed.access != self.access {
            return Err(Flaw::UnknownKey);
        }
        if self.skew(date, now).is_none_or(|skew| skew > MAX_SKEW) {
            return Err(Flaw::OutOfTime);
        }
        let canonical = canonical(head, &claimed.signed, body).ok_or(Flaw::Missing)?;
        let to_sign = format!("SDK-HMAC-SHA256\n{date}\n{}", hash(canonical.as_bytes()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        let signature = hmac::sign(&key, to_sign.as_bytes());
        // A plain comparison: its duration may leak, but a sandbox protects nothing.
        if hexadecimal(signature.as_ref()) == claimed.signature {
            return Ok(());
        }
        Err(Flaw::Mismatch { canonical: canonical.replace('\n', "|") })
    }

    /// Returns the difference between a date and the present.
    fn skew(&self, date: &str, now: Instant) -> Option<Duration> {
        let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok()?;
        let date = jiff::tz::TimeZone::UTC.to_timestamp(date).ok()?.as_microsecond();
        let present = self.clock.label(now).as_micros();
        Some(Duration::from_micros(present.abs_diff(date)))
    }
}

impl<'a> Claimed<'a> {
    fn read(header: &'a str) -> Option<Self> {
        let fields = header.strip_prefix("SDK-HMAC-SHA256 ")?;
        let field = |name: &str| {
            let mut fields = fields.split(',').filter_map(|field| field.trim().split_once('='));
            fields.find(|(found, _)| *found == name).map(|(_, value)| value)
        };
        let signed = field("SignedHeaders")?.split(';').collect();
        Some(Self { access: field("Access")?, signed, signature: field("Signature")? })
    }
}

/// Returns the canonical request; nothing if a signed header is missing.
fn canonical(head: &Parts, signed: &[&str], body: &[u8]) -> Option<String> {
    let mut text = format!("{}\n{}\n", head.method, path(head.uri.path())?);
    text += &query(head.uri.query().unwrap_or_default());
    text.push('\n');
    let mut names = signed.to_vec();
    // The signing guide sorts the names, whatever their order in the header.
    names.sort_unstable();
    for name in &names {
        text += &format!("{name}:{}\n", text_of(head, name)?.trim());
    }
    Some(format!("{text}\n{}\n{}", names.join(";"), hash(body)))
}

fn path(raw: &str) -> Option<String> {
    let mut path = String::new();
    for segment in raw.trim_start_matches('/').trim_end_matches('/').split('/') {
        let segment = percent_decode_str(segment).decode_utf8().ok()?;
        path += &format!("/{}", utf8_percent_encode(&segment, RESERVED));
    }
    // The canonical path ends with a slash, even if the path of the request does not.
    Some(path + "/")
}

fn query(raw: &str) -> String {
    let mut pairs: Vec<(String, String)> =
        form_urlencoded::parse(raw.as_bytes()).into_owned().collect();
    pairs.sort();
    let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    pairs.join("&")
}

fn text_of<'a>(head: &'a Parts, name: &str) -> Option<&'a str> {
    head.headers.get(name)?.to_str().ok()
}

fn hash(bytes: &[u8]) -> String {
    hexadecimal(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use hyper::Request;

    /// 2024-07-05, 12:00:00 UTC.
    const NOON: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);
    const ACCESS: &str = "EXAMPLEAK00000000001";
    const SECRET: &str = "ExampleSecretKey0000000000000000000000001";
    const PATH: &str = "/v2/0123456789abcdef0123456789abcdef/batch-tasks/0d47bbf52962414bb7ae27fb6ea24230/action/start";
    /// Computed by the official SDK for a request with `host` and `x-sdk-date`.
    const RIGHT: &str = "4af358a217721ffccec6f0b72b2a1bcdc54e3f4e02e47751e3b54e3c4fdbd405";

    fn key() -> (SandboxKey, Instant) {
        let clock = Clock::starting_at(NOON);
        (SandboxKey::new(ACCESS.into(), SECRET.into(), clock), clock.instant())
    }

    fn request(access: &str, signed: &str, signature: &str) -> Parts {
        let authorization = format!(
            "SDK-HMAC-SHA256 Access={access}, SignedHeaders={signed}, Signature={signature}"
        );
        let request = Request::put(PATH)
            .header("host", "vias.cn-north-4.myhuaweicloud.com")
            .header("x-sdk-date", "20240705T120000Z")
            .header("authorization", authorization);
        request.body(()).unwrap().into_parts().0
    }

    fn right() -> Parts {
        request(ACCESS, "host;x-sdk-date", RIGHT)
    }

    #[track_caller]
    fn check(head: &Parts, after: Duration, expected: &Result<(), Flaw>) {
        let (mut key, noon) = key();
        assert_eq!(&key.check(head, b"", noon + after), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn the_signature_of_the_official_sdk_is_accepted() {
        check(&right(), Duration::ZERO, &Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_signature_is_valid_for_a_quarter_of_an_hour() {
        check(&right(), MAX_SKEW, &Ok(()));
        check(&right(), MAX_SKEW + Duration::from_secs(1), &Err(Flaw::OutOfTime));
    }

    #[tokio::test(start_paused = true)]
    async fn missing_unknown_and_wrong_signatures_are_refused() {
        let (without, _) = Request::put(PATH).body(()).unwrap().into_parts();
        check(&without, Duration::ZERO, &Err(Flaw::Missing));
        check(&request(ACCESS, "host", RIGHT), Duration::ZERO, &Err(Flaw::Missing));
        let unknown = request("nobody", "host;x-sdk-date", RIGHT);
        check(&unknown, Duration::ZERO, &Err(Flaw::UnknownKey));
        let (mut key, noon) = key();
        let wrong = request(ACCESS, "host;x-sdk-date", "4af3");
        let Err(Flaw::Mismatch { canonical }) = key.check(&wrong, b"", noon) else {
            panic!("a wrong signature was accepted")
        };
        assert!(canonical.starts_with("PUT|/v2/0123456789abcdef"), "{canonical}");
        assert!(canonical.contains("/action/start/||host:vias."), "{canonical}");
    }

    #[tokio::test(start_paused = true)]
    async fn five_wrong_signatures_lock_the_key_for_five_minutes() {
        let (mut key, noon) = key();
        let wrong = request(ACCESS, "host;x-sdk-date", "4af3");
        for _ in 0..4 {
            assert!(key.check(&wrong, b"", noon).is_err());
        }
        assert_eq!(key.check(&right(), b"", noon), Ok(()), "four are forgiven");
        for _ in 0..5 {
            assert!(matches!(key.check(&wrong, b"", noon), Err(Flaw::Mismatch { .. })));
        }
        assert_eq!(key.check(&right(), b"", noon), Err(Flaw::Locked));
        let later = noon + LOCKED_FOR;
        assert_eq!(key.check(&right(), b"", later), Ok(()));
    }
}
