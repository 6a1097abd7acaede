//! Says in plain words why a task has its outcome.

use crate::reading::TaskRow;
use crate::report::explain::Account;
use crate::report::model::{StillRunning, failure_of};
use crate::task::{FailureKind, Outcome, TaskState};
use crate::text::plural;

impl Account<'_> {
    /// Returns why the task has its outcome, as the rest of a sentence that begins with it.
    pub(crate) fn why(&self) -> String {
        let task = &self.history.task;
        if let Some(call) = task.seen.call {
            return after_a_look(task, call);
        }
        let reason = match task.outcome {
            Outcome::Succeeded => succeeded(task),
            Outcome::Partial => partial(task),
            Outcome::Failed => failed(task),
            Outcome::Ambiguous => ambiguous(task),
            Outcome::Unchanged => return unchanged(task),
            Outcome::NotAttempted if task.is_excluded() => {
                return "a file of excluded tasks named it before it was sent".into();
            }
            Outcome::NotAttempted => return self.not_attempted(),
        };
        if task.settled.is_some() { reason } else { format!("{reason}; {}", self.open()) }
    }

    /// Says what becomes of a task without an outcome.
    fn open(&self) -> &'static str {
        match self.run.still_running {
            StillRunning::Yes => "the run goes on, and this is what is known so far",
            StillRunning::No => "the run ended before its outcome was known; `resume` goes on",
        }
    }

    fn not_attempted(&self) -> String {
        match (self.run.still_running, self.history.attempts.is_empty()) {
            (StillRunning::Yes, _) => "it was not sent so far".into(),
            (StillRunning::No, true) => "the run ended before its turn".into(),
            (StillRunning::No, false) => {
                "no byte of any attempt left, and the run ended before the next one".into()
            }
        }
    }
}

fn succeeded(task: &TaskRow) -> String {
    let which = match task.attempts {
        1 => "at the first attempt".to_owned(),
        number => format!("at attempt {number}, so it is flaky"),
    };
    match task.is_empty() {
        true => format!("{which}; the service counted no sub-task in it, so it is empty"),
        false => which,
    }
}

fn partial(task: &TaskRow) -> String {
    let counts = task.last.as_ref().and_then(|last| last.counts).unwrap_or_default();
    let all = plural(counts.total, "sub-task", "sub-tasks");
    format!("it was carried out, and {} of {all} failed", counts.failed)
}

fn failed(task: &TaskRow) -> String {
    let last = task.last.as_ref();
    let attempts = plural(u64::from(task.attempts), "attempt", "attempts");
    let Some(kind) = failure_of(task).map(|failure| failure.kind) else {
        return "why is not on record".into();
    };
    match kind {
        FailureKind::Refused => "the service refused this call, so it was not sent again".into(),
        FailureKind::Auth => "the credentials were refused".into(),
        FailureKind::Throttled => format!("the service throttled it, after {attempts}"),
        FailureKind::NotReached => "accepted, but the task never got where it was sent".into(),
        FailureKind::NotSent if task.attempts == 0 => {
            "it was left out, because the service does not know it".into()
        }
        FailureKind::NotSent => "no request could be made of it, so nothing was sent".into(),
        FailureKind::Dns | FailureKind::Connect | FailureKind::Tls => {
            format!("no connection was made in {attempts}, which is all it had")
        }
        FailureKind::Service if last.is_some_and(|last| last.counts.is_some()) => {
            "it was carried out, and no sub-task succeeded".into()
        }
        FailureKind::Service => format!("the service failed in {attempts}, which is all it had"),
        FailureKind::Timeout | FailureKind::Reset | FailureKind::Body => {
            format!("nothing trustworthy came back in {attempts}")
        }
    }
}

fn ambiguous(task: &TaskRow) -> String {
    if task.is_damaged {
        return "its record in the run's file is damaged, so it is in doubt".into();
    }
    let times = match task.attempts {
        1 => "once".to_owned(),
        number => format!("{number} times"),
    };
    format!("sent {times}, and nothing trustworthy came back: it may have been carried out")
}

fn unchanged(task: &TaskRow) -> String {
    match task.seen.before {
        _ if task.attempts > 0 => "the service says that it was there already".into(),
        Some(state) => {
            format!("it was `{}` before anything was sent, so no call was made", state.as_str())
        }
        None => "it was there before anything was sent, so no call was made".into(),
    }
}

/// Says why the outcome is another one than that of the call.
fn after_a_look(task: &TaskRow, call: Outcome) -> String {
    let state = task.seen.after.map_or("not seen", TaskState::as_str);
    let called = match call {
        Outcome::Ambiguous => "its call was in doubt",
        _ => "its call was accepted",
    };
    match task.outcome.is_good() {
        true => format!("{called}, and a look found it `{state}`, where its command leads"),
        false => format!("{called}, and a look found it `{state}`, not where its command leads"),
    }
}
