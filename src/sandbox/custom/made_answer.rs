//! An answer of a rule: its example, or one that is made up and that the rule takes.

use crate::sandbox::custom::json_place::{put, put_below};
use crate::sandbox::custom::text_for::text_for;
use crate::service::{
    AnswerMeaning, Example, JsonTest, Rule, SeenAnswer, Service, WaitSource, first_match,
};
use serde_json::{Map, Value};
use std::time::Duration;

/// An answer before it is sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MadeAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: MadeBody,
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MadeBody {
    /// Nothing.
    Empty,
    /// JSON.
    Json(Value),
    /// Something else.
    Text(String),
}

impl MadeAnswer {
    /// Returns an answer that no rule is asked about.
    pub(crate) fn plain(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: MadeBody::Json(body) }
    }

    fn of_example(example: &Example) -> Self {
        let body = match serde_json::from_str(&example.body) {
            Ok(json) => MadeBody::Json(json),
            Err(_) if example.body.trim().is_empty() => MadeBody::Empty,
            Err(_) => MadeBody::Text(example.body.clone()),
        };
        Self { status: example.status, headers: example.headers.clone(), body }
    }

    /// Returns the bytes of the body, with their type.
    pub(crate) fn bytes(&self) -> (&'static str, Vec<u8>) {
        match &self.body {
            MadeBody::Empty => ("application/json", Vec::new()),
            MadeBody::Json(json) => ("application/json", json.to_string().into_bytes()),
            MadeBody::Text(text) if text.trim_start().starts_with('<') => {
                ("text/html", text.clone().into_bytes())
            }
            MadeBody::Text(text) => ("text/plain", text.clone().into_bytes()),
        }
    }

    fn seen(&self) -> SeenAnswer {
        SeenAnswer::new(self.status, self.headers.clone(), &self.bytes().1)
    }
}

/// What an answer may ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking {
    /// The wait of throttled answers; none unless the rule needs one.
    pub(crate) retry_after: Option<Duration>,
}

/// Makes an answer that a rule takes, before all other rules.
pub(crate) fn answer_of(
    service: &Service,
    rules: &[&Rule],
    rule: &Rule,
    asking: Asking,
) -> Option<MadeAnswer> {
    if let Some(example) = &rule.example {
        return Some(MadeAnswer::of_example(example));
    }
    let throttles = rule.means == AnswerMeaning::Throttled;
    let wait = match (asking.retry_after, rule.asks_to_wait) {
        (Some(wait), asks) if throttles || asks => Some(seconds(wait)),
        (_, true) => Some(1),
        (_, false) => None,
    };
    let is_its = |answer: &MadeAnswer| {
        let found = first_match(service, rules.iter().copied(), &answer.seen());
        found.is_some_and(|found| std::ptr::eq(found, rule))
    };
    // An earlier rule may take every answer that asks for a wait.
    let waits = [wait, None];
    let mut waits = waits.iter().take(if rule.asks_to_wait { 1 } else { 2 });
    waits.find_map(|&wait| {
        let maker = Maker { service, rule, wait };
        statuses(rule).flat_map(|status| maker.candidates(status)).find(is_its)
    })
}

/// Returns the statuses of a rule, the usual ones of its meaning first.
fn statuses(rule: &Rule) -> impl Iterator<Item = u16> {
    let usual: &[u16] = match rule.means {
        AnswerMeaning::Done | AnswerMeaning::Counted => &[200, 202, 204],
        AnswerMeaning::Unchanged => &[409, 200],
        AnswerMeaning::Gone => &[404, 410],
        AnswerMeaning::Refused => &[403, 400, 422, 409],
        AnswerMeaning::Throttled => &[429, 503],
        AnswerMeaning::Unauthorised => &[401, 403],
        AnswerMeaning::Transient => &[503, 500],
        AnswerMeaning::InDoubt => &[500, 504],
    };
    let first = usual.iter().copied().filter(|&status| rule.has_status(status));
    first.chain(rule.status.iter().cloned().flatten())
}

/// Makes up answers for a rule.
struct Maker<'a> {
    service: &'a Service,
    rule: &'a Rule,
    wait: Option<u64>,
}

