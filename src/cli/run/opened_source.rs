//! A source of a run that was opened: inputs, or an earlier run.
//!
//! Answers for each step of a launch in which the sources differ. The order of the steps is the
//! launch's.

use crate::cli::Context;
use crate::cli::connect::destination::{Destination, Lookup};
use crate::cli::connect::run_service::RunService;
use crate::cli::connect::{credentials, destination, service_place};
use crate::cli::flags::precedence::GivenFlags;
use crate::cli::flags::run::SettingArgs;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream::Stderr;
use crate::cli::run::input_run::{InputRun, Purpose, preview_new, run_request};
use crate::cli::run::list_size_guard::{ListSizeGuard, check_most};
use crate::cli::run::pending_plan::IfNotStarted;
use crate::cli::run::reverting::RevertedPlace;
use crate::cli::run::scene::{ActionRequest, LaunchFlags, Scene};
use crate::cli::run::stored_plan::ApplyLimits;
use crate::cli::run::terms::{EmptyRetry, IfEmpty, Terms, nothing_to_do};
use crate::cli::run::{
    exclusions, input_check, preview, preview_of_run, retrying, reverting, stored_plan,
};
#[cfg(feature = "postgres")]
use crate::cli::shared;
use batchctl::clock::Clock;
use batchctl::report::ExitStatus;
use batchctl::run;
use batchctl::run::{Planned, Resumable, Retry, Revert};
use batchctl::settings::RunSettings;
use batchctl::store::{JobName, RunId, RunRecord};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// A source that was read, with the settings of the run to be.
pub(crate) enum OpenedSource<'a> {
    New { run: Box<InputRun<'a>>, settings: Box<RunSettings> },
    Resume(Box<Resumable>),
    Apply { plan: Box<Resumable>, limits: ApplyLimits },
    Retry { retry: Box<Retry>, dry_run: bool },
    Revert(Box<Revert>),
}

impl<'a> OpenedSource<'a> {
    pub(crate) fn settings(&self) -> &RunSettings {
        match self {
            Self::New { settings, .. } => settings,
            Self::Resume(resumable) | Self::Apply { plan: resumable, .. } => &resumable.settings,
            Self::Retry { retry, .. } => &retry.settings,
            Self::Revert(revert) => &revert.settings,
        }
    }

    fn settings_mut(&mut self) -> &mut RunSettings {
        match self {
            Self::New { settings, .. } => settings,
            Self::Resume(run) | Self::Apply { plan: run, .. } => &mut run.settings,
            Self::Retry { retry, .. } => &mut retry.settings,
            Self::Revert(revert) => &mut revert.settings,
        }
    }

    /// Takes the flags into the settings: all of them for a new run, the given ones for others.
    pub(crate) fn adjust(&mut self, flags: &SettingArgs, given: &GivenFlags) {
        // A new run starts from the default settings, so it takes the defaults of the flags too.
        let is_new = self.is_new();
        flags.apply(self.settings_mut(), |flag| is_new || given.is_given(flag));
    }

    /// Sets the calls at a time of this worker, which other workers do not share.
    pub(crate) fn work_at(&mut self, most: NonZeroUsize) {
        self.settings_mut().concurrency = most;
    }

    /// Reads which tasks are excluded: before a login, and before anything is planned.
    pub(crate) fn exclude(
        &mut self,
        given: &[PathBuf],
        service: Option<&RunService>,
        clock: Clock,
        stderr: &Stderr,
    ) -> Result<(), CommandError> {
        let rules = service.map(|service| service.plan.rows.rules());
        let exclusions = exclusions::read(self.settings_mut(), given, rules, clock, stderr)?;
        match self {
            Self::New { run, settings } => {
                run.plan.exclusions = exclusions;
                settings.choice.sample = run.plan.sample.map(|sample| sample.size.to_string());
                settings.choice.seed = run.plan.sample.map(|sample| sample.seed);
                settings.choice.offset = run.plan.offset;
                let conditions = run.plan.options.conditions.iter();
                settings.choice.conditions = conditions.map(ToString::to_string).collect();
            }
            Self::Resume(resumable) | Self::Apply { plan: resumable, .. } => {
                resumable.exclude(exclusions);
            }
            Self::Retry { retry, .. } => retry.exclude(exclusions)?,
            Self::Revert(revert) => revert.exclusions = exclusions,
        }
        Ok(())
    }

