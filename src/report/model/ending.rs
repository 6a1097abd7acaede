//! Decides from the records how a run ended: complete or not, what stopped it, which exit status.
//!
//! Pure. A request to stop does not count if nothing was left to do: such a run is complete.

use crate::event::StopReason;
use crate::policy::WavePlace;
use crate::report::model::{ExitStatus, FailureGroup, StillRunning, Stopped};
use crate::settings::RunSettings;
use crate::store::{SessionRecord, StoredEnd};
use crate::task::{Failure, FailureKind, Outcome, OutcomeCounts};
use crate::text::{flag_span, plural};

/// How a run ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RunEnding {
    /// Whether every task has its outcome and no process works on the run.
    pub(crate) complete: bool,
    /// What stopped it, if it is not complete.
    pub(crate) stopped: Option<Stopped>,
    /// The exit status; `None` while it runs, and before it has begun.
    pub(crate) exit: Option<ExitStatus>,
}

/// The facts that an ending follows from.
#[derive(Debug)]
pub(crate) struct EndingFacts<'a> {
    /// The last process that worked on the run.
    pub(crate) last: Option<&'a SessionRecord>,
    /// Whether a process works on it now.
    pub(crate) still_running: StillRunning,
    /// Whether its file came without those that may say which processes worked on it.
    pub(crate) is_lone: bool,
    /// The number of tasks with each outcome.
    pub(crate) tasks: &'a OutcomeCounts,
    /// The number of tasks without a recorded outcome.
    pub(crate) unsettled: u64,
    /// The number of sent tasks that were not verified to the end.
    pub(crate) unverified: u64,
    /// Whether tasks are still to be looked into.
    pub(crate) is_drill_pending: bool,
    /// Why the last task could not be sent that was tried and never left.
    pub(crate) unsent: Option<&'a Failure>,
    /// The failed tasks by cause.
    pub(crate) failures: &'a [FailureGroup],
    /// The wave of the last task with an outcome.
    pub(crate) wave: Option<WavePlace>,
    /// The settings of the run.
    pub(crate) settings: &'a RunSettings,
}

