//! The service of a run, other than VIAS: the one that `--service` names, or the run's own copy.
//!
//! A run goes on from the text that it keeps, whatever became of the file. VIAS is built in, so
//! `--service vias` is none of these.

use crate::cli::Context;
use crate::cli::connect::service_file::ServiceText;
use crate::cli::flags::connection::{ConnectionArgs, DestinationArgs};
use crate::cli::flags::precedence::Rank;
use crate::cli::output::error::CommandError;
use batchctl::api::Endpoint;
use batchctl::loading::{NewPlan, ServicePlan};
use batchctl::plan::ServiceRows;
use batchctl::policy::OnDoubt;
use batchctl::progress::EventService;
use batchctl::service::{
    Action, CallScope, RowValues, Service, ServiceFile, StateSource, state_call,
};
use batchctl::settings::RunSettings;
use batchctl::store::RunRecord;
use batchctl::task::{Command, Repetition};
use batchctl::text::printable;
use std::sync::Arc;

/// The service of a run.
#[derive(Debug, Clone)]
pub(crate) struct RunService {
    pub(crate) name: String,
    pub(crate) service: Arc<Service>,
    pub(crate) scope: CallScope,
    /// The service as the run keeps it.
    pub(crate) plan: Arc<ServicePlan>,
}

impl RunService {
    /// Reads the service that a new run is to call; nothing for VIAS.
    pub(crate) fn chosen(
        args: &ConnectionArgs,
        context: &Context,
    ) -> Result<Option<Self>, CommandError> {
        let Some(word) = &args.service else { return Ok(None) };
        let found = ServiceText::find(word, &context.environment)?;
        if found.path.is_none() {
            return Ok(None);
        }
        let service = Arc::new(found.usable(context)?);
        Ok(Some(Self::of(found.name, &found.text, service, scope_of(&args.place))))
    }

    /// Returns the service as a target calls it, with a region and a project of its own.
    ///
    /// # Errors
    ///
    /// The calls need one of the two, and the target has none.
    pub(crate) fn at_target(
        &self,
        name: &str,
        place: &DestinationArgs,
    ) -> Result<Self, CommandError> {
        let scope = scope_of(place);
        let text = &self.plan.record.text;
        for (key, value) in [("region", &scope.region), ("project_id", &scope.project_id)] {
            let named = format!("{{{key}}}");
            // The address may be the target's own.
            let in_calls =
                text.matches(&named).count() > self.service.endpoint.matches(&named).count();
            if in_calls && value.is_none() {
                let error = format!(
                    "the calls of `{}` need a `{key}`, and target `{name}` has none",
                    self.name
                );
                return Err(CommandError::usage(error)
                    .with_hint(format!("put `{key}` into the table `[target.{name}]`")));
            }
        }
        Ok(Self::of(self.name.clone(), text, Arc::clone(&self.service), scope))
    }

    /// Returns the service that a run keeps; nothing for VIAS.
    pub(crate) fn of_record(record: &RunRecord) -> Result<Option<Self>, CommandError> {
        let Some(kept) = &record.run.service else { return Ok(None) };
        let file = ServiceFile::read(&kept.text).map_err(|_| {
            let (run, name) = (&record.run.id, &kept.name);
            CommandError::usage(format!(
                "run {run} keeps a file of `{name}` that is not understood"
            ))
            .with_hint("go on with the version of batchctl that began the run")
        })?;
        let project = Some(&record.run.project_id).filter(|project| !project.is_empty());
        let scope = CallScope { region: kept.region.clone(), project_id: project.cloned() };
        Ok(Some(Self::of(kept.name.clone(), &kept.text, Arc::new(file.service), scope)))
    }

    fn of(name: String, text: &str, service: Arc<Service>, scope: CallScope) -> Self {
        let rows = ServiceRows::new(Arc::clone(&service), scope.clone());
        let plan = ServicePlan::of(&name, text, rows);
        Self { name, service, scope, plan }
    }

    /// Returns how events name it.
    pub(crate) fn event_service(&self) -> EventService {
        EventService { name: self.name.clone(), sha256: self.plan.record.sha256.clone() }
    }

