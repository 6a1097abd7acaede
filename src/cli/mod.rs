//! The command line: arguments, configuration, messages and the exit status.
//!
//! Uses the public library alone. The only part of the program that reads the environment,
//! opens standard streams and decides how the process ends.

mod app;
mod commands;
mod connect;
mod first_words;
mod flags;
mod help_text;
mod output;
mod process;
mod run;
#[cfg(feature = "postgres")]
mod shared;
mod target_context;

use crate::cli::app::{Cli, ColorChoice, GlobalArgs, Verb};
use crate::cli::commands::start_stop::act_on_all;
use crate::cli::connect::store;
use crate::cli::connect::store::{Store, Wanted};
use crate::cli::flags::config_file::ConfigFile;
use crate::cli::flags::precedence::GivenFlags;
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::flags::{effect, home_mark, refusal, secret_value, sources, unknown_variables};
use crate::cli::output::error::CommandError;
use crate::cli::output::run_end::RunEnd;
use crate::cli::output::stream::{Audience, Stderr};
use crate::cli::process::environment::Environment;
use crate::cli::process::{hardening, identity};
use crate::cli::run::input_run::Purpose;
use crate::cli::run::unattended;
use crate::cli::run::unattended::Unattended;
use batchctl::api::Redactor;
use batchctl::reading::RunReader;
use batchctl::report::{ExitStatus, profile_flag};
use batchctl::task::RunBy;
use batchctl::text::Style;
use clap::{Arg, ArgAction, CommandFactory, FromArgMatches};
#[cfg(feature = "postgres")]
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What every command needs to know.
#[derive(Debug)]
struct Context {
    environment: Environment,
    stdout_style: Style,
    stderr: Stderr,
    /// Where runs are: the state directory, another one, or one of copies of a database.
    state: PathBuf,
    /// The state directory of this machine: logins and rate groups.
    machine: PathBuf,
    /// What runs are kept in.
    store: Store,
    /// The name of the profile in use.
    profile: String,
    given: GivenFlags,
    /// What the config file says for the profile in use.
    config: Option<ConfigFile>,
    /// The end of the run that the command carries out.
    run_end: RunEnd,
    /// Whether what is given is what one target has for itself.
    is_of_target: bool,
}

impl Context {
    /// Returns who runs this process, unless that is not to be recorded.
    fn identity(&self) -> Option<RunBy> {
        let is_recorded = !self.given.is_on("no-identity");
        is_recorded.then(|| identity::of_process(&self.environment, self.stderr.redactor))
    }
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    hardening::forbid_dumps();
    hardening::outlive_size_limits();
    hardening::outlive_status_requests();
    let environment = Environment::read();
    let redactor: &'static Redactor = Box::leak(Box::default());
    environment.register_secrets(redactor);
    let stderr =
        Stderr { style: Style::Plain, audience: Audience::Person, redactor, profile_flag: "" };
    hardening::report_panics(stderr);
    let parsed = parse(&environment, None);
    let parsed = parsed.and_then(|understood| with_profile_of_run(understood, &environment));
    let status = match parsed {
        Ok(understood) => carry_out(understood, environment, stderr),
        Err(Parsed::Clap(error, _)) if first_words::are_wanted(&error, &environment) => {
            stderr.line(first_words::TEXT);
            ExitStatus::Usage
        }
        Err(Parsed::Clap(error, origin)) => {
            return refusal::print(&error, origin, &environment.arguments, stderr);
        }
        Err(Parsed::Command(error)) => {
            error.print(&stderr);
            error.status
        }
    };
    ExitCode::from(status.code())
}

/// Returns the command line. The defaults of a run that is taken up again are the run's own.
fn command() -> clap::Command {
    let hidden = |arg: Arg| match arg.get_action() {
        ArgAction::Set | ArgAction::Append => arg.hide_default_value(true),
        _ => arg,
    };
    let own_defaults = |command: clap::Command| command.mut_args(hidden);
    let command = Cli::command()
        .mut_subcommand("resume", own_defaults)
        .mut_subcommand("retry", own_defaults)
        .mut_subcommand("revert", own_defaults)
        .mut_subcommand("settle", own_defaults);
    sources::with_all_flags(help_text::in_paragraphs(command))
}

/// Why the command line leads to no command.
enum Parsed {
    /// With where the value that is wrong was found, if it was not typed.
    Clap(clap::Error, Option<String>),
    Command(CommandError),
}

/// A command line that is understood.
struct Understood {
    cli: Cli,
    matches: clap::ArgMatches,
    config: Option<ConfigFile>,
    /// All flags there are. Made once, because it takes as long as all else before the first look at a
    /// file.
    command: clap::Command,
}

