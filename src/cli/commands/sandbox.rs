//! `sandbox`: serves a simulated service until a signal stops it.

use crate::cli::Context;
use crate::cli::connect::service_file::ServiceText;
use crate::cli::flags::precedence::Rank;
use crate::cli::flags::values;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::process::runtime::runtime;
use crate::cli::run::open_files;
use batchctl::report::ExitStatus;
use batchctl::sandbox::{Account, OwnProject, Sandbox, SandboxAuth, SandboxLimit, SandboxSettings};
use batchctl::service::{Auth, Service, StateSource};
use batchctl::system::signals::{SignalKind, signal};
use batchctl::task::Rate;
use batchctl::text::printable;
use clap::Args;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const SANDBOX_HELP: &str = "\
The first line on standard output is its URL. Ids that end with -partial, -failed, -refused,
-missing, -slow, -drop, -silent, -flaky, -garbled, -stuck or -throttled always behave like that.

Its user, password, domain, access key and secret key are all `sandbox`; it is its own IAM.
Five wrong signatures lock the key for five minutes.

With `--service` it is the service of a file, and answers with the examples of the file's rules.
Ids that end with -refused, -gone, -unchanged, -unauthorised, -throttled, -transient, -doubt, -drop,
-silent, -slow, -garbled or -stuck behave like that.

Examples:
  batchctl sandbox --listen 127.0.0.1:8080 --latency 5ms..30ms --limit 100/s
  batchctl sandbox --tasks 10000 --running 50% --settle 20s --stuck 1%
  batchctl sandbox --fail 2% --partial 5% --drop 1% --access-log access.log
  batchctl sandbox --auth token --token-life 30s
  batchctl sandbox --own-project a:limit=40/s --own-project b:dies-after=9
  batchctl sandbox --service shop.toml --limit 20/s --drop 2%";

#[derive(Debug, Args)]
#[command(after_help = SANDBOX_HELP)]
pub(crate) struct SandboxArgs {
    /// Be the service of a file, in the place of VIAS
    #[arg(long, value_name = "NAME|FILE")]
    service: Option<String>,
    /// Where to listen: an address of this machine; port 0 takes any
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How many batch tasks the project has at first
    #[arg(long, value_name = "N", default_value = "1000", value_parser = values::whole_number::<u32>)]
    tasks: u32,
    /// How many sub-tasks a batch task has
    #[arg(long, value_name = "N..N", default_value = "1..8", value_parser = values::numbers)]
    sub_tasks: RangeInclusive<u16>,
    /// How long answers take
    #[arg(long, value_name = "SPAN..SPAN", default_value = "5ms..30ms", value_parser = values::spans)]
    latency: RangeInclusive<Duration>,
    /// How long sub-tasks take to reach the state of their command
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = values::span)]
    settle: Duration,
    /// How late the list shows the states of tasks
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = values::span)]
    stale: Duration,
    /// The share of the project's tasks that run at first; the others are stopped
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = values::share)]
    running: f64,
    /// The share of tasks that never arrive where they are sent
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = values::share)]
    stuck: f64,
    /// Throttle above this rate
    #[arg(long, value_name = "RATE")]
    limit: Option<Rate>,
    /// The Retry-After that throttled answers carry
    #[arg(long, value_name = "SPAN", value_parser = values::span)]
    retry_after: Option<Duration>,
    /// The share of calls that fail
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = values::share)]
    fail: f64,
    /// The share of calls of which some sub-tasks fail
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = values::share)]
    partial: f64,
    /// The share of calls that are carried out and get no answer
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = values::share)]
    drop: f64,
    /// Which credentials to ask for
    #[arg(long, value_name = "KIND", default_value = "any-token",
        value_parser = values::sandbox_auth())]
    auth: SandboxAuth,
    /// How long a token of a login is good for
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = values::positive_span)]
    token_life: Duration,
    /// A project of the account (repeatable); without any, every name is one
    #[arg(long, value_name = "NAME=ID", value_parser = values::named)]
    project: Vec<(String, String)>,
    /// A project with tasks of its own, and perhaps limit=RATE, token-dies-after=N, dies-after=N
    /// (repeatable)
    #[arg(long, value_name = "ID:KEY=VALUE,...", value_parser = own_project)]
    own_project: Vec<OwnProject>,
    /// Decides which calls fail; the same seed, the same calls
    #[arg(long, value_name = "N", default_value = "0", value_parser = values::whole_number::<u64>)]
    seed: u64,
    /// Write one line per request: microseconds, method, id, command, status
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
}

