//! Carries a planned run out: credentials, client, displays and signals around the library's run,
//! then its report.

use crate::cli::Context;
use crate::cli::connect::client;
use crate::cli::connect::client::{ConnectedTarget, ConnectionSettings};
use crate::cli::connect::run_service::RunService;
use crate::cli::flags::output::{DisplayArgs, DumpArgs};
use crate::cli::output::documents::Document;
use crate::cli::output::dump::Dump;
use crate::cli::output::error::CommandError;
use crate::cli::output::event_documents::Live;
use crate::cli::output::present::{ReportRequest, present};
use crate::cli::output::run_end::RunEnd;
use crate::cli::output::stream::Stderr;
use crate::cli::process::runtime::runtime;
use crate::cli::run::control_socket::{ChangeLimit, ControlState, Served};
use crate::cli::run::display::{Displays, LiveStatus};
use crate::cli::run::keys::KeyContext;
use crate::cli::run::log_file::{LogFile, LogTrouble};
use crate::cli::run::open_files::Sockets;
use crate::cli::run::pending_plan::{IfNotStarted, PendingPlan};
use crate::cli::run::target::unless_all_refused;
use crate::cli::run::{control_socket, display, keys, open_files, signals, time_check};
use batchctl::api::{AnyClient, Credentials, Record};
use batchctl::clock::Clock;
use batchctl::engine::Control;
use batchctl::event::{StopReason, Watch};
use batchctl::reading::RunReader;
use batchctl::report::{ExitStatus, ResultsOptions};
use batchctl::run;
use batchctl::run::{Ended, Planned, RunError, TargetOrders};
use batchctl::service::Auth;
use batchctl::settings::RunSettings;
use batchctl::store::RunId;
use batchctl::text::plural;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::sync::mpsc::UnboundedSender;

/// How a run is carried out and reported.
pub(crate) struct Execution<'a> {
    /// Where calls go: to one place, or to that of each target.
    pub(crate) targets: Vec<ConnectedTarget<'a>>,
    pub(crate) display: &'a DisplayArgs,
    pub(crate) documents: &'a [Document],
    pub(crate) dump: &'a DumpArgs,
    pub(crate) options: &'a ResultsOptions,
    pub(crate) json: bool,
    pub(crate) log_file: Option<LogFile>,
    pub(crate) clock: Clock,
}

impl Execution<'_> {
    fn report_request<'a>(&'a self, live: &'a Live, end: &'a RunEnd) -> ReportRequest<'a> {
        ReportRequest {
            documents: self.documents,
            options: self.options,
            json: self.json,
            summary: !self.display.quiet,
            live: Some(live),
            end: Some(end),
        }
    }
}

/// Says that documents are missing because the store could not be read, and how to get them.
fn print_missing_documents(run: &RunId, unread: &CommandError, stderr: &Stderr) {
    let stderr = stderr.of_failures();
    unread.print(&stderr);
    let command = format!("batchctl report {run} -o results.csv");
    stderr.say("hint", &format!("documents of this run may be missing: `{command}` writes them"));
}