    /// Decides where the calls to VIAS go.
    fn destination(
        &mut self,
        flags: &LaunchFlags<'_>,
        clock: Clock,
        context: &Context,
    ) -> Result<Destination, CommandError> {
        Ok(match self {
            Self::New { run, settings } => {
                // A dry run sends nothing, unless it compares with the live state.
                let on_paper = run.purpose == Purpose::DryRun && !settings.skip_unchanged;
                let lookup = if on_paper { Lookup::Never } else { Lookup::Allowed };
                let logs_in = flags.connection.place.project_id.is_none()
                    || run.purpose != Purpose::CarryOut
                    // The password or the passcode may have to be asked for.
                    || flags.connection.credentials.iam_user.is_some();
                if lookup == Lookup::Allowed && logs_in && !flags.connection.place.sandbox {
                    destination::endpoint(&flags.connection.place, context)?;
                    let totals = input_check::check(&mut run.plan, &context.state, clock)?;
                    check_most(totals.selected, flags.max_tasks)?;
                    if totals.names_nothing() {
                        nothing_to_do(totals, run.if_empty, &context.stderr)?;
                    }
                }
                destination::resolve(
                    &flags.connection.place,
                    &flags.connection.credentials,
                    lookup,
                    context,
                )?
            }
            Self::Resume(run) => {
                #[cfg(feature = "postgres")]
                shared::target::check(&flags.connection.place, &run.record, context)?;
                destination::of_run(&flags.connection.place, &run.record, &run.settings, context)?
            }
            Self::Apply { plan, .. } => {
                stored_plan::check_target(&flags.connection.place, &plan.record, context)?;
                destination::of_run(&flags.connection.place, &plan.record, &plan.settings, context)?
            }
            Self::Retry { retry, .. } => {
                let place = &flags.connection.place;
                #[cfg(feature = "postgres")]
                shared::target::check(place, &retry.record, context)?;
                destination::of_run(place, &retry.record, &retry.settings, context)?
            }
            Self::Revert(run) => {
                #[cfg(feature = "postgres")]
                shared::target::check(&flags.connection.place, &run.record, context)?;
                let destination = destination::of_run(
                    &flags.connection.place,
                    &run.record,
                    &run.settings,
                    context,
                )?;
                destination::outlives_run(&destination)?;
                destination
            }
        })
    }

    /// Decides where the calls go, and notes in the settings whether that is the sandbox.
    pub(crate) fn resolve(
        &mut self,
        flags: &LaunchFlags<'_>,
        service: Option<RunService>,
        clock: Clock,
        context: &Context,
    ) -> Result<Destination, CommandError> {
        let destination = match service {
            None => self.destination(flags, clock, context)?,
            Some(service) => match self.record() {
                None => service_place::new(service, &flags.connection.place, context)?,
                Some(record) => service_place::of_run(service, record, flags.connection, context)?,
            },
        };
        let is_resumed = matches!(self, Self::Resume(_) | Self::Apply { .. });
        let is_new = self.is_new();
        let settings = self.settings_mut();
        // Recorded, because a rehearsal must be resumed as a rehearsal.
        settings.sandbox = destination.sandbox.is_some();
        // A resumed run keeps the profile and the credentials that it was begun with. A run that
        // follows another has the credentials of that one, unless flags name others.
        if !is_resumed {
            settings.profile = context.profile.clone();
            settings.by = context.identity();
        }
        if !is_resumed && !is_new {
            settings.credentials =
                credentials::kind::of_follower(settings.credentials.take(), context);
        }
        Ok(destination)
    }

