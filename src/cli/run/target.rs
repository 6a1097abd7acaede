//! A target of a run that is launched: what the command line and its table say for it, where its
//! calls go, and with which credentials.
//!
//! One whose credentials cannot be got ends for itself, and the others go on.

use crate::cli::Context;
use crate::cli::connect::destination::{Destination, Lookup};
use crate::cli::connect::run_service::RunService;
use crate::cli::connect::{credentials, destination, protected_files, service_place};
use crate::cli::flags::connection::{ConnectionArgs, CredentialArgs};
use crate::cli::flags::run::SettingArgs;
use crate::cli::output::documents::Document;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream::Stderr;
use crate::cli::run::stored_plan;
#[cfg(feature = "postgres")]
use crate::cli::shared;
use batchctl::api::CredentialSource;
use batchctl::report::ExitStatus;
use batchctl::settings::{RunSettings, TargetPart};
use batchctl::store::RunRecord;
use clap::FromArgMatches;
use std::num::NonZeroUsize;

/// A target of a run that is launched.
pub(crate) struct Target {
    pub(crate) context: Context,
    pub(crate) settings: RunSettings,
    connection: ConnectionArgs,
    /// What an earlier process recorded of it.
    record: Option<RunRecord>,
    /// The service that is called; `None` for VIAS.
    service: Option<RunService>,
    is_resumed: bool,
    /// Why its project could not be found out.
    refusal: Option<CommandError>,
}

impl Target {
    /// Reads what the command line and its table say for a target, and takes the flags for which
    /// `counts` holds into its settings; none without it.
    fn open(
        mut settings: RunSettings,
        context: &Context,
        counts: Option<fn(&Context, &str) -> bool>,
    ) -> Result<Self, CommandError> {
        let context = context.for_target(name_of(&settings))?;
        let connection = context.connection()?;
        let matches = context.given.subcommand().expect("a run has a verb");
        if let Some(counts) = counts {
            let flags = SettingArgs::from_arg_matches(matches).map_err(CommandError::usage)?;
            flags.apply(&mut settings, |flag| counts(&context, flag));
        }
        let (record, service, is_resumed, refusal) = (None, None, false, None);
        Ok(Self { connection, context, settings, record, service, is_resumed, refusal })
    }

    /// Takes a target of a new run, with all flags.
    pub(crate) fn new(
        settings: RunSettings,
        service: Option<&RunService>,
        context: &Context,
    ) -> Result<Self, CommandError> {
        // A new run starts from the default settings, so it takes the defaults of the flags too.
        let target = Self::open(settings, context, Some(|_, _| true))?;
        let at_target =
            |service: &RunService| service.at_target(target.name(), &target.connection.place);
        let service = service.map(at_target).transpose()?;
        Ok(Self { service, ..target })
    }

    /// Takes a target of an earlier run, with the flags that are given if settings are `adjusted`.
    pub(crate) fn earlier(
        record: RunRecord,
        settings: RunSettings,
        adjusted: bool,
        context: &Context,
    ) -> Result<Self, CommandError> {
        let is_given: fn(&Context, &str) -> bool = |context, flag| context.given.is_given(flag);
        let target = Self::open(settings, context, adjusted.then_some(is_given))?;
        let service = RunService::of_record(&record)?;
        Ok(Self { record: Some(record), service, ..target })
    }

    /// Goes on with the run that the target is of.
    pub(crate) fn resumed(self) -> Self {
        Self { is_resumed: true, ..self }
    }

    /// Returns how the earlier run carried it out, if there was one.
    pub(crate) fn earlier_settings(&self) -> Option<&RunSettings> {
        self.record.as_ref().map(|record| &record.run.settings)
    }

    /// Returns the flags that say where its credentials come from.
    pub(crate) fn credentials(&self) -> &CredentialArgs {
        &self.connection.credentials
    }

    /// Refuses to apply a plan to another place than it was made for.
    pub(crate) fn check_planned_place(&self) -> Result<(), CommandError> {
        let Some(record) = &self.record else { return Ok(()) };
        if self.service.is_some() {
            // Its place is compared where the calls are decided to go.
            return Ok(());
        }
        let checked = stored_plan::check_target(&self.connection.place, record, &self.context);
        checked.map_err(|error| error.of_target(self.name()))
    }

    /// Sets the calls at a time of this worker, which other workers do not share: what its table says, or
    /// what the command line does.
    pub(crate) fn work_at(&mut self, most: NonZeroUsize) {
        let own = self.context.given.value::<NonZeroUsize>("concurrency");
        self.settings.concurrency = own.unwrap_or(most);
    }

    /// Refuses what the workers of a database do not keep together.
    #[cfg(feature = "postgres")]
    pub(crate) fn check_shared(&self) -> Result<(), CommandError> {
        let planned = self.earlier_settings().filter(|_| self.is_resumed);
        let checked = shared::share::check(&self.settings, planned);
        checked.map_err(|error| error.of_target(self.name()))
    }