/// Reads a project of a sandbox with rules of its own: `ID` or `ID:KEY=VALUE,…`.
fn own_project(text: &str) -> Result<OwnProject, String> {
    let (id, rules) = text.split_once(':').unwrap_or((text, ""));
    if id.trim().is_empty() {
        return Err("the id of the project is missing".into());
    }
    let mut project = OwnProject { id: id.trim().into(), ..OwnProject::default() };
    for rule in rules.split(',').filter(|rule| !rule.trim().is_empty()) {
        let (key, value) = rule.split_once('=').ok_or("a rule looks like `KEY=VALUE`")?;
        let number = || value.trim().parse().map(Some).map_err(|_| format!("`{key}` is a number"));
        match key.trim() {
            "limit" => {
                let rate: Rate = value.trim().parse().map_err(|error| format!("{error}"))?;
                project.limit = Some(SandboxLimit { count: rate.limit.get(), window: rate.window });
            }
            "token-dies-after" => project.token_dies_after = number()?,
            "dies-after" => project.dies_after = number()?,
            _ => return Err("the rules are limit, token-dies-after and dies-after".into()),
        }
    }
    Ok(project)
}

impl From<SandboxArgs> for SandboxSettings {
    fn from(args: SandboxArgs) -> Self {
        Self {
            listen: args.listen,
            tasks: args.tasks,
            sub_tasks: args.sub_tasks,
            latency: args.latency,
            settle: args.settle,
            stale: args.stale,
            running: args.running,
            stuck: args.stuck,
            limit: args
                .limit
                .map(|rate| SandboxLimit { count: rate.limit.get(), window: rate.window }),
            retry_after: args.retry_after,
            fail: args.fail,
            partial: args.partial,
            drop: args.drop,
            seed: args.seed,
            access_log: args.access_log,
            auth: args.auth,
            projects: args.own_project,
            account: Account {
                token_life: args.token_life,
                projects: args.project,
                ..Account::default()
            },
            ..Self::default()
        }
    }
}

/// Reads the service that is to be simulated, and refuses flags that mean nothing to it.
fn simulated(args: &SandboxArgs, context: &Context) -> Result<Option<Arc<Service>>, CommandError> {
    let Some(word) = &args.service else { return Ok(None) };
    let service = ServiceText::find(word, &context.environment)?.usable(context)?;
    let state = service.state.as_ref();
    let has_list = state.is_some_and(|state| matches!(state.from, StateSource::List(_)));
    let needs = [
        (true, &["token-life", "project", "own-project"][..], "nobody logs in to the service"),
        (service.counts.is_none(), &["sub-tasks", "partial"], "the file has no `[counts]`"),
        (state.is_none(), &["settle", "stale", "stuck", "running"], "the file has no `[state]`"),
        (!has_list, &["tasks"], "the file has no `[state.list]`"),
    ];
    for (is_missing, flags, why) in needs {
        let typed = |flag: &&&str| context.given.rank(flag) == Rank::CommandLine;
        if let Some(flag) = flags.iter().find(typed).filter(|_| is_missing) {
            let error = format!("`--{flag}` has no effect: {why}");
            return Err(CommandError::usage(error).with_hint(format!("leave out `--{flag}`")));
        }
    }
    let is_known = match args.auth {
        SandboxAuth::None | SandboxAuth::AnyToken => true,
        SandboxAuth::Signature => service.auth == Auth::Huawei,
        SandboxAuth::Token => false,
    };
    if !is_known {
        let error = "the service of a file has no such credentials";
        let hint = "`--auth` is `none` or `any-token`; with `auth = \"huawei\"` also `signature`";
        return Err(CommandError::usage(error).with_hint(hint));
    }
    Ok(Some(Arc::new(service)))
}

/// Refuses a project that is given twice: one of the two would have no effect.
fn check_projects(args: &SandboxArgs) -> Result<(), CommandError> {
    let own: Vec<&str> = args.own_project.iter().map(|project| &*project.id).collect();
    let named: Vec<&str> = args.project.iter().map(|(name, _)| &**name).collect();
    for (flag, names) in [("own-project", own), ("project", named)] {
        let is_repeated = |(at, name): &(usize, &&str)| names[..*at].contains(name);
        if let Some((_, name)) = names.iter().enumerate().find(is_repeated) {
            let error = format!("`--{flag}` has `{}` twice", printable(name, 60));
            let hint = "give each project once, with all its rules";
            return Err(CommandError::usage(error).with_hint(hint));
        }
    }
    Ok(())
}

pub(crate) fn serve(args: SandboxArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let service = simulated(&args, context)?;
    check_projects(&args)?;
    open_files::make_most_room();
    let runtime = runtime()?;
    runtime.block_on(async {
        // Before the URL is printed: a script may stop the sandbox as soon as it has read it.
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::io)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::io)?;
        let sandbox = Sandbox::bind(SandboxSettings { service, ..args.into() }).await?;
        stream::print(&format!("{}\n", sandbox.url()))?;
        let stopped = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        sandbox.serve(stopped).await?;
        Ok(ExitStatus::Ok)
    })
}