    /// Returns the record of the run that it is made from, if it is not new.
    fn record(&self) -> Option<&RunRecord> {
        match self {
            Self::New { .. } => None,
            Self::Resume(run) | Self::Apply { plan: run, .. } => Some(&run.record),
            Self::Retry { retry, .. } => Some(&retry.record),
            Self::Revert(revert) => Some(&revert.record),
        }
    }

    /// Returns the service that is called; nothing for VIAS.
    pub(crate) fn service(&self) -> Result<Option<RunService>, CommandError> {
        match self {
            Self::New { run, .. } => Ok(run.service.as_deref().cloned()),
            _ => self.record().map_or(Ok(None), RunService::of_record),
        }
    }

    /// Returns the word of the command line.
    pub(crate) fn word(&self) -> String {
        match self {
            Self::New { run, .. } => run.word.to_owned(),
            Self::Resume(run) | Self::Apply { plan: run, .. } => run.record.run.command.clone(),
            Self::Retry { retry, .. } => retry.record.run.command.clone(),
            Self::Revert(revert) => revert.command(),
        }
    }

    pub(crate) fn action(&self, destination: &Destination) -> ActionRequest {
        let word = self.word();
        let settings = self.settings().clone();
        ActionRequest {
            pattern: destination.pattern_of(&word, settings.level),
            service: destination.service.as_ref().map(|service| service.name.clone()),
            reads_each_id: destination.reads_each_id(),
            word,
            settings,
        }
    }

    /// Shows what would be called, where nothing more is wanted; breaks with the exit status then.
    pub(crate) fn preview(
        self,
        scene: &mut Scene<'_>,
    ) -> Result<ControlFlow<ExitStatus, Self>, CommandError> {
        match self {
            Self::New { run, .. } if run.purpose == Purpose::DryRun => {
                preview_new(*run, scene).map(ControlFlow::Break)
            }
            Self::New { run, .. } if run.purpose == Purpose::Plan => {
                stored_plan::store(*run, scene).map(ControlFlow::Break)
            }
            Self::Apply { plan, limits } => {
                limits.check_drift(&plan, scene)?;
                Ok(ControlFlow::Continue(Self::Apply { plan, limits }))
            }
            Self::Retry { retry, dry_run } => {
                // Also with `--dry-run`: the operator checks both before the real run.
                retrying::print_groups(&retry, scene);
                retrying::warn_of_lost_ids(&retry, scene);
                retrying::say_what_is_held(&retry, scene)?;
                if dry_run {
                    let empty = retrying::empty_retry(&retry)?;
                    empty.say_what_exists(&scene.context.stderr);
                    empty.warn_of_open(&scene.context.stderr);
                    let (selected, first) = retry.preview(preview::wanted_rows(scene))?;
                    let (record, left_out) = (&retry.record, &retry.settings.choice.left_out);
                    let status =
                        preview_of_run::show_tasks(selected, first, left_out, record, scene)?;
                    return Ok(ControlFlow::Break(status));
                }
                Ok(ControlFlow::Continue(Self::Retry { retry, dry_run }))
            }
            Self::Revert(mut revert) => {
                let place = RevertedPlace {
                    target: None,
                    part: None,
                    credentials: &scene.flags.connection.credentials,
                    destination: &scene.destination,
                    context: scene.context,
                };
                let (reverted, credentials) = place.choose(&mut revert, scene)?;
                // Used for the calls as well: a token command or a login is asked once.
                scene.destination.loaded = credentials;
                let shown = reverting::show_chosen(&revert, reverted, scene)?;
                Ok(shown.map_continue(|()| Self::Revert(revert)))
            }
            Self::New { .. } | Self::Resume(_) => Ok(ControlFlow::Continue(self)),
        }
    }

    /// Returns how a run was planned that is taken up.
    #[cfg(feature = "postgres")]
    pub(crate) fn planned_settings(&self) -> Option<&RunSettings> {
        match self {
            Self::Resume(run) | Self::Apply { plan: run, .. } => Some(&run.record.run.settings),
            Self::New { .. } | Self::Retry { .. } | Self::Revert(_) => None,
        }
    }