/// Parses the command line, for a profile that holds unless another is named.
fn parse(environment: &Environment, profile: Option<&str>) -> Result<Understood, Parsed> {
    let command = sources::with_variables(command(), environment);
    let command = match profile {
        Some(profile) => {
            let profile = profile.to_owned();
            command.mut_arg("profile", |arg| arg.default_value(profile))
        }
        None => command,
    };
    let first = command.clone().try_get_matches().map_err(refused)?;
    let config = sources::load(&command, &first, environment)
        .map_err(|error| Parsed::Command(error.into()))?;
    let in_file = |error| {
        let origin = sources::origin_in_file(&error, config.as_ref());
        Parsed::Clap(error, origin)
    };
    // Parsed again with a file: only the first result names the profile whose defaults count.
    let matches = match &config {
        Some(file) => {
            sources::with_defaults(command.clone(), file).try_get_matches().map_err(in_file)?
        }
        None => first,
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|error| Parsed::Clap(error, None))?;
    Ok(Understood { cli, matches, config, command })
}

/// Parses the command line again with the profile of the run that it takes up, unless a profile
/// is named: the configuration of the run's profile holds the run's endpoint and credentials.
fn with_profile_of_run(
    understood: Understood,
    environment: &Environment,
) -> Result<Understood, Parsed> {
    let Understood { cli, matches, .. } = &understood;
    let is_named = GivenFlags::new(matches.clone()).is_given("profile");
    let Some(which) = run_taken_up(&cli.verb).filter(|_| !is_named) else {
        return Ok(understood);
    };
    // Of a run in a database, the configuration is each worker's own.
    if cli.global.store.as_deref().is_some_and(effect::names_database) {
        return Ok(understood);
    }
    let state = state_directory(&cli.global, environment).unwrap_or_default();
    let state = cli.global.store.as_ref().map_or(state, PathBuf::from);
    match profile_of(which, &state) {
        Some(profile) if profile != cli.global.profile => parse(environment, Some(&profile)),
        Some(_) | None => Ok(understood),
    }
}

/// Returns the profile that a run was made with, if the run can be read.
fn profile_of(which: &WhichRunArgs, state: &Path) -> Option<String> {
    // Why a run cannot be read is said by the command that needs it.
    let id = which.find(state).ok()?;
    let reader = RunReader::open(&batchctl::run::runs_in(state), &id).ok()?;
    Some(reader.record().ok()?.run.settings.profile)
}

/// Returns which run a command takes up.
fn run_taken_up(verb: &Verb) -> Option<&WhichRunArgs> {
    match verb {
        Verb::Resume(args) => Some(&args.which),
        Verb::Apply(args) => Some(&args.which),
        Verb::Retry(args) => Some(&args.which),
        Verb::Revert(args) => Some(&args.which),
        Verb::Wait(args) => Some(&args.how.which),
        Verb::Settle(args) => Some(&args.how.which),
        Verb::Tasks(args) => args.of_run.as_ref(),
        _ => None,
    }
}

/// Adds the variable that holds the refused value, if the value was not typed.
fn refused(error: clap::Error) -> Parsed {
    let typed_wrong = command().try_get_matches().is_err();
    let origin = if typed_wrong { None } else { sources::origin_in_variable(&error) };
    Parsed::Clap(error, origin)
}

/// Returns whether a command reads or writes runs.
fn keeps_runs(verb: &Verb) -> bool {
    match verb {
        Verb::Demo(_)
        | Verb::Sandbox(_)
        | Verb::List(_)
        | Verb::Config { .. }
        | Verb::Service { .. }
        | Verb::Schema(_)
        | Verb::Completions { .. }
        | Verb::Man(_) => false,
        Verb::Do(_)
        | Verb::Start(_)
        | Verb::Stop(_)
        | Verb::Delete(_)
        | Verb::Run(_)
        | Verb::Plan { .. }
        | Verb::Apply(_)
        | Verb::Resume(_)
        | Verb::Retry(_)
        | Verb::Revert(_)
        | Verb::Report(_)
        | Verb::Explain(_)
        | Verb::Ctl(_)
        | Verb::Auth { .. }
        | Verb::Wait(_)
        | Verb::Settle(_)
        | Verb::Tasks(_)
        | Verb::Ui(_)
        | Verb::Runs { .. } => true,
        #[cfg(feature = "postgres")]
        Verb::Work(_) => true,
    }
}

/// Returns whether a command can show a run without carrying it out.
fn has_preview(verb: &Verb) -> bool {
    matches!(verb, Verb::Do(_) | Verb::Start(_) | Verb::Stop(_) | Verb::Delete(_))
        || matches!(verb, Verb::Run(_) | Verb::Retry(_) | Verb::Revert(_))
}

