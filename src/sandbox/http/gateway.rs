//! The gateway in front of the service: unknown paths, credentials, throttling.
//!
//! A refused request never reaches the service: it adds no batch task and counts as no call.

use crate::clock::{Clock, Instant};
use crate::sandbox::faults::Throttle;
use crate::sandbox::http::response::HttpResponse;
use crate::sandbox::http::signature::{Flaw, SandboxKey};
use crate::sandbox::settings::{SandboxAuth, SandboxLimit, SandboxSettings};
use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;

/// The gateway's message for an unknown operation.
const UNKNOWN_API: &str = "The API does not exist or has not been published in the environment";

/// The limit in the answer to an id ending in `-throttled` if the settings have none. It is the
/// gateway's usual one, so a client that adapts to it is hardly slowed down.
const SOME_LIMIT: SandboxLimit = SandboxLimit { count: 200, window: Duration::from_secs(1) };

/// Decides which requests reach the service.
#[derive(Debug)]
pub(crate) struct Gateway {
    clock: Clock,
    auth: SandboxAuth,
    key: SandboxKey,
    token: Option<String>,
    issued: HashMap<String, Instant>,
    throttle: Option<Throttle>,
    retry_after: Option<Duration>,
}

/// The reason why the gateway refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The operation is unknown.
    UnknownApi,
    /// The token is missing.
    TokenMissing,
    /// The token is unknown.
    TokenWrong,
    /// The token has expired.
    TokenExpired {
        /// The time at which it expired, in IAM's format.
        expires_at: String,
    },
    /// The signature is invalid.
    Signature(Flaw),
    /// There were too many requests.
    Throttled {
        /// The limit.
        limit: SandboxLimit,
        /// The value for `Retry-After`.
        retry_after: Option<Duration>,
    },
}

/// The gateway's error body.
#[derive(Serialize)]
struct GatewayErrorBody<'a> {
    error_msg: &'a str,
    error_code: &'a str,
    request_id: &'a str,
}

impl Gateway {
    /// Returns the gateway of a sandbox.
    pub(crate) fn new(settings: &SandboxSettings, clock: Clock) -> Self {
        Self {
            clock,
            auth: settings.auth,
            key: access_key(settings, clock),
            token: settings.token.clone(),
            issued: HashMap::new(),
            throttle: settings.limit.map(Throttle::new),
            retry_after: settings.retry_after,
        }
    }

    /// Records a token that a login issued.
    pub(crate) fn issue(&mut self, token: String, expires: Instant) {
        self.issued.insert(token, expires);
    }

    /// Decides whether a request to the service may pass.
    pub(crate) fn admit(&mut self, head: &Parts, body: &[u8], now: Instant) -> Result<(), Refusal> {
        // Only authorised requests count for the limit: without credentials there is no user to count.
        self.authorise(head, body, now)?;
        let throttle = self.throttle.as_mut();
        if throttle.is_none_or(|throttle| throttle.admits(now)) {
            return Ok(());
        }
        Err(self.throttled())
    }

    /// Returns a refusal for too many requests, whatever their number.
    pub(crate) fn throttled(&self) -> Refusal {
        Refusal::Throttled {
            limit: self.throttle.as_ref().map_or(SOME_LIMIT, Throttle::limit),
            retry_after: self.retry_after,
        }
    }

    /// Decides whether a request has the demanded credentials.
    pub(crate) fn authorise(
        &mut self,
        head: &Parts,
        body: &[u8],
        now: Instant,
    ) -> Result<(), Refusal> {
        let token = head.headers.get("x-auth-token").map(HeaderValue::as_bytes);
        match self.auth {
            SandboxAuth::None => Ok(()),
            SandboxAuth::AnyToken | SandboxAuth::Token => self.check_token(token, now),
            SandboxAuth::Signature => self.key.check(head, body, now).map_err(Refusal::Signature),
        }
    }

