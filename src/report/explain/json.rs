//! The account of a task as JSON, for programs. Fields are those of `schema/explain.json`, and are
//! only ever added.

use crate::reading::AttemptRow;
use crate::report::explain::Account;
use crate::report::explain::account::Wait;
use crate::store::RunId;
use crate::task::{Failure, FailureKind, TaskState};
use crate::text::{non_empty, whole_millis};
use serde::Serialize;

#[derive(Serialize)]
struct AccountJson<'a> {
    id: &'a str,
    command: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    run: &'a str,
    parent: Option<&'a str>,
    job: Option<&'a str>,
    source: &'a str,
    line: u64,
    outcome: &'a str,
    why: String,
    settled_at: Option<String>,
    state_before: Option<&'a str>,
    state_after: Option<&'a str>,
    attempts: Vec<AttemptJson<'a>>,
}

#[derive(Serialize)]
struct AttemptJson<'a> {
    number: u32,
    sent_at: String,
    duration_ms: Option<u64>,
    waited_ms: Option<u64>,
    held: &'a [&'a str],
    in_doubt: bool,
    http_status: Option<u16>,
    total_count: Option<u64>,
    failed_count: Option<u64>,
    succeed_count: Option<u64>,
    request_id: Option<&'a str>,
    error_kind: Option<&'a str>,
    error_code: Option<&'a str>,
    error_msg: Option<&'a str>,
    error_list: &'a [String],
    error_detail: Option<&'a str>,
    error_params: &'a [String],
    error_reason: Option<&'a str>,
    error_advice: Option<&'a str>,
}

impl<'a> AttemptJson<'a> {
    fn new(attempt: &'a AttemptRow, wait: &'a Wait<'a>) -> Self {
        let failure = attempt.failure.as_ref();
        let text = |of: fn(&Failure) -> &str| failure.and_then(|failure| non_empty(of(failure)));
        let counts = attempt.counts;
        Self {
            number: attempt.number,
            sent_at: attempt.sent.to_string(),
            duration_ms: attempt.duration.map(whole_millis),
            waited_ms: wait.span.map(whole_millis),
            held: &wait.held,
            in_doubt: attempt.in_doubt,
            http_status: attempt.http_status,
            total_count: counts.map(|counts| counts.total),
            failed_count: counts.map(|counts| counts.failed),
            succeed_count: counts.map(|counts| counts.succeeded),
            request_id: attempt.request_id.as_deref(),
            error_kind: failure.map(|failure| FailureKind::as_str(failure.kind)),
            error_code: text(|failure| &failure.code),
            error_msg: text(|failure| &failure.message),
            error_list: failure.map_or(&[], |failure| &failure.error_list),
            error_detail: text(|failure| &failure.detail),
            error_params: failure.map_or(&[], |failure| &failure.params),
            error_reason: text(|failure| &failure.reason),
            error_advice: text(|failure| &failure.advice),
        }
    }
}

impl Account<'_> {
    /// Returns the account as one JSON object.
    pub fn json(&self) -> String {
        let (run, task) = (&self.run.record.run, &self.history.task);
        let attempts = self.history.attempts.iter().zip(&self.waits);
        let account = AccountJson {
            id: task.id.as_str(),
            command: task.command.as_str(),
            target: task.target.as_deref(),
            run: run.id.as_str(),
            parent: run.parent.as_ref().map(RunId::as_str),
            job: run.job.as_deref(),
            source: self.source(),
            line: task.line,
            outcome: task.outcome.as_str(),
            why: self.why(),
            settled_at: task.settled.map(|at| at.to_string()),
            state_before: task.seen.before.map(TaskState::as_str),
            state_after: task.seen.after.map(TaskState::as_str),
            attempts: attempts.map(|(attempt, wait)| AttemptJson::new(attempt, wait)).collect(),
        };
        serde_json::to_string(&account).expect("texts and numbers are JSON")
    }
}