fn carry_out(understood: Understood, environment: Environment, mut stderr: Stderr) -> ExitStatus {
    let Understood { cli, matches, config, command } = understood;
    let style = |is_terminal| style_of(&cli.global, &environment, is_terminal);
    stderr.style = style(environment.stderr_is_terminal);
    let stdout_style = style(environment.stdout_is_terminal);
    // For as long as the process lives, as the redactor.
    stderr.profile_flag = profile_flag(&cli.global.profile).map_or("", |flag| String::leak(flag));
    let state = state_directory(&cli.global, &environment);
    if state.is_none() && keeps_runs(&cli.verb) {
        return no_directory().failed(&stderr);
    }
    let machine = state.unwrap_or_default();
    let unattended = Unattended::from_verb(&cli.verb);
    let talk = match &unattended {
        Some(run) if run.is_for_cron() => Stderr { audience: Audience::Cron, ..stderr },
        Some(_) | None => stderr,
    };
    unknown_variables::warn(&sources::flags_of(&command), &environment, talk);
    if let Some(file) = &config {
        sources::warn_of_writers(file, &talk);
    }
    let profile = cli.global.profile.clone();
    let given = GivenFlags::new(matches);
    secret_value::register(&given, &environment, stderr.redactor);
    // `config show` takes every flag, to show it.
    let shows_flags = matches!(cli.verb, Verb::Config { .. });
    let is_preview = unattended.is_none() && has_preview(&cli.verb);
    let effects = if shows_flags { Ok(()) } else { effect::check(&given) };
    let places = || if shows_flags { Ok(()) } else { home_mark::check(&command, &given) };
    if let Err(error) = effects.and_then(|()| places()) {
        return error.failed(&stderr);
    }
    let place = cli.global.store.as_deref().filter(|_| keeps_runs(&cli.verb));
    let wanted = Wanted { place, rank: given.rank("store"), machine: &machine, verb: &cli.verb };
    let (store, state) = match store::open(&wanted, &environment, stderr.redactor) {
        Ok(opened) => opened,
        Err(error) => return error.failed(&stderr),
    };
    let context = Context {
        environment,
        stdout_style,
        stderr: talk,
        state,
        machine,
        store,
        profile,
        given,
        config,
        run_end: RunEnd::default(),
        is_of_target: false,
    };
    let work = || dispatch(cli.verb, &context).unwrap_or_else(|error| error.failed(&stderr));
    match unattended {
        Some(run) => run.around(&context, work).unwrap_or_else(|error| error.failed(&stderr)),
        None => {
            if is_preview {
                unattended::say_what_is_left_out(&context);
            }
            work()
        }
    }
}

fn no_directory() -> CommandError {
    CommandError::usage(
        "there is no directory to keep runs in: HOME is not set, or no absolute path",
    )
    .with_hint("name one with `--state-dir DIR`")
}

fn dispatch(verb: Verb, context: &Context) -> Result<ExitStatus, CommandError> {
    #[cfg(feature = "postgres")]
    if let Some(database) = context.store.database()
        && let ControlFlow::Break(status) = shared::copies::prepare(&verb, database, context)?
    {
        return Ok(status);
    }
    match verb {
        Verb::Start(args) => act_on_all(args, "start", Purpose::CarryOut, context),
        Verb::Stop(args) => act_on_all(args, "stop", Purpose::CarryOut, context),
        Verb::Do(args) => act_on_all(args.on, &args.action, Purpose::CarryOut, context),
        Verb::Delete(args) => commands::start_stop::delete(args, Purpose::CarryOut, context),
        Verb::Run(args) => commands::start_stop::run(args, Purpose::CarryOut, context),
        Verb::Plan { command } => commands::plan::plan(command, context),
        Verb::Apply(args) => commands::plan::apply(&args, context),
        Verb::Report(args) => commands::report::show(&args, context),
        Verb::Explain(args) => commands::explain::explain(&args, context),
        #[cfg(feature = "postgres")]
        Verb::Work(args) => commands::work::work(&args, context),
        Verb::Resume(args) => commands::resume::resume(&args, context),
        Verb::Retry(args) => commands::retry::retry(&args, context),
        Verb::Revert(args) => commands::revert::revert(&args, context),
        Verb::Wait(args) => commands::verify::wait(&args, context),
        Verb::Settle(args) => commands::verify::settle(&args, context),
        Verb::Ctl(args) => commands::ctl::order(&args, context),
        Verb::List(args) => commands::list::list(&args, context),
        Verb::Tasks(args) => commands::tasks::tasks(&args, context),
        Verb::Runs { command } => commands::runs::carry_out(&command, context),
        Verb::Ui(args) => commands::ui::serve(&args, context),
        Verb::Config { command } => commands::config::carry_out(&command, context),
        Verb::Service { command } => commands::service::carry_out(&command, context),
        Verb::Auth { command } => commands::auth::carry_out(&command, context),
        Verb::Demo(args) => commands::demo::demo(&args, context),
        Verb::Sandbox(args) => commands::sandbox::serve(args, context),
        Verb::Schema(args) => commands::shell::print_schema(&args),
        Verb::Completions { shell } => commands::shell::print_completions(shell),
        Verb::Man(args) => commands::shell::show(&args),
    }
}

/// Decides about colour: the flag, then `NO_COLOR` (<https://no-color.org>), then the terminal.
fn style_of(global: &GlobalArgs, environment: &Environment, is_terminal: bool) -> Style {
    let dumb = environment.variable("TERM").is_some_and(|term| term == "dumb");
    let refused = environment.variable("NO_COLOR").is_some() || dumb;
    let yes = match global.color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => is_terminal && !refused,
    };
    if yes { Style::Coloured } else { Style::Plain }
}

fn state_directory(global: &GlobalArgs, environment: &Environment) -> Option<PathBuf> {
    global.state_dir.clone().or_else(|| environment.state_directory())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        sources::with_variables(command(), &Environment::read()).debug_assert();
    }
}