/// Carries a run out on a runtime of its own, and reports it.
pub(crate) fn carry_out(
    mut pending: PendingPlan,
    mut how: Execution<'_>,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    let (environment, stderr) = (&context.environment, &context.stderr);
    let runtime = runtime()?;
    let log_file = how.log_file.take();
    // The display takes the log file over; its errors are read here when the run has ended.
    let log_trouble = log_file.as_ref().map(LogFile::trouble);
    let Displays { mut watchers, talk, live_status, keys_to } =
        display::open(how.display, log_file, environment, stderr, how.clock);
    // From here on a signal ends the run in good order, also while a token command works.
    let (control, orders) = mpsc::unbounded_channel();
    let (of_target, orders_of_target) = mpsc::unbounded_channel();
    let planned = pending.planned_mut();
    let drain_timeout = planned.settings().drain_timeout;
    runtime
        .block_on(async { signals::obey(environment, control.clone(), talk, drain_timeout) })
        .map_err(CommandError::io)?;
    // The credentials may take long (a command, IAM), so this comes after the signals.
    let clients = connect(planned, &how, &runtime, &context.stderr)?;
    let (runs, id) = (planned.runs().clone(), planned.id().clone());
    // After the credentials, because the time left is counted from now.
    prepare(planned, &how, context);
    let if_not_started = pending.if_not_started;
    if if_not_started == IfNotStarted::Discard {
        time_check::warn_of_later_run(&runs, how.clock, &context.stderr);
    }
    // The last step that can fail: a truncated document of events belongs to this run.
    let service = how.targets.iter().find_map(|target| target.destination.service.as_ref());
    let live = Live::open(how.documents, if_not_started.beginning(), &id, how.clock)?
        .of_service(service.map(RunService::event_service));
    live.watch(&mut watchers);
    let dump = Dump::open(how.dump, if_not_started.beginning(), &id)?;
    watchers.extend(dump.clone().map(|dump| Box::new(dump) as Box<dyn Watch>));
    let record = dump.clone().map(|dump| Arc::new(dump) as Arc<dyn Record>);
    let recording = |client: AnyClient| client.recording(record.clone());
    let clients: Vec<_> = clients.into_iter().map(|client| client.map(recording)).collect();
    let orders = TargetOrders { all: orders, one: orders_of_target };
    let observers = Observers { watchers, live_status, keys_to, control, of_target, orders };
    // From here on the run stays, whatever happens, once it has begun.
    let ended = observers.work(pending.begin(), &clients, &runtime, context);
    // Writing the report may take long, and the run has nothing left to lose.
    signals::obey_no_longer(environment).map_err(CommandError::io)?;
    let wanted = how.report_request(&live, &context.run_end);
    let ended = match ended {
        // Nothing was sent, so a new run leaves no trace; a resumed one stays as it was.
        Err(error @ (RunError::UnknownTasks { .. } | RunError::NotBegun(_)))
            if if_not_started == IfNotStarted::Discard =>
        {
            // The error that called the run off is the one to report.
            let _ = run::remove(&context.state, &id);
            context.store.forget(&id);
            return Err(error.into());
        }
        // The plan has begun, and `apply` has no flag for them.
        Err(RunError::UnknownTasks { count, examples })
            if if_not_started == IfNotStarted::KeepPlan =>
        {
            let help = format!(
                "`batchctl resume {id} --on-unknown skip` leaves them out, and with `send` they \
                 are called all the same"
            );
            return Err(CommandError::unknown_tasks(count, &examples, &help));
        }
        // What the database has cannot be read either.
        Err(error @ RunError::Ledger(_)) if context.store.is_elsewhere() => {
            return Err(error.into());
        }
        Err(error @ RunError::Ledger(_)) => {
            if let Err(unread) = present(&runs, &id, &wanted, stderr, context.stdout_style) {
                print_missing_documents(&id, &unread, stderr);
            }
            return Err(error.into());
        }
        ended => ended?,
    };
    // Before the report, whose last lines say what to type next.
    print_trouble(&ended, stderr);
    print_credential_trouble(&ended, &clients, &how, stderr);
    print_log_trouble(log_trouble.as_ref(), stderr);
    context.store.refresh(&id)?;
    let status = present(&runs, &id, &wanted, stderr, context.stdout_style)?;
    let status = context.store.status(ended.stats.stopped).unwrap_or(status);
    let failures = [live.failure(), dump.and_then(|dump| dump.close(stderr))];
    failures.into_iter().flatten().next().map_or(Ok(status), Err)
}

/// Makes the clients of all places, with at most as many calls at a time as sockets can be open.
fn connect(
    planned: &mut Planned,
    how: &Execution<'_>,
    runtime: &Runtime,
    stderr: &Stderr,
) -> Result<Vec<Option<AnyClient>>, CommandError> {
    let is_sandbox = how.targets.iter().any(|target| target.destination.sandbox.is_some());
    let sockets = if is_sandbox { Sockets::BothEnds } else { Sockets::Ours };
    let count = NonZeroUsize::new(how.targets.len()).unwrap_or(NonZeroUsize::MIN);
    let own = planned.settings().concurrency;
    let most = planned.targets().map(|settings| settings.concurrency).max().unwrap_or(own);
    // Fewer calls at a time are slow; calls without a socket would look like an outage.
    let room = open_files::make_room(most.saturating_mul(count), sockets, stderr).get();
    planned.narrow(NonZeroUsize::new(room / count).unwrap_or(NonZeroUsize::MIN));
    let mut settings: Vec<&RunSettings> = planned.targets().collect();
    if settings.is_empty() {
        settings.push(planned.settings());
    }
    let client = |(target, settings): (&ConnectedTarget<'_>, &RunSettings)| {
        let connection = ConnectionSettings {
            connect_timeout: settings.connect_timeout,
            level: settings.level,
            concurrency: settings.concurrency,
        };
        let ConnectedTarget { name, destination, credentials, .. } = *target;
        // A target whose credentials were refused makes no call, unless its service takes none.
        let takes_none =
            destination.service.as_ref().is_some_and(|it| it.service.auth == Auth::None);
        if credentials.is_none() && !takes_none {
            return None;
        }
        // Read back, because the columns of a run that goes on are those that it keeps.
        let columns = || {
            let record = RunReader::open(planned.runs(), planned.id())?.record()?;
            Ok(record.sources.into_iter().map(|source| source.columns).collect())
        };
        let connected = client::client(*target, connection, columns, runtime);
        Some(connected.map_err(|error| match name {
            Some(name) => error.of_target(name),
            None => error,
        }))
    };
    unless_all_refused(how.targets.iter().zip(settings).map(client).collect(), stderr)
}

