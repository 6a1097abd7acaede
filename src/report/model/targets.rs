//! What each target of a run did, and how the run of several ended.

use crate::reading::RunReader;
use crate::report::model::{ExitStatus, Report, StillRunning, Stopped, Target, TargetReport};
use crate::store::StoreError;

/// Reads the parts of all targets of a run; none of a run without targets.
pub(super) fn read(
    run: &RunReader,
    still_running: StillRunning,
) -> Result<Vec<TargetReport>, StoreError> {
    run.of_targets(|run| {
        let report = Report::read(run, still_running)?;
        let name = report.settings.target.as_ref().map_or("", |target| target.name());
        Ok(TargetReport {
            name: name.to_owned(),
            tasks: report.tasks,
            so_far: report.so_far,
            under_way: report.under_way,
            attempts: report.calls.attempts,
            rate_average: report.pace.rate_average,
            rate_peak_1s: report.pace.rate_peak_1s,
            complete: report.run.complete,
            stopped: report.stopped,
            exit: report.exit,
            target: report.target,
            settings: report.settings,
        })
    })
}

impl Report {
    /// Takes what its targets did: the run ended as the one that ended worst.
    pub(super) fn take_targets(&mut self, mut targets: Vec<TargetReport>) {
        (self.exit, self.stopped) = ending(&mut targets);
        self.run.complete = targets.iter().all(|target| target.complete);
        self.target = Target {
            endpoint: each(&targets, |target| &target.target.endpoint),
            project_id: each(&targets, |target| &target.target.project_id),
        };
        // Each target has a limit and waves of its own, and flags that would suit it.
        self.pace.rate_limit = self.settings.target.as_ref().and_then(|it| it.rate_total);
        self.wave = None;
        self.tuning_hints.clear();
        self.targets = targets;
    }
}

/// Returns how a run ended by its targets; each target that was never begun then gets an end, too.
fn ending(targets: &mut [TargetReport]) -> (Option<ExitStatus>, Option<Stopped>) {
    if targets.iter().all(is_planned) {
        // All wait for the same process.
        return (None, targets.first().and_then(|target| target.stopped.clone()));
    }
    if targets.iter().any(|target| target.exit.is_none() && !is_planned(target)) {
        return (None, None);
    }
    // The process that began the others is gone, and it was to begin these as well.
    for target in targets.iter_mut().filter(|target| is_planned(target)) {
        target.exit = Some(ExitStatus::Killed);
    }
    let worst = targets.iter().max_by_key(|target| target.exit.map(severity));
    let stopped = worst.and_then(|worst| {
        let Stopped { reason, detail } = worst.stopped.clone()?;
        Some(Stopped { reason, detail: format!("target {}: {detail}", worst.name) })
    });
    (worst.and_then(|worst| worst.exit), stopped)
}

/// Returns whether no process has begun with a target.
fn is_planned(target: &TargetReport) -> bool {
    target.exit.is_none() && target.stopped.is_some()
}

/// Returns the different values of the targets, in order.
fn each(targets: &[TargetReport], value: impl Fn(&TargetReport) -> &str) -> String {
    let mut values: Vec<&str> = Vec::new();
    for value in targets.iter().map(value) {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values.join(", ")
}

/// Returns how bad an ending is: the higher, the worse.
fn severity(exit: ExitStatus) -> u8 {
    match exit {
        ExitStatus::Ok => 0,
        ExitStatus::IncompleteSuccess => 1,
        ExitStatus::StoppedEarly => 2,
        // It ends again at once until somebody mends it, unlike one that was only away.
        ExitStatus::NotAuthorised => 3,
        ExitStatus::Usage | ExitStatus::BadInput | ExitStatus::Busy => 4,
        ExitStatus::Interrupted | ExitStatus::Terminated => 5,
        ExitStatus::InputOutput => 6,
        ExitStatus::Killed => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::RunSettings;
    use crate::task::{OutcomeCounts, UnderWay};

    #[test]
    fn every_ending_is_worse_than_success() {
        for exit in ExitStatus::ALL {
            assert_eq!(severity(exit) == 0, exit == ExitStatus::Ok, "{exit:?}");
        }
        assert!(severity(ExitStatus::NotAuthorised) > severity(ExitStatus::StoppedEarly));
    }

    #[test]
    fn a_target_that_the_others_did_not_wait_for_was_to_begin_with_them() {
        let target = |exit: Option<ExitStatus>, reason: Option<&str>| TargetReport {
            name: "north".into(),
            target: Target { endpoint: String::new(), project_id: String::new() },
            settings: RunSettings::default(),
            tasks: OutcomeCounts::default(),
            so_far: OutcomeCounts::default(),
            under_way: UnderWay::default(),
            attempts: 0,
            rate_average: None,
            rate_peak_1s: 0,
            complete: false,
            stopped: reason.map(|reason| Stopped { reason: reason.into(), detail: "why".into() }),
            exit,
        };
        let waits = || target(None, Some("planned"));
        let check = |mut targets: [TargetReport; 2], exit, detail: Option<&str>| {
            let (found, stopped) = ending(&mut targets);
            assert_eq!((found, stopped.map(|it| it.detail).as_deref()), (exit, detail));
        };
        check([waits(), waits()], None, Some("why"));
        check([waits(), target(None, None)], None, None);
        let ended = target(Some(ExitStatus::StoppedEarly), Some("out_of_time"));
        check([ended, waits()], Some(ExitStatus::Killed), Some("target north: why"));
    }
}