    /// Returns the command of an action.
    pub(crate) fn command(&self, action: &str) -> Result<Command, CommandError> {
        let found = self.service.action(action).map(Action::command);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.actions().map(|action| action.name.as_str()).collect();
            let action = printable(action, 60);
            CommandError::usage(format!("the service `{}` has no action `{action}`", self.name))
                .with_hint(format!("it has {}", names.join(", ")))
        })
    }

    /// Has the rows of a plan read as those of the service.
    pub(crate) fn apply(&self, plan: &mut NewPlan) {
        let options = &mut plan.options;
        options.rules = Some(self.plan.rows.rules());
        // Nothing else has batch tasks and sub-tasks.
        options.level = None;
        if options.id_column.is_none() {
            options.id_column.clone_from(&self.service.id.column);
        }
        plan.service = Some(Arc::clone(&self.plan));
    }

    fn actions(&self) -> impl Iterator<Item = &Action> {
        self.service.actions.iter()
    }

    /// Returns the calls of an action, or of all of them for a plan whose rows name theirs.
    pub(crate) fn calls(&self, word: &str, endpoint: &Endpoint) -> String {
        let of_word = self.actions().filter(|action| action.name == word);
        let call =
            |action: &Action| format!("{} {endpoint}{}", action.method.as_str(), action.path);
        let calls: Vec<String> = of_word.map(call).collect();
        match calls.is_empty() {
            false => calls.join(", "),
            true => self.actions().map(call).collect::<Vec<_>>().join(", "),
        }
    }

    /// Refuses flags that this version does not follow at another service than VIAS.
    pub(crate) fn check(
        &self,
        settings: &RunSettings,
        word: &str,
        context: &Context,
    ) -> Result<(), CommandError> {
        let typed = |flag| context.given.rank(flag) == Rank::CommandLine;
        let of_states =
            [(settings.skip_unchanged, "--skip-unchanged"), (settings.wait.is_some(), "--wait")];
        if let Some((_, flag)) = of_states.into_iter().find(|(is_on, _)| *is_on) {
            self.check_states(flag, word)?;
        }
        if settings.drill.is_some() {
            let error = format!("`--drill` is for VIAS, and `{}` has no sub-tasks", self.name);
            return Err(CommandError::usage(error).with_hint("leave out `--drill`"));
        }
        if !settings.level.is_batch() {
            let error = format!("`--level task` is for VIAS, and `{}` has no sub-tasks", self.name);
            return Err(CommandError::usage(error).with_hint("leave out `--level`"));
        }
        let mut harmful =
            self.meant(word).filter(|action| action.command().repetition() == Repetition::Harmful);
        match harmful.next() {
            Some(action) if typed("on-doubt") && settings.on_doubt == OnDoubt::Retry => {
                let name = &action.name;
                let error = format!("`--on-doubt retry` would repeat `{name}`, which may do harm");
                let hint =
                    format!("`repeatable = true` in `[action.{name}]` says that it does not");
                Err(CommandError::usage(error).with_hint(hint))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Returns the actions of a run: one, or all of them for a plan whose rows name theirs.
    fn meant<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a Action> {
        let is_one = self.service.action(word).is_some();
        self.actions().filter(move |action| !is_one || action.name == word)
    }

    /// Refuses what needs the states of tasks, if the file does not say how they are read, or where
    /// an action of the run leads.
    pub(crate) fn check_states(&self, what: &str, word: &str) -> Result<(), CommandError> {
        let missing = |key: &str, hint: String| {
            let name = &self.name;
            let error = format!("{what} needs the states of tasks, and the file of `{name}`");
            Err(CommandError::usage(format!("{error} has no `{key}`")).with_hint(hint))
        };
        let Some(state) = &self.service.state else {
            return missing("[state]", "`batchctl service show vias` has an example".into());
        };
        if let Some(action) = self.meant(word).find(|action| action.leads_to.is_none()) {
            let name = &action.name;
            let key = format!("leads_to` in `[action.{name}]");
            return missing(&key, "it is a word of `[state.words]`, or `gone`".into());
        }
        let request = match &state.from {
            StateSource::Get(get) => &get.request,
            StateSource::List(list) => &list.request,
        };
        // Any id stands for all: what may be missing is the same for each.
        let values = RowValues::new("0", &self.scope, &[], None).expect("no cells are some");
        match state_call(&self.service, request, &[], &values) {
            Ok(_) => Ok(()),
            Err(problem) => {
                let name = &self.name;
                let error = format!("the states of `{name}` cannot be read: {problem}");
                Err(CommandError::usage(error)
                    .with_hint("a request for a state has the id alone, and no columns"))
            }
        }
    }

    /// Refuses a list that the file does not describe.
    pub(crate) fn check_list(&self) -> Result<(), CommandError> {
        let source = self.service.state.as_ref().map(|state| &state.from);
        if let Some(StateSource::List(_)) = source {
            return Ok(());
        }
        let name = &self.name;
        let error = format!("the file of `{name}` has no `[state.list]`, so there is no list");
        let hint = match source {
            Some(_) => {
                "it asks for the state of each id: `-n --skip-unchanged` shows those of an input"
            }
            None => "`[state]` says how states are read",
        };
        Err(CommandError::usage(error).with_hint(hint))
    }

    /// Refuses a revert that the file does not describe.
    pub(crate) fn check_revert(&self, word: &str) -> Result<(), CommandError> {
        self.check_states("`revert`", word)?;
        match self.meant(word).find(|action| action.opposite.is_none()) {
            Some(action) if self.service.action(word).is_some() => {
                let (name, of) = (&action.name, &self.name);
                let error = format!("nothing takes `{name}` of `{of}` back");
                Err(CommandError::usage(error)
                    .with_hint(format!("`opposite` in `[action.{name}]` would name what does")))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn scope_of(place: &DestinationArgs) -> CallScope {
    CallScope {
        region: place.region.clone(),
        project_id: place.project_id.as_ref().map(ToString::to_string),
    }
}

/// Refuses a service for a run of VIAS, if one was typed.
pub(crate) fn refuse_for_vias(
    flags: &ConnectionArgs,
    context: &Context,
) -> Result<(), CommandError> {
    let Some(word) = flags.service.as_ref().filter(|_| is_typed("service", context)) else {
        return Ok(());
    };
    match ServiceText::find(word, &context.environment)?.path {
        None => Ok(()),
        Some(_) => Err(CommandError::usage("the run is at VIAS, and `--service` names another")
            .with_hint("leave out `--service`")),
    }
}

/// Returns the service of a run whose states are to be read; nothing for VIAS.
pub(crate) fn with_states(
    record: &RunRecord,
    verb: &str,
) -> Result<Option<RunService>, CommandError> {
    let service = RunService::of_record(record)?;
    if let Some(service) = &service {
        service.check_states(verb, &record.run.command)?;
    }
    Ok(service)
}

pub(crate) fn is_typed(flag: &str, context: &Context) -> bool {
    context.given.rank(flag) == Rank::CommandLine
}