impl EndingFacts<'_> {
    /// Decides how the run ended.
    pub(crate) fn decide(&self) -> RunEnding {
        let Some(end) = self.last.and_then(|session| session.end.as_ref()) else {
            return self.without_an_end();
        };
        // A stop while the run only waited for arrivals, or looked into tasks, still leaves
        // something undone.
        let is_undone = self.is_awaited() || self.is_drill_pending;
        let was_stopped = end.stopped.is_some() && is_undone;
        // A task that became excluded has an outcome although it was not attempted.
        let is_whole = self.tasks[Outcome::NotAttempted] == 0 || end.stopped.is_none();
        if self.unsettled == 0 && is_whole && !was_stopped {
            return self.completed();
        }
        self.cut_short(end)
    }

    fn without_an_end(&self) -> RunEnding {
        if self.still_running == StillRunning::Yes {
            return RunEnding::default();
        }
        // Killed after its last outcome was recorded, or a run without tasks: nothing is missing.
        if self.unsettled == 0 && !self.is_awaited() && !self.is_drill_pending {
            return self.completed();
        }
        let is_known = self.settings.planned_with.is_some() || !self.is_lone;
        if self.last.is_none() && self.is_untouched() && is_known {
            return self.planned();
        }
        let stopped = Stopped {
            reason: "killed".into(),
            detail: "the process ended without recording it".into(),
        };
        RunEnding { complete: false, stopped: Some(stopped), exit: Some(ExitStatus::Killed) }
    }

    /// A plan that waits for its approval, or a run that waits for the first worker.
    fn planned(&self) -> RunEnding {
        let detail = match self.settings.planned_with {
            Some(_) => "it is a plan that was not applied; nothing was sent",
            None => "no process has begun it; nothing was sent",
        };
        let stopped = Stopped { reason: "planned".into(), detail: detail.into() };
        RunEnding { complete: false, stopped: Some(stopped), exit: None }
    }

    /// Returns whether no task has a record: the sessions alone may be lost with a damaged part.
    fn is_untouched(&self) -> bool {
        self.tasks[Outcome::NotAttempted] == self.tasks.selected()
    }

    /// Returns whether the run was to wait for tasks that are not verified yet.
    fn is_awaited(&self) -> bool {
        self.unverified > 0 && self.settings.wait.is_some()
    }

    fn completed(&self) -> RunEnding {
        let all_good = self.tasks.all_good();
        let exit = if all_good { ExitStatus::Ok } else { ExitStatus::IncompleteSuccess };
        RunEnding { complete: true, stopped: None, exit: Some(exit) }
    }

    fn cut_short(&self, end: &StoredEnd) -> RunEnding {
        let (exit, detail) = match end.stopped {
            Some(reason) => self.because(reason),
            // No reason was recorded, or one that this version does not know.
            None => (ExitStatus::StoppedEarly, "it ended before every task had its outcome".into()),
        };
        let reason = end.stopped.as_ref().map_or("unknown", StopReason::as_str);
        let stopped = Stopped { reason: reason.into(), detail };
        RunEnding { complete: false, stopped: Some(stopped), exit: Some(exit) }
    }

    /// Returns the exit status for a reason, and the reason in a sentence.
    fn because(&self, reason: StopReason) -> (ExitStatus, String) {
        // No catch-all: a new reason does not compile until it is worded here.
        match reason {
            StopReason::Interrupted => (ExitStatus::Interrupted, "by SIGINT".into()),
            StopReason::Terminated => (ExitStatus::Terminated, "by SIGTERM or SIGHUP".into()),
            StopReason::TooManyFailures => (ExitStatus::StoppedEarly, self.too_many_failures()),
            StopReason::OutOfTime => (ExitStatus::StoppedEarly, self.out_of_time()),
            StopReason::NotAuthorised => (ExitStatus::NotAuthorised, self.not_authorised()),
            StopReason::ProxyRefused => (ExitStatus::NotAuthorised, self.proxy_refused()),
            StopReason::CanaryFailed => (ExitStatus::StoppedEarly, self.canary_failed()),
            StopReason::WaveFailed => (ExitStatus::StoppedEarly, self.wave_failed()),
            StopReason::Drained => (
                ExitStatus::StoppedEarly,
                "it was asked to drain, so that the rest was not sent".into(),
            ),
            StopReason::Outage => (ExitStatus::StoppedEarly, self.outage()),
            StopReason::Throttled => (ExitStatus::StoppedEarly, self.throttled()),
            StopReason::RateGroupLost => (
                ExitStatus::InputOutput,
                "the file of its rate group could not be used any longer".into(),
            ),
        }
    }

    fn throttled(&self) -> String {
        let longest = flag_span(self.settings.throttle_timeout);
        format!("the service throttles for longer than `--throttle-timeout {longest}`")
    }

    fn too_many_failures(&self) -> String {
        let failed = plural(self.tasks[Outcome::Failed], "task", "tasks");
        let limit = self.settings.max_failures;
        format!("{failed} failed, more than `--max-failures {limit}` tolerates")
    }

    fn out_of_time(&self) -> String {
        match (self.settings.max_duration, self.settings.finish_by) {
            (Some(longest), None) => {
                format!("the time of `--max-duration`, {}, is over", flag_span(longest))
            }
            (None, Some(finish_by)) => format!("it is past `--finish-by {finish_by}`"),
            (Some(longest), Some(finish_by)) => format!(
                "the time of `--max-duration`, {}, is over, or it is past `--finish-by {finish_by}`",
                flag_span(longest)
            ),
            // `--max-duration` given to `resume` limits that process and is not stored.
            (None, None) => "the time of `--max-duration` is over".into(),
        }
    }

    fn canary_failed(&self) -> String {
        let canary = self.settings.canary.map_or_else(String::new, |tasks| format!(" {tasks}"));
        format!("not all tasks of `--canary{canary}` succeeded, so that the rest was not sent")
    }

    fn wave_failed(&self) -> String {
        let wave = self.wave.map_or_else(String::new, |it| format!(" {} of {}", it.wave, it.of));
        format!("not all tasks of wave{wave} succeeded, so that the later waves were not sent")
    }

    fn outage(&self) -> String {
        let patience = flag_span(self.settings.outage_timeout);
        let seen = self.unsent.map_or_else(String::new, |it| format!("; last seen: {}", it.said()));
        format!("the service was away for longer than `--outage-timeout`, {patience}{seen}")
    }

    fn proxy_refused(&self) -> String {
        let words = self.unsent.map_or_else(String::new, |it| format!(": {}", it.said()));
        format!("no call gets through the proxy{words}")
    }

    fn not_authorised(&self) -> String {
        // The service says best what is wrong with the credentials.
        let refused = self.failures.iter().find(|group| group.kind == Some(FailureKind::Auth));
        let words = refused.map(|group| format!(": {} {}", group.error_code, group.error_msg));
        let unsent = || self.unsent.map(|failure| format!(": {}", failure.said()));
        let words = words.or_else(unsent).unwrap_or_default();
        format!("the credentials were refused or could not be renewed{words}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_whose_sessions_are_lost_does_not_wait_for_its_beginning() {
        let check = |outcome: Outcome, is_lone: bool, expected: Option<ExitStatus>| {
            let (settings, mut tasks) = (RunSettings::default(), OutcomeCounts::default());
            tasks[outcome] = 1;
            let facts = EndingFacts {
                last: None,
                still_running: StillRunning::No,
                is_lone,
                tasks: &tasks,
                unsettled: 1,
                unverified: 0,
                is_drill_pending: false,
                unsent: None,
                failures: &[],
                wave: None,
                settings: &settings,
            };
            assert_eq!(facts.decide().exit, expected, "{outcome:?}");
        };
        check(Outcome::NotAttempted, false, None);
        check(Outcome::Ambiguous, false, Some(ExitStatus::Killed));
        check(Outcome::NotAttempted, true, Some(ExitStatus::Killed));
    }
}