    /// Returns the id of a run that is taken up.
    pub(crate) fn taken_up(&self) -> Option<RunId> {
        match self {
            Self::Resume(run) | Self::Apply { plan: run, .. } => Some(run.record.run.id.clone()),
            Self::New { .. } | Self::Retry { .. } | Self::Revert(_) => None,
        }
    }

    /// Returns the job whose runs must not overlap with this one.
    pub(crate) fn job(&self) -> Option<JobName> {
        match self {
            Self::New { run, .. } => run.before.job.clone(),
            // A revert belongs to no job.
            Self::Revert(_) => None,
            // The name was checked when the earlier run was planned.
            Self::Resume(_) | Self::Apply { .. } | Self::Retry { .. } => {
                self.record()?.run.job.as_deref()?.parse().ok()
            }
        }
    }

    /// Returns whether it is a run of several targets.
    pub(crate) fn has_targets(&self) -> bool {
        if let Self::New { run, .. } = self {
            return run.targets.is_some();
        }
        self.record().is_some_and(|record| record.run.settings.target.is_some())
    }

    /// Returns whether the run is made from inputs.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self, Self::New { .. })
    }

    /// Returns the run of a retry without a task.
    pub(crate) fn nothing_to_retry(&self) -> Result<Option<EmptyRetry>, CommandError> {
        match self {
            // Counting reads all tasks, so this is asked only when credentials are missing.
            Self::Retry { retry, .. } if retry.preview(0)?.0 == 0 => {
                retrying::empty_retry(retry).map(Some)
            }
            Self::New { .. }
            | Self::Resume(_)
            | Self::Apply { .. }
            | Self::Retry { .. }
            | Self::Revert(_) => Ok(None),
        }
    }

    /// Returns whether nothing more is wanted than to see what would be called.
    pub(crate) fn is_preview(&self, flags: &LaunchFlags<'_>) -> bool {
        match self {
            Self::New { run, .. } => run.purpose != Purpose::CarryOut,
            Self::Retry { dry_run, .. } => *dry_run,
            Self::Revert(_) => !flags.yes,
            Self::Resume(_) | Self::Apply { .. } => false,
        }
    }

    /// Returns what holds once the run is planned.
    pub(crate) fn terms(&self, scene: &Scene<'_>) -> Result<Terms, CommandError> {
        let report = |run: &RunId| format!("`batchctl report {run} -o csv:-`");
        let dry_run = || "`--dry-run`".to_owned();
        let (if_not_started, if_empty, shown_by, size_guard) = match self {
            Self::New { run, .. } => (
                IfNotStarted::Discard,
                IfEmpty::Input(run.if_empty),
                dry_run(),
                ListSizeGuard::new(run.before, scene),
            ),
            Self::Resume(run) => {
                (IfNotStarted::Keep, IfEmpty::GoOn, report(&run.record.run.id), None)
            }
            Self::Apply { plan, .. } => {
                (IfNotStarted::KeepPlan, IfEmpty::GoOn, report(&plan.record.run.id), None)
            }
            Self::Retry { retry, .. } => {
                let if_empty = IfEmpty::NothingToRetry(retrying::empty_retry(retry)?);
                (IfNotStarted::Discard, if_empty, dry_run(), None)
            }
            Self::Revert(revert) => {
                let shown_by =
                    format!("`batchctl revert {}` without `--yes`", revert.record.run.id);
                (IfNotStarted::Discard, IfEmpty::GoOn, shown_by, None)
            }
        };
        Ok(Terms { if_not_started, if_empty, shown_by, size_guard })
    }

    /// Stores the plan.
    pub(crate) fn plan(self, scene: &Scene<'_>) -> Result<Planned, CommandError> {
        Ok(match self {
            Self::New { run, .. } => {
                let InputRun { word, plan, before, .. } = *run;
                run::plan(run_request(word, before, plan, scene), scene.clock)?
            }
            Self::Resume(run) | Self::Apply { plan: run, .. } => run.into_planned(),
            Self::Retry { retry, .. } => retry.plan(scene.target(), scene.clock)?,
            Self::Revert(revert) => revert.plan(scene.target(), scene.clock)?,
        })
    }
}