impl Maker<'_> {
    /// Returns answers that the rule may take, the most natural first.
    fn candidates(&self, status: u16) -> Vec<MadeAnswer> {
        let mut headers = Vec::new();
        if let (Some(wait), Some(WaitSource::Header(name))) = (self.wait, self.rule.wait.first()) {
            headers.push((name.clone(), wait.to_string()));
        }
        let bodies = [
            self.json(true).map(MadeBody::Json),
            self.json(false).map(MadeBody::Json),
            Some(MadeBody::Empty),
            self.message().map(MadeBody::Text),
        ];
        // A body behind these statuses would be taken for the next answer (RFC 9110, 6.4.1).
        let may_have_body = !matches!(status, 204 | 205 | 304);
        let bodies = bodies.into_iter().flatten();
        let bodies = bodies.filter(|body| may_have_body || *body == MadeBody::Empty);
        bodies.map(|body| MadeAnswer { status, headers: headers.clone(), body }).collect()
    }

    /// Makes a body with the texts of an error where they belong, and all that the rule tests.
    fn json(&self, with_code: bool) -> Option<Value> {
        let mut json = Value::Object(Map::new());
        let is_error = !self.rule.means.is_good();
        let errors = &self.service.errors;
        let above = place_of_errors(self.service);
        if let Some(at) = errors.message.first().filter(|_| is_error || self.rule.text.is_some()) {
            put_below(&mut json, &above, at, self.message()?.into()).then_some(())?;
        }
        let code = match self.rule.code.first() {
            Some(pattern) => Some(pattern.0.replace('*', "0")),
            None => (is_error && with_code).then(|| "SANDBOX".to_owned()),
        };
        if let Some((at, code)) = errors.code.first().zip(code) {
            put_below(&mut json, &above, at, code.into()).then_some(())?;
        }
        for (at, test) in &self.rule.json {
            let value = match test {
                JsonTest::OneOf(values) => values.first().cloned(),
                JsonTest::Present => at.find(&json).is_none().then(|| true.into()),
                JsonTest::Absent => None,
            };
            if let Some(value) = value {
                put(&mut json, at.as_str(), value).then_some(())?;
            }
        }
        if let (Some(wait), Some(WaitSource::Json(at))) = (self.wait, self.rule.wait.first()) {
            put(&mut json, at.as_str(), wait.into()).then_some(())?;
        }
        Some(json)
    }

    fn message(&self) -> Option<String> {
        let wait = self.wait.unwrap_or(1).to_string();
        let named = |name: &str| match name {
            "wait" => Some(wait.clone()),
            "unit" => Some("second".into()),
            _ => None,
        };
        match (&self.rule.text, self.rule.wait.first(), self.wait) {
            (Some(text), _, _) | (None, Some(WaitSource::Text(text)), Some(_)) => {
                text_for(text.as_str(), &named)
            }
            (None, _, _) => Some(in_words(self.rule.means).into()),
        }
    }
}

/// Returns the place below which the texts of an error stand.
pub(crate) fn place_of_errors(service: &Service) -> String {
    let within = service.errors.within.first();
    let place = within.map(|within| {
        let field = if within.any_field { "/error" } else { "" };
        format!("{}{field}", within.at)
    });
    place.unwrap_or_default()
}

/// Says what an answer means, for those who read it.
pub(crate) const fn in_words(means: AnswerMeaning) -> &'static str {
    match means {
        AnswerMeaning::Done | AnswerMeaning::Counted => "the action was carried out",
        AnswerMeaning::Unchanged => "it is there already",
        AnswerMeaning::Gone => "there is no such id",
        AnswerMeaning::Refused => "this action is not allowed",
        AnswerMeaning::Throttled => "too many requests",
        AnswerMeaning::Unauthorised => "the credentials are missing or wrong",
        AnswerMeaning::Transient => "the service is busy",
        AnswerMeaning::InDoubt => "something went wrong on the way",
    }
}

/// Rounds up, because headers count whole seconds (RFC 9110, 10.2.3).
pub(crate) fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