/// Sets the limits that depend on the time: a token command may have taken long.
fn prepare(planned: &mut Planned, how: &Execution<'_>, context: &Context) {
    if let Some(finish_by) = planned.settings().finish_by {
        planned.finish_within(finish_by.time_left(&time_check::here(how.clock)));
    }
    // Each target has a rate and a number of tasks of its own.
    if planned.targets().next().is_none() {
        let selected = planned.totals().selected;
        time_check::warn(planned.settings(), selected, how.clock, &context.stderr);
    }
    let service = how.targets.iter().find_map(|target| target.destination.service.as_ref());
    if !planned.settings().sandbox {
        match service {
            None => planned.learn_for(&context.profile),
            // Another service accepts another rate.
            Some(service) => planned.learn_for(&format!("{}@{}", context.profile, service.name)),
        }
    }
}

/// Everything that watches the run or controls it.
struct Observers {
    watchers: Vec<Box<dyn Watch>>,
    live_status: LiveStatus,
    keys_to: Option<Box<dyn Write + Send>>,
    control: UnboundedSender<Control>,
    /// Where orders for one of several targets go.
    of_target: UnboundedSender<(String, Control)>,
    orders: TargetOrders,
}

impl Observers {
    /// Carries the run out, watched and under control from the keyboard, by `ctl` and by signals.
    fn work(
        self,
        planned: Planned,
        clients: &[Option<AnyClient>],
        runtime: &Runtime,
        context: &Context,
    ) -> Result<Ended, RunError> {
        let Context { environment, stderr, .. } = context;
        let Self { watchers, live_status, keys_to, control, of_target, orders } = self;
        let keys = keys_to.and_then(|out| {
            let key_context =
                KeyContext { control: control.clone(), live_status: live_status.clone(), out };
            // Without keys a run goes on as well as with them.
            runtime.block_on(async { keys::listen(key_context, environment) }).ok()
        });
        let socket = planned.runs().socket(planned.id());
        let who = context.identity().map(|by| &*String::leak(format!("{}@{}", by.user, by.host)));
        let change_limit = ChangeLimit::default();
        let state = ControlState { control, of_target, live_status, change_limit, who };
        let served = serve(&socket, state, runtime, stderr);
        let ended = if planned.targets().next().is_some() {
            runtime.block_on(planned.carry_out_targets(clients, watchers, orders))
        } else {
            let client = clients[0].as_ref().expect("a run of one place is refused without it");
            runtime.block_on(planned.carry_out(client, watchers, orders.all))
        };
        // Both act on the run; the terminal must be restored before the report is printed.
        drop((served, keys));
        ended
    }
}

/// Lets `ctl` ask and change the run; one that cannot be reached goes on all the same.
fn serve(socket: &Path, state: ControlState, runtime: &Runtime, stderr: &Stderr) -> Option<Served> {
    let served = runtime.block_on(async { control_socket::serve(socket, state) });
    served
        .inspect_err(|error| {
            stderr.say("warning", &format!("`batchctl ctl` cannot reach this run: {error}"));
        })
        .ok()
}

/// Says why credentials were not renewed, if a run or a target of it ended for it.
fn print_credential_trouble(
    ended: &Ended,
    clients: &[Option<AnyClient>],
    how: &Execution<'_>,
    stderr: &Stderr,
) {
    let of_targets = ended.targets.iter();
    let of_all = of_targets.chain(ended.targets.is_empty().then_some(&ended.stats));
    for ((stats, client), target) in of_all.zip(clients).zip(&how.targets) {
        let is_refused = stats.stopped == Some(StopReason::NotAuthorised);
        let trouble = client.as_ref().and_then(AnyClient::credentials);
        let trouble = trouble.and_then(Credentials::take_trouble);
        if let Some(error) = trouble.filter(|_| is_refused).map(CommandError::from) {
            match target.name {
                Some(name) => error.of_target(name).print(stderr),
                None => error.print(stderr),
            }
        }
    }
}

fn print_trouble(ended: &Ended, stderr: &Stderr) {
    let trouble = ended.watch_trouble;
    if trouble.panicked > 0 {
        stderr.say("warning", "the display failed; the run was not touched by it");
    }
    if trouble.missed_events > 0 {
        let events = plural(trouble.missed_events, "event", "events");
        stderr.say("warning", &format!("the display was too slow and missed {events}"));
    }
    if let Some(error) = &ended.group_trouble {
        stderr.say("error", &format!("the rate group cannot be used: {error}"));
    }
    if let Some(error) = &ended.learning_trouble {
        stderr.say("warning", &format!("the next run will not know the rate: {error}"));
    }
}

/// Says what the log file lacks, if it lacks anything.
fn print_log_trouble(trouble: Option<&LogTrouble>, stderr: &Stderr) {
    if let Some(message) = trouble.and_then(LogTrouble::message) {
        stderr.say("warning", &format!("the log file is not whole: {message}"));
    }
}
