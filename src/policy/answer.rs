//! The answer to one attempt, free of any HTTP client's types.

use crate::policy::judgement::AnswerMeaning;
use crate::policy::pace::RateHint;
use crate::task::FailureKind;
use std::time::Duration;

/// The answer to one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A response, read to its end or as far as possible.
    Response(Response),
    /// No response.
    NoResponse(NoResponse),
    /// The code that made the call panicked, with this message.
    Panicked(String),
}

impl Answer {
    /// Returns the wait that the service asks for, whatever the status.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Response(response) => response.retry_after,
            Self::NoResponse(_) | Self::Panicked(_) => None,
        }
    }

    /// Returns the HTTP status, if there is a response.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Response(response) => Some(response.status),
            Self::NoResponse(_) | Self::Panicked(_) => None,
        }
    }
}

/// Whether any byte of an attempt can have reached the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// No: the name look-up, the connection or the handshake failed.
    NeverLeft,
    /// No: there is no request that could be sent, and there will be none.
    NeverMade,
    /// No: the proxy refused to pass the call on, as it would refuse every other one.
    ProxyRefused,
    /// Yes: the service may have received the call and carried it out.
    Possible,
}

/// An attempt without a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoResponse {
    /// The step that failed.
    pub kind: FailureKind,
    /// Whether the call may have reached the service.
    pub delivery: Delivery,
    /// The transport's message.
    pub message: String,
}

impl NoResponse {
    /// Returns the answer of a request that cannot be made, for a reason that stays.
    pub fn never_made(why: impl Into<String>) -> Self {
        let (kind, delivery) = (FailureKind::NotSent, Delivery::NeverMade);
        Self { kind, delivery, message: why.into() }
    }

    /// Returns the answer of a call that was given up after `timeout`: it is in doubt.
    pub fn timed_out(timeout: Duration) -> Self {
        Self {
            kind: FailureKind::Timeout,
            // The limit covers the whole attempt, so bytes may have left before it ended.
            delivery: Delivery::Possible,
            message: format!("no answer within {timeout:?}"),
        }
    }
}

/// A response to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The service's own id of the request.
    pub request_id: Option<String>,
    /// The wait that the service asks for in its `Retry-After` header.
    pub retry_after: Option<Duration>,
    /// The service's quota. Rare, and so boxed: it does not enlarge every answer.
    pub rate_hint: Option<Box<RateHint>>,
    /// The parsed body.
    pub body: Body,
}

/// The parsed body of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The answer to an action.
    Result(ActionResult),
    /// An error in one of the shapes of service, gateway and IAM.
    Error(ServiceError),
    /// Neither; the text describes the body instead.
    Unreadable(String),
    /// What the rules of a service say, which a file describes. Boxed, because it is large.
    Judged(Box<Judgement>),
}

/// The result of an action. Every field may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionResult {
    /// `id`.
    pub id: Option<String>,
    /// `total_count`.
    pub total: Option<i64>,
    /// `failed_count`.
    pub failed: Option<i64>,
    /// `succeed_count`.
    pub succeeded: Option<i64>,
    /// `error_list`.
    pub error_list: Vec<String>,
}

impl ActionResult {
    /// Returns the counts that it has.
    pub(super) fn counts(&self) -> impl Iterator<Item = i64> {
        [self.total, self.failed, self.succeeded].into_iter().flatten()
    }
}

/// An error of the service, its gateway or IAM. Missing texts are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceError {
    /// `error_code`, such as `VIAS.00010012` or `APIGW.0308`.
    pub code: String,
    /// `error_msg`.
    pub message: String,
    /// `detail`.
    pub detail: String,
    /// `params`; an entry that is no text is its JSON.
    pub params: Vec<String>,
    /// `reason`.
    pub reason: String,
    /// `advice`.
    pub advice: String,
    /// `request_id`; only the gateway puts it into the body.
    pub request_id: String,
}

impl ServiceError {
    /// Returns what is said of a redirect, which is never followed.
    pub fn redirected(status: u16, target: Option<&str>) -> Self {
        let target = target
            .map_or_else(|| "without an address".to_owned(), |target| format!("to `{target}`"));
        Self {
            message: format!(
                "status {status} redirects {target}; redirects are refused, for they would carry \
                 the token to another host"
            ),
            advice: "Check the endpoint.".into(),
            ..Self::default()
        }
    }
}

/// What the rules of a service say of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What the answer means; `None` if no rule is for it, so that it is in doubt.
    pub meaning: Option<AnswerMeaning>,
    /// The line of the rule.
    pub rule: Option<u64>,
    /// The service's own id of the request.
    pub request_id: Option<String>,
    /// Whether the action leads to an id that is not there any more.
    pub leads_to_gone: bool,
    /// The wait that the service asks for.
    pub wait: Option<Duration>,
    /// Why an answer of a good meaning is not believed, whatever its id.
    pub distrust: Option<String>,
    /// The service's own counts, with the id that the answer repeats.
    pub result: ActionResult,
    /// The texts of its error, or else what is said of a body that has none.
    pub error: ServiceError,
    /// Whether the error is the answer's own.
    pub has_own_error: bool,
}

impl Judgement {
    /// Returns why an answer of a good meaning is not believed as one for this id.
    pub fn distrusted(&self, id: &str) -> Option<String> {
        let is_good = self.meaning.is_some_and(AnswerMeaning::is_good);
        let other = self.result.id.as_deref().filter(|&other| is_good && other != id);
        self.distrust.clone().or_else(|| other.map(for_another_id))
    }
}

/// Says that an answer belongs to another call.
pub(super) fn for_another_id(other: &str) -> String {
    format!("the answer is for another id: {other}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_refused_with_its_status_and_its_target() {
        for (target, told) in
            [(Some("http://other/"), "to `http://other/`"), (None, "without an address")]
        {
            let error = ServiceError::redirected(307, target);
            let start = format!("status 307 redirects {told}; redirects are refused");
            assert!(error.message.starts_with(&start), "{}", error.message);
            assert_eq!(error.advice, "Check the endpoint.");
        }
    }

    #[test]
    fn a_good_answer_for_another_id_is_not_believed() {
        let distrusted = |meaning, answered: Option<&str>| {
            let result = ActionResult { id: answered.map(str::to_owned), ..Default::default() };
            Judgement { meaning, result, ..Judgement::default() }.distrusted("gate1")
        };
        let (done, refused) = (Some(AnswerMeaning::Done), Some(AnswerMeaning::Refused));
        let other = "the answer is for another id: gate2";
        assert_eq!(distrusted(done, Some("gate2")).as_deref(), Some(other));
        for (meaning, answered) in [
            (done, Some("gate1")),
            (done, None),
            (refused, Some("gate2")),
            (refused, Some("gate1")),
            (None, Some("gate2")),
        ] {
            assert_eq!(distrusted(meaning, answered), None, "{meaning:?} {answered:?}");
        }
    }
}
