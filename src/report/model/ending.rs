//! Decides from the records how a run ended: complete or not, what stopped it, which status.
//!
//! Pure. What was asked to stop does not count if nothing was left to do: such a run is complete.

use crate::event::StopReason;
use crate::report::ExitStatus;
use crate::report::FailureGroup;
use crate::report::model::StillRunning;
use crate::report::model::Stopped;
use crate::settings::RunSettings;
use crate::store::SessionRecord;
use crate::store::StoredEnd;
use crate::task::FailureKind;
use crate::task::Outcome;
use crate::task::OutcomeCounts;
use crate::text::plural;
use crate::text::span;

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
    pub(crate) settings: &'a RunSettings,
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
        self.unverified > 0 && self.settings.wait.is_some()
    }

    fn completed(&self) -> Ending {
        let all_good = self.tasks.all_good();
        let exit = if all_good { ExitStatus::Ok } else { ExitStatus::IncompleteSuccess };
        Ending { complete: true, stopped: None, exit: Some(exit) }
    }

    fn cut_short(&self, end: &StoredEnd) -> Ending {
        let (exit, detail) = match end.stopped {
            Some(reason) => self.because(reason),
            None => (ExitStatus::StoppedEarly, "it ended before every task had its outcome".into()),
        };
        let reason = end.stopped.as_ref().map_or("unknown", StopReason::as_str);
        let stopped = Stopped { reason: reason.into(), detail };
        Ending { complete: false, stopped: Some(stopped), exit: Some(exit) }
    }

    /// Returns the exit status of a run that stopped for this reason, and the reason in words.
    fn because(&self, reason: StopReason) -> (ExitStatus, String) {
        match reason {
            StopReason::Interrupted => (ExitStatus::Interrupted, "by SIGINT".into()),
            StopReason::Terminated => (ExitStatus::Terminated, "by SIGTERM or SIGHUP".into()),
            StopReason::TooManyFailures => (ExitStatus::StoppedEarly, self.too_many_failures()),
            StopReason::OutOfTime => (ExitStatus::StoppedEarly, self.out_of_time()),
            StopReason::NotAuthorised => (ExitStatus::NotAuthorised, self.not_authorised()),
            StopReason::CanaryFailed => (ExitStatus::StoppedEarly, self.canary_failed()),
            StopReason::Drained => (
                ExitStatus::StoppedEarly,
                "it was asked to drain, so that the rest was not sent".into(),
            ),
            StopReason::Outage => (ExitStatus::StoppedEarly, self.outage()),
        }
    }

    fn too_many_failures(&self) -> String {
        let failed = plural(self.tasks[Outcome::Failed], "task", "tasks");
        let limit = self.settings.max_failures;
        format!("{failed} failed, more than `--max-failures {limit}` tolerates")
    }

    fn out_of_time(&self) -> String {
        match (self.settings.max_duration, self.settings.finish_by) {
            (Some(longest), None) => {
                format!("the time of `--max-duration`, {}, is over", span(longest))
            }
            (None, Some(finish_by)) => format!("it is past `--finish-by {finish_by}`"),
            (Some(longest), Some(finish_by)) => format!(
                "the time of `--max-duration`, {}, is over, or it is past `--finish-by {finish_by}`",
                span(longest)
            ),
            // The flag of a resumption is not kept with the run.
            (None, None) => "the time of `--max-duration` is over".into(),
        }
    }

    fn canary_failed(&self) -> String {
        let canary = self.settings.canary.map_or_else(String::new, |tasks| format!(" {tasks}"));
        format!("not all tasks of `--canary{canary}` succeeded, so that the rest was not sent")
    }

    fn outage(&self) -> String {
        let patience = span(self.settings.outage_timeout);
        format!("the service was away for longer than `--outage-timeout`, {patience}")
    }

    fn not_authorised(&self) -> String {
        let refused = self.failures.iter().find(|group| group.kind == Some(FailureKind::Auth));
        let words = refused.map_or_else(String::new, |group| {
            format!(": {} {}", group.error_code, group.error_msg)
        });
        format!("the credentials were refused or could not be renewed{words}")
    }
}
