//! Decides from the records how a run ended: complete or not, what stopped it, which status.
//!
//! Pure. What was asked to stop does not count if nothing was left to do: such a run is complete.

use crate::report::ExitStatus;
use crate::report::FailureGroup;
use crate::report::model::StillRunning;
use crate::report::model::Stopped;
use crate::store::SessionRecord;
use crate::store::StoredEnd;
use crate::task::FailureKind;
use crate::task::Outcome;
use crate::task::OutcomeCounts;
use crate::text::plural;
use crate::text::span;
use serde_json::Value;
use std::time::Duration;

/// How a run ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Whether every task has its outcome and nothing is going on.
    pub(crate) complete: bool,
    /// What stopped it, if it is not complete.
    pub(crate) stopped: Option<Stopped>,
    /// The exit status; nothing while it runs.
    pub(crate) exit: Option<ExitStatus>,
}

/// What an ending is decided from.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    /// The last process that worked on the run.
    pub(crate) last: Option<&'a SessionRecord>,
    /// Whether a process works on it now.
    pub(crate) still_running: StillRunning,
    /// How many tasks have which outcome.
    pub(crate) tasks: &'a OutcomeCounts,
    /// How many tasks have no outcome on record.
    pub(crate) unsettled: u64,
    /// How many tasks were sent and not looked for to the end.
    pub(crate) unverified: u64,
    /// The failures by cause.
    pub(crate) failures: &'a [FailureGroup],
    /// How the run is carried out.
    pub(crate) settings: &'a Value,
}

impl Evidence<'_> {
    /// Decides how the run ended.
    pub(crate) fn decide(&self) -> Ending {
        let Some(end) = self.last.and_then(|session| session.end.as_ref()) else {
            return self.without_an_end();
        };
        let was_stopped = end.stopped.is_some() && self.is_awaited();
        if self.unsettled == 0 && self.tasks[Outcome::NotAttempted] == 0 && !was_stopped {
            return self.completed();
        }
        self.cut_short(end)
    }

    fn without_an_end(&self) -> Ending {
        if self.still_running == StillRunning::Yes {
            return Ending::default();
        }
        // Killed after its last outcome, or before it began to do nothing: nothing is missing.
        if self.unsettled == 0 && !self.is_awaited() {
            return self.completed();
        }
        let stopped = Stopped {
            reason: "killed".into(),
            detail: "the process ended without recording it".into(),
        };
        Ending { complete: false, stopped: Some(stopped), exit: Some(ExitStatus::Killed) }
    }

    /// Tells whether tasks are to be waited for that nobody has looked for to the end.
    fn is_awaited(&self) -> bool {
        self.unverified > 0 && !self.settings["wait_ms"].is_null()
    }

    fn completed(&self) -> Ending {
        let all_good = self.tasks.all_good();
        let exit = if all_good { ExitStatus::Ok } else { ExitStatus::IncompleteSuccess };
        Ending { complete: true, stopped: None, exit: Some(exit) }
    }

    fn cut_short(&self, end: &StoredEnd) -> Ending {
        // A word of a newer version, or none: what is missing is missing all the same.
        let unknown = || "it ended before every task had its outcome".into();
        let reason = end.stopped.as_deref().unwrap_or("unknown");
        let (exit, detail) = match reason {
            "interrupted" => (ExitStatus::Interrupted, "by SIGINT".into()),
            "terminated" => (ExitStatus::Terminated, "by SIGTERM or SIGHUP".into()),
            "too_many_failures" => (ExitStatus::StoppedEarly, self.too_many_failures()),
            "out_of_time" => (ExitStatus::StoppedEarly, self.out_of_time()),
            "not_authorised" => (ExitStatus::NotAuthorised, self.not_authorised()),
            "canary_failed" => (ExitStatus::StoppedEarly, self.canary_failed()),
            "drained" => (
                ExitStatus::StoppedEarly,
                "it was asked to drain, so that the rest was not sent".into(),
            ),
            "outage" => (ExitStatus::StoppedEarly, self.outage()),
            _ => (ExitStatus::StoppedEarly, unknown()),
        };
        let stopped = Stopped { reason: reason.into(), detail };
        Ending { complete: false, stopped: Some(stopped), exit: Some(exit) }
    }

    fn too_many_failures(&self) -> String {
        let failed = plural(self.tasks[Outcome::Failed], "task", "tasks");
        match self.settings["max_failures"].as_str() {
            Some(limit) => format!("{failed} failed, more than `--max-failures {limit}` tolerates"),
            None => format!("{failed} failed, more than are tolerated"),
        }
    }

    fn out_of_time(&self) -> String {
        let longest = self.settings["max_duration_ms"].as_u64().map(Duration::from_millis);
        match (longest, self.settings["finish_by"].as_str()) {
            (Some(longest), None) => {
                format!("the time of `--max-duration`, {}, is over", span(longest))
            }
            (None, Some(finish_by)) => format!("it is past `--finish-by {finish_by}`"),
            (Some(longest), Some(finish_by)) => format!(
                "the time of `--max-duration`, {}, is over, or it is past `--finish-by {finish_by}`",
                span(longest)
            ),
            (None, None) => "the time of `--max-duration` is over".into(),
        }
    }

    fn canary_failed(&self) -> String {
        let canary = self.settings["canary"].as_u64();
        let canary = canary.map_or_else(String::new, |tasks| format!(" {tasks}"));
        format!("not all tasks of `--canary{canary}` succeeded, so that the rest was not sent")
    }

    fn outage(&self) -> String {
        let patience = self.settings["outage_timeout_ms"].as_u64().map(Duration::from_millis);
        let patience =
            patience.map_or_else(String::new, |patience| format!(", {}", span(patience)));
        format!("the service was away for longer than `--outage-timeout`{patience}")
    }

    fn not_authorised(&self) -> String {
        let refused = self.failures.iter().find(|group| group.kind == Some(FailureKind::Auth));
        let words = refused.map_or_else(String::new, |group| {
            format!(": {} {}", group.error_code, group.error_msg)
        });
        format!("the credentials were refused or could not be renewed{words}")
    }
}