    /// Decides whether a token is valid.
    fn check_token(&self, token: Option<&[u8]>, now: Instant) -> Result<(), Refusal> {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            return Err(Refusal::TokenMissing);
        };
        // Issued tokens come first, because they expire even if any token is accepted.
        if let Some(&expires) = str::from_utf8(token).ok().and_then(|t| self.issued.get(t)) {
            return self.within_life(expires, now);
        }
        match &self.token {
            Some(valid) if valid.as_bytes() == token => Ok(()),
            // With `Token` and no configured one, only issued tokens are valid.
            None if self.auth == SandboxAuth::AnyToken => Ok(()),
            Some(_) | None => Err(Refusal::TokenWrong),
        }
    }

    /// Decides whether a token that expires at `expires` is still valid.
    fn within_life(&self, expires: Instant, now: Instant) -> Result<(), Refusal> {
        if now < expires {
            return Ok(());
        }
        let expires_at = crate::sandbox::service::time_text(self.clock.label(expires));
        Err(Refusal::TokenExpired { expires_at })
    }
}

impl Refusal {
    /// Returns the response with this refusal.
    pub(crate) fn response(&self, request_id: &str) -> HttpResponse {
        let (status, error_code) = self.code();
        let body = GatewayErrorBody { error_msg: &self.message(), error_code, request_id };
        let response = HttpResponse::json(status, &body);
        match self {
            Self::Throttled { retry_after: Some(wait), .. } => {
                // The header counts whole seconds (RFC 9110, section 10.2.3).
                response.with_header(RETRY_AFTER, HeaderValue::from(whole_seconds(*wait)))
            }
            Self::Throttled { .. }
            | Self::UnknownApi
            | Self::TokenMissing
            | Self::TokenWrong
            | Self::TokenExpired { .. }
            | Self::Signature(_) => response,
        }
    }

    /// Returns the HTTP status and the error code.
    const fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::UnknownApi => (StatusCode::NOT_FOUND, "APIGW.0101"),
            Self::TokenMissing
            | Self::TokenWrong
            | Self::TokenExpired { .. }
            | Self::Signature(_) => (StatusCode::UNAUTHORIZED, "APIGW.0301"),
            Self::Throttled { .. } => (StatusCode::TOO_MANY_REQUESTS, "APIGW.0308"),
        }
    }

    /// Returns the message of the body.
    fn message(&self) -> String {
        let not_authentic = |why: &str| format!("Incorrect IAM authentication information: {why}");
        match self {
            Self::UnknownApi => UNKNOWN_API.into(),
            Self::TokenMissing => not_authentic("x-auth-token not found"),
            Self::TokenWrong => not_authentic("decrypt token fail"),
            Self::TokenExpired { expires_at } => {
                not_authentic(&format!("token expires, expires_at: {expires_at}"))
            }
            Self::Signature(flaw) => not_authentic(&flaw_text(flaw)),
            Self::Throttled { limit, .. } => format!(
                "The throttling threshold has been reached: policy user over ratelimit,limit:{},time:{}",
                limit.count,
                window_text(limit.window),
            ),
        }
    }
}

/// Returns the access key of a sandbox's account.
fn access_key(settings: &SandboxSettings, clock: Clock) -> SandboxKey {
    let account = &settings.account;
    SandboxKey::new(account.access_key.clone(), account.secret_key.clone(), clock)
}

/// Returns the message for an invalid signature, in the gateway's words as far as they are known.
fn flaw_text(flaw: &Flaw) -> String {
    match flaw {
        Flaw::Missing => "verify aksk signature fail, authorization header or date missing".into(),
        Flaw::UnknownKey => "Get secretKey failed".into(),
        Flaw::OutOfTime => "verify aksk signature fail, the signature has expired".into(),
        Flaw::Mismatch { canonical } => {
            format!("verify aksk signature fail, canonicalRequest:{canonical}")
        }
        Flaw::Locked => "AK access failed to reach the limit,forbidden".into(),
    }
}

