//! Wraps an unattended run: the splay before it, the pings before and after it, and at its end the
//! command of `--on-end` and a message to a webhook.

use crate::cli::Context;
use crate::cli::app::Verb;
use crate::cli::commands::start_stop::CommonArgs;
use crate::cli::commands::verify::VerifyArgs;
use crate::cli::connect::config_keys;
use crate::cli::flags::connection::{ConnectionArgs, DestinationArgs};
use crate::cli::flags::precedence::Rank;
use crate::cli::flags::run::{EndArgs, ReportingArgs, TakeUpArgs, UnattendedArgs};
use crate::cli::flags::which_run::WhichRunArgs;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream::Stderr;
use crate::cli::run::notify::Notifier;
use crate::cli::run::on_end;
use crate::cli::run::open_files;
use crate::cli::run::ping::Ping;
use batchctl::api::{Roots, Route};
use batchctl::report::ExitStatus;
use batchctl::text::span;
use ring::digest::{SHA256, digest};
use std::thread;
use std::time::Duration;
use url::Url;

/// A run that is about to begin, as schedulers and monitors know it.
pub(crate) struct Unattended {
    before: Before,
    end: EndArgs,
    place: DestinationArgs,
    /// What was typed, such as `start` or `resume`.
    verb: &'static str,
    /// The name of the job, as far as the command line says it.
    job: Option<String>,
}

/// What an unattended run has before it and around it; a look at a run has none of it.
#[derive(Default)]
struct Before {
    cron: bool,
    splay: Duration,
    ping: Option<Url>,
}

impl From<&UnattendedArgs> for Before {
    fn from(args: &UnattendedArgs) -> Self {
        Self { cron: args.cron, splay: args.splay, ping: args.ping.clone() }
    }
}

impl Unattended {
    /// Returns what the flags of a run ask for; a dry run is none.
    pub(crate) fn from_verb(verb: &Verb) -> Option<Self> {
        match verb {
            Verb::Do(args) => Self::from_action(&args.on.common, "do"),
            Verb::Start(args) => Self::from_action(&args.common, "start"),
            Verb::Stop(args) => Self::from_action(&args.common, "stop"),
            Verb::Delete(args) => Self::from_action(&args.common, "delete"),
            Verb::Run(args) => Self::from_action(&args.common, "run"),
            Verb::Apply(args) => {
                let job = args.which.job.clone();
                Some(Self::new(&args.reporting, &args.connection, "apply", job))
            }
            // Of one that follows, each run would be announced as one.
            #[cfg(feature = "postgres")]
            Verb::Work(args) if args.follow => None,
            #[cfg(feature = "postgres")]
            Verb::Work(args) => Some(Self::new(&args.reporting, &args.connection, "work", None)),
            Verb::Resume(args) => Some(Self::from_earlier_run(&args.which, &args.how, "resume")),
            Verb::Retry(args) if args.dry_run => None,
            Verb::Retry(args) => Some(Self::from_earlier_run(&args.which, &args.how, "retry")),
            // Without `-y` it only shows what would be called.
            Verb::Revert(args) if !args.how.yes => None,
            Verb::Revert(args) => Some(Self::from_earlier_run(&args.which, &args.how, "revert")),
            Verb::Wait(args) => Some(Self::from_look(&args.how, "wait")),
            Verb::Settle(args) => Some(Self::from_look(&args.how, "settle")),
            _ => None,
        }
    }

    fn new(
        reporting: &ReportingArgs,
        connection: &ConnectionArgs,
        verb: &'static str,
        job: Option<String>,
    ) -> Self {
        let args = &reporting.unattended;
        let (before, end, place) = (args.into(), args.end.clone(), connection.place.clone());
        Self { before, end, place, verb, job }
    }

    fn from_action(args: &CommonArgs, verb: &'static str) -> Option<Self> {
        let job = args.before.job.as_ref().map(ToString::to_string);
        (!args.before.dry_run).then(|| Self::new(&args.reporting, &args.connection, verb, job))
    }

    fn from_earlier_run(which: &WhichRunArgs, how: &TakeUpArgs, verb: &'static str) -> Self {
        Self::new(&how.reporting, &how.connection, verb, which.job.clone())
    }

    fn from_look(how: &VerifyArgs, verb: &'static str) -> Self {
        let (end, place, job) =
            (how.end.clone(), how.connection.place.clone(), how.which.job.clone());
        Self { before: Before::default(), end, place, verb, job }
    }

    /// Returns whether cron reads standard error.
    pub(crate) fn is_for_cron(&self) -> bool {
        self.before.cron
    }

