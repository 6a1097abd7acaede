//! What a launch knows once it has resolved its flags: the action, the destination, the clock.

use crate::cli::Context;
use crate::cli::connect::destination::Destination;
use crate::cli::flags::connection::ConnectionArgs;
use crate::cli::flags::run::{LockArgs, ReportingArgs, SettingArgs, TakeUpArgs};
use crate::cli::flags::shared::{SharedPlanArgs, StoreArgs};
use crate::cli::output::documents::Document;
use batchctl::clock::Clock;
use batchctl::report::Target;
use batchctl::settings::RunSettings;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// The flags of every verb that carries out a run.
pub(crate) struct LaunchFlags<'a> {
    pub(crate) connection: &'a ConnectionArgs,
    /// The files of tasks that are never called.
    pub(crate) exclude: &'a [PathBuf],
    /// The most tasks of a new plan.
    pub(crate) max_tasks: Option<u64>,
    pub(crate) yes: bool,
    /// How many tasks there have to be.
    pub(crate) confirm: Option<u64>,
    pub(crate) lock: &'a LockArgs,
    /// `None` where the run is carried out as it was planned.
    pub(crate) settings: Option<&'a SettingArgs>,
    pub(crate) reporting: &'a ReportingArgs,
    pub(crate) shared: SharedFlags<'a>,
}

/// The flags of a run in a database.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "a directory needs none of it"))]
pub(crate) struct SharedFlags<'a> {
    /// How the plan is stored, if there will be a new one.
    pub(crate) plan: Option<&'a SharedPlanArgs>,
    pub(crate) store: StoreArgs,
    /// The way of this worker to the database and back, if it is known to be long.
    pub(crate) store_rtt: Option<Duration>,
    /// Whether the calls are left to workers.
    pub(crate) detach: bool,
    /// Whether the run is one that others may be on, and the calls at a time of this worker.
    pub(crate) joins: Option<NonZeroUsize>,
}

impl<'a> SharedFlags<'a> {
    /// Returns the flags of a new run.
    pub(crate) fn of_a_plan(plan: &'a SharedPlanArgs, store: StoreArgs) -> Self {
        Self { plan: Some(plan), store, store_rtt: None, detach: plan.detach, joins: None }
    }

    /// Returns the flags of a run whose plan is there.
    pub(crate) fn of_a_run(store: StoreArgs) -> Self {
        Self { plan: None, store, store_rtt: None, detach: false, joins: None }
    }
}

impl LaunchFlags<'_> {
    /// Returns whether the operator wants to read more than errors.
    pub(crate) fn is_talkative(&self) -> bool {
        !self.reporting.display.quiet && !self.reporting.unattended.cron
    }
}

impl<'a> From<&'a TakeUpArgs> for LaunchFlags<'a> {
    fn from(args: &'a TakeUpArgs) -> Self {
        Self {
            connection: &args.connection,
            exclude: &args.excluded.exclude,
            // A run that is taken up has its plan already; the others name theirs.
            max_tasks: None,
            yes: args.yes,
            confirm: args.confirmed.confirm,
            lock: &args.lock,
            settings: Some(&args.settings),
            reporting: &args.reporting,
            shared: SharedFlags::of_a_run(args.store),
        }
    }
}

/// The action that was requested, in the terms of the library.
pub(crate) struct ActionRequest {
    /// `start`, `stop`, `delete` or `run`.
    pub(crate) word: String,
    /// The URLs that are called.
    pub(crate) pattern: String,
    /// The name of the service; `None` for VIAS.
    pub(crate) service: Option<String>,
    /// Whether states are read by a request for each task, and not by a list of all.
    pub(crate) reads_each_id: bool,
    pub(crate) settings: RunSettings,
}

impl ActionRequest {
    /// Returns the words for one task and for several.
    pub(crate) fn nouns(&self) -> (&'static str, &'static str) {
        match self.service {
            None => self.settings.level.nouns(),
            Some(_) => ("task", "tasks"),
        }
    }
}

/// What a launch knows before it plans.
pub(crate) struct Scene<'a> {
    pub(crate) action: ActionRequest,
    pub(crate) destination: Destination,
    /// The name of each target and where it is called, in a run of several.
    pub(crate) targets: Vec<(String, Target)>,
    pub(crate) flags: &'a LaunchFlags<'a>,
    /// What is written besides the summary or the preview.
    pub(crate) documents: &'a [Document],
    pub(crate) clock: Clock,
    pub(crate) context: &'a Context,
}

impl Scene<'_> {
    /// Returns the destination as a report shows it.
    pub(crate) fn target(&self) -> Target {
        self.destination.shown()
    }
}