    pub(crate) fn name(&self) -> &str {
        name_of(&self.settings)
    }

    /// Returns the service that is called; nothing for VIAS.
    pub(crate) fn service(&self) -> Option<&RunService> {
        self.service.as_ref()
    }

    /// Decides where its calls go, with a look at what an earlier process recorded.
    fn place(&self, lookup: Lookup) -> Result<Destination, CommandError> {
        let ConnectionArgs { place, credentials, .. } = &self.connection;
        let context = &self.context;
        #[cfg(feature = "postgres")]
        if let (None, Some(record)) = (&self.service, &self.record) {
            shared::target::check(place, record, context)?;
        }
        match (self.service.clone(), &self.record) {
            (Some(service), None) => service_place::new(service, place, context),
            (Some(service), Some(record)) => {
                service_place::of_run(service, record, &self.connection, context)
            }
            (None, Some(record)) if !destination::is_unknown_project(&record.run.project_id) => {
                destination::of_run(place, record, &self.settings, context)
            }
            (None, _) => destination::resolve(place, credentials, lookup, context),
        }
    }

    /// Decides where its calls would go, whatever was recorded; asks nobody.
    fn place_on_paper(&self) -> Result<Destination, CommandError> {
        let ConnectionArgs { place, credentials, .. } = &self.connection;
        match self.service.clone() {
            Some(service) => service_place::new(service, place, &self.context),
            None => destination::resolve(place, credentials, Lookup::Never, &self.context),
        }
    }

    /// Decides where its calls go; notes that in its settings.
    pub(crate) fn resolve(&mut self, lookup: Lookup) -> Result<Destination, CommandError> {
        let destination = match self.place(lookup) {
            // Its tasks are planned all the same, and are left for a resume.
            Err(error) if error.status == ExitStatus::NotAuthorised => {
                self.refusal = Some(error);
                self.place_on_paper()
            }
            found => found,
        };
        let destination = destination.map_err(|error| error.of_target(self.name()))?;
        // Recorded, because a rehearsal must be resumed as a rehearsal.
        self.settings.sandbox = destination.sandbox.is_some();
        if !self.is_resumed {
            self.settings.profile = self.context.profile.clone();
            self.settings.by = self.context.identity();
        }
        if self.record.is_some() && !self.is_resumed {
            let before = self.settings.credentials.take();
            self.settings.credentials = credentials::kind::of_follower(before, &self.context);
        }
        Ok(destination)
    }

    /// Finds out where its credentials are to be had; nothing if its service takes none.
    pub(crate) fn source(
        &mut self,
        place: &Destination,
    ) -> Result<Option<CredentialSource>, CommandError> {
        let source = match self.refusal.take() {
            Some(refusal) => Err(refusal),
            None => {
                let given = &self.connection.credentials;
                service_place::source_of_run(given, place, &self.context)
            }
        };
        let source = source.map_err(|error| error.of_target(name_of(&self.settings)))?;
        if self.record.is_none() && place.sandbox.is_none() {
            let kind = |source| credentials::kind::of_source(source, &self.context);
            self.settings.credentials = source.as_ref().map(kind);
        }
        Ok(source)
    }

    /// Refuses documents that would be written over its secrets.
    pub(crate) fn protect(&self, documents: &[Document]) -> Result<(), CommandError> {
        let taken = protected_files::find(Some(&self.connection.credentials), &self.context);
        for path in documents.iter().filter_map(Document::path) {
            if let Some(what) = taken.what(path) {
                let error = format!("`{}` is {what} of a target", path.display());
                return Err(CommandError::usage(error).with_hint("name another document"));
            }
        }
        Ok(())
    }
}

/// Returns the name of the target that settings are of.
pub(crate) fn name_of(settings: &RunSettings) -> &str {
    settings.target.as_ref().map_or("", TargetPart::name)
}

/// Returns what was got with the credentials of each target. `None` stands for a target that was
/// refused: its error is printed, because the others go on.
///
/// # Errors
///
/// Any other error than a refusal, and the first refusal if there is no target to go on with.
pub(crate) fn unless_all_refused<T>(
    got: Vec<Option<Result<T, CommandError>>>,
    stderr: &Stderr,
) -> Result<Vec<Option<T>>, CommandError> {
    let (mut kept, mut refused) = (Vec::new(), Vec::new());
    for got in got {
        kept.push(match got {
            Some(Err(error)) if error.status == ExitStatus::NotAuthorised => {
                refused.push(error);
                None
            }
            got => got.transpose()?,
        });
    }
    if kept.iter().all(Option::is_none) && !refused.is_empty() {
        return Err(refused.swap_remove(0));
    }
    let stderr = stderr.of_failures();
    refused.iter().for_each(|error| error.print(&stderr));
    Ok(kept)
}