    /// Waits for the splay, and does the work between two pings; then what follows a run.
    ///
    /// # Errors
    ///
    /// What would follow the run cannot be used; then the work is not done.
    pub(crate) fn around(
        &self,
        context: &Context,
        work: impl FnOnce() -> ExitStatus,
    ) -> Result<ExitStatus, CommandError> {
        let stderr = &context.stderr;
        // Before the wait: an error must show at once.
        let on_end = self.on_end(context)?;
        let notifier = Notifier::find(&self.end.notify, self.route(), context)?;
        // Before the start ping: the monitor measures the run, not the splay.
        self.wait(stderr);
        let ping = self.before.ping.as_ref().map(|url| Ping::start(url, self.route()));
        // Within the pings: who watches the run has to hear that it cannot begin.
        let status = match open_files::require_one_call() {
            Ok(()) => work(),
            Err(error) => error.failed(&stderr.of_failures()),
        };
        if let Some(ping) = ping {
            ping.end(status, stderr);
        }
        // Cron gets no mail for a good run; after a bad one this belongs into the mail.
        let is_mailed = status != ExitStatus::Ok;
        let stderr = if is_mailed { stderr.of_failures() } else { *stderr };
        if let Some(line) = on_end {
            warn(on_end::run(line, self.command(), status, context), &stderr);
        }
        if let Some(notifier) = notifier {
            warn(notifier.end(self.verb, self.job.as_deref(), status, context), &stderr);
        }
        Ok(status)
    }

    /// Returns the command of the run, if the command line alone says it.
    fn command(&self) -> &str {
        if matches!(self.verb, "start" | "stop" | "delete" | "run") { self.verb } else { "" }
    }

    /// Returns the command to run at the end, which nobody else may have written.
    fn on_end(&self, context: &Context) -> Result<Option<&str>, CommandError> {
        let Some(line) = self.end.on_end.as_deref().filter(|_| !on_end::is_within(context)) else {
            return Ok(None);
        };
        config_keys::require_trusted_keys(&["on-end"], context)?;
        Ok(Some(line))
    }

    /// Returns the route to the monitor: the one to the service. The run reports errors in it.
    fn route(&self) -> Route {
        let roots = self.place.ca_file.as_deref().and_then(|path| Roots::read(path).ok());
        Route { roots: roots.unwrap_or_default(), proxy: self.place.proxy.clone() }
    }

    /// A signal ends the process here as it ends any other: nothing was begun.
    fn wait(&self, stderr: &Stderr) {
        let host = batchctl::system::machine::uname();
        let job = self.job.as_deref().unwrap_or(self.verb);
        let wait = wait(self.before.splay, host.nodename().to_bytes(), job);
        if !wait.is_zero() {
            stderr.line(&format!("waiting {} before the run (--splay)", span(wait)));
            thread::sleep(wait);
        }
    }
}

/// Warns of what failed after a run, which changes nothing about the run.
fn warn(failed: Result<Option<String>, CommandError>, stderr: &Stderr) {
    match failed {
        Ok(None) => {}
        Ok(Some(message)) => stderr.say("warning", &message),
        Err(error) => error.print(stderr),
    }
}

/// The flags about a run that is carried out, beside those that shape its plan.
const OF_A_REAL_RUN: [&str; 9] =
    ["cron", "dump", "lock-wait", "log-file", "notify", "on-end", "ping", "progress", "splay"];

/// Says of typed flags that they have no effect because nothing is carried out.
pub(crate) fn say_what_is_left_out(context: &Context) {
    let is_typed = |flag: &&str| context.given.rank(flag) == Rank::CommandLine;
    for flag in OF_A_REAL_RUN.iter().filter(|flag| is_typed(flag)) {
        let message = format!("nothing is carried out, so `--{flag}` has no effect");
        context.stderr.line(&message);
    }
}

/// Returns a time of less than `span` that the names alone decide.
///
/// The first 64 bits of a SHA-256 of the names are taken for a fraction, so that it is the same
/// in every version and on every machine.
pub(crate) fn wait(span: Duration, host: &[u8], job: &str) -> Duration {
    let names = [host, b"\0", job.as_bytes()].concat();
    let hash = digest(&SHA256, &names);
    let first = hash.as_ref().first_chunk().expect("a SHA-256 has 32 bytes");
    let fraction = u128::from(u64::from_be_bytes(*first));
    // The upper half of the product is `span × fraction / 2⁶⁴`, without rounding up.
    let nanos = span.as_nanos().saturating_mul(fraction) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_job_always_wait_the_same_time() {
        let check = |host: &str, job, millis| {
            let waits = wait(Duration::from_secs(300), host.as_bytes(), job);
            assert_eq!(waits.as_millis(), millis, "{host} {job}");
        };
        check("edge-1", "nightly", 298_218);
        check("edge-2", "nightly", 83_457);
        check("edge-1", "hourly", 184_217);
    }

    #[test]
    fn hosts_are_spread_over_the_whole_span() {
        let span = Duration::from_secs(60);
        let mut tenths = [0; 10];
        for host in 0..1_000 {
            let waits = wait(span, format!("host-{host}").as_bytes(), "nightly");
            assert!(waits < span);
            tenths[usize::try_from(waits.as_millis() / 6_000).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|hosts| (70..130).contains(hosts)), "{tenths:?}");
    }

    #[test]
    fn without_a_span_there_is_no_wait() {
        assert_eq!(wait(Duration::ZERO, b"edge-1", "nightly"), Duration::ZERO);
    }
}