/// Writes a window like the gateway: in whole minutes if possible, otherwise in whole seconds.
fn window_text(window: Duration) -> String {
    match whole_seconds(window).max(1) {
        seconds if seconds % 60 == 0 => format!("{} minute", seconds / 60),
        seconds => format!("{seconds} second"),
    }
}

/// Returns a span in seconds, rounded up so that no client comes back too early.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const NOON: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);
    const AN_HOUR: Duration = Duration::from_secs(3600);

    /// A gateway with the token `right`, and the token `issued` for an hour from noon.
    fn gateway() -> (Gateway, Instant) {
        let clock = Clock::starting_at(NOON);
        let settings =
            SandboxSettings { token: Some("right".into()), ..SandboxSettings::default() };
        let mut gateway = Gateway::new(&settings, clock);
        let noon = clock.instant();
        gateway.issue("issued".into(), noon + AN_HOUR);
        (gateway, noon)
    }

    fn with_token(token: Option<&str>) -> Parts {
        let mut request = hyper::Request::put("/");
        if let Some(token) = token {
            request = request.header("x-auth-token", token);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn check(token: Option<&str>, after: Duration, expected: Result<(), &str>) {
        let (mut gateway, noon) = gateway();
        let admitted = gateway.admit(&with_token(token), b"", noon + after);
        let text = admitted.map_err(|refusal| refusal.message());
        assert_eq!(text.as_ref().copied().map_err(String::as_str), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_valid_missing_wrong_or_expired() {
        let missing = "Incorrect IAM authentication information: x-auth-token not found";
        let wrong = "Incorrect IAM authentication information: decrypt token fail";
        let expired = "Incorrect IAM authentication information: token expires, \
                       expires_at: 2024-07-05T13:00:00.000000Z";
        check(Some("right"), 2 * AN_HOUR, Ok(()));
        check(Some("issued"), Duration::ZERO, Ok(()));
        check(Some("issued"), AN_HOUR, Err(expired));
        check(None, Duration::ZERO, Err(missing));
        check(Some(""), Duration::ZERO, Err(missing));
        check(Some("left"), Duration::ZERO, Err(wrong));
    }

    #[test]
    fn without_a_configured_token_any_is_valid() {
        let clock = Clock::start();
        let mut gateway = Gateway::new(&SandboxSettings::default(), clock);
        let mut admit = |token| gateway.admit(&with_token(token), b"", clock.instant());
        assert_eq!(admit(Some("anything")), Ok(()));
        assert_eq!(admit(None), Err(Refusal::TokenMissing));
    }

    #[test]
    fn the_settings_select_the_demanded_credentials() {
        let clock = Clock::start();
        let admit = |auth, token| {
            let settings = SandboxSettings { auth, ..SandboxSettings::default() };
            Gateway::new(&settings, clock).admit(&with_token(token), b"", clock.instant())
        };
        assert_eq!(admit(SandboxAuth::None, None), Ok(()));
        assert_eq!(admit(SandboxAuth::Token, Some("anything")), Err(Refusal::TokenWrong));
        let unsigned = admit(SandboxAuth::Signature, Some("anything"));
        assert_eq!(unsigned, Err(Refusal::Signature(Flaw::Missing)));
    }

    fn check_throttled(window: Duration, expected_end: &str) {
        let refusal =
            Refusal::Throttled { limit: SandboxLimit { count: 9, window }, retry_after: None };
        let body = refusal.response("r-1").body();
        let message = format!(
            "The throttling threshold has been reached: \
             policy user over ratelimit,limit:9,time:{expected_end}"
        );
        assert_eq!(body["error_msg"], message);
        assert_eq!(body["error_code"], "APIGW.0308");
        assert_eq!(body["request_id"], "r-1");
    }

    #[test]
    fn the_message_has_the_window_in_the_gateways_units() {
        check_throttled(Duration::from_millis(100), "1 second");
        check_throttled(Duration::from_secs(1), "1 second");
        check_throttled(Duration::from_millis(1500), "2 second");
        check_throttled(Duration::from_secs(300), "5 minute");
    }
}
